"""Whole numbers in digits, in words and as decimals, and the working of a product."""

from __future__ import annotations

import random
from typing import Any

ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def in_words(n: int, joint: str = " and ", hyphen: str = "-") -> str:
    """A whole number below a million in words; "three hundred and forty-two" by default."""
    if n < 0:
        return "minus " + in_words(-n, joint, hyphen)
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10] + (hyphen + ONES[n % 10] if n % 10 else "")
    if n < 1000:
        return ONES[n // 100] + " hundred" + (joint + in_words(n % 100, joint, hyphen) if n % 100 else "")
    rest = n % 1000
    link = joint if 0 < rest < 100 else " "
    return in_words(n // 1000, joint, hyphen) + " thousand" + (link + in_words(rest, joint, hyphen) if rest else "")


def show(n: int) -> str:
    """A number in an answer: plain digits, with commas from 10,000."""
    return f"{n:,}" if n >= 10000 or n <= -10000 else str(n)


def scaled(n: int, places: int = 2) -> str:
    """`n / 10**places` without trailing zeros: scaled(1250) is "12.5"."""
    sign, n = ("-", -n) if n < 0 else ("", n)
    whole, rest = divmod(n, 10**places)
    tail = f"{rest:0{places}d}".rstrip("0") if places else ""
    return f"{sign}{show(whole)}" + (f".{tail}" if tail else "")


def slots(rng: random.Random, **numbers: int) -> dict[str, Any]:
    """Each number twice, as {a} in digits and as {A} perhaps in words, in one style for the whole question."""
    biggest = max(map(abs, numbers.values()))
    said: dict[str, str] = {}
    words = rng.random() < (0.16 if biggest <= 12 else 0.12 if biggest <= 100 else 0.05 if biggest < 10000 else 0)
    commas = biggest >= 1000 and rng.random() < 0.35
    joint = " and " if rng.random() < 0.5 else " "
    hyphen = "-" if rng.random() < 0.6 else " "
    for name, n in numbers.items():
        said[name] = f"{n:,}" if commas else str(n)
        said[name.upper()] = in_words(n, joint, hyphen) if words and abs(n) < 1000000 else said[name]
    return said


def times(a: int, b: int) -> str:
    """An equation for a product, with partial products where it takes more than the tables: "24 x 17 = 240 + 168 = 408"."""
    small, big = sorted((a, b))
    if big <= 12 or small <= 1 or (big % 10 == 0 and big // 10 <= 12 and small <= 12) or small in (10, 100, 1000) or big in (100, 1000):
        return f"{a} x {b} = {show(a * b)}"
    if small <= 9:
        parts = [small * int(digit) * 10**place for place, digit in enumerate(reversed(str(big))) if digit != "0"][::-1]
    elif big > 99:
        parts = [big * (small // 10 * 10), big * (small % 10)] if small % 10 else [a * b]
    else:
        parts = [a * (b // 10 * 10), a * (b % 10)] if b % 10 else [a * b]
    if len(parts) == 1:
        return f"{a} x {b} = {show(a * b)}"
    return f"{a} x {b} = {' + '.join(map(show, parts))} = {show(a * b)}"
