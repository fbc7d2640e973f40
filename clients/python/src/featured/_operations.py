"""Definitions, erasure, export and what the server says of itself, as operations (see _wire.py): what is
asked, in how many requests, and what the answer means. No I/O."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple, Union
from urllib.parse import quote

from ._values import EntityId, id_of
from ._wire import Operation, request
from .definitions import Definition, Feature, FeatureService, data_type_of, differences, load_yaml, names_of
from .errors import ConnectionFailed, FeaturedError, Unavailable

Names = Union[str, Feature, Iterable[Union[str, Feature]], None]
Definitions = Union[str, "os.PathLike[str]", Definition, Iterable[Definition]]
Item = Dict[str, Any]


@dataclasses.dataclass
class Change:
    """
    What `apply` did, or would do.

    `kind`: "feature" or "feature service". `action`: "create", "change", "new version" or "activate".
    `fields`: what changes. `version`: the new or activated one; values go into it as `name@version`.
    """

    kind: str
    name: str
    action: str
    fields: List[str] = dataclasses.field(default_factory=list)
    version: Optional[int] = None


def names(features: Names) -> List[str]:
    return names_of([features] if isinstance(features, Feature) else features or ())


def segment(text: str) -> str:
    """Of a path. Also of dots alone, which mean other things there."""
    return quote(text, safe="") if text.strip(".") else text.replace(".", "%2E")


def _definition_path(name: str) -> str:
    return f"/features/definitions/{segment(name)}"


def _service_path(name: str) -> str:
    return f"/feature-services/{segment(name)}"


def register(feature: Feature, strict: bool) -> Operation[int]:
    body = feature.as_json()
    answer = yield request("POST", "/register", [("strict", strict)], body, repeatable=False)
    return int(answer.json()["id"])


def features(filters: Mapping[str, Optional[str]]) -> Operation[List[Item]]:
    found: List[Item] = []
    cursor: Optional[str] = None
    while True:
        answer = yield request("GET", "/features", [*filters.items(), ("cursor", cursor)])
        body = answer.json()
        found += body["features"]
        cursor = body.get("next_cursor")
        if cursor is None:
            return found


def feature(name: str) -> Operation[Item]:
    answer = yield request("GET", _definition_path(name))
    body: Item = answer.json()
    return body


def activate(name: str, version: int) -> Operation[None]:
    yield request("POST", f"{_definition_path(name)}/activate", body={"version": version})


def delete_feature(name: str, force: bool) -> Operation[None]:
    found = yield from feature(name)
    yield request("DELETE", f"/features/{found['id']}", [("force", force)], repeatable=False)


def create_service(wanted: FeatureService, strict: bool) -> Operation[Item]:
    params = [("strict", strict)]
    answer = yield request("POST", "/feature-services", params, wanted.as_json(), repeatable=False)
    body: Item = answer.json()
    return body


def services() -> Operation[List[Item]]:
    answer = yield request("GET", "/feature-services")
    body: List[Item] = answer.json()["feature_services"]
    return body


def service(name: str) -> Operation[Item]:
    answer = yield request("GET", _service_path(name))
    body: Item = answer.json()
    return body


def delete_service(name: str) -> Operation[None]:
    yield request("DELETE", _service_path(name), repeatable=False)


def apply(wanted: Definitions, activate_types: bool, dry_run: bool, strict: bool) -> Operation[List[Change]]:
    """Features first, for services name them; nothing is sent before all of the plan is known to make
    sense."""
    items = _distinct(wanted)
    held = {item["name"]: item for item in (yield from features({}))}
    held_services = {item["name"]: item for item in (yield from services())}
    plan: List[Tuple[Definition, List[Change]]] = []
    for item in sorted(items, key=lambda item: isinstance(item, FeatureService)):
        if isinstance(item, Feature):
            changes = yield from _plan_feature(item, held.get(item.name), activate_types)
        else:
            changes = _plan_service(item, held_services.get(item.name))
        plan.append((item, changes))
    if not dry_run:
        for item, changes in plan:
            yield from _carry_out(item, changes, strict)
    return [change for _, changes in plan for change in changes]


def _distinct(wanted: Definitions) -> List[Definition]:
    if isinstance(wanted, (str, os.PathLike)):
        wanted = load_yaml(wanted)
    elif isinstance(wanted, (Feature, FeatureService)):
        wanted = [wanted]
    items = list(wanted)
    seen = set()
    for item in items:
        if not isinstance(item, (Feature, FeatureService)):
            raise TypeError(f"{item!r} is neither a Feature nor a FeatureService")
        if (type(item), item.name) in seen:
            raise FeaturedError(f"{item.name!r} is defined twice")
        seen.add((type(item), item.name))
    return items


def _has_type(version: Mapping[str, Any], wanted: Feature) -> bool:
    aim = (data_type_of(wanted.data_type), wanted.dimension)
    return (version["data_type"], version["dimension"]) == aim


def _plan_feature(wanted: Feature, held: Optional[Item], activate_types: bool) -> Operation[List[Change]]:
    """The server's rule: another type than the active version's is the newest version if that one has it,
    else a new one."""
    if held is None:
        return [Change("feature", wanted.name, "create", version=1)]
    fields = differences(wanted, held)
    if "entity" in fields:
        raise FeaturedError(
            f"feature {wanted.name!r} belongs to entity {held['entity']!r}, which cannot change to "
            f"{wanted.entity!r}: register a new name"
        )
    plan = [Change("feature", wanted.name, "change", fields)] if fields else []
    if _has_type(held, wanted):
        return plan
    versions = (yield from feature(wanted.name))["versions"]
    newest = max(versions, key=lambda version: int(version["version"]))
    number = int(newest["version"])
    if not _has_type(newest, wanted):
        number += 1
        plan.append(Change("feature", wanted.name, "new version", ["data_type"], number))
    if activate_types:
        plan.append(Change("feature", wanted.name, "activate", version=number))
    return plan


def _plan_service(wanted: FeatureService, held: Optional[Item]) -> List[Change]:
    """A service that is as wanted is left alone: putting it again would move it to other versions."""
    if held is None:
        return [Change("feature service", wanted.name, "create")]
    fields = differences(wanted, held)
    return [Change("feature service", wanted.name, "change", fields)] if fields else []


def _carry_out(item: Definition, changes: List[Change], strict: bool) -> Operation[None]:
    path = _definition_path(item.name) if isinstance(item, Feature) else _service_path(item.name)
    if any(change.action != "activate" for change in changes):
        yield request("PUT", path, [("strict", strict)], item.as_json())
    for change in changes:
        if change.action == "activate" and change.version is not None:
            yield from activate(change.name, change.version)


def erase(entity_id: EntityId, features: Names, entity: Optional[str], strict: bool) -> Operation[int]:
    """Not sent twice: what was written in between would be erased too."""
    params = [("entity", entity), ("strict", strict), *(("feature_names", name) for name in names(features))]
    path = f"/features/online/{segment(id_of(entity_id))}"
    answer = yield request("DELETE", path, params, repeatable=False)
    return int(answer.json()["values_deleted"])


def export_page(
    entity: str, cursor: Optional[str], page_size: int
) -> Operation[Tuple[List[Item], Optional[str]]]:
    """Rows, and the cursor of the next page. A page that was cut off lacks its last line and is asked for
    again."""
    for _ in range(3):
        params = [("entity", entity), ("cursor", cursor), ("limit", str(page_size))]
        answer = yield request("GET", "/features/export", params)
        lines = answer.content.splitlines()
        last = json.loads(lines[-1]) if lines and answer.content.endswith(b"\n") else {}
        if "next_cursor" in last:
            return [json.loads(line) for line in lines[:-1]], last["next_cursor"]
    raise ConnectionFailed("the export ends in the middle of a page each time it is tried")


def health() -> Operation[Item]:
    answer = yield request("GET", "/health")
    body: Item = answer.json()
    return body


def ready() -> Operation[bool]:
    """Not ready is an answer, not an error."""
    try:
        yield request("GET", "/ready")
    except Unavailable:
        return False
    return True
