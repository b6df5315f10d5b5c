"""Conversations: messages in, events out.

`chat` answers one conversation. `Chat` holds one that goes on: it keeps the session, so that each turn
evaluates only what is new. A session cannot be rewound (the recurrent state forgets), so where the next prompt
does not continue the last answer, because the template drops the reasoning of past turns or the answer is asked
for anew, it goes on from the longest beginning that a `PrefixStore` has kept.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from .errors import UsageError
from .events import Event, EventParser, FinishEvent, ReasoningEvent, TextEvent, ToolCallEvent
from .generate import Generation, Usage
from .prefix import PrefixStore
from .prompt import Prompt, Tool, tool_schemas
from .sampling import Sampling
from .text.template import Message

if TYPE_CHECKING:
    from .model import Model
    from .session import Progress, Session
    from .structured import TokenConstraint

__all__ = [
    "Answer",
    "Chat",
    "Event",
    "EventParser",
    "FinishEvent",
    "Prompt",
    "ReasoningEvent",
    "TextEvent",
    "ToolCallEvent",
    "chat",
]


class Answer(Iterator[Event], AbstractContextManager["Answer"]):
    """A running answer to a conversation: an iterator of events; see `chat`."""

    def __init__(self, generation: Generation, parser: EventParser) -> None:
        self.generation = generation
        self._parser = parser
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
        """The assistant's message so far, ready to be appended to the conversation."""
        return self._parser.message

    def _run(self) -> Iterator[Event]:
        for token in self.generation:
            yield from self._parser.feed(token.text)
        yield from self._parser.finish(self.generation.finish_reason, self.generation.usage)


def chat(
    model: Model,
    messages: Iterable[Message],
    tools: Iterable[Tool] | None = None,
    *,
    session: Session | None = None,
    sampling: Sampling | None = None,
    max_tokens: int | None = None,
    thinking: bool | None = None,
    reasoning_budget: int | None = None,
    constraint: TokenConstraint | None = None,
    tool_choice: str | None = None,
    progress: Progress | None = None,
) -> Answer:
    """Answers a conversation: an iterator of TextEvent, ReasoningEvent, ToolCallEvent and, at last,
    FinishEvent.

        for event in model.chat([{"role": "user", "content": "What is 6 times 7?"}]):
            if isinstance(event, TextEvent):
                print(event.text, end="", flush=True)

    messages: as in the OpenAI API, with the roles system, user, assistant and tool. Control tokens in them
    are text.
    tools: schemas as in the OpenAI API, or Python functions; the model's calls come as events, carrying them
    out is the caller's part.
    session: one whose tokens the conversation begins with; only the rest is evaluated. `Chat` looks after
    that. sampling, max_tokens, progress: as in `generate`.
    thinking: whether the model should reason first, where its template knows `enable_thinking`.
    reasoning_budget: tokens after which a thought is ended.
    constraint: a form that the answer, past a thought, must have (`flashmoe.structured.Constraint`).
    tool_choice: None leaves calls unconstrained; "auto" makes them well formed and typed by the schemas,
    "required" allows nothing else, and a tool's name demands a call of it.

    Raises TemplateError, UsageError, and while it runs ContextFullError and ReadError.
    """
    prompt = Prompt(model, messages, tools, thinking)
    sampling = constrained(model, prompt, sampling, constraint, tool_choice, reasoning_budget)
    ids = prompt.ids if session is None else prompt.continuing(session.tokens)
    return Answer(Generation(model, ids, max_tokens, sampling, session, progress), prompt.parser())


def constrained(
    model: Model,
    prompt: Prompt,
    sampling: Sampling | None,
    constraint: TokenConstraint | None,
    tool_choice: str | None,
    reasoning_budget: int | None,
) -> Sampling:
    """The sampling with all that is asked of the form of an answer to this prompt."""
    from .structured import Constraint

    sampling = Sampling.recommended(model.path) if sampling is None else sampling
    form = constraint or sampling.constraint
    if tool_choice is not None:
        if form is not None:
            raise UsageError("give a constraint or a tool_choice, not both: an answer has one form")
        form = Constraint.tool_calls(prompt.tools or (), model.tokenizer, tool_choice, form=prompt.call_form)
    return sampling.with_(constraint=prompt.constraint(form, reasoning_budget))


class Chat(AbstractContextManager["Chat"]):
    """A conversation that goes on.

        with Chat(model, system="Be brief.") as talk:
            for event in talk.send("What is an expert?"):
                ...
            for event in talk.send("And a router?"):  # evaluates the new turn alone
                ...

    messages: the conversation so far; may be changed between turns. A turn that brought no answer, because it
    failed or was cancelled before the first word, leaves no trace.
    written: tokens before the last answer. With `messages`, all that is needed to go on in another run.
    store: where states are kept, to be shared with other conversations and later runs; the end of each answer is
    put there too. None for a small one of its own.
    The other options are those of `chat`, and may be changed between turns.
    """

    def __init__(
        self,
        model: Model,
        system: str | None = None,
        tools: Iterable[Tool] | None = None,
        *,
        sampling: Sampling | None = None,
        max_tokens: int | None = None,
        thinking: bool | None = None,
        reasoning_budget: int | None = None,
        tool_choice: str | None = None,
        store: PrefixStore | None = None,
    ) -> None:
        self.model = model
        self.tools = tool_schemas(tools)
        self.sampling, self.max_tokens, self.thinking = sampling, max_tokens, thinking
        self.reasoning_budget, self.tool_choice = reasoning_budget, tool_choice
        self.messages: list[dict[str, Any]] = []
        if system:
            self.messages.append({"role": "system", "content": system})
        self._shared = store is not None
        self._store = store or PrefixStore(model)
        self._session: Session | None = None  # at the end of the last answer
        self._answer: Answer | None = None
        self.written: int | None = None

    def send(self, *messages: str | Message, progress: Progress | None = None) -> Generator[Event]:
        """Streams the answer to further messages (a string is the user's); all are kept when it ends."""
        added = [{"role": "user", "content": m} if isinstance(m, str) else dict(m) for m in messages]
        if not added:
            raise UsageError("there is nothing to send; give a text or a message")
        prompt = Prompt(self.model, [*self.messages, *added], self.tools, self.thinking)
        return self._turn(prompt, added, progress)

    def cancel(self) -> bool:
        """Ends the running answer soon, from any thread or a signal handler; what was said is kept. Whether there
        was one."""
        if (answer := self._answer) is not None:
            answer.cancel()
        return answer is not None

    @property
    def usage(self) -> Usage | None:
        """What the running answer took so far; None when there is none."""
        answer = self._answer
        return None if answer is None else answer.generation.usage

    @property
    def session(self) -> Session | None:
        """The state at the end of the last answer; None before the first."""
        return self._session

    def close(self) -> None:
        """Gives the memory of the conversation's state back; the messages stay."""
        if self._session is not None:
            self._session.close()
            self._session = None
        if not self._shared:
            self._store.clear()

    def __exit__(self, *args: object) -> None:
        self.close()

    def _turn(self, prompt: Prompt, added: list[dict[str, Any]], progress: Progress | None) -> Generator[Event]:
        answer = None
        try:
            sampling = constrained(
                self.model, prompt, self.sampling, None, self.tool_choice, self.reasoning_budget
            )
            ids, session = self._resume(prompt)
            self.written = len(ids)
            points = self._store.points(prompt, ids, session.position)
            answer = self._answer = Answer(
                Generation(
                    self.model, ids, self.max_tokens, sampling, session, progress,
                    keep_at=points, keep=self._store.put,
                ),
                prompt.parser(),
            )  # fmt: skip
            yield from answer
        finally:
            self._answer = None
            if answer is not None:
                answer.close()
                if answer.message != {"role": "assistant", "content": ""}:
                    self.messages += [*added, answer.message]
                    if self._shared and self._session is not None:
                        self._store.put(self._session)

    def _resume(self, prompt: Prompt) -> tuple[list[int], Session]:
        """The prompt's ids, and the session that they continue."""
        if self._session is not None:
            ids = prompt.continuing(self._session.tokens, self.written)
            past = self._session.tokens
            if len(past) < len(ids) and ids[: len(past)] == past:
                return ids, self._session
            self._session.close()
            self._session = None
        ids = self._store.spell(prompt, self.written)
        self._session, _ = self._store.take(ids)
        return ids, self._session
