"""A text with values of a record in it, as a sentence or laid out."""

from __future__ import annotations

import random
import re
from typing import Any

from .. import schemas
from ..schemas import upper_first, words_of
from .domains import Domain, sample
from .wording import PHRASES

SURROUND_BEFORE = ["Hi,", "Hello team,", "Good morning!", "Note:", "FYI:", "Just so you know:", "Dear all,", "From my notes:", "Update:", "As discussed:", "Hey!", "Please note:", "From the newsletter:", "Seen on the board:"]
SURROUND_AFTER = PHRASES["surround_after"]


def text_of(domain: Domain, rng: random.Random, split: str) -> tuple[str, dict[str, Any]]:
    """A text of this domain and the values that it says."""
    values: dict[str, Any] = {}
    words: dict[str, str] = {}

    template = rng.choice(domain.texts)
    priced = rng.random() < 0.35 and not re.search(r"[$€£]|EUR|euro|pound|\{currency\}", template)

    def say(key: str) -> str:
        if key not in words:
            words[key], values[key] = sample(domain.field_of(key), rng, split)
            if priced and domain.field_of(key).kind == "money":
                words[key] = rng.choice(["${}", "€{}", "£{}", "{} €", "{} dollars", "{} EUR", "{} euros", "USD {}", "{} USD"]).format(words[key])
        return words[key]

    if rng.random() < 0.68:
        text = schemas.render(schemas.parse(template), rng, say, {})
        if rng.random() < 0.1 and len(text) < 120:   # a paragraph that says more of the same thing
            more = rng.choice(domain.texts)
            second = schemas.render(schemas.parse(more), rng, say, {})
            if second != text:
                text = f"{text}{'' if text[-1] in '.!?' else '.'} {upper_first(second) if more[0].isalpha() else second}"
        capital = re.sub(r"(^|[.!?] )(no|not|with|without|on|in|by|this|it|there|a|fully|still|already)\b", lambda match: match[1] + upper_first(match[2]), text)
        if all(value in capital for value in values.values() if isinstance(value, str)):
            text = capital
        if rng.random() < 0.12:
            text = f"{rng.choice(SURROUND_BEFORE)} {text}"
        if rng.random() < 0.12:
            text = f"{text}{'' if text[-1] in '.!?:' else '.'} {rng.choice(SURROUND_AFTER)}"
        if rng.random() < 0.04:
            text = text.lower() if not any(isinstance(value, str) for value in values.values()) else text
        return text, values
    said = [one for one in domain.fields if rng.random() < 0.75] or domain.fields[:2]
    if rng.random() < 0.35:
        rng.shuffle(said)
    labels = {one.key: words_of(one.key if rng.random() < 0.6 else rng.choice(one.keys)) for one in said}
    for one in said:
        if one.type == "bool":
            values[one.key] = rng.random() < 0.5
            words[one.key] = rng.choice([("yes", "no"), ("true", "false"), ("yes", "no")])[0 if values[one.key] else 1]
        else:
            say(one.key)
    return layout([(labels[one.key], words[one.key]) for one in said], rng), values


def layout(pairs: list[tuple[str, str]], rng: random.Random) -> str:
    """Labels and values as a form, a table row, a log line, and so on."""
    form = rng.randrange(12)
    if form == 0:
        return "\n".join(f"{upper_first(label)}: {value}" for label, value in pairs)
    if form == 1:
        return "\n".join(f"- {label}: {value}" for label, value in pairs)
    if form == 2:
        return " ".join(f"{label.replace(' ', '_')}={value}" if " " not in value else f'{label.replace(" ", "_")}="{value}"' for label, value in pairs)
    if form == 3:
        return "; ".join(f"{label} {value}" for label, value in pairs)
    if form == 4:
        return ", ".join(f"{label}: {value}" for label, value in pairs)
    if form == 5 and not any("," in value for _, value in pairs):
        return ",".join(label.replace(" ", "_") for label, _ in pairs) + "\n" + ",".join(value for _, value in pairs)
    if form == 6:
        return "| " + " | ".join(label for label, _ in pairs) + " |\n| " + " | ".join(value for _, value in pairs) + " |"
    if form == 7:
        return " / ".join(f"{upper_first(label)} {value}" for label, value in pairs)
    if form == 8:
        return "\n".join(f"{label.upper()}: {value}" for label, value in pairs)
    if form == 9:
        return ". ".join(f"The {label} is {value}" for label, value in pairs) + "."
    if form == 10:
        return "".join(f"<{label.replace(' ', '_')}>{value}</{label.replace(' ', '_')}>" for label, value in pairs)
    return "\n".join(f"{label.replace(' ', '_')} = {value}" for label, value in pairs)
