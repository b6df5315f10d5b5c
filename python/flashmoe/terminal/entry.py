"""Reading what a person types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from .kept import state_folder

if TYPE_CHECKING:
    from prompt_toolkit.formatted_text import StyleAndTextTuples


class Entry:
    """The line at which messages and commands are typed.

    Enter sends; Alt-Enter begins a new line, as does Enter after a backslash. What is pasted stays together.
    commands: names with what completes after them.
    """

    def __init__(self, commands: Mapping[str, Callable[[], Iterable[str]]]) -> None:
        keys = KeyBindings()

        @keys.add("enter")
        def _(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            if buffer.document.char_before_cursor == "\\":
                buffer.delete_before_cursor()
                buffer.insert_text("\n")
            else:
                buffer.validate_and_handle()

        @keys.add("escape", "enter")
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        self._session: PromptSession[str] = PromptSession(
            history=_history(), multiline=True, key_bindings=keys, completer=_Commands(commands),
            complete_while_typing=False, prompt_continuation=lambda width, line, wrapped: "… "[:width].rjust(width),
        )  # fmt: skip

    def message(self) -> str:
        """What was typed. Raises EOFError on Ctrl-D, KeyboardInterrupt on Ctrl-C."""
        return self._session.prompt("> ").strip()


def question(text: str, choices: str) -> str:
    """One of these letters; Enter, and whatever is none of them, is the last one. Raises as `Entry.message`."""
    session: PromptSession[str] = PromptSession(history=InMemoryHistory())
    styled: StyleAndTextTuples = [("bold", f"{text} ")]
    said = session.prompt(styled).strip().lower()[:1]
    return said if said and said in choices else choices[-1]


class _Commands(Completer):
    def __init__(self, commands: Mapping[str, Callable[[], Iterable[str]]]) -> None:
        self._commands = commands

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        text = document.text_before_cursor
        if not text.startswith("/") or "\n" in text:
            return
        command, space, rest = text[1:].partition(" ")
        words = self._commands if not space else self._commands.get(command, lambda: ())()
        last = rest.rpartition(" ")[2] if space else command
        for word in words:
            if word.startswith(last):
                yield Completion(word, start_position=-len(last))


def _history() -> History:
    """What was typed before; in memory alone where it cannot be kept."""
    try:
        path = state_folder() / "history"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        return FileHistory(str(path))
    except OSError:
        return InMemoryHistory()
