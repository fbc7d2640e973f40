"""What was measured, as a table for people and as JSON for later."""

import json
import os
import platform
import re
import statistics
import subprocess


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    text = (done.stdout + done.stderr).strip()
    return text.splitlines()[0] if text else None


def environment(binary, repository):
    with open("/proc/cpuinfo") as cpuinfo:
        cpu = re.search(r"model name\s*: (.*)", cpuinfo.read())
    with open("/proc/meminfo") as meminfo:
        memory = int(re.search(r"MemTotal:\s+(\d+)", meminfo.read())[1]) * 1024
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": memory,
        "kernel": platform.release(),
        "featured": first_line(binary, "version"),
        "commit": first_line("git", "-C", repository, "describe", "--always", "--dirty"),
        "nginx": first_line("nginx", "-v"),
        "redis": first_line("redis-server", "--version"),
        "python": platform.python_version(),
    }


def steal_seconds():
    """Time the hypervisor gave our cores to others: a run with much of it is worth little."""
    with open("/proc/stat") as stat:
        return int(stat.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


class Row:
    """One row of the table: our figure, the peer's, and what was asked of their ratio."""

    def __init__(self, number, figure, unit, ours, peer, goal, peer_name="", at_least=False,
                 absolute=False):
        self.number = number
        self.figure = figure
        self.unit = unit
        self.ours = ours
        self.peer = peer
        self.peer_name = peer_name
        self.goal = goal
        self.at_least = at_least
        self.absolute = absolute

    def ratio(self):
        return statistics.median(self.ours) / statistics.median(self.peer) if self.peer else None

    def reached(self):
        value = statistics.median(self.ours) if self.absolute else self.ratio()
        return value >= self.goal if self.at_least else value <= self.goal

    def cells(self):
        ratios = [a / b for a, b in zip(self.ours, self.peer)]
        goal = f"{'≥' if self.at_least else '≤'} {number(self.goal)}"
        return [str(self.number), self.figure, f"{spread(self.ours)} {self.unit}",
                f"{spread(self.peer)} {self.unit} ({self.peer_name})" if self.peer else "–",
                f"{self.ratio():.2f} ({min(ratios):.2f}–{max(ratios):.2f})" if ratios else "–",
                f"{goal} {self.unit}" if self.absolute else f"{goal} ×",
                "yes" if self.reached() else "NO"]

    def data(self):
        return {"row": self.number, "figure": self.figure, "unit": self.unit, "ours": self.ours,
                "peer": self.peer, "peer_name": self.peer_name, "ratio": self.ratio(),
                "goal": self.goal, "goal_is": "at least" if self.at_least else "at most",
                "reached": self.reached()}


def number(value):
    if value >= 10000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def spread(values):
    median = number(statistics.median(values))
    return f"{median} ({number(min(values))}–{number(max(values))})" if len(values) > 1 else median


def print_table(rows):
    lines = [["#", "figure", "featured", "peer", "ratio", "goal", "reached"]]
    lines += [row.cells() for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    lines.insert(1, ["-" * width for width in widths])
    for line in lines:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")


def write_json(path, document):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        json.dump(document, file, indent=1, ensure_ascii=False)
        file.write("\n")
