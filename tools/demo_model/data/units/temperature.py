"""Celsius, Fahrenheit and kelvin."""

from __future__ import annotations

import random
import re

from ..numbers import scaled
from ..questions import Ask, has, number, operands
from ..templates import expand
from .table import BOOK

CELSIUS = ("Celsius", "Celsius", "°C", "C", "degrees Celsius", "centigrade", "celsius")
FAHRENHEIT = ("Fahrenheit", "Fahrenheit", "°F", "F", "degrees Fahrenheit", "fahrenheit")
KELVIN = ("Kelvin", "K", "kelvin")


def degrees(rng: random.Random, value: str, celsius: bool) -> str:
    if value.startswith("-") and rng.random() < 0.3:
        value = f"minus {value[1:]}"
    return value + rng.choice((" °C", "°C", " degrees Celsius", "C", " C", " degrees centigrade", " Celsius", "° Celsius", " degrees C", " degrees celsius") if celsius
                              else (" °F", "°F", " degrees Fahrenheit", "F", " F", " Fahrenheit", "° Fahrenheit", " degrees F", " degrees fahrenheit"))  # fmt: skip


def temperature(rng: random.Random, split: str, fixed: str = "") -> Ask:
    direction = fixed or rng.choice("CCCFFFK")
    if direction == "C":
        def draw() -> tuple[int, ...]:
            return (5 * rng.randint(-8, 50) if rng.random() < 0.6 else rng.randint(-20, 45) if rng.random() < 0.8 else rng.randint(-40, 250),)

        (c,), fact = operands(rng, split, "C", draw, lambda c: c in (0, 10, 20, 25, 30, 37, 40, 100, -40, 180, 200))
        ninths, part, result = 9 * c, scaled(18 * c, 1), scaled(18 * c + 320, 1)
        said = degrees(rng, str(c), True)
        text = BOOK.say(rng, "again", x=said) if fixed else expand(rng, BOOK.line(rng, "temperature", split, fact), v=said, U=rng.choice(FAHRENHEIT))
        return Ask(_degrees(text), f"{c} x 9 = {ninths}, {ninths} / 5 = {part}, {part} + 32 = {result} °F.", number((18 * c + 320) / 10), None, "", lambda r, s: temperature(r, s, "C"))
    if direction == "F":
        def draw() -> tuple[int, ...]:
            return (32 + 9 * rng.randint(-8, 45) if rng.random() < 0.55 else 5 * rng.randint(-4, 24) if rng.random() < 0.6 else 10 * rng.randint(0, 45) if rng.random() < 0.5 else rng.randint(0, 120),)

        (f,), fact = operands(rng, split, "F", draw, lambda f: f in (32, 50, 68, 77, 86, 100, 212, 0, 70, 350, 400, 104))
        low = f - 32
        said = degrees(rng, str(f), False)
        text = BOOK.say(rng, "again", x=said) if fixed else expand(rng, BOOK.line(rng, "temperature", split, fact), v=said, U=rng.choice(CELSIUS))
        exact = 5 * low % 9 == 0
        tenths = round(50 * low / 9)
        result = scaled(tenths, 1)
        value = 5 * low / 9
        ways = {result, f"{value:.2f}", f"{value:.1f}", f"{value:.0f}"}
        return Ask(_degrees(text), f"{f} - 32 = {low}, {low} x 5 = {5 * low}, {5 * low} / 9 = {result} °C{'' if exact else ', rounded'}.",
                   number(tenths / 10) if exact else has(sorted(ways)), None, "", lambda r, s: temperature(r, s, "F"))  # fmt: skip
    (c,), fact = operands(rng, split, "K", lambda: (rng.choice((0, 10, 20, 25, 27, 30, 37, 50, 100, 200, -10, -20, rng.randint(-50, 150))),), lambda c: c in (0, 20, 25, 100))
    text = expand(rng, BOOK.line(rng, "temperature", split, fact), v=degrees(rng, str(c), True), U=rng.choice(KELVIN))
    result = scaled(100 * c + 27315)
    return Ask(_degrees(text), f"{c} + 273.15 = {result} K.", has([result, str(c + 273)]))


def _degrees(text: str) -> str:
    return text.replace("degrees degrees", "degrees").replace("degrees °", "degrees ").replace("degrees Kelvin", "Kelvin").replace("degrees kelvin", "kelvin")


POINTS = {"freezing": ("Water freezes at 0 °C, which is 32 °F.", ("0", "32", "273.15")), "boiling": ("Water boils at 100 °C, which is 212 °F.", ("100", "212", "373.15")),
          "body": ("Normal body temperature is about 37 °C, which is 98.6 °F.", ("37", "98.6", "310.15")),
          "absolute": ("Absolute zero is -273.15 °C, which is -459.67 °F or 0 K.", ("-273.15", "-459.67", "0"))}  # fmt: skip


def points(rng: random.Random, split: str) -> Ask:
    section = rng.choice(("freezing", "freezing", "boiling", "boiling", "body", "absolute"))
    answer, (celsius, fahrenheit, _) = POINTS[section]
    scale = rng.choice((0, 1))
    text = expand(rng, BOOK.line(rng, section, split, section), U=rng.choice((CELSIUS[0], FAHRENHEIT[0])[scale : scale + 1] * 2 + (CELSIUS[2], FAHRENHEIT[2])[scale : scale + 1]))
    wanted = (celsius, fahrenheit)[scale]
    in_fahrenheit = re.search(r"Fahrenheit|°F", text) is not None
    if (re.search(r"Celsius|°C", text) and rng.random() < 0.5) or (in_fahrenheit and rng.random() < 0.5):
        what = {"freezing": "Water freezes", "boiling": "Water boils", "body": "Normal body temperature is about", "absolute": "Absolute zero is"}[section]
        answer = f"{what} {'at ' if section in ('freezing', 'boiling') else ''}{wanted} {'°F' if scale else '°C'}."
    ways = [wanted] if re.search(r"Fahrenheit|Celsius|°", text) else [celsius, fahrenheit]
    return Ask(_degrees(text), answer, number(float(wanted)) if len(ways) == 1 else has(ways))
