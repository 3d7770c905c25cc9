"""What a person sees of a run: each step with its time, then the components' own lines, each with its name."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.stack.process import Process, plain


@contextmanager
def step(title: str) -> Iterator[list[str]]:
    """Print the title, run the block, and print how long it took and what the block has put into the list."""
    live = sys.stdout.isatty()
    if live:
        print(f"  {title} ...", end="", flush=True)
    started = time.monotonic()
    said: list[str] = []
    outcome = "failed after"
    try:
        yield said
        outcome = "ok"
    finally:
        back = "\r" if live else ""
        print(f"{back}  {title}: {', '.join([*said, outcome])} {time.monotonic() - started:.1f} s", flush=True)


class Follower:
    """Prints the lines that processes append to their logs, each behind the process' name."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self._logs = {process.name: process.log for process in processes}
        self._read = {name: log.stat().st_size for name, log in self._logs.items()}
        self._width = max(map(len, self._logs))
        self._colours = sys.stdout.isatty()

    def print_new(self) -> None:
        """Print what came since the last call, or since the start."""
        for name, log in self._logs.items():
            for line in self._new_lines(name, log):
                print(f"{name:<{self._width}} | {line if self._colours else plain(line)}", flush=True)

    def _new_lines(self, name: str, log: Path) -> list[str]:
        with log.open("rb") as file:
            file.seek(self._read[name])
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read[name] += len(whole) + len(newline)
        return whole.decode(errors="replace").splitlines()
