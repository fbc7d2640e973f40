import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True

BINARY = os.path.abspath(os.environ.get("FEATURED_BINARY", ROOT / "build/featured"))
