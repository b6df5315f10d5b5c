"""What commands write beside their result: notes, figures and progress, on stderr."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..system import format_size

if TYPE_CHECKING:
    from ..generate import Usage
    from ..model import Model

PATIENCE = 2.0  # seconds that may pass before progress is shown
DIM, RESET = "\x1b[2m", "\x1b[0m"
CLEAR_LINE = "\r\x1b[K"
_CONTROL = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)])  # all but tab and newline


def colour() -> bool:
    """Whether stderr takes colours."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def dim(text: str) -> str:
    """Text beside the answer, for stderr."""
    text = text.translate(_CONTROL) if sys.stderr.isatty() else text
    return f"{DIM}{text}{RESET}" if colour() else text


def wrapped(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    column = re.match(r" *\S.*?  +(?=\S)", line)
    indent = column.end() if column and column.end() <= width // 2 else 0
    return "\n".join(textwrap.wrap(line, width, subsequent_indent=" " * indent))


def note(text: str = "") -> None:
    """Lines beside the answer. One of two columns goes on in the second."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        text = "\n".join(wrapped(line, width) for line in text.split("\n"))
    print(dim(text) if text else "", file=sys.stderr, flush=True)


def passing(text: str) -> None:
    """A dim line on a terminal that the next one replaces; "" takes it away. Elsewhere nothing."""
    if sys.stderr.isatty() and colour():
        print(f"{CLEAR_LINE}{dim(text) if text else ''}", end="", file=sys.stderr, flush=True)


class Progress:
    """Progress of a long step: nothing for two seconds, then a line that is rewritten, or on a file one every
    10 s.

    >>> progress = Progress("reading the prompt", "tokens")
    >>> session.eval(ids, progress=progress); progress.done()
    """

    def __init__(self, what: str, unit: str = "tokens") -> None:
        self._what, self._unit = what, unit
        self._start, self._next, self._shown = time.monotonic(), PATIENCE, False

    def __call__(self, done: int, total: int) -> bool:
        """Never asks to cancel."""
        passed = time.monotonic() - self._start
        if passed >= self._next and total > 0:
            live = sys.stderr.isatty()
            self._next, self._shown = passed + (0.1 if live else 10.0), live
            size = f"{done:,} of {total:,} tokens"
            if self._unit == "bytes":
                size = f"{format_size(done)} of {format_size(total)}"
            text = f"{self._what}: {size}, {100 * done // total} %"
            if 0 < done < total:
                text += f", {duration(passed * (total - done) / done)} left"
            print(
                f"{CLEAR_LINE}{dim(text)}" if live else text,
                end="" if live else "\n",
                file=sys.stderr,
                flush=True,
            )
        return False

    def done(self) -> None:
        """Takes the line away."""
        if self._shown:
            print(CLEAR_LINE, end="", file=sys.stderr, flush=True)
            self._shown = False


def say(text: str) -> None:
    """More of an answer, to stdout. A terminal gets no control characters: an answer must not move its
    cursor."""
    print(text.translate(_CONTROL) if sys.stdout.isatty() else text, end="", flush=True)


def duration(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def figures(usage: Usage, model: Model) -> str:
    """The line of figures after an answer."""
    parts = [f"{usage.completion_tokens} tokens"]
    if usage.tokens_per_second:
        parts[0] += f", {usage.tokens_per_second:.1f}/s"
    prompt = f"{usage.prompt_tokens} in the prompt"
    if usage.cached_tokens:
        prompt += f", {usage.cached_tokens} of them known"
    parts.append(f"first after {duration(usage.seconds_to_first_token)} ({prompt})")
    parts.append(
        f"{100 * usage.hit_rate:.0f} % of experts from memory, {format_size(usage.bytes_read)} from disk"
    )
    parts += fewer_experts(model)
    return " · ".join(parts)


def fewer_experts(model: Model) -> list[str]:
    """Said with every figure when the model does not use as many experts as it was trained with."""
    used, trained = model.plan.experts_per_token, model.config.experts_per_token
    return [f"{used} experts a token instead of {trained}"] if used != trained else []


def table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Columns side by side; those in `right` end at their right edge."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar over bytes: call it with (done, total, name of what is worked on)."""
    if not sys.stderr.isatty():
        lines = Progress(what, "bytes")

        def report(done: int, total: int, name: str) -> None:
            lines(done, total)

        yield report
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(compact=True))
    name_column = TextColumn("{task.fields[name]}", style="dim")
    with Bar(TextColumn(what), *columns, name_column, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None, name="")

        def update(done: int, total: int, name: str) -> None:
            shown.update(task, completed=done, total=total, name=name[:40])

        yield update
