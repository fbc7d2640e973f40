"""The two services that this one replaces: their documented calls, verbatim, and the first one's benchmark.

The calls are run by bash and the real curl as they are printed there; only the address is ours.
"""

import json
import shutil
import subprocess

import pytest

REGISTER = r"""
curl -X POST http://localhost:8000/register \
  -H "Content-Type: application/json" \
  -d '{
    "name": "user_age",
    "description": "User age in years",
    "data_type": "int",
    "entity": "user",
    "feature_group": "demographics",
    "ttl_seconds": 3600
  }'
"""

INGEST = r"""
curl -X POST http://localhost:8000/features/ingest \
  -H "Content-Type: application/json" \
  -d '{
    "entity_id": "user_123",
    "features": [
      {
        "feature_name": "user_age",
        "value": 25
      }
    ]
  }'
"""

READ_ONE = r"""
curl "http://localhost:8000/features/online/user_123?feature_names=user_age"
"""

READ_MANY = r"""
curl -X POST http://localhost:8000/features/online \
  -H "Content-Type: application/json" \
  -d '{
    "entity_ids": ["user_123", "user_456"],
    "feature_names": ["user_age"]
  }'
"""

LIST = r"""
curl http://localhost:8000/features
"""

DELETE = r"""
curl -X DELETE http://localhost:8000/features/{feature_id}
"""

DOCS = r"""
curl http://localhost:8000/docs
"""

USER = r"""
curl http://localhost:8000/features/user00001
"""

USERS = r"""
curl -X POST http://localhost:8000/features/batch -H "Content-Type: application/json" -d "{\"user_ids\":[\"user00001\",\"user00002\"]}"
"""


@pytest.fixture
def fresh(start_server):
    return start_server()


@pytest.fixture
def curl(fresh):
    """Runs a call and gives the answer's text. The exit status must be 0."""
    assert shutil.which("curl"), "these tests need the curl program"

    def run(command, **names):
        command = command.replace("http://localhost:8000", fresh.url)
        for name, value in names.items():
            command = command.replace("{%s}" % name, str(value))
        done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    return run


def test_the_first_services_calls(curl):
    registered = json.loads(curl(REGISTER))
    assert registered["message"] == "Feature registered"
    feature_id = registered["id"]
    ingested = json.loads(curl(INGEST))
    assert ingested["message"] == "Features ingested successfully"
    assert ingested["entity_id"] == "user_123"
    assert ingested["features"] == ["user_age"]
    assert json.loads(curl(READ_ONE)) == {"entity_id": "user_123", "features": {"user_age": 25}}
    assert json.loads(curl(READ_MANY)) == [
        {"entity_id": "user_123", "features": {"user_age": 25}},
        {"entity_id": "user_456", "features": {"user_age": None}},
    ]
    (feature,) = json.loads(curl(LIST))["features"]
    expected = {
        "id": feature_id,
        "name": "user_age",
        "description": "User age in years",
        "data_type": "int",
        "entity": "user",
        "feature_group": "demographics",
        "ttl_seconds": 3600,
        "is_nullable": True,
        "version": 1,
    }
    assert {key: feature[key] for key in expected} == expected
    answer = json.loads(curl(DELETE, feature_id=feature_id))
    assert answer["message"] == "Feature 'user_age' deleted successfully"
    assert json.loads(curl(LIST))["features"] == []
    assert json.loads(curl(DELETE, feature_id=feature_id))["detail"] == "Feature not found"
    assert json.loads(curl(INGEST))["detail"] == "Feature 'user_age' not registered"
    assert "<html" in curl(DOCS).lower()


def test_the_second_services_calls(curl, fresh, client_of):
    assert json.loads(curl(USER))["detail"] == "User user00001 not found"
    assert json.loads(curl(USERS)) == [
        {"user_id": "user00001", "features": {}},
        {"user_id": "user00002", "features": {}},
    ]
    client = client_of(fresh)
    columns = {"age": "float", "purchase_count_30d": "float", "preferred_category": "string"}
    for name, data_type in columns.items():
        body = {"name": name, "data_type": data_type, "entity": "user"}
        assert client.post("/register", json=body).status_code == 200
    values = {"age": 42, "purchase_count_30d": 7, "preferred_category": "books"}
    features = [{"feature_name": name, "value": value} for name, value in values.items()]
    client.post("/features/ingest", json={"entity_id": "user00001", "features": features})
    expected = {"age": 42.0, "purchase_count_30d": 7.0, "preferred_category": "books"}
    text = curl(USER)
    assert json.loads(text) == {"user_id": "user00001", "features": expected}
    assert "42.0" in text and "7.0" in text
    assert json.loads(curl(USERS)) == [
        {"user_id": "user00001", "features": expected},
        {"user_id": "user00002", "features": {}},
    ]


BENCHMARK = {
    "user_age": "int",
    "user_clicks_30d": "int",
    "user_purchases_7d": "int",
    "user_avg_session_time": "float",
}


def benchmark_values(number):
    return {
        "user_age": 18 + number % 60,
        "user_clicks_30d": number * 3,
        "user_purchases_7d": number % 7,
        "user_avg_session_time": number / 8,
    }


def test_the_first_services_benchmark(fresh, client_of):
    """Four features with TTL 3600, 1,000 entities, 1,000 single reads, 100 batches of 10 and 100 of 50."""
    client = client_of(fresh)
    for name, data_type in BENCHMARK.items():
        body = {"name": name, "data_type": data_type, "entity": "user", "ttl_seconds": 3600}
        assert client.post("/register", json=body).status_code == 200
    for number in range(1000):
        values = benchmark_values(number).items()
        features = [{"feature_name": name, "value": value} for name, value in values]
        body = {"entity_id": f"user_{number}", "features": features}
        assert client.post("/features/ingest", json=body).status_code == 200
    names = ",".join(BENCHMARK)
    for number in range(1000):
        target = f"/features/online/user_{number}"
        answer = client.get(target, params={"feature_names": names}).json()
        assert answer == {"entity_id": f"user_{number}", "features": benchmark_values(number)}
    for size in (10, 50):
        for start in range(100):
            numbers = [(start * 7 + step) % 1000 for step in range(size)]
            ids = [f"user_{number}" for number in numbers]
            body = {"entity_ids": ids, "feature_names": list(BENCHMARK)}
            answer = client.post("/features/online", json=body).json()
            assert answer == [
                {"entity_id": f"user_{number}", "features": benchmark_values(number)}
                for number in numbers
            ]
