"""From one unit into another: down, up, by a rounded factor, and amounts of two units."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..numbers import in_words, scaled, show, times
from ..questions import Ask, has, never, number, operands
from ..templates import expand
from .amounts import amount, one, some_amount, spelled, with_article, written
from .table import APPROXIMATE, BOOK, ONE, PAIRS, UNITS, Unit


def down_work(n: int, factor: int, small: Unit) -> str:
    """Working for n thousandths of a big unit in the small one."""
    result = n * factor
    if factor == 1024 and n > ONE and n % ONE == 0:
        work = f"{n // ONE} x 1024 = {show(n)} + {show(n // ONE * 24)} = {show(n // ONE * 1024)}"
    elif n % ONE == 0 and factor not in (10, 100, 1000, 10000, 100000):
        work = times(n // ONE, factor)
    else:
        work = f"{scaled(n, 3)} x {factor} = {scaled(result, 3)}"
        if factor in (60, 24, 12, 7) and n % ONE and n > ONE:
            whole, rest = n // ONE, n % ONE
            work = f"{whole} x {factor} = {whole * factor}, {scaled(rest, 3)} x {factor} = {scaled(rest * factor, 3)}, together {scaled(result, 3)}"
    return f"{work} {one(small) if result == ONE else small.short}"


def convert_down(rng: random.Random, split: str, fixed: tuple[Unit, Unit, int] | None = None) -> Ask:
    big, small, factor = fixed or rng.choice(PAIRS)

    def draw() -> tuple[int, ...]:
        n = some_amount(rng)
        if factor not in (10, 100, 1000, 10000, 100000):  # halves of what has sixty parts, whole ones otherwise
            n = n if factor in (60, 24) and n % 500 == 0 else (n // ONE or 1) * ONE
            if factor > 100:
                n = min(n, 12000 if factor < 80000 else 3000) if factor != 1024 else ONE * rng.choice((1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 32, 64))
        return (n,)

    sign = f"{big.short}>{small.short}"
    (n,), fact = operands(rng, split, sign, draw, lambda n: n in (ONE, 500, 1500, 2000, 2500, 3000, 5000, 10000))
    result = n * factor
    if fixed:
        text = BOOK.say(rng, "again", x=amount(rng, n, big))
    elif n == ONE and rng.random() < 0.7:
        text = expand(rng, BOOK.line(rng, "define", split, sign), U=spelled(rng, small), u=big.name, au=with_article(rng, big))
    else:
        text = expand(rng, BOOK.line(rng, "convert", split, fact), v=amount(rng, n, big), U=spelled(rng, small))
    relation = f"1 {one(big)} = {show(factor)} {small.short}"
    target = written(result, small)
    if n == ONE:
        answer = rng.choice((f"{relation}.", f"{relation}.", f"{target}.", f"{with_article(random.Random(1), big).capitalize()} has {target}."))
        if small.short in ("bytes", "KB", "MB", "GB") and factor == 1000 and rng.random() < 0.4:
            binary = {"bytes": "KiB has 1024 bytes", "KB": "MiB has 1024 KiB", "MB": "GiB has 1024 MiB", "GB": "TiB has 1024 GiB"}[small.short]
            answer = f"{relation}; a {binary}."
    else:
        work = down_work(n, factor, small)
        answer = rng.choice((f"{work}.", f"{work}.", f"{relation}, so {written(n, big)} = {target}." if factor in (10, 100, 1000) else f"{work}.",
                             f"{written(n, big)} = {target}." if factor in (10, 100, 1000) else f"{relation}: {work}."))  # fmt: skip
    return Measured(text, answer, number(result / ONE), n=result, unit=small, again=lambda r, s: convert_down(r, s, (big, small, factor)))


@dataclass
class Measured(Ask):
    """An ask whose result is n thousandths of a unit."""

    n: int = 0
    unit: Unit | None = None


def up_answer(rng: random.Random, n: int, big: Unit, small: Unit, factor: int) -> tuple[str, list[str]]:
    """How n (whole) small units are told in big ones, and what a check takes."""
    whole, rest = divmod(n, factor)
    if n * ONE % factor == 0:
        result = n * ONE // factor
        shown = scaled(result, 3)
        equation = f"{show(n)} / {show(factor)} = {shown} {one(big) if result == ONE else big.short}"
        ways = [shown]
        if rest and whole and factor in (60, 24, 12, 7, 16, 3):
            equation += f" ({whole} {one(big) if whole == 1 else big.short} {rest} {small.short})"
        if result % ONE == 500:
            ways += [f"{whole} 1/2", f"{whole} and a half", f"{in_words(whole)} and a half", "half"] if whole else ["1/2", "half"]
        if rest:
            ways += [f"{whole} {form} {link}{rest}" for form in (*big.singular, *big.plural, *big.symbols) for link in ("", "and ")]
        return f"{equation}.", ways
    parts = f"{whole} {one(big) if whole == 1 else big.short}"
    return (
        f"{whole} x {factor} = {show(whole * factor)}, {show(n)} - {show(whole * factor)} = {rest}, so {parts} {rest} {one(small) if rest == 1 else small.short}.",
        [f"{whole} {form} {link}{rest}" for form in (*big.singular, *big.plural, *big.symbols) for link in ("", "and ")]
        + [f"{n / factor:.{places}f}" for places in (1, 2, 3)],
    )


def convert_up(rng: random.Random, split: str, fixed: tuple[Unit, Unit, int] | None = None) -> Ask:
    big, small, factor = fixed or rng.choice(PAIRS)

    def draw() -> tuple[int, ...]:
        chance = rng.random()
        if factor in (10, 100, 1000):
            n = factor * rng.randint(1, 12) if chance < 0.35 else factor // 2 * rng.randint(1, 20) if chance < 0.55 else max(1, factor // 10) * rng.randint(1, 99)
            return (n if chance < 0.85 else rng.randint(1, 9 * factor),)
        if factor > 400:
            return (factor * (rng.choice((1, 2, 3, 4, 5, 6, 8, 10, 16, 32)) if factor == 1024 else rng.randint(1, 10)),)
        if chance < 0.6 or factor in (365, 52, 168, 36, 14, 8):
            return (factor * rng.randint(1, 12),)
        if factor in (60, 24, 12) and chance < 0.8:
            return (factor // 2 * rng.randint(1, 12),)
        return (rng.randint(factor + 1, factor * 8),)

    sign = f"{small.short}>{big.short}"
    (n,), fact = operands(rng, split, sign, draw, lambda n: n in (factor, 2 * factor, 3 * factor, 5 * factor, 10 * factor) or 2 * n in (factor, 3 * factor, 5 * factor))
    said = amount(rng, n * ONE, small)
    text = BOOK.say(rng, "again", x=said) if fixed else expand(rng, BOOK.line(rng, "convert", split, fact), v=said, U=spelled(rng, big))
    answer, ways = up_answer(rng, n, big, small, factor)
    exact = n * ONE % factor == 0
    if exact and rng.random() < 0.25:
        answer = f"{show(factor)} {small.short} = 1 {one(big)}, so {answer}"
    return Measured(text, answer, number(n / factor) if exact and len(ways) == 1 else has(ways), n=n * ONE // factor if exact else 0, unit=big if exact else None,
                    again=lambda r, s: convert_up(r, s, (big, small, factor)))  # fmt: skip


def partial(n: int, factor: int, places: int = 3) -> str:
    """n times a factor in thousandths, by the factor's digits: "75 x 1.609 = 75 + 45 + 0.675 = 120.675"."""
    parts = [n * int(digit) * 10**place for place, digit in enumerate(reversed(str(factor))) if digit != "0"][::-1]
    steps = f" = {' + '.join(scaled(part, places) for part in parts)}" if len(parts) > 1 and n not in (1, 10, 100, 1000) else ""
    return f"{n} x {scaled(factor, places)}{steps} = {scaled(n * factor, places)}"


def approximate(rng: random.Random, split: str, fixed: tuple[Unit, Unit, int, float] | None = None) -> Ask:
    unit, other, factor, precise = fixed or rng.choice(APPROXIMATE)
    n = rng.choice((1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 10, 11, 12, 15, 20, 20, 25, 30, 40, 50, 60, 70, 80, 100, 100, 120, 150, 200, 500)) if rng.random() < 0.75 else rng.randint(2, 120)
    if unit.short in ("cups", "tablespoons", "teaspoons"):
        n = rng.randint(1, 10)
    result = n * factor
    sign = f"{n} {unit.short}>{other.short}"
    if fixed:
        text = BOOK.say(rng, "again", x=amount(rng, n * ONE, unit))
    elif n == 1 and rng.random() < 0.6:
        text = expand(rng, BOOK.line(rng, "define", split, sign), U=spelled(rng, other), u=unit.name, au=with_article(rng, unit))
    else:
        text = expand(rng, BOOK.line(rng, "convert", split, sign), v=amount(rng, n * ONE, unit), U=spelled(rng, other))
    exact = abs(factor / ONE - precise) < 1e-9
    shown = scaled(result, 3)
    product = f"{partial(n, factor)} {other.short}"
    if n == 1:
        answer = f"1 {one(unit)} is {'' if exact else 'about '}{shown} {other.short}."
    else:
        answer = f"{product}{'' if exact else ', roughly'}." if rng.random() < 0.75 else f"1 {one(unit)} is {'' if exact else 'about '}{scaled(factor, 3)} {other.short}: {product}."
    ways = {shown}
    for value in (result / ONE, n * precise, n * round(precise, 1), n * round(precise, 2)):
        for places in (0, 1, 2, 3):
            ways |= {f"{value:.{places}f}", f"{value:.{places}f}".rstrip("0").rstrip(".") if places else f"{value:.0f}"}
    return Ask(text, answer, number(result / ONE) if exact else has(sorted(ways)), None, "", lambda r, s: approximate(r, s, (unit, other, factor, precise)))


def define_back(rng: random.Random, split: str) -> Ask:
    big, small, factor = rng.choice(PAIRS)
    if factor > 10000:
        big, small, factor = UNITS["km"], UNITS["m"], 1000
    text = expand(rng, BOOK.line(rng, "define.back", split, f"{big.short} {small.short}"), au=with_article(rng, big), **{"as": with_article(rng, small), "s": small.name})
    ways = [f"1/{factor}", f"1/{factor:,}"] + ([scaled(10**6 // factor, 6)] if 10**6 % factor == 0 else [])
    return Ask(text, f"1 {one(small)} is 1/{factor} of a {one(big)}." if one(big)[0] not in "aeiou" and one(big) != "hour" else f"1 {one(small)} is 1/{factor} of an {one(big)}.", has(ways))


MIXES = [(UNITS[a], UNITS[b], factor) for a, b, factor in (
    ("hours", "minutes", 60), ("hours", "minutes", 60), ("minutes", "seconds", 60), ("feet", "inches", 12), ("feet", "inches", 12),
    ("days", "hours", 24), ("weeks", "days", 7), ("kg", "g", 1000), ("km", "m", 1000), ("m", "cm", 100), ("l", "ml", 1000),
    ("years", "months", 12), ("pounds", "ounces", 16),
)]  # fmt: skip


def mixed(rng: random.Random, split: str) -> Ask:
    """ "1 h 20 min in minutes", or back."""
    big, small, factor = rng.choice(MIXES)

    def draw() -> tuple[int, ...]:
        low = rng.randint(1, factor - 1)
        if factor >= 100:
            low = 5 * rng.randint(1, 19) if factor == 100 else 50 * rng.randint(1, 19)
        elif factor == 60 and rng.random() < 0.6:
            low = 5 * rng.randint(1, 11)
        return rng.randint(1, 8 if factor != 12 else 6), low

    (a, b), _ = operands(rng, split, f"{big.short}+{small.short}", draw, never)
    total = a * factor + b
    if rng.random() < 0.55:
        first, second = f"{a} {rng.choice(big.plural if a > 1 else big.singular)}", f"{b} {rng.choice(small.plural if b > 1 else small.singular)}"
        if big.symbols and small.symbols and rng.random() < 0.5:
            gap = rng.choice(("", " "))
            first, second = f"{a}{gap}{rng.choice(big.symbols)}", f"{b}{gap}{rng.choice(small.symbols)}"
        if big.short == "feet" and rng.random() < 0.25:
            first, second = f"{a}'", f'{b}"'
        said = first + (second if "'" in first else rng.choice((" ", " ", " and ")) + second)
        text = BOOK.say(rng, "mixed", v=said, U=spelled(rng, small))
        return Measured(text, f"{a} x {factor} = {show(a * factor)}, {show(a * factor)} + {b} = {show(total)} {small.short}.", number(total), n=total * ONE, unit=small)
    text = BOOK.say(rng, "unmix", v=amount(rng, total * ONE, small), U=rng.choice(big.plural), W=rng.choice(small.plural))
    answer = f"{a} x {factor} = {show(a * factor)}, {show(total)} - {show(a * factor)} = {b}, so {a} {one(big) if a == 1 else big.short} {b} {one(small) if b == 1 else small.short}."
    return Ask(text, answer, has([f"{a} {form}" for form in (*big.singular, *big.plural, *big.symbols, big.short)] + [f"{a}{form}" for form in big.symbols],
                                 [f"{b} {form}" for form in (*small.singular, *small.plural, *small.symbols, small.short)] + [f"{b}{form}" for form in small.symbols]))  # fmt: skip
