"""One answer while it is written: logits in, events out. It never touches the model; the engine does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from ..chat import Event, FinishEvent, ReasoningEvent, TextEvent, ToolCallEvent
from ..generate import FinishReason, Usage
from ..sampling import Sampler, Sampling
from ..text.stops import StopFilter

if TYPE_CHECKING:
    from ..model import Model

Logits = npt.NDArray[np.float32]


class Parser(Protocol):
    """Text of an answer to events; the last one is a FinishEvent."""

    def feed(self, text: str) -> list[Event]: ...
    def finish(self, reason: FinishReason | None, usage: Usage) -> list[Event]: ...


@dataclass(frozen=True)
class Ask:
    """What is asked for.

    n: answers to the same prompt; the i-th draws with seed + i. top_logprobs: None for no log-probabilities.
    single_call: ends the answer after its first tool call. keep_at: lengths of the prompt at which its state is put
    aside for other prompts. client: whose turn it is in the queue.
    """

    prompt: Sequence[int]
    sampling: Sampling
    parser: Callable[[], Parser]
    max_tokens: int | None = None
    n: int = 1
    logit_bias: dict[int, float] = field(default_factory=dict)
    top_logprobs: int | None = None
    single_call: bool = False
    keep_at: tuple[int, ...] = ()
    client: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """A token and its probability, as natural logarithm; top: the likeliest tokens at its place, with theirs."""

    id: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """More of the answer `index`. tokens: only where log-probabilities were asked for."""

    index: int
    events: list[Event]
    tokens: list[Choice]

    def followed_by(self, later: Chunk) -> Chunk:
        """Both as one, texts joined."""
        events = list(self.events)
        for event in later.events:
            last = events[-1] if events else None
            if isinstance(event, TextEvent) and isinstance(last, TextEvent):
                events[-1] = TextEvent(last.text + event.text)
            elif isinstance(event, ReasoningEvent) and isinstance(last, ReasoningEvent):
                events[-1] = ReasoningEvent(last.text + event.text)
            else:
                events.append(event)
        return Chunk(self.index, events, self.tokens + later.tokens)


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of the answer `index`. stop: the stop string that ended it."""

    index: int
    reason: str
    stop: str | None
    usage: Usage
    reasoning_tokens: int


@dataclass(frozen=True, slots=True)
class Failure:
    """The end of the whole request."""

    error: BaseException


Item = Chunk | Finish | Failure


class Answer:
    """The i-th answer to a request."""

    def __init__(self, model: Model, ask: Ask, index: int, usage: Usage, started: float) -> None:
        """usage: of the prompt. started: when the request came, by `time.perf_counter`."""
        sampling = ask.sampling
        if index and sampling.seed is not None:
            sampling = replace(sampling, seed=sampling.seed + index)
        self.index, self._ask, self._usage, self._started = index, ask, usage, started
        self._sampler = Sampler(sampling, ask.prompt)
        self._stream = model.tokenizer.stream()
        self._stops = StopFilter(sampling.stop)
        self._parser = ask.parser()
        self._eos = model.tokenizer.eos_ids
        self._context = model.plan.context
        self._tokens = self._reasoning_tokens = 0
        self._first = 0.0
        self._called = False
        self.finished = False

    def take(self, logits: Logits, position: int) -> tuple[int, list[Item]]:
        """The next token and what it makes known. position: tokens that the session holds."""
        raw = logits
        if self._ask.logit_bias:
            logits = raw.copy()
            for id, bias in self._ask.logit_bias.items():
                logits[id] += np.float32(bias)
        id = self._sampler.draw(logits)
        self._tokens += 1
        self._first = self._first or time.perf_counter()
        ended = id in self._eos
        text = "" if ended else self._stops.push(self._stream.push(id))
        events = self._parser.feed(text) if text else []
        self._note(events)
        tokens = []
        if self._ask.top_logprobs is not None and not ended:
            tokens.append(_choice(raw, id, self._ask.top_logprobs))
        reason: FinishReason | None = None
        if ended or self._stops.stopped or self._sampler.done or (self._called and self._ask.single_call):
            reason = "stop"
        elif self._tokens == self._ask.max_tokens or position >= self._context:
            reason = "length"
        if reason is None:
            return id, [Chunk(self.index, events, tokens)] if events or tokens else []
        return id, self.end(reason, events, tokens)

    def end(self, reason: FinishReason, events: Sequence[Event] = (), tokens: Sequence[Choice] = ()) -> list[Item]:
        """Ends the answer here, with what was held back."""
        self.finished = True
        text = "" if self._stops.stopped else self._stops.push(self._stream.finish()) + self._stops.finish()
        rest = [*events, *(self._parser.feed(text) if text else [])]
        *held, last = self._parser.finish(reason, self.usage)
        rest += held
        assert isinstance(last, FinishEvent)
        items: list[Item] = [Chunk(self.index, rest, list(tokens))] if rest or tokens else []
        return [*items, Finish(self.index, last.reason, self._stops.found, self.usage, self._reasoning_tokens)]

    @property
    def usage(self) -> Usage:
        now = time.perf_counter()
        return replace(
            self._usage,
            completion_tokens=self._tokens,
            seconds=now - self._started,
            seconds_to_first_token=self._first - self._started if self._first else 0.0,
        )

    def _note(self, events: Sequence[Any]) -> None:
        self._called |= any(isinstance(event, ToolCallEvent) and not event.error for event in events)
        self._reasoning_tokens += any(isinstance(event, ReasoningEvent) for event in events)


def _choice(logits: Logits, id: int, top: int) -> Choice:
    shifted = logits.astype(np.float64) - float(np.max(logits))
    logprobs = shifted - np.log(np.sum(np.exp(shifted)))
    likeliest = np.argsort(-logprobs, kind="stable")[:top]
    return Choice(id, float(logprobs[id]), tuple((int(i), float(logprobs[i])) for i in likeliest))
