"""Coins, speeds, heights, downloads and dozens."""

from __future__ import annotations

import random

from ..numbers import in_words, scaled, show
from ..people import cast
from ..questions import Ask, has, never, number, operands
from ..templates import expand
from .converting import partial
from .table import BOOK, UNITS

COINS = {"quarters": 25, "dimes": 10, "nickels": 5, "pennies": 1, "half dollars": 50, "20-cent coins": 20, "50-cent coins": 50, "5-cent coins": 5, "10-cent coins": 10}


def cents(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.65:
        (n,), fact = operands(rng, split, "cents", lambda: (100 * rng.randint(1, 20) if rng.random() < 0.35 else 5 * rng.randint(1, 400) if rng.random() < 0.7 else rng.randint(1, 3000),), lambda n: n in (50, 100, 150, 200, 250, 500, 1000))
        exact = f"{n // 100}.{n % 100:02d}" if n % 100 else str(n // 100)
        name, sign = rng.choice((("dollars", "$"), ("dollars", "$"), ("euros", "€"), ("dollars", "$")))
        if chance < 0.33:
            said = rng.choice((f"{sign}{exact}", f"{exact} {name}", f"{sign}{exact}" if n != 100 else f"a {name[:-1]}", f"{sign}{exact}"))
            text = expand(rng, BOOK.line(rng, "cents", split, fact), v=said)
            return Ask(text, rng.choice((f"{exact} x 100 = {n} cents.", f"{sign}{exact} = {n} cents.", f"{n} cents.")), number(n))
        text = expand(rng, BOOK.line(rng, "uncents", split, fact), c=f"{n:,}" if n >= 1000 and rng.random() < 0.3 else n, D=name if rng.random() < 0.8 else name[:-1] + "s")
        return Ask(text, rng.choice((f"{n} / 100 = {exact}, so {sign}{exact}.", f"{n} cents = {sign}{exact}.", f"{n} / 100 = {exact} {name}.")), number(n / 100))
    kind, value = rng.choice(list(COINS.items()))
    if chance < 0.85:
        (n, _v), fact = operands(rng, split, "coin", lambda: (rng.randint(2, 20), value), lambda n, v: n <= 8)
        total = n * value
        exact = f"{total // 100}.{total % 100:02d}" if total % 100 else str(total // 100)
        text = expand(rng, BOOK.line(rng, "coins", split, fact), n=n if rng.random() < 0.8 else in_words(n), k=kind)
        tail = f", which is ${exact}" if total >= 100 else ""
        return Ask(text, f"{n} x {value} = {total} cents{tail}.", has([f"{total} cents", str(total), f"{total}¢", exact] + ([scaled(total)] if total >= 100 else [f"0.{total:02d}"])))
    whole = rng.choice((1, 1, 2, 3, 4, 5, 10))
    text = expand(rng, BOOK.line(rng, "coins.in", split, f"{kind} {whole}"), k=kind, v=rng.choice((f"${whole}", f"{whole} dollar{'s' if whole > 1 else ''}", f"{whole} euro{'s' if whole > 1 else ''}" if "coin" in kind else f"${whole}.00")))
    return Ask(text, f"{100 * whole} / {value} = {100 * whole // value}.", number(100 * whole // value))


KMH = ("km/h", "km/h", "kilometres per hour", "kilometers per hour", "kmh", "kph", "km per hour")
MS = ("m/s", "m/s", "metres per second", "meters per second", "m per second")
MPH = ("mph", "mph", "miles per hour", "mi/h")


def speed(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.3:
        n = 5 * rng.randint(1, 12) if rng.random() < 0.6 else rng.randint(1, 30)
        shown = scaled(36 * n, 1)
        text = expand(rng, BOOK.line(rng, "speed", split, f"ms {n}"), v=f"{n} {rng.choice(MS)}", U=rng.choice(KMH))
        return Ask(text, f"{n} x 3.6 = {shown} km/h.", number(36 * n / 10))
    if chance < 0.55:
        n = rng.randint(1, 20)
        text = expand(rng, BOOK.line(rng, "speed", split, f"kmh {n}"), v=f"{18 * n} {rng.choice(KMH)}", U=rng.choice(MS))
        return Ask(text, f"{18 * n} / 3.6 = {5 * n} m/s.", number(5 * n))
    n = 5 * rng.randint(1, 24)
    if chance < 0.8:
        value = 1609 * n
        text = expand(rng, BOOK.line(rng, "speed", split, f"mph {n}"), v=f"{n} {rng.choice(MPH)}", U=rng.choice(KMH))
        answer = f"{partial(n, 1609)}, so about {round(value / 1000)} km/h."
        exact = 1.609344 * n
    else:
        value = 621 * n
        text = expand(rng, BOOK.line(rng, "speed", split, f"kmh>mph {n}"), v=f"{n} {rng.choice(KMH)}", U=rng.choice(MPH))
        answer = f"{partial(n, 621)}, so about {round(value / 1000)} mph."
        exact = 0.621371 * n
    ways = {scaled(value, 3), str(round(value / 1000)), str(round(exact)), f"{exact:.1f}", f"{exact:.2f}", str(int(exact)), f"{value / 1000:.1f}", f"{value / 1000:.2f}"}
    return Ask(text, answer, has(sorted(ways)))


def height(rng: random.Random, split: str) -> Ask:
    """A height in feet and inches in centimetres."""
    (feet, inches), _ = operands(rng, split, "height", lambda: (rng.randint(4, 6), rng.randint(0, 11)), lambda f, i: (f, i) in ((5, 0), (6, 0)))
    total = 12 * feet + inches
    tail = rng.choice((f"{feet}'{inches}\"", f"{feet} feet {inches} inches", f"{feet} ft {inches} in", f"{feet}'{inches}", f"{feet} foot {inches}", f"{feet}ft {inches}in")) if inches else rng.choice((f"{feet} feet", f"{feet} ft", f"{feet}'"))
    text = BOOK.say(rng, "height", v=tail, U=rng.choice(UNITS["cm"].plural if rng.random() < 0.5 else UNITS["cm"].symbols))
    lead = f"{feet} x 12 = {12 * feet}" + (f", {12 * feet} + {inches} = {total}" if inches else "")
    exact = 2.54 * total
    return Ask(text, f"{lead} inches, {partial(total, 254, 2)} cm.", has([scaled(254 * total), f"{exact:.1f}", f"{exact:.0f}", str(int(exact))]))


def download(rng: random.Random, split: str) -> Ask:
    """How long a download takes, and bits a second in bytes."""
    if rng.random() < 0.4:
        (n,), fact = operands(rng, split, "Mbit", lambda: (rng.choice((8, 10, 16, 20, 24, 25, 40, 50, 80, 100, 200, 250, 400, 500, 800, 1000, 8 * rng.randint(1, 40))),), lambda n: n in (8, 16, 100, 50))
        text = expand(rng, BOOK.line(rng, "mbit", split, fact), n=n)
        return Ask(text, f"{n} / 8 = {scaled(n * 1000 // 8, 3)} MB/s.", number(n / 8))
    (rate, seconds), _ = operands(rng, split, "download", lambda: (rng.choice((1, 2, 4, 5, 10, 20, 25, 50, 100, 200, 500)), rng.choice((2, 4, 5, 8, 10, 20, 25, 30, 40, 50, 60, 100, 12, 3))), never)
    size = rate * seconds
    gigabytes = size >= 1000 and size % 500 == 0
    shown = f"{scaled(size, 3)} GB" if gigabytes else f"{size} MB"
    text = BOOK.say(rng, "download", v=shown if rng.random() < 0.7 else shown.replace(" ", ""), r=rng.choice((f"{rate} MB/s", f"{rate}MB/s", f"{rate} MB per second", f"{rate} megabytes per second")))
    lead = f"{shown} = {show(size)} MB, " if gigabytes else ""
    return Ask(text, f"{lead}{show(size)} / {rate} = {seconds} seconds.", number(seconds))


def dozen(rng: random.Random, split: str) -> Ask:
    name, size = rng.choice((("dozen", 12), ("dozen", 12), ("dozen", 12), ("pair", 2), ("score", 20), ("gross", 144)))
    n = rng.randint(1, 12 if size == 12 else 10) if size < 100 else 1
    half = size == 12 and rng.random() < 0.15
    roles = cast(rng)
    if half:
        return Ask(expand(rng, BOOK.line(rng, "dozen", split, "half"), v="half a dozen", **roles), "12 / 2 = 6.", number(6))
    said = rng.choice((f"{n} {name}", f"{in_words(n)} {name}")) if n > 1 else f"a {name}"
    if name == "pair" and n > 1:
        said += rng.choice(("s", "s"))
    return Ask(expand(rng, BOOK.line(rng, "dozen", split, f"{n} {name}"), v=said, **roles), f"{n} x {size} = {n * size}." if n > 1 else f"A {name} is {size}.", number(n * size))
