"""The whole way of a model: history, training, and a replay that is held against the history.

    python -m lateness                           three hours at 100 × speed, then all of December
    python -m lateness --speed max               only December, as fast as it goes
    python -m lateness --speed 100 --from 2013-12-01T00:00 --days 31       7 hours and 26 minutes
    python -m lateness --speed 3600 --from 2013-12-01T00:00 --days 31      12 minutes
"""

import argparse
import sys
import time

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

import featured
from lateness import flights as source_tables
from lateness import model as models
from lateness.clock import Clock
from lateness.definitions import Definitions
from lateness.history import history
from lateness.point_in_time import as_of
from lateness.replay import in_order, time_lapse
from lateness.report import HOME, Ticker, Weeks, local, milliseconds, show_check, show_scores
from output import Output

SPEED = 100
out = Output()


def new_york(text):
    return int(pd.Timestamp(text, tz=HOME).timestamp())


def arguments():
    parser = argparse.ArgumentParser(prog="lateness", description=__doc__.splitlines()[0],
                                     epilog=__doc__.partition("\n\n")[2],
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", default=None,
                        help="N: only a time lapse at N × speed; max: only December, as fast as it goes")
    parser.add_argument("--from", dest="start", default="2013-12-02T15:00", metavar="TIME",
                        type=new_york,
                        help="of the time lapse, in New York (default %(default)s)")
    parser.add_argument("--hours", type=float, default=None, help="length (default 3)")
    parser.add_argument("--days", type=float, default=0, help="length")
    args = parser.parse_args()
    if args.hours is None:
        args.hours = 0 if args.days else 3
    args.length = round(3600 * (args.hours + 24 * args.days))
    args.lapse_speed = SPEED
    if args.speed not in (None, "max"):
        if not args.speed.isdecimal() or not int(args.speed):
            parser.error("--speed is a whole number or max")
        args.lapse_speed = int(args.speed)
    return args


class Trained:
    """The model, and its chances from stored vectors and the schedule of the flights they belong to."""

    def __init__(self, definitions, flights, vectors):
        self._schedule = models.schedule(flights)
        inputs = np.hstack([vectors, self._schedule])
        self._model = models.trained(inputs, flights["late"].to_numpy(), flights["month"].to_numpy(),
                                     definitions.columns + models.SCHEDULE)

    def chances(self, vectors, flights):
        """`flights`: rows of those it was made with."""
        return models.chances(self._model, np.hstack([vectors, self._schedule[flights.index]]))


def train(definitions, flights, rows):
    ids = {entity: flights[entity] for _, entity in definitions.services}
    asked = flights["asked"].to_numpy()
    vectors = as_of(definitions, rows, dict.fromkeys(ids, asked), ids).at(asked)
    model = Trained(definitions, flights, vectors)
    test = flights[flights["month"] == models.TEST_MONTH]
    late = test["late"].to_numpy()
    out.line(f"trained on January to November, the number of trees chosen on October and November; "
             f"tested on December, when {np.nanmean(late):.0%} were late "
             f"(before: {flights['late'][flights['month'] < models.TEST_MONTH].mean():.0%})")
    score = models.scores(late, model.chances(vectors[test.index], test))
    show_scores(out, {
        "usual share of carrier, place, hour": models.scores(
            late, models.usual_share(flights)[test.index]),
        f"model, {len(definitions.columns)} features as of then": score})
    return model, score


def run_time_lapse(definitions, flights, rows, model, args):
    end = args.start + args.length
    asked = flights[(flights["asked"] >= args.start) & (flights["asked"] < end)]
    if asked.empty:
        raise SystemExit("lateness: no flight was asked about in that time")
    out.line(f"{len(asked):,} flights asked about from {local(asked['asked'].iloc[0]):%d %B %H:%M} "
             f"to {local(asked['asked'].iloc[-1]):%d %B %H:%M}; "
             f"about {args.length / args.lapse_speed / 60:.1f} minutes")
    ticker = Ticker(out, asked)

    def answer(row, vector):
        chance = model.chances(vector[None], asked.iloc[row:row + 1])[0]
        ticker.answered(row, chance)
        return chance

    with threadpool_limits(1):  # one flight at a time: more threads would only wait for each other
        lapse = time_lapse(definitions, rows, asked, args.lapse_speed, answer)
    out.line(f"{lapse.ingested:,} rows ingested, each when it became known, durable when acknowledged; "
             f"{len(lapse.reads):,} reads meanwhile")
    out.line(milliseconds("a read, through Python's httpx", lapse.reads))
    out.line(milliseconds("a whole vector, from when it was due", lapse.due_seconds))
    out.line(f"{'of a read, inside the server':<40} p99 below {lapse.server_p99 * 1000:.3f} ms")
    return show_check(out, lapse)


def run_december(definitions, flights, rows, model, score):
    asked = flights[flights["month"] == models.TEST_MONTH]
    out.line("everything before December first; about two minutes on a machine that does nothing else")
    month = in_order(definitions, rows, asked, progress=Weeks(out).reached)
    out.line(f"{month.loaded:,} rows of before in {month.load_seconds:.1f} s: "
             f"{month.loaded / month.load_seconds:,.0f} rows/s")
    out.line(f"{month.ingested:,} rows ingested and {len(asked):,} vectors read in "
             f"{month.seconds:.0f} s, one request after the other: "
             f"{(month.ingested + len(asked)) / month.seconds:,.0f} a second, "
             f"{31 * 86400 / month.seconds:,.0f} × as fast as it happened")
    wrong = show_check(out, month)
    served = models.scores(asked["late"].to_numpy(), model.chances(month.vectors, asked))
    out.line(f"ROC AUC of what was served {served['auc']:.6f}, of the join {score['auc']:.6f}")
    return wrong


def example(args):
    started = time.monotonic()
    definitions = Definitions()
    definitions.with_ttl(Clock(args.lapse_speed, 0, 0).ttl)  # refuses a speed that does not fit, now
    out.step("What became known in 2013, and when")
    flights = source_tables.read_flights()
    rows = history(definitions.groups, flights, source_tables.read_weather())
    out.line(f"{len(flights):,} flights and the weather: {sum(map(len, rows.values())):,} rows of "
             f"{len(rows)} feature groups")
    out.step(f"More than {source_tables.LATE_MINUTES} minutes late? Asked {source_tables.ASK_MINUTES} "
             "minutes before a flight is due to leave")
    model, score = train(definitions, flights, rows)
    wrong = 0
    if args.speed != "max":
        out.step(f"Served live, at {args.lapse_speed} × speed")
        wrong += run_time_lapse(definitions, flights, rows, model, args)
    if args.speed in (None, "max"):
        out.step("All of December in order, as fast as it goes")
        wrong += run_december(definitions, flights, rows, model, score)
    print(f"\nDone in {time.monotonic() - started:.0f} s.")
    return 1 if wrong else 0


if __name__ == "__main__":
    try:
        sys.exit(example(arguments()))
    except featured.FeaturedError as error:
        sys.exit(f"lateness: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
