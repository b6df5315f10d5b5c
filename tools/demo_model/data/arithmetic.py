"""Arithmetic as people ask it: sums to word problems, with one short line of working where a small model needs it.

The wordings stand in `arithmetic_phrases.txt`. Every intent is a function `(rng, split) -> Ask`; `generate` picks one by
weight and may go on for a turn or two ("and times 3?"). Pairs of operands are held out by `kept_back("+ 17 25")`; the
everyday ones (tables, sums below 21) are always trained, and are held out together with a wording instead.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .common import Check, Conversation, assistant, held_out, kept_back, user
from .phrasing import careless, expand, listed, self_test, total_variants, wrap

# --- what dates.py and units.py use as well


class Phrasebook:
    """The wordings of a topic, read from a text file.

    `== name` begins a section and `#` a comment; every other line is a template of `phrasing.expand`, and `*3 ` before it
    makes it three times as likely. `{a}` is a number in digits, `{A}` the same number in digits or in words.
    """

    def __init__(self, path: Path):
        self.sections: dict[str, list[str]] = {}
        self.distinct: dict[str, int] = {}
        for line in path.read_text().splitlines():
            if line.startswith("== "):
                section = self.sections[line[3:]] = []
            elif line and not line.startswith("#"):
                if found := re.match(r"\*(\d+) ", line):
                    section += [line[found.end() :]] * int(found[1])
                else:
                    section.append(line)

    def __contains__(self, section: str) -> bool:
        return section in self.sections

    def line(self, rng: random.Random, section: str, split: str = "train", fact: str = "") -> str:
        """A template of the section. With a fact, only one whose pairing with that fact belongs to the split."""
        lines = self.sections[section]
        line = lines[int(rng.random() * len(lines))]
        if fact:
            want = held_out(split)
            for _ in range(80):
                if kept_back(f"{line} {fact}") == want:
                    break
                line = lines[int(rng.random() * len(lines))]
        return line

    def say(self, rng: random.Random, section: str, **slots: Any) -> str:
        return expand(rng, self.line(rng, section), **slots)

    def census(self) -> str:
        rows = [f"{name}: {len(set(lines))} lines, {total_variants(set(lines))} readings" for name, lines in self.sections.items()]
        every = sum(len(set(lines)) for lines in self.sections.values())
        return "\n".join(rows) + f"\n{len(rows)} sections, {every} lines"


@dataclass
class Ask:
    """One question with its answer, and what a follow-up needs: the value reached and the equation that reached it."""

    question: str
    answer: str
    check: Check  # without its turn
    value: int | None = None
    equation: str = ""
    again: Callable[[random.Random, str], Ask] | None = None  # the same question about something else, in a few words


def number(value: float) -> Check:
    return {"kind": "number", "value": value}


def has(*groups: Sequence[str] | str) -> Check:
    return {"kind": "contains", "all": [[group] if isinstance(group, str) else list(group) for group in groups]}


YES = ["yes", "true", "right", "correct", "indeed"]
NO = ["no", "not", "false", "wrong", "incorrect", "isn't", "doesn't"]


def operands(
    rng: random.Random, split: str, sign: str, draw: Callable[[], tuple[int, ...]], everyday: Callable[..., bool]
) -> tuple[tuple[int, ...], str]:
    """Numbers that this split may use, and the fact with which a wording is paired ("" where the numbers decide)."""
    numbers: tuple[int, ...] = ()
    for _ in range(200):
        numbers = draw()
        fact = f"{sign} {' '.join(map(str, sorted(numbers) if sign in '+x' else numbers))}"
        if everyday(*numbers):
            if not held_out(split) or rng.random() < 0.1:
                return numbers, fact
        elif kept_back(fact) == held_out(split):
            return numbers, ""
    return numbers, f"{sign} {numbers}"


def never(*_: int) -> bool:
    return False


ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def in_words(n: int, joint: str = " and ", hyphen: str = "-") -> str:
    """A whole number below a million in words; "three hundred and forty-two" by default."""
    if n < 0:
        return "minus " + in_words(-n, joint, hyphen)
    if n < 20:
        return ONES[n]
    if n < 100:
        return TENS[n // 10] + (hyphen + ONES[n % 10] if n % 10 else "")
    if n < 1000:
        return ONES[n // 100] + " hundred" + (joint + in_words(n % 100, joint, hyphen) if n % 100 else "")
    rest = n % 1000
    link = joint if 0 < rest < 100 else " "
    return in_words(n // 1000, joint, hyphen) + " thousand" + (link + in_words(rest, joint, hyphen) if rest else "")


def show(n: int) -> str:
    """A number in an answer: plain digits, with commas from 10,000."""
    return f"{n:,}" if n >= 10000 or n <= -10000 else str(n)


def scaled(n: int, places: int = 2) -> str:
    """`n / 10**places` without trailing zeros: scaled(1250) is "12.5"."""
    sign, n = ("-", -n) if n < 0 else ("", n)
    whole, rest = divmod(n, 10**places)
    tail = f"{rest:0{places}d}".rstrip("0") if places else ""
    return f"{sign}{show(whole)}" + (f".{tail}" if tail else "")


def slots(rng: random.Random, **numbers: int) -> dict[str, Any]:
    """Each number twice, as {a} in digits and as {A} perhaps in words, in one style for the whole question."""
    biggest = max(map(abs, numbers.values()))
    said: dict[str, str] = {}
    words = rng.random() < (0.16 if biggest <= 12 else 0.12 if biggest <= 100 else 0.05 if biggest < 10000 else 0)
    commas = biggest >= 1000 and rng.random() < 0.35
    joint = " and " if rng.random() < 0.5 else " "
    hyphen = "-" if rng.random() < 0.6 else " "
    for name, n in numbers.items():
        said[name] = f"{n:,}" if commas else str(n)
        said[name.upper()] = in_words(n, joint, hyphen) if words and abs(n) < 1000000 else said[name]
    return said


_I = re.compile(r"(?<![\w'])i(?=[ '])")
_NEXT = re.compile(r"((?<!\.m)(?<!\bSt)[.?!] )([a-z])")


def tidy(rng: random.Random, text: str) -> str:
    """The line as a careful writer has it: a capital I, and mostly a capital at the start of a sentence."""
    text = _I.sub("I", " ".join(text.split()))
    if ". " in text or "? " in text:
        text = _NEXT.sub(lambda found: found[1] + found[2].upper(), text)
    if text[1:3].isalpha() and rng.random() < 0.7:
        text = text[0].upper() + text[1:]
    return text


def converse(rng: random.Random, split: str, topic: str, first: Ask, rest: Sequence[Ask] = ()) -> Conversation:
    """The conversation of these questions, the first of them wrapped as people type."""
    made = Conversation(topic=topic, messages=[])
    for index, ask in enumerate((first, *rest)):
        text = tidy(rng, ask.question)
        text = wrap(rng, text) if index == 0 else careless(rng, text)
        made.messages += [user(text), assistant(ask.answer)]
        made.checks.append({"turn": 2 * index + 1, **ask.check})
    return made


# --- wordings of this topic

BOOK = Phrasebook(Path(__file__).with_name("arithmetic_phrases.txt"))

NAMES = [
    (name, *forms)
    for forms, names in (
        (("she", "her", "her"), "Anna Maria Lena Sofia Mia Emma Olivia Ava Zoe Lucy Nina Clara Julia Sarah Laura Amy Grace Ruby "
         "Chloe Ella Priya Aisha Fatima Leila Yuki Mei Ling Sakura Ananya Ingrid Freya Astrid Elena Irina Olga Carmen Lucia "
         "Paula Rosa Ines Camille Chantal Amara Zainab Ngozi Wanjiru Thandi Hana Jana Petra Eva Marta Agnes Rita Alice Ellen "
         "Helen Kate Megan Nora Iris Maya Naomi Ruth Hannah Abigail Jasmine Tara Bella Daisy Ivy Molly Tessa Vera Wendy"),
        (("he", "his", "him"), "Tom Ben Max Leo Sam Paul Peter John David Omar Ali Ahmed Hassan Yusuf Raj Arjun Vikram Kenji "
         "Hiro Wei Jun Min Chen Lars Erik Bjorn Oskar Ivan Dmitri Sergei Pablo Carlos Diego Miguel Juan Marco Luca Matteo "
         "Pierre Louis Kwame Kofi Tunde Jabari Sipho Jan Piet Karel Milan Goran Adam Noah Liam Ethan Mason Lucas Henry Jack "
         "Oliver George Harry Charlie Oscar Archie Felix Simon Daniel Martin Robert Michael James William Thomas Victor Hugo "
         "Anton Emil Jonas Tim Nick Steve Frank Gary Kevin"),
    )
    for name in names.split()
]  # fmt: skip

THINGS = ["apples", "oranges", "pears", "bananas", "plums", "cherries", "grapes", "lemons", "mangoes", "peaches", "strawberries", "tomatoes", "potatoes", "carrots", "onions", "cucumbers", "eggs", "cookies", "cakes", "muffins", "donuts", "pancakes", "sandwiches", "candies", "sweets", "chocolates", "lollipops", "nuts", "olives", "biscuits", "rolls", "bagels", "pizzas", "books", "notebooks", "magazines", "comics", "newspapers", "letters", "postcards", "envelopes", "stamps", "stickers", "cards", "pens", "pencils", "crayons", "markers", "brushes", "erasers", "rulers", "marbles", "balls", "balloons", "toys", "toy cars", "dolls", "puzzles", "blocks", "coins", "buttons", "beads", "shells", "stones", "leaves", "flowers", "roses", "tulips", "sunflowers", "plants", "seeds", "trees", "cups", "mugs", "glasses", "plates", "bowls", "spoons", "forks", "bottles", "jars", "cans", "baskets", "candles", "lamps", "bulbs", "batteries", "cables", "screws", "nails", "bolts", "bricks", "tiles", "planks", "boxes", "bags", "socks", "shirts", "hats", "scarves", "gloves", "shoes", "towels", "pillows", "blankets", "chairs", "tables", "keys", "tickets", "tokens", "photos", "paintings", "songs", "records", "games", "files", "emails", "messages", "chickens", "ducks", "goats", "cows", "sheep", "rabbits", "kittens", "puppies", "fish", "goldfish", "birds", "bees", "butterflies", "frogs", "turtles", "horses", "pigs", "bicycles", "cars", "trucks", "boats", "kites", "ribbons", "badges", "medals", "magnets", "dice", "chess pieces", "paper clips", "straws", "napkins", "sponges", "umbrellas", "masks", "necklaces", "rings", "bracelets", "oysters"]

Money = Callable[[int], str]


def currency(rng: random.Random) -> Money:
    """A way to write amounts of cents: "$4.50", "4.50 euros", "£4.50" or plain."""
    form = rng.choice(("${}", "${}", "${}", "€{}", "£{}", "{} dollars", "{} euros", "{} pounds", "{}€", "{} EUR", "{} USD", "{}",
                       "₹{}", "{} francs", "{} bucks"))  # fmt: skip

    def write(cents: int) -> str:
        whole, rest = divmod(cents, 100)
        return form.format(f"{show(whole)}.{rest:02d}" if rest else show(whole))

    return write


def cast(rng: random.Random) -> dict[str, Any]:
    """Who and what a word problem is about."""
    name, he, his, him = NAMES[int(rng.random() * len(NAMES))]
    other = NAMES[int(rng.random() * len(NAMES))][0]
    if other == name:
        other = "Robin"
    return {"n": name, "he": he, "his": his, "him": him, "n2": other, "o": THINGS[int(rng.random() * len(THINGS))]}


def asked(rng: random.Random, split: str, kind: str, fact: str, whole_share: float = 0.5, **texts: Any) -> str:
    """A question of this kind: an expression in a frame, or a sentence of its own."""
    if f"{kind}.whole" not in BOOK or (f"{kind}.expr" in BOOK and rng.random() > whole_share):
        expression = expand(rng, BOOK.line(rng, f"{kind}.expr", split, fact), **texts)
        return expand(rng, BOOK.line(rng, "frame"), x=expression)
    return expand(rng, BOOK.line(rng, f"{kind}.whole", split, fact), **texts)


def told(rng: random.Random, equation: str, result: str, noun: str = "result") -> str:
    """An answer that states an equation, now and then in a sentence."""
    chance = rng.random()
    if chance < 0.72:
        return f"{equation}."
    if chance < 0.80:
        return f"{equation}, so the {noun} is {result}."
    if chance < 0.86:
        return f"That's {result}: {equation}." if equation.count("=") == 1 else f"{equation}. That's {result}."
    if chance < 0.93:
        return f"The {noun} is {result}." if equation.count("=") == 1 else f"{equation}. The {noun} is {result}."
    return f"It's {result}." if equation.count("=") == 1 else f"{equation}."


def times(a: int, b: int) -> str:
    """An equation for a product, with partial products where it takes more than the tables: "24 x 17 = 240 + 168 = 408"."""
    small, big = sorted((a, b))
    if big <= 12 or small <= 1 or (big % 10 == 0 and big // 10 <= 12 and small <= 12) or small in (10, 100, 1000) or big in (100, 1000):
        return f"{a} x {b} = {show(a * b)}"
    if small <= 9:
        parts = [small * int(digit) * 10**place for place, digit in enumerate(reversed(str(big))) if digit != "0"][::-1]
    elif big > 99:
        parts = [big * (small // 10 * 10), big * (small % 10)] if small % 10 else [a * b]
    else:
        parts = [a * (b // 10 * 10), a * (b % 10)] if b % 10 else [a * b]
    if len(parts) == 1:
        return f"{a} x {b} = {show(a * b)}"
    return f"{a} x {b} = {' + '.join(map(show, parts))} = {show(a * b)}"


def over(a: int, b: int) -> str:
    """An equation for an exact quotient, by steps where the divisor has two digits."""
    quotient = a // b
    if b > 12 and quotient > 10 and quotient % 10 and b % 10:
        tens = quotient // 10 * 10
        return f"{b} x {tens} = {show(b * tens)}, {b} x {quotient - tens} = {show(b * (quotient - tens))}, so {show(a)} / {b} = {quotient}"
    return f"{show(a)} / {b} = {show(quotient)}"


# --- how large numbers are


def sized(rng: random.Random, top: int = 4) -> int:
    """A positive number of everyday size, of at most so many digits; round ones often."""
    chance = rng.random()
    if chance < 0.30 or top == 1:
        return rng.randint(1, 20 if top > 1 else 9)
    if chance < 0.72 or top == 2:
        return rng.randint(2, 99) if rng.random() < 0.8 else 5 * rng.randint(2, 20)
    if chance < 0.90 or top == 3:
        return rng.randint(100, 999) if rng.random() < 0.75 else 50 * rng.randint(2, 20)
    return rng.randint(1000, 9999) if rng.random() < 0.8 else 100 * rng.randint(10, 99)


def pair(rng: random.Random, top: int = 4) -> tuple[int, int]:
    a = sized(rng, top)
    b = sized(rng, len(str(a))) if rng.random() < 0.75 else sized(rng, top)
    return (a, b) if rng.random() < 0.6 else (b, a)


def factors(rng: random.Random) -> tuple[int, int]:
    chance = rng.random()
    if chance < 0.42:
        a, b = rng.randint(2, 12), rng.randint(2, 12)
    elif chance < 0.62:
        a, b = rng.randint(11, 99), rng.randint(2, 9)
    elif chance < 0.72:
        a, b = rng.randint(101, 999), rng.randint(2, 9)
    elif chance < 0.90:
        a, b = rng.randint(11, 99), rng.randint(11, 99)
    elif chance < 0.97:
        a, b = rng.randint(2, 99), rng.choice((10, 20, 30, 40, 50, 60, 80, 100))
    else:
        a, b = rng.randint(0, 20), rng.choice((0, 1, 100, 1000))
    return (a, b) if rng.random() < 0.6 else (b, a)


def quotient(rng: random.Random) -> tuple[int, int]:
    chance = rng.random()
    if chance < 0.45:
        b, q = rng.randint(2, 12), rng.randint(2, 12)
    elif chance < 0.75:
        b, q = rng.randint(2, 9), rng.randint(11, 99)
    elif chance < 0.84:
        b, q = rng.randint(2, 9), rng.randint(100, 999)
    elif chance < 0.94:
        b, q = rng.randint(11, 50), rng.randint(2, 30)
    else:
        b, q = rng.choice((10, 20, 25, 50, 100)), rng.randint(2, 40)
    return b * q, b


def small_sum(a: int, b: int) -> bool:
    return a <= 20 and b <= 20


def table(a: int, b: int) -> bool:
    return (a <= 12 and b <= 12) or a <= 1 or b <= 1 or a in (10, 100, 1000) or b in (10, 100, 1000)


def table_quotient(a: int, b: int) -> bool:
    return b <= 12 and a // b <= 12


# --- intents: the four operations


def add(rng: random.Random, split: str) -> Ask:
    (a, b), fact = operands(rng, split, "+", lambda: pair(rng), small_sum)
    equation = f"{show(a)} + {show(b)} = {show(a + b)}"
    return Ask(asked(rng, split, "sum", fact, **slots(rng, a=a, b=b)), told(rng, equation, show(a + b), "sum"),
               number(a + b), a + b, equation, lambda r, s: again_sum(r, s, a))  # fmt: skip


def again_sum(rng: random.Random, split: str, a: int) -> Ask:
    (a, b), _ = operands(rng, split, "+", lambda: (a, sized(rng, 3)), small_sum)
    said = slots(rng, a=a, b=b)
    text = rng.choice((f"{said['a']} + {said['b']}", f"{said['A']} plus {said['B']}"))
    equation = f"{show(a)} + {show(b)} = {show(a + b)}"
    return Ask(BOOK.say(rng, "again", x=text), f"{equation}.", number(a + b), a + b, equation)


def subtract(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        a, b = pair(rng)
        return (a, b) if a >= b or (rng.random() < 0.12 and b <= 100) else (b, a)

    (a, b), fact = operands(rng, split, "-", draw, small_sum)
    kind = "dif"
    equation = f"{show(a)} - {show(b)} = {show(a - b)}"
    return Ask(asked(rng, split, kind, fact, 0.55 if a >= b else 0, **slots(rng, a=a, b=b)) if a >= b else
               expand(rng, BOOK.line(rng, "frame"), x=rng.choice(("{} - {}", "{}-{}", "{} minus {}")).format(a, b)),
               told(rng, equation, show(a - b), "difference" if a >= b else "result"), number(a - b), a - b, equation)  # fmt: skip


def multiply(rng: random.Random, split: str) -> Ask:
    (a, b), fact = operands(rng, split, "x", lambda: factors(rng), table)
    equation = times(a, b)
    return Ask(asked(rng, split, "mul", fact, **slots(rng, a=a, b=b)), told(rng, equation, show(a * b), "product"),
               number(a * b), a * b, equation, lambda r, s: again_product(r, s, a))  # fmt: skip


def again_product(rng: random.Random, split: str, a: int) -> Ask:
    (a, b), _ = operands(rng, split, "x", lambda: (a, rng.randint(2, 12) if a < 1000 else rng.choice((2, 10))), table)
    said = slots(rng, a=a, b=b)
    text = rng.choice((f"{said['a']} x {said['b']}", f"{said['A']} times {said['B']}", f"{said['a']} * {said['b']}"))
    return Ask(BOOK.say(rng, "again", x=text), f"{times(a, b)}.", number(a * b), a * b, times(a, b))


def divide(rng: random.Random, split: str) -> Ask:
    (a, b), fact = operands(rng, split, "/", lambda: quotient(rng), table_quotient)
    equation = over(a, b)
    return Ask(asked(rng, split, "div", fact, **slots(rng, a=a, b=b)), told(rng, equation, show(a // b)),
               number(a // b), a // b, equation)  # fmt: skip


def remainder(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        b = rng.randint(2, 12)
        return b * rng.randint(1, 12 if rng.random() < 0.8 else 30) + rng.randint(1, b - 1), b

    (a, b), fact = operands(rng, split, "/", draw, lambda a, b: a <= 50 and b <= 6)
    q, rest = divmod(a, b)
    equation = f"{a} / {b} = {q} remainder {rest}"
    answer = rng.choice((f"{equation}.", f"{equation}, because {b} x {q} = {b * q} and {a} - {b * q} = {rest}.",
                         f"{b} x {q} = {b * q}, so {equation}."))  # fmt: skip
    if 1000 % b == 0 and rng.random() < 0.7:
        answer = f"{answer[:-1]}. As a decimal it is {scaled(a * 1000 // b, 3)}."
    return Ask(asked(rng, split, "rem", fact, **slots(rng, a=a, b=b)), answer,
               has([str(q), scaled(a * 1000 // b, 3)], [str(rest), scaled(a * 1000 // b, 3)]), None, equation)  # fmt: skip


def decimals(rng: random.Random, split: str) -> Ask:
    """Sums and differences of decimals, and a decimal times a digit."""
    places = 1 if rng.random() < 0.6 else 2
    unit = 10**places
    a, b = (rng.randint(1, rng.choice((10, 20, 100)) * unit) for _ in range(2))
    if rng.random() < 0.3:
        b = (b // unit + 1) * unit
    sign = rng.choice("+-+-x/")
    if sign == "/":
        return decimal_quotient(rng, split, places)
    if sign == "-" and a < b:
        a, b = b, a
    if sign == "x":
        b = rng.randint(2, 9) * unit
    (a, b), _ = operands(rng, split, f"{sign}{places}", lambda: (max(1, a + rng.randint(-9, 9) if sign != "-" else a + rng.randint(0, 9)), b), never)
    result = a * b // unit if sign == "x" else a + b if sign == "+" else a - b
    kind = {"+": "sum", "-": "dif", "x": "mul"}[sign]
    x, y = scaled(a, places), scaled(b, places)
    equation = f"{x} {sign} {y} = {scaled(result, places)}"
    if sign == "x" and a % unit and a > unit:
        equation = f"{x} x {y} = {scaled(a // unit * b, places)} + {scaled(a % unit * b // unit, places)} = {scaled(result, places)}"
    return Ask(asked(rng, split, kind, "", 0.15, a=x, b=y, A=x, B=y), f"{equation}.", number(result / unit), None, equation)


def decimal_quotient(rng: random.Random, split: str, places: int) -> Ask:
    if rng.random() < 0.25:  # by powers of ten, both ways
        (a, power), _ = operands(rng, split, "shift", lambda: (rng.randint(1, 9999), rng.choice((10, 100, 1000))), never)
        if rng.random() < 0.5:
            text, equation, value = "mul", f"{scaled(a)} x {power} = {scaled(a * power)}", a * power / 100
        else:
            text, equation, value = "div", f"{scaled(a)} / {power} = {scaled(a * 1000 // power, 5)}", a / 100 / power
        said = asked(rng, split, text, "", 0.1, a=scaled(a), A=scaled(a), b=str(power), B=str(power))
        return Ask(said, f"{equation}.", number(round(value, 6)), None, equation)
    (q, b), _ = operands(rng, split, f"/{places}", lambda: (rng.randint(1, 30 * 10**places), rng.randint(2, 9)), never)
    x, result = scaled(q * b, places), scaled(q, places)
    equation = f"{x} / {b} = {result}"
    return Ask(asked(rng, split, "div", "", 0.1, a=x, A=x, b=str(b), B=str(b)), f"{equation}.", number(q / 10**places), None, equation)


def negative(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        return rng.randint(-20, 20) if rng.random() < 0.8 else -rng.randint(20, 99), rng.randint(1, 20)

    sign = rng.choice("+-x+-")
    (a, b), _ = operands(rng, split, f"neg{sign}", lambda: (-abs(draw()[0]) or -1, draw()[1]), lambda a, b: a >= -10 and b <= 10)
    result = a + b if sign == "+" else a - b if sign == "-" else a * b
    if sign == "x" and b > 10 and a < -12:
        b = b % 10 or 2
        result = a * b
    word = {"+": "plus", "-": "minus", "x": "times"}[sign]
    typed = {"+": "+", "-": "-", "x": rng.choice("x*")}[sign]
    text = rng.choice((f"{a} {typed} {b}", f"{a}{typed}{b}", f"minus {-a} {word} {b}", f"negative {-a} {word} {b}", f"{a} {word} {b}"))
    equation = f"{a} {sign} {b} = {result}"
    return Ask(expand(rng, BOOK.line(rng, "frame"), x=text), f"{equation}.", number(result), None, equation)


def double(rng: random.Random, split: str) -> Ask:
    by = 2 if rng.random() < 0.75 else 3
    (a,), fact = operands(rng, split, f"{by}x", lambda: (sized(rng, 3),), lambda a: a <= 25)
    equation = times(by, a) if by == 3 else f"2 x {a} = {2 * a}"
    noun = "double" if by == 2 else "triple"
    answer = rng.choice((f"{equation}.", f"{equation}.", f"{'Double' if by == 2 else 'Three times'} {a} is {by * a}.", f"{by * a}."))
    if by == 3:
        answer = f"{equation}."
    return Ask(asked(rng, split, noun, fact, **slots(rng, a=a)), answer, number(by * a), by * a, equation,
               lambda r, s: again_one(r, s, "2x" if by == 2 else "3x", lambda n: n * by))  # fmt: skip


def half(rng: random.Random, split: str) -> Ask:
    (a,), fact = operands(rng, split, "half", lambda: (2 * sized(rng, 3) if rng.random() < 0.85 else rng.randint(1, 99),), lambda a: a <= 50)
    result = scaled(a * 5, 1)
    equation = f"{show(a)} / 2 = {result}"
    answer = rng.choice((f"{equation}.", f"{equation}.", f"Half of {show(a)} is {result}.", f"{result}."))
    return Ask(asked(rng, split, "half", fact, **slots(rng, a=a)), answer, number(a / 2), a // 2 if a % 2 == 0 else None, equation,
               lambda r, s: again_one(r, s, "half", lambda n: n / 2))  # fmt: skip


def again_one(rng: random.Random, split: str, sign: str, result: Callable[[int], float]) -> Ask:
    (a,), _ = operands(rng, split, sign, lambda: (sized(rng, 2) * 2,), lambda a: a <= 50)
    value = scaled(round(result(a) * 10), 1)
    equation = {"2x": f"2 x {a} = {value}", "3x": f"3 x {a} = {value}", "half": f"{a} / 2 = {value}"}[sign]
    return Ask(BOOK.say(rng, "again", x=slots(rng, a=a)["A"]), f"{equation}.", number(result(a)), None, equation)


PARTS = {
    (1, 2): "half; one half; a half; 1/2", (1, 3): "a third; one third; 1/3", (2, 3): "two thirds; 2/3",
    (1, 4): "a quarter; one quarter; one fourth; 1/4", (3, 4): "three quarters; three fourths; 3/4", (1, 5): "a fifth; one fifth; 1/5",
    (2, 5): "two fifths; 2/5", (3, 5): "three fifths; 3/5", (4, 5): "four fifths; 4/5", (1, 6): "a sixth; one sixth; 1/6",
    (5, 6): "five sixths; 5/6", (1, 8): "an eighth; one eighth; 1/8", (3, 8): "three eighths; 3/8", (1, 10): "a tenth; one tenth; 1/10",
    (3, 10): "three tenths; 3/10", (7, 10): "seven tenths; 7/10", (1, 7): "a seventh; one seventh; 1/7", (1, 9): "a ninth; one ninth; 1/9",
}  # fmt: skip
PART_NAMES = {part: names.split("; ") for part, names in PARTS.items()}


def part_of(rng: random.Random, split: str) -> Ask:
    top, bottom = rng.choice(list(PARTS))
    (a,), fact = operands(rng, split, f"{top}/{bottom}", lambda: (bottom * rng.randint(1, 30),), lambda a: a <= 60)
    one, result = a // bottom, a // bottom * top
    equation = f"{a} / {bottom} = {one}" + (f", {top} x {one} = {result}" if top > 1 else "")
    name = rng.choice(PART_NAMES[top, bottom])
    answer = rng.choice((f"{equation}.", f"{equation}.", f"{equation}, so {name} of {a} is {result}."))
    return Ask(asked(rng, split, "part", fact, p=name, **slots(rng, a=a)), answer, number(result), result, equation)


# --- percentages and money

EASY_PERCENT = (10, 20, 25, 50, 5, 15, 30, 75, 40, 1, 2, 12, 60, 8, 80, 18, 90, 35, 3, 45, 70, 22, 7, 19, 6, 65, 21, 4, 9, 100)


def percent_work(p: int, base: int) -> tuple[str, int]:
    """How to take p % of a whole number, and the result in hundredths."""
    result = p * base
    shown = scaled(result)
    if p == 100:
        return f"100% of {show(base)} is {show(base)}", result
    if p == 50:
        return f"{show(base)} / 2 = {shown}", result
    if p == 25 and base % 4 == 0:
        return f"{show(base)} / 4 = {shown}", result
    if p == 75 and base % 4 == 0:
        return f"{show(base)} / 4 = {base // 4}, 3 x {base // 4} = {shown}", result
    if p == 10:
        return f"10% of {show(base)} is {shown}", result
    tens, ones = p // 10, p % 10
    if not ones:
        return f"10% of {show(base)} is {scaled(10 * base)}, {tens} x {scaled(10 * base)} = {shown}", result
    if p < 10:
        if p == 5:
            return f"10% of {show(base)} is {scaled(10 * base)}, half of that is {shown}", result
        return f"1% of {show(base)} is {scaled(base)}" + (f", {p} x {scaled(base)} = {shown}" if p > 1 else ""), result
    return (f"{10 * tens}% of {show(base)} is {scaled(10 * tens * base)}, {ones}% is {scaled(ones * base)}, "
            f"{scaled(10 * tens * base)} + {scaled(ones * base)} = {shown}"), result  # fmt: skip


def percent_pair(rng: random.Random) -> tuple[int, int]:
    p = rng.choice(EASY_PERCENT[:16]) if rng.random() < 0.75 else rng.choice(EASY_PERCENT)
    chance = rng.random()
    if chance < 0.35:
        base = 10 * rng.randint(1, 20)
    elif chance < 0.55:
        base = 100 * rng.randint(1, 20)
    elif chance < 0.75:
        base = 20 * rng.randint(1, 25)
    elif chance < 0.9:
        base = 4 * rng.randint(1, 50)
    else:
        base = rng.randint(2, 150)
    return p, base


def percent(rng: random.Random, split: str, fixed: tuple[int, int] | None = None) -> Ask:
    def draw() -> tuple[int, ...]:
        p, base = percent_pair(rng)
        return (fixed[0] or p, fixed[1] or base) if fixed else (p, base)

    (p, a), fact = operands(rng, split, "%", draw, lambda p, a: p in (10, 50, 25) and a in (100, 20, 40, 80, 200, 50, 60))
    work, result = percent_work(p, a)
    end = rng.choice(("", f", so {p}% of {show(a)} is {scaled(result)}", f", so the answer is {scaled(result)}")) if "," in work else ""
    value = result // 100 if result % 100 == 0 else None
    if fixed:
        text = BOOK.say(rng, "again", x=f"{p}%" if fixed[1] else f"{p}% of {a}" if rng.random() < 0.3 else f"of {a}")
    else:
        text = asked(rng, split, "pct", fact, **slots(rng, p=p, a=a))
    return Ask(text, f"{work}{end}.", number(result / 100), value, f"{p}% of {show(a)} = {scaled(result)}",
               (lambda r, s: percent(r, s, (0, a) if r.random() < 0.5 else (p, 0))))  # fmt: skip


def discount(rng: random.Random, split: str) -> Ask:
    up = rng.random() < 0.4
    (p, a), fact = operands(rng, split, "+%" if up else "-%", lambda: percent_pair(rng), lambda p, a: p in (10, 50, 25) and a in (100, 20, 40, 80, 200))
    if p == 100:
        p = 50
    _, part = percent_work(p, a)
    result = 100 * a + part if up else 100 * a - part
    money = currency(rng) if rng.random() < 0.8 else (lambda cents: scaled(cents))
    sign = "+" if up else "-"
    equation = f"{p}% of {show(a)} is {scaled(part)}, {show(a)} {sign} {scaled(part)} = {scaled(result)}"
    end = rng.choice(("", f", so you pay {money(result)}" if not up else f", so it is {money(result)}", f", so it's {money(result)}"))
    text = asked(rng, split, "up" if up else "off", fact, p=str(p), m=money(100 * a), **cast(rng))
    return Ask(text, f"{equation}{end}.", number(result / 100), result // 100 if result % 100 == 0 else None, equation)


def what_percent(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        whole = rng.choice((10, 20, 25, 50, 100, 200, 40, 80, 30, 60, 5, 4, 8, 16, 150, 300, 400, 500, 1000, 12, 15, 32))
        steps = [n for n in range(1, whole) if 100 * n % whole == 0]
        return (whole, rng.choice(steps)) if steps else (100, rng.randint(1, 99))

    (a, b), fact = operands(rng, split, "of", draw, lambda a, b: a in (100, 10, 20, 50, 4, 5))
    p = 100 * b // a
    equation = f"{b} / {a} = {scaled(100 * b // a)}, which is {p}%"
    return Ask(expand(rng, BOOK.line(rng, "what.pct", split, fact), **slots(rng, a=a, b=b), **cast(rng)),
               rng.choice((f"{equation}.", f"{equation}.", f"{equation} of {a}.")), number(p), None, equation)  # fmt: skip


def price(rng: random.Random) -> int:
    """An amount of cents as prices are."""
    chance = rng.random()
    if chance < 0.45:
        return 100 * rng.randint(1, 20)
    if chance < 0.85:
        return 100 * rng.randint(0, 12) + rng.choice((50, 50, 25, 75, 20, 80, 40, 60, 30, 10, 90))
    return 100 * rng.randint(1, 15) + rng.choice((99, 95, 49, 45, 15, 35, 55, 65))


def buy_work(q: int, cents: int) -> str:
    whole, rest = divmod(cents, 100)
    if not rest:
        return times(q, whole)
    each = f"{whole}.{rest:02d}"
    total = f"{q * cents // 100}.{q * cents % 100:02d}" if q * cents % 100 else show(q * cents // 100)
    if not whole or q == 1:
        return f"{q} x {each} = {total}"
    tail = f"{q * rest // 100}.{q * rest % 100:02d}" if q * rest % 100 else str(q * rest // 100)
    return f"{q} x {each} = {show(q * whole)} + {tail} = {total}"


def buy(rng: random.Random, split: str) -> Ask:
    (q, cents), fact = operands(rng, split, "buy", lambda: (rng.randint(2, 12) if rng.random() < 0.9 else rng.choice((15, 20, 24, 25, 30)), price(rng)),
                                lambda q, cents: q <= 5 and cents % 100 == 0 and cents <= 1000)  # fmt: skip
    money = currency(rng)
    equation = buy_work(q, cents)
    end = rng.choice(("", f", so {money(q * cents)}", f", so you pay {money(q * cents)}", f", so the total is {money(q * cents)}"))
    said = in_words(q) if rng.random() < 0.25 and q <= 12 else str(q)
    text = expand(rng, BOOK.line(rng, "wp.buy", split, fact), q=said, m=money(cents), **cast(rng))
    return Ask(text, f"{equation}{end}.", number(q * cents / 100), q * cents // 100 if q * cents % 100 == 0 else None, equation)


def change(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        note = rng.choice((5, 10, 20, 20, 50, 100, 200, 2, 15, 30, 40)) * 100
        return note, rng.randint(1, note // 100 - 1) * 100 if rng.random() < 0.5 else min(note - 5, price(rng) % note or 50)

    (note, cost), fact = operands(rng, split, "change", draw, lambda note, cost: cost % 100 == 0 and note <= 2000)
    money = currency(rng)
    left = note - cost

    def plain(cents: int) -> str:
        return f"{cents // 100}.{cents % 100:02d}" if cents % 100 else str(cents // 100)

    equation = f"{plain(note)} - {plain(cost)} = {plain(left)}"
    answer = rng.choice((f"{equation}, so {money(left)}.", f"{equation}.", f"{equation}, so you get {money(left)} back." if left else f"{equation}."))
    text = expand(rng, BOOK.line(rng, "wp.change", split, fact), m=money(note), c=money(cost), **cast(rng))
    return Ask(text, answer, number(left / 100), left // 100 if left % 100 == 0 else None, equation)


def buy_change(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        q, cents = rng.randint(2, 6), price(rng)
        note = next((100 * n for n in (5, 10, 20, 50, 100, 200) if 100 * n >= q * cents), 20000)
        return q, cents, note

    (q, cents, note), _ = operands(rng, split, "buychange", draw, never)
    money = currency(rng)
    left = note - q * cents

    def plain(cents: int) -> str:
        return f"{cents // 100}.{cents % 100:02d}" if cents % 100 else str(cents // 100)

    equation = f"{buy_work(q, cents)}, {plain(note)} - {plain(q * cents)} = {plain(left)}"
    text = BOOK.say(rng, "wp.buychange", q=q, m=money(cents), t=money(note), **cast(rng))
    return Ask(text, f"{equation}{rng.choice(('', f', so {money(left)}'))}.", number(left / 100), None, equation)


def proportion(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        return rng.randint(2, 10), rng.randint(1, 12), rng.randint(1, 12)

    (b, each, c), _ = operands(rng, split, "propor", draw, never)
    if b == c:
        c += 1
    money = currency(rng)
    equation = f"{b * each} / {b} = {each}, {c} x {each} = {c * each}"
    text = BOOK.say(rng, "wp.propor", b=b, c=c, m=money(100 * b * each), **cast(rng))
    return Ask(text, f"{equation}{rng.choice(('', f', so {money(100 * c * each)}'))}.", number(c * each), c * each, equation)


# --- lists


def listing(rng: random.Random, entries: Sequence[str]) -> dict[str, str]:
    """A list in the ways people write one."""
    return {
        "l": listed(entries) if rng.random() < 0.7 else ", ".join(entries[:-1]) + f", and {entries[-1]}",
        "lc": rng.choice((", ", ", ", ", ", " ", "; ", ",")).join(entries),
        "ls": rng.choice((" + ", "+")).join(entries),
        "lp": " plus ".join(entries),
    }


def average(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        count = rng.choice((2, 2, 3, 3, 3, 4, 4, 5))
        top = rng.choice((10, 10, 20, 50, 100))
        numbers = [rng.randint(1, top) for _ in range(count)]
        numbers[-1] += -sum(numbers) % count if rng.random() < 0.85 or count == 3 else 0
        if count != 3 and sum(numbers) * 2 % count:
            numbers[-1] += -sum(numbers) % count
        return tuple(numbers)

    numbers, _ = operands(rng, split, "avg", draw, never)
    total, count = sum(numbers), len(numbers)
    result = scaled(total * 10 // count, 1)
    equation = f"{' + '.join(map(str, numbers))} = {total}, {total} / {count} = {result}"
    entries = list(map(in_words if max(numbers) <= 20 and rng.random() < 0.08 else str, numbers))
    text = expand(rng, BOOK.line(rng, "avg.whole"), **listing(rng, entries), **cast(rng))
    return Ask(text, rng.choice((f"{equation}.", f"{equation}.", f"{equation}, so the average is {result}.")), number(total / count), None, equation)


def total(rng: random.Random, split: str) -> Ask:
    def draw() -> tuple[int, ...]:
        top = rng.choice((9, 10, 20, 50, 100, 100, 500))
        return tuple(rng.randint(1, top) for _ in range(rng.choice((3, 3, 3, 4, 4, 5))))

    numbers, _ = operands(rng, split, "sum", draw, never)
    steps, running = [], numbers[0]
    for n in numbers[1:]:
        steps.append(f"{running} + {n} = {running + n}")
        running += n
    short = f"{' + '.join(map(str, numbers))} = {running}"
    equation = short if max(numbers) <= 20 and len(numbers) == 3 else ", ".join(steps)
    entries = list(map(in_words if max(numbers) <= 20 and rng.random() < 0.08 else str, numbers))
    text = expand(rng, BOOK.line(rng, "total.whole"), **listing(rng, entries), **cast(rng))
    return Ask(text, rng.choice((f"{equation}.", f"{equation}.", f"{equation}. The total is {running}.")), number(running), running, short)


def figure(rng: random.Random) -> tuple[int, str]:
    """A number for a comparison, in thousandths, as written."""
    chance = rng.random()
    if chance < 0.4:
        n = sized(rng) * 1000
    elif chance < 0.7:
        n = rng.randint(1, 99) * 10
    elif chance < 0.85:
        n = rng.randint(1, 9) * 100 + 1000 * rng.randint(0, 9)
    elif chance < 0.95:
        n = rng.randint(1, 999) + 1000 * rng.randint(0, 12)
    else:
        n = -1000 * rng.randint(1, 20)
    return n, scaled(n, 3)


def figures(rng: random.Random) -> tuple[int, int]:
    if rng.random() < 0.45:  # numbers near each other, or with the same digits
        a = figure(rng)[0]
        return a, rng.choice((a + 1000, a - 1000, a * 10 if a < 10**6 else a // 10, a + 10, a + 100, a + 50, abs(a - 20)))
    if rng.random() < 0.4:
        return rng.randint(1, 99) * 10, rng.randint(1, 9) * 100
    return figure(rng)[0], figure(rng)[0]


def compare(rng: random.Random, split: str) -> Ask:
    (a, b), _ = operands(rng, split, "<", lambda: figures(rng), never)
    if a == b:
        b += 1000
    x, y = scaled(a, 3), scaled(b, 3)
    chance = rng.random()
    if chance < 0.3:
        bigger = rng.random() < 0.5
        rel = rng.choice(("larger", "bigger", "greater", "more", "higher") if bigger else ("smaller", "less", "lower"))
        yes = (a > b) == bigger
        text = BOOK.say(rng, "cmp.yes", a=x, b=y, rel=rel)
        truth = f"{x} is {'larger' if a > b else 'smaller'} than {y}"
        return Ask(text, f"{'Yes' if yes else 'No'}, {truth}.", has(YES if yes else NO), None, truth)
    larger = chance < 0.75
    text = BOOK.say(rng, "larger.whole" if larger else "smaller.whole", a=x, b=y, **cast(rng))
    first, other = (x, y) if (a > b) == larger else (y, x)
    words = ("larger", "bigger", "greater", "more", "higher", "the larger", "the bigger") if larger else ("smaller", "less", "lower", "the smaller")
    asked_word = next((word for word in words if word in text), words[0])
    truth = f"{first} is {asked_word} than {other}"
    answer = rng.choice((f"{truth}.", f"{truth}.", f"{first} is {asked_word}."))
    return Ask(text, answer, has([f"{first} is {word}" for word in words] + [f"{word} is {first}" for word in words]
                                 + [f"{word} number is {first}" for word in words]), None, truth)  # fmt: skip


def order(rng: random.Random, split: str) -> Ask:
    numbers, _ = operands(rng, split, "order", lambda: tuple(rng.sample(range(1, rng.choice((20, 50, 100, 100, 1000))), rng.choice((3, 3, 4, 4, 5)))), never)
    chance = rng.random()
    said = listing(rng, list(map(str, numbers)))
    if chance < 0.55:
        largest = chance < 0.32
        value = max(numbers) if largest else min(numbers)
        word = "largest" if largest else "smallest"
        text = BOOK.say(rng, "maxlist.whole" if largest else "minlist.whole", **said)
        return Ask(text, rng.choice((f"{value} is the {word}.", f"The {word} is {value}.", f"{value}.")), number(value))
    down = chance > 0.8
    ordered = [str(n) for n in sorted(numbers, reverse=down)]
    text = BOOK.say(rng, "sort.down" if down else "sort.up", **said)
    joined = ", ".join(ordered)
    return Ask(text, rng.choice((f"{joined}", f"{joined}.", f"In order: {joined}.")), has([joined, " ".join(ordered), listed(ordered)]))


# --- properties of a number


def even(rng: random.Random, split: str) -> Ask:
    (a,), fact = operands(rng, split, "even", lambda: (sized(rng),), lambda a: a <= 20)
    return even_ask(a, expand(rng, BOOK.line(rng, "even.whole", split, fact), a=slots(rng, a=a)["a"]), rng)


def even_ask(a: int, text: str, rng: random.Random, value: int | None = None) -> Ask:
    word = "odd" if a % 2 else "even"
    asks_even = bool(re.search(r"\beven\b|equal whole", text))
    asks_odd = bool(re.search(r"\bodd\b", text))
    truth = f"{show(a)} is {word}"
    last = f"{show(a)} ends in {a % 10}, so it is {word}"
    if asks_even == asks_odd:
        answer = rng.choice((f"{truth}.", f"{last}.", f"{truth}."))
    else:
        lead = "Yes" if (word == "even") == asks_even else "No"
        answer = rng.choice((f"{lead}, {truth}.", f"{lead}, {last}."))
    return Ask(text, answer, has([truth, f"is {word}", f"is an {word} number", f"it's {word}", word.title()]), value, truth,
               again_even if value is None else None)  # fmt: skip


def again_even(rng: random.Random, split: str) -> Ask:
    a = sized(rng, 3)
    return even_ask(a, BOOK.say(rng, "again", x=str(a)), rng)


def divisible(rng: random.Random, split: str) -> Ask:
    (a, b), fact = operands(rng, split, "div?", lambda: (lambda b: (b * rng.randint(2, 15) + (rng.randint(0, b - 1) if rng.random() < 0.5 else 0), b))(rng.randint(2, 12)),
                            lambda a, b: b <= 5 and a <= 30)  # fmt: skip
    q, rest = divmod(a, b)
    text = expand(rng, BOOK.line(rng, "divby.whole", split, fact), **slots(rng, a=a, b=b))
    if rest:
        return Ask(text, rng.choice((f"{b} x {q} = {b * q}, so no, {rest} is left over.", f"No, {a} / {b} = {q} remainder {rest}.")),
                   has(NO), None, f"{a} / {b} = {q} remainder {rest}")  # fmt: skip
    return Ask(text, rng.choice((f"{b} x {q} = {a}, so yes.", f"Yes, {a} = {b} x {q}.")), has(YES), None, f"{a} = {b} x {q}")


def prime(rng: random.Random, split: str) -> Ask:
    (a,), fact = operands(rng, split, "prime", lambda: (rng.randint(1, 100 if rng.random() < 0.8 else 200),), lambda a: a <= 100)
    text = expand(rng, BOOK.line(rng, "prime.whole", split, fact), a=a)
    small = next((d for d in range(2, a) if a % d == 0), None)
    inverted = "divisors other" in text
    if a < 2:
        return Ask(text, "No, 1 is not a prime number; primes begin at 2.", has(["no", "not"]))
    if small is None:
        truth = f"{a} is a prime number"
        return Ask(text, f"No, {truth}." if inverted else rng.choice((f"Yes, {truth}.", f"Yes, {a} is prime.")),
                   has(["is prime", "is a prime"]) if inverted else has(YES), None, truth)  # fmt: skip
    truth = f"{a} = {small} x {a // small}"
    return Ask(text, f"Yes, {truth}." if inverted else rng.choice((f"No, {truth}.", f"{truth}, so no, it is not prime.")),
               has(YES) if inverted else has(NO), None, truth)  # fmt: skip


def power(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.4:
        (a,), fact = operands(rng, split, "x", lambda: (rng.randint(1, 20) if rng.random() < 0.75 else rng.randint(21, 99),), lambda a: a <= 20)
        equation = times(a, a)
        return Ask(asked(rng, split, "square", fact, **slots(rng, a=a)), told(rng, equation, show(a * a), "square"), number(a * a), a * a, equation)
    if chance < 0.52:
        (a,), fact = operands(rng, split, "cube", lambda: (rng.randint(1, 10),), lambda a: True)
        equation = f"{a} x {a} = {a * a}, {a * a} x {a} = {a**3}"
        return Ask(asked(rng, split, "cube", fact, **slots(rng, a=a)), f"{equation}.", number(a**3), a**3, equation)
    if chance < 0.74:
        (a,), fact = operands(rng, split, "root", lambda: (rng.randint(1, 15) if rng.random() < 0.85 else rng.choice((16, 18, 20, 25, 30, 40, 50, 100)),), lambda a: True)
        square = slots(rng, a=a * a)["a"]
        return Ask(expand(rng, BOOK.line(rng, "root.whole", split, fact), a=square),
                   rng.choice((f"{a} x {a} = {show(a * a)}, so it is {a}.", f"The square root of {show(a * a)} is {a}.", f"It's {a}, because {a} x {a} = {show(a * a)}.", f"{a}.")),
                   number(a), a, f"{a} x {a} = {show(a * a)}")  # fmt: skip
    if chance < 0.92:
        base, exponent = rng.choice(POWERS)
        steps = [base**n for n in range(2, exponent + 1)]
        result = base**exponent
        equation = f"{base}^{exponent} = {show(result)}"
        answer = f"{', '.join(map(show, [base, *steps]))}: {equation}." if base != 10 and exponent > 3 else f"{equation}."
        return Ask(expand(rng, BOOK.line(rng, "power.whole", split, f"{base}^{exponent}"), b=base, e=exponent), answer, number(result), None, equation)
    a = rng.randint(2, 7)
    result = 1
    for n in range(2, a + 1):
        result *= n
    equation = f"{' x '.join(str(n) for n in range(1, a + 1))} = {show(result)}"
    return Ask(expand(rng, BOOK.line(rng, "fact.whole", split, f"{a}!"), a=a), f"{equation}.", number(result), None, equation)


POWERS = [(2, n) for n in range(1, 13)] * 2 + [(3, n) for n in range(2, 6)] + [(10, n) for n in range(1, 7)] * 2 + [(5, 2), (5, 3), (4, 3), (4, 4), (6, 3), (5, 4), (7, 3)]


def unknown(rng: random.Random, split: str) -> Ask:
    sign = rng.choice("++-x")
    if sign == "x":
        (a, b), fact = operands(rng, split, "/", lambda: quotient(rng) if rng.random() < 0.3 else (lambda p, q: (p * q, p))(rng.randint(2, 12), rng.randint(2, 12)), table_quotient)
        if b > 12:
            b, a = b % 9 + 2, (b % 9 + 2) * (a // b)
        x, equation = a // b, f"{show(a)} / {b} = {show(a // b)}"
        section = "unknown.mul"
    else:
        (p, q), fact = operands(rng, split, sign, lambda: pair(rng, 3), small_sum)
        x, b, a = p, q, p + q if sign == "+" else p - q
        if sign == "-" and a < 0:
            x, b, a = q, p, q - p
        equation = f"{a} - {b} = {x}" if sign == "+" else f"{a} + {b} = {x}"
        section = "unknown.add" if sign == "+" else "unknown.sub"
    text = expand(rng, BOOK.line(rng, section, split, fact), **slots(rng, a=a, b=b))
    lead = "x = " if re.search(r"\bx\b|\dx\b", text) and "x ?" not in text else ""
    return Ask(text, f"{lead}{equation}.", number(x), x, equation)


def claim(rng: random.Random, split: str) -> Ask:
    sign = rng.choice("+-xx/")
    if sign in "+-":
        (a, b), _ = operands(rng, split, sign, lambda: (lambda p: (max(p), min(p)))(pair(rng, 2)), small_sum)
    elif sign == "x":
        (a, b), _ = (rng.randint(2, 12), rng.randint(2, 12)), ""
    else:
        b, q = rng.randint(2, 10), rng.randint(2, 12)
        a = b * q
    right = a + b if sign == "+" else a - b if sign == "-" else a * b if sign == "x" else a // b
    stated = right if rng.random() < 0.5 else max(0, right + rng.choice((-10, -2, -1, 1, 2, 10, a)))
    typed = {"+": ("+", "plus"), "-": ("-", "minus"), "x": ("x", "times", "*"), "/": ("/", "divided by")}[sign]
    text = BOOK.say(rng, "claim.whole", c=f"{a} {rng.choice(typed)} {b}", s=stated)
    equation = f"{a} {sign} {b} = {right}"
    if stated == right:
        return Ask(text, rng.choice((f"{equation}, so yes.", f"Yes, {equation}.", f"{equation}, so that is correct.")), has(YES, str(right)), None, equation)
    return Ask(text, rng.choice((f"{equation}, so no.", f"No, {equation}.", f"{equation}, so {stated} is wrong.")), has(NO, str(right)), None, equation)


def rounded(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.5:
        unit, names = rng.choice(((10, ("ten", "10")), (10, ("ten", "10")), (100, ("hundred", "100")), (1000, ("thousand", "1000", "1,000"))))
        (a,), _ = operands(rng, split, f"round{unit}", lambda: (rng.randint(unit, unit * rng.choice((10, 20, 100)) if unit < 1000 else 9999),), never)
        result = (a + unit // 2) // unit * unit
        low = a // unit * unit
        answer = f"{a} is between {low} and {low + unit}, closer to {result}." if a % unit not in (0, unit // 2) and rng.random() < 0.5 else f"{a} rounded to the nearest {names[0]} is {result}."
        return Ask(BOOK.say(rng, "round.whole", a=a, w=rng.choice(names)), answer, number(result))
    (a,), _ = operands(rng, split, "round1", lambda: (rng.randint(1, 9999),), never)
    places = rng.choice((1, 2))
    shown = scaled(a, places)
    if places == 2 and rng.random() < 0.4:
        result = (a + 5) // 10
        return Ask(BOOK.say(rng, "round.whole", a=shown, w=rng.choice(("tenth", "tenth", "0.1"))), f"{shown} rounded to one decimal is {scaled(result, 1)}.", number(result / 10))
    result = (a + 10**places // 2) // 10**places
    return Ask(BOOK.say(rng, "round.whole", a=shown, w=rng.choice(("whole number", "integer", "whole", "one"))),
               rng.choice((f"{shown} rounded to the nearest whole number is {result}.", f"{result}.", f"It's {result}.")), number(result))  # fmt: skip


def sequence(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.65:
        step = rng.choice((1, 2, 2, 3, 3, 4, 5, 5, 6, 7, 8, 9, 10, 10, 11, 12, 20, 25, 50, 100))
        (start, step), _ = operands(rng, split, "seq", lambda: (rng.choice((0, step, rng.randint(1, 30), rng.randint(1, 100))), step), lambda a, b: a in (0, b))
        count = rng.choice((3, 4, 4, 5))
        terms = [start + n * step for n in range(count)]
        if rng.random() < 0.2 and start > 0:
            terms = [start + step * (count + 1 - n) for n in range(count)]
            following, why = terms[-1] - step, f"It goes down by {step} each time: {terms[-1]} - {step} = {terms[-1] - step}"
        else:
            following, why = terms[-1] + step, f"It goes up by {step} each time: {terms[-1]} + {step} = {terms[-1] + step}"
    elif chance < 0.85:
        factor = rng.choice((2, 2, 2, 3, 10, 5))
        start = rng.randint(1, 12) if factor == 2 else rng.randint(1, 5)
        terms = [start * factor**n for n in range(4)]
        following, why = terms[-1] * factor, f"Each is {factor} times the one before: {terms[-1]} x {factor} = {show(terms[-1] * factor)}"
    elif chance < 0.93:
        start = rng.randint(1, 6)
        terms = [n * n for n in range(start, start + 4)]
        n = start + 4
        following, why = n * n, f"These are squares: {n} x {n} = {n * n}"
    else:
        terms = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]
        end = rng.randint(5, 10)
        terms = terms[:end]
        following, why = terms[-1] + terms[-2], f"Each is the sum of the two before: {terms[-2]} + {terms[-1]} = {terms[-1] + terms[-2]}"
    text = BOOK.say(rng, "next.whole", lc=", ".join(map(str, terms)))
    return Ask(text, f"{why}." if rng.random() < 0.8 else f"{why.split(': ')[1]}.", number(following), following)


def neighbour(rng: random.Random, split: str) -> Ask:
    step = rng.choice((1, -1))
    (a,), fact = operands(rng, split, "next", lambda: (rng.choice((sized(rng), 10 * rng.randint(1, 100), 10 * rng.randint(1, 100) - 1)),), lambda a: a <= 30)
    text = expand(rng, BOOK.line(rng, "after.whole" if step > 0 else "before.whole", split, fact), **slots(rng, a=a))
    side = "after" if step > 0 else "before"
    return Ask(text, rng.choice((f"{show(a + step)}.", f"{show(a + step)} comes {side} {show(a)}.", f"The number {side} {show(a)} is {show(a + step)}.")), number(a + step), a + step)


def words(rng: random.Random, split: str) -> Ask:
    (a,), fact = operands(rng, split, "words", lambda: (sized(rng),), lambda a: a <= 30)
    if rng.random() < 0.5:
        text = expand(rng, BOOK.line(rng, "spell.whole", split, fact), a=slots(rng, a=a)["a"])
        good = [in_words(a), in_words(a, " ", "-"), in_words(a, " and ", " "), in_words(a, " ", " ")]
        shown = in_words(a)
        return Ask(text, rng.choice((f"{shown[0].upper()}{shown[1:]}.", f"{a} in words is {shown}.", f"{shown}")), has(good))
    said = in_words(a, rng.choice((" and ", " ")), rng.choice(("-", " ")))
    return Ask(expand(rng, BOOK.line(rng, "digits.whole", split, fact), w=said), rng.choice((f"{a}", f"{a}.", f"It's {a}.")), number(a), a)


# --- fractions and numerals

FRACTIONS = [(1, 2), (1, 3), (2, 3), (1, 4), (3, 4), (1, 5), (2, 5), (3, 5), (4, 5), (1, 6), (5, 6), (1, 8), (3, 8), (5, 8), (7, 8), (1, 10), (3, 10), (7, 10), (9, 10)]


def _gcd(a: int, b: int) -> int:
    while b:
        a, b = b, a % b
    return a


def fraction(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.5:
        top, bottom = rng.choice(((1, 2), (1, 4), (3, 4), (1, 5), (2, 5), (3, 5), (4, 5), (1, 10), (3, 10), (7, 10), (9, 10), (1, 20), (1, 100), (3, 20), (1, 8), (3, 8)))
        name = f"{top}/{bottom}"
        if chance < 0.2 and (top, bottom) in PART_NAMES:
            name = rng.choice(PART_NAMES[top, bottom])
        decimal = scaled(1000 * top // bottom, 3)
        if chance < 0.22:
            share = scaled(1000 * top // bottom, 1)
            return Ask(expand(rng, BOOK.line(rng, "frac.pct", split, name), f=name), rng.choice((f"{top}/{bottom} = {decimal} = {share}%.", f"{name} is {share}%.".capitalize())),
                       number(float(share)), None, f"{top}/{bottom} = {share}%")  # fmt: skip
        if chance < 0.38:
            return Ask(expand(rng, BOOK.line(rng, "frac.dec", split, name), f=name), rng.choice((f"{top}/{bottom} = {decimal}.", f"It's {decimal}.")), number(float(decimal)), None, f"{top}/{bottom} = {decimal}")
        return Ask(expand(rng, BOOK.line(rng, "dec.frac", split, decimal), d=decimal), rng.choice((f"{decimal} = {top}/{bottom}.", f"It's {top}/{bottom}.")), has(f"{top}/{bottom}"), None, f"{decimal} = {top}/{bottom}")
    (p, q), _ = operands(rng, split, "frac", lambda: (rng.randrange(len(FRACTIONS)), rng.randrange(len(FRACTIONS))), never)
    (a, b), (c, d) = FRACTIONS[p], FRACTIONS[q]
    sign, word = rng.choice((("+", "plus"), ("+", "and"), ("-", "minus"), ("x", "times")))
    if sign == "-" and a * d < c * b:
        (a, b), (c, d) = (c, d), (a, b)
    common = b * d // _gcd(b, d)
    if sign == "x":
        top, bottom, steps = a * c, b * d, []
    else:
        top = a * common // b + (c * common // d if sign == "+" else -c * common // d)
        bottom = common
        steps = [f"{a * common // b}/{common} {sign} {c * common // d}/{common}"] if b != d else []
    steps.append(f"{top}/{bottom}")
    common = _gcd(top, bottom) if top else bottom
    low = f"{top // common}" if bottom == common else f"{top // common}/{bottom // common}"
    if low != steps[-1]:
        steps.append(low)
    equation = f"{a}/{b} {sign} {c}/{d} = {' = '.join(steps)}"
    names = (f"{a}/{b}", f"{c}/{d}")
    if rng.random() < 0.2 and (a, b) in PART_NAMES and (c, d) in PART_NAMES and word != "times":
        names = rng.choice(PART_NAMES[a, b][:-1]), rng.choice(PART_NAMES[c, d][:-1])
    text = BOOK.say(rng, "frac.sum", f=names[0], g=names[1], o=sign if names[0][0].isdigit() else word, w=word)
    good = [low]
    if bottom // common > 1 and 100000 % (bottom // common) == 0:
        good.append(scaled(top * 100000 // bottom, 5))
    if bottom // common > 1 and top // common > bottom // common:
        good.append(f"{top // bottom} {top // common % (bottom // common)}/{bottom // common}")
    return Ask(text, f"{equation}.", has(good), None, equation)


ROMAN = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


def roman(n: int) -> str:
    text = ""
    for value, sign in ROMAN:
        while n >= value:
            text, n = text + sign, n - value
    return text


def numeral(rng: random.Random, split: str) -> Ask:
    (a,), fact = operands(rng, split, "roman", lambda: (rng.randint(1, 20) if rng.random() < 0.5 else rng.choice((50, 100, 500, 1000, rng.randint(21, 100), rng.randint(1900, 2030))),), lambda a: a <= 20)
    if rng.random() < 0.5:
        return Ask(expand(rng, BOOK.line(rng, "roman.to", split, fact), a=a), rng.choice((f"{a} is {roman(a)}.", f"{roman(a)}", f"In Roman numerals {a} is {roman(a)}.")), has(roman(a)))
    return Ask(expand(rng, BOOK.line(rng, "roman.from", split, fact), a=roman(a)), rng.choice((f"{roman(a)} is {a}.", f"{roman(a)} = {a}.", f"It's {a}.")), number(a), a)


# --- two steps and word problems


def two_steps(rng: random.Random, split: str, form: str) -> tuple[dict[str, int], str, int, str]:
    """Numbers for a two-step calculation of this form, its working, its result, and the whole expression."""

    def draw() -> tuple[int, ...]:
        if form in ("addsub", "subsub"):
            a, b, c = (sized(rng, 2) for _ in range(3))
            if rng.random() < 0.2:
                a = sized(rng, 3)
            if form == "subsub":
                a += b + c
            elif a + b <= c:
                c = rng.randint(1, a + b)
            return a, b, c
        if form in ("addmul", "submul"):
            a, b, c = rng.randint(1, 12), rng.randint(1, 12), rng.randint(2, 10)
            if rng.random() < 0.25:
                a += rng.randint(5, 40)
            if form == "submul" and a <= b:
                a += b
            return a, b, c
        if form in ("divadd", "divmul"):
            b, q = rng.randint(2, 10), rng.randint(2, 12)
            return b * q, b, rng.randint(2, 12 if form == "divmul" else 20)
        a, b = rng.randint(2, 12), rng.randint(2, 12)
        if rng.random() < 0.2:
            a = rng.randint(11, 40)
        return a, b, rng.randint(1, min(a * b, 30 if rng.random() < 0.7 else 99)) if form == "mulsub" else rng.randint(1, 30)

    (a, b, c), _ = operands(rng, split, form, draw, never)
    if form == "addsub":
        return {"a": a, "b": b, "c": c}, f"{a} + {b} = {a + b}, {a + b} - {c} = {a + b - c}", a + b - c, f"{a} + {b} - {c}"
    if form == "subsub":
        return {"a": a, "b": b, "c": c}, f"{a} - {b} = {a - b}, {a - b} - {c} = {a - b - c}", a - b - c, f"{a} - {b} - {c}"
    if form == "addmul":
        return {"a": a, "b": b, "c": c}, f"{a} + {b} = {a + b}, {times(a + b, c)}", (a + b) * c, f"({a} + {b}) x {c}"
    if form == "submul":
        return {"a": a, "b": b, "c": c}, f"{a} - {b} = {a - b}, {times(a - b, c)}", (a - b) * c, f"({a} - {b}) x {c}"
    if form == "divadd":
        return {"a": a, "b": b, "c": c}, f"{a} / {b} = {a // b}, {a // b} + {c} = {a // b + c}", a // b + c, f"{a} / {b} + {c}"
    if form == "divmul":
        return {"a": a, "b": b, "c": c}, f"{a} / {b} = {a // b}, {times(a // b, c)}", a // b * c, f"{a} / {b} x {c}"
    if form == "muladd":
        return {"a": a, "b": b, "c": c}, f"{times(a, b)}, {a * b} + {c} = {a * b + c}", a * b + c, f"{a} x {b} + {c}"
    return {"a": a, "b": b, "c": c}, f"{times(a, b)}, {a * b} - {c} = {a * b - c}", a * b - c, f"{a} x {b} - {c}"


TWO_FORMS = ("mulsub", "muladd", "muladd", "addmul", "submul", "addsub", "subsub", "divadd", "divmul")


def two_step(rng: random.Random, split: str) -> Ask:
    form = rng.choice(TWO_FORMS)
    numbers, work, result, expression = two_steps(rng, split, form)
    said = slots(rng, **numbers)
    if rng.random() < 0.45:
        text = expression
        if form == "muladd" and rng.random() < 0.5:  # the product second: precedence
            text = f"{numbers['c']} + {numbers['a']} x {numbers['b']}"
        text = text.replace(" x ", rng.choice((" x ", " * ", "*", " * ", " × ")))
        if rng.random() < 0.3:
            text = text.replace(" ", "")
    else:
        text = BOOK.say(rng, f"two.{form}", **said)
    imperative = re.match(r"(multiply|take|divide|add|subtract|start|from)\b", text) is not None
    if not imperative and (rng.random() < 0.85 or "," in text):
        text = expand(rng, BOOK.line(rng, "frame"), x=text)
    answer = rng.choice((f"{work}.", f"{work}.", f"{work}, so the result is {show(result)}."))
    return Ask(text, answer, number(result), result, work)


def story(rng: random.Random, split: str) -> Ask:
    """A word problem of one step."""
    kind = rng.choice(("add", "add", "sub", "sub", "sub", "mul", "mul", "div", "div"))
    if kind == "add":
        (a, b), fact = operands(rng, split, "+", lambda: pair(rng, 3), small_sum)
        result, work = a + b, f"{a} + {b} = {show(a + b)}"
    elif kind == "sub":
        (a, b), fact = operands(rng, split, "-", lambda: (lambda p: (max(p) + (p[0] == p[1]), min(p)))(pair(rng, 3)), small_sum)
        result, work = a - b, f"{a} - {b} = {a - b}"
    elif kind == "mul":
        def draw() -> tuple[int, ...]:
            return (rng.randint(2, 12), rng.randint(2, 12)) if rng.random() < 0.6 else (rng.randint(2, 9), rng.choice((rng.randint(11, 99), 5 * rng.randint(3, 24))))

        (a, b), fact = operands(rng, split, "x", draw, table)
        result, work = a * b, times(a, b)
    else:
        def draw() -> tuple[int, ...]:
            b, q = (rng.randint(2, 12), rng.randint(2, 12)) if rng.random() < 0.65 else (rng.randint(2, 9), rng.choice((rng.randint(13, 60), 5 * rng.randint(3, 24))))
            return b * q, b

        (a, b), fact = operands(rng, split, "/", draw, table_quotient)
        result, work = a // b, f"{a} / {b} = {a // b}"
    roles = cast(rng)
    line = BOOK.line(rng, f"wp.{kind}", split, fact)
    if kind in ("add", "sub") and re.search(r"years|old|degrees", line):
        a, b = rng.randint(4, 60), rng.randint(2, 30)
        if kind == "sub" and a <= b:
            a, b = b + 3, a
        result = a + b if kind == "add" else a - b
        work = f"{a} {'+' if kind == 'add' else '-'} {b} = {result}"
    text = expand(rng, line, **slots(rng, a=a, b=b), **roles)
    return Ask(text, story_end(rng, work, result, text, roles), number(result), result, work)


def story_end(rng: random.Random, work: str, result: int, text: str, roles: dict[str, Any]) -> str:
    chance = rng.random()
    if chance < 0.5 or result == 1:
        return f"{work}."
    if chance < 0.75 and roles["o"] in text and "how many" in text and not re.search(r"boxes do|bags is|boxes is|cost|times as", text):
        return f"{work} {roles['o']}." if work.count("=") == 1 else f"{work}, so {show(result)} {roles['o']}."
    return f"{work}, so the answer is {show(result)}."


def long_story(rng: random.Random, split: str) -> Ask:
    """A word problem of two steps."""
    form = rng.choice(("muladd", "mulsub", "addsub", "addsub", "subsub", "addmul", "divadd"))
    numbers, work, result, _ = two_steps(rng, split, form)
    text = BOOK.say(rng, f"wp.{form}", **slots(rng, **numbers), **cast(rng))
    return Ask(text, rng.choice((f"{work}.", f"{work}, so the answer is {show(result)}.")), number(result), result, work)


LENGTHS = (("", ""), (" m", "m"), (" cm", "cm"), (" meters", "meters"), (" metres", "metres"), (" feet", "feet"), ("m", "m"), ("cm", "cm"), (" km", "km"), (" inches", "inches"))


def shape(rng: random.Random, split: str) -> Ask:
    unit, noun = rng.choice(LENGTHS)
    chance = rng.random()
    if chance < 0.4:
        (a, b), fact = operands(rng, split, "x", lambda: (rng.randint(2, 12), rng.randint(2, 12)) if rng.random() < 0.7 else (rng.randint(10, 60), rng.randint(2, 30)), table)
        text = expand(rng, BOOK.line(rng, "rect.area", split, fact), a=a, b=b, u=unit)
        work = times(a, b)
        return Ask(text, f"{work}{f' square {noun}' if noun else ''}.", number(a * b), a * b, work)
    if chance < 0.65:
        (a, b), fact = operands(rng, split, "perimeter", lambda: (rng.randint(2, 20), rng.randint(2, 20)) if rng.random() < 0.7 else (rng.randint(10, 100), rng.randint(10, 60)), lambda a, b: a <= 10 and b <= 10)
        text = expand(rng, BOOK.line(rng, "rect.perimeter", split, fact), a=a, b=b, u=unit)
        work = f"{a} + {b} = {a + b}, 2 x {a + b} = {2 * (a + b)}"
        return Ask(text, f"{work}{f' {noun}' if noun else ''}.", number(2 * (a + b)), 2 * (a + b), work)
    if chance < 0.78:
        (a,), fact = operands(rng, split, "4x", lambda: (rng.randint(1, 25),), lambda a: a <= 12)
        return Ask(expand(rng, BOOK.line(rng, "square.perimeter", split, fact), a=a, u=unit), f"{times(4, a)}{f' {noun}' if noun else ''}.", number(4 * a), 4 * a, times(4, a))
    if chance < 0.88:
        (a, b), _ = operands(rng, split, "triangle", lambda: (rng.randint(1, 10) * 2, rng.randint(2, 12)), never)
        work = f"{a} x {b} / 2 = {a * b} / 2 = {a * b // 2}"
        return Ask(BOOK.say(rng, "triangle.area", a=a, b=b, u=unit), f"{work}{f' square {noun}' if noun else ''}.", number(a * b // 2), a * b // 2, work)
    (a, b, c), _ = operands(rng, split, "box", lambda: (rng.randint(2, 10), rng.randint(2, 10), rng.randint(2, 10)), never)
    work = f"{a} x {b} = {a * b}, {times(a * b, c)}"
    return Ask(BOOK.say(rng, "box.volume", a=a, b=b, c=c, u=unit), f"{work}{f' cubic {noun}' if noun else ''}.", number(a * b * c), a * b * c, work)


# --- small facts and lists of numbers

LIMBS = {
    "legs": {"dogs": 4, "cats": 4, "cows": 4, "horses": 4, "chickens": 2, "ducks": 2, "people": 2, "birds": 2, "spiders": 8, "ants": 6, "bees": 6, "beetles": 6,
             "tables": 4, "chairs": 4, "sheep": 4, "rabbits": 4, "frogs": 4, "children": 2, "octopuses": 8, "tripods": 3},
    "wheels": {"cars": 4, "bicycles": 2, "bikes": 2, "tricycles": 3, "motorbikes": 2, "unicycles": 1, "skateboards": 4, "taxis": 4},
    "eyes": {"dogs": 2, "people": 2, "cats": 2, "birds": 2}, "ears": {"rabbits": 2, "dogs": 2, "elephants": 2}, "wings": {"birds": 2, "bees": 4, "butterflies": 4, "planes": 2},
    "fingers": {"hands": 5, "people": 10}, "toes": {"feet": 5, "people": 10}, "strings": {"violins": 4, "guitars": 6, "cellos": 4},
}  # fmt: skip
LARGE = {"ten": 1, "a hundred": 2, "one hundred": 2, "a thousand": 3, "one thousand": 3, "ten thousand": 4, "a hundred thousand": 5, "a million": 6, "one million": 6,
         "ten million": 7, "a hundred million": 8, "a billion": 9, "one billion": 9, "a trillion": 12}  # fmt: skip
POLYGONS = {"a triangle": 3, "a square": 4, "a rectangle": 4, "a pentagon": 5, "a hexagon": 6, "a heptagon": 7, "an octagon": 8, "a nonagon": 9, "a decagon": 10,
            "a rhombus": 4, "a trapezoid": 4, "a parallelogram": 4}  # fmt: skip
ANGLES = {"a circle": 360, "a full turn": 360, "a right angle": 90, "a triangle": 180, "half a turn": 180, "a quarter turn": 90, "a straight angle": 180, "a square": 360}
CHANCES = {
    "heads when tossing a coin": (1, 2), "tails in a coin toss": (1, 2), "getting heads with a fair coin": (1, 2), "rolling a six with a die": (1, 6), "rolling a 3 on a die": (1, 6),
    "an even number on a die": (1, 2), "an odd number on a die": (1, 2), "two heads in two coin tosses": (1, 4), "rolling a 1 or a 2 with one die": (1, 3),
    "drawing a heart from a deck of 52 cards": (1, 4), "drawing an ace from a deck of 52 cards": (1, 13), "rolling two sixes with two dice": (1, 36), "drawing a red card from a full deck": (1, 2),
}  # fmt: skip


def legs(rng: random.Random, split: str) -> Ask:
    what = rng.choice(("legs", "legs", "legs", "wheels", "wheels", *LIMBS))
    kind, each = rng.choice(list(LIMBS[what].items()))
    (a,), fact = operands(rng, split, f"{each}{kind}", lambda: (rng.randint(2, 12) if rng.random() < 0.85 else rng.randint(13, 50),), lambda a: a <= 10)
    text = expand(rng, BOOK.line(rng, "legs", split, fact), w=what, k=kind, **slots(rng, a=a), **cast(rng))
    work = times(a, each)
    return Ask(text, rng.choice((f"{work}.", f"{work} {what}.")), number(a * each), a * each, work)


def number_fact(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.3:
        name, zeros = rng.choice(list(LARGE.items()))
        digits = f"{10**zeros:,}" if zeros > 3 else str(10**zeros)
        if chance < 0.12:
            return Ask(expand(rng, BOOK.line(rng, "zeros.digits", split, name), x=name), f"{digits}.", number(10**zeros))
        plain = name.split()[-1] if name.startswith(("a ", "one ")) and name.count(" ") == 1 else name
        start = "A " if plain != name else ""
        return Ask(expand(rng, BOOK.line(rng, "zeros", split, name), x=name),
                   rng.choice((f"{start or ''}{plain if start else plain.capitalize()} has {zeros} zero{'s' if zeros > 1 else ''}: {digits}.", f"{zeros}: {digits}.")), has([str(zeros), in_words(zeros)]))  # fmt: skip
    if chance < 0.6:
        name, sides = rng.choice(list(POLYGONS.items()))
        text = expand(rng, BOOK.line(rng, "sides", split, name), x=name)
        noun = "corners" if "corner" in text else "edges" if "edges" in text else "sides"
        return Ask(text, rng.choice((f"{name.capitalize()} has {sides} {noun}.", f"{sides} {noun}.", f"{sides}.")), has([str(sides), in_words(sides)]), sides)
    if chance < 0.75:
        name, angle = rng.choice(list(ANGLES.items()))
        return Ask(expand(rng, BOOK.line(rng, "angle", split, name), x=name), rng.choice((f"{angle} degrees.", f"{name.capitalize()} has {angle} degrees.")), number(angle))
    if chance < 0.9:
        name, (top, bottom) = rng.choice(list(CHANCES.items()))
        percent_form = scaled(round(1000 * top / bottom), 1)
        return Ask(expand(rng, BOOK.line(rng, "chance", split, name), x=name), rng.choice((f"{top}/{bottom}.", f"The chance is {top}/{bottom}, about {percent_form}%." if 1000 % bottom else f"The chance is {top}/{bottom}, which is {percent_form}%.")),
                   has([f"{top}/{bottom}", f"{top} in {bottom}", f"{top} out of {bottom}", f"{percent_form}%", scaled(1000 * top // bottom, 3)]))  # fmt: skip
    a = sized(rng, 3)
    return Ask(expand(rng, BOOK.line(rng, "zero.div", split, str(a)), a=a), rng.choice(("Division by zero is not defined.", f"{a} / 0 is not defined: nobody can divide by zero.", "You can't divide by zero, so there is no result.")),
               has(["not defined", "undefined", "can't", "cannot", "impossible", "no result", "not possible", "nobody"]))  # fmt: skip


def counting(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.22:
        (a,), fact = operands(rng, split, "table", lambda: (rng.randint(1, 12),), lambda a: True)
        row = ", ".join(str(a * n) for n in range(1, 11))
        return Ask(expand(rng, BOOK.line(rng, "table", split, fact), a=a), f"{row}.", has([row]))
    if chance < 0.42:
        (b,), fact = operands(rng, split, "count", lambda: (rng.choice((5, 10, 10, 10, 12, 15, 20, rng.randint(3, 20))),), lambda b: True)
        row = ", ".join(map(str, range(1, b + 1)))
        return Ask(expand(rng, BOOK.line(rng, "count.one", split, fact), b=b if rng.random() < 0.7 else in_words(b)), rng.choice((f"{row}.", row)), has([row, row.replace(",", "")]))
    if chance < 0.6:
        (a, n), fact = operands(rng, split, "count", lambda: (rng.randint(1, 100), rng.randint(2, 14)), lambda a, n: a <= 5)
        row = ", ".join(map(str, range(a, a + n + 1)))
        return Ask(expand(rng, BOOK.line(rng, "count.up", split, fact), a=a, b=a + n), rng.choice((f"{row}.", row)), has([row, row.replace(",", "")]))
    if chance < 0.78:
        (b, n), fact = operands(rng, split, "countdown", lambda: (lambda b: (b, b if rng.random() < 0.3 else min(b, rng.randint(2, 12))))(rng.choice((5, 10, 10, 12, 20, rng.randint(3, 60)))), lambda b, n: b <= 10)
        n = min(n, 20)
        text = expand(rng, BOOK.line(rng, "count.down", split, fact), a=b - n, b=b)
        low = b - n if re.search(rf"(to|down to) {b - n}\b", text) else 1 if b <= 20 else b - 10
        if f" {b - n}" not in text and b > 20:
            text = f"count down from {b} to {low}"
        row = ", ".join(map(str, range(b, low - 1, -1)))
        return Ask(text, f"{row}.", has([row, row.removesuffix(", 1") + ", 1, 0" if low == 1 else row, row.replace(",", "")]))
    if chance < 0.88:
        s, n = rng.choice((2, 2, 3, 4, 5, 5, 10, 10, 20, 25, 100)), rng.randint(4, 10)
        row = ", ".join(str(s * k) for k in range(1, n + 1))
        return Ask(expand(rng, BOOK.line(rng, "count.by", split, f"{s} {n}"), s=s, b=s * n), f"{row}.", has([row, row.replace(",", "")]))
    kind = rng.choice(("even", "odd"))
    a = rng.randint(1, 30) if rng.random() < 0.6 else 1
    b = a + rng.randint(5, 16)
    row = ", ".join(str(n) for n in range(a, b + 1) if n % 2 == (kind == "odd"))
    text = expand(rng, BOOK.line(rng, "count.even", split, f"{kind} {a} {b}"), a=a, b=b, k=kind)
    return Ask(text, f"{row}.", has([row, *([", ".join(str(n) for n in range(a + 1, b) if n % 2 == (kind == "odd"))] if "between" in text else [])]))


def which_one(rng: random.Random, split: str) -> Ask:
    kind = rng.choice(("even", "odd"))
    want = kind == "odd"

    def one(odd: bool) -> int:
        n = rng.randint(1, rng.choice((20, 50, 100, 999)))
        return n if n % 2 == odd else n + 1

    if rng.random() < 0.65:
        count = rng.choice((3, 3, 4, 5))
        numbers = [one(not want) for _ in range(count - 1)]
        chosen = one(want)
        numbers.insert(rng.randrange(count), chosen)
        text = BOOK.say(rng, "which.even", k=kind, **listing(rng, list(map(str, numbers))))
        return Ask(text, rng.choice((f"{chosen} is {kind}.", f"{chosen}.", f"The {kind} number is {chosen}.")), number(chosen), chosen)
    numbers = [rng.randint(1, 50) for _ in range(rng.randint(3, 7))]
    text = BOOK.say(rng, "how.many", k=kind, **listing(rng, list(map(str, numbers))))
    if kind in text:
        chosen_ones = [n for n in numbers if n % 2 == want]
        return Ask(text, f"{', '.join(map(str, chosen_ones))}, so {len(chosen_ones)}." if chosen_ones else f"None of them is {kind}, so 0.", has([str(len(chosen_ones)), in_words(len(chosen_ones))]))
    return Ask(text, rng.choice((f"{len(numbers)}.", f"There are {len(numbers)} numbers.")), has([str(len(numbers)), in_words(len(numbers))]))


def spread(rng: random.Random, split: str) -> Ask:
    """Median and range of a short list."""
    numbers = [rng.randint(1, rng.choice((10, 20, 50, 100))) for _ in range(rng.choice((3, 5, 5)))]
    ordered = sorted(numbers)
    said = listing(rng, list(map(str, numbers)))
    if rng.random() < 0.65:
        middle = ordered[len(ordered) // 2]
        return Ask(BOOK.say(rng, "median.whole", **said), f"In order: {', '.join(map(str, ordered))}. The median is {middle}.", number(middle))
    result = ordered[-1] - ordered[0]
    return Ask(BOOK.say(rng, "range.whole", **said), f"{ordered[-1]} - {ordered[0]} = {result}.", number(result), result)


def divisors(rng: random.Random, split: str) -> Ask:
    chance = rng.random()
    if chance < 0.65:
        def draw() -> tuple[int, ...]:
            g = rng.randint(1, 12)
            return g * rng.randint(1, 8), g * rng.randint(2, 8)

        largest = chance < 0.35
        (a, b), fact = operands(rng, split, "gcd" if largest else "lcm", draw if largest else (lambda: (rng.randint(2, 15), rng.randint(2, 12))), lambda a, b: a <= 12 and b <= 12)
        g = _gcd(a, b)
        if largest:
            return Ask(expand(rng, BOOK.line(rng, "gcd.whole", split, fact), a=a, b=b), f"{a} = {g} x {a // g} and {b} = {g} x {b // g}, so it is {g}.", number(g), g)
        least = a * b // g
        return Ask(expand(rng, BOOK.line(rng, "lcm.whole", split, fact), a=a, b=b), f"{least} = {a} x {least // a} = {b} x {least // b}, so it is {least}.", number(least), least)
    a = rng.randint(2, 60) if rng.random() < 0.8 else rng.choice((64, 72, 80, 81, 90, 96, 100))
    if chance < 0.83:
        row = ", ".join(str(d) for d in range(1, a + 1) if a % d == 0)
        return Ask(expand(rng, BOOK.line(rng, "factors.whole", split, f"factors {a}"), a=a), f"{row}.", has([row]))
    rest, primes = a, []
    for d in range(2, a + 1):
        while rest % d == 0:
            primes.append(d)
            rest //= d
    row = " x ".join(map(str, primes))
    answer = f"{a} = {row}." if len(primes) > 1 else f"{a} is a prime number."
    return Ask(expand(rng, BOOK.line(rng, "factorise.whole", split, f"primes {a}"), a=a), answer, has(*[[str(p)] for p in sorted(set(primes))]))


def percent_back(rng: random.Random, split: str) -> Ask:
    (p, a), _ = operands(rng, split, "%back", lambda: (rng.choice((10, 20, 25, 50, 5, 1, 75, 30, 40)), 20 * rng.randint(1, 20)), never)
    part = p * a // 100
    if p * a % 100:
        a, part = 100, p
    share = _gcd(p, 100)
    work = f"{part} / {p // share} = {part * share // p}, {part * share // p} x {100 // share} = {a}" if p > share else f"{part} x {100 // share} = {a}"
    return Ask(BOOK.say(rng, "percent.back", p=p, b=part), f"{work}.", number(a), a, work)


def fraction_form(rng: random.Random, split: str) -> Ask:
    if rng.random() < 0.5:
        (top, bottom, k), _ = operands(rng, split, "simplify", lambda: (*rng.choice(FRACTIONS), rng.randint(2, 12)), never)
        f = f"{top * k}/{bottom * k}"
        return Ask(BOOK.say(rng, "frac.simple", f=f), rng.choice((f"{f} = {top}/{bottom}.", f"Divide both by {k}: {f} = {top}/{bottom}.")), has([f"{top}/{bottom}"]), None, f"{f} = {top}/{bottom}")
    (p, q), _ = operands(rng, split, "fraccmp", lambda: tuple(rng.sample(range(len(FRACTIONS)), 2)), never)
    (a, b), (c, d) = FRACTIONS[p], FRACTIONS[q]
    common = b * d // _gcd(b, d)
    x, y = a * common // b, c * common // d
    text = BOOK.say(rng, "frac.larger", f=f"{a}/{b}", g=f"{c}/{d}")
    lead = f"{a}/{b} = {x}/{common} and {c}/{d} = {y}/{common}, so" if b != d else ""
    if text.startswith("is"):
        return Ask(text, f"{lead} {'yes' if x > y else 'no'}.".strip().capitalize() if not lead else f"{lead} {'yes' if x > y else 'no'}.", has(YES if x > y else NO))
    best = f"{a}/{b}" if x > y else f"{c}/{d}"
    return Ask(text, f"{lead} {best} is larger.".strip(), has([f"{best} is {w}" for w in ("larger", "bigger", "more", "greater", "the larger", "the bigger")] + [f"is {best}"]))


def ratio(rng: random.Random, split: str) -> Ask:
    (b, c, k), _ = operands(rng, split, "ratio", lambda: (rng.randint(1, 5), rng.randint(1, 6), rng.randint(2, 12)), never)
    whole = (b + c) * k
    answer = f"{b} + {c} = {b + c}, {whole} / {b + c} = {k}, {b} x {k} = {b * k} and {c} x {k} = {c * k}."
    return Ask(BOOK.say(rng, "ratio", a=whole, b=b, c=c), answer, has([str(b * k)], [str(c * k)]))


def exchange(rng: random.Random, split: str) -> Ask:
    coins = (("euro", "euros"), ("dollar", "dollars"), ("pound", "pounds"), ("franc", "francs"), ("crown", "crowns"))
    (x, x2), (_, y) = rng.sample(coins, 2)
    (rate, a), _ = operands(rng, split, "rate", lambda: (rng.choice((11, 12, 15, 8, 9, 20, 25, 5, 30, 13, 100, 70)), rng.choice((5, 10, 20, 30, 40, 50, 100, 200, rng.randint(2, 20)))), never)
    return Ask(BOOK.say(rng, "exchange", x=x, x2=x2, y=y, r=scaled(rate, 1), a=a), f"{a} x {scaled(rate, 1)} = {scaled(rate * a, 1)} {y}.", number(rate * a / 10))


def rough_root(rng: random.Random, split: str) -> Ask:
    (a,), fact = operands(rng, split, "root~", lambda: (rng.randint(2, 120),), lambda a: a <= 10)
    low = int(a**0.5)
    if low * low == a:
        a += 1
    text = expand(rng, BOOK.line(rng, "root.between", split, fact), a=a)
    root = a**0.5
    answer = f"{low} x {low} = {low * low} and {low + 1} x {low + 1} = {(low + 1) ** 2}, so it is between {low} and {low + 1}, about {root:.1f}."
    return Ask(text, answer, has([f"{root:.1f}", f"{root:.2f}", f"{root:.3f}", f"between {low} and {low + 1}", f"{low} and {low + 1}"]))


def many_times(rng: random.Random, split: str) -> Ask:
    (a, b), fact = operands(rng, split, "x", lambda: (rng.randint(2, 6), rng.randint(2, 12) if rng.random() < 0.7 else rng.randint(13, 40)), table)
    roles = cast(rng)
    text = expand(rng, BOOK.line(rng, "wp.times", split, fact), **slots(rng, a=a, b=b), **roles)
    if rng.random() < 0.15:
        c, d = rng.randint(3, 30), rng.randint(2, 20)
        text = BOOK.say(rng, "wp.total.each", **slots(rng, a=c, b=d), **roles)
        work = f"{c} + {d} = {c + d}, {c} + {c + d} = {2 * c + d}"
        return Ask(text, f"{work}.", number(2 * c + d), 2 * c + d, work)
    return Ask(text, story_end(rng, times(a, b), a * b, text, roles), number(a * b), a * b, times(a, b))


def small_calculation(rng: random.Random, split: str) -> tuple[str, str, int]:
    """A sum, difference or product of small numbers: how it is asked, its equation and its result."""
    sign = rng.choice("+-x")
    if sign == "x":
        (a, b), _ = operands(rng, split, "x", lambda: (rng.randint(2, 15), rng.randint(2, 9)), table)
        return f"{a}{rng.choice((' x ', '*', ' times ', ' * '))}{b}", times(a, b), a * b
    (a, b), _ = operands(rng, split, sign, lambda: (lambda p: (max(p), min(p)))(pair(rng, 2)), small_sum)
    if sign == "+":
        return f"{a}{rng.choice((' + ', '+', ' plus '))}{b}", f"{a} + {b} = {a + b}", a + b
    return f"{a}{rng.choice((' - ', '-', ' minus '))}{b}", f"{a} - {b} = {a - b}", a - b


def both(rng: random.Random, split: str) -> Ask:
    """Two small calculations in one question."""
    (x, first, p), (y, second, q) = small_calculation(rng, split), small_calculation(rng, split)
    text = BOOK.say(rng, "both", x=x, y=y)
    return Ask(text, rng.choice((f"{first} and {second}.", f"{first}, {second}.")), has([show(p)], [show(q)]))


def precedence(rng: random.Random, split: str) -> Ask:
    form = rng.choice(("submulr", "adddivr", "mulmuladd", "mulmulsub"))
    if form == "adddivr":
        (a, b, c), _ = operands(rng, split, form, lambda: (lambda b, q: (b * q, b, rng.randint(1, 50)))(rng.randint(2, 10), rng.randint(2, 12)), never)
        text = BOOK.say(rng, f"two.{form}", **slots(rng, a=a, b=b, c=c))
        work, result = f"{a} / {b} = {a // b}, {c} + {a // b} = {c + a // b}", c + a // b
    elif form == "submulr":
        (a, b, c), _ = operands(rng, split, form, lambda: (lambda a, b: (a, b, a * b + rng.randint(0, 60)))(rng.randint(2, 10), rng.randint(2, 10)), never)
        text = BOOK.say(rng, f"two.{form}", **slots(rng, a=a, b=b, c=c))
        work, result = f"{a} x {b} = {a * b}, {c} - {a * b} = {c - a * b}", c - a * b
    else:
        (a, b, c, d), _ = operands(rng, split, form, lambda: tuple(rng.randint(2, 12) for _ in range(4)), never)
        if form == "mulmulsub" and a * b < c * d:
            a, b, c, d = c, d, a, b
        text = BOOK.say(rng, f"two.{form}", **slots(rng, a=a, b=b, c=c, d=d))
        sign, result = ("+", a * b + c * d) if form == "mulmuladd" else ("-", a * b - c * d)
        work = f"{a} x {b} = {a * b}, {c} x {d} = {c * d}, {a * b} {sign} {c * d} = {result}"
    if not text.startswith(("subtract", "from", "take", "add")) and rng.random() < 0.8:
        text = expand(rng, BOOK.line(rng, "frame"), x=text)
    return Ask(text, f"{work}.", number(result), result, work)


# --- follow-ups


def follow(rng: random.Random, split: str, value: int) -> Ask:
    """The next step from a result reached before."""
    chance = rng.random()
    if chance < 0.12 and value <= 5000:
        return Ask(BOOK.say(rng, "more.double"), f"2 x {value} = {show(2 * value)}.", number(2 * value), 2 * value, f"2 x {value} = {2 * value}")
    if chance < 0.22 and value % 2 == 0 and value:
        return Ask(BOOK.say(rng, "more.half"), f"{show(value)} / 2 = {show(value // 2)}.", number(value // 2), value // 2, f"{show(value)} / 2 = {show(value // 2)}")
    if chance < 0.29:
        return even_ask(value, BOOK.say(rng, "more.even"), rng, value)
    if chance < 0.47 and value <= 999:
        (_, b), _ = operands(rng, split, "x", lambda: (value, rng.randint(2, 9) if value > 12 else rng.randint(2, 12)), table)
        return step_ask(rng, "mul", value, b, times(value, b), value * b)
    if chance < 0.57 and value > 3:
        divisors = [d for d in range(2, 13) if value % d == 0]
        if divisors:
            b = rng.choice(divisors)
            return step_ask(rng, "div", value, b, f"{show(value)} / {b} = {show(value // b)}", value // b)
    adds = chance < 0.8
    (_, b), _ = operands(rng, split, "+" if adds else "-", lambda: (value, sized(rng, max(1, min(3, len(str(value)))))), small_sum)
    if adds or b > value:
        return step_ask(rng, "add", value, b, f"{show(value)} + {b} = {show(value + b)}", value + b)
    return step_ask(rng, "sub", value, b, f"{show(value)} - {b} = {show(value - b)}", value - b)


def step_ask(rng: random.Random, kind: str, value: int, b: int, equation: str, result: int) -> Ask:
    return Ask(BOOK.say(rng, f"more.{kind}", **slots(rng, a=b)), f"{equation}.", number(result), result, equation)


def doubted(rng: random.Random, ask: Ask) -> Ask:
    text = BOOK.say(rng, "unsure")
    lead = rng.choice(("I worked it out", "Here is the working", "Like this")) if text.startswith(("how", "why", "can you show")) else "Yes"
    return Ask(text, f"{lead}: {ask.equation}.", ask.check, ask.value, ask.equation)


INTENTS: tuple[tuple[Callable[[random.Random, str], Ask], int], ...] = (
    (add, 12), (subtract, 11), (multiply, 12), (divide, 8), (remainder, 2), (decimals, 4), (negative, 2), (double, 4), (half, 4),
    (part_of, 3), (percent, 8), (discount, 5), (what_percent, 2), (buy, 4), (change, 3), (buy_change, 2), (proportion, 1),
    (average, 4), (total, 4), (compare, 4), (order, 2), (even, 3), (divisible, 2), (prime, 1), (power, 5), (unknown, 3), (claim, 2),
    (rounded, 2), (sequence, 2), (neighbour, 1), (words, 2), (fraction, 2), (numeral, 1), (two_step, 5), (story, 12), (long_story, 5),
    (shape, 4), (legs, 2), (number_fact, 2), (counting, 3), (which_one, 2), (spread, 1), (divisors, 2), (percent_back, 1), (fraction_form, 2),
    (ratio, 1), (exchange, 1), (rough_root, 1), (many_times, 2), (precedence, 3), (both, 1),
)  # fmt: skip
_DECK = [intent for intent, weight in INTENTS for _ in range(weight)]
_BARE = (add, subtract, double, half, even, power)  # answered well enough without working


def generate(rng: random.Random, split: str) -> Conversation:
    intent = _DECK[int(rng.random() * len(_DECK))]
    first = intent(rng, split)
    rest: list[Ask] = []
    if rng.random() < 0.025 and first.check["kind"] == "number" and first.value is not None and first.value < 200 and intent in _BARE[:4]:
        first.question = BOOK.say(rng, "bare", q=first.question)
        first.answer = show(first.value)
    last = first
    while rng.random() < (0.24 if not rest else 0.35) and len(rest) < 3:
        if last.again and rng.random() < 0.5:
            last = last.again(rng, split)
        elif last.equation and last.check["kind"] == "number" and rng.random() < 0.12:
            last = doubted(rng, last)
        elif last.value is not None and 0 <= last.value <= 9999:
            last = follow(rng, split, last.value)
        else:
            break
        rest.append(last)
    return converse(rng, split, "arithmetic", first, rest)


if __name__ == "__main__":
    print(BOOK.census())
    self_test(generate, samples=40)
