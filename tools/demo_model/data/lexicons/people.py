"""Names of people and places, and addresses of all kinds."""

from __future__ import annotations

import random

from .entries import lex
from .made import DIGITS, LOWER, UPPER, chars, made_name, mixed, syllables

CITY_PREFIXES = ["Port", "San", "Santa", "New", "Fort", "Mount", "Lake", "St.", "El", "Los", "Upper", "North", "Bad", "Saint"]
CITY_SUFFIXES = ["ville", "burg", "ton", "stad", "ford", "grad", "mouth", "haven", "field", " City", " Falls", " Bay", " Beach",
                 " Springs", "pur", "abad", "wick", "holm", "borg", "hausen"]


def made_city(rng: random.Random) -> str:
    return rng.choice((
        lambda: f"{rng.choice(CITY_PREFIXES)} {made_name(rng)}",
        lambda: made_name(rng) + rng.choice(CITY_SUFFIXES),
        lambda: f"{made_name(rng)} {made_name(rng)}",
        lambda: f"{made_name(rng)}-{made_name(rng)}" if rng.random() < 0.3 else syllables(rng, 1, 2).capitalize() + rng.choice(CITY_SUFFIXES),
        lambda: made_name(rng),
    ))()  # fmt: skip


first = mixed("first", made_name)
last = mixed("last", made_name)
city = mixed("city", made_city)


def person(rng: random.Random, split: str) -> str:
    given = first(rng, split)
    if rng.random() < 0.08:
        given += f" {rng.choice(UPPER)}."
    return f"{given} {last(rng, split)}"


def name(rng: random.Random, split: str) -> str:
    return first(rng, split) if rng.random() < 0.55 else person(rng, split)


PLAIN = str.maketrans("áàâäãåāéèêëíìîïóòôöõøúùûüçñşğıčćšžřýłńśźżőűőţăĐđšžćč", "aaaaaaaeeeeiiiioooooouuuucnsgiccszrylnszzouotaDdszcc")


def plain(text: str) -> str:
    """Lower-case ASCII letters and digits only."""
    return "".join(letter for letter in text.lower().translate(PLAIN) if letter.isascii() and letter.isalnum()) or "x"


def username(rng: random.Random, split: str) -> str:
    form = rng.randrange(6)
    given, family = plain(first(rng, split)), plain(last(rng, split))
    if form == 0:
        return given
    if form == 1:
        return f"{given}.{family}"
    if form == 2:
        return f"{given[0]}{family}"
    if form == 3:
        return f"{given}{rng.randint(1, 99)}"
    if form == 4:
        return f"{given}_{family[0]}"
    return f"{lex('word', rng, split)}{lex('noun', rng, split).split()[0]}{rng.randint(0, 999) or ''}"


def host(rng: random.Random, split: str) -> str:
    if rng.random() < 0.35:
        return f"{syllables(rng)}.{rng.choice(['com', 'org', 'net', 'io', 'dev', 'de', 'co.uk', 'fr', 'in', 'jp'])}"
    return lex("host", rng, split)


def email(rng: random.Random, split: str) -> str:
    return f"{username(rng, split)}@{host(rng, split)}"


def url(rng: random.Random, split: str) -> str:
    address = f"{rng.choice(['https', 'https', 'http'])}://{rng.choice(['', '', 'www.', 'api.', 'docs.', 'blog.'])}{host(rng, split)}"
    for _ in range(rng.choice([0, 1, 1, 2])):
        address += "/" + rng.choice([lex("dir", rng, split), lex("word", rng, split), chars(rng, LOWER + DIGITS, 5)])
    if rng.random() < 0.12:
        address += f"?id={rng.randint(1, 9999)}"
    return address


def phone(rng: random.Random, split: str) -> str:
    form = rng.randrange(6)
    digits = lambda count: chars(rng, DIGITS, count)  # noqa: E731
    if form == 0:
        return f"+{rng.randint(1, 99)} {digits(3)} {digits(3)} {digits(3)}"
    if form == 1:
        return f"555-{digits(4)}"
    if form == 2:
        return f"({rng.randint(200, 989)}) 555-{digits(4)}"
    if form == 3:
        return f"0{digits(3)} {digits(6)}"
    if form == 4:
        return f"+{rng.randint(1, 99)}{digits(9)}"
    return f"{rng.randint(200, 989)}-555-{digits(4)}"


def address(rng: random.Random, split: str) -> str:
    street = made_name(rng) + rng.choice([" Street", " Road", " Lane", " Avenue"]) if rng.random() < 0.25 else lex("street", rng, split)
    number = rng.randint(1, 250)
    return f"{number} {street}" if rng.random() < 0.6 else f"{street} {number}"
