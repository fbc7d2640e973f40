"""Requests made from the specification, right ones and wrong ones, for every operation.

No answer is a 500 or outside its schema, and what the specification forbids is refused. The number of
requests is bounded so that all of it ends in about a minute; more with FEATURED_TEST_EXAMPLES.
"""

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import strategies
from schemathesis import GenerationMode, checks

import server as server_module
from contract import SPEC_FILE, Contract
from server import EXAMPLES
from store import Store

SCHEMA = schemathesis.openapi.from_path(SPEC_FILE)
OPERATIONS = [
    (method.upper(), path)
    for path, item in Contract.load().spec["paths"].items()
    for method in item
    # The page and the specification itself are the same whatever is asked.
    if path not in ("/docs", "/openapi.json")
]
# On the second pair of store and registry and those that follow.
FEW = 10
# What the file cannot say: names that must be registered, values that must fit their feature.
NOT_HELD_TO = [checks.positive_data_acceptance]
KNOWN = {
    "name": ["user_age", "fraud_v3"],
    "entity_id": ["user_123"],
    "feature_name": ["user_age", "user_age@1"],
    "feature_service": ["fraud_v3"],
}


@pytest.fixture(scope="module")
def own_server(backend, tmp_path_factory):
    """Random definitions are many: they stay away from the other tests."""
    running = server_module.Server(tmp_path_factory.mktemp("schemathesis"), backend).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def session():
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def known(own_server, client_of):
    """The names of KNOWN exist, whatever the examples before deleted."""
    client = client_of(own_server)
    store = Store(client)
    assert store.put("user_age", "int", ttl_seconds=3600).status_code in (200, 409)
    assert client.put("/feature-services/fraud_v3", json={"features": ["user_age"]}).status_code == 200
    store.write("user_123", {"user_age": 25})


def with_known_names(draw, value):
    """Puts names that exist in the place of generated ones, so that requests get past the door."""
    if isinstance(value, list):
        return [with_known_names(draw, item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: draw(strategies.sampled_from(KNOWN[key]))
        if key in KNOWN and isinstance(item, str)
        else with_known_names(draw, item)
        for key, item in value.items()
    }


def is_empty(value):
    return not any(value) if isinstance(value, list) else value in ("", None)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda m: m.value)
@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda text: text)
def test_operation(own_server, session, contract, known, method, path, mode):
    operation = SCHEMA[path][method]
    if mode == GenerationMode.NEGATIVE and not (operation.definition.raw.get("parameters") or operation.body):
        pytest.skip("nothing of it can be wrong")
    if mode == GenerationMode.NEGATIVE and EXAMPLES < FEW:
        pytest.skip("refused at the door, before any store is asked")
    cases = operation.as_strategy(generation_mode=mode)

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        # No shrinking: it would take minutes, and the failure shows its request anyway.
        phases=[hypothesis.Phase.generate],
        print_blob=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategies.data())
    def run(data):
        case = data.draw(cases)
        # Empty parameters are as good as absent, which a schema cannot say.
        hypothesis.assume(not any(is_empty(value) for value in (case.query or {}).values()))
        # Once sent, what was meant to be no text is one.
        hypothesis.assume(mode == GenerationMode.POSITIVE or case.media_type != "text/plain")
        if mode == GenerationMode.POSITIVE and data.draw(strategies.booleans()):
            case.path_parameters = with_known_names(data.draw, case.path_parameters)
            case.query = with_known_names(data.draw, case.query)
            case.body = with_known_names(data.draw, case.body)
        response = case.call(base_url=own_server.url, session=session)
        sent = response.request
        contract.check(
            sent.method,
            sent.path_url,
            response.status_code,
            requests.structures.CaseInsensitiveDict({k: v[0] for k, v in response.headers.items()}),
            response.content,
        )
        case.validate_response(response, excluded_checks=NOT_HELD_TO)

    try:
        run()
    except hypothesis.errors.Unsatisfiable:
        # Any text is a name: then there is nothing that the file forbids.
        assert mode == GenerationMode.NEGATIVE
