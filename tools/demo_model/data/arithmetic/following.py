"""The next question after an answer."""

from __future__ import annotations

import random

from ..numbers import show, slots, times
from ..questions import Ask, number, operands
from .properties import even_ask
from .sizes import sized, small_sum, table
from .wording import BOOK


def follow(rng: random.Random, split: str, value: int) -> Ask:
    """The next step from a result reached before."""
    chance = rng.random()
    if chance < 0.12 and value <= 5000:
        return Ask(BOOK.say(rng, "more.double"), f"2 x {value} = {show(2 * value)}.", number(2 * value), 2 * value, f"2 x {value} = {2 * value}")
    if chance < 0.22 and value % 2 == 0 and value:
        return Ask(BOOK.say(rng, "more.half"), f"{show(value)} / 2 = {show(value // 2)}.", number(value // 2), value // 2, f"{show(value)} / 2 = {show(value // 2)}")
    if chance < 0.29:
        return even_ask(value, BOOK.say(rng, "more.even"), rng, value)
    if chance < 0.47 and value <= 999:
        (_, b), _ = operands(rng, split, "x", lambda: (value, rng.randint(2, 9) if value > 12 else rng.randint(2, 12)), table)
        return step_ask(rng, "mul", value, b, times(value, b), value * b)
    if chance < 0.57 and value > 3:
        divisors = [d for d in range(2, 13) if value % d == 0]
        if divisors:
            b = rng.choice(divisors)
            return step_ask(rng, "div", value, b, f"{show(value)} / {b} = {show(value // b)}", value // b)
    adds = chance < 0.8
    (_, b), _ = operands(rng, split, "+" if adds else "-", lambda: (value, sized(rng, max(1, min(3, len(str(value)))))), small_sum)
    if adds or b > value:
        return step_ask(rng, "add", value, b, f"{show(value)} + {b} = {show(value + b)}", value + b)
    return step_ask(rng, "sub", value, b, f"{show(value)} - {b} = {show(value - b)}", value - b)


def step_ask(rng: random.Random, kind: str, value: int, b: int, equation: str, result: int) -> Ask:
    return Ask(BOOK.say(rng, f"more.{kind}", **slots(rng, a=b)), f"{equation}.", number(result), result, equation)


def doubted(rng: random.Random, ask: Ask) -> Ask:
    text = BOOK.say(rng, "unsure")
    lead = rng.choice(("I worked it out", "Here is the working", "Like this")) if text.startswith(("how", "why", "can you show")) else "Yes"
    return Ask(text, f"{lead}: {ask.equation}.", ask.check, ask.value, ask.equation)
