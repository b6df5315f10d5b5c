"""What every protocol needs: the engine, the model's name, and work that must not hold up the event loop."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict

from ..chat import Event, ReasoningEvent, TextEvent, ToolCallEvent
from ..sampling import Sampling
from .answer import Ask, Choice, Chunk, Finish
from .engine import Engine, Ticket
from .metrics import Metrics
from .prompts import Conversation, prepare
from .settings import Settings

if TYPE_CHECKING:
    from ..model import Model

T = TypeVar("T")
log = logging.getLogger("flashmoe.server")


class Strict(BaseModel):
    """Fields have the types that they say; those that nobody knows are ignored, as clients send all kinds."""

    model_config = ConfigDict(strict=True, extra="ignore", protected_namespaces=())


class Service:
    """name: of the model, as clients see it."""

    def __init__(self, model: Model, engine: Engine, settings: Settings, metrics: Metrics) -> None:
        self.model, self.engine, self.settings, self.metrics = model, engine, settings, metrics
        self.name = model.path.name
        self.defaults = Sampling.recommended(model.path)
        self.fingerprint = f"fm_{model.fingerprint[:12]}"
        self.stopping = asyncio.Event()
        self._pool = ThreadPoolExecutor(2, "flashmoe-prompts")

    async def apart(self, work: Callable[[], T]) -> T:
        """Runs what takes long (templates, tokenizers, grammars) in another thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def ask(self, asked: Conversation, sampling: Sampling, **rest: Any) -> Ask:
        """A conversation, ready for the engine."""
        made = prepare(self.model, self.engine.store, asked)
        sampling = replace(sampling, constraint=made.constraint)
        single = not asked.parallel
        return Ask(made.ids, sampling, made.parser, single_call=single, keep_at=made.keep_at, **rest)

    async def submit(self, request: Request, make: Callable[[], Ask], client: str | None = None) -> Ticket:
        """Makes the prompt and hands it to the engine. client: who asks, where the request says it."""
        ask = await self.apart(make)
        address = request.client.host if request.client else ""
        ask = replace(ask, client=f"{address} {client or ''}")
        return self.engine.submit(ask, lambda ticket: self._note(request.url.path, ticket))

    def _note(self, path: str, ticket: Ticket) -> None:
        """A line in the log, and figures, for each request that ends."""
        self.metrics.note(ticket)
        rate = (ticket.completion_tokens - ticket.ask.n) / ticket.seconds_writing if ticket.seconds_writing else 0.0
        log.info(
            "%s %s: %d tokens of prompt (%d known), %d of answer, %.2f s to the first, %.1f tokens/s",
            path, ticket.outcome, ticket.prompt_tokens, ticket.cached_tokens, ticket.completion_tokens,
            ticket.seconds_to_first_token, rate,
        )  # fmt: skip

    def stop(self) -> None:
        """Takes no more requests and ends the streams that would go on for ever; from the event loop."""
        self.stopping.set()
        self.engine.drain()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def new_id(prefix: str) -> str:
    return f"{prefix}{secrets.token_hex(12)}"


@dataclass
class Gathered:
    """A whole answer."""

    text: str = ""
    reasoning: str = ""
    calls: list[ToolCallEvent] = field(default_factory=list)
    tokens: list[Choice] = field(default_factory=list)
    finish: Finish | None = None


async def gather(ticket: Ticket) -> list[Gathered]:
    """The whole answers to a request."""
    answers = [Gathered() for _ in range(ticket.ask.n)]
    async for item in ticket:
        if isinstance(item, Chunk):
            answer = answers[item.index]
            answer.tokens += item.tokens
            for event in item.events:
                if isinstance(event, ReasoningEvent):
                    answer.reasoning += event.text
                elif isinstance(event, ToolCallEvent) and not event.error:
                    answer.calls.append(event)
                else:
                    answer.text += text_of(event)
        elif isinstance(item, Finish):
            answers[item.index].finish = item
    return answers


def text_of(event: Event) -> str:
    """What of an event is text: also a call that cannot be carried out, which stays as the model wrote it."""
    if isinstance(event, TextEvent):
        return event.text
    if isinstance(event, ToolCallEvent) and event.error:
        return f"<tool_call>\n{event.raw}\n</tool_call>"
    return ""


def sampling_of(defaults: Sampling, **given: Any) -> Sampling:
    """The checkpoint's recommendation with what a request says; a seed may be any integer."""
    if given.get("seed") is not None:
        given["seed"] &= (1 << 63) - 1
    return defaults.with_(**given)
