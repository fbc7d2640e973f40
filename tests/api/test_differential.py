"""The same random requests to the embedded store and to another one: every answer is the same, but for what
docs/backends.md says (differential.py)."""

import os
import random

import pytest

import differential
import server as server_module

# Of one run; so many runs follow each other. For long: FEATURED_TEST_STEPS=50000, and FEATURED_TEST_SEED to do
# one again.
STEPS_PER_RUN = 300
STEPS = int(os.environ.get("FEATURED_TEST_STEPS", "900"))
RESTARTS = float(os.environ.get("FEATURED_TEST_RESTARTS", "0"))
SEED = int(os.environ.get("FEATURED_TEST_SEED", random.SystemRandom().randrange(2**32)))


def others():
    """What the embedded store is compared with."""
    names = os.environ.get("FEATURED_TEST_DIFFERENTIAL")
    if names:
        return names.split(",")
    return [backend.name for backend in server_module.chosen_backends() if backend.keyspaces] or ["redis"]


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    running = []
    for name in ["embedded", *others()]:
        directory = tmp_path_factory.mktemp("differential") / name
        running.append(server_module.Server(directory, server_module.BACKENDS[name]).start())
    yield running
    for server in running:
        server.stop()


def test_the_same_answers(servers):
    done, seed = 0, SEED
    while done < STEPS:
        print("seed", seed)
        done += differential.run(servers, random.Random(seed), min(STEPS_PER_RUN, STEPS - done), RESTARTS)
        seed += 1
