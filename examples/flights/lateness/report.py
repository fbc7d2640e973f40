"""What is shown of a training and of a replay."""

import numpy as np
import pandas as pd

HOME = "America/New_York"


def local(instant):
    return pd.Timestamp(int(instant), unit="s", tz="UTC").tz_convert(HOME)


def show_scores(out, rows):
    """`rows`: name -> scores."""
    out.line(f"{'':<34} ROC AUC   log loss   late among the tenth it warns of")
    for name, score in rows.items():
        out.line(f"{name:<34} {score['auc']:7.3f}   {score['log_loss']:8.3f}   "
                 f"{score['late_of_warned']:.0%}")


def milliseconds(name, seconds):
    p50, p99, most = np.percentile(seconds, [50, 99, 100]) * 1000
    return (f"{name:<40} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms   most {most:7.2f} ms")


def outcome(delay):
    if delay != delay:
        return "never arrived"
    return f"arrived {abs(delay):.0f} min {'late' if delay > 0 else 'early'}"


class Ticker:
    """Says of each simulated half hour what was asked, and of which flight it was warned most."""

    HALF_HOUR = 1800

    def __init__(self, out, asked):
        self._out = out
        self._asked = asked
        self._slots = (asked["asked"] // self.HALF_HOUR).to_numpy()
        self._chances = []

    def answered(self, row, chance):
        self._chances.append(chance)
        if row + 1 < len(self._slots) and self._slots[row + 1] == self._slots[row]:
            return
        first = row + 1 - len(self._chances)
        riskiest = first + int(np.argmax(self._chances))
        flight = self._asked.iloc[riskiest]
        self._out.line(f"until {local((self._slots[row] + 1) * self.HALF_HOUR):%H:%M}  "
                       f"{len(self._chances):3} asked; most at risk {flight['carrier']} "
                       f"{flight['route']} due {local(flight['planned']):%H:%M}, "
                       f"{max(self._chances):.0%}: {outcome(flight['arr_delay'])}")
        self._chances = []


class Weeks:
    """Says that another week has begun."""

    WEEK = 7 * 86400

    def __init__(self, out):
        self._out = out
        self._next = 0

    def reached(self, instant):
        if instant >= self._next:
            self._out.line(f"at {local(instant):%d %B}")
            self._next = instant + self.WEEK


def show_check(out, replay):
    wrong = int((~replay.right).sum())
    nothing = np.isnan(replay.vectors).mean()
    text = (f"{wrong:,} mismatches in {len(replay.right):,} vectors of {replay.vectors.shape[1]} values "
            f"({nothing:.0%} of them null: nothing known, or too old)")
    (out.line if wrong else out.good)(text)
    return wrong
