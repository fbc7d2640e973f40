"""Makes a Feast repository with the four features of workload W and has Feast write users to its online
store. Run by Feast's Python: feast_store.py DIRECTORY REDIS_PORT USERS"""

import os
import sys
from datetime import datetime, timedelta, timezone

import pandas
import workload
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64

USERS_PER_WRITE = 10000
TYPES = {"int": Int64, "float": Float64}
CONFIGURATION = """
project: bench
provider: local
registry: registry.db
online_store:
  type: redis
  connection_string: 127.0.0.1:{port}
offline_store:
  type: file
entity_key_serialization_version: 3
"""


def frame(first, last, now):
    rows = ((workload.user_id(n), now, *workload.values(n)) for n in range(first, last))
    return pandas.DataFrame(rows, columns=["user_id", "event_timestamp", *workload.FEATURES])


def main():
    directory, port, users = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with open(os.path.join(directory, "feature_store.yaml"), "w") as file:
        file.write(CONFIGURATION.format(port=port))
    now = datetime.now(timezone.utc)
    source = os.path.join(directory, "users.parquet")
    frame(0, 1, now).to_parquet(source)
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
    view = FeatureView(
        name="w", entities=[user], ttl=timedelta(seconds=workload.TTL_SECONDS),
        schema=[Field(name=name, dtype=TYPES[data_type])
                for name, data_type in zip(workload.FEATURES, workload.DATA_TYPES)],
        source=FileSource(path=source, timestamp_field="event_timestamp"))
    store = FeatureStore(repo_path=directory)
    store.apply([user, view])
    for first in range(0, users, USERS_PER_WRITE):
        store.write_to_online_store("w", frame(first, min(first + USERS_PER_WRITE, users), now))


if __name__ == "__main__":
    main()
