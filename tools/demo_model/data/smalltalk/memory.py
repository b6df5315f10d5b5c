"""What was told in one turn and is asked for in a later one: `memories.txt`."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from .. import wide
from ..common import Conversation, assistant, held_out, kept_back, pick, user
from ..phrasing import careless, wrap
from ..selftest import contains
from ..templates import Bank, expand
from ..textfiles import entries, marked
from .again import WAYS
from .intents import intent_turn

WORDS = entries(Path(__file__).with_name("words.txt"))


def a_name(rng: random.Random, split: str) -> str:
    """A first name, a rare one or an invented one: what was told must be copied, not guessed."""
    if split == "train" and rng.random() < 0.4:
        return wide.first(rng)
    if rng.random() < 0.45:
        for _ in range(200):
            made = "".join(rng.choice(WORDS["parts"]) for _ in range(rng.choice((2, 2, 3)))).title()
            if len(made) > 2 and kept_back(made) == held_out(split):
                return made
    return pick(rng, WORDS["first"], split)


@dataclass
class Memory:
    """Something told in one turn and asked for in a later one."""

    name: str
    tell: list[str]
    reply: list[str]
    ask: list[str]
    answer: list[str]


MEMORIES = [Memory(name, lines["-"], lines["~"], lines["?"], lines["!"])
            for name, lines in marked(Path(__file__).with_name("memories.txt")).items()]  # fmt: skip
MEMORY_BANKS = {memory.name: (Bank(memory.name + " tell", memory.tell), Bank(memory.name + " ask", memory.ask)) for memory in MEMORIES}
MEMORY_SUMS = [6, 8, 9.5, 10.7, 13.2, 15.7, 17.7, 19, 20, 21, 23, 24.2]
TWO = ("{a} {b}", "{a} And {b}", "{a} Also, {b}")


def fill(rng: random.Random, split: str, memory: Memory) -> dict[str, str]:
    slots = {"k": rng.choice(WORDS["animals"]), "n": str(rng.randint(5, 99)), "t": rng.choice(WORDS["things"]), "f": rng.choice(["brother", "sister", "wife", "husband", "boss", "teacher", "friend", "neighbour", "doctor", "son", "daughter", "dentist", "cousin", "aunt", "uncle", "dog-sitter", "best", "friend", "colleague"])}
    if memory.name in ("name", "pet", "friend"):
        slots["v"] = a_name(rng, split)
    elif memory.name == "city":
        slots["v"] = wide.place(rng) if split == "train" and rng.random() < 0.4 else pick(rng, WORDS["cities"], split) if rng.random() < 0.75 else a_name(rng, split) + rng.choice(("ville", "ton", "burg", "stad", "field"))
    elif memory.name == "number":
        slots["v"] = str(rng.randrange(10 ** rng.choice((1, 2, 2, 3, 4, 4, 5, 6))))
    elif memory.name == "word":
        slots["v"] = wide.word(rng) if split == "train" and rng.random() < 0.4 else a_name(rng, split).lower() if rng.random() < 0.5 else rng.choice(WORDS["foods"] + WORDS["colours"] + WORDS["animals"] + WORDS["hobbies"] + WORDS["jobs"])
    elif memory.name == "place":
        slots["v"] = rng.choice(WORDS["places"])
    else:
        slots["v"] = rng.choice({"colour": WORDS["colours"], "food": WORDS["foods"], "job": WORDS["jobs"], "hobby": WORDS["hobbies"]}.get(memory.name, ["x"]))
    if split == "train" and memory.name in ("food", "job", "hobby", "place", "colour") and rng.random() < 0.4:
        slots["v"] = wide.word(rng)
    slots["V"] = slots["v"][:1].upper() + slots["v"][1:]
    return slots


def say(rng: random.Random, text: str, slots: dict[str, str], amount: float = 0.5) -> str:
    return wrap(rng, text, [slots["v"]] if slots["v"] in text else [], amount)


def remember(rng: random.Random, split: str, made: Conversation) -> None:
    """One to three things told, something between, and then asked for."""
    count = rng.choices((1, 2, 3), (65, 27, 8))[0]
    chosen: list[tuple[Memory, dict[str, str]]] = []
    while len(chosen) < count:
        memory = rng.choices(MEMORIES, cum_weights=MEMORY_SUMS)[0]
        if all(memory.name != other.name for other, _ in chosen):
            chosen.append((memory, fill(rng, split, memory)))

    def tell(memory: Memory, slots: dict[str, str]) -> str:
        return expand(rng, MEMORY_BANKS[memory.name][0].pick(rng, split), **slots)

    def value(memory: Memory, slots: dict[str, str]) -> str:
        return slots["n"] if memory.name == "age" else slots["v"]

    if count == 1 and rng.random() < 0.16:  # told and asked for in one message
        memory, slots = chosen[0]
        question = expand(rng, MEMORY_BANKS[memory.name][1].pick(rng, split), **slots)
        if memory.name not in ("number", "word"):
            text = expand(rng, rng.choice(("{a} {b}", "{a} {b}", "{a}\n{b}", "{a} Now: {b}", "{a} Question: {b}", "{a} So: {b}")), a=tell(memory, slots), b=question)
            made.messages += [user(careless(rng, text, [value(memory, slots)])), assistant(expand(rng, rng.choice(memory.answer), **slots))]
            made.checks.append(contains(len(made.messages) - 1, value(memory, slots)))
            return
    if count == 1 and rng.random() < 0.09:  # put right in a second message
        memory, slots = chosen[0]
        new = {**slots, **{key: text for key, text in fill(rng, split, memory).items() if key in "vVn"}}
        said = value(memory, new)
        fix = rng.choice(("No, wait: {v}.", "Sorry, I meant {v}.", "Correction: {v}.", "I mean {v}, not {o}.", "Not {o}, it is {v}.", "Oh, that was wrong. It is {v}.", "Actually, {v}."))
        made.messages += [user(say(rng, tell(memory, slots), slots, 0.35)), assistant(expand(rng, rng.choice(memory.reply), **slots)),
                          user(careless(rng, expand(rng, fix, v=said, o=value(memory, slots)), [said, value(memory, slots)])),
                          assistant(expand(rng, rng.choice(("Okay, {v}.", "Thanks for the correction: {v}.", "All right, {v}.")), v=said))]
        made.checks.append(contains(len(made.messages) - 1, said))
        chosen = [(memory, new)]
    elif count == 2 and rng.random() < 0.5:
        first, second = (tell(*one) for one in chosen)
        text = expand(rng, rng.choice(TWO), a=first, b=second)
        made.messages += [user(careless(rng, text, [value(*one) for one in chosen])), assistant(expand(rng, rng.choice(chosen[0][0].reply), **chosen[0][1]))]
    else:
        for memory, slots in chosen:
            made.messages += [user(say(rng, tell(memory, slots), slots, 0.35)), assistant(expand(rng, rng.choice(memory.reply), **slots))]
    if rng.random() < 0.06:
        said = made.messages[-2]["content"]
        made.messages += [user(wrap(rng, WAYS["last_said"].pick(rng, split), (), 0.4)), assistant(f"You said: {said}")]
        made.checks.append(contains(len(made.messages) - 1, [value(*one) for one in chosen]))
        return
    for _ in range(rng.choices((0, 1, 2), (50, 36, 14))[0]):
        intent_turn(rng, split, made, {"who_is_user", "private_data", "wrong", "name_you", "birthday", "job_talk", "pets"})
    rng.shuffle(chosen)
    for memory, slots in chosen:
        if chosen[0][0] is not memory and rng.random() < 0.25:
            continue
        question = expand(rng, MEMORY_BANKS[memory.name][1].pick(rng, split), **slots)
        if memory.name == "number" and "code" in question or memory.name == "word" and ("secret" in question or "password" in question or "code" in question):
            question = {"number": "What was the number?", "word": "What was the word?"}[memory.name]
        made.messages += [user(say(rng, question, slots, 0.6)), assistant(expand(rng, rng.choice(memory.answer), **slots))]
        made.checks.append(contains(len(made.messages) - 1, value(memory, slots)))


def not_told(rng: random.Random, split: str, made: Conversation) -> None:
    """Asked for something that was not told, after something else was."""
    told, asked = rng.sample([memory for memory in MEMORIES if memory.name not in ("number", "word", "place", "food")], 2)
    slots = fill(rng, split, told)
    made.messages += [user(say(rng, expand(rng, MEMORY_BANKS[told.name][0].pick(rng, split), **slots), slots)), assistant(expand(rng, rng.choice(told.reply), **slots))]
    other = fill(rng, split, asked)
    question = expand(rng, MEMORY_BANKS[asked.name][1].pick(rng, split), **other)
    made.messages += [user(wrap(rng, question, (), 0.5)), assistant(rng.choice(("I do not know. You have not told me.", "You have not told me that yet.", "I do not know that, because you have not told me.")))]
    made.checks.append(contains(len(made.messages) - 1, ["not", "don't", "haven't"]))
