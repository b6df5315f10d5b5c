"""Word problems."""

from __future__ import annotations

import random
import re
from typing import Any

from ..numbers import show, slots, times
from ..people import cast
from ..questions import Ask, never, number, operands
from ..templates import expand
from .sizes import pair, small_sum, table, table_quotient
from .steps import two_steps
from .wording import BOOK


def story(rng: random.Random, split: str) -> Ask:
    """A word problem of one step."""
    kind = rng.choice(("add", "add", "sub", "sub", "sub", "mul", "mul", "div", "div"))
    if kind == "add":
        (a, b), fact = operands(rng, split, "+", lambda: pair(rng, 3), small_sum)
        result, work = a + b, f"{a} + {b} = {show(a + b)}"
    elif kind == "sub":
        (a, b), fact = operands(rng, split, "-", lambda: (lambda p: (max(p) + (p[0] == p[1]), min(p)))(pair(rng, 3)), small_sum)
        result, work = a - b, f"{a} - {b} = {a - b}"
    elif kind == "mul":
        def draw() -> tuple[int, ...]:
            return (rng.randint(2, 12), rng.randint(2, 12)) if rng.random() < 0.6 else (rng.randint(2, 9), rng.choice((rng.randint(11, 99), 5 * rng.randint(3, 24))))

        (a, b), fact = operands(rng, split, "x", draw, table)
        result, work = a * b, times(a, b)
    else:
        def draw() -> tuple[int, ...]:
            b, q = (rng.randint(2, 12), rng.randint(2, 12)) if rng.random() < 0.65 else (rng.randint(2, 9), rng.choice((rng.randint(13, 60), 5 * rng.randint(3, 24))))
            return b * q, b

        (a, b), fact = operands(rng, split, "/", draw, table_quotient)
        result, work = a // b, f"{a} / {b} = {a // b}"
    roles = cast(rng)
    line = BOOK.line(rng, f"wp.{kind}", split, fact)
    if kind in ("add", "sub") and re.search(r"years|old|degrees", line):
        a, b = rng.randint(4, 60), rng.randint(2, 30)
        if kind == "sub" and a <= b:
            a, b = b + 3, a
        result = a + b if kind == "add" else a - b
        work = f"{a} {'+' if kind == 'add' else '-'} {b} = {result}"
    text = expand(rng, line, **slots(rng, a=a, b=b), **roles)
    return Ask(text, story_end(rng, work, result, text, roles), number(result), result, work)


def story_end(rng: random.Random, work: str, result: int, text: str, roles: dict[str, Any]) -> str:
    chance = rng.random()
    if chance < 0.5 or result == 1:
        return f"{work}."
    if chance < 0.75 and roles["o"] in text and "how many" in text and not re.search(r"boxes do|bags is|boxes is|cost|times as", text):
        return f"{work} {roles['o']}." if work.count("=") == 1 else f"{work}, so {show(result)} {roles['o']}."
    return f"{work}, so the answer is {show(result)}."


def long_story(rng: random.Random, split: str) -> Ask:
    """A word problem of two steps."""
    form = rng.choice(("muladd", "mulsub", "addsub", "addsub", "subsub", "addmul", "divadd"))
    numbers, work, result, _ = two_steps(rng, split, form)
    text = BOOK.say(rng, f"wp.{form}", **slots(rng, **numbers), **cast(rng))
    return Ask(text, rng.choice((f"{work}.", f"{work}, so the answer is {show(result)}.")), number(result), result, work)


LENGTHS = (("", ""), (" m", "m"), (" cm", "cm"), (" meters", "meters"), (" metres", "metres"), (" feet", "feet"), ("m", "m"), ("cm", "cm"), (" km", "km"), (" inches", "inches"))


def shape(rng: random.Random, split: str) -> Ask:
    unit, noun = rng.choice(LENGTHS)
    chance = rng.random()
    if chance < 0.4:
        (a, b), fact = operands(rng, split, "x", lambda: (rng.randint(2, 12), rng.randint(2, 12)) if rng.random() < 0.7 else (rng.randint(10, 60), rng.randint(2, 30)), table)
        text = expand(rng, BOOK.line(rng, "rect.area", split, fact), a=a, b=b, u=unit)
        work = times(a, b)
        return Ask(text, f"{work}{f' square {noun}' if noun else ''}.", number(a * b), a * b, work)
    if chance < 0.65:
        (a, b), fact = operands(rng, split, "perimeter", lambda: (rng.randint(2, 20), rng.randint(2, 20)) if rng.random() < 0.7 else (rng.randint(10, 100), rng.randint(10, 60)), lambda a, b: a <= 10 and b <= 10)
        text = expand(rng, BOOK.line(rng, "rect.perimeter", split, fact), a=a, b=b, u=unit)
        work = f"{a} + {b} = {a + b}, 2 x {a + b} = {2 * (a + b)}"
        return Ask(text, f"{work}{f' {noun}' if noun else ''}.", number(2 * (a + b)), 2 * (a + b), work)
    if chance < 0.78:
        (a,), fact = operands(rng, split, "4x", lambda: (rng.randint(1, 25),), lambda a: a <= 12)
        return Ask(expand(rng, BOOK.line(rng, "square.perimeter", split, fact), a=a, u=unit), f"{times(4, a)}{f' {noun}' if noun else ''}.", number(4 * a), 4 * a, times(4, a))
    if chance < 0.88:
        (a, b), _ = operands(rng, split, "triangle", lambda: (rng.randint(1, 10) * 2, rng.randint(2, 12)), never)
        work = f"{a} x {b} / 2 = {a * b} / 2 = {a * b // 2}"
        return Ask(BOOK.say(rng, "triangle.area", a=a, b=b, u=unit), f"{work}{f' square {noun}' if noun else ''}.", number(a * b // 2), a * b // 2, work)
    (a, b, c), _ = operands(rng, split, "box", lambda: (rng.randint(2, 10), rng.randint(2, 10), rng.randint(2, 10)), never)
    work = f"{a} x {b} = {a * b}, {times(a * b, c)}"
    return Ask(BOOK.say(rng, "box.volume", a=a, b=b, c=c, u=unit), f"{work}{f' cubic {noun}' if noun else ''}.", number(a * b * c), a * b * c, work)


def many_times(rng: random.Random, split: str) -> Ask:
    (a, b), fact = operands(rng, split, "x", lambda: (rng.randint(2, 6), rng.randint(2, 12) if rng.random() < 0.7 else rng.randint(13, 40)), table)
    roles = cast(rng)
    text = expand(rng, BOOK.line(rng, "wp.times", split, fact), **slots(rng, a=a, b=b), **roles)
    if rng.random() < 0.15:
        c, d = rng.randint(3, 30), rng.randint(2, 20)
        text = BOOK.say(rng, "wp.total.each", **slots(rng, a=c, b=d), **roles)
        work = f"{c} + {d} = {c + d}, {c} + {c + d} = {2 * c + d}"
        return Ask(text, f"{work}.", number(2 * c + d), 2 * c + d, work)
    return Ask(text, story_end(rng, times(a, b), a * b, text, roles), number(a * b), a * b, times(a, b))
