"""One request for a tool, dressed as people write."""

from __future__ import annotations

import random
import re
from typing import Any

from ..phrasing import wrap
from .offering import FREE_TEXT
from .templates import parse, render
from .tool import Ask, Tool, upper_first
from .values import sample
from .wording import PHRASES

VERBS = {verb.strip(" ;") for line in PHRASES["verbs"] for verb in line.split(";")}
CONTEXTS = PHRASES["contexts"]
REASONS = PHRASES["reasons"]
ASKS = PHRASES["asks"]


def dress(text: str, template: str, rng: random.Random, words: dict[str, str], plainly: float = 0.45) -> str:
    """The request in one of many manners, with the values (`words`) untouched."""
    if rng.random() < 0.25:
        return wrap(rng, text, keep=[said for said in words.values() if said], amount=0.7)
    opening = re.match(r"[A-Za-z'-]+", template.lstrip("(")) if template[0] not in "{[\"" else None
    lower_case = bool(opening) and text[:1].islower()
    if lower_case and opening and re.match(r"[A-Za-z'-]+", text).group().lower() in VERBS and not text.endswith("?") and rng.random() > plainly:
        if text.startswith("don't"):
            text = f"please {text}"
        else:
            request = rng.choice(ASKS)
            text = request.replace("{}", text)
    if lower_case and rng.random() < 0.75 and not re.match(r"\w*[_\d]", text):
        text = upper_first(text)
    if text[-1:].isalnum() and rng.random() < 0.45:
        text += "." if rng.random() < 0.85 else "!"
    if rng.random() < 0.09:
        text = f"{rng.choice(CONTEXTS)} {text}"
    if rng.random() < 0.08:
        text += ("" if text[-1] in ".!?:\"" else ".") + " " + rng.choice(REASONS)
    return text


def ask(tool: Tool, rng: random.Random, split: str, template: str | None = None, values: dict[str, tuple[str, Any]] | None = None) -> Ask:
    """A request for this tool. `values` fixes what is said for some keys, as words and value."""
    chosen = template if template is not None else rng.choice(tool.requests)
    words: dict[str, str] = {}
    found: dict[str, Any] = {}
    quote = rng.random()

    def say(key: str) -> str:
        if key not in words:
            param = tool.param(key)
            words[key], found[key] = values[key] if values and key in values else sample(param, rng, split)
        param = tool.param(key)
        if param.type == "str" and f'"{{{key}}}"' not in chosen and '"' not in words[key]:
            if quote < 0.08 or (quote < 0.2 and param.kind in FREE_TEXT):
                return f'"{words[key]}"'
            if 0.2 <= quote < 0.23 and "'" not in words[key]:
                return f"'{words[key]}'"
        return words[key]

    fixed: dict[str, Any] = {}
    text = render(parse(chosen), rng, say, fixed)
    found.update(fixed)
    return Ask(dress(text, chosen, rng, words), found, words)
