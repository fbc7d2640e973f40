"""The charts of docs/, drawn from the result of a run. The same numbers give the same bytes."""

import io
import os
import re
import statistics

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

FONT = "DejaVu Sans"  # comes with matplotlib, so that all machines lay out alike

matplotlib.use("svg")
matplotlib.rcParams.update({
    "svg.fonttype": "none", "svg.hashsalt": "featured", "font.size": 10, "font.family": FONT})

# Of the light page; a dark one gets the second of each. The lines' own colours do for both.
INK, PAPER, GRID = "#24292f", "#ffffff", "#d0d7de"
DARK = {INK: ("ink", "#c9d1d9"), PAPER: ("paper", "#0d1117"), GRID: ("grid", "#30363d")}
COLOURS = ("#2f81f7", "#2da44e", "#d9822b", "#bf5fd8")
SIZE_INCHES = (7.6, 4.3)
PERCENTILES = {"p50": "p50", "p90": "p90", "p95": "p95", "p99": "p99", "p999": "p99.9"}


def themed(svg):
    """Moves the colours of page and ink from the elements to a style sheet that knows dark pages."""
    def moved(match):
        kept, classes = [], []
        for declaration in match[1].split("; "):
            name, _, value = declaration.partition(": ")
            if value in DARK and name in ("fill", "stroke"):
                classes.append(f"{name}-{DARK[value][0]}")
            else:
                kept.append(declaration)
        return " ".join(f'{attribute}="{text}"' for attribute, text in
                        (("class", " ".join(classes)), ("style", "; ".join(kept))) if text)

    def rules(pick):
        return " ".join(f".{kind}-{name}{{{kind}:{pick(light, dark)}}}"
                        for light, (name, dark) in DARK.items() for kind in ("fill", "stroke"))

    svg = re.sub(r'style="([^"]*)"', moved, svg)
    svg = svg.replace(f"'{FONT}'", f"'{FONT}', Verdana, sans-serif")
    sheet = (f"<style>{rules(lambda light, dark: light)} @media (prefers-color-scheme: dark) "
             f"{{ {rules(lambda light, dark: dark)} }}</style>")
    return re.sub(r"(<svg [^>]*>)", lambda match: match[1] + "\n " + sheet, svg, count=1)


def axes_of(title, x_label, y_label):
    figure = Figure(figsize=SIZE_INCHES, facecolor=PAPER, layout="constrained")
    axes = figure.subplots()
    axes.set_facecolor(PAPER)
    axes.set_title(title, color=INK, fontsize=11, loc="left")
    axes.set_xlabel(x_label, color=INK)
    axes.set_ylabel(y_label, color=INK)
    axes.grid(True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=INK)
    for spine in axes.spines.values():
        spine.set_color(GRID)
    return figure, axes


def saved(figure, path):
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", facecolor=PAPER,
                   metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    svg = "".join(line.rstrip() + "\n" for line in themed(buffer.getvalue()).splitlines())
    with open(path, "w") as file:
        file.write(svg)


def time_text(us, _position=None):
    """1,500,000 as 1.5 s."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if us >= size:
            return f"{us / size:g} {unit}"
    return f"{us:g} µs"


def count_text(count, _position=None):
    return f"{count:,.0f}"


def log_axis(axis, text):
    axis.set_major_locator(LogLocator(base=10))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(text))


def legend(axes, **options):
    axes.legend(frameon=False, labelcolor=INK, fontsize=9, **options)


def middles(points, key):
    return [statistics.median(point[key]) for point in points]


def band(axes, x, points, key, colour):
    """From the lowest run to the highest."""
    axes.fill_between(x, [min(point[key]) for point in points], [max(point[key]) for point in points],
                      color=colour, alpha=0.15, linewidth=0)


def throughput(data):
    figure, axes = axes_of("Single reads of 4 features: latency against throughput",
                           "requests answered per second", "latency, from when a request was due")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for colour, (name, points) in zip(COLOURS, data.items()):
        answered = middles(points, "answered")
        axes.plot(answered, middles(points, "p99_us"), "o-", color=colour, markersize=4,
                  label=f"{name}, p99")
        axes.plot(answered, middles(points, "p50_us"), "--", color=colour, linewidth=1,
                  label=f"{name}, p50")
    log_axis(axes.xaxis, count_text)
    log_axis(axes.yaxis, time_text)
    figure.legend(frameon=False, labelcolor=INK, fontsize=9, ncols=4, loc="outside lower center")
    return figure


def percentiles(data):
    figure, axes = axes_of(
        f"Single reads of 4 features, everybody at {data['rate']:,.0f} requests per second",
        "percentile of requests", "latency, from when a request was due")
    axes.set_yscale("log")
    for colour, (name, latencies) in zip(COLOURS, data["latency_us"].items()):
        values = [latencies[percentile] for percentile in PERCENTILES]
        axes.plot(list(PERCENTILES.values()), [statistics.median(runs) for runs in values], "o-",
                  color=colour, markersize=4, label=name)
        axes.fill_between(list(PERCENTILES.values()), [min(runs) for runs in values],
                          [max(runs) for runs in values], color=colour, alpha=0.15, linewidth=0)
    log_axis(axes.yaxis, time_text)
    legend(axes, loc="upper left", ncols=2)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * 4)  # room for the legend
    return figure


def growth(data):
    figure, axes = axes_of("Single reads as the store grows, 64 connections, closed loop",
                           "users with 4 features each", "latency")
    axes.set_xscale("log")
    axes.set_yscale("log")
    users = [point["users"] for point in data]
    for colour, key, label in ((COLOURS[2], "p99_us", "p99"), (COLOURS[0], "p50_us", "p50")):
        axes.plot(users, middles(data, key), "o-", color=colour, markersize=4, label=label)
        band(axes, users, data, key, colour)
    low = min(min(point["p50_us"]) for point in data)
    high = max(max(point["p99_us"]) for point in data)
    axes.set_ylim(10 ** (len(str(int(low))) - 1), 10 ** len(str(int(high))))
    log_axis(axes.xaxis, count_text)
    log_axis(axes.yaxis, time_text)
    legend(axes, loc="upper left")
    return figure


def memory(data):
    figure, axes = axes_of("Memory per user with 4 features", "users", "bytes per user")
    width = 0.36
    for side, colour, key, label in ((-1, COLOURS[0], "featured_bytes", "featured, resident"),
                                     (1, COLOURS[2], "redis_bytes", "Redis hash, used_memory")):
        bars = axes.bar([i + side * width / 2 for i in range(len(data))],
                        [point[key] for point in data], width, color=colour, label=label)
        axes.bar_label(bars, fmt="%.0f", color=INK, padding=2)
    axes.xaxis.set_major_locator(FixedLocator(range(len(data))))
    axes.set_xticklabels([count_text(point["users"]) for point in data])
    axes.set_xlim(-0.6, len(data) - 0.4)
    axes.set_ylim(0, 1.25 * max(max(point["featured_bytes"], point["redis_bytes"]) for point in data))
    axes.grid(False, axis="x")
    legend(axes, loc="upper left", ncols=2)
    return figure


CHARTS = {"throughput": throughput, "percentiles": percentiles, "growth": growth, "memory": memory}


def draw(data, directory):
    """Writes bench-NAME.svg for what there is data of; returns the names of the others."""
    for name, chart in CHARTS.items():
        if name in data:
            saved(chart(data[name]), os.path.join(directory, f"bench-{name}.svg"))
    return [name for name in CHARTS if name not in data]
