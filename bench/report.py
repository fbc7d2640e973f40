"""What was measured: rows of a table, and as JSON for later."""

import glob
import json
import math
import os
import platform
import re
import statistics
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(HERE)


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    text = (done.stdout + done.stderr).strip()
    return text.splitlines()[0] if text and done.returncode == 0 else None


def number_in(*command):
    """The version number in the first line that a program prints."""
    found = re.search(r"\d+(\.\d+)+", first_line(*command) or "")
    return found[0] if found else None


def package_version(environment, package):
    return first_line(os.path.join(REPOSITORY, environment, "bin/python"), "-c",
                      f"import importlib.metadata as m; print(m.version({package!r}))")


def environment(binary):
    with open("/proc/cpuinfo") as cpuinfo:
        cpu = re.search(r"model name\s*: (.*)", cpuinfo.read())
    with open("/proc/meminfo") as meminfo:
        memory = int(re.search(r"MemTotal:\s+(\d+)", meminfo.read())[1]) * 1024
    postgres = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": memory,
        "kernel": platform.release(),
        "featured": first_line(binary, "version"),
        "commit": first_line("git", "-C", REPOSITORY, "describe", "--always", "--dirty"),
        "peers": {name: version for name, version in {
            "nginx": number_in("nginx", "-v"),
            "Redis": number_in("redis-server", "--version"),
            "PostgreSQL": number_in(postgres[-1], "--version") if postgres else None,
            "FastAPI": package_version(".venv", "fastapi"),
            "uvicorn": package_version(".venv", "uvicorn"),
            "redis-py": package_version(".venv", "redis"),
            "Feast": package_version(".deps/feast", "feast"),
        }.items() if version},
        "python": platform.python_version(),
    }


def steal_seconds():
    """Time the hypervisor gave our cores to others: a run with much of it is worth little."""
    with open("/proc/stat") as stat:
        return int(stat.readline().split()[8]) / os.sysconf("SC_CLK_TCK")


class Row:
    """One row of the table: our figure, the peer's, and what was asked of their ratio (or, `absolute`,
    of our figure alone); a `goal` of None asks nothing."""

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
        if self.goal is None:
            return None
        value = statistics.median(self.ours) if self.absolute else self.ratio()
        return value >= self.goal if self.at_least else value <= self.goal

    def cells(self):
        ratios = [a / b for a, b in zip(self.ours, self.peer)]
        unit = f" {self.unit}" if self.unit else ""
        goal = "–"
        if self.goal is not None:
            sign = "≥" if self.at_least else "≤"
            goal = f"{sign} {self.goal:,.4g}{unit if self.absolute else ' ×'}"
        return [str(self.number), self.figure, spread(self.ours) + unit,
                f"{spread(self.peer)}{unit}, {self.peer_name}" if self.peer else "–",
                spread([self.ratio()], ratios) if ratios else "–", goal,
                {True: "yes", False: "**no**", None: "–"}[self.reached()]]

    def data(self):
        return {"row": self.number, "figure": self.figure, "unit": self.unit, "ours": self.ours,
                "peer": self.peer, "peer_name": self.peer_name, "ratio": self.ratio(),
                "goal": self.goal, "goal_is": "at least" if self.at_least else "at most",
                "absolute": self.absolute, "reached": self.reached()}

    @staticmethod
    def of(data):
        return Row(data["row"], data["figure"], data["unit"], data["ours"], data["peer"], data["goal"],
                   data["peer_name"], data["goal_is"] == "at least", data["absolute"])


def number(value):
    """Three significant digits; four, and the zeros that stand for the rest, from 10,000."""
    size = abs(value)
    if size >= 10000:
        rest = 10 ** (math.floor(math.log10(size)) - 3)
        return f"{round(value / rest) * rest:,}"
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3}f}"


def spread(middle, values=None):
    """The median, and in brackets the lowest and the highest."""
    values = middle if values is None else values
    median = number(statistics.median(middle))
    lowest, highest = number(min(values)), number(max(values))
    return f"{median} ({lowest}–{highest})" if lowest != highest else median


def table(lines):
    """Markdown; the first line is the head."""
    head, *body = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([head, "|" + " --- |" * len(lines[0]), *body])


def rows_table(rows, failed):
    """All rows in order; a row that failed says why."""
    lines = [(row.number, row.cells()) for row in rows]
    lines += [(row, [str(row), title, "–", "–", "–", "–", f"**failed**: {reason.replace('|', '/')}"])
              for row, title, reason in failed]
    lines.sort(key=lambda line: line[0])
    return table([["row", "figure", "featured", "peer", "ratio", "goal", "reached"],
                  *(cells for _, cells in lines)])


def also_table(also):
    def cell(one):
        values = one["value"] if isinstance(one["value"], list) else [one["value"]]
        return f"{spread(values)} {one['unit']}".strip()

    return table([["figure", "measured"], *([one["what"], cell(one)] for one in also)])


def machine(document):
    """One sentence on where and how a result was measured."""
    of = document["environment"]
    peers = ", ".join(f"{name} {version}" for name, version in of["peers"].items())
    halting = "kept from halting" if of.get("cores_kept_awake") else "left to halt"
    return (f"{document['date']}, {of['featured']} at commit {of['commit']}; {of['cores']} cores of "
            f"{of['cpu']}, {of['memory_bytes'] / 1e9:.0f} GB, Linux {of['kernel']}; {peers}. "
            f"{int(1000000 * document['scale']):,} users, medians of {document['runs']} runs of "
            f"{document['seconds_per_run']:g} s, cores {halting}. "
            f"The run took {of['seconds'] / 60:.0f} minutes, in which the hypervisor took "
            f"{of['stolen_seconds']:.0f} s of CPU away; load average at the start "
            f"{of['load_average_at_start']:.2f}.")


def write_json(path, document):
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w") as file:
        json.dump(document, file, indent=1, ensure_ascii=False)
        file.write("\n")
