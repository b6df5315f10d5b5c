"""A conversation in which the model's tool calls are carried out, until it has no more or the limit is reached."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..events import Event, FinishEvent, ToolCallEvent
from .toolbox import Tool, Toolbox

if TYPE_CHECKING:
    from ..chat import Chat
    from ..session import Progress

ROUNDS = 10


@dataclass(frozen=True)
class ToolResultEvent:
    """A call was carried out, or not."""

    call: ToolCallEvent
    result: str


@dataclass(frozen=True)
class LimitEvent:
    """The model wanted more rounds of tools than are allowed."""

    rounds: int


AgentEvent = Event | ToolResultEvent | LimitEvent

DECLINED = "Error: the user did not allow this call"
STOPPED = "Error: the user stopped here"


def converse(
    chat: Chat,
    box: Toolbox,
    *messages: str | dict[str, Any],
    confirm: Callable[[Tool, ToolCallEvent], bool],
    rounds: int = ROUNDS,
    progress: Progress | None = None,
) -> Generator[AgentEvent]:
    """Sends messages and carries out the calls of the answer, and of the answer to their results, and so on.

    confirm: whether a tool that asks may run. An answer of several calls is one round. A result goes to the model
    whatever it is: an error, a refusal, or what the tool gave.
    """
    results: list[dict[str, Any]] = []
    for _ in range(rounds + 1):
        calls: list[ToolCallEvent] = []
        reason = ""
        for event in chat.send(*messages, progress=progress):
            if isinstance(event, ToolCallEvent):
                calls.append(event)
            elif isinstance(event, FinishEvent):
                reason = event.reason
            yield event
        if reason != "tool_calls":
            return
        results = []
        try:
            for call in calls:
                one = box.get(call.name)
                refused = not call.error and one is not None and one.ask and not confirm(one, call)
                message = box.answer(call, DECLINED if refused else None)
                results.append(message)
                yield ToolResultEvent(call, message["content"])
        except BaseException:  # Ctrl-C: every call gets an answer all the same, so that the conversation can go on
            chat.messages += results + [box.answer(call, STOPPED) for call in calls[len(results) :]]
            raise
        messages = tuple(results)
    chat.messages += results
    yield LimitEvent(rounds)
