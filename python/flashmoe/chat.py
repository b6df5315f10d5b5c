"""Conversations: messages in, events out.

`chat` answers one conversation. `Chat` holds one that goes on: it keeps the session, so that each turn
evaluates only what is new. A session cannot be rewound (the recurrent state forgets), so where a template
drops the reasoning of past turns from the prompt, `Chat` also keeps a fork from before the answer and goes on
from there.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from .errors import UsageError
from .generate import Generation, Usage
from .text.template import ChatTemplate, Message
from .text.toolcalls import AnswerParser, Part, Reasoning, Text

if TYPE_CHECKING:
    from .model import Model
    from .sampling import Sampling
    from .session import Progress, Session
    from .text.tokenizer import Pieces


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

    raw: as the model wrote it. error: why the call cannot be carried out, "" if it can.
    """

    id: str
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


class Answer(Iterator[Event], AbstractContextManager["Answer"]):
    """A running answer to a conversation: an iterator of events; see `chat`."""

    def __init__(self, generation: Generation, parser: AnswerParser) -> None:
        self.generation = generation
        self._parser = parser
        self._text = self._reasoning = ""
        self._calls: list[ToolCallEvent] = []
        self._events = self._run()

    def __next__(self) -> Event:
        return next(self._events)

    def __exit__(self, *args: object) -> None:
        self.close()

    def cancel(self) -> None:
        """Ends the answer soon, from any thread or a signal handler; what was said stays."""
        self.generation.cancel()

    def close(self) -> None:
        """Ends the answer here."""
        self.generation.close()

    @property
    def message(self) -> dict[str, Any]:
        """The assistant's message so far, ready to be appended to the conversation.

        Calls that cannot be carried out stay in the text, where the model sees what it wrote.
        """
        broken = [f"<tool_call>\n{call.raw}\n</tool_call>" for call in self._calls if call.error]
        message: dict[str, Any] = {
            "role": "assistant",
            "content": "\n".join([self._text, *broken]).lstrip("\n"),
        }
        if not broken:
            message["content"] = self._text
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

    def _run(self) -> Iterator[Event]:
        for token in self.generation:
            for part in self._parser.push(token.text) if token.text else ():
                yield self._event(part)
        for part in self._parser.finish():
            yield self._event(part)
        reason = self.generation.finish_reason or "cancelled"
        called = reason == "stop" and self._calls
        yield FinishEvent("tool_calls" if called else reason, self.generation.usage)

    def _event(self, part: Part) -> Event:
        if isinstance(part, Text):
            self._text += part.text
            return TextEvent(part.text)
        if isinstance(part, Reasoning):
            self._reasoning += part.text
            return ReasoningEvent(part.text)
        call = ToolCallEvent(f"call_{len(self._calls)}", part.name, part.arguments, part.raw, part.error)
        self._calls.append(call)
        return call


def chat(
    model: Model,
    messages: Iterable[Message],
    tools: Iterable[Mapping[str, Any]] | None = None,
    *,
    session: Session | None = None,
    sampling: Sampling | None = None,
    max_tokens: int | None = None,
    thinking: bool | None = None,
    progress: Progress | None = None,
) -> Answer:
    """Answers a conversation: an iterator of TextEvent, ReasoningEvent, ToolCallEvent and, at last,
    FinishEvent.

        for event in model.chat([{"role": "user", "content": "What is 6 times 7?"}]):
            if isinstance(event, TextEvent):
                print(event.text, end="", flush=True)

    messages: as in the OpenAI API, with the roles system, user, assistant and tool. Control tokens in them
    are text.
    tools: schemas as in the OpenAI API; the model's calls come as events, carrying them out is the caller's
    part.
    session: one whose tokens the conversation begins with; only the rest is evaluated. `Chat` looks after
    that. sampling, max_tokens, progress: as in `generate`.
    thinking: whether the model should reason first, where its template knows `enable_thinking`.

    Raises TemplateError, UsageError, and while it runs ContextFullError and ReadError.
    """
    prompt = _Prompt(model, messages, _tools(tools), thinking)
    return prompt.answer(prompt.ids(session), session, sampling, max_tokens, progress)


class Chat(AbstractContextManager["Chat"]):
    """A conversation that goes on.

        with Chat(model, system="Be brief.") as talk:
            for event in talk.send("What is an expert?"):
                ...
            for event in talk.send("And a router?"):  # evaluates the new turn alone
                ...

    messages: the conversation so far; may be changed between turns. A turn that brought no answer, because it
    failed or was cancelled before the first word, leaves no trace.
    """

    def __init__(
        self,
        model: Model,
        system: str | None = None,
        tools: Iterable[Mapping[str, Any]] | None = None,
        *,
        sampling: Sampling | None = None,
        max_tokens: int | None = None,
        thinking: bool | None = None,
    ) -> None:
        self.model = model
        self.tools = _tools(tools)
        self.sampling, self.max_tokens, self.thinking = sampling, max_tokens, thinking
        self.messages: list[dict[str, Any]] = []
        if system:
            self.messages.append({"role": "system", "content": system})
        self._session: Session | None = None  # at the end of the last answer
        self._snapshot: Session | None = None  # before it, where the next prompt may have to begin
        self._answer: Answer | None = None
        self._written = 0  # where the last answer begins in the session

    def send(self, *messages: str | Message, progress: Progress | None = None) -> Generator[Event]:
        """Streams the answer to further messages (a string is the user's); all are kept when it ends."""
        added = [{"role": "user", "content": m} if isinstance(m, str) else dict(m) for m in messages]
        if not added:
            raise UsageError("there is nothing to send; give a text or a message")
        return self._turn(
            _Prompt(self.model, [*self.messages, *added], self.tools, self.thinking), added, progress
        )

    def cancel(self) -> None:
        """Ends the running answer soon, from any thread or a signal handler; what was said is kept."""
        if (answer := self._answer) is not None:
            answer.cancel()

    @property
    def session(self) -> Session | None:
        """The state at the end of the last answer; None before the first."""
        return self._session

    def close(self) -> None:
        """Gives the memory of the conversation's state back; the messages stay."""
        for session in (self._session, self._snapshot):
            if session is not None:
                session.close()
        self._session = self._snapshot = None

    def __exit__(self, *args: object) -> None:
        self.close()

    def _turn(
        self, prompt: _Prompt, added: list[dict[str, Any]], progress: Progress | None
    ) -> Generator[Event]:
        answer = None
        try:
            ids = self._resume(prompt)
            self._written = len(ids)
            snapshot_at = prompt.snapshot_at(ids)
            answer = self._answer = prompt.answer(
                ids, self._session, self.sampling, self.max_tokens, progress, snapshot_at
            )
            yield from answer
        finally:
            self._answer = None
            if answer is not None:
                answer.close()
                self._keep(answer.generation.snapshot)
                if answer.message != {"role": "assistant", "content": ""}:
                    self.messages += [*added, answer.message]

    def _keep(self, snapshot: Session | None) -> None:
        if snapshot is not None:
            if self._snapshot is not None:
                self._snapshot.close()
            self._snapshot = snapshot

    def _resume(self, prompt: _Prompt) -> list[int]:
        """Chooses the session that the prompt continues; returns the prompt's ids."""
        if self._session is not None:
            ids = prompt.ids(self._session, self._written)
            if _continues(self._session, ids):
                return ids
            self._session.close()
            self._session = None
        if self._snapshot is not None:
            ids = prompt.ids(self._snapshot)
            if _continues(self._snapshot, ids):
                self._session, self._snapshot = self._snapshot, None
                return ids
        self.close()
        self._session = self.model.session()
        return prompt.ids(None)


class _Prompt:
    """A conversation as the model's template writes it."""

    def __init__(
        self,
        model: Model,
        messages: Iterable[Message],
        tools: list[dict[str, Any]] | None,
        thinking: bool | None,
    ) -> None:
        self._model, self._messages, self._tools = model, list(messages), tools
        self._options = {} if thinking is None else {"enable_thinking": thinking}
        self._pieces = self._render(add_generation_prompt=True)

    def _render(self, add_generation_prompt: bool) -> Pieces:
        return _template(self._model).prompt(
            self._messages, self._tools, add_generation_prompt=add_generation_prompt, **self._options
        )

    def ids(self, session: Session | None, written: int | None = None) -> list[int]:
        """Spelt as the session has it, as far as they agree; from `written` on the model chose its tokens."""
        past = session.tokens if session is not None else []
        return self._model.tokenizer.continue_prompt(self._pieces, past, written)

    def thinks(self, ids: Sequence[int]) -> bool:
        """Whether the prompt opens a thought for the model to go on with."""
        return self._model.tokenizer.decode(ids[-8:], special=True).rstrip().endswith("<think>")

    def snapshot_at(self, ids: list[int]) -> int | None:
        """How much of the prompt the next one will begin with, where templates drop the reasoning of past
        turns (or the empty one that stands for none); None where the answer itself will be continued."""
        tokenizer = self._model.tokenizer
        history = tokenizer.continue_prompt(self._render(add_generation_prompt=False), ids)
        opening = tokenizer.decode(ids[len(history) :], special=True)
        return len(history) if history == ids[: len(history)] and "<think>" in opening else None

    def answer(
        self,
        ids: list[int],
        session: Session | None,
        sampling: Sampling | None,
        max_tokens: int | None,
        progress: Progress | None,
        snapshot_at: int | None = None,
    ) -> Answer:
        generation = Generation(self._model, ids, max_tokens, sampling, session, progress, snapshot_at)
        return Answer(generation, AnswerParser(self._tools, self.thinks(ids)))


_templates: WeakKeyDictionary[Model, ChatTemplate] = WeakKeyDictionary()


def _template(model: Model) -> ChatTemplate:
    if model not in _templates:
        _templates[model] = ChatTemplate(model.spec.chat_template, model.tokenizer, model.spec.special_tokens)
    return _templates[model]


def _continues(session: Session, ids: Sequence[int]) -> bool:
    past = session.tokens
    return len(past) < len(ids) and list(ids[: len(past)]) == past


def _tools(tools: Iterable[Mapping[str, Any]] | None) -> list[dict[str, Any]] | None:
    """Tools in the shape of the OpenAI API; a bare function schema is wrapped."""
    out = []
    for tool in tools or ():
        function = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise UsageError(
                'a tool should be {"type": "function", "function": {"name": …, "parameters": {…}}}, '
                f"not {str(tool)[:80]}"
            )
        out.append(dict(tool) if "function" in tool else {"type": "function", "function": dict(tool)})
    return out or None
