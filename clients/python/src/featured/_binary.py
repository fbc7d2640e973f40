"""The program `featured`: where it is, and the console entry point that runs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Iterator, NoReturn, Optional

BUNDLED = Path(__file__).with_name("bin") / "featured"


def find_binary() -> Optional[str]:
    """The one that FEATURED_BINARY names, else the one inside this package, else the first on the PATH that
    is a program (this package's own entry point has the same name, but is a script)."""
    named = os.environ.get("FEATURED_BINARY")
    if named:
        return os.path.abspath(named)
    for candidate in (BUNDLED, *_on_path()):
        if _is_program(candidate):
            return str(candidate)
    return None


def _on_path() -> Iterator[Path]:
    for directory in os.environ.get("PATH", "").split(os.pathsep):
        yield Path(directory or ".").absolute() / "featured"


def _is_program(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) != b"#!" and os.access(path, os.X_OK)
    except OSError:
        return False


NO_BINARY = (
    "the program featured is neither in this package (only wheels for a platform carry it), nor on the "
    "PATH; FEATURED_BINARY may name it"
)


def main() -> NoReturn:
    """`featured …`: becomes the program."""
    binary = find_binary()
    if binary is None:
        print(f"featured: {NO_BINARY}", file=sys.stderr)
        raise SystemExit(127)
    try:
        os.execv(binary, ["featured", *sys.argv[1:]])
    except OSError as error:
        print(f"featured: {binary}: {error.strerror}", file=sys.stderr)
        raise SystemExit(126) from None
