"""The thought before an answer, while tokens are drawn: a limit on it, and what holds only after it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .toolcalls import END_THINK, THINK

if TYPE_CHECKING:
    from ..structured import TokenConstraint
    from .tokenizer import Tokenizer


class ReasoningLimit:
    """Ends a thought after `budget` tokens by forcing the end-of-thought text, and applies `inner` to what
    follows the thought.

    opened: the prompt has opened the thought. Otherwise a thought counts where the answer begins with one; with
    an `inner` constraint there is none then.
    budget: None for no limit; 0 forbids the thought.
    """

    def __init__(
        self, tokenizer: Tokenizer, opened: bool, budget: int | None = None, inner: TokenConstraint | None = None
    ) -> None:
        self._tokenizer, self._opened, self._budget = tokenizer, opened, budget
        self._inner = inner
        self._thinking, self._undecided = opened, not opened and inner is None
        self._forced: deque[int] = deque()
        self._spent = 0  # tokens of the thought
        self._stream = tokenizer.stream(special=True)
        self._tail = ""
        self._enforce()

    def mask(self, logits: npt.NDArray[np.float32]) -> None:
        if self._forced:
            logits[:] = -np.inf
            logits[self._forced[0]] = 0.0
        elif self._thinking:
            if self._inner is not None:  # an answer is wanted, so the thought must end otherwise
                logits[sorted(self._tokenizer.eos_ids)] = -np.inf
        elif self._inner is not None:
            self._inner.mask(logits)

    def accept(self, token_id: int) -> None:
        if self._forced:
            self._forced.popleft()
        elif self._thinking:
            self._think(token_id)
        elif self._undecided:
            self._decide(token_id)
        elif self._inner is not None:
            self._inner.accept(token_id)

    @property
    def done(self) -> bool:
        return not self._thinking and not self._forced and self._inner is not None and self._inner.done

    def fresh(self) -> ReasoningLimit:
        inner = None if self._inner is None else self._inner.fresh()
        return ReasoningLimit(self._tokenizer, self._opened, self._budget, inner)

    def _think(self, token: int) -> None:
        self._spent += 1
        self._tail = (self._tail + self._stream.push(token))[-2 * len(END_THINK) :]
        if END_THINK in self._tail:
            self._thinking = False
            if self._inner is not None:  # as templates write it; the inner grammar knows nothing of it
                self._forced.extend(self._tokenizer.encode("\n\n"))
        else:
            self._enforce()

    def _enforce(self) -> None:
        if self._thinking and self._budget is not None and self._spent >= self._budget:
            self._thinking = False
            self._forced.extend(self._tokenizer.encode(f"\n{END_THINK}\n\n", special=True))

    def _decide(self, token: int) -> None:
        """Whether the answer begins with a thought."""
        self._tail += self._stream.push(token)
        start = self._tail.lstrip()
        if start.startswith(THINK):
            self._thinking, self._undecided, self._tail = True, False, ""
            self._enforce()
        elif not THINK.startswith(start):
            self._undecided = False
