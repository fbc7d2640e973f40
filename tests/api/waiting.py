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


def at_once(ask, within_s):
    """What it answers: it has three chances to be so quick, as a shared machine may stand still for a moment."""
    for _ in range(3):
        began = time.monotonic()
        answer = ask()
        took_s = time.monotonic() - began
        if took_s < within_s:
            return answer
    raise AssertionError(f"{took_s} s again and again: {answer}")
