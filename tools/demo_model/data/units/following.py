"""The next question after an answer."""

from __future__ import annotations

import random

from ..questions import Ask, number
from .amounts import spelled
from .converting import Measured, down_work
from .table import BOOK, ONE, PAIRS


def follow(rng: random.Random, split: str, last: Ask) -> Ask | None:
    if last.again and rng.random() < 0.7:
        return last.again(rng, split)
    if isinstance(last, Measured) and last.unit and last.n:
        downs = [(small, factor) for big, small, factor in PAIRS if big is last.unit and factor <= 1024 and last.n * factor <= 10**9]
        if downs and last.n % ONE == 0 and last.n <= 1000 * ONE:
            small, factor = rng.choice(downs)
            work = down_work(last.n, factor, small)
            return Measured(BOOK.say(rng, "more.unit", U=spelled(rng, small)), f"{work}.", number(last.n * factor / ONE), n=last.n * factor, unit=small)
    return last.again(rng, split) if last.again else None
