"""States of sessions kept for prompts that begin alike: a store keyed by tokens.

A session's recurrent state cannot be rewound, so a prompt can only be continued from where a state was put aside.
Useful points are (`points`): the end of the system prompt and tools, every `every` tokens of a long prompt, and the
end of the history where the template will drop the answer's reasoning; and, once an answer is there, its end.

In memory a state is what the core lists for its tokens, copied: the recurrent state whole, and of the KV cache the
rows that no shorter state of the same timeline has already. That memory is taken out of the model's budget
(`Model.reserve`): the expert cache gives up as much, and where even that is too little the states that were used
longest ago go. On disk each state is a file of its own (prefix_files.py), in the format of a saved session; one that
is damaged or of another model is never believed: it is passed over, with a warning.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from . import session_file
from .errors import MemoryBudgetError, SessionFileError
from .prefix_files import File, Files, Tokens, begins
from .system import parse_size

if TYPE_CHECKING:
    from .model import Model
    from .prompt import Prompt
    from .session import Session

SHORTEST = 64  # tokens of a preamble that are worth stopping a prefill for: a stop costs reads of experts
EVERY = 1024  # tokens between the states of a long prompt, at least

@dataclass(frozen=True)
class StoreStats:
    """What a store holds and has done since it was made."""

    states: int  # in memory
    bytes: int
    files: int
    file_bytes: int
    hits: int  # prompts that went on from a stored state
    misses: int
    tokens_reused: int


class PrefixStore(AbstractContextManager["PrefixStore"]):
    """Kept states of one model.

        with PrefixStore(model, "1GiB", folder="~/.cache/flashmoe") as store:
            session, reused = store.take(ids)  # a session that holds ids[:reused]
            session.eval(ids[reused:])
            store.put(session)

    memory_bytes: most that states may take of the model's budget, bytes or "1GiB"; an eighth of it by default. 0 keeps
    none, on disk neither: they get there by way of memory.
    folder: where states are kept on disk; None for nowhere. May be shared by models and processes.
    disk_bytes: most that all session files in the folder may take together.

    Any thread may call. Raises UsageError.
    """

    def __init__(
        self,
        model: Model,
        memory_bytes: int | str | None = None,
        folder: str | Path | None = None,
        disk_bytes: int | str = "8GiB",
    ) -> None:
        self.model = model
        self.memory_bytes = model.plan.budget // 8 if memory_bytes is None else parse_size(memory_bytes, least=0)
        self.every = -(-EVERY // model.plan.sweep) * model.plan.sweep  # a sweep ends there anyway
        self._states: list[_State] = []  # the one used longest ago first
        self._reserved = 0
        self._hits = self._misses = self._tokens_reused = 0
        self._lock = threading.RLock()
        self._files: Files | None = None
        if folder is not None and self.memory_bytes:
            self._files = Files(model.fingerprint, Path(folder).expanduser(), parse_size(disk_bytes))

    # ---- using states

    def take(self, ids: Sequence[int]) -> tuple[Session, int]:
        """A session with the longest kept beginning of these tokens (but never all of them: the last one's logits
        are wanted), and how many those are. The session is the caller's to close.

        Raises MemoryBudgetError when there is no room for a session even without the store.
        """
        wanted = np.asarray(ids, np.int32)
        with self._lock:
            session = self._new_session()
            try:
                reused = self._fill(session, wanted)
            except BaseException:
                session.close()
                raise
            self._hits += reused > 0
            self._misses += reused == 0
            self._tokens_reused += reused
            return session, reused

    def put(self, session: Session) -> None:
        """Keeps the session's state as it is now. Where it cannot be kept, nothing happens. On disk go all but
        those at a multiple of `every` tokens, which serve a running process."""
        with session._lock:
            position = session.position
            if position == 0 or not self.memory_bytes:
                return
            with self._lock:
                state = self._remember(session)
        if state is not None and self._files is not None and position % self.every != 0:
            self._files.write(state)

    def points(self, prompt: Prompt, ids: Sequence[int], position: int = 0) -> list[int]:
        """Where a prefill of `ids[position:]` should stop for a `put`, ascending. ids: the prompt's, as `spell` gave
        them."""
        if not self.memory_bytes:
            return []
        points = set()
        preamble = prompt.preamble
        if preamble >= SHORTEST and list(ids[:preamble]) == prompt.ids[:preamble]:
            points.add(preamble)
        if (history := prompt.history(ids)) is not None:
            points.add(history)
        if len(ids) - position >= 2 * self.every:
            points.update(range(self.every, len(ids), self.every))
        return sorted(point for point in points if position < point < len(ids))

    def spell(self, prompt: Prompt, written: int | None = None) -> list[int]:
        """The prompt's tokens, spelt as the kept state that then serves it best.

        A text has many spellings in tokens, and what a model wrote need not be spelt as `Prompt.ids` has it; the
        state is of its own spelling. written: as in `Prompt.continuing`.
        """
        with self._lock:
            pasts = [state.tokens for state in self._states]
        if self._files is not None:
            pasts += [file.tokens for file in self._files.all()]
        plain = np.asarray(prompt.ids, np.int32)
        best, most = prompt.ids, max((len(past) for past in pasts if begins(plain, past)), default=0)
        for past in sorted(pasts, key=len, reverse=True):
            if len(past) <= most:
                break
            ids = prompt.continuing(past.tolist(), written)
            if begins(np.asarray(ids, np.int32), past):
                return ids
        return best

    # ---- what is kept

    @property
    def stats(self) -> StoreStats:
        """What is kept now, and how prompts fared so far."""
        files, file_bytes = self._files.size() if self._files is not None else (0, 0)
        with self._lock:
            return StoreStats(
                len(self._states), self._reserved, files, file_bytes, self._hits, self._misses, self._tokens_reused
            )

    def clear(self) -> None:
        """Forgets what is in memory, and gives it back to the expert cache."""
        with self._lock:
            self._states.clear()
            self._reserve(())

    def flush(self) -> None:
        """Waits until everything is on disk that is to be there."""
        if self._files is not None:
            self._files.flush()

    def close(self) -> None:
        """`flush` and `clear`."""
        self.flush()
        self.clear()

    def __exit__(self, *args: object) -> None:
        self.close()

    # ---- the inside; the lock is held

    def _new_session(self) -> Session:
        while True:
            try:
                return self.model.session()
            except MemoryBudgetError:
                if not self._states:
                    raise
                self._drop_oldest()

    def _fill(self, session: Session, wanted: Tokens) -> int:
        while True:
            state = _longest(self._states, wanted)
            file = _longest(self._files.all(), wanted) if self._files is not None else None
            if self._files and file and (state is None or len(file.tokens) > len(state.tokens)):
                try:
                    session_file.load(file.path, self.model.fingerprint, session._native)
                    if not np.array_equal(session.tokens, file.tokens):
                        raise SessionFileError(f"{file.path} was changed since it was listed")
                except SessionFileError as error:
                    self._files.forget(file, error)
                    if session.position:
                        session._native.restore(np.zeros(0, np.int32))
                    continue
                file.touch()
                self._remember(session)
                return len(file.tokens)
            if state is None:
                return 0
            state.copy_to(session)
            self._use(state)
            return len(state.tokens)

    def _remember(self, session: Session) -> _State | None:
        tokens = np.asarray(session.tokens, np.int32)
        for state in self._states:
            if np.array_equal(state.tokens, tokens):
                self._use(state)
                return state
        parent = _longest(self._states, tokens)
        state = _State.of(session, tokens, parent)
        while _bytes_of([*self._states, state]) > self.memory_bytes and self._states:
            self._drop_oldest()
        while not self._reserve([*self._states, state]):
            if not self._states:
                return None
            self._drop_oldest()
        self._states.append(state)
        return state

    def _use(self, state: _State) -> None:
        self._states.remove(state)
        self._states.append(state)

    def _drop_oldest(self) -> None:
        del self._states[0]
        self._reserve(self._states)

    def _reserve(self, states: Iterable[_State]) -> bool:
        """Has the model set aside what these states take."""
        size = _bytes_of(states)
        if size > self.memory_bytes:
            return False
        try:
            self.model.reserve(self, size)
        except MemoryBudgetError:
            return False
        self._reserved = size
        return True


# ---- states in memory


@dataclass(eq=False)
class _Rows:
    """Rows of the KV cache from one position to another: of each run, its piece."""

    start: int
    pieces: list[bytes]


@dataclass(eq=False)
class _State:
    """tokens: int32 [position]. fixed: the runs whose size does not depend on the position, by index. rows: in order,
    the pieces of the others; a longer state of the same timeline has the same objects."""

    tokens: Tokens
    fixed: dict[int, bytes]
    rows: list[_Rows] = field(default_factory=list)

    @classmethod
    def of(cls, session: Session, tokens: Tokens, parent: _State | None) -> _State:
        """A copy of a session's state, apart from the rows that the parent has."""
        position, start = len(tokens), 0 if parent is None else len(parent.tokens)
        views = _views(session, position)
        shorter = _views(session, position - 1)
        fixed, pieces = {}, []
        for i, (view, less) in enumerate(zip(views, shorter, strict=True)):
            row = len(view) - len(less)
            if row and len(view) == row * position:
                pieces.append(bytes(view[row * start :]))
            else:
                fixed[i] = bytes(view)
        return cls(tokens, fixed, [*(parent.rows if parent else ()), _Rows(start, pieces)])

    def copy_to(self, session: Session) -> None:
        """Fills an empty session."""
        for view, pieces in zip(_views(session, len(self.tokens)), self.runs(), strict=True):
            at = 0
            for piece in pieces:
                view[at : at + len(piece)] = piece
                at += len(piece)
        session._native.restore(self.tokens)

    def runs(self) -> list[list[bytes]]:
        """The runs as the core lists them, in pieces."""
        count = len(self.fixed) + len(self.rows[0].pieces)
        rows = iter([[part.pieces[i] for part in self.rows] for i in range(len(self.rows[0].pieces))])
        return [[self.fixed[i]] if i in self.fixed else next(rows) for i in range(count)]


def _views(session: Session, position: int) -> list[memoryview]:
    return [view.cast("B") for view in session._native.state(position)]


def _bytes_of(states: Iterable[_State]) -> int:
    """Memory that states take together; shared rows count once."""
    size, rows = 0, set()
    for state in states:
        size += state.tokens.nbytes + sum(map(len, state.fixed.values()))
        rows.update(state.rows)
    return size + sum(len(piece) for part in rows for piece in part.pieces)


_Kept = TypeVar("_Kept", _State, File)


def _longest(kept: Iterable[_Kept], ids: Tokens) -> _Kept | None:
    """The longest that a prompt of these ids can go on from."""
    return max((one for one in kept if begins(ids, one.tokens)), key=lambda one: len(one.tokens), default=None)
