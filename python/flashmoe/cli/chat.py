"""`flashmoe chat`: a conversation in the terminal.

Plain on purpose: text streams as it comes. On a terminal, prompt_toolkit reads the input, with a history that
stays; otherwise each line of stdin is a message and the answers alone go to stdout.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from ..errors import ContextFullError, FlashMoeError
from ..system import format_size
from . import options as opt
from .output import Progress, dim, fewer_experts, figures, note, say

if TYPE_CHECKING:
    from ..chat import Chat
    from ..model import Model
    from ..sampling import Sampling

HELP = """\
/new           forget the conversation and begin another
/system TEXT   set the system prompt and begin anew; without TEXT, show it
/stats         what the conversation took, and the memory plan
/help          this list
/quit          leave, as Ctrl-D does
Ctrl-C stops an answer; what was said stays in the conversation."""
COMMAND = re.compile(r"/([a-z]+)(?:\s+(.*))?", re.DOTALL)


def main(options: argparse.Namespace) -> int:
    loading = Progress("loading weights", "bytes")
    model = opt.open_model(options, loading)
    loading.done()
    sampling = opt.sampling(options, model)
    live = sys.stdin.isatty() and sys.stdout.isatty()
    _banner(model, options, live)
    with _Talk(model, options, sampling, live) as talk:
        for line in _typed() if live else map(str.strip, sys.stdin):
            if not line:
                continue
            if (command := COMMAND.fullmatch(line)) is not None:
                if not talk.obey(command[1], command[2] or ""):
                    break
            elif live:
                try:
                    talk.say(line)
                except FlashMoeError as error:
                    note(f"flashmoe: {error}")
                    if isinstance(error, ContextFullError):
                        note("/new begins another conversation.")
            else:
                talk.say(line)
    return 0


class _Talk:
    """A conversation and what the commands do to it."""

    def __init__(self, model: Model, options: argparse.Namespace, sampling: Sampling, live: bool) -> None:
        self._model, self._options, self._sampling, self._live = model, options, sampling, live
        self._system: str | None = options.system
        self._chat = self._new()

    def _new(self) -> Chat:
        from ..chat import Chat

        return Chat(
            self._model,
            self._system,
            sampling=self._sampling,
            max_tokens=self._options.max_tokens,
            thinking=self._options.thinking,
        )

    def __enter__(self) -> _Talk:
        return self

    def __exit__(self, *args: object) -> None:
        self._chat.close()

    def say(self, text: str) -> None:
        """Sends a message and shows the answer as it comes."""
        from ..chat import FinishEvent, ReasoningEvent, TextEvent

        reading = Progress("reading the prompt")
        said = thought = False
        with _interrupting(self._chat.cancel):
            for event in self._chat.send(text, progress=reading):
                reading.done()
                if isinstance(event, TextEvent):
                    if thought and not said:
                        note()
                    say(event.text)
                    said = True
                elif isinstance(event, ReasoningEvent):
                    print(dim(event.text), end="", file=sys.stderr, flush=True)
                    thought = True
                elif isinstance(event, FinishEvent):
                    print(flush=True)
                    end = {"cancelled": "stopped · ", "length": "cut off · "}.get(event.reason, "")
                    note(end + figures(event.usage, self._model))
                    if self._live:
                        print()

    def obey(self, command: str, rest: str) -> bool:
        """A /command; False to leave."""
        if command in ("quit", "exit", "bye"):
            return False
        if command == "new":
            self._chat.close()
            self._chat = self._new()
            note("A new conversation.")
        elif command == "system" and rest:
            self._system = rest
            self.obey("new", "")
        elif command == "system":
            note(self._system or "There is no system prompt.")
        elif command == "stats":
            self._stats()
        else:
            if command != "help":
                note(f"There is no command /{command}.")
            note(HELP)
        return True

    def _stats(self) -> None:
        if (session := self._chat.session) is not None:
            stats = session.stats
            note(f"{session.position:,} of {self._model.plan.context:,} tokens of context used")
            for name, phase in (("prompts", stats.prefill), ("answers", stats.decode)):
                note(
                    f"{name}: {phase.tokens:,} tokens, {phase.tokens_per_second:.1f}/s, "
                    f"{100 * phase.hit_rate:.0f} % of experts from memory, {format_size(phase.bytes_read)} "
                    f"from disk, {phase.seconds_waiting:.1f} of {phase.seconds:.1f} s waiting for it"
                )
        note(str(self._model.plan))


def _banner(model: Model, options: argparse.Namespace, live: bool) -> None:
    from .._version import __version__

    c, plan = model.config, model.plan
    parts = [
        f"flashmoe {__version__}",
        f"{options.model}: {c.layers} layers of {c.experts} experts, {plan.experts_per_token} a token",
        f"{format_size(plan.used)} of memory with {plan.cache_slots:,} of {plan.experts_in_model:,} experts",
        f"{plan.kernels} kernels, {model.reader} reads",
        *fewer_experts(model),
    ]
    note(" · ".join(parts))
    if options.model == "demo":
        note("This is a small demonstration model: it shows flashmoe at work, and it is often wrong.")
    if live:
        note("/help lists what can be done. Ctrl-C stops an answer, Ctrl-D leaves.\n")


def _typed() -> Iterator[str]:
    """Lines typed at a terminal, until Ctrl-D."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory

    history: History = InMemoryHistory()
    try:
        path = history_file()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        history = FileHistory(str(path))
    except OSError:
        pass  # a home that cannot be written to
    session: PromptSession[str] = PromptSession("> ", history=history)
    while True:
        try:
            yield session.prompt().strip()
        except KeyboardInterrupt:
            note("Ctrl-D leaves.")
        except EOFError:
            return


def history_file() -> Path:
    """Where what was typed is kept."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "flashmoe" / "history"


@contextmanager
def _interrupting(stop: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C calls `stop`; another one is a KeyboardInterrupt."""

    def interrupted(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
