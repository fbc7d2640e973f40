"""Workload W: users with four features, and the requests that read them.

Values follow from the user's number, so that any answer can be checked without keeping a copy;
random ids come from one seeded generator, so that every peer is asked for the same ones.
"""

import json
import random
import struct

FEATURES = ("user_age", "user_clicks_30d", "user_purchases_7d", "user_avg_session_time")
DATA_TYPES = ("int", "int", "int", "float")
TTL_SECONDS = 3600
SEED = 20130101


def user_id(n):
    return f"user_{n}"


def values(n):
    """The four values of user number n; the float never is a whole number."""
    return 18 + n % 70, n * 7919 % 1000, n % 20, (n * 37 % 60000 * 10 + 5) / 1000


def random_users(users, count, salt=0):
    return random.Random(SEED + salt).choices(range(users), k=count)


def definitions():
    for name, data_type in zip(FEATURES, DATA_TYPES):
        yield {"name": name, "data_type": data_type, "entity": "user", "feature_group": "w",
               "ttl_seconds": TTL_SECONDS}


def csv_chunks(first, last, rows_per_chunk=20000):
    """CSV of users first … last-1, the header in front."""
    yield ("entity_id," + ",".join(FEATURES) + "\n").encode()
    for start in range(first, last, rows_per_chunk):
        rows = ("user_%d,%d,%d,%d,%r\n" % (n, *values(n))
                for n in range(start, min(start + rows_per_chunk, last)))
        yield "".join(rows).encode()


def resp(*words):
    return ("*%d\r\n" % len(words) +
            "".join(f"${len(word)}\r\n{word}\r\n" for word in words)).encode()


def hset_chunks(users, rows_per_chunk=5000):
    """One Redis hash per user, laid out as `user:ID:features`, in pipelines of rows_per_chunk."""
    for start in range(0, users, rows_per_chunk):
        last = min(start + rows_per_chunk, users)
        yield last - start, b"".join(
            resp("HSET", f"user:{user_id(n)}:features",
                 *(word for pair in zip(FEATURES, map(repr, values(n))) for word in pair))
            for n in range(start, last))


def hset(n, salt):
    """What an update of user n writes; `salt` makes the values of different rounds differ."""
    return resp("HSET", f"user:{user_id(n)}:features",
                *(word for pair in zip(FEATURES, map(repr, values(n + salt))) for word in pair))


# Users ARGV[1] to ARGV[2] - 1 with the values of values(), written by Redis itself.
HSET_SCRIPT = """
for n = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
  redis.call('HSET', string.format('user:user_%d:features', n),
    'user_age', string.format('%d', 18 + n % 70),
    'user_clicks_30d', string.format('%d', n * 7919 % 1000),
    'user_purchases_7d', string.format('%d', n % 20),
    'user_avg_session_time', string.format('%.15g', (n * 37 % 60000 * 10 + 5) / 1000))
end
return redis.status_reply('OK')
"""


def csv_of(numbers, salt):
    return ("entity_id," + ",".join(FEATURES) + "\n" + "".join(
        "user_%d,%d,%d,%d,%r\n" % (n, *values(n + salt)) for n in numbers)).encode()


def http_post(path, content_type, body):
    return (f"POST {path} HTTP/1.1\r\n" + HEADERS.format(accept="*/*") +
            f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


def bulk_write(numbers, salt):
    return http_post("/features/ingest/bulk", "text/csv", csv_of(numbers, salt))


def single_write(n, salt):
    """One row per request, by the route of the contract."""
    body = json.dumps({"entity_id": user_id(n), "features": [
        {"feature_name": name, "value": value}
        for name, value in zip(FEATURES, values(n + salt))]}, separators=(",", ":"))
    return http_post("/features/ingest", "application/json", body.encode())


# The same row for PostgreSQL, by pgbench, which knows :users.
POSTGRES_TABLE = """
CREATE TABLE features (entity_id text PRIMARY KEY, user_age bigint, user_clicks_30d bigint,
    user_purchases_7d bigint, user_avg_session_time double precision, event_time timestamptz)
"""
POSTGRES_UPSERT = r"""
\set n random(0, :users - 1)
\set age 18 + :n % 70
\set clicks :n * 7919 % 1000
\set purchases :n % 20
\set session (:n * 37 % 60000 * 10 + 5) / 1000.0
INSERT INTO features
VALUES ('user_' || :n::text, :age, :clicks, :purchases, :session, now())
ON CONFLICT (entity_id) DO UPDATE SET user_age = excluded.user_age,
    user_clicks_30d = excluded.user_clicks_30d, user_purchases_7d = excluded.user_purchases_7d,
    user_avg_session_time = excluded.user_avg_session_time, event_time = excluded.event_time;
"""


def hmget(n, fields=FEATURES):
    return resp("HMGET", f"user:{user_id(n)}:features", *fields)


# What featured asks Redis for: when the values were true, too (spec/redis-layout.md).
DATED_FEATURES = (*FEATURES, "__event_times")


HEADERS = "Host: 127.0.0.1:8000\r\nUser-Agent: bench\r\nAccept: {accept}\r\n"


def single_read(n):
    return (f"GET /features/online/{user_id(n)}?feature_names={','.join(FEATURES)} HTTP/1.1\r\n" +
            HEADERS.format(accept="*/*") + "\r\n").encode()


def batch_read(numbers, accept="application/json"):
    body = json.dumps({"entity_ids": [user_id(n) for n in numbers], "feature_names": FEATURES},
                      separators=(",", ":"))
    return ("POST /features/online HTTP/1.1\r\n" + HEADERS.format(accept=accept) +
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()


def groups(numbers, size):
    return [numbers[i:i + size] for i in range(0, len(numbers) - size + 1, size)]


def write_requests(path, requests):
    """The file bench_load replays: (uint32 little endian length, bytes) after each other."""
    with open(path, "wb") as file:
        for request in requests:
            file.write(struct.pack("<I", len(request)) + request)
    return path
