"""Calculations asked in signs and in words, and their results."""

from __future__ import annotations

import json
import random
from math import sqrt

from .. import lexicons, schemas
from ..schemas import Ask
from .results import APOLOGIES, error_result
from .talk import Talk
from .wording import PHRASES

CALCULATE = PHRASES["calculate"]
# What is said, and the expression that is meant; a, b, c are numbers.
WORDED = PHRASES["worded"]
CALCULATED = ["{e} = {r}", "{e} is {r}.", "The result is {r}.", "That is {r}.", "It comes to {r}.", "The answer is {r}.", "That makes {r}.", "You get {r}."]


def _number(rng: random.Random) -> str:
    form = rng.random()
    if form < 0.35:
        return str(rng.randint(2, 99))
    if form < 0.55:
        return str(rng.randint(100, 9999))
    return str(lexicons.decimal(rng, 0.2, rng.choice([20, 100, 900])))


def ask_calculator(rng: random.Random, split: str) -> Ask:
    if rng.random() < 0.5:
        expression = lexicons.value("expression", rng, split)
        form = rng.random()
        if form < 0.2:
            expression = expression.replace(" ", "")
        template = rng.choice(CALCULATE)
        text = schemas.dress(template.replace("{e}", expression), template, rng, {"e": expression})
        return Ask(text, {"expression": expression}, {"expression": expression})
    said, meant = rng.choice(WORDED).split(" => ")
    numbers = {"a": _number(rng), "b": _number(rng), "c": _number(rng), "p": str(rng.choice([rng.randint(1, 99), rng.choice([2.5, 7.5, 12.5, 17.5, 0.5])])), "n": str(rng.randint(2, 400)),
               "k": str(rng.randint(2, 12))}
    text, expression = said.format(**numbers), meant.format(**numbers)
    return Ask(schemas.dress(text, said, rng, numbers), {"expression": expression}, {"expression": expression})


def evaluate(expression: str) -> float | int | None:
    try:
        found = eval(expression, {"__builtins__": {}, "sqrt": sqrt})
    except (ZeroDivisionError, SyntaxError, OverflowError, ValueError):
        return None
    if abs(found) > 1e12 or isinstance(found, complex):
        return None
    rounded = round(found, 4)
    return int(rounded) if rounded == int(rounded) else rounded


def report_calculation(talk: Talk, rng: random.Random, split: str, expression: str) -> None:
    found = evaluate(expression)
    if found is None or rng.random() < 0.04:
        printed, message = error_result(rng, split)
        if found is None:
            message = "division by zero" if "/" in expression else "result too large"
            printed = f"Error: {message}"
        talk.results(printed)
        talk.says(rng.choice(APOLOGIES).format(e=message), [[message]])
        return
    form = rng.random()
    number = f"{found:.4f}".rstrip("0").rstrip(".") if isinstance(found, float) else str(found)
    if number in ("-0", ""):
        number = "0"
    printed = number if form < 0.5 else json.dumps({"result": found}) if form < 0.7 else f"result: {number}" if form < 0.8 else f"{expression} = {number}" if form < 0.9 else f"= {number}"
    shown = number
    if form < 0.1 and isinstance(found, int):
        printed = f"{found}.0"
    talk.results(printed)
    expression = expression if rng.random() < 0.7 or len(expression) < 30 else ""
    template = rng.choice([text for text in CALCULATED if expression or "{e}" not in text])
    talk.says(template.format(e=expression, r=shown), number=float(number))
