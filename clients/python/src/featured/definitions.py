"""Features and feature services as Python objects, and the same YAML files that `featured apply` takes."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from datetime import timedelta
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Union

from ._values import to_json
from .errors import FeaturedError, MissingExtra

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(?:\d+[smhdw])+")


def ttl_seconds(ttl: Union[int, float, str, timedelta, None]) -> Optional[int]:
    """
    A time to live in whole seconds: a number of them, a `timedelta`, or `"90s"`, `"15m"`, `"1h30m"`,
    `"7d"`, `"2w"`, `"never"`.

    >>> ttl_seconds("1h30m")
    5400
    >>> ttl_seconds("never") is None
    True
    """
    if ttl is None or ttl == "never" or ttl == 0:
        return None
    if isinstance(ttl, timedelta):
        ttl = ttl.total_seconds()
    if isinstance(ttl, str):
        if not _DURATION.fullmatch(ttl):
            raise ValueError(f"ttl {ttl!r}: write 90s, 15m, 1h30m, 7d, 2w or never")
        return sum(int(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+)([smhdw])", ttl))
    if ttl != int(ttl) or ttl < 0:
        raise ValueError(f"ttl {ttl!r}: whole seconds, 0 or more")
    return int(ttl)


@dataclasses.dataclass
class Feature:
    """
    A named, typed column of an entity.

    `data_type`: int, float, boolean, string, timestamp, embedding, json, or a common alias. `ttl`: how
    long after its event a value is served; None: for ever. `dimension`: of embeddings, 1 to 16,384.
    """

    name: str
    data_type: str
    entity: str
    ttl: Union[int, float, str, timedelta, None] = None
    description: Optional[str] = None
    feature_group: Optional[str] = None
    dimension: Optional[int] = None
    is_nullable: bool = True
    source: Optional[str] = None
    transformation: Optional[str] = None
    tags: Optional[Mapping[str, Any]] = None

    def as_json(self) -> Dict[str, Any]:
        """The body of `POST /register`; what is not set is left out."""
        body: Dict[str, Any] = {
            "name": self.name,
            "data_type": self.data_type,
            "entity": self.entity,
            "is_nullable": self.is_nullable,
            "ttl_seconds": ttl_seconds(self.ttl),
        }
        for field in ("description", "feature_group", "dimension", "source", "transformation"):
            value = getattr(self, field)
            if value is not None:
                body[field] = value
        if self.tags is not None:
            body["tags"] = dict(self.tags)
        return body


@dataclasses.dataclass
class FeatureService:
    """The input vector of one model: a named, ordered list of features, `"name"` or `"name@2"`."""

    name: str
    features: Sequence[Union[str, Feature]]
    description: Optional[str] = None
    tags: Optional[Mapping[str, Any]] = None

    def as_json(self) -> Dict[str, Any]:
        """The body of `POST /feature-services`."""
        body: Dict[str, Any] = {"name": self.name, "features": names_of(self.features)}
        if self.description is not None:
            body["description"] = self.description
        if self.tags is not None:
            body["tags"] = dict(self.tags)
        return body


Definition = Union[Feature, FeatureService]


def names_of(features: Iterable[Union[str, Feature]]) -> List[str]:
    """The names of features given by name or as objects."""
    if isinstance(features, str):
        return [features]
    return [feature.name if isinstance(feature, Feature) else feature for feature in features]


_ALIASES = {
    "int": "int, int64, int32, int16, int8, integer, long, bigint, smallint",
    "float": "float, float64, float32, double, double precision, number, numeric, decimal, real",
    "boolean": "boolean, bool",
    "string": "string, str, text, varchar, categorical, category",
    "timestamp": "timestamp, datetime, unix_timestamp, timestamptz",
    "embedding": "embedding, vector, array<float>, array<double>, array(float), array(float32), "
    "list<float>, list[float], float[]",
    "json": "json, jsonb, object, dict, map, list, array",
}
_TYPES = {alias: name for name, aliases in _ALIASES.items() for alias in aliases.split(", ")}


def data_type_of(name: str) -> str:
    """The type that the server understands by a name; what nobody knows is left for it to refuse."""
    return _TYPES.get(name.lower(), name)


def differences(wanted: Definition, held: Mapping[str, Any]) -> List[str]:
    """The fields in which what the server holds is not what is wanted. Versions of a feature are not
    looked at."""
    if isinstance(wanted, FeatureService):
        aims: Dict[str, Any] = {"features": names_of(wanted.features), "description": wanted.description}
    else:
        aims = {
            "is_nullable": wanted.is_nullable,
            "ttl_seconds": ttl_seconds(wanted.ttl),
            **{name: getattr(wanted, name) for name in _TEXTS},
        }
    found = [name for name, aim in aims.items() if held.get(name) != aim]
    if _json_of(wanted.tags or {}) != (held.get("tags") or {}):
        found.append("tags")
    return found


_TEXTS = ("entity", "description", "feature_group", "source", "transformation")


def _json_of(value: Any) -> Any:
    return json.loads(to_json(value))


_FEATURE_FIELDS = {field.name for field in dataclasses.fields(Feature)} | {"ttl_seconds"}
_GROUP_FIELDS = {"name", "features", "feature_group", "source", "ttl", "ttl_seconds", "tags"}
_SERVICE_FIELDS = {field.name for field in dataclasses.fields(FeatureService)}


def _checked(item: Any, known: Iterable[str], where: str) -> Dict[str, Any]:
    if not isinstance(item, dict):
        raise FeaturedError(f"{where}: a mapping is expected, not {item!r}")
    unknown = set(item) - set(known)
    if unknown:
        raise FeaturedError(f"{where}: unknown {', '.join(sorted(map(str, unknown)))}")
    return item


def _list(mapping: Mapping[str, Any], name: str, where: str) -> List[Any]:
    items = mapping.get(name)
    if items is not None and not isinstance(items, list):
        raise FeaturedError(f"{where}: {name!r} must be a list")
    return items or []


def _feature(item: Any, inherited: Mapping[str, Any], where: str) -> Feature:
    fields = _checked(item, _FEATURE_FIELDS, where)
    if {"ttl", "ttl_seconds"} <= set(fields):
        raise FeaturedError(f"{where}: {fields.get('name')!r} has both ttl and ttl_seconds")
    if "ttl_seconds" in fields:
        fields["ttl"] = fields.pop("ttl_seconds")
    try:
        feature = Feature(**{**inherited, **fields})
        ttl_seconds(feature.ttl)
    except (TypeError, ValueError) as error:
        raise FeaturedError(f"{where}: feature {fields.get('name')!r}: {error}") from None
    return feature


def _entity_features(entity: Any, where: str) -> Iterator[Feature]:
    fields = dict(_checked(entity, _GROUP_FIELDS, where))
    if "name" not in fields:
        raise FeaturedError(f"{where}: an entity without 'name'")
    fields["entity"] = fields.pop("name")
    items = _list(fields, "features", where)
    fields.pop("features", None)
    if "ttl_seconds" in fields:
        fields["ttl"] = fields.pop("ttl_seconds")
    for item in items:
        yield _feature(item, fields, where)


def _service(item: Any, where: str) -> FeatureService:
    fields = _checked(item, _SERVICE_FIELDS, where)
    try:
        return FeatureService(**fields)
    except TypeError as error:
        raise FeaturedError(f"{where}: feature service {fields.get('name')!r}: {error}") from None


def load_yaml(path: Union[str, os.PathLike[str]]) -> List[Definition]:
    """
    The features and feature services of a definition file, as `featured apply` reads it.

    Needs the extra `yaml`. Raises FeaturedError naming the file for what is no definition.
    """
    found: List[Definition] = []
    where = str(path)
    for document in _documents(path):
        if document is None:
            continue
        _checked(document, ("features", "entities", "feature_services"), where)
        found += [_feature(item, {}, where) for item in _list(document, "features", where)]
        for entity in _list(document, "entities", where):
            found += _entity_features(entity, where)
        found += [_service(item, where) for item in _list(document, "feature_services", where)]
    return found


def _documents(path: Union[str, os.PathLike[str]]) -> List[Any]:
    """The documents of a file, with the scalars of YAML 1.2: `yes` is a text, a date too."""
    try:
        import yaml
    except ImportError:
        raise MissingExtra("PyYAML", "yaml") from None

    Loader: Any = type("Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": {}})
    for tag, pattern, first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
        ("int", r"[-+]?[0-9]+", "-+0123456789"),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})\\Z"), list(first))
    # 010 is ten; YAML 1.1 took it for eight.
    Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))
    with open(path, encoding="utf-8") as file:
        try:
            return list(yaml.load_all(file, Loader))
        except yaml.YAMLError as error:
            raise FeaturedError(f"{path}: {error}") from None
