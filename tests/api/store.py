"""The verbs of the API as tests say them, with names that no other test uses."""

import itertools
from urllib.parse import quote

counter = itertools.count(1)


def path_id(entity_id):
    return quote(entity_id, safe="")


class Store:
    def __init__(self, client):
        self.client = client

    def unique(self, prefix="x"):
        return f"{prefix}_{next(counter)}"

    def register(self, name, data_type, entity="user", **fields):
        body = {"name": name, "data_type": data_type, "entity": entity, **fields}
        response = self.client.post("/register", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def define(self, data_type="int", name=None, **fields):
        name = name or self.unique(data_type)
        self.register(name, data_type, **fields)
        return name

    def definition(self, name):
        response = self.client.get(f"/features/definitions/{path_id(name)}")
        assert response.status_code == 200, response.text
        return response.json()

    def put(self, path_name, data_type, entity="user", **fields):
        body = {"data_type": data_type, "entity": entity, **fields}
        return self.client.put(f"/features/definitions/{path_id(path_name)}", json=body)

    def service(self, features, **fields):
        name = self.unique("service")
        body = {"name": name, "features": features, **fields}
        response = self.client.post("/feature-services", json=body)
        assert response.status_code == 200, response.text
        return name

    def ingest(self, entity_id, values, **fields):
        """`values` by name, or the list of the API."""
        if isinstance(values, dict):
            values = [{"feature_name": name, "value": value} for name, value in values.items()]
        body = {"entity_id": entity_id, "features": values, **fields}
        return self.client.post("/features/ingest", json=body)

    def write(self, entity_id, values, **fields):
        response = self.ingest(entity_id, values, **fields)
        assert response.status_code == 200, response.text
        return response.json()

    def online(self, entity_id, names=None, headers=None, **parameters):
        if names is not None:
            parameters["feature_names"] = ",".join(names)
        target = f"/features/online/{path_id(entity_id)}"
        return self.client.get(target, params=parameters, headers=headers)

    def read(self, entity_id, names=None, **parameters):
        response = self.online(entity_id, names, **parameters)
        assert response.status_code == 200, response.text
        answer = response.json()
        assert answer["entity_id"] == entity_id
        return answer["features"]

    def read_one(self, entity_id, name):
        return self.read(entity_id, [name])[name]

    def metadata(self, entity_id, names):
        response = self.online(entity_id, names, metadata="true")
        assert response.status_code == 200, response.text
        return response.json()["metadata"]

    def batch(self, entity_ids, names, headers=None, **fields):
        body = {"entity_ids": entity_ids, "feature_names": names, **fields}
        return self.client.post("/features/online", json=body, headers=headers)

    def ndjson(self, lines, **parameters):
        content = lines if isinstance(lines, bytes) else "".join(f"{l}\n" for l in lines).encode()
        return self.client.post(
            "/features/ingest/bulk",
            params=parameters,
            content=content,
            headers={"Content-Type": "application/x-ndjson"},
        )

    def csv(self, text, **parameters):
        return self.client.post(
            "/features/ingest/bulk",
            params=parameters,
            content=text if isinstance(text, bytes) else text.encode(),
            headers={"Content-Type": "text/csv"},
        )


def locations(response):
    """Where a 422 says it is wrong."""
    assert response.status_code == 422, response.text
    return [item["loc"] for item in response.json()["detail"]]
