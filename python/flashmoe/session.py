"""A session: one timeline of tokens, with its KV cache and recurrent state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import session_file
from .errors import UsageError

if TYPE_CHECKING:
    from . import _core
    from .model import Model

Progress = Callable[[int, int], Any]
KINDS = ("waiting", "attention", "delta", "router", "shared", "experts", "ends")  # what seconds go into


@dataclass(frozen=True)
class PhaseStats:
    """Counts and seconds of the calls of one kind: prefill (`eval` of more than one token) or decode (`eval` of one,
    and `Model.step`).

    In prefill an expert counts once for a block of tokens, however many of them chose it; in decode once for each
    token. A step of n sessions counts in each of them: its own token; all of the seconds that the step took and waited;
    and an nth of the misses, bytes and seconds of reading, so that these add up over sessions to what was read. An
    expert that several chose and that had to be read is one miss; the other choices of it are hits.
    """

    tokens: int = 0
    expert_hits: int = 0
    expert_misses: int = 0
    bytes_read: int = 0
    seconds: float = 0.0  # inside the engine
    seconds_reading: float = 0.0  # summed over the reads
    seconds_disk: float = 0.0  # of `seconds`, with at least one read under way
    seconds_waiting: float = 0.0  # of `seconds`, spent waiting for reads; the rest is arithmetic:
    seconds_attention: float = 0.0  # full attention
    seconds_delta: float = 0.0  # Gated DeltaNet
    seconds_router: float = 0.0  # routers, and guesses of the next layer's choice
    seconds_shared: float = 0.0  # shared experts
    seconds_experts: float = 0.0  # routed experts and their sum
    seconds_ends: float = 0.0  # embedding and head
    expert_host_hits: int = 0  # with a card: found in memory of the host, its second tier; not among hits or misses
    bytes_moved: int = 0  # to the card's memory from there, or from disk by way of it

    @property
    def seconds_computing(self) -> float:
        """Seconds of `seconds` that were not spent waiting for reads."""
        return self.seconds - self.seconds_waiting

    @property
    def seconds_by_kind(self) -> dict[str, float]:
        """`seconds` taken apart: waiting for reads, each kind of arithmetic, and the little between ("other")."""
        parts = {kind: float(getattr(self, f"seconds_{kind}")) for kind in KINDS}
        return {**parts, "other": max(0.0, self.seconds - sum(parts.values()))}

    @property
    def hit_rate(self) -> float:
        """Share of the experts that were in memory (a card's own, with a card) when they were asked for; 0 when none
        was."""
        return self.expert_hits / max(1, self.expert_hits + self.expert_host_hits + self.expert_misses)

    @property
    def tokens_per_second(self) -> float:
        """Rate inside the engine; 0 before the first token."""
        return self.tokens / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True)
class Stats:
    """What a session has done so far."""

    prefill: PhaseStats
    decode: PhaseStats

    def as_dict(self) -> dict[str, Any]:
        return {
            name: {**asdict(phase), "hit_rate": phase.hit_rate, "tokens_per_second": phase.tokens_per_second}
            for name, phase in (("prefill", self.prefill), ("decode", self.decode))
        }


def token_array(token_ids: Sequence[int] | npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Token ids as int32 [n]. Raises UsageError for anything else: floats, nested lists, values beyond 32 bits."""
    try:
        array = np.asarray(token_ids)
    except (ValueError, TypeError, OverflowError) as e:
        raise UsageError(f"token ids must be a flat list of integers: {e}") from None
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise UsageError(f"token ids must be a flat list of integers, not {array.ndim}-dimensional {array.dtype}")
    if array.size and (array.min() < -(2**31) or array.max() >= 2**31):
        raise UsageError("a token id is beyond 32 bits")
    return np.ascontiguousarray(array, dtype=np.int32)


class Session:
    """A timeline. Made by `Model.session()`; close it, or use it in a `with`, to give its memory back to the cache.

    One call at a time runs on a session; calls on different sessions of a model take turns. Any thread may call.
    """

    def __init__(self, model: Model, native: _core.Session) -> None:
        self.model = model
        self._native = native
        self._lock = threading.RLock()  # keeps the state still while it is saved

    def eval(
        self,
        token_ids: Sequence[int] | npt.NDArray[Any],
        all_logits: bool = False,
        progress: Progress | None = None,
    ) -> npt.NDArray[np.float32]:
        """Appends tokens and returns logits: float32 [vocab] after the last one, or [n, vocab] with `all_logits`.

        progress(done, total) is called now and then, in tokens; a true return cancels, and so does `cancel()`.

        Raises UsageError for ids outside the vocabulary or none at all, ContextFullError, ReadError (a failed read of
        weights), Cancelled. The session then stands at the last block that was complete, usually where it was before:
        see `position`.
        """
        with self._lock:
            return self._native.eval(token_array(token_ids), "all" if all_logits else "last", progress)

    def prefill(self, token_ids: Sequence[int] | npt.NDArray[Any], progress: Progress | None = None) -> None:
        """Appends tokens without computing logits; otherwise as `eval`."""
        with self._lock:
            self._native.eval(token_array(token_ids), "none", progress)

    @property
    def position(self) -> int:
        """Tokens so far."""
        return self._native.position

    @property
    def tokens(self) -> list[int]:
        """The tokens so far."""
        return self._native.tokens()

    @property
    def stats(self) -> Stats:
        raw = self._native.stats()
        return Stats(PhaseStats(**raw["prefill"]), PhaseStats(**raw["decode"]))

    def record_routing(self) -> None:
        """From now on `routing` grows with every token. For measuring, as `flashmoe bench` does: a cache of any size
        and policy can be replayed from it."""
        with self._lock:
            self._native.record_routing()

    @property
    def routing(self) -> npt.NDArray[np.int32]:
        """The experts that each layer's router chose since `record_routing`: int32 [tokens, layers, k], ids ascending.
        Tokens of blocks that failed are left out."""
        with self._lock:
            return np.ascontiguousarray(self._native.recorded_routing().transpose(1, 0, 2))

    def fork(self) -> Session:
        """A second session with the same past; the two go on apart. Raises MemoryBudgetError when it does not fit."""
        with self._lock:
            return Session(self.model, self._native.fork())

    def save(self, path: str | Path) -> None:
        """Writes the session's tokens and state to a file that `Model.load_session` reads. Written beside `path` first
        and renamed when it is whole, so a file that is there is complete."""
        with self._lock:
            session_file.save(Path(path), self.model.fingerprint, self._native)

    def cancel(self) -> None:
        """Ends a running `eval`, or a step with this session, soon, from any thread; nothing happens when none runs."""
        self._native.cancel()

    def close(self) -> None:
        """Gives the session's memory back. A call that runs in another thread ends first."""
        self._native.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Session of {self.model.path.name}>"
