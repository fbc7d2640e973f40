"""Reads the results of runs. Later ones add rows to earlier ones, and replace theirs."""

import importlib.util
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = os.path.join(os.path.dirname(HERE), ".venv/bin/python")


def run_in_environment():
    """Starts this program again where matplotlib is installed, if it is not here."""
    if importlib.util.find_spec("matplotlib"):
        return
    if os.path.abspath(sys.executable) == PYTHON or not os.path.exists(PYTHON):
        sys.exit("matplotlib is not installed: scripts/setup bench")
    os.execv(PYTHON, [PYTHON, *sys.argv])


def by_row(document):
    rows = {}
    for row in document["rows"]:
        rows.setdefault(row["row"], []).append(row)
    return rows


def merged(paths):
    """All rows, failures, figures without a goal and charts; `from` has the documents themselves."""
    rows, failed, also, charts, documents = {}, {}, {}, {}, []
    for path in paths:
        with open(path) as file:
            document = json.load(file)
        rows.update(by_row(document))
        for measured in (*by_row(document), *document["charts"]):
            failed.pop(measured, None)
        failed.update({one["row"]: one for one in document["failed"]})
        also.update({one["what"]: one for one in document["also"]})
        charts.update(document["charts"])
        documents.append(document)
    return {"rows": [row for number in sorted(rows) for row in rows[number]],
            "failed": list(failed.values()), "also": list(also.values()), "charts": charts,
            "from": documents}
