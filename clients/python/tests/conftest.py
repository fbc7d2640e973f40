"""A real server for the tests: FEATURED_BINARY names the program, else build/featured of the checkout."""

import itertools
import os
from pathlib import Path

import pytest

import featured
from featured import Feature

ROOT = Path(__file__).resolve().parents[3]
os.environ.setdefault("FEATURED_BINARY", str(ROOT / "build" / "featured"))

TYPES = {
    "an_int": Feature("an_int", "int", "user"),
    "a_float": Feature("a_float", "float", "user"),
    "a_bool": Feature("a_bool", "boolean", "user"),
    "a_text": Feature("a_text", "string", "user"),
    "a_time": Feature("a_time", "timestamp", "user"),
    "a_vector": Feature("a_vector", "embedding", "user", dimension=3),
    "a_list": Feature("a_list", "embedding", "user"),
    "a_json": Feature("a_json", "json", "user"),
    "required": Feature("required", "int", "user", is_nullable=False),
}


@pytest.fixture(scope="session")
def server():
    with featured.start() as running:
        store = running.store()
        store.apply([*TYPES.values(), featured.FeatureService("all_types", list(TYPES.values())[:-1])])
        yield running


@pytest.fixture(scope="session")
def store(server):
    return server.store()


@pytest.fixture
def new_id(request):
    """Ids that no other test uses."""
    numbers = itertools.count()
    return lambda: f"{request.node.name}-{next(numbers)}"
