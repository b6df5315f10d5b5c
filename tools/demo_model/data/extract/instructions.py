"""Asking for JSON with given keys, around a text."""

from __future__ import annotations

import random

from .. import lexicons
from ..schemas import words_of
from .wording import PHRASES

# {k} is the list of keys, {s} the same as an object. An instruction that ends in a colon comes before the text.
WITH_LIST = PHRASES["with_list"]
WITH_SHAPE = PHRASES["with_shape"]
NULLS = PHRASES["nulls"]
ONLY = PHRASES["only"]
INTRODUCTIONS = ["Text: ", "text: ", "Text:\n", "The text: ", "Here is the text: ", "Here it is: ", "Input: ", "Input:\n", "Message: ", "Note: ", "This is the text:\n", "", "", "", "Data: ", "E-mail: ", "Document:\n", "The message says: "]
TYPE_NAMES = {"str": ["string", "string", "text", "str"], "int": ["integer", "integer", "number", "int"], "num": ["number", "number", "float", "decimal"], "bool": ["boolean", "boolean", "true/false", "bool"], "list": ["array", "list", "list of strings", "array of strings"]}


def quote(text: str, rng: random.Random) -> str:
    form = rng.random()
    if form < 0.6 or '"' in text:
        return text
    if form < 0.8:
        return f'"{text}"'
    if form < 0.88:
        return f'"""{text}"""'
    if form < 0.94:
        return f"```\n{text}\n```"
    return f"<text>{text}</text>"


def list_of_keys(names: list[str], types: list[str], rng: random.Random) -> str:
    form = rng.random()
    if form < 0.07 and all(name.isalpha() for name in names):
        return lexicons.enumerate_words([f"the {name}" for name in names], rng)
    if form < 0.38:
        return lexicons.enumerate_words(names, rng)
    if form < 0.52:
        return ", ".join(names)
    if form < 0.68:
        return lexicons.enumerate_words([f'"{name}"' for name in names], rng)
    if form < 0.78:
        return ", ".join(f"`{name}`" for name in names)
    if form < 0.87:
        return ", ".join(f"{name} ({rng.choice(TYPE_NAMES[kind])})" for name, kind in zip(names, types, strict=True))
    if form < 0.91:
        return lexicons.enumerate_words([f"'{name}'" for name in names], rng)
    if form < 0.95:
        return "[" + ", ".join(f'"{name}"' for name in names) + "]"
    return "\n" + "\n".join(f"- {name}" for name in names) + "\n"


def shape_of_keys(names: list[str], types: list[str], rng: random.Random) -> str:
    form = rng.random()
    if form < 0.22:
        return "{" + ", ".join(f'"{name}": …' for name in names) + "}"
    if form < 0.42:
        return "{" + ", ".join(f'"{name}": ...' for name in names) + "}"
    if form < 0.62:
        return "{" + ", ".join(f'"{name}": {rng.choice(TYPE_NAMES[kind][:2])}' for name, kind in zip(names, types, strict=True)) + "}"
    if form < 0.72:
        return "{" + ", ".join(f"{name}: {rng.choice(TYPE_NAMES[kind])}" for name, kind in zip(names, types, strict=True)) + "}"
    if form < 0.82:
        return "{" + ", ".join(f"{name}" for name in names) + "}"
    if form < 0.9:
        return "{" + ", ".join(f'"{name}": null' for name in names) + "}"
    if form < 0.95:
        return "{" + ", ".join(f'"{name}": "<{words_of(name)}>"' for name in names) + "}"
    return "{\n" + ",\n".join(f'  "{name}": ""' for name in names) + "\n}"


def instruction(names: list[str], types: list[str], rng: random.Random, lacking: bool, meanings: dict[str, str] | None = None) -> str:
    """What to do, without the text. `meanings` explains keys that do not explain themselves."""
    if meanings:
        explained = [f'"{name}" ({meanings[name]})' if rng.random() < 0.5 else f"{name} ({meanings[name]})" for name in names] if rng.random() < 0.6 else [f"{name} for the {meanings[name]}" for name in names]
        text = rng.choice(WITH_LIST).format(k=lexicons.enumerate_words(explained, rng))
    elif rng.random() < 0.68:
        text = rng.choice(WITH_LIST).format(k=list_of_keys(names, types, rng))
    else:
        text = rng.choice(WITH_SHAPE).replace("{s}", shape_of_keys(names, types, rng))
    if rng.random() < 0.08:
        text = rng.choice(["Please ", "please ", "Hi! ", "Task: ", "Hello, ", "Could you help? "]) + (text[:1].lower() + text[1:] if text[1:2].islower() else text)
    extras = []
    if rng.random() < (0.4 if lacking else 0.1):
        extras.append(rng.choice(NULLS))
    if rng.random() < 0.14:
        extras.append(rng.choice(ONLY))
    if extras:
        text = text.rstrip() + ("" if text.rstrip()[-1] in ".?" else ".") + " " + " ".join(extras)
    return text


def compose(task: str, text: str, rng: random.Random) -> str:
    """Instruction and text, in either order."""
    shown = quote(text, rng)
    task = task.rstrip("\n")
    if rng.random() < 0.68:
        form = rng.random()
        stop = "" if task[-1] in ".?!:" else "\n" if "\n- " in task else ":"
        if form < 0.4 and not shown.startswith(("<", "`")):
            return f"{task}{stop} {shown}" if "\n" not in shown else f"{task}{stop}\n{shown}"
        if form < 0.65:
            return f"{task}{stop}\n{shown}"
        if form < 0.8:
            return f"{task}{stop}\n\n{shown}"
        return f"{task}{stop or '.'}\n{rng.choice(INTRODUCTIONS)}{shown}".replace("::", ":")
    task = task + ("" if task[-1] in ".?!" or "\n- " in task or rng.random() < 0.5 else ".")
    introduction = rng.choice(INTRODUCTIONS) if rng.random() < 0.4 else ""
    return f"{introduction}{shown}{rng.choice([chr(10), chr(10) * 2, chr(10), ' ' if shown[-1] in '.!?' else chr(10)])}{task}"
