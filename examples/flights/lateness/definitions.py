"""What features.yaml says, for those who write rows, join them and read vectors."""

import dataclasses
import pathlib

import featured
from featured.definitions import ttl_seconds

FILE = pathlib.Path(__file__).with_name("features.yaml")


@dataclasses.dataclass(frozen=True)
class Group:
    """Features that are written together and expire together."""

    name: str
    entity: str
    ttl: int
    features: tuple


class Definitions:
    """`groups` by name, `services` as (name, entity), `columns` and `ttls` of the whole vector in
    their order, `width`: how many of them each service has."""

    def __init__(self, path=FILE):
        self.all = featured.load_yaml(path)
        features = [one for one in self.all if isinstance(one, featured.Feature)]
        services = [one for one in self.all if isinstance(one, featured.FeatureService)]
        self.groups = {}
        for one in features:
            held = self.groups.get(one.feature_group)
            names = (held.features if held else ()) + (one.name,)
            self.groups[one.feature_group] = Group(one.feature_group, one.entity,
                                                   ttl_seconds(one.ttl), names)
        entity_of = {one.name: one.entity for one in features}
        self.services = [(one.name, entity_of[one.features[0]]) for one in services]
        self.width = {one.name: len(one.features) for one in services}
        self.columns = [name for one in services for name in one.features]
        group_of = {name: group for group in self.groups.values() for name in group.features}
        self.ttls = [group_of[name].ttl for name in self.columns]

    def with_ttl(self, ttl_of):
        """The same, each ttl replaced by what `ttl_of` makes of its seconds."""
        return [dataclasses.replace(one, ttl=ttl_of(ttl_seconds(one.ttl)))
                if isinstance(one, featured.Feature) else one for one in self.all]
