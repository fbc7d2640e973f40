"""Definitions from objects and from files, and what `apply` makes of them."""

import os
import subprocess
from datetime import timedelta

import pytest

import featured
from featured import Change, Feature, FeatureService, load_yaml
from featured.definitions import data_type_of, ttl_seconds

EVERYTHING = """
features:
  - name: y_age
    data_type: integer
    entity: yuser
    ttl: 1h30m
    description: "2026-01-01"
    feature_group: demographics
    source: users.csv
    transformation: none
    is_nullable: false
    tags: {team: growth, on: yes, n: 010, deep: [1.5, null, true]}
  - {name: y_vector, data_type: vector, dimension: 64, entity: yuser, ttl_seconds: 60}
---
entities:
  - name: yplane
    feature_group: facts
    ttl: 30d
    tags: {a: b}
    features:
      - {name: y_seats, data_type: int}
      - {name: y_model, data_type: string, ttl: never, tags: {}}
---
feature_services:
  - name: y_v3
    features: [y_age, y_vector]
    description: Input of the fraud model
"""


@pytest.mark.parametrize(
    ("ttl", "seconds"),
    [
        (None, None), ("never", None), (0, None), (90, 90), (90.0, 90), ("90s", 90), ("1h30m", 5400),
        ("7d", 604800), ("2w", 1209600), (timedelta(minutes=2), 120),
    ],
)  # fmt: skip
def test_ttl(ttl, seconds):
    assert ttl_seconds(ttl) == seconds


@pytest.mark.parametrize("ttl", [-1, 1.5, "", "1", "h", "1.5h", timedelta(milliseconds=1), "10x"])
def test_no_ttl(ttl):
    with pytest.raises(ValueError, match="ttl"):
        ttl_seconds(ttl)


def test_a_file_means_what_the_program_takes_it_for(server, store, tmp_path):
    """Applied by `featured apply`, there is nothing left for the package to do; and the reverse."""
    path = tmp_path / "features.yaml"
    path.write_text(EVERYTHING)
    command = [os.environ["FEATURED_BINARY"], "apply", str(path), "--server", server.url]
    subprocess.run([*command, "--yes"], check=True, capture_output=True)
    assert store.apply(path) == []
    for name in ("y_v3",):
        store.delete_service(name)
    for name in ("y_age", "y_vector", "y_seats", "y_model"):
        store.delete_feature(name)
    assert {change.action for change in store.apply(str(path))} == {"create"}
    plan = subprocess.run([*command, "--dry-run"], check=True, capture_output=True, text=True).stdout
    assert "create" not in plan
    assert "change " not in plan
    assert store.feature("y_age")["tags"] == {
        "team": "growth",
        "on": "yes",
        "n": 10,
        "deep": [1.5, None, True],
    }
    assert store.feature("y_seats")["ttl_seconds"] == 30 * 86400
    assert store.feature("y_model")["ttl_seconds"] is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("features: [{name: a, data_type: int, entity: e, colour: red}]", "unknown colour"),
        ("features: [{name: a, data_type: int}]", "entity"),
        ("features: {name: a}", "must be a list"),
        ("features: [7]", "a mapping is expected"),
        ("features: [{name: a, data_type: int, entity: e, ttl: soon}]", "ttl 'soon'"),
        ("features: [{name: a, data_type: int, entity: e, ttl: 1h, ttl_seconds: 1}]", "both"),
        ("entities: [{features: []}]", "without 'name'"),
        ("feature_services: [{name: a}]", "features"),
        ("wrong: 1", "unknown wrong"),
        ("a: [", "expected"),
        ("!!python/object:os.system {}", "constructor"),
    ],
)
def test_what_is_no_definition(tmp_path, text, words):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(featured.FeaturedError, match=words) as caught:
        load_yaml(path)
    assert "wrong.yaml" in str(caught.value)


def test_apply_says_what_changes(store):
    one = Feature("d_one", "int", "d", ttl="1h", tags={"a": 1})
    service = FeatureService("d_service", [one])
    plan = [Change("feature", "d_one", "create", version=1), Change("feature service", "d_service", "create")]
    assert store.apply([service, one], dry_run=True) == plan
    assert store.features(entity="d") == []
    assert store.apply([service, one]) == plan
    assert store.apply([service, one]) == []
    assert store.apply(Feature("d_one", "int64", "d", ttl=3600, tags={"a": 1})) == []
    changed = Feature("d_one", "int", "d", description="new", tags={"a": 2})
    assert store.apply(changed) == [
        Change("feature", "d_one", "change", ["ttl_seconds", "description", "tags"])
    ]
    assert store.feature("d_one")["ttl_seconds"] is None


def test_another_type_is_another_version(store):
    store.apply([Feature("d_typed", "int", "d"), FeatureService("d_model", ["d_typed"])])
    wanted = Feature("d_typed", "embedding", "d", dimension=2)
    version = Change("feature", "d_typed", "new version", ["data_type"], 2)
    activation = Change("feature", "d_typed", "activate", [], 2)
    assert store.apply(wanted, dry_run=True, activate=True) == [version, activation]
    assert store.apply(wanted) == [version]
    assert store.apply(wanted) == []
    assert store.feature("d_typed")["version"] == 1
    assert store.apply(wanted, activate=True) == [activation]
    assert store.feature("d_typed")["version"] == 2
    # The model's input does not move by applying what it is.
    assert store.apply(FeatureService("d_model", ["d_typed"])) == []
    assert store.service("d_model")["resolved"] == ["d_typed@1"]
    store.activate("d_typed", 1)
    assert store.feature("d_typed")["data_type"] == "int"


def test_nothing_is_applied_of_a_plan_that_is_refused(store):
    store.apply(Feature("d_here", "int", "d"))
    with pytest.raises(featured.FeaturedError, match="belongs to entity 'd', which cannot change to 'e'"):
        store.apply([Feature("d_new", "int", "d"), Feature("d_here", "int", "e")])
    with pytest.raises(featured.NotFound):
        store.feature("d_new")
    with pytest.raises(featured.FeaturedError, match="defined twice"):
        store.apply([Feature("d_new", "int", "d")] * 2)
    with pytest.raises(TypeError, match="neither"):
        store.apply(["d_new"])


def test_one_by_one(store):
    number = store.register(Feature("o_one", "float", "o", feature_group="g", tags={"k": "v"}))
    assert store.feature("o_one")["id"] == number
    with pytest.raises(featured.Conflict, match="already exists"):
        store.register(Feature("o_one", "float", "o"))
    with pytest.raises(featured.InvalidRequest, match="data_type"):
        store.register(Feature("o_two", "complex", "o"))
    for filters in ({"entity": "o"}, {"feature_group": "g"}, {"tag": "k:v"}, {"q": "o_on"}):
        assert [item["name"] for item in store.features(**filters)] == ["o_one"]
    made = store.create_service(FeatureService("o_service", ["o_one"], description="d", tags={"a": 1}))
    assert made["resolved"] == ["o_one@1"]
    assert store.service("o_service") == made
    assert made in store.services()
    with pytest.raises(featured.Conflict):
        store.create_service(FeatureService("o_service", ["o_one"]))
    with pytest.raises(featured.Conflict, match="o_service"):
        store.delete_feature("o_one")
    store.delete_service("o_service")
    store.delete_feature("o_one")
    with pytest.raises(featured.NotFound):
        store.delete_feature("o_one")


def test_aliases_are_the_servers(store):
    """What the package takes for the same type, the server does."""
    from featured import definitions

    for index, alias in enumerate(sorted(definitions._TYPES)):
        store.register(Feature(f"alias_{index}", alias, "alias"))
        assert store.feature(f"alias_{index}")["data_type"] == data_type_of(alias.upper()), alias
