"""The chat in a terminal: what is typed goes to the model, or is a command."""

from __future__ import annotations

import base64
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from difflib import get_close_matches
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markdown import Markdown
from rich.panel import Panel
from rich.text import Text

from ..chat import Chat, FinishEvent, ReasoningEvent, TextEvent, ToolCallEvent
from ..cli.output import figures, note
from ..errors import ContextFullError, FlashMoeError, UsageError
from ..prefix import PrefixStore
from ..sampling import Sampling
from ..system import format_size
from ..tools.agent import ROUNDS, LimitEvent, ToolResultEvent, converse
from ..tools.chosen import NAMED, chosen_tools
from ..tools.toolbox import Tool, Toolbox
from .kept import Kept, KeptChats, state_folder
from .screen import AnswerScreen, PlainScreen, plain

if TYPE_CHECKING:
    from ..generate import Usage
    from ..model import Model

HELP = """\
/new            begin another conversation
/retry          have the last message answered anew
/system TEXT    set the system prompt and begin anew; without TEXT, show it
/tools NAME …   let the model use tools: calculator, files, shell, all, FILE.py, mcp:COMMAND, none
/params K=V …   change temperature, top_p, max_tokens, thinking, …; without K=V, show them
/thought        show the last thought
/copy           copy the last answer to the clipboard
/sessions       list the conversations that are kept
/resume WHICH   go on with one, by its number or name; without WHICH, with the newest
/save NAME      name this conversation; all are kept anyway
/stats          what the conversation took, and the memory plan
/help           this list
/quit           leave, as Ctrl-D does
Alt-Enter begins a new line, as does Enter after a backslash. Ctrl-C stops an answer; what was said stays."""
COMMAND = re.compile(r"/([a-z]+)(?:\s+(.*))?", re.DOTALL)
COMMANDS = re.findall(r"^/(\w+)", HELP, re.MULTILINE)
RESULT_LINES = 6  # of a tool's result that are shown
_SWITCH = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False, "auto": None}


class Talk:
    """A conversation in a terminal. keep: whether it stays on disk. ask: a question with one-letter answers."""

    def __init__(
        self,
        model: Model,
        *,
        name: str,
        sampling: Sampling,
        system: str | None = None,
        max_tokens: int | None = None,
        thinking: bool | None = None,
        reasoning_budget: int | None = None,
        tools: Sequence[str] = (),
        folder: Path | None = None,
        rounds: int = ROUNDS,
        keep: bool = True,
        ask: Callable[[str, str], str] | None = None,
    ) -> None:
        self._model, self._name, self._sampling, self._system = model, name, sampling, system
        self._max_tokens, self._thinking, self._budget = max_tokens, thinking, reasoning_budget
        self._rounds, self._folder, self._keep = rounds, folder or Path.cwd(), keep
        self._ask = ask
        self._show_thoughts = False
        self._allowed: set[str] = set()  # tools that need not ask any more
        self._thought = ""
        self._console = Console(highlight=False)
        self._screen: AnswerScreen | PlainScreen | None = None
        self._stack, self._tool_names, self._box = ExitStack(), list(tools), Toolbox()
        self._store = PrefixStore(model, folder=state_folder() / "states" if keep else None)
        self._kept, self._chats = Kept(model=name), KeptChats()
        self._use_tools(list(tools))
        self._chat = self._new_chat()

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *args: object) -> None:
        self._chat.close()
        self._store.close()
        self._stack.close()

    # ---- messages

    def say(self, text: str) -> None:
        """Sends a message and shows the answer as it comes, tools and all."""
        try:
            with self._interrupting():
                self._converse(text)
        except KeyboardInterrupt:
            note("stopped")
        finally:
            self._end_screen()
            self._save()

    def _converse(self, text: str) -> None:
        self._thought = ""
        events = converse(
            self._chat, self._box, text, confirm=self._confirm, rounds=self._rounds, progress=self._progress
        )
        for event in events:
            if isinstance(event, TextEvent):
                self._open_screen().text(event.text)
            elif isinstance(event, ReasoningEvent):
                self._thought += event.text
                self._open_screen().thought(event.text)
            elif isinstance(event, FinishEvent):
                self._end_screen()
                end = {"cancelled": "stopped · ", "length": "cut off · "}.get(event.reason, "")
                note(end + figures(event.usage, self._model))
            elif isinstance(event, ToolCallEvent):
                self._show_call(event)
            elif isinstance(event, ToolResultEvent):
                self._show_result(event)
            elif isinstance(event, LimitEvent):
                note(f"The model wanted more than {event.rounds} rounds of tools; say something to go on.")

    def _open_screen(self) -> AnswerScreen | PlainScreen:
        if self._screen is None:
            if self._console.is_terminal and not self._console.is_dumb_terminal:
                self._screen = AnswerScreen(self._console, self._usage, self._context, self._show_thoughts)
            else:
                self._screen = PlainScreen()
            self._screen.__enter__()
        return self._screen

    def _end_screen(self) -> None:
        screen, self._screen = self._screen, None
        if screen is not None:
            screen.__exit__()

    def _progress(self, done: int, total: int) -> bool:
        return self._open_screen().progress(done, total)

    def _usage(self) -> Usage | None:
        return self._chat.usage

    def _context(self) -> tuple[int, int]:
        session = self._chat.session
        return (session.position if session else 0), self._model.plan.context

    @contextmanager
    def _interrupting(self) -> Iterator[None]:
        """The first Ctrl-C ends the answer and keeps what was said; another one, or one while a tool runs, is a
        KeyboardInterrupt."""

        def interrupted(number: int, frame: FrameType | None) -> None:
            if not self._chat.cancel():
                raise KeyboardInterrupt
            signal.signal(signal.SIGINT, signal.default_int_handler)

        before = signal.signal(signal.SIGINT, interrupted)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    # ---- tools

    def _show_call(self, call: ToolCallEvent) -> None:
        self._end_screen()
        if call.error:
            note(f"▸ a tool call that cannot be carried out: {plain(call.error)}")
        else:
            arguments = ", ".join(f"{key}={_short(value)}" for key, value in call.arguments.items())
            note(f"▸ {plain(call.name)}({plain(arguments)})")

    def _show_result(self, event: ToolResultEvent) -> None:
        lines = plain(event.result).splitlines() or [""]
        for line in lines[:RESULT_LINES]:
            note(f"  {line[:200]}")
        if len(lines) > RESULT_LINES:
            note(f"  … {len(lines) - RESULT_LINES} more lines")

    def _confirm(self, tool: Tool, call: ToolCallEvent) -> bool:
        if tool.name in self._allowed:
            return True
        if self._ask is None:
            return False
        self._end_screen()
        shown = tool.preview(call.arguments) if tool.preview else "\n".join(
            f"{key}: {value}" for key, value in call.arguments.items()
        )  # fmt: skip
        self._console.print(Panel(Text(plain(shown)), title=Text(tool.name), title_align="left", width=self._width()))
        try:
            said = self._ask(f"Run {tool.name}? [y]es, [a]lways in this conversation, [n]o:", "yan")
        except EOFError:
            said = "n"
        if said == "a":
            self._allowed.add(tool.name)
        return said in ("y", "a")

    def _width(self) -> int:
        return min(100, self._console.width)

    def _use_tools(self, names: list[str]) -> None:
        stack = ExitStack()
        try:
            box = chosen_tools(names, self._folder, stack)
        except BaseException:
            stack.close()
            raise
        self._stack.close()
        self._stack, self._tool_names, self._box = stack, names, box

    # ---- commands

    def obey(self, line: str) -> bool:
        """Carries out a /command; False to leave."""
        found = COMMAND.fullmatch(line)
        name, rest = (found[1], (found[2] or "").strip()) if found else ("", "")
        if name in ("quit", "exit", "bye"):
            return False
        if name not in COMMANDS:
            typed = line.split()[0]
            near = get_close_matches(typed[1:], COMMANDS, 1)
            note(f"There is no command {typed}. {f'Did you mean /{near[0]}?' if near else '/help lists them.'}")
            return True
        getattr(self, f"_do_{name}")(rest)
        return True

    @staticmethod
    def completions() -> dict[str, Callable[[], list[str]]]:
        """Commands, and what completes after them."""
        words: dict[str, Callable[[], list[str]]] = {name: list for name in COMMANDS}
        words["tools"] = lambda: [*NAMED, "all", "none"]
        words["params"] = lambda: [f"{name}=" for name in _PARAMETERS]
        words["resume"] = lambda: [kept.name or kept.id for kept in KeptChats().all()]
        return words

    def _do_help(self, rest: str) -> None:
        note(HELP)

    def _do_new(self, rest: str) -> None:
        self._begin(Kept(model=self._name))
        note("A new conversation.")

    def _do_system(self, rest: str) -> None:
        if rest:
            self._system = rest
            self._do_new("")
        else:
            note(self._system or "There is no system prompt.")

    def _do_retry(self, rest: str) -> None:
        at = max((i for i, m in enumerate(self._chat.messages) if m.get("role") == "user"), default=None)
        if at is None:
            raise UsageError("there is nothing to answer anew yet")
        text = self._chat.messages[at]["content"]
        del self._chat.messages[at:]
        self.say(text)

    def _do_tools(self, rest: str) -> None:
        if rest:
            self._use_tools([] if rest == "none" else _tool_names(rest))
            self._chat.tools = self._box.schemas or None
        for tool in self._box:
            about = str(tool.schema["function"].get("description") or "").partition(". ")[0]
            note(f"{tool.name}{' (asks)' if tool.ask and tool.name not in self._allowed else ''}: {about}")
        if not len(self._box):
            note(f"There are no tools. /tools {' '.join(NAMED)} lets the model use those in {self._folder}.")

    def _do_params(self, rest: str) -> None:
        for pair in rest.split():
            name, equals, value = pair.partition("=")
            if not equals or name not in _PARAMETERS:
                raise UsageError(f"write it as NAME=VALUE, with one of {', '.join(_PARAMETERS)}")
            self._set(name, value)
        sampling = self._chat.sampling or Sampling()
        shown = {name: getattr(sampling, name) for name in _SAMPLED}
        shown |= {
            "max_tokens": self._max_tokens,
            "thinking": self._thinking,
            "reasoning_budget": self._budget,
            "thoughts": "show" if self._show_thoughts else "fold",
            "rounds": self._rounds,
        }
        note("  ".join(f"{name}={_said(value)}" for name, value in shown.items()))

    def _set(self, name: str, value: str) -> None:
        try:
            if name in _SAMPLED:
                drawn: Any = None if value == "auto" else (int if name in ("top_k", "seed") else float)(value)
                if drawn is None and name != "seed":
                    drawn = getattr(Sampling.recommended(self._model.path), name)
                self._sampling = replace(self._sampling, **{name: drawn})
            elif name == "thinking":
                self._thinking = _SWITCH[value.lower()]
            elif name == "thoughts":
                self._show_thoughts = {"show": True, "fold": False}[value]
            else:
                number = None if value == "auto" else int(value)
                if name == "rounds":
                    self._rounds = max(0, ROUNDS if number is None else number)
                elif name == "max_tokens":
                    self._max_tokens = number
                else:
                    self._budget = number
        except (ValueError, KeyError) as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"{value!r} is no value of {name}") from None
        chat = self._chat
        chat.sampling, chat.max_tokens = self._sampling, self._max_tokens
        chat.thinking, chat.reasoning_budget = self._thinking, self._budget

    def _do_thought(self, rest: str) -> None:
        note(self._thought.strip() or "The last answer had no thought.")

    def _do_copy(self, rest: str) -> None:
        text = next((str(m["content"]) for m in reversed(self._chat.messages) if m.get("role") == "assistant"), "")
        if not text:
            raise UsageError("there is no answer to copy yet")
        # OSC 52, which the terminal understands and not the machine: so it works over ssh.
        sys.stdout.write(f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\x07")
        sys.stdout.flush()
        note(f"{len(text):,} characters were sent to the terminal's clipboard.")

    def _do_sessions(self, rest: str) -> None:
        kept = self._chats.all()
        for i, one in enumerate(kept[:30], 1):
            turns = sum(m.get("role") == "user" for m in one.messages)
            mark = "*" if one.id == self._kept.id else " "
            note(f"{i:>3}{mark} {_ago(one.updated)}  {turns:>2} turns  {plain(one.title)}")
        if not kept:
            note("No conversation is kept yet.")

    def _do_resume(self, rest: str) -> None:
        kept = self._chats.find(rest)
        self._begin(kept)
        if kept.model != self._name:
            note(f"That was with {kept.model}; {self._name} reads it again.")
        note(f"Going on with: {plain(kept.title)}")
        for message in kept.messages[-2:]:
            text = plain(str(message.get("content") or ""))
            if message.get("role") == "user":
                note(f"> {text}")
            elif text:
                self._console.print(Markdown(text))

    def _do_save(self, rest: str) -> None:
        if not self._keep:
            raise UsageError("nothing is kept, as --no-keep asks")
        if not self._chat.messages:
            raise UsageError("there is nothing to keep yet")
        self._kept.name = rest or self._kept.name
        self._save()
        self._store.flush()
        note(f"Kept as {plain(self._kept.name) or self._kept.id}: {self._chats.folder / self._kept.id}.json")

    def _do_stats(self, rest: str) -> None:
        if (session := self._chat.session) is not None:
            stats = session.stats
            note(f"{session.position:,} of {self._model.plan.context:,} tokens of context used")
            for name, phase in (("prompts", stats.prefill), ("answers", stats.decode)):
                note(
                    f"{name}: {phase.tokens:,} tokens, {phase.tokens_per_second:.1f}/s, "
                    f"{100 * phase.hit_rate:.0f} % of experts from memory, {format_size(phase.bytes_read)} "
                    f"from disk, {phase.seconds_waiting:.1f} of {phase.seconds:.1f} s waiting for it"
                )
        kept = self._store.stats
        note(
            f"kept states: {kept.states} in memory ({format_size(kept.bytes)}), {kept.files} on disk "
            f"({format_size(kept.file_bytes)}); {kept.tokens_reused:,} tokens of prompts came from them"
        )
        note(str(self._model.plan))

    # ---- the conversation

    def _begin(self, kept: Kept) -> None:
        self._chat.close()
        self._kept, self._allowed, self._thought = kept, set(), ""
        if kept.messages:
            first = kept.messages[0]
            self._system = str(first["content"]) if first.get("role") == "system" else None
        self._chat = self._new_chat()
        if kept.messages:
            self._chat.messages, self._chat.written = list(kept.messages), kept.written

    def _new_chat(self) -> Chat:
        return Chat(
            self._model,
            self._system,
            self._box.schemas or None,
            sampling=self._sampling,
            max_tokens=self._max_tokens,
            thinking=self._thinking,
            reasoning_budget=self._budget,
            store=self._store,
        )

    def _save(self) -> None:
        if not self._keep or not any(message.get("role") != "system" for message in self._chat.messages):
            return
        self._kept.messages, self._kept.written = self._chat.messages, self._chat.written
        try:
            self._chats.save(self._kept)
        except OSError as error:
            note(f"The conversation cannot be kept: {error}")
            self._keep = False


def talk(typed: Callable[[], str], conversation: Talk) -> None:
    """Lines to messages and commands, until the end. typed: raises EOFError at the end, KeyboardInterrupt on Ctrl-C."""
    while True:
        try:
            line = typed()
        except KeyboardInterrupt:
            note("Ctrl-D leaves.")
            continue
        except EOFError:
            return
        if not line:
            continue
        try:
            if COMMAND.fullmatch(line):
                if not conversation.obey(line):
                    return
            else:
                conversation.say(line)
        except FlashMoeError as error:
            note(f"flashmoe: {error}")
            if isinstance(error, ContextFullError):
                note("/new begins another conversation.")


_SAMPLED = tuple(field.name for field in fields(Sampling) if field.name not in ("stop", "constraint"))
_PARAMETERS = (*_SAMPLED, "max_tokens", "thinking", "reasoning_budget", "thoughts", "rounds")


def _tool_names(text: str) -> list[str]:
    """Names apart; an MCP server's command is quoted, as in a shell."""
    import shlex

    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{text}: {error}") from None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _said(value: Any) -> str:
    return "auto" if value is None else {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _ago(seconds: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
