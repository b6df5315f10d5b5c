"""What a number is: even, prime, a power, rounded, its divisors, the next in a row, its words."""

from __future__ import annotations

import math
import random
import re

from ..numbers import in_words, scaled, show, slots, times
from ..questions import NO, YES, Ask, has, never, number, operands
from ..templates import expand
from .sizes import pair, quotient, sized, small_sum, table_quotient
from .wording import BOOK, asked, told


def even(rng: random.Random, split: str) -> Ask:
    (a,), fact = operands(rng, split, "even", lambda: (sized(rng),), lambda a: a <= 20)
    return even_ask(a, expand(rng, BOOK.line(rng, "even.whole", split, fact), a=slots(rng, a=a)["a"]), rng)


def even_ask(a: int, text: str, rng: random.Random, value: int | None = None) -> Ask:
    word = "odd" if a % 2 else "even"
    asks_even = bool(re.search(r"\beven\b|equal whole", text))
    asks_odd = bool(re.search(r"\bodd\b", text))
    truth = f"{show(a)} is {word}"
    last = f"{show(a)} ends in {a % 10}, so it is {word}"
    if asks_even == asks_odd:
        answer = rng.choice((f"{truth}.", f"{last}.", f"{truth}."))
    else:
        lead = "Yes" if (word == "even") == asks_even else "No"
        answer = rng.choice((f"{lead}, {truth}.", f"{lead}, {last}."))
    return Ask(text, answer, has([truth, f"is {word}", f"is an {word} number", f"it's {word}", word.title()]), value, truth,
               again_even if value is None else None)  # fmt: skip


def again_even(rng: random.Random, split: str) -> Ask:
    a = sized(rng, 3)
    return even_ask(a, BOOK.say(rng, "again", x=str(a)), rng)


def divisible(rng: random.Random, split: str) -> Ask:
    (a, b), fact = operands(rng, split, "div?", lambda: (lambda b: (b * rng.randint(2, 15) + (rng.randint(0, b - 1) if rng.random() < 0.5 else 0), b))(rng.randint(2, 12)),
                            lambda a, b: b <= 5 and a <= 30)  # fmt: skip
    q, rest = divmod(a, b)
    text = expand(rng, BOOK.line(rng, "divby.whole", split, fact), **slots(rng, a=a, b=b))
    if rest:
        return Ask(text, rng.choice((f"{b} x {q} = {b * q}, so no, {rest} is left over.", f"No, {a} / {b} = {q} remainder {rest}.")),
                   has(NO), None, f"{a} / {b} = {q} remainder {rest}")  # fmt: skip
    return Ask(text, rng.choice((f"{b} x {q} = {a}, so yes.", f"Yes, {a} = {b} x {q}.")), has(YES), None, f"{a} = {b} x {q}")


def prime(rng: random.Random, split: str) -> Ask:
    (a,), fact = operands(rng, split, "prime", lambda: (rng.randint(1, 100 if rng.random() < 0.8 else 200),), lambda a: a <= 100)
    text = expand(rng, BOOK.line(rng, "prime.whole", split, fact), a=a)
    small = next((d for d in range(2, a) if a % d == 0), None)
    inverted = "divisors other" in text
    if a < 2:
        return Ask(text, "No, 1 is not a prime number; primes begin at 2.", has(["no", "not"]))
    if small is None:
        truth = f"{a} is a prime number"
        return Ask(text, f"No, {truth}." if inverted else rng.choice((f"Yes, {truth}.", f"Yes, {a} is prime.")),
                   has(["is prime", "is a prime"]) if inverted else has(YES), None, truth)  # fmt: skip
    truth = f"{a} = {small} x {a // small}"
    return Ask(text, f"Yes, {truth}." if inverted else rng.choice((f"No, {truth}.", f"{truth}, so no, it is not prime.")),
               has(YES) if inverted else has(NO), None, truth)  # fmt: skip


def power(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.4:
        (a,), fact = operands(rng, split, "x", lambda: (rng.randint(1, 20) if rng.random() < 0.75 else rng.randint(21, 99),), lambda a: a <= 20)
        equation = times(a, a)
        return Ask(asked(rng, split, "square", fact, **slots(rng, a=a)), told(rng, equation, show(a * a), "square"), number(a * a), a * a, equation)
    if chance < 0.52:
        (a,), fact = operands(rng, split, "cube", lambda: (rng.randint(1, 10),), lambda a: True)
        equation = f"{a} x {a} = {a * a}, {a * a} x {a} = {a**3}"
        return Ask(asked(rng, split, "cube", fact, **slots(rng, a=a)), f"{equation}.", number(a**3), a**3, equation)
    if chance < 0.74:
        (a,), fact = operands(rng, split, "root", lambda: (rng.randint(1, 15) if rng.random() < 0.85 else rng.choice((16, 18, 20, 25, 30, 40, 50, 100)),), lambda a: True)
        square = slots(rng, a=a * a)["a"]
        return Ask(expand(rng, BOOK.line(rng, "root.whole", split, fact), a=square),
                   rng.choice((f"{a} x {a} = {show(a * a)}, so it is {a}.", f"The square root of {show(a * a)} is {a}.", f"It's {a}, because {a} x {a} = {show(a * a)}.", f"{a}.")),
                   number(a), a, f"{a} x {a} = {show(a * a)}")  # fmt: skip
    if chance < 0.92:
        base, exponent = rng.choice(POWERS)
        steps = [base**n for n in range(2, exponent + 1)]
        result = base**exponent
        equation = f"{base}^{exponent} = {show(result)}"
        answer = f"{', '.join(map(show, [base, *steps]))}: {equation}." if base != 10 and exponent > 3 else f"{equation}."
        return Ask(expand(rng, BOOK.line(rng, "power.whole", split, f"{base}^{exponent}"), b=base, e=exponent), answer, number(result), None, equation)
    a = rng.randint(2, 7)
    result = 1
    for n in range(2, a + 1):
        result *= n
    equation = f"{' x '.join(str(n) for n in range(1, a + 1))} = {show(result)}"
    return Ask(expand(rng, BOOK.line(rng, "fact.whole", split, f"{a}!"), a=a), f"{equation}.", number(result), None, equation)


POWERS = [(2, n) for n in range(1, 13)] * 2 + [(3, n) for n in range(2, 6)] + [(10, n) for n in range(1, 7)] * 2 + [(5, 2), (5, 3), (4, 3), (4, 4), (6, 3), (5, 4), (7, 3)]


def unknown(rng: random.Random, split: str) -> Ask:
    sign = rng.choice("++-x")
    if sign == "x":
        (a, b), fact = operands(rng, split, "/", lambda: quotient(rng) if rng.random() < 0.3 else (lambda p, q: (p * q, p))(rng.randint(2, 12), rng.randint(2, 12)), table_quotient)
        if b > 12:
            b, a = b % 9 + 2, (b % 9 + 2) * (a // b)
        x, equation = a // b, f"{show(a)} / {b} = {show(a // b)}"
        section = "unknown.mul"
    else:
        (p, q), fact = operands(rng, split, sign, lambda: pair(rng, 3), small_sum)
        x, b, a = p, q, p + q if sign == "+" else p - q
        if sign == "-" and a < 0:
            x, b, a = q, p, q - p
        equation = f"{a} - {b} = {x}" if sign == "+" else f"{a} + {b} = {x}"
        section = "unknown.add" if sign == "+" else "unknown.sub"
    text = expand(rng, BOOK.line(rng, section, split, fact), **slots(rng, a=a, b=b))
    lead = "x = " if re.search(r"\bx\b|\dx\b", text) and "x ?" not in text else ""
    return Ask(text, f"{lead}{equation}.", number(x), x, equation)


def claim(rng: random.Random, split: str) -> Ask:
    sign = rng.choice("+-xx/")
    if sign in "+-":
        (a, b), _ = operands(rng, split, sign, lambda: (lambda p: (max(p), min(p)))(pair(rng, 2)), small_sum)
    elif sign == "x":
        (a, b), _ = (rng.randint(2, 12), rng.randint(2, 12)), ""
    else:
        b, q = rng.randint(2, 10), rng.randint(2, 12)
        a = b * q
    right = a + b if sign == "+" else a - b if sign == "-" else a * b if sign == "x" else a // b
    stated = right if rng.random() < 0.5 else max(0, right + rng.choice((-10, -2, -1, 1, 2, 10, a)))
    typed = {"+": ("+", "plus"), "-": ("-", "minus"), "x": ("x", "times", "*"), "/": ("/", "divided by")}[sign]
    text = BOOK.say(rng, "claim.whole", c=f"{a} {rng.choice(typed)} {b}", s=stated)
    equation = f"{a} {sign} {b} = {right}"
    if stated == right:
        return Ask(text, rng.choice((f"{equation}, so yes.", f"Yes, {equation}.", f"{equation}, so that is correct.")), has(YES, str(right)), None, equation)
    return Ask(text, rng.choice((f"{equation}, so no.", f"No, {equation}.", f"{equation}, so {stated} is wrong.")), has(NO, str(right)), None, equation)


def rounded(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.5:
        unit, names = rng.choice(((10, ("ten", "10")), (10, ("ten", "10")), (100, ("hundred", "100")), (1000, ("thousand", "1000", "1,000"))))
        (a,), _ = operands(rng, split, f"round{unit}", lambda: (rng.randint(unit, unit * rng.choice((10, 20, 100)) if unit < 1000 else 9999),), never)
        result = (a + unit // 2) // unit * unit
        low = a // unit * unit
        answer = f"{a} is between {low} and {low + unit}, closer to {result}." if a % unit not in (0, unit // 2) and rng.random() < 0.5 else f"{a} rounded to the nearest {names[0]} is {result}."
        return Ask(BOOK.say(rng, "round.whole", a=a, w=rng.choice(names)), answer, number(result))
    (a,), _ = operands(rng, split, "round1", lambda: (rng.randint(1, 9999),), never)
    places = rng.choice((1, 2))
    shown = scaled(a, places)
    if places == 2 and rng.random() < 0.4:
        result = (a + 5) // 10
        return Ask(BOOK.say(rng, "round.whole", a=shown, w=rng.choice(("tenth", "tenth", "0.1"))), f"{shown} rounded to one decimal is {scaled(result, 1)}.", number(result / 10))
    result = (a + 10**places // 2) // 10**places
    return Ask(BOOK.say(rng, "round.whole", a=shown, w=rng.choice(("whole number", "integer", "whole", "one"))),
               rng.choice((f"{shown} rounded to the nearest whole number is {result}.", f"{result}.", f"It's {result}.")), number(result))  # fmt: skip


def sequence(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.65:
        step = rng.choice((1, 2, 2, 3, 3, 4, 5, 5, 6, 7, 8, 9, 10, 10, 11, 12, 20, 25, 50, 100))
        (start, step), _ = operands(rng, split, "seq", lambda: (rng.choice((0, step, rng.randint(1, 30), rng.randint(1, 100))), step), lambda a, b: a in (0, b))
        count = rng.choice((3, 4, 4, 5))
        terms = [start + n * step for n in range(count)]
        if rng.random() < 0.2 and start > 0:
            terms = [start + step * (count + 1 - n) for n in range(count)]
            following, why = terms[-1] - step, f"It goes down by {step} each time: {terms[-1]} - {step} = {terms[-1] - step}"
        else:
            following, why = terms[-1] + step, f"It goes up by {step} each time: {terms[-1]} + {step} = {terms[-1] + step}"
    elif chance < 0.85:
        factor = rng.choice((2, 2, 2, 3, 10, 5))
        start = rng.randint(1, 12) if factor == 2 else rng.randint(1, 5)
        terms = [start * factor**n for n in range(4)]
        following, why = terms[-1] * factor, f"Each is {factor} times the one before: {terms[-1]} x {factor} = {show(terms[-1] * factor)}"
    elif chance < 0.93:
        start = rng.randint(1, 6)
        terms = [n * n for n in range(start, start + 4)]
        n = start + 4
        following, why = n * n, f"These are squares: {n} x {n} = {n * n}"
    else:
        terms = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]
        end = rng.randint(5, 10)
        terms = terms[:end]
        following, why = terms[-1] + terms[-2], f"Each is the sum of the two before: {terms[-2]} + {terms[-1]} = {terms[-1] + terms[-2]}"
    text = BOOK.say(rng, "next.whole", lc=", ".join(map(str, terms)))
    return Ask(text, f"{why}." if rng.random() < 0.8 else f"{why.split(': ')[1]}.", number(following), following)


def neighbour(rng: random.Random, split: str) -> Ask:
    step = rng.choice((1, -1))
    (a,), fact = operands(rng, split, "next", lambda: (rng.choice((sized(rng), 10 * rng.randint(1, 100), 10 * rng.randint(1, 100) - 1)),), lambda a: a <= 30)
    text = expand(rng, BOOK.line(rng, "after.whole" if step > 0 else "before.whole", split, fact), **slots(rng, a=a))
    side = "after" if step > 0 else "before"
    return Ask(text, rng.choice((f"{show(a + step)}.", f"{show(a + step)} comes {side} {show(a)}.", f"The number {side} {show(a)} is {show(a + step)}.")), number(a + step), a + step)


def words(rng: random.Random, split: str) -> Ask:
    (a,), fact = operands(rng, split, "words", lambda: (sized(rng),), lambda a: a <= 30)
    if rng.random() < 0.5:
        text = expand(rng, BOOK.line(rng, "spell.whole", split, fact), a=slots(rng, a=a)["a"])
        good = [in_words(a), in_words(a, " ", "-"), in_words(a, " and ", " "), in_words(a, " ", " ")]
        shown = in_words(a)
        return Ask(text, rng.choice((f"{shown[0].upper()}{shown[1:]}.", f"{a} in words is {shown}.", f"{shown}")), has(good))
    said = in_words(a, rng.choice((" and ", " ")), rng.choice(("-", " ")))
    return Ask(expand(rng, BOOK.line(rng, "digits.whole", split, fact), w=said), rng.choice((f"{a}", f"{a}.", f"It's {a}.")), number(a), a)


def divisors(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.65:
        def draw() -> tuple[int, ...]:
            g = rng.randint(1, 12)
            return g * rng.randint(1, 8), g * rng.randint(2, 8)

        largest = chance < 0.35
        (a, b), fact = operands(rng, split, "gcd" if largest else "lcm", draw if largest else (lambda: (rng.randint(2, 15), rng.randint(2, 12))), lambda a, b: a <= 12 and b <= 12)
        g = math.gcd(a, b)
        if largest:
            return Ask(expand(rng, BOOK.line(rng, "gcd.whole", split, fact), a=a, b=b), f"{a} = {g} x {a // g} and {b} = {g} x {b // g}, so it is {g}.", number(g), g)
        least = a * b // g
        return Ask(expand(rng, BOOK.line(rng, "lcm.whole", split, fact), a=a, b=b), f"{least} = {a} x {least // a} = {b} x {least // b}, so it is {least}.", number(least), least)
    a = rng.randint(2, 60) if rng.random() < 0.8 else rng.choice((64, 72, 80, 81, 90, 96, 100))
    if chance < 0.83:
        row = ", ".join(str(d) for d in range(1, a + 1) if a % d == 0)
        return Ask(expand(rng, BOOK.line(rng, "factors.whole", split, f"factors {a}"), a=a), f"{row}.", has([row]))
    rest, primes = a, []
    for d in range(2, a + 1):
        while rest % d == 0:
            primes.append(d)
            rest //= d
    row = " x ".join(map(str, primes))
    answer = f"{a} = {row}." if len(primes) > 1 else f"{a} is a prime number."
    return Ask(expand(rng, BOOK.line(rng, "factorise.whole", split, f"primes {a}"), a=a), answer, has(*[[str(p)] for p in sorted(set(primes))]))


def rough_root(rng: random.Random, split: str) -> Ask:
    (a,), fact = operands(rng, split, "root~", lambda: (rng.randint(2, 120),), lambda a: a <= 10)
    low = int(a**0.5)
    if low * low == a:
        a += 1
    text = expand(rng, BOOK.line(rng, "root.between", split, fact), a=a)
    root = a**0.5
    answer = f"{low} x {low} = {low * low} and {low + 1} x {low + 1} = {(low + 1) ** 2}, so it is between {low} and {low + 1}, about {root:.1f}."
    return Ask(text, answer, has([f"{root:.1f}", f"{root:.2f}", f"{root:.3f}", f"between {low} and {low + 1}", f"{low} and {low + 1}"]))
