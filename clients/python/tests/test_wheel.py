"""The wheel that carries the server: built, installed into a fresh environment, used there."""

import importlib.util
import os
import re
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import httpx
import pytest

HERE = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("build", "hatchling", "auditwheel")),
    reason="build, hatchling and auditwheel are not installed",
)


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    target = tmp_path_factory.mktemp("dist")
    return Path(run(sys.executable, str(HERE / "build-wheel"), str(target)).strip())


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """With what httpx needs from the environment of the tests: no index is asked."""
    directory = tmp_path_factory.mktemp("fresh") / "venv"
    run(sys.executable, "-m", "venv", str(directory))
    run(str(directory / "bin/pip"), "install", "--no-index", "--no-deps", str(wheel))
    (packages,) = directory.glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(str(Path(httpx.__file__).parents[1]))
    return directory


def test_what_is_in_it(wheel):
    assert re.fullmatch(r"featured-[0-9.]+-py3-none-manylinux_2_\d+_\w+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        program = archive.getinfo("featured/bin/featured")
        assert program.external_attr >> 16 & 0o111 == 0o111
    assert "featured/py.typed" in names
    assert any(name.startswith("featured.libs/libuv-") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any("test" in name for name in names)


def test_it_is_all_that_is_needed(environment, tmp_path):
    program = """
        import featured
        with featured.start() as server, server.store() as store:
            store.register(featured.Feature("user_age", "int", entity="user"))
            store.ingest("user_1", {"user_age": 25})
            print(store.get("user_1"))
        print(featured.__file__)
    """
    clean = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    python = str(environment / "bin/python")
    said = run(python, "-c", textwrap.dedent(program), env=clean, cwd=tmp_path).splitlines()
    assert said[0] == "{'user_age': 25}"
    assert said[1].startswith(str(environment))


def test_the_command_runs_the_program(environment, tmp_path):
    clean = {"PATH": f"{environment}/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    assert run("featured", "--version", env=clean, cwd=tmp_path).startswith("featured ")
    wrong = subprocess.run(
        [str(environment / "bin/featured"), "nothing"], env=clean, check=False, capture_output=True
    )
    assert wrong.returncode == 2


def test_its_libraries_come_along(environment):
    """Nothing that the program loads is the machine's, but what each Linux has."""
    (program,) = environment.glob("lib/python*/site-packages/featured/bin/featured")
    loaded = re.findall(r"(\S+) => (\S+)", run("ldd", str(program)))
    ours = [path for _, path in loaded if "/featured.libs/" in path]
    others = {name.split(".")[0] for name, path in loaded if "/featured.libs/" not in path}
    assert len(ours) > 10
    assert others <= {
        "libc",
        "libm",
        "libstdc++",
        "libgcc_s",
        "libresolv",
        "libz",
        "libdl",
        "libpthread",
        "librt",
    }


def test_without_the_program(tmp_path):
    """The client alone, for every platform."""
    clean = {name: value for name, value in os.environ.items() if name != "FEATURED_BINARY"}
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(HERE)]
    run(*build, env=clean)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
