"""The four operations on whole numbers and decimals, doubles, halves and parts."""

from __future__ import annotations

import random
from collections.abc import Callable

from ..numbers import scaled, show, slots, times
from ..questions import Ask, has, never, number, operands
from ..templates import expand
from .sizes import factors, pair, quotient, sized, small_sum, table, table_quotient
from .wording import BOOK, asked, over, told


def add(rng: random.Random, split: str) -> Ask:
    (a, b), fact = operands(rng, split, "+", lambda: pair(rng), small_sum)
    equation = f"{show(a)} + {show(b)} = {show(a + b)}"
    return Ask(asked(rng, split, "sum", fact, **slots(rng, a=a, b=b)), told(rng, equation, show(a + b), "sum"),
               number(a + b), a + b, equation, lambda r, s: again_sum(r, s, a))  # fmt: skip


def again_sum(rng: random.Random, split: str, a: int) -> Ask:
    (a, b), _ = operands(rng, split, "+", lambda: (a, sized(rng, 3)), small_sum)
    said = slots(rng, a=a, b=b)
    text = rng.choice((f"{said['a']} + {said['b']}", f"{said['A']} plus {said['B']}"))
    equation = f"{show(a)} + {show(b)} = {show(a + b)}"
    return Ask(BOOK.say(rng, "again", x=text), f"{equation}.", number(a + b), a + b, equation)


def subtract(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        a, b = pair(rng)
        return (a, b) if a >= b or (rng.random() < 0.12 and b <= 100) else (b, a)

    (a, b), fact = operands(rng, split, "-", draw, small_sum)
    kind = "dif"
    equation = f"{show(a)} - {show(b)} = {show(a - b)}"
    return Ask(asked(rng, split, kind, fact, 0.55 if a >= b else 0, **slots(rng, a=a, b=b)) if a >= b else
               expand(rng, BOOK.line(rng, "frame"), x=rng.choice(("{} - {}", "{}-{}", "{} minus {}")).format(a, b)),
               told(rng, equation, show(a - b), "difference" if a >= b else "result"), number(a - b), a - b, equation)  # fmt: skip


def multiply(rng: random.Random, split: str) -> Ask:
    (a, b), fact = operands(rng, split, "x", lambda: factors(rng), table)
    equation = times(a, b)
    return Ask(asked(rng, split, "mul", fact, **slots(rng, a=a, b=b)), told(rng, equation, show(a * b), "product"),
               number(a * b), a * b, equation, lambda r, s: again_product(r, s, a))  # fmt: skip


def again_product(rng: random.Random, split: str, a: int) -> Ask:
    (a, b), _ = operands(rng, split, "x", lambda: (a, rng.randint(2, 12) if a < 1000 else rng.choice((2, 10))), table)
    said = slots(rng, a=a, b=b)
    text = rng.choice((f"{said['a']} x {said['b']}", f"{said['A']} times {said['B']}", f"{said['a']} * {said['b']}"))
    return Ask(BOOK.say(rng, "again", x=text), f"{times(a, b)}.", number(a * b), a * b, times(a, b))


def divide(rng: random.Random, split: str) -> Ask:
    (a, b), fact = operands(rng, split, "/", lambda: quotient(rng), table_quotient)
    equation = over(a, b)
    return Ask(asked(rng, split, "div", fact, **slots(rng, a=a, b=b)), told(rng, equation, show(a // b)),
               number(a // b), a // b, equation)  # fmt: skip


def remainder(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        b = rng.randint(2, 12)
        return b * rng.randint(1, 12 if rng.random() < 0.8 else 30) + rng.randint(1, b - 1), b

    (a, b), fact = operands(rng, split, "/", draw, lambda a, b: a <= 50 and b <= 6)
    q, rest = divmod(a, b)
    equation = f"{a} / {b} = {q} remainder {rest}"
    answer = rng.choice((f"{equation}.", f"{equation}, because {b} x {q} = {b * q} and {a} - {b * q} = {rest}.",
                         f"{b} x {q} = {b * q}, so {equation}."))  # fmt: skip
    if 1000 % b == 0 and rng.random() < 0.7:
        answer = f"{answer[:-1]}. As a decimal it is {scaled(a * 1000 // b, 3)}."
    return Ask(asked(rng, split, "rem", fact, **slots(rng, a=a, b=b)), answer,
               has([str(q), scaled(a * 1000 // b, 3)], [str(rest), scaled(a * 1000 // b, 3)]), None, equation)  # fmt: skip


def decimals(rng: random.Random, split: str) -> Ask:
    """Sums and differences of decimals, and a decimal times a digit."""
    places = 1 if rng.random() < 0.6 else 2
    unit = 10**places
    a, b = (rng.randint(1, rng.choice((10, 20, 100)) * unit) for _ in range(2))
    if rng.random() < 0.3:
        b = (b // unit + 1) * unit
    sign = rng.choice("+-+-x/")
    if sign == "/":
        return decimal_quotient(rng, split, places)
    if sign == "-" and a < b:
        a, b = b, a
    if sign == "x":
        b = rng.randint(2, 9) * unit
    (a, b), _ = operands(rng, split, f"{sign}{places}", lambda: (max(1, a + rng.randint(-9, 9) if sign != "-" else a + rng.randint(0, 9)), b), never)
    result = a * b // unit if sign == "x" else a + b if sign == "+" else a - b
    kind = {"+": "sum", "-": "dif", "x": "mul"}[sign]
    x, y = scaled(a, places), scaled(b, places)
    equation = f"{x} {sign} {y} = {scaled(result, places)}"
    if sign == "x" and a % unit and a > unit:
        equation = f"{x} x {y} = {scaled(a // unit * b, places)} + {scaled(a % unit * b // unit, places)} = {scaled(result, places)}"
    return Ask(asked(rng, split, kind, "", 0.15, a=x, b=y, A=x, B=y), f"{equation}.", number(result / unit), None, equation)


def decimal_quotient(rng: random.Random, split: str, places: int) -> Ask:
    if rng.random() < 0.25:  # by powers of ten, both ways
        (a, power), _ = operands(rng, split, "shift", lambda: (rng.randint(1, 9999), rng.choice((10, 100, 1000))), never)
        if rng.random() < 0.5:
            text, equation, value = "mul", f"{scaled(a)} x {power} = {scaled(a * power)}", a * power / 100
        else:
            text, equation, value = "div", f"{scaled(a)} / {power} = {scaled(a * 1000 // power, 5)}", a / 100 / power
        said = asked(rng, split, text, "", 0.1, a=scaled(a), A=scaled(a), b=str(power), B=str(power))
        return Ask(said, f"{equation}.", number(round(value, 6)), None, equation)
    (q, b), _ = operands(rng, split, f"/{places}", lambda: (rng.randint(1, 30 * 10**places), rng.randint(2, 9)), never)
    x, result = scaled(q * b, places), scaled(q, places)
    equation = f"{x} / {b} = {result}"
    return Ask(asked(rng, split, "div", "", 0.1, a=x, A=x, b=str(b), B=str(b)), f"{equation}.", number(q / 10**places), None, equation)


def negative(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        return rng.randint(-20, 20) if rng.random() < 0.8 else -rng.randint(20, 99), rng.randint(1, 20)

    sign = rng.choice("+-x+-")
    (a, b), _ = operands(rng, split, f"neg{sign}", lambda: (-abs(draw()[0]) or -1, draw()[1]), lambda a, b: a >= -10 and b <= 10)
    result = a + b if sign == "+" else a - b if sign == "-" else a * b
    if sign == "x" and b > 10 and a < -12:
        b = b % 10 or 2
        result = a * b
    word = {"+": "plus", "-": "minus", "x": "times"}[sign]
    typed = {"+": "+", "-": "-", "x": rng.choice("x*")}[sign]
    text = rng.choice((f"{a} {typed} {b}", f"{a}{typed}{b}", f"minus {-a} {word} {b}", f"negative {-a} {word} {b}", f"{a} {word} {b}"))
    equation = f"{a} {sign} {b} = {result}"
    return Ask(expand(rng, BOOK.line(rng, "frame"), x=text), f"{equation}.", number(result), None, equation)


def double(rng: random.Random, split: str) -> Ask:
    by = 2 if rng.random() < 0.75 else 3
    (a,), fact = operands(rng, split, f"{by}x", lambda: (sized(rng, 3),), lambda a: a <= 25)
    equation = times(by, a) if by == 3 else f"2 x {a} = {2 * a}"
    noun = "double" if by == 2 else "triple"
    answer = rng.choice((f"{equation}.", f"{equation}.", f"{'Double' if by == 2 else 'Three times'} {a} is {by * a}.", f"{by * a}."))
    if by == 3:
        answer = f"{equation}."
    return Ask(asked(rng, split, noun, fact, **slots(rng, a=a)), answer, number(by * a), by * a, equation,
               lambda r, s: again_one(r, s, "2x" if by == 2 else "3x", lambda n: n * by))  # fmt: skip


def half(rng: random.Random, split: str) -> Ask:
    (a,), fact = operands(rng, split, "half", lambda: (2 * sized(rng, 3) if rng.random() < 0.85 else rng.randint(1, 99),), lambda a: a <= 50)
    result = scaled(a * 5, 1)
    equation = f"{show(a)} / 2 = {result}"
    answer = rng.choice((f"{equation}.", f"{equation}.", f"Half of {show(a)} is {result}.", f"{result}."))
    return Ask(asked(rng, split, "half", fact, **slots(rng, a=a)), answer, number(a / 2), a // 2 if a % 2 == 0 else None, equation,
               lambda r, s: again_one(r, s, "half", lambda n: n / 2))  # fmt: skip


def again_one(rng: random.Random, split: str, sign: str, result: Callable[[int], float]) -> Ask:
    (a,), _ = operands(rng, split, sign, lambda: (sized(rng, 2) * 2,), lambda a: a <= 50)
    value = scaled(round(result(a) * 10), 1)
    equation = {"2x": f"2 x {a} = {value}", "3x": f"3 x {a} = {value}", "half": f"{a} / 2 = {value}"}[sign]
    return Ask(BOOK.say(rng, "again", x=slots(rng, a=a)["A"]), f"{equation}.", number(result(a)), None, equation)


PARTS = {
    (1, 2): "half; one half; a half; 1/2", (1, 3): "a third; one third; 1/3", (2, 3): "two thirds; 2/3",
    (1, 4): "a quarter; one quarter; one fourth; 1/4", (3, 4): "three quarters; three fourths; 3/4", (1, 5): "a fifth; one fifth; 1/5",
    (2, 5): "two fifths; 2/5", (3, 5): "three fifths; 3/5", (4, 5): "four fifths; 4/5", (1, 6): "a sixth; one sixth; 1/6",
    (5, 6): "five sixths; 5/6", (1, 8): "an eighth; one eighth; 1/8", (3, 8): "three eighths; 3/8", (1, 10): "a tenth; one tenth; 1/10",
    (3, 10): "three tenths; 3/10", (7, 10): "seven tenths; 7/10", (1, 7): "a seventh; one seventh; 1/7", (1, 9): "a ninth; one ninth; 1/9",
}  # fmt: skip
PART_NAMES = {part: names.split("; ") for part, names in PARTS.items()}


def part_of(rng: random.Random, split: str) -> Ask:
    top, bottom = rng.choice(list(PARTS))
    (a,), fact = operands(rng, split, f"{top}/{bottom}", lambda: (bottom * rng.randint(1, 30),), lambda a: a <= 60)
    one, result = a // bottom, a // bottom * top
    equation = f"{a} / {bottom} = {one}" + (f", {top} x {one} = {result}" if top > 1 else "")
    name = rng.choice(PART_NAMES[top, bottom])
    answer = rng.choice((f"{equation}.", f"{equation}.", f"{equation}, so {name} of {a} is {result}."))
    return Ask(asked(rng, split, "part", fact, p=name, **slots(rng, a=a)), answer, number(result), result, equation)
