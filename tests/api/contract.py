"""Holds every answer to spec/openapi.json.

`Contract.check` raises ContractError when an answer is not what the file says: a status, a content type
or a header that it does not know, a body outside its schema. Object schemas are closed first, so a key
that the file does not name is an error too. A 500 is never right, documented or not.
"""

import json
import pathlib
from urllib.parse import urlsplit

import httpx
import jsonschema_rs

SPEC_FILE = pathlib.Path(__file__).resolve().parents[2] / "spec" / "openapi.json"
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
PROBLEM = "application/problem+json"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class ContractError(AssertionError):
    pass


def unique_keys(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError(f"a key twice in one object: {keys}")
    return dict(pairs)


def refuse_constant(text):
    raise ValueError(f"not JSON: {text}")


def parse_json(body):
    """Stricter than json.loads: UTF-8 only, no NaN, no key twice."""
    return json.loads(
        body.decode("utf-8"), object_pairs_hook=unique_keys, parse_constant=refuse_constant
    )


def close_objects(schema):
    """A copy in which objects with named properties hold no others, unless the file says so."""
    if isinstance(schema, list):
        return [close_objects(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: close_objects(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        closed["additionalProperties"] = False
    return closed


class Contract:
    def __init__(self, spec):
        self.spec = spec
        self.schemas = close_objects(spec["components"]["schemas"])
        self.paths = [(path.strip("/").split("/"), path) for path in spec["paths"]]
        self.validators = {}

    @classmethod
    def load(cls):
        return cls(json.loads(SPEC_FILE.read_text("utf-8")))

    def template(self, target):
        """The path of the file that serves this target, or None. Literals win over parameters."""
        segments = urlsplit(target).path.lstrip("/").split("/")
        best = None
        for pattern, path in self.paths:
            if len(pattern) != len(segments):
                continue
            literal = [not part.startswith("{") for part in pattern]
            if all(
                part == segment if is_literal else segment
                for part, segment, is_literal in zip(pattern, segments, literal)
            ):
                best = max(best or ([], None), (literal, path))
        return best and best[1]

    def methods(self, path):
        return {method.upper() for method in self.spec["paths"][path] if method in METHODS}

    def resolve(self, item):
        while "$ref" in item:
            target = self.spec
            for part in item["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            item = target
        return item

    def validate(self, schema, value, where):
        key = json.dumps(schema, sort_keys=True)
        validator = self.validators.get(key)
        if validator is None:
            root = {**close_objects(schema), "components": {"schemas": self.schemas}}
            validator = self.validators[key] = jsonschema_rs.Draft202012Validator(root)
        for error in validator.iter_errors(value):
            place = "/".join(str(part) for part in error.instance_path)
            raise ContractError(f"{where}: at '{place}': {error.message}")

    def documented(self, method, target, status):
        """The response object for this answer, or None where no operation is meant."""
        path = self.template(target)
        responses = self.spec["components"]["responses"]
        if method == "OPTIONS":
            if status not in (200, 204):
                raise ContractError(f"OPTIONS {target}: status {status}")
            return None
        if path is None:
            if status not in (400, 404, 405, 414):
                raise ContractError(f"{method} {target}: no such route, but status {status}")
            names = {400: "BadRequest", 404: "NotFound", 405: "MethodNotAllowed", 414: "TargetTooLong"}
            return responses[names[status]]
        operation = self.spec["paths"][path].get("get" if method == "HEAD" else method.lower())
        if operation is None:
            if status != 405:
                raise ContractError(f"{method} {target}: should be 405, is {status}")
            return responses["MethodNotAllowed"]
        if str(status) not in operation["responses"]:
            raise ContractError(f"{method} {target}: status {status} is not documented")
        return self.resolve(operation["responses"][str(status)])

    def check(self, method, target, status, headers, body):
        """`headers` is a mapping without regard to case, `body` the bytes received."""
        where = f"{method} {target[:300]} -> {status}"
        if status == 500:
            raise ContractError(f"{where}: {body[:2000]!r}")
        if not headers.get("x-request-id"):
            raise ContractError(f"{where}: no X-Request-Id")
        if urlsplit(target).path.startswith("/docs/"):
            return
        response = self.documented(method, target, status)
        if response is None:
            return
        self.check_headers(response, headers, where)
        content_type = headers.get("content-type", "").split(";")[0].strip()
        if content_type not in response.get("content", {}):
            raise ContractError(f"{where}: content type '{content_type}' is not documented")
        if method == "HEAD":
            if body:
                raise ContractError(f"{where}: a body")
            return
        media = response["content"][content_type]
        if content_type == "application/x-npy":
            if not body.startswith(b"\x93NUMPY"):
                raise ContractError(f"{where}: not a .npy file")
        elif content_type == ARROW:
            if not (body.startswith(b"\xff" * 4) and body.endswith(b"\xff\xff\xff\xff\0\0\0\0")):
                raise ContractError(f"{where}: not a whole Arrow stream")
        elif content_type == NDJSON:
            self.check_lines(media["x-line-schema"], body, where)
        elif content_type.endswith("json"):
            try:
                value = parse_json(body)
            except ValueError as error:
                raise ContractError(f"{where}: {error}: {body[:500]!r}") from None
            self.validate(media["schema"], value, where)
            if content_type == PROBLEM and value["status"] != status:
                raise ContractError(f"{where}: the body says {value['status']}")

    def check_lines(self, schema, body, where):
        for number, line in enumerate(body.splitlines(), 1):
            try:
                value = parse_json(line)
            except ValueError as error:
                raise ContractError(f"{where}: line {number}: {error}: {line[:500]!r}") from None
            self.validate(schema, value, f"{where}: line {number}")

    def check_headers(self, response, headers, where):
        for name, header in response.get("headers", {}).items():
            header = self.resolve(header)
            if name in headers:
                self.validate(header["schema"], headers[name], f"{where}: header {name}")
            elif header.get("required"):
                raise ContractError(f"{where}: no header {name}")


class ContractClient(httpx.Client):
    """An httpx.Client whose every answer was checked."""

    def __init__(self, contract, **options):
        super().__init__(timeout=20, trust_env=False, verify=False, **options)
        self.contract = contract

    def send(self, request, **options):
        response = super().send(request, **options)
        target = request.url.raw_path.decode("ascii")
        body = response.read()
        self.contract.check(request.method, target, response.status_code, response.headers, body)
        return response
