"""What a chat gives: events, and the parser that makes them of an answer's text.

The parser knows neither who drives generation nor where the text comes from.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .generate import FinishReason, Usage
from .text.toolcalls import AnswerParser, Part, Reasoning, Text


@dataclass(frozen=True)
class TextEvent:
    """More of the answer."""

    text: str


@dataclass(frozen=True)
class ReasoningEvent:
    """More of what the model thinks before it answers (`<think>`)."""

    text: str


@dataclass(frozen=True)
class ToolCallEvent:
    """The model calls a tool.

    id: made up here, unlike any other. raw: as the model wrote it. error: why the call cannot be carried out, ""
    if it can.
    """

    id: str = field(compare=False)
    name: str
    arguments: dict[str, Any] = field(hash=False)
    raw: str
    error: str = ""


@dataclass(frozen=True)
class FinishEvent:
    """The last event. reason: "tool_calls" when the model waits for results, else as in `Generation`."""

    reason: Literal["stop", "length", "cancelled", "tool_calls"]
    usage: Usage


Event = TextEvent | ReasoningEvent | ToolCallEvent | FinishEvent


class EventParser:
    """Makes events of an answer while it streams; made by `Prompt.parser()`.

    >>> parser = prompt.parser()
    >>> for token in generation:
    ...     for event in parser.feed(token.text): ...
    >>> parser.finish(generation.finish_reason, generation.usage)[-1]
    FinishEvent(reason='stop', usage=…)

    tools: schemas as in the OpenAI API; without any, `<tool_call>` is text. thinking: the prompt has opened a
    thought. However the text is cut, the events are the same, apart from where text and reasoning are cut.
    """

    def __init__(self, tools: Iterable[Mapping[str, Any]] | None = None, thinking: bool = False) -> None:
        self._parser = AnswerParser(tools, thinking)
        self._text = self._reasoning = ""
        self._calls: list[ToolCallEvent] = []

    def feed(self, text: str) -> list[Event]:
        """The events that this text completes."""
        return [self._event(part) for part in self._parser.push(text)] if text else []

    def finish(self, reason: FinishReason | None, usage: Usage) -> list[Event]:
        """What was held back, and a FinishEvent. reason: why generation ended, None if it was broken off."""
        events = [self._event(part) for part in self._parser.finish()]
        called = reason == "stop" and self._calls
        return [*events, FinishEvent("tool_calls" if called else reason or "cancelled", usage)]

    @property
    def message(self) -> dict[str, Any]:
        """The assistant's message so far, ready to be appended to the conversation.

        Calls that cannot be carried out stay in the text, where the model sees what it wrote.
        """
        broken = [f"<tool_call>\n{call.raw}\n</tool_call>" for call in self._calls if call.error]
        content = "\n".join([self._text, *broken]).lstrip("\n") if broken else self._text
        message: dict[str, Any] = {"role": "assistant", "content": content}
        if self._reasoning:
            message["reasoning_content"] = self._reasoning
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in self._calls
            if not call.error
        ]
        if calls:
            message["tool_calls"] = calls
        return message

    def _event(self, part: Part) -> Event:
        if isinstance(part, Text):
            self._text += part.text
            return TextEvent(part.text)
        if isinstance(part, Reasoning):
            self._reasoning += part.text
            return ReasoningEvent(part.text)
        identity = f"call_{secrets.token_hex(8)}"
        call = ToolCallEvent(identity, part.name, part.arguments, part.raw, part.error)
        self._calls.append(call)
        return call
