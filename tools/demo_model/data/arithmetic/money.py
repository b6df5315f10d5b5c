"""Percentages, prices and rates."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from ..numbers import in_words, scaled, show, slots, times
from ..people import cast
from ..questions import Ask, has, never, number, operands
from ..templates import expand
from .wording import BOOK, asked

Money = Callable[[int], str]


def currency(rng: random.Random) -> Money:
    """A way to write amounts of cents: "$4.50", "4.50 euros", "£4.50" or plain."""
    form = rng.choice(("${}", "${}", "${}", "€{}", "£{}", "{} dollars", "{} euros", "{} pounds", "{}€", "{} EUR", "{} USD", "{}",
                       "₹{}", "{} francs", "{} bucks"))  # fmt: skip

    def write(cents: int) -> str:
        whole, rest = divmod(cents, 100)
        return form.format(f"{show(whole)}.{rest:02d}" if rest else show(whole))

    return write


EASY_PERCENT = (10, 20, 25, 50, 5, 15, 30, 75, 40, 1, 2, 12, 60, 8, 80, 18, 90, 35, 3, 45, 70, 22, 7, 19, 6, 65, 21, 4, 9, 100)


def percent_work(p: int, base: int) -> tuple[str, int]:
    """How to take p % of a whole number, and the result in hundredths."""
    result = p * base
    shown = scaled(result)
    if p == 100:
        return f"100% of {show(base)} is {show(base)}", result
    if p == 50:
        return f"{show(base)} / 2 = {shown}", result
    if p == 25 and base % 4 == 0:
        return f"{show(base)} / 4 = {shown}", result
    if p == 75 and base % 4 == 0:
        return f"{show(base)} / 4 = {base // 4}, 3 x {base // 4} = {shown}", result
    if p == 10:
        return f"10% of {show(base)} is {shown}", result
    tens, ones = p // 10, p % 10
    if not ones:
        return f"10% of {show(base)} is {scaled(10 * base)}, {tens} x {scaled(10 * base)} = {shown}", result
    if p < 10:
        if p == 5:
            return f"10% of {show(base)} is {scaled(10 * base)}, half of that is {shown}", result
        return f"1% of {show(base)} is {scaled(base)}" + (f", {p} x {scaled(base)} = {shown}" if p > 1 else ""), result
    return (f"{10 * tens}% of {show(base)} is {scaled(10 * tens * base)}, {ones}% is {scaled(ones * base)}, "
            f"{scaled(10 * tens * base)} + {scaled(ones * base)} = {shown}"), result  # fmt: skip


def percent_pair(rng: random.Random) -> tuple[int, int]:
    p = rng.choice(EASY_PERCENT[:16]) if rng.random() < 0.75 else rng.choice(EASY_PERCENT)
    chance = rng.random()
    if chance < 0.35:
        base = 10 * rng.randint(1, 20)
    elif chance < 0.55:
        base = 100 * rng.randint(1, 20)
    elif chance < 0.75:
        base = 20 * rng.randint(1, 25)
    elif chance < 0.9:
        base = 4 * rng.randint(1, 50)
    else:
        base = rng.randint(2, 150)
    return p, base


def percent(rng: random.Random, split: str, fixed: tuple[int, int] | None = None) -> Ask:
    def draw() -> tuple[int, ...]:
        p, base = percent_pair(rng)
        return (fixed[0] or p, fixed[1] or base) if fixed else (p, base)

    (p, a), fact = operands(rng, split, "%", draw, lambda p, a: p in (10, 50, 25) and a in (100, 20, 40, 80, 200, 50, 60))
    work, result = percent_work(p, a)
    end = rng.choice(("", f", so {p}% of {show(a)} is {scaled(result)}", f", so the answer is {scaled(result)}")) if "," in work else ""
    value = result // 100 if result % 100 == 0 else None
    if fixed:
        text = BOOK.say(rng, "again", x=f"{p}%" if fixed[1] else f"{p}% of {a}" if rng.random() < 0.3 else f"of {a}")
    else:
        text = asked(rng, split, "pct", fact, **slots(rng, p=p, a=a))
    return Ask(text, f"{work}{end}.", number(result / 100), value, f"{p}% of {show(a)} = {scaled(result)}",
               (lambda r, s: percent(r, s, (0, a) if r.random() < 0.5 else (p, 0))))  # fmt: skip


def discount(rng: random.Random, split: str) -> Ask:
    up = rng.random() < 0.4
    (p, a), fact = operands(rng, split, "+%" if up else "-%", lambda: percent_pair(rng), lambda p, a: p in (10, 50, 25) and a in (100, 20, 40, 80, 200))
    if p == 100:
        p = 50
    _, part = percent_work(p, a)
    result = 100 * a + part if up else 100 * a - part
    money = currency(rng) if rng.random() < 0.8 else (lambda cents: scaled(cents))
    sign = "+" if up else "-"
    equation = f"{p}% of {show(a)} is {scaled(part)}, {show(a)} {sign} {scaled(part)} = {scaled(result)}"
    end = rng.choice(("", f", so you pay {money(result)}" if not up else f", so it is {money(result)}", f", so it's {money(result)}"))
    text = asked(rng, split, "up" if up else "off", fact, p=str(p), m=money(100 * a), **cast(rng))
    return Ask(text, f"{equation}{end}.", number(result / 100), result // 100 if result % 100 == 0 else None, equation)


def what_percent(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        whole = rng.choice((10, 20, 25, 50, 100, 200, 40, 80, 30, 60, 5, 4, 8, 16, 150, 300, 400, 500, 1000, 12, 15, 32))
        steps = [n for n in range(1, whole) if 100 * n % whole == 0]
        return (whole, rng.choice(steps)) if steps else (100, rng.randint(1, 99))

    (a, b), fact = operands(rng, split, "of", draw, lambda a, b: a in (100, 10, 20, 50, 4, 5))
    p = 100 * b // a
    equation = f"{b} / {a} = {scaled(100 * b // a)}, which is {p}%"
    return Ask(expand(rng, BOOK.line(rng, "what.pct", split, fact), **slots(rng, a=a, b=b), **cast(rng)),
               rng.choice((f"{equation}.", f"{equation}.", f"{equation} of {a}.")), number(p), None, equation)  # fmt: skip


def price(rng: random.Random) -> int:
    """An amount of cents as prices are."""
    chance = rng.random()
    if chance < 0.45:
        return 100 * rng.randint(1, 20)
    if chance < 0.85:
        return 100 * rng.randint(0, 12) + rng.choice((50, 50, 25, 75, 20, 80, 40, 60, 30, 10, 90))
    return 100 * rng.randint(1, 15) + rng.choice((99, 95, 49, 45, 15, 35, 55, 65))


def buy_work(q: int, cents: int) -> str:
    whole, rest = divmod(cents, 100)
    if not rest:
        return times(q, whole)
    each = f"{whole}.{rest:02d}"
    total = f"{q * cents // 100}.{q * cents % 100:02d}" if q * cents % 100 else show(q * cents // 100)
    if not whole or q == 1:
        return f"{q} x {each} = {total}"
    tail = f"{q * rest // 100}.{q * rest % 100:02d}" if q * rest % 100 else str(q * rest // 100)
    return f"{q} x {each} = {show(q * whole)} + {tail} = {total}"


def buy(rng: random.Random, split: str) -> Ask:
    (q, cents), fact = operands(rng, split, "buy", lambda: (rng.randint(2, 12) if rng.random() < 0.9 else rng.choice((15, 20, 24, 25, 30)), price(rng)),
                                lambda q, cents: q <= 5 and cents % 100 == 0 and cents <= 1000)  # fmt: skip
    money = currency(rng)
    equation = buy_work(q, cents)
    end = rng.choice(("", f", so {money(q * cents)}", f", so you pay {money(q * cents)}", f", so the total is {money(q * cents)}"))
    said = in_words(q) if rng.random() < 0.25 and q <= 12 else str(q)
    text = expand(rng, BOOK.line(rng, "wp.buy", split, fact), q=said, m=money(cents), **cast(rng))
    return Ask(text, f"{equation}{end}.", number(q * cents / 100), q * cents // 100 if q * cents % 100 == 0 else None, equation)


def change(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        note = rng.choice((5, 10, 20, 20, 50, 100, 200, 2, 15, 30, 40)) * 100
        return note, rng.randint(1, note // 100 - 1) * 100 if rng.random() < 0.5 else min(note - 5, price(rng) % note or 50)

    (note, cost), fact = operands(rng, split, "change", draw, lambda note, cost: cost % 100 == 0 and note <= 2000)
    money = currency(rng)
    left = note - cost

    def plain(cents: int) -> str:
        return f"{cents // 100}.{cents % 100:02d}" if cents % 100 else str(cents // 100)

    equation = f"{plain(note)} - {plain(cost)} = {plain(left)}"
    answer = rng.choice((f"{equation}, so {money(left)}.", f"{equation}.", f"{equation}, so you get {money(left)} back." if left else f"{equation}."))
    text = expand(rng, BOOK.line(rng, "wp.change", split, fact), m=money(note), c=money(cost), **cast(rng))
    return Ask(text, answer, number(left / 100), left // 100 if left % 100 == 0 else None, equation)


def buy_change(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        q, cents = rng.randint(2, 6), price(rng)
        note = next((100 * n for n in (5, 10, 20, 50, 100, 200) if 100 * n >= q * cents), 20000)
        return q, cents, note

    (q, cents, note), _ = operands(rng, split, "buychange", draw, never)
    money = currency(rng)
    left = note - q * cents

    def plain(cents: int) -> str:
        return f"{cents // 100}.{cents % 100:02d}" if cents % 100 else str(cents // 100)

    equation = f"{buy_work(q, cents)}, {plain(note)} - {plain(q * cents)} = {plain(left)}"
    text = BOOK.say(rng, "wp.buychange", q=q, m=money(cents), t=money(note), **cast(rng))
    return Ask(text, f"{equation}{rng.choice(('', f', so {money(left)}'))}.", number(left / 100), None, equation)


def proportion(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        return rng.randint(2, 10), rng.randint(1, 12), rng.randint(1, 12)

    (b, each, c), _ = operands(rng, split, "propor", draw, never)
    if b == c:
        c += 1
    money = currency(rng)
    equation = f"{b * each} / {b} = {each}, {c} x {each} = {c * each}"
    text = BOOK.say(rng, "wp.propor", b=b, c=c, m=money(100 * b * each), **cast(rng))
    return Ask(text, f"{equation}{rng.choice(('', f', so {money(100 * c * each)}'))}.", number(c * each), c * each, equation)


def percent_back(rng: random.Random, split: str) -> Ask:
    (p, a), _ = operands(rng, split, "%back", lambda: (rng.choice((10, 20, 25, 50, 5, 1, 75, 30, 40)), 20 * rng.randint(1, 20)), never)
    part = p * a // 100
    if p * a % 100:
        a, part = 100, p
    share = math.gcd(p, 100)
    work = f"{part} / {p // share} = {part * share // p}, {part * share // p} x {100 // share} = {a}" if p > share else f"{part} x {100 // share} = {a}"
    return Ask(BOOK.say(rng, "percent.back", p=p, b=part), f"{work}.", number(a), a, work)


def ratio(rng: random.Random, split: str) -> Ask:
    (b, c, k), _ = operands(rng, split, "ratio", lambda: (rng.randint(1, 5), rng.randint(1, 6), rng.randint(2, 12)), never)
    whole = (b + c) * k
    answer = f"{b} + {c} = {b + c}, {whole} / {b + c} = {k}, {b} x {k} = {b * k} and {c} x {k} = {c * k}."
    return Ask(BOOK.say(rng, "ratio", a=whole, b=b, c=c), answer, has([str(b * k)], [str(c * k)]))


def exchange(rng: random.Random, split: str) -> Ask:
    coins = (("euro", "euros"), ("dollar", "dollars"), ("pound", "pounds"), ("franc", "francs"), ("crown", "crowns"))
    (x, x2), (_, y) = rng.sample(coins, 2)
    (rate, a), _ = operands(rng, split, "rate", lambda: (rng.choice((11, 12, 15, 8, 9, 20, 25, 5, 30, 13, 100, 70)), rng.choice((5, 10, 20, 30, 40, 50, 100, 200, rng.randint(2, 20)))), never)
    return Ask(BOOK.say(rng, "exchange", x=x, x2=x2, y=y, r=scaled(rate, 1), a=a), f"{a} x {scaled(rate, 1)} = {scaled(rate * a, 1)} {y}.", number(rate * a / 10))
