"""Health, readiness, metrics, the root and the server's own flags."""

import re
import subprocess

from server import binary


def test_health(client):
    response = client.get("/health")
    assert response.status_code == 200
    assert response.json() == {"status": "healthy"}


def test_ready(client):
    assert client.get("/ready").status_code == 200


def test_root(client):
    answer = client.get("/").json()
    assert answer["name"] == "featured"
    for path in answer["links"].values():
        assert client.get(path).status_code == 200


SAMPLE = re.compile(
    r'^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_]\w*="([^"\\\n]|\\.)*",?)*\})? [-+0-9.eE]+(Inf|NaN)?$'
)


def test_metrics_are_what_prometheus_reads(client):
    response = client.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain")
    lines = response.text.splitlines()
    assert response.text.endswith("\n")
    types = {}
    for line in lines:
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types
            assert kind in ("counter", "gauge", "histogram", "summary")
            types[name] = kind
        elif line and not line.startswith("# HELP "):
            assert SAMPLE.match(line), line
            name = re.split(r"[ {]", line)[0]
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in types or base in types, line
    assert len(lines) == len(set(lines))
    assert any(name.startswith("featured_") for name in types)


def test_metrics_hold_no_text_of_requests(client, store):
    name, user = store.define("string"), store.unique("secret_user")
    store.write(user, {name: "secret value"})
    client.get(f"/features/online/{user}?feature_names=secret_name")
    text = client.get("/metrics").text
    assert "secret" not in text


def test_the_log_holds_no_ids_and_no_values(start_server, client_of):
    server = start_server()
    client = client_of(server)
    body = {"name": "age", "data_type": "string", "entity": "user"}
    assert client.post("/register", json=body).status_code == 200
    value = {"entity_id": "secret_user", "features": [{"feature_name": "age", "value": "secret"}]}
    assert client.post("/features/ingest", json=value).status_code == 200
    assert client.get("/features/secret_user").status_code == 200
    assert client.get("/features/online/secret_nobody").status_code == 200
    server.stop()
    assert "secret" not in server.log_path.read_text()


def test_strict_for_all_requests(start_server, client_of):
    client = client_of(start_server("--strict"))
    body = {"name": "age", "data_type": "int", "entity": "user"}
    assert client.post("/register", json=body | {"colour": "red"}).status_code == 422
    assert client.post("/register", json=body).status_code == 200
    assert client.get("/features/online/u?feature_names=nope").status_code == 404
    assert client.get("/features/online/u?feature_names=age").status_code == 200


def test_any_number_of_threads(start_server, client_of, connect):
    for threads in ("1", "3"):
        server = start_server("--threads", threads, directory=f"threads_{threads}")
        client = client_of(server)
        body = {"name": "age", "data_type": "int", "entity": "user"}
        assert client.post("/register", json=body).status_code == 200
        connections = [connect(server.port) for _ in range(8)]
        for connection in connections:
            assert connection.call("GET", "/features/online/u?feature_names=age").status == 200


def test_a_port_that_is_taken(server, tmp_path):
    command = [binary(), "serve", "--listen", f"127.0.0.1:{server.port}", "--data", str(tmp_path / "d")]
    done = subprocess.run(command, capture_output=True, timeout=30, text=True)
    assert done.returncode == 1
    assert str(server.port) in done.stderr
