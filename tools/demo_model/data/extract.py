"""From a sentence, a note, a log line or a table to JSON with the keys that the request names.

The answer is the JSON object alone on one line, whatever wrapping was asked for; what the text does not say is null.
"""

from __future__ import annotations

import json
import random
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import lexicons, schemas, wide
from .common import Check, Conversation, Message, assistant, kept_back, user
from .schemas import upper_first, words_of


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

    def field(self, key: str) -> Field:
        return next(one for one in self.fields if one.key == key)


def _domains() -> list[Domain]:
    found: list[Domain] = []
    for number, line in enumerate(Path(__file__).with_suffix(".txt").read_text().splitlines(), 1):
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
            raise ValueError(f"extract.txt line {number}: unknown mark '{mark}'")
    for domain in found:
        known = {one.key for one in domain.fields}
        for text in domain.texts:
            unknown = schemas.slots(schemas.parse(text)) - known
            if unknown:
                raise ValueError(f"extract.txt: {domain.name}: {unknown} in: {text}")
    return found


DOMAINS = _domains()
CORE = {"person", "order", "meeting", "product", "contact", "flight", "recipe", "address", "invoice", "weather"}
BY_SPLIT = {"train": [domain for domain in DOMAINS if domain.name in CORE or not kept_back(domain.name)], "heldout": [domain for domain in DOMAINS if domain.name not in CORE and kept_back(domain.name)]}
BY_SPLIT["values"] = BY_SPLIT["train"]


def usable(split: str) -> list[Domain]:
    """The domains of a split; the held-out half also has known domains, with values never seen."""
    return DOMAINS if split == "heldout" else BY_SPLIT["train"]


# ---------------------------------------------------------------- values and texts

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


SURROUND_BEFORE = ["Hi,", "Hello team,", "Good morning!", "Note:", "FYI:", "Just so you know:", "Dear all,", "From my notes:", "Update:", "As discussed:", "Hey!", "Please note:", "From the newsletter:", "Seen on the board:"]
SURROUND_AFTER = ["Thanks!", "Best regards", "See you soon.", "Let me know if you have questions.", "Have a nice day!", "More details will follow.", "Please confirm.", "That is all for now.", "Sent from my phone", "Don't forget it.",
                  "Otherwise nothing new.", "We will keep you posted.", "The weather was fine.", "Everyone was happy."]


def text_of(domain: Domain, rng: random.Random, split: str) -> tuple[str, dict[str, Any]]:
    """A text of this domain and the values that it says."""
    values: dict[str, Any] = {}
    words: dict[str, str] = {}

    template = rng.choice(domain.texts)
    priced = rng.random() < 0.35 and not re.search(r"[$€£]|EUR|euro|pound|\{currency\}", template)

    def say(key: str) -> str:
        if key not in words:
            words[key], values[key] = sample(domain.field(key), rng, split)
            if priced and domain.field(key).kind == "money":
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


# ---------------------------------------------------------------- instructions

# {k} is the list of keys, {s} the same as an object. An instruction that ends in a colon comes before the text.
WITH_LIST = ["Extract {k} as JSON", "extract {k} as json", "Give me JSON with the keys {k}", "give me JSON with keys {k}", "Return a JSON object with {k}", "Return JSON with the keys {k}", "Write a JSON object with the keys {k}", "Get {k} from this text as JSON",
             "Pull {k} out of this and give it as JSON", "Please extract {k} in JSON", "Turn this into JSON with {k}", "Convert this to JSON (keys: {k})", "JSON with {k}, please", "json: {k}", "Find {k} and answer in JSON",
             "Read the text and output JSON with the keys {k}", "I need {k} as a JSON object", "Can you extract {k} as JSON?", "Could you give me {k} in JSON format?", "Parse this into JSON. Keys: {k}", "Fields: {k}. Output: JSON",
             "Output only JSON with {k}", "Answer with JSON only, using the keys {k}", "Make a JSON object out of this with {k}", "What are {k} here? Answer as JSON", "Fill in these fields as JSON: {k}", "Extract these fields as JSON: {k}",
             "Create JSON from the text. The keys are {k}", "Please return {k} as JSON", "Summarize this as JSON with the keys {k}", "Structure this as JSON with {k}", "List {k} as a JSON object", "From the text, take {k} and write them as JSON",
             "Identify {k} in the text. Reply with a JSON object", "Reply in JSON. Use the keys {k}", "Give {k} as JSON in one line", "I want JSON. Keys: {k}", "extract the fields {k} (JSON)", "Just the JSON with {k}", "Take out {k}; JSON please",
             "Transform the following into a JSON object that has {k}", "Get me a JSON with {k}", "Write {k} as JSON", "Produce JSON with exactly these keys: {k}", "Which {k} are mentioned? JSON please", "Data extraction. Keys: {k}. Format: JSON",
             "Collect {k} in a JSON object", "Put {k} into a JSON object", "Show {k} as JSON", "Respond with a JSON object containing {k}"]
WITH_SHAPE = ["Return {s}", "return {s}", "Give me {s}", "Answer in the form {s}", "Fill in {s}", "Extract the data as {s}", "Use this format: {s}", "Output {s}", "JSON like {s}", "Reply with {s}", "Complete this JSON from the text: {s}",
              "Convert to {s}", "I need an object like {s}", "Extract to the schema {s}", "The output must look like {s}", "Please answer with {s} and nothing else", "Schema: {s}", "Make it {s}", "Follow this template: {s}", "Extract: {s}",
              "Parse the text into {s}", "Please give me the JSON {s}"]
NULLS = ["Use null for what is missing.", "Put null if something is not there.", "If a value is missing, use null.", "Missing values are null.", "null where unknown.", "Use null when the text does not say it.", "What isn't mentioned should be null.",
         "Leave unknown fields null.", "Write null for anything the text doesn't say."]
ONLY = ["Only JSON.", "No other text.", "Nothing else.", "Just the JSON, please.", "No explanation.", "Answer with the JSON only.", "In a code block, please.", "As compact JSON.", "One line.", "Thanks!", "Don't add anything.", "JSON only!",
        "Keep the values exactly as in the text.", "Valid JSON, please."]
INTRODUCTIONS = ["Text: ", "text: ", "Text:\n", "The text: ", "Here is the text: ", "Here it is: ", "Input: ", "Input:\n", "Message: ", "Note: ", "This is the text:\n", "", "", "", "Data: ", "E-mail: ", "Document:\n", "The message says: "]
TYPE_NAMES = {"str": ["string", "string", "text", "str"], "int": ["integer", "integer", "number", "int"], "num": ["number", "number", "float", "decimal"], "bool": ["boolean", "boolean", "true/false", "bool"], "list": ["array", "list", "list of strings", "array of strings"]}


def _quote(text: str, rng: random.Random) -> str:
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
    shown = _quote(text, rng)
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


# ---------------------------------------------------------------- conversations

def _name(one: Field, rng: random.Random, style: str, taken: set[str]) -> str:
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
        names = [_name(one, rng, style, taken) for one in chosen]
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
        messages += [user(lead + _quote(second, rng)), assistant(dumps(second_value))]
        checks.append(check(len(messages) - 1, second_value))
    elif form < 0.12:   # other keys from the same text
        other = rng.choice([one for one in domain.fields if one.key in values])
        name = _name(other, rng, style, set()) if meanings is None else other.key
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
    names = [_name(one, rng, "plain", set()) for one in chosen]
    if len(set(names)) < len(names):
        names = [one.key for one in chosen]
    value = {name: values.get(one.key) for name, one in zip(names, chosen, strict=True)}
    who = values[key.key]
    task = instruction(names, [one.type for one in chosen], rng, any(one.key not in values for one in chosen)).rstrip()
    task += ("" if task[-1] in ".?!" else ".") + rng.choice([f" I mean {who}.", f" Only for {who}.", f" Take the values of {who}.", f" It is about {who}.", f" For {who}, please."])
    joined = rng.choice([" ", "\n"]).join(texts)
    messages = [user(compose(task, joined, rng)), assistant(dumps(value))]
    return Conversation("extract", messages, [], [check(1, value)])


def table(rng: random.Random, split: str) -> Conversation:
    """Rows to a JSON array of objects."""
    domain = rng.choice(usable(split)) if split == "train" or rng.random() < 0.6 else rng.choice(BY_SPLIT[split])
    flat = [one for one in domain.fields if one.type in ("str", "int", "num")]
    columns = rng.sample(flat, min(len(flat), rng.choice([2, 2, 3])))
    rows = [[sample(one, rng, split) for one in columns] for _ in range(rng.choice([2, 2, 3, 3, 4]))]
    style = "plain"
    taken: set[str] = set()
    names = [_name(one, rng, style, taken) for one in columns]
    form = rng.randrange(5)
    labels = [words_of(one.key) for one in columns]
    if form == 0 and not any("," in words for row in rows for words, _ in row):
        text = ",".join(label.replace(" ", "_") for label in labels) + "\n" + "\n".join(",".join(words for words, _ in row) for row in rows)
    elif form == 1:
        text = "| " + " | ".join(labels) + " |\n" + "\n".join("| " + " | ".join(words for words, _ in row) + " |" for row in rows)
    elif form == 2:
        text = "\n".join("- " + ", ".join(f"{label} {words}" for label, (words, _) in zip(labels, row, strict=True)) for row in rows)
    elif form == 3:
        text = "\n".join("; ".join(f"{label}: {words}" for label, (words, _) in zip(labels, row, strict=True)) for row in rows)
    else:
        text = "\n".join(f"{number}. " + ", ".join(f"{label}={words}" for label, (words, _) in zip(labels, row, strict=True)) for number, row in enumerate(rows, 1))
    kept = columns if rng.random() < 0.75 else columns[:1] if len(columns) < 3 else columns[:2]
    value = [{name: row[columns.index(one)][1] for name, one in zip(names, columns, strict=True) if one in kept} for row in rows]
    keys = list_of_keys([name for name, one in zip(names, columns, strict=True) if one in kept], [one.type for one in kept], rng).strip()
    task = rng.choice(["Return a JSON array of objects with {k}", "Convert the rows to a JSON array, keys {k}", "Give me a JSON list of objects with {k}", "Make a JSON array with one object per line; keys: {k}", "Extract every entry as JSON: an array of objects with {k}",
                       "JSON array of objects with the keys {k}, please", "Turn this into a list of JSON objects with {k}", "One JSON array, each element an object with {k}"]).format(k=keys)
    return Conversation("extract", [user(compose(task, text, rng)), assistant(dumps(value))], [], [check(1, value)])


LISTS = [("city", "cities", ["I was in {x} last year.", "We fly to {x}.", "The tour goes through {x}.", "Offices in {x} are closed.", "From {x} came good news."]),
         ("name", "names", ["{x} came to the party.", "I had lunch with {x}.", "The team is {x}.", "Please invite {x}.", "{x} did not answer."]), ("ingredient", "ingredients", ["We need {x}.", "Buy {x}, please.", "The soup has {x} in it.", "Mix {x}."]),
         ("file", "files", ["I changed {x}.", "Please delete {x}.", "The tests touch {x}.", "Look at {x}."]), ("color", "colors", ["The flag is {x}.", "We have it in {x}.", "Paint it {x}."]), ("int:1-9999", "numbers", ["The numbers are {x}.", "I drew {x}.", "Results: {x}", "We measured {x}."]),
         ("num:0-90", "values", ["The values were {x}.", "Measured: {x}", "Prices of {x} were seen."]), ("email", "emails", ["Write to {x}.", "CC: {x}", "Reach us at {x}."]), ("product", "products", ["I ordered {x}.", "In the box: {x}.", "We sell {x}."]),
         ("language", "languages", ["She speaks {x}.", "The guide is available in {x}."]), ("animal", "animals", ["On the farm I saw a {x}.", "The zoo has a {x}."]), ("id", "ids", ["Close the tickets {x}.", "The parcels {x} are late.", "See {x}."]), ("word", "words", ["The words are {x}.", "Remember {x}."]),
         ("money", "amounts", ["I paid {x}.", "The bills were {x}."]), ("isodate", "dates", ["We meet on {x}.", "Free days: {x}"]), ("url", "urls", ["See {x}.", "The links: {x}"]), ("country", "countries", ["Players from {x} took part.", "It is sold in {x}."]), ("company", "companies", ["Shares of {x} rose.", "{x} sent offers."])]


def plain_list(rng: random.Random, split: str) -> Conversation:
    """A JSON array of strings or numbers, or an object with one list."""
    kind, label, texts = rng.choice(LISTS)
    items = lexicons.several(kind, rng, split, 2, 5)
    shown = [str(item) for item in items]
    if label == "animals":
        shown = [shown[0], *(f"a{'n' if item[0] in 'aeiou' else ''} {item}" for item in shown[1:])]
    text = rng.choice(texts).replace("{x}", lexicons.enumerate_words(shown, rng))
    text = text.replace(" a a", " an a").replace(" a o", " an o").replace(" a e", " an e").replace(" a i", " an i") if label == "animals" else text
    if rng.random() < 0.5:
        task = rng.choice([f"List the {label} as a JSON array", f"Return all {label} as a JSON array", f"Give me the {label} in a JSON list", f"Extract the {label}. Answer with a JSON array", f"JSON array of the {label}, please", f"Which {label} are mentioned? Answer as a JSON array",
                           f"Put every one of the {label} into a JSON array", f"{label} as JSON array", f"Find all {label} and return them as a JSON list"])
        value: Any = items
    else:
        key = label if rng.random() < 0.6 else rng.choice([f"all_{label}", f"{label}_list", "items", "found", lexicons.camel(f"all_{label}"), lexicons.syllables(rng)])
        task = rng.choice([f'Return {{"{key}": [...]}}', f'Give me JSON with the key "{key}" holding the list of {label}', f"JSON object with the {label} as a list under {key}", f'Extract the {label} as {{"{key}": [..]}}', f'Collect the {label} under the key "{key}" as JSON'])
        value = {key: items}
    return Conversation("extract", [user(compose(task, text, rng)), assistant(dumps(value))], [], [check(1, value)])


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


CASES = [(single, 80), (about_one, 6), (table, 5), (plain_list, 6), (nested, 3)]


def generate(rng: random.Random, split: str) -> Conversation:
    case = rng.choices([case for case, _ in CASES], [weight for _, weight in CASES])[0]
    return case(rng, split)


if __name__ == "__main__":
    from ..checks import score
    source = random.Random(5)
    for number in range(45):
        shown = generate(source, "train" if number % 4 else "heldout")
        for message in shown.messages:
            print(f"{message['role']:>9}: {message['content']}")
        print("---")
    lengths = []
    for split in ("train", "heldout"):
        for _ in range(6000):
            conversation = generate(source, split)
            for one in conversation.checks:
                content = conversation.messages[one["turn"]]["content"]
                assert "\n" not in content and score(one, content), (one, content)
            lengths.append(sum(len(message["content"]) for message in conversation.messages))
    began = time.process_time()
    for _ in range(6000):
        generate(source, "train")
    lengths.sort()
    print(f"{6000 / (time.process_time() - began):.0f} conversations/s; characters: median {lengths[len(lengths) // 2]}, 95 % {lengths[len(lengths) * 95 // 100]}, most {lengths[-1]}")
    print(f"{len(DOMAINS)} domains with {sum(len(domain.texts) for domain in DOMAINS)} texts, {len(WITH_LIST) + len(WITH_SHAPE)} instructions")
