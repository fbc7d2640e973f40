"""The specification itself: valid, served as it is, and each of its paths is there."""

import json

import pytest
from openapi_spec_validator import validate

from contract import METHODS, SPEC_FILE, Contract

SPEC = json.loads(SPEC_FILE.read_text("utf-8"))
OPERATIONS = [
    (method.upper(), path)
    for path, item in SPEC["paths"].items()
    for method in item
    if method in METHODS
]


def test_it_is_valid():
    validate(SPEC)
    assert SPEC["openapi"].startswith("3.1")
    assert SPEC["info"]["title"] == "featured"
    assert SPEC["info"]["version"] == "0.1.0"


def test_the_server_serves_this_file(client):
    response = client.get("/openapi.json")
    assert response.headers["Content-Type"].split(";")[0] == "application/json"
    assert response.json() == SPEC


@pytest.mark.parametrize("path", SPEC["paths"])
def test_every_path_is_there_with_its_methods(client, path):
    target = path.replace("{id}", "1").replace("{name}", "x").replace("{entity_id}", "x")
    response = client.options(target)
    methods = {item.strip() for item in response.headers["Allow"].split(",")}
    documented = {method for method, other in OPERATIONS if other == path}
    if "GET" in documented:
        documented.add("HEAD")
    assert methods == documented | {"OPTIONS"}


def test_operations_have_what_the_page_shows():
    names = set()
    for method, path in OPERATIONS:
        operation = SPEC["paths"][path][method.lower()]
        assert operation["summary"] and operation["description"], path
        names.add(operation["operationId"])
        assert "X-Request-Id" in json.dumps(Contract(SPEC).resolve(operation["responses"]["200"]))
    assert len(names) == len(OPERATIONS)


def examples(media):
    if "example" in media:
        yield media["example"]
    for item in media.get("examples", {}).values():
        yield item["value"]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_examples_are_what_they_are_examples_of(method, path):
    contract = Contract(SPEC)
    operation = SPEC["paths"][path][method.lower()]
    holders = [contract.resolve(response) for response in operation["responses"].values()]
    holders.append(operation.get("requestBody", {}))
    for holder in holders:
        for media in holder.get("content", {}).values():
            for value in examples(media):
                contract.validate(media["schema"], value, f"{method} {path}")
