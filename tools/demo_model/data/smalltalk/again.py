"""The last answer once more, or shorter."""

from __future__ import annotations

import random
from pathlib import Path

from ..common import Conversation, assistant, user
from ..phrasing import wrap
from ..selftest import contains
from ..templates import banks
from .intents import intent_turn

WAYS = banks(Path(__file__).with_name("phrases.txt"))
LONG = (  # a question, the answer, and its short form
    ("What is flashmoe?", "flashmoe is a Python package that runs Mixture-of-Experts language models larger than your memory. It keeps the dense weights in memory and streams the experts from SSD.", "It runs models larger than your memory.", ["larger", "memory"]),
    ("How does flashmoe work?", "It keeps the dense weights in memory and reads the routed experts from SSD when the router asks for them. Experts used recently stay in a cache.", "It reads experts from SSD when they are needed.", ["experts", "SSD", "disk"]),
    ("What can you do?", "I can explain flashmoe, do simple arithmetic, dates and units, answer easy facts, pull data out of text and call tools.", "I answer simple questions and call tools.", ["questions", "flashmoe", "tools"]),
    ("What is a Mixture-of-Experts model?", "It is a model whose layers hold many small networks, called experts. A router picks a few of them for each token.", "A model of which only a few experts work on each token.", ["experts"]),
    ("What does flashmoe run write?", "flashmoe run writes the answer alone to standard output. Everything else goes to standard error.", "Only the answer goes to standard output.", ["standard output", "stdout"]),
    ("What is quantisation?", "Quantisation stores the weights with fewer bits, for example 4 instead of 16. The model becomes smaller and faster to read.", "It stores weights with fewer bits.", ["bits"]),
    ("Why does flashmoe use pread and not mmap?", "With pread flashmoe decides what is read and what stays in memory. With mmap the operating system decides, and each page fault stalls the program.", "With pread flashmoe itself decides what is in memory.", ["pread", "decides"]),
    ("How can I relax?", "Take a short break, breathe slowly, and then go on step by step. A walk outside helps as well.", "Take a break and breathe.", ["break", "breathe", "walk"]),
    ("What changes with a smaller memory budget?", "The answers stay the same, but it gets slower, because more experts have to be read from the SSD.", "It gets slower.", ["slower"]))


def again(rng: random.Random, split: str, made: Conversation) -> None:
    """The last answer once more, or shorter."""
    if rng.random() < 0.5:
        intent_turn(rng, split, made, set())
        last = made.messages[-1]["content"]
        made.messages += [user(wrap(rng, WAYS["repeat_that"].pick(rng, split), (), 0.3)), assistant(last)]
        made.checks.append(contains(len(made.messages) - 1, last))
        return
    question, answer, short, check = rng.choice(LONG)
    made.messages += [user(wrap(rng, question, (), 0.7)), assistant(answer), user(wrap(rng, WAYS["shorter"].pick(rng, split), (), 0.3)), assistant(short)]
    made.checks.append(contains(3 + len(made.messages) - 4, check))
