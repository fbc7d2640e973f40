"""How the examples print: numbered steps, with colours only for a terminal that wants them."""

import os
import sys


class Output:
    def __init__(self):
        plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR")
        self.bold, self.green, self.end = ("", "", "") if plain else ("\033[1m", "\033[32m",
                                                                      "\033[0m")
        self.steps = 0

    def step(self, text):
        self.steps += 1
        print(f"\n{self.bold}{self.steps}. {text}{self.end}", flush=True)

    def line(self, text=""):
        print(f"   {text}".rstrip(), flush=True)

    def good(self, text):
        self.line(f"{self.green}{text}{self.end}")
