"""CORS is off unless it is asked for."""

import pytest

ORIGIN = "http://app.example"
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "PUT",
    "Access-Control-Request-Headers": "content-type, x-request-id",
}


def cors(response):
    return {name: value for name, value in response.headers.items() if name.startswith("access-control")}


def test_off_by_default(client):
    assert not cors(client.get("/health", headers={"Origin": ORIGIN}))
    assert not cors(client.options("/features/batch", headers=PREFLIGHT))


@pytest.mark.parametrize("allowed", [ORIGIN, "*"])
def test_on(start_server, client_of, allowed):
    client = client_of(start_server("--cors-origin", allowed))
    for path in ("/health", "/nothing", "/features?limit=0"):
        response = client.get(path, headers={"Origin": ORIGIN})
        assert cors(response)["access-control-allow-origin"] == allowed
    preflight = cors(client.options("/feature-services/x", headers=PREFLIGHT))
    assert preflight["access-control-allow-origin"] == allowed
    assert "PUT" in preflight["access-control-allow-methods"]
    assert "content-type" in preflight["access-control-allow-headers"].lower()


def test_another_origin_is_not_let_in(start_server, client_of):
    client = client_of(start_server("--cors-origin", ORIGIN))
    response = client.get("/health", headers={"Origin": "http://evil.example"})
    assert cors(response).get("access-control-allow-origin") in (None, ORIGIN)
