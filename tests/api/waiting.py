"""Waiting for what comes true by itself."""

import time

TIMEOUT_S = 60


def await_that(condition, timeout_s=TIMEOUT_S, pause_s=0.01):
    """What it says, as soon as it is true."""
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(pause_s)
    return result
