"""The one thread that drives the model, for all requests at once.

A request waits in a fair queue until there is room for its sessions, has its prompt evaluated in slices, and then
takes one step with all others that are being answered: `Model.step` reads an expert once for all of them. Prefill
and decode share the time equally when both have work, so that a long prompt does not hold up the answers, nor many
answers a prompt. An answer is the same bits whoever else is served: logits do not depend on company, and each answer
draws with a generator of its own.

Everything but the model's calls is cheap; what is not (templates, tokenizers, grammars) is done before a request
comes here. What it brings is handed to the event loop of the caller.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import Cancelled, ContextFullError, FlashMoeError, MemoryBudgetError, UsageError
from ..generate import Usage
from ..session import PhaseStats
from .answer import Answer, Ask, Chunk, Failure, Finish, Item, Logits
from .errors import ApiError
from .fair import FairQueue

if TYPE_CHECKING:
    from ..model import Model
    from ..prefix import PrefixStore
    from ..session import Session
    from .settings import Settings

log = logging.getLogger("flashmoe.server")

SLICE_SECONDS = 0.5  # of prefill, when somebody else waits for it to end
SMALLEST_SLICE = 32  # tokens
MOST_PARALLEL = 8
COUNT_SECONDS = 0.05  # between two looks at what running answers have read
CACHE_SHARE = 4  # sessions beyond the first take at most one part of so many of the expert cache


class Ticket:
    """A request in the engine's hands: an asynchronous iterator of what it brings, to be read by one task.

    cached_tokens: of the prompt, known once the first item is there. on_end is called in the event loop when nothing
    more will come; outcome: how it ended: "answered", "cancelled", or "failed".
    """

    def __init__(self, ask: Ask, max_wait: float, max_seconds: float, on_end: Callable[[Ticket], object]) -> None:
        self.ask = ask
        self.outcome = ""
        self.completion_tokens = 0
        self.seconds_to_first_token = self.seconds_writing = 0.0
        self._on_end = on_end
        self.prompt_tokens = len(ask.prompt)
        self.cached_tokens = 0
        self.created = time.perf_counter()
        self.cancelled = False
        self.reason: BaseException | None = None  # of the cancellation, where the client is to be told one
        self.wait_until, self._max_seconds = self.created + max_wait, max_seconds
        self.end_at = float("inf")
        self.loop = asyncio.get_running_loop()
        self._items: asyncio.Queue[Item] = asyncio.Queue()
        self._open = ask.n  # answers whose end was not read yet
        self._ends = 0  # answers that have ended

    def __aiter__(self) -> AsyncIterator[Item]:
        return self._read()

    async def _read(self) -> AsyncIterator[Item]:
        """What came while the reader was busy is one chunk, so that one who lags catches up."""
        held: Item | None = None
        while self._open:
            item, held = held or await self._items.get(), None
            while isinstance(item, Chunk) and held is None and not self._items.empty():
                held = self._items.get_nowait()
                if isinstance(held, Chunk) and held.index == item.index:
                    item, held = item.followed_by(held), None
            if isinstance(item, Failure):
                self._open = 0
                raise item.error
            self._open -= isinstance(item, Finish)
            yield item

    def cancel(self) -> None:
        """Ends the request soon, from any thread. Nothing more may come."""
        self.cancelled = True

    def begin(self, reused: int) -> None:
        self.cached_tokens = reused
        self.end_at = time.perf_counter() + self._max_seconds

    def deliver(self, items: Sequence[Item]) -> None:
        deliver_all([(self, items)])

    def dropped(self) -> None:
        """The engine has let go of it because it was cancelled."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._end, "cancelled")

    def put(self, items: Sequence[Item]) -> None:
        """In its event loop."""
        for item in items:
            self._items.put_nowait(item)
            if isinstance(item, Failure):
                self._end("failed")
            elif isinstance(item, Finish):
                self.completion_tokens += item.usage.completion_tokens
                first = item.usage.seconds_to_first_token
                self.seconds_to_first_token = min(first, self.seconds_to_first_token or first)
                self.seconds_writing = max(self.seconds_writing, item.usage.seconds - first)
                self._ends += 1
                if self._ends == self.ask.n:
                    self._end("answered")

    def _end(self, outcome: str) -> None:
        if not self.outcome:
            self.outcome = outcome
            self._on_end(self)


def deliver_all(parcels: Sequence[tuple[Ticket, Sequence[Item]]]) -> None:
    """Hands items over to the event loops of their tickets, from any thread. A loop is woken once for all of them:
    each time, the threads' turns at Python's lock change, which costs more than what is handed over."""

    def put(mine: list[tuple[Ticket, Sequence[Item]]]) -> None:
        for ticket, items in mine:
            ticket.put(items)

    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Ticket, Sequence[Item]]]] = {}
    for ticket, items in parcels:
        by_loop.setdefault(ticket.loop, []).append((ticket, items))
    for loop, mine in by_loop.items():
        try:
            loop.call_soon_threadsafe(put, mine)
        except RuntimeError:  # the loop has ended, and with it whoever read this
            for ticket, _ in mine:
                ticket.cancel()


@dataclass
class Totals:
    """What all requests took so far."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    requests: int = 0
    expert_hits: int = 0
    expert_misses: int = 0
    bytes_read: int = 0
    seconds_prefill: float = 0.0
    seconds_decode: float = 0.0


class _Timeline:
    """A session and the answer that is written on it."""

    def __init__(self, ticket: Ticket, session: Session, rest: list[int]) -> None:
        self.ticket, self.session, self.rest = ticket, session, rest
        self.answer: Answer | None = None  # once the prompt is evaluated
        self.next = 0  # the token to evaluate next
        self.seen = _sum(session)


class Engine:
    """Serves requests until it is closed. `submit` from an event loop; the rest from any thread."""

    def __init__(self, model: Model, settings: Settings, store: PrefixStore) -> None:
        self.model, self.settings, self.store = model, settings, store
        self.parallel = _parallel(model, settings.parallel)
        self.totals = Totals()
        self._queue: FairQueue[Ticket] = FairQueue()
        self._prefilling: deque[_Timeline] = deque()
        self._decoding: list[_Timeline] = []
        self._outbox: list[tuple[Ticket, Sequence[Item]]] = []  # what the running turn has brought
        self._owed = 0.0  # seconds of prefill that decode has not had for itself yet
        self._counted = 0.0  # when answers were last accounted for
        self._rate = 0.0  # tokens of prefill in a second, as last seen
        self._condition = threading.Condition()
        self._draining = self._closing = False
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="flashmoe-engine", daemon=True)
        self._thread.start()

    # ---- from the event loop

    def submit(self, ask: Ask, on_end: Callable[[Ticket], object] = lambda ticket: None) -> Ticket:
        """Raises ApiError when the queue is full or the server is stopping, ContextFullError, UsageError."""
        if ask.n > self.parallel:
            raise UsageError(f"n is {ask.n}, and this server writes at most {self.parallel} answers at a time")
        context = self.model.plan.context
        if len(ask.prompt) > context:
            raise ContextFullError(
                f"the prompt has {len(ask.prompt)} tokens and the context holds {context}; shorten it, or start the "
                "server with a larger --context"
            )
        if not ask.prompt:
            raise UsageError("the prompt is empty")
        ticket = Ticket(ask, self.settings.max_wait, self.settings.max_seconds, on_end)
        with self._condition:
            if self.failure is not None:
                raise ApiError(500, "the engine has failed; restart the server")
            if self._draining:
                raise ApiError(503, "the server is stopping", retry_after=30)
            if len(self._queue) >= self.settings.max_queue:
                raise ApiError(
                    429,
                    f"{len(self._queue)} requests are waiting, as many as this server lets; try again later",
                    code="queue_full",
                    retry_after=self._retry_after(),
                )
            self._queue.push(ask.client, ticket)
            self._condition.notify()
        return ticket

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @property
    def running(self) -> int:
        return len(self._prefilling) + len(self._decoding)

    def _retry_after(self) -> int:
        mean = (self.totals.seconds_prefill + self.totals.seconds_decode) / max(1, self.totals.requests)
        return round(min(60.0, max(1.0, mean * len(self._queue))))

    def drain(self) -> None:
        """Takes no more requests; those that wait are told so, and those that run go on."""
        with self._condition:
            self._draining = True
            for ticket in self._queue.remove_if(lambda _: True):
                ticket.deliver([Failure(ApiError(503, "the server is stopping", retry_after=30))])
            self._condition.notify()

    def cancel_all(self) -> None:
        """Ends what runs; the clients are told that the server is stopping."""
        for timeline in [*self._prefilling, *self._decoding]:
            timeline.ticket.reason = ApiError(503, "the server is stopping", retry_after=30)
            timeline.ticket.cancel()

    def close(self) -> None:
        """Ends what runs and the thread, and writes down the states that are kept on disk."""
        self.drain()
        self.cancel_all()
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join()
        self.store.close()

    # ---- in the engine's thread

    def _run(self) -> None:
        try:
            while self._wait():
                self._expire()
                self._admit()
                self._turn()
                self._send()
        except BaseException as error:
            self._send()
            log.critical("the engine has failed", exc_info=error)
            with self._condition:
                self.failure = error
                tickets = {t.ticket for t in (*self._prefilling, *self._decoding)} | set(self._queue)
                self._queue.remove_if(lambda _: True)
            for ticket in tickets:
                ticket.deliver([Failure(ApiError(500, "the engine has failed; restart the server"))])
        finally:
            for timeline in (*self._prefilling, *self._decoding):
                timeline.session.close()
            self._prefilling.clear()
            self._decoding.clear()

    def _send(self) -> None:
        if self._outbox:
            deliver_all(self._outbox)
            self._outbox = []

    def _wait(self) -> bool:
        with self._condition:
            while not (self._queue or self._prefilling or self._decoding or self._closing):
                self._condition.wait()
            return not self._closing or self.running > 0

    def _expire(self) -> None:
        """Lets go of what was cancelled or has had its time."""
        now = time.perf_counter()
        with self._condition:
            late = self._queue.remove_if(lambda ticket: ticket.cancelled or now > ticket.wait_until)
        for ticket in late:
            if ticket.cancelled:
                ticket.dropped()
            else:
                message = f"the request waited {self.settings.max_wait:.0f} s for its turn; try again later"
                self._outbox.append((ticket, [Failure(ApiError(503, message, retry_after=self._retry_after()))]))
        for timeline in [*self._prefilling, *self._decoding]:
            ticket = timeline.ticket
            if ticket.cancelled:
                self._leave(timeline)
                if ticket.reason is not None:
                    self._outbox.append((ticket, [Failure(ticket.reason)]))
                else:
                    ticket.dropped()
            elif now > ticket.end_at and timeline.answer is None:
                message = f"the prompt was not read within {self.settings.max_seconds:.0f} s"
                self._fail(timeline, ApiError(503, message))
            elif now > ticket.end_at and timeline.answer is not None:
                self._leave(timeline)
                self._outbox.append((ticket, timeline.answer.end("length")))

    def _admit(self) -> None:
        """Begins requests in their turn, as far as there is room for all of their answers."""
        while self._queue:
            with self._condition:
                if not self._queue:
                    return
                ticket = self._queue.first()
                reserved = sum(t.ticket.ask.n if t.answer is None else 1 for t in self._timelines())
                if reserved + ticket.ask.n > self.parallel:
                    return
                self._queue.pop()
            try:
                session, reused = self.store.take(ticket.ask.prompt)
            except MemoryBudgetError as error:
                with self._condition:
                    if self.running and not self._draining:  # one of them will end
                        self._queue.put_back(ticket.ask.client, ticket)
                        return
                self._outbox.append((ticket, [Failure(error)]))
                continue
            except Exception as error:
                self._outbox.append((ticket, [Failure(error)]))
                continue
            ticket.begin(reused)
            self.totals.requests += 1
            self.totals.prompt_tokens += len(ticket.ask.prompt)
            self.totals.cached_tokens += reused
            self._prefilling.append(_Timeline(ticket, session, list(ticket.ask.prompt[reused:])))

    def _timelines(self) -> list[_Timeline]:
        return [*self._prefilling, *self._decoding]

    def _turn(self) -> None:
        """One slice of prefill or one step of decode, whichever has had less of the time."""
        start = time.perf_counter()
        if self._prefilling and (self._owed <= 0 or not self._decoding):
            shared = bool(self._decoding)
            self._prefill(self._prefilling[0])
            seconds = time.perf_counter() - start
            self._owed = seconds if shared else 0.0
            self.totals.seconds_prefill += seconds
        elif self._decoding:
            self._step()
            seconds = time.perf_counter() - start
            self._owed -= seconds
            self.totals.seconds_decode += seconds

    def _prefill(self, timeline: _Timeline) -> None:
        """Evaluates the next slice of a prompt. Prompts take turns by slices."""
        ticket, rest = timeline.ticket, timeline.rest
        position = ticket.prompt_tokens - len(rest)
        point = next((at for at in ticket.ask.keep_at if at > position), ticket.prompt_tokens)
        size = min(point - position, self.model.plan.sweep)
        if self.running > 1:
            size = min(size, max(SMALLEST_SLICE, int(self._rate * SLICE_SECONDS)))
        part, last = rest[:size], size == len(rest)

        def stop(done: int, total: int) -> bool:
            return ticket.cancelled

        start = time.perf_counter()
        try:
            if last:
                logits = timeline.session.eval(part, progress=stop)
            else:
                timeline.session.prefill(part, progress=stop)
        except Cancelled:
            ticket.cancel()
            return  # _expire lets go of it
        except FlashMoeError as error:
            self._fail(timeline, error)
            return
        self._rate = size / max(1e-9, time.perf_counter() - start)
        self._account(timeline)
        timeline.rest = rest[size:]
        if position + size in ticket.ask.keep_at:
            self.store.put(timeline.session)
        self._prefilling.rotate(-1)
        if last:
            self._prefilling.remove(timeline)
            self._answer(timeline, logits)

    def _answer(self, timeline: _Timeline, logits: Logits) -> None:
        """The prompt is read: one timeline for each answer from here on, and the first token of each."""
        ticket = timeline.ticket
        timelines = [timeline]
        try:
            for _ in range(1, ticket.ask.n):
                timelines.append(_Timeline(ticket, timeline.session.fork(), []))
            usage = Usage(prompt_tokens=ticket.prompt_tokens, cached_tokens=ticket.cached_tokens)
            for i, each in enumerate(timelines):
                each.answer = Answer(self.model, ticket.ask, i, usage, ticket.created)
        except FlashMoeError as error:
            for each in timelines:
                each.session.close()
            self._outbox.append((ticket, [Failure(error)]))
            return
        self._decoding += timelines
        for each in timelines:
            self._take(each, logits)

    def _step(self) -> None:
        """One token for every answer."""
        batch = list(self._decoding)[: self.model.plan.sweep]
        try:
            logits = self.model.step([t.session for t in batch], [t.next for t in batch])
        except Cancelled:
            return
        except FlashMoeError as error:
            if len(batch) == 1:
                self._fail(batch[0], error)
                return
            # One of them is to blame; the others must not pay.
            for timeline in batch:
                try:
                    alone = timeline.session.eval([timeline.next])
                except FlashMoeError as own:
                    self._fail(timeline, own)
                else:
                    self._take(timeline, alone)
            return
        for timeline, row in zip(batch, logits, strict=True):
            self._take(timeline, row)
        if (now := time.perf_counter()) - self._counted > COUNT_SECONDS:
            self._counted = now
            for timeline in self._decoding:
                self._account(timeline)

    def _take(self, timeline: _Timeline, logits: Logits) -> None:
        """Draws the next token."""
        if timeline not in self._decoding:
            return
        assert timeline.answer is not None
        self.totals.completion_tokens += 1
        try:
            timeline.next, items = timeline.answer.take(logits, timeline.session.position)
        except Exception as error:
            self._fail(timeline, error)
            return
        if timeline.answer.finished:
            self._leave(timeline)
        if items:
            self._outbox.append((timeline.ticket, items))

    def _fail(self, timeline: _Timeline, error: BaseException) -> None:
        """Ends the whole request."""
        ticket = timeline.ticket
        for each in self._timelines():
            if each.ticket is ticket:
                self._leave(each)
        self._outbox.append((ticket, [Failure(error)]))

    def _leave(self, timeline: _Timeline) -> None:
        """Takes a timeline out; a copy of its state may serve another request."""
        if timeline.answer is None:
            self._prefilling.remove(timeline)
        else:
            self._decoding.remove(timeline)
        self._account(timeline)
        self.store.put(timeline.session)
        timeline.session.close()

    def _account(self, timeline: _Timeline) -> None:
        now = _sum(timeline.session)
        for name in ("expert_hits", "expert_misses", "bytes_read"):
            setattr(self.totals, name, getattr(self.totals, name) + getattr(now, name) - getattr(timeline.seen, name))
        timeline.seen = now


def _parallel(model: Model, wanted: int | None) -> int:
    """How many answers are written at the same time."""
    plan, room = model.plan, model.room
    if wanted is None:
        free = max(0, plan.budget - plan.used) + plan.cache // CACHE_SHARE
        return max(1, min(MOST_PARALLEL, room, 1 + free // (plan.session_fixed + plan.session_context)))
    if wanted > room:
        raise UsageError(
            f"the memory budget holds {room} sessions of {plan.context:,} tokens, not {wanted}; give more --memory, or "
            "a smaller --context or --parallel"
        )
    return wanted


def _sum(session: Session) -> PhaseStats:
    """Counts of prefill and decode together."""
    stats = session.stats
    both = (stats.prefill, stats.decode)
    return PhaseStats(
        expert_hits=sum(phase.expert_hits + phase.expert_host_hits for phase in both),
        expert_misses=sum(phase.expert_misses for phase in both),
        bytes_read=sum(phase.bytes_read for phase in both),
    )
