"""Names of files, folders and identifiers in code."""

from __future__ import annotations

import random

from .entries import lex
from .made import DIGITS, LOWER, chars, syllables


def stem(rng: random.Random, split: str) -> str:
    form = rng.random()
    if form < 0.62:
        return lex("stem", rng, split)
    if form < 0.72:
        return f"{lex('word', rng, split)}{rng.choice(['_', '-', ''])}{rng.choice([str(rng.randint(1, 2030)), lex('stem', rng, split)])}"
    if form < 0.85:
        return syllables(rng)
    if form < 0.93:
        return f"{syllables(rng, 1, 2)}{rng.choice(['_', '-'])}{chars(rng, DIGITS, rng.randint(1, 4))}"
    return chars(rng, LOWER + DIGITS, rng.randint(4, 8))


def file(rng: random.Random, split: str) -> str:
    base = stem(rng, split)
    if base in ("Dockerfile", "Makefile", "LICENSE") and rng.random() < 0.8:
        return base
    if base in ("README", "CHANGELOG", "CONTRIBUTING") and rng.random() < 0.75:
        return base + rng.choice([".md", ".md", ".md", ".txt", ".rst"])
    if rng.random() < 0.04:
        return "." + rng.choice(["gitignore", "env", "bashrc", "vimrc", "editorconfig", "npmrc", "prettierrc"])
    if rng.random() < 0.08:
        base = base.upper() if rng.random() < 0.6 else base.capitalize()
    return f"{base}.{lex('ext', rng, split)}"


def directory(rng: random.Random, split: str) -> str:
    return syllables(rng) if rng.random() < 0.2 else lex("dir", rng, split)


def folder(rng: random.Random, split: str) -> str:
    """A path of a folder."""
    form = rng.random()
    if form < 0.35:
        return directory(rng, split)
    if form < 0.6:
        return f"{directory(rng, split)}/{directory(rng, split)}"
    root = lex("root", rng, split)
    path = f"{root}{directory(rng, split)}" if root.endswith("/") else f"{root}/{directory(rng, split)}"
    if rng.random() < 0.3:
        return path + "/" + directory(rng, split)
    return path if rng.random() < 0.85 else path + "/"


def path(rng: random.Random, split: str) -> str:
    """A path of a file: half of the time the name alone."""
    if rng.random() < 0.5:
        return file(rng, split)
    return f"{folder(rng, split).rstrip('/')}/{file(rng, split)}"


def snake(rng: random.Random, split: str, low: int = 1, high: int = 3) -> str:
    return "_".join(rng.choice([lex("word", rng, split), lex("noun", rng, split).split()[0], lex("adjective", rng, split)])
                    for _ in range(rng.randint(low, high)))


def camel(text: str) -> str:
    head, *tail = text.split("_")
    return head + "".join(part.capitalize() for part in tail)


def identifier(rng: random.Random, split: str) -> str:
    form = rng.random()
    base = snake(rng, split, 2, 3)
    if form < 0.5:
        return base
    if form < 0.75:
        return camel(base)
    if form < 0.9:
        return camel("_" + base)
    return base.upper()
