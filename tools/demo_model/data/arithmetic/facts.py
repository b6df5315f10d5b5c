"""Small facts: legs and wheels, zeros, corners, angles, chances; counting up, down and by steps."""

from __future__ import annotations

import random
import re

from ..numbers import in_words, scaled, slots, times
from ..people import cast
from ..questions import Ask, has, number, operands
from ..templates import expand
from .sizes import sized
from .wording import BOOK, listing

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
