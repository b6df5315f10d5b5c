"""The progress display of long steps: a bar on a terminal, a line for each step elsewhere. On stderr."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Steps:
    """with Steps("writing", 41) as steps: … steps.step("layer 3")"""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total, self._done, self._start = what, total, 0, time.monotonic()
        self._live = sys.stderr.isatty()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
                   TimeRemainingColumn(), TextColumn("{task.fields[now]}", style="dim"))  # fmt: skip
        self._bar = Progress(*columns, console=Console(stderr=True), disable=not self._live)
        self._task = self._bar.add_task(what, total=total, now="")

    def __enter__(self) -> Steps:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def now(self, text: str) -> None:
        """What is being done."""
        self._bar.update(self._task, now=text)
        if not self._live:
            passed = time.monotonic() - self._start
            print(f"{self._what} {self._done + 1}/{self._total} ({passed:.0f} s): {text}", file=sys.stderr, flush=True)

    def step(self, text: str = "") -> None:
        """One more is done."""
        self._done += 1
        self._bar.update(self._task, completed=self._done, now=text)
