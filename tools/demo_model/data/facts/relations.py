"""How each relation is talked about, the entries of each, and the single facts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..common import load_knowledge
from ..textfiles import sections

Entry = tuple[str, str, list[str]]


@dataclass
class Relation:
    """How one relation is talked about; `relations.txt` says what each field holds."""

    noun: str  # what the generic ways ask for; empty where they do not fit
    fragment: str
    ask: list[str]
    back: list[str]
    yes_no: list[str]
    choice: list[str]
    pair: list[str]
    answers: list[str]
    back_answers: list[str]
    claim: str
    follow: list[str]
    weight: float
    words: bool  # the subject is a word that has to be spelt as it is


TEXTS = sections(Path(__file__).with_name("relations.txt"))
GENERIC = TEXTS["generic"]


def _relation(name: str) -> Relation:
    """A relation from its sections. One with a section "who" adds its own ways to those of "who", with its words in them."""
    fill = dict(zip(("did", "past", "done", "er", "thing"), TEXTS.get(f"{name}.who", ()), strict=False))

    def ways(field: str, otherwise: Sequence[str] = ()) -> list[str]:
        own = TEXTS.get(f"{name}.{field}", [])
        lines = TEXTS.get(f"who.{field}", []) + own if fill else own or list(otherwise)
        return [re.sub(r"\{(did|past|done|er|thing)\}", lambda found: fill[found[1]], line) for line in lines]

    return Relation(
        noun="".join(ways("noun")), fragment=ways("fragment", ["{b}"])[0] if not fill else "{b}", ask=ways("ask"), back=ways("back"),
        yes_no=ways("yes_no"), choice=ways("choice"), pair=ways("pair"), answers=ways("answers", ["{A} is {y}."]),
        back_answers=ways("back_answers"), claim="".join(ways("claim")), follow=ways("follow", TEXTS["default.follow"]),
        weight=float(*TEXTS.get(f"{name}.weight", ["1"])), words=f"{name}.words" in TEXTS,
    )  # fmt: skip


_NOT_RELATIONS = ("who", "default", "across")
RELATIONS = {
    name: _relation(name)
    for name in dict.fromkeys(section.split(".")[0] for section in TEXTS if "." in section)
    if name not in _NOT_RELATIONS
}
NOT_CAPITAL = {country: cities.split() for country, cities in (line.split(": ") for line in TEXTS["not_capital"])}
ACROSS = {section.removeprefix("across."): ways for section, ways in TEXTS.items() if section.startswith("across.")}  # from one turn about a country to the next
MACROS = {
    "{howmany}": "[How many|What number of|Tell me how many|Say how many]",
    "{which}": "[Which|What]",
    "{whatis}": "[What is|What's|Explain|Describe|Tell me what is|Define|What exactly is|What do you know about]",
}


@cache
def load() -> tuple[dict[str, list[Entry]], dict[str, dict[str, list[str]]], list[dict[str, Any]], dict[str, list[str]]]:
    knowledge = load_knowledge("facts")
    entries = {name: [(entry[0], entry[1], list(entry[2]) if len(entry) > 2 else []) for entry in relation["entries"]]
               for name, relation in knowledge["relations"].items() if name in RELATIONS}
    if "opposite_of" in entries:
        there = {x for x, _, _ in entries["opposite_of"]}
        pairs = [(y, x, []) for x, y, _ in entries["opposite_of"]]
        seconds = [y for y, _, _ in pairs]
        entries["opposite_of"] += [pair for pair in pairs if pair[0] not in there and seconds.count(pair[0]) == 1]
    banks = {}
    for name in entries:
        how = RELATIONS[name]
        asks = list(how.ask)
        if how.noun:
            asks += [way.replace("{a}", how.noun).replace("{A}", how.noun[:1].upper() + how.noun[1:] if how.noun[0] != "[" else how.noun).replace("{f}", how.fragment) for way in GENERIC]
        else:
            asks += [how.fragment, how.fragment + "?"]
        asks += [how.fragment] * max(1, len(asks) // 12)
        banks[name] = {"ask": asks, "back": list(how.back), "yes_no": list(how.yes_no), "choice": list(how.choice), "pair": list(how.pair), "follow": list(how.follow)}
    ways = sections(Path(__file__).with_name("phrases.txt"))
    misc = {}
    for entry in knowledge["misc"]:
        own = [entry["question"], *ways.get(entry["id"], [])]
        for key, text in MACROS.items():
            own = [way.replace(key, text) for way in own]
        misc[entry["id"]] = own
    return entries, banks, knowledge["misc"], misc
