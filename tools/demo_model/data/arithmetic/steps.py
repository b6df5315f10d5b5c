"""Calculations of two steps, and two calculations in one question."""

from __future__ import annotations

import random
import re

from ..numbers import show, slots, times
from ..questions import Ask, has, never, number, operands
from ..templates import expand
from .sizes import pair, sized, small_sum, table
from .wording import BOOK


def two_steps(rng: random.Random, split: str, form: str) -> tuple[dict[str, int], str, int, str]:
    """Numbers for a two-step calculation of this form, its working, its result, and the whole expression."""

    def draw() -> tuple[int, ...]:
        if form in ("addsub", "subsub"):
            a, b, c = (sized(rng, 2) for _ in range(3))
            if rng.random() < 0.2:
                a = sized(rng, 3)
            if form == "subsub":
                a += b + c
            elif a + b <= c:
                c = rng.randint(1, a + b)
            return a, b, c
        if form in ("addmul", "submul"):
            a, b, c = rng.randint(1, 12), rng.randint(1, 12), rng.randint(2, 10)
            if rng.random() < 0.25:
                a += rng.randint(5, 40)
            if form == "submul" and a <= b:
                a += b
            return a, b, c
        if form in ("divadd", "divmul"):
            b, q = rng.randint(2, 10), rng.randint(2, 12)
            return b * q, b, rng.randint(2, 12 if form == "divmul" else 20)
        a, b = rng.randint(2, 12), rng.randint(2, 12)
        if rng.random() < 0.2:
            a = rng.randint(11, 40)
        return a, b, rng.randint(1, min(a * b, 30 if rng.random() < 0.7 else 99)) if form == "mulsub" else rng.randint(1, 30)

    (a, b, c), _ = operands(rng, split, form, draw, never)
    if form == "addsub":
        return {"a": a, "b": b, "c": c}, f"{a} + {b} = {a + b}, {a + b} - {c} = {a + b - c}", a + b - c, f"{a} + {b} - {c}"
    if form == "subsub":
        return {"a": a, "b": b, "c": c}, f"{a} - {b} = {a - b}, {a - b} - {c} = {a - b - c}", a - b - c, f"{a} - {b} - {c}"
    if form == "addmul":
        return {"a": a, "b": b, "c": c}, f"{a} + {b} = {a + b}, {times(a + b, c)}", (a + b) * c, f"({a} + {b}) x {c}"
    if form == "submul":
        return {"a": a, "b": b, "c": c}, f"{a} - {b} = {a - b}, {times(a - b, c)}", (a - b) * c, f"({a} - {b}) x {c}"
    if form == "divadd":
        return {"a": a, "b": b, "c": c}, f"{a} / {b} = {a // b}, {a // b} + {c} = {a // b + c}", a // b + c, f"{a} / {b} + {c}"
    if form == "divmul":
        return {"a": a, "b": b, "c": c}, f"{a} / {b} = {a // b}, {times(a // b, c)}", a // b * c, f"{a} / {b} x {c}"
    if form == "muladd":
        return {"a": a, "b": b, "c": c}, f"{times(a, b)}, {a * b} + {c} = {a * b + c}", a * b + c, f"{a} x {b} + {c}"
    return {"a": a, "b": b, "c": c}, f"{times(a, b)}, {a * b} - {c} = {a * b - c}", a * b - c, f"{a} x {b} - {c}"


TWO_FORMS = ("mulsub", "muladd", "muladd", "addmul", "submul", "addsub", "subsub", "divadd", "divmul")


def two_step(rng: random.Random, split: str) -> Ask:
    form = rng.choice(TWO_FORMS)
    numbers, work, result, expression = two_steps(rng, split, form)
    said = slots(rng, **numbers)
    if rng.random() < 0.45:
        text = expression
        if form == "muladd" and rng.random() < 0.5:  # the product second: precedence
            text = f"{numbers['c']} + {numbers['a']} x {numbers['b']}"
        text = text.replace(" x ", rng.choice((" x ", " * ", "*", " * ", " × ")))
        if rng.random() < 0.3:
            text = text.replace(" ", "")
    else:
        text = BOOK.say(rng, f"two.{form}", **said)
    imperative = re.match(r"(multiply|take|divide|add|subtract|start|from)\b", text) is not None
    if not imperative and (rng.random() < 0.85 or "," in text):
        text = expand(rng, BOOK.line(rng, "frame"), x=text)
    answer = rng.choice((f"{work}.", f"{work}.", f"{work}, so the result is {show(result)}."))
    return Ask(text, answer, number(result), result, work)


def small_calculation(rng: random.Random, split: str) -> tuple[str, str, int]:
    """A sum, difference or product of small numbers: how it is asked, its equation and its result."""
    sign = rng.choice("+-x")
    if sign == "x":
        (a, b), _ = operands(rng, split, "x", lambda: (rng.randint(2, 15), rng.randint(2, 9)), table)
        return f"{a}{rng.choice((' x ', '*', ' times ', ' * '))}{b}", times(a, b), a * b
    (a, b), _ = operands(rng, split, sign, lambda: (lambda p: (max(p), min(p)))(pair(rng, 2)), small_sum)
    if sign == "+":
        return f"{a}{rng.choice((' + ', '+', ' plus '))}{b}", f"{a} + {b} = {a + b}", a + b
    return f"{a}{rng.choice((' - ', '-', ' minus '))}{b}", f"{a} - {b} = {a - b}", a - b


def both(rng: random.Random, split: str) -> Ask:
    """Two small calculations in one question."""
    (x, first, p), (y, second, q) = small_calculation(rng, split), small_calculation(rng, split)
    text = BOOK.say(rng, "both", x=x, y=y)
    return Ask(text, rng.choice((f"{first} and {second}.", f"{first}, {second}.")), has([show(p)], [show(q)]))


def precedence(rng: random.Random, split: str) -> Ask:
    form = rng.choice(("submulr", "adddivr", "mulmuladd", "mulmulsub"))
    if form == "adddivr":
        (a, b, c), _ = operands(rng, split, form, lambda: (lambda b, q: (b * q, b, rng.randint(1, 50)))(rng.randint(2, 10), rng.randint(2, 12)), never)
        text = BOOK.say(rng, f"two.{form}", **slots(rng, a=a, b=b, c=c))
        work, result = f"{a} / {b} = {a // b}, {c} + {a // b} = {c + a // b}", c + a // b
    elif form == "submulr":
        (a, b, c), _ = operands(rng, split, form, lambda: (lambda a, b: (a, b, a * b + rng.randint(0, 60)))(rng.randint(2, 10), rng.randint(2, 10)), never)
        text = BOOK.say(rng, f"two.{form}", **slots(rng, a=a, b=b, c=c))
        work, result = f"{a} x {b} = {a * b}, {c} - {a * b} = {c - a * b}", c - a * b
    else:
        (a, b, c, d), _ = operands(rng, split, form, lambda: tuple(rng.randint(2, 12) for _ in range(4)), never)
        if form == "mulmulsub" and a * b < c * d:
            a, b, c, d = c, d, a, b
        text = BOOK.say(rng, f"two.{form}", **slots(rng, a=a, b=b, c=c, d=d))
        sign, result = ("+", a * b + c * d) if form == "mulmuladd" else ("-", a * b - c * d)
        work = f"{a} x {b} = {a * b}, {c} x {d} = {c * d}, {a * b} {sign} {c * d} = {result}"
    if not text.startswith(("subtract", "from", "take", "add")) and rng.random() < 0.8:
        text = expand(rng, BOOK.line(rng, "frame"), x=text)
    return Ask(text, f"{work}.", number(result), result, work)
