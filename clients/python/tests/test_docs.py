"""Every example of the documentation, against a real server."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import featured

README = Path(__file__).parents[1] / "README.md"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture
def in_a_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_readme(in_a_directory):
    text = README.read_text()
    for name, content in re.findall(r"<!-- (\S+) -->\n```yaml\n(.*?)```", text, re.DOTALL):
        (in_a_directory / name).write_text(content)
    # A fence is not what the last example says.
    text = re.sub(r"^```.*$", "", text, flags=re.MULTILINE)
    test = doctest.DocTestParser().get_doctest(text, {}, "README.md", str(README), 0)
    assert len(test.examples) > 20
    assert doctest.DocTestRunner(optionflags=FLAGS).run(test).failed == 0


@pytest.mark.parametrize(
    "name", [name for _, name, _ in pkgutil.iter_modules(featured.__path__)] + ["__init__"]
)
def test_docstrings(name, in_a_directory):
    module = featured if name == "__init__" else importlib.import_module(f"featured.{name}")
    assert doctest.testmod(module, optionflags=FLAGS).failed == 0
