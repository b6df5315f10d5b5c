"""Logits to the next token.

The steps and their order are those of transformers and vLLM, for which model cards recommend their values:

    0. constraint           tokens that would break the answer's form are out
    1. repetition_penalty   divides positive and multiplies negative logits of tokens in prompt and answer
       presence_penalty     subtracted from the logits of tokens that the answer has
       frequency_penalty    the same, times how often it has them
    2. temperature          divides the logits; 0 takes the largest one and ends here
    3. top_k                keeps the k most probable tokens
    4. top_p                of these, keeps the fewest whose probabilities reach p
    5. min_p                of these, drops what is less probable than min_p times the most probable
    6. a draw               with numpy's PCG64, whose stream is the same on every platform

Equal logits go by the smaller token id, so that greedy output is defined.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .errors import FlashMoeError, UsageError

if TYPE_CHECKING:
    from .structured import TokenConstraint

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn. The default suits Qwen models without thinking; `Sampling(temperature=0)` is
    greedy.

    seed: None draws one; the one in use is `Sampler.seed`.
    stop: strings that end the answer and are not part of it.
    constraint: a form that the answer must have (`flashmoe.structured.Constraint`); each answer begins it anew.
    """

    temperature: float = 0.7
    top_k: int = 20
    top_p: float = 0.8
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None
    stop: Sequence[str] = ()
    constraint: TokenConstraint | None = None

    def __post_init__(self) -> None:
        # A list, or a single string, is what people write.
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        object.__setattr__(self, "stop", stop)
        for name, low, high, wanted in _RANGES:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise UsageError(f"{name} should be {wanted}, not {value!r}")
        if self.top_p == 0:
            raise UsageError(
                "top_p should be more than 0; temperature=0 is what always takes the likeliest token"
            )
        if not isinstance(self.top_k, int):
            raise UsageError(f"top_k should be a whole number, 0 for no limit, not {self.top_k!r}")
        if self.seed is not None and (not isinstance(self.seed, int) or self.seed < 0):
            raise UsageError(f"seed should be a whole number that is not negative, not {self.seed!r}")
        if not all(isinstance(text, str) and text for text in stop):
            raise UsageError(f"stop should be strings that are not empty, not {self.stop!r}")

    @classmethod
    def recommended(cls, folder: Path | str | None) -> Sampling:
        """What the checkpoint's generation_config.json recommends; the default where it says nothing."""
        try:
            given = json.loads((Path(folder or "") / "generation_config.json").read_text("utf-8"))
        except (OSError, ValueError):
            return cls()
        if not isinstance(given, dict):
            return cls()
        if given.get("do_sample") is False:
            return cls(temperature=0.0)
        names = {field.name for field in fields(cls)} - {"seed", "stop", "constraint"}
        try:
            return cls(
                **{name: value for name, value in given.items() if name in names and value is not None}
            )
        except UsageError:
            return cls()

    def with_(self, **changes: Any) -> Sampling:
        """A copy with these values, as far as they are not None."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})


_RANGES = (
    ("temperature", 0, 100, "between 0 and 100"),
    ("top_k", 0, math.inf, "a whole number, 0 for no limit"),
    ("top_p", 0, 1, "more than 0 and at most 1"),
    ("min_p", 0, 1, "between 0 and 1"),
    ("repetition_penalty", 0.01, 100, "between 0.01 and 100"),
    ("presence_penalty", -100, 100, "between -100 and 100"),
    ("frequency_penalty", -100, 100, "between -100 and 100"),
)


class Sampler:
    """Draws the tokens of one answer.

    >>> sampler = Sampler(Sampling(seed=1), prompt=ids)
    >>> token, logprob = sampler.sample(session.eval(ids))
    """

    def __init__(self, sampling: Sampling, prompt: Sequence[int] = ()) -> None:
        self.sampling = sampling
        self.seed = secrets.randbits(63) if sampling.seed is None else sampling.seed
        self._random = np.random.Generator(np.random.PCG64(self.seed))
        self._prompt = np.unique(np.asarray(prompt, np.int64)) if sampling.repetition_penalty != 1 else None
        self._counts: dict[int, int] | None = (
            {}
            if sampling.repetition_penalty != 1 or sampling.presence_penalty or sampling.frequency_penalty
            else None
        )
        self.constraint = None if sampling.constraint is None else sampling.constraint.fresh()

    @property
    def done(self) -> bool:
        """Whether the constraint lets nothing but the end follow."""
        return self.constraint is not None and self.constraint.done

    def sample(self, logits: Logits) -> tuple[int, float]:
        """The next token and the logarithm of the probability that the model itself gave it. Keeps `logits`
        as it is."""
        token = self.draw(logits)
        top = float(np.max(logits))
        log_sum = top + math.log(float(np.sum(np.exp(logits - np.float32(top)), dtype=np.float64)))
        return token, min(float(logits[token]) - log_sum, 0.0)

    def draw(self, logits: Logits) -> int:
        """The next token, as `sample`, where nobody wants its probability: over a large vocabulary that takes longer
        than the draw."""
        top = float(np.max(logits))
        if not math.isfinite(top):
            raise FlashMoeError(
                "the model gave logits that are no numbers; its weights are damaged (see `flashmoe verify`) "
                "or its arithmetic overflowed"
            )
        token = self._choose(self._allowed(logits))
        if self._counts is not None:
            self._counts[token] = self._counts.get(token, 0) + 1
        if self.constraint is not None:
            self.constraint.accept(token)
        return token

    def probabilities(self, logits: Logits) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """The tokens that can be drawn next and their probabilities."""
        return self._filtered(self._allowed(logits))

    def _choose(self, logits: Logits) -> int:
        if self.sampling.temperature == 0:
            return int(np.argmax(logits))
        ids, probabilities = self._filtered(logits)
        at = int(np.searchsorted(np.cumsum(probabilities), self._random.random(), side="right"))
        if at >= ids.size:  # the sum was rounded down
            at = int(np.flatnonzero(probabilities)[-1])
        return int(ids[at])

    def _filtered(self, logits: Logits) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Steps 2 to 5."""
        s = self.sampling
        if s.temperature == 0:
            return np.array([np.argmax(logits)]), np.ones(1)
        limit = s.top_k if 0 < s.top_k < logits.size else logits.size
        if limit == logits.size and s.top_p == 1:
            ids = np.arange(logits.size)  # nothing needs an order
        else:
            # What top_p alone is to cut is sorted only as far as is likely to matter.
            ids = _largest(logits, limit if limit < logits.size else min(limit, _HEAD))
        top = float(np.max(logits))
        weights = self._weights(logits[ids], top)  # relative to the likeliest token, which has 1
        if s.top_p < 1:
            wanted = s.top_p * float((weights if ids.size == limit else self._weights(logits, top)).sum())
            if float(weights.sum()) < wanted and ids.size < limit:
                ids = _largest(logits, limit)
                weights = self._weights(logits[ids], top)
            keep = int(np.searchsorted(np.cumsum(weights), wanted)) + 1
            ids, weights = ids[:keep], weights[:keep]
        if s.min_p > 0:
            likely = weights >= s.min_p
            ids, weights = ids[likely], weights[likely]
        return ids, weights / weights.sum()

    def _weights(self, logits: Logits, top: float) -> npt.NDArray[np.float64]:
        scaled = logits.astype(np.float64)
        scaled -= top
        scaled /= self.sampling.temperature
        return np.exp(scaled, out=scaled)

    def _allowed(self, logits: Logits) -> Logits:
        """The logits after the penalties and the constraint; a copy if they change anything."""
        out = self._penalized(logits)
        if self.constraint is not None:
            out = logits.copy() if out is logits else out
            self.constraint.mask(out)
            if np.max(out) == -np.inf:
                raise UsageError("the constraint allows no token to follow; its grammar cannot be finished")
        return out

    def _penalized(self, logits: Logits) -> Logits:
        """The logits after the penalties; a copy if they change anything."""
        if self._counts is None:
            return logits
        s = self.sampling
        out = logits.copy()
        written = np.fromiter(self._counts, np.int64, len(self._counts))
        if self._prompt is not None:
            seen = np.union1d(self._prompt, written)
            seen = seen[seen < out.size]
            out[seen] = np.where(
                out[seen] > 0, out[seen] / s.repetition_penalty, out[seen] * s.repetition_penalty
            )
        if s.presence_penalty or s.frequency_penalty:
            counts = np.fromiter(self._counts.values(), np.float64, len(self._counts))
            out[written] -= (s.presence_penalty + s.frequency_penalty * counts).astype(np.float32)
        return out


_HEAD = 1024
_BLOCK = 256  # tokens of a column


def _largest(logits: Logits, k: int) -> npt.NDArray[np.int64]:
    """Ids of the k largest, the largest first, equal ones by id."""
    if 4 * k * _BLOCK < logits.size:
        # None of them is below the k-th largest maximum of a column of the logits as a table: few columns can hold any.
        columns = logits.size // _BLOCK
        whole = columns * _BLOCK
        tops = logits[:whole].reshape(_BLOCK, columns).max(axis=0)
        chosen = np.flatnonzero(tops >= np.partition(tops, tops.size - k)[tops.size - k])
        inside = np.sort((chosen + columns * np.arange(_BLOCK)[:, None]).ravel())
        ids = np.concatenate((inside, np.arange(whole, logits.size)))
        if ids.size < logits.size:
            return ids[_largest(logits[ids], k)]
    if k < logits.size:
        least = logits[np.argpartition(logits, logits.size - k)[logits.size - k]]
        above, equal = np.flatnonzero(logits > least), np.flatnonzero(logits == least)
        ids = np.sort(np.concatenate((above, equal[: k - above.size])))
    else:
        ids = np.arange(logits.size)
    return ids[np.argsort(-logits[ids], kind="stable")]
