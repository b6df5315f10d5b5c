"""One record as a JSON object."""

from __future__ import annotations

import json
import random
from typing import Any

from .. import lexicons, wide
from ..common import Check, Conversation, Message, assistant, user
from ..schemas import upper_first, words_of
from .domains import BY_SPLIT, Domain, Field, usable
from .instructions import WITH_SHAPE, compose, instruction, quote
from .texts import text_of


def named(one: Field, rng: random.Random, style: str, taken: set[str]) -> str:
    name = one.key if rng.random() < 0.45 else rng.choice(one.keys)
    if style == "camel":
        name = lexicons.camel(name)
    elif style == "upper":
        name = name.upper()
    elif style == "kebab":
        name = name.replace("_", "-")
    elif style == "title":
        name = upper_first(words_of(name))
    elif style == "pascal":
        name = lexicons.camel("_" + name)
    elif style == "prefixed" and one.key == name:
        name = f"{rng.choice(['the', 'my', 'item', 'record', 'x', 'f'])}_{name}"
    if name in taken:
        name = one.key if one.key not in taken else f"{one.key}_{len(taken)}"
    taken.add(name)
    return name


STYLES = ["plain", "camel", "upper", "kebab", "title", "pascal", "prefixed"]
STYLE_SHARES = [80, 7, 2, 2, 3, 2, 4]


def choose_fields(domain: Domain, values: dict[str, Any], rng: random.Random) -> list[Field]:
    said = [one for one in domain.fields if one.key in values]
    unsaid = [one for one in domain.fields if one.key not in values]
    count = min(len(said), rng.choices([1, 2, 3, 4, 5], [12, 28, 33, 19, 8])[0])
    chosen = rng.sample(said, count)
    if unsaid and rng.random() < 0.2:
        chosen.append(rng.choice(unsaid))
    if rng.random() < 0.6:
        chosen.sort(key=lambda one: domain.fields.index(one))
    else:
        rng.shuffle(chosen)
    return chosen


def check(turn: int, value: Any) -> Check:
    return {"turn": turn, "kind": "json", "value": value}


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def single(rng: random.Random, split: str) -> Conversation:
    domain = rng.choice(usable(split)) if split == "train" or rng.random() < 0.6 else rng.choice(BY_SPLIT[split])
    text, values = text_of(domain, rng, split)
    chosen = choose_fields(domain, values, rng)
    style = rng.choices(STYLES, STYLE_SHARES)[0]
    taken: set[str] = set()
    meanings: dict[str, str] | None = None
    if rng.random() < (0.12 if split == "train" else 0.06):
        names = []
        meanings = {}
        for one in chosen:
            name = wide.identifier(rng) if split == "train" and rng.random() < 0.4 else rng.choice([lexicons.syllables(rng, 1, 2), rng.choice("abcdefgxyzkpq"), f"{rng.choice('xfkvq')}{rng.randint(1, 99)}", lexicons.lex("word", rng, split), f"field_{rng.randint(1, 9)}"])
            if name in meanings:
                name = f"{name}{len(names)}"
            names.append(name)
            meanings[name] = words_of(one.key)
    else:
        names = [named(one, rng, style, taken) for one in chosen]
    value = {name: values.get(one.key) for name, one in zip(names, chosen, strict=True)}
    lacking = any(one.key not in values for one in chosen)
    task = instruction(names, [one.type for one in chosen], rng, lacking, meanings)
    messages: list[Message] = []
    if rng.random() < 0.06:
        messages.append({"role": "system", "content": rng.choice(["You extract data as JSON.", "Answer with JSON only.", "You are a helpful assistant.", "You turn text into JSON.", "You are a data extraction assistant. Use null for missing values.",
                                                                   "Reply with a JSON object and nothing else."])})
    messages += [user(compose(task, text, rng)), assistant(dumps(value))]
    checks = [check(len(messages) - 1, value)]
    form = rng.random()
    if form < 0.07:   # the same keys from another text
        second, second_values = text_of(domain, rng, split)
        second_value = {name: second_values.get(one.key) for name, one in zip(names, chosen, strict=True)}
        lead = rng.choice(["And this one: ", "Now the same for this: ", "Same for: ", "next: ", "Another one:\n", "And for this text?\n", "Do the same with:\n", "And:\n", "The same keys for this, please:\n", "Now: "])
        messages += [user(lead + quote(second, rng)), assistant(dumps(second_value))]
        checks.append(check(len(messages) - 1, second_value))
    elif form < 0.12:   # other keys from the same text
        other = rng.choice([one for one in domain.fields if one.key in values])
        name = named(other, rng, style, set()) if meanings is None else other.key
        part = {name: values[other.key]}
        messages += [user(rng.choice([f"Now only the {name}.", f"Only {name}, please.", f"Just {name}", f"And now with {name} only", f"Give me only {name} as JSON.", f"Drop everything but {name}."])), assistant(dumps(part))]
        checks.append(check(len(messages) - 1, part))
    return Conversation("extract", messages, [], checks)


def about_one(rng: random.Random, split: str) -> Conversation:
    """Several records, of which one is asked for."""
    domain = rng.choice([domain for domain in usable(split) if domain.fields[0].type == "str"])
    key = domain.fields[0]
    texts, records = [], []
    for _ in range(rng.choice([2, 2, 3])):
        for _ in range(6):
            text, values = text_of(domain, rng, split)
            if key.key in values and len(values) > 1 and "\n" not in text and all(values[key.key] != other[key.key] for other in records):
                texts.append(text if text[-1] in ".!?" else text + ".")
                records.append(values)
                break
    if len(records) < 2:
        return single(rng, split)
    values = rng.choice(records)
    chosen = [one for one in choose_fields(domain, values, rng) if one.key != key.key] or [key]
    names = [named(one, rng, "plain", set()) for one in chosen]
    if len(set(names)) < len(names):
        names = [one.key for one in chosen]
    value = {name: values.get(one.key) for name, one in zip(names, chosen, strict=True)}
    who = values[key.key]
    task = instruction(names, [one.type for one in chosen], rng, any(one.key not in values for one in chosen)).rstrip()
    task += ("" if task[-1] in ".?!" else ".") + rng.choice([f" I mean {who}.", f" Only for {who}.", f" Take the values of {who}.", f" It is about {who}.", f" For {who}, please."])
    joined = rng.choice([" ", "\n"]).join(texts)
    messages = [user(compose(task, joined, rng)), assistant(dumps(value))]
    return Conversation("extract", messages, [], [check(1, value)])


def nested(rng: random.Random, split: str) -> Conversation:
    """An object within an object, in the shape that the request draws."""
    domain = rng.choice(usable(split)) if split == "train" or rng.random() < 0.6 else rng.choice(BY_SPLIT[split])
    text, values = text_of(domain, rng, split)
    said = [one for one in domain.fields if one.key in values]
    if len(said) < 3:
        return single(rng, split)
    chosen = rng.sample(said, 3)
    outer, inner = chosen[:1], chosen[1:]
    wrapper = rng.choice(["details", "data", domain.name, "info", "meta", "record", "extra", lexicons.syllables(rng)])
    value = {outer[0].key: values[outer[0].key], wrapper: {one.key: values[one.key] for one in inner}}
    if rng.random() < 0.3:
        value = {wrapper: {one.key: values[one.key] for one in chosen}}
    draw = lambda found: "{" + ", ".join(f'"{key}": {draw(part) if isinstance(part, dict) else "..."}' for key, part in found.items()) + "}"  # noqa: E731
    task = rng.choice(WITH_SHAPE).replace("{s}", draw(value))
    return Conversation("extract", [user(compose(task, text, rng)), assistant(dumps(value))], [], [check(1, value)])
