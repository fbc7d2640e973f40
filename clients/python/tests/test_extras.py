"""With httpx alone: what needs more says which extra brings it, and everything else works."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import featured

PROGRAM = """
    import sys
    for name in ("numpy", "pandas", "pyarrow", "yaml", "tqdm"):
        sys.modules[name] = None  # as if it were not installed
    import featured
    store = featured.FeatureStore(sys.argv[1])
    store.ingest_many([{"entity_id": "bare", "an_int": 1}], progress=True)
    print(store.get("bare", "an_int"), store.get_with_metadata("bare", "an_int")["an_int"].status)
    for call in (
        lambda: store.get_numpy(["bare"], "an_int"),
        lambda: store.get_pandas(["bare"], "an_int"),
        lambda: store.get_arrow(["bare"], "an_int"),
        lambda: store.apply("features.yaml"),
        lambda: store.ingest_many("rows.parquet"),
    ):
        try:
            call()
        except featured.MissingExtra as error:
            print(error)
"""


def test_without_extras(server):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), server.url],
        env={**os.environ, "PYTHONPATH": str(Path(featured.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "{'an_int': 1} PRESENT",
        "NumPy is needed for this: pip install 'featured[numpy]'",
        "pandas is needed for this: pip install 'featured[pandas]'",
        "pyarrow is needed for this: pip install 'featured[pyarrow]'",
        "PyYAML is needed for this: pip install 'featured[yaml]'",
        "pyarrow is needed for this: pip install 'featured[pyarrow]'",
    ]
