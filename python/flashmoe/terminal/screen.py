"""An answer as it comes, on a terminal.

What is finished is printed for good: Markdown block by block, a thought folded to one line. Only what is still
growing, the last block and the status line, is drawn anew, so an answer may be longer than the screen and scrolls as
text does.
"""

from __future__ import annotations

import re
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from ..cli.output import Progress, dim, note, say
from ..system import format_size

if TYPE_CHECKING:
    from ..generate import Usage

EVERY = 0.1  # seconds between two drawings
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_CONTROL = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)])  # all but tab and newline


def plain(text: str) -> str:
    """Text without control characters: what a model or a program writes must not move the cursor."""
    return text.translate(_CONTROL)


def finished(text: str) -> int:
    """How much of a Markdown text can no longer change: up to the last blank line outside a code block."""
    end, at, fence = 0, 0, ""
    for line in text.splitlines(keepends=True):
        at += len(line)
        if not line.endswith("\n"):
            break
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence) and not line.strip(" \n`~"):
            fence = ""
        elif not line.strip() and not fence:
            end = at
    return end


class AnswerScreen:
    """Shows one answer. Used in a `with`, from one thread.

    usage: the figures so far. context: tokens used and in all. show_thoughts: print thoughts instead of folding them.
    """

    def __init__(
        self,
        console: Console,
        usage: Callable[[], Usage | None],
        context: Callable[[], tuple[int, int]],
        show_thoughts: bool = False,
    ) -> None:
        self._console, self._usage, self._context = console, usage, context
        self._show_thoughts = show_thoughts
        self._text = self._thought = ""
        self._thought_began = 0.0
        self._read: tuple[int, int] | None = None
        self._began = self._drawn = time.monotonic()
        self._bytes: deque[tuple[float, int]] = deque(maxlen=20)
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")

    def __enter__(self) -> AnswerScreen:
        self._live.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.end()
        self._live.update(Text(""), refresh=True)
        self._live.stop()

    def progress(self, done: int, total: int) -> bool:
        """Progress of reading the prompt; never asks to cancel."""
        self._read = (done, total) if done < total else None
        if time.monotonic() - self._began > 0.5:
            self._draw()
        return False

    def text(self, text: str) -> None:
        self._read = None  # the core need not report the end of a prompt
        self._fold()
        self._text += plain(text)
        cut = finished(self._text)
        if cut:
            block, self._text = self._text[:cut], self._text[cut:]
            self._print(block)
        self._draw()

    def thought(self, text: str) -> None:
        self._read = None
        self._thought_began = self._thought_began or time.monotonic()
        self._thought += plain(text)
        self._draw()

    def end(self) -> None:
        """Prints what is still growing for good."""
        self._fold()
        if self._text.strip():
            self._print(self._text)
        self._text = ""
        self._read = None

    def _print(self, block: str) -> None:
        if block.strip():
            self._live.console.print(Markdown(block.strip("\n")))
            self._live.console.print()

    def _fold(self) -> None:
        if self._thought.strip():
            seconds = time.monotonic() - self._thought_began
            if self._show_thoughts:
                self._live.console.print(Padding(Text(self._thought.strip(), style="dim"), (0, 0, 1, 2)))
            else:
                words = len(self._thought.split())
                line = f"▸ thought for {seconds:.1f} s, {words} words; /thought shows it"
                self._live.console.print(Text(line, style="dim"))
        self._thought, self._thought_began = "", 0.0

    def _draw(self) -> None:
        now = time.monotonic()
        if now - self._drawn < EVERY:
            return
        self._drawn = now
        parts: list[RenderableType] = []
        if self._thought:
            parts.append(_Last(Padding(Text(self._thought.strip(), style="dim"), (0, 0, 0, 2)), 8))
        if self._text:
            parts.append(_Last(Markdown(self._text), max(4, self._console.height - 4)))
        if self._read is not None:
            parts.append(self._bar(*self._read))
        parts.append(Text(self._status(now), style="dim", no_wrap=True, overflow="ellipsis"))
        self._live.update(Group(*parts), refresh=True)

    def _bar(self, done: int, total: int) -> RenderableType:
        passed = time.monotonic() - self._began
        left = f", {passed * (total - done) / done:.0f} s left" if done else ""
        row = Table.grid(padding=(0, 1))
        row.add_row(
            Text("reading the prompt", style="dim"),
            ProgressBar(total=total, completed=done, width=20),
            Text(f"{done:,} of {total:,} tokens{left}", style="dim"),
        )
        return row

    def _status(self, now: float) -> str:
        usage = self._usage()
        if usage is None:
            return ""
        self._bytes.append((now, usage.bytes_read))
        used, context = self._context()
        parts = []
        if usage.completion_tokens:
            parts += [f"{usage.tokens_per_second:.1f} tokens/s", f"first after {usage.seconds_to_first_token:.1f} s"]
        parts.append(f"context {used:,} of {context:,}")
        parts.append(f"{100 * usage.hit_rate:.0f} % of experts in memory")
        (then, before), (_, after) = self._bytes[0], self._bytes[-1]
        rate = (after - before) / (now - then) if now > then else 0.0
        parts.append(f"disk {format_size(rate)}/s")
        return " · ".join(parts)


class _Last:
    """The last lines of something."""

    def __init__(self, what: RenderableType, most: int) -> None:
        self._what, self._most = what, most

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in console.render_lines(self._what, options, pad=False)[-self._most :]:
            yield from line
            yield Segment.line()


class PlainScreen:
    """The same where nothing can be drawn anew: text as it comes."""

    def __init__(self) -> None:
        self._reading = Progress("reading the prompt")
        self._said = self._thought = False

    def __enter__(self) -> PlainScreen:
        return self

    def __exit__(self, *args: object) -> None:
        self._reading.done()
        print(flush=True)

    def progress(self, done: int, total: int) -> bool:
        return self._reading(done, total)

    def text(self, text: str) -> None:
        self._reading.done()
        if self._thought and not self._said:
            note()
        self._said = True
        say(text)

    def thought(self, text: str) -> None:
        self._reading.done()
        self._thought = True
        print(dim(text), end="", file=sys.stderr, flush=True)
