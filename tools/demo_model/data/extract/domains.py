"""What texts are about: the records of `domains.txt`, their fields and values."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import lexicons, schemas
from ..common import kept_back


@dataclass
class Field:
    keys: list[str]
    type: str
    kind: str

    @property
    def key(self) -> str:
        return self.keys[0]


@dataclass
class Domain:
    name: str
    fields: list[Field] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def field_of(self, key: str) -> Field:
        return next(one for one in self.fields if one.key == key)


def _domains() -> list[Domain]:
    found: list[Domain] = []
    for number, line in enumerate(Path(__file__).with_name("domains.txt").read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        mark, _, rest = line.partition(" ")
        if mark == "domain":
            found.append(Domain(rest.strip()))
        elif mark == "f":
            keys, kind, argument = rest.split(" ", 2)
            found[-1].fields.append(Field(keys.split("/"), kind, argument.strip()))
        elif mark == "t":
            schemas.parse(rest)
            found[-1].texts.append(rest)
        else:
            raise ValueError(f"domains.txt line {number}: unknown mark '{mark}'")
    for domain in found:
        known = {one.key for one in domain.fields}
        for text in domain.texts:
            unknown = schemas.slots(schemas.parse(text)) - known
            if unknown:
                raise ValueError(f"domains.txt: {domain.name}: {unknown} in: {text}")
    return found


DOMAINS = _domains()
CORE = {"person", "order", "meeting", "product", "contact", "flight", "recipe", "address", "invoice", "weather"}
BY_SPLIT = {"train": [domain for domain in DOMAINS if domain.name in CORE or not kept_back(domain.name)], "heldout": [domain for domain in DOMAINS if domain.name not in CORE and kept_back(domain.name)]}
BY_SPLIT["values"] = BY_SPLIT["train"]


def usable(split: str) -> list[Domain]:
    """The domains of a split; the held-out half also has known domains, with values never seen."""
    return DOMAINS if split == "heldout" else BY_SPLIT["train"]


def show_number(number: float | int, rng: random.Random) -> str:
    """A number as people write it."""
    if isinstance(number, int):
        if 2 <= number <= 12 and rng.random() < 0.06:
            return schemas.NUMBER_WORDS[number]
        if number >= 10_000 and rng.random() < 0.15:
            return f"{number:,}"
        return str(number)
    text = str(number)
    return text + "0" if re.fullmatch(r"\d+\.\d", text) and rng.random() < 0.25 else text


def sample(one: Field, rng: random.Random, split: str) -> tuple[str, Any]:
    """What the text says and the value it means."""
    if one.type == "bool":
        yes, no = (half.split("/") for half in one.kind.split(" = "))
        truth = rng.random() < 0.5
        return rng.choice(yes if truth else no), truth
    if one.type == "list":
        items = lexicons.several(one.kind, rng, split, 2, 4)
        return lexicons.enumerate_words(items, rng), items
    found = lexicons.value(one.kind, rng, split)
    return (show_number(found, rng) if one.type in ("int", "num") else str(found)), found
