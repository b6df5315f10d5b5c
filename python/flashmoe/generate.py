"""Tokens out of a model: prefill the prompt, sample, evaluate, and so on until something ends it.

A `Generation` is an iterator of tokens. What it was asked for is checked when it is made; the model runs
while it is iterated. The token that ends an answer is sampled and not evaluated, so no forward pass is
wasted, and the session then holds the prompt and all tokens but the last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from .errors import Cancelled, ContextFullError, UsageError
from .sampling import Sampler, Sampling
from .text.detokenize import Detokenizer
from .text.stops import StopFilter

if TYPE_CHECKING:
    from .model import Model
    from .session import Progress, Session, Stats
    from .structured import TokenConstraint

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Token:
    """One step of an answer.

    text: what this token makes certain, "" while a character or a possible stop string is incomplete. The
    texts of all tokens are the answer.
    logprob: natural logarithm of the probability that the model gave the token, before any sampling setting.
    """

    id: int
    text: str
    logprob: float


@dataclass(frozen=True)
class Usage:
    """What an answer took. Seconds are wall time since the prompt was begun."""

    prompt_tokens: int = 0
    cached_tokens: int = 0  # of the prompt, whose state was there already
    completion_tokens: int = 0
    seconds: float = 0.0
    seconds_to_first_token: float = 0.0
    expert_hits: int = 0
    expert_misses: int = 0
    bytes_read: int = 0

    @property
    def tokens_per_second(self) -> float:
        """Rate of the tokens after the first; 0 when there was only one."""
        seconds = self.seconds - self.seconds_to_first_token
        return (self.completion_tokens - 1) / seconds if self.completion_tokens > 1 and seconds > 0 else 0.0

    @property
    def hit_rate(self) -> float:
        """Share of the experts that were in memory when they were asked for; 0 when none was."""
        return self.expert_hits / max(1, self.expert_hits + self.expert_misses)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "tokens_per_second": self.tokens_per_second, "hit_rate": self.hit_rate}


class Generation(Iterator[Token], AbstractContextManager["Generation"]):
    """A running answer; see `generate`.

    ids, text: the answer so far. `text` ends before a stop string; `ids` are all that was sampled.
    finish_reason: None while it runs; then "stop" (the model ended it, or a stop string), "length"
    (max_tokens or the end of the context) or "cancelled".
    """

    def __init__(
        self,
        model: Model,
        prompt: str | Sequence[int],
        max_tokens: int | None = None,
        sampling: Sampling | None = None,
        session: Session | None = None,
        progress: Progress | None = None,
        constraint: TokenConstraint | None = None,
        keep_at: Sequence[int] = (),
        keep: Callable[[Session], object] | None = None,
    ) -> None:
        if max_tokens is not None and (not isinstance(max_tokens, int) or max_tokens < 1):
            raise UsageError(f"max_tokens should be a whole number of at least 1, not {max_tokens!r}")
        # Token ids can be continued without a tokenizer; the texts are empty then.
        bare = model.spec.tokenizer_file is None and not isinstance(prompt, str)
        self._tokenizer = None if bare else model.tokenizer
        self._eos_ids = frozenset(model.spec.eos_ids) if bare else model.tokenizer.eos_ids
        self.prompt = (
            model.tokenizer.encode(prompt) if isinstance(prompt, str) else [int(id) for id in prompt]
        )
        if not self.prompt:
            raise UsageError("the prompt is empty; give at least one token")
        self.sampling = Sampling.recommended(model.path) if sampling is None else sampling
        self.sampling = self.sampling.with_(constraint=constraint)
        if bare and self.sampling.stop:
            raise UsageError("stop strings need a tokenizer, and the checkpoint has no tokenizer.json")
        self.sampler = Sampler(self.sampling, self.prompt)
        self.ids: list[int] = []
        self.text = ""
        self.finish_reason: FinishReason | None = None
        self._model, self._session, self._max_tokens = model, session, max_tokens
        self._reused = self._known = _reused(session, self.prompt)  # known: where the running call began
        self._progress = progress
        self._keep_at, self._keep = keep_at, keep
        self._cancelled = False
        self._start = self._first = self._end = 0.0
        self._before: Stats | None = None
        self._after: Stats | None = None
        self._steps = self._run()

    def __next__(self) -> Token:
        token = next(self._steps)
        self.ids.append(token.id)
        self.text += token.text
        return token

    def __exit__(self, *args: object) -> None:
        self.close()

    def cancel(self) -> None:
        """Ends the answer soon, from any thread or a signal handler; what was said stays."""
        self._cancelled = True
        if (session := self._session) is not None:
            session.cancel()

    def close(self) -> None:
        """Ends the answer here. A session that was made for it gives its memory back."""
        self._steps.close()

    @property
    def usage(self) -> Usage:
        """What it took so far."""
        end = self._end or time.perf_counter()
        session = self._session
        after = self._after or (session.stats if session is not None and self._before else None)
        counts = {"expert_hits": 0, "expert_misses": 0, "bytes_read": 0}
        if self._before and after:
            for name in counts:
                counts[name] = sum(
                    getattr(getattr(after, phase), name) - getattr(getattr(self._before, phase), name)
                    for phase in ("prefill", "decode")
                )
            counts["expert_hits"] += sum(  # a card's second tier is memory too
                getattr(after, phase).expert_host_hits - getattr(self._before, phase).expert_host_hits
                for phase in ("prefill", "decode")
            )
        return Usage(
            prompt_tokens=len(self.prompt),
            cached_tokens=self._reused,
            completion_tokens=len(self.ids),
            seconds=end - self._start if self._start else 0.0,
            seconds_to_first_token=self._first - self._start if self._first else 0.0,
            **counts,
        )

    def _run(self) -> Generator[Token]:
        self._start = time.perf_counter()
        own = self._session is None
        session = self._session = self._session or self._model.session()
        self._before = session.stats
        try:
            # The session may have moved on since this was made.
            self._reused = _reused(session, self.prompt)
            yield from self._answer(session)
        except Cancelled:
            self.finish_reason = "cancelled"
        except KeyboardInterrupt:
            self.finish_reason = "cancelled"
            raise
        finally:
            self._end, self._after = time.perf_counter(), session.stats
            if own:
                session.close()

    def _answer(self, session: Session) -> Generator[Token]:
        stops = StopFilter(self.sampling.stop)
        stream = self._tokenizer.stream() if self._tokenizer is not None else Detokenizer(lambda id: b"")
        context = self._model.plan.context
        if len(self.prompt) > context:  # told before anything of it is read
            raise ContextFullError(
                f"the conversation has {len(self.prompt):,} tokens and the context holds {context:,}: shorten it, or "
                "open the model with a larger context"
            )
        logits = session.eval(self._rest_of_prompt(session), progress=self._report)
        while not self._cancelled:
            id, logprob = self.sampler.sample(logits)
            self._first = self._first or time.perf_counter()
            text = "" if id in self._eos_ids else stops.push(stream.push(id))
            if id in self._eos_ids or stops.stopped or self.sampler.done:
                self.finish_reason = "stop"
            elif len(self.ids) + 1 == self._max_tokens or session.position >= context:
                self.finish_reason = "length"
            if self.finish_reason:
                text += stops.push(stream.finish()) + stops.finish()
            yield Token(id, text, logprob)
            if self.finish_reason:
                return
            try:
                logits = session.eval([id])
            except ContextFullError:
                self.finish_reason = "length"
                return
        raise Cancelled("the answer was cancelled")

    def _rest_of_prompt(self, session: Session) -> list[int]:
        """What of the prompt is left to evaluate after the last point at which the state is kept."""
        keep = self._keep
        for point in sorted(self._keep_at) if keep is not None else ():
            self._known = session.position
            if keep is not None and self._known < point < len(self.prompt):
                session.prefill(self.prompt[self._known : point], progress=self._report)
                keep(session)
        self._known = session.position
        return self.prompt[self._known :]

    def _report(self, done: int, total: int) -> bool:
        if self._progress is None or self._first:
            return self._cancelled
        done, total = done + self._known - self._reused, len(self.prompt) - self._reused
        return bool(self._progress(done, total)) or self._cancelled


def generate(
    model: Model,
    prompt: str | Sequence[int],
    max_tokens: int | None = None,
    sampling: Sampling | None = None,
    session: Session | None = None,
    progress: Progress | None = None,
    constraint: TokenConstraint | None = None,
    keep_at: Sequence[int] = (),
    keep: Callable[[Session], object] | None = None,
) -> Generation:
    """Continues a text or token ids: an iterator of `Token(id, text, logprob)`.

        generation = model.generate("The experts are read", max_tokens=20)
        for token in generation:
            print(token.text, end="", flush=True)
        print(generation.finish_reason, generation.usage)

    prompt: the whole timeline. Control tokens in a text are taken for ordinary text; encode them with
        `model.tokenizer.encode(text, special=True)` where they are meant.
    max_tokens: None for as many as the context holds.
    sampling: None for what the checkpoint recommends.
    session: one whose tokens the prompt begins with; only the rest is evaluated. None for one of its own.
    progress: called with (done, total) tokens of the prompt; a true return cancels.
    constraint: a form that the answer must have; the same as in `sampling`.
    keep_at, keep: `keep(session)` is called when the session holds so many tokens of the prompt, to put its state
        aside for other timelines (`PrefixStore.put`).

    Raises UsageError, and while it runs ContextFullError (the prompt does not fit) and ReadError.
    """
    return Generation(model, prompt, max_tokens, sampling, session, progress, constraint, keep_at, keep)


def _reused(session: Session | None, prompt: Sequence[int]) -> int:
    """Tokens of the prompt that the session holds already."""
    past = session.tokens if session is not None else []
    if list(prompt[: len(past)]) != past:
        raise UsageError(
            "the prompt does not begin with the tokens of this session; give the whole timeline, "
            "or take a new session"
        )
    if past and len(past) == len(prompt):
        raise UsageError(
            "the session holds the whole prompt already, and its last logits are gone; add a token, "
            "or fork the session before its last one"
        )
    return len(past)
