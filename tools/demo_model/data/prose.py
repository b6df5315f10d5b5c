"""Plain documentation prose at some length, for fluency: a paragraph about one of the subjects of `prose.txt`."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from .common import Conversation, assistant, held_out, kept_back, user
from .phrasing import wrap
from .selftest import contains, holds, self_test
from .templates import Bank, expand
from .textfiles import marked
from .wording import sentence, tidy

ASK = Bank("prose", (
    "[Explain|Please explain|Describe|Tell me about] {s} [at length|in detail|in a paragraph|in several sentences|in more detail|at some length|thoroughly].",
    "[Write|Give me|I'd like|I need|Could you write|Please write] [a paragraph|a few sentences|a longer text|a short text|some lines|a longer explanation|several sentences] about {s}.",
    "[Write|Give me] a [longer|long|detailed|full|thorough] [explanation|description|introduction|overview|summary] of {s}.",
    "[Tell me|Say|Write] [more|a lot|all you know|everything you know|something longer] about {s}.",
    "[I want to understand|I'm reading about|I am writing about|I am curious about] {s}. [Explain it at length.|Write a paragraph.|Tell me more.|Please explain in several sentences.]",
    "What should I know about {s}? [Write a paragraph.|In several sentences, please.|Take your time.|A longer answer, please.]",
    "[Introduce me to|Teach me about|Walk me through|Educate me on] {s}[ in detail| in a paragraph| at length|, at length].",
    "{s}: [write a paragraph|explain at length|a long explanation, please|tell me more|several sentences, please]",
    "[Can you|Could you|Would you] [explain|describe|write about|tell me about] {s} [in a paragraph|at length|in detail|in several sentences]?",
    "For [the documentation|a blog post|my notes|a talk|a beginner|a report], [write|explain|describe] {s} [in a paragraph|at length|in several sentences].",
    "A paragraph about {s}[, please|].", "long answer: {s}", "[Elaborate|Go into detail] on {s}.", "Explain {s} to a beginner, [in a paragraph|at length|not too short].",
    "Write documentation about {s}.", "[A longer|A detailed|A full] text about {s}[, please|].", "Lecture me about {s}.", "Make a small article about {s}."))


@dataclass
class Subject:
    name: str
    check: list[str]  # what a paragraph must mention, one of them
    first: list[str]  # its first sentence, one of several
    more: list[str]  # what may follow, in any order


ALL = [Subject(name, lines["="][0].split(", "), lines["!"], lines["-"])
       for name, lines in marked(Path(__file__).with_suffix(".txt")).items()]  # fmt: skip


def generate(rng: random.Random, split: str) -> Conversation:
    want = held_out(split)
    for _ in range(200):
        subject, way = rng.choice(ALL), rng.choice(ASK.ways)
        if kept_back(f"{subject.name}/{way}") == want:
            break
    question = tidy(expand(rng, way, s=subject.name))
    if not question.startswith("flashmoe"):
        question = sentence(question)
    chosen = rng.sample(subject.more, rng.randint(3, min(5, len(subject.more))))
    if rng.random() < 0.7:
        chosen.sort(key=subject.more.index)
    paragraph = " ".join([rng.choice(subject.first), *chosen])
    return Conversation("prose", [user(wrap(rng, question, (), 0.6)), assistant(paragraph)], checks=[contains(1, subject.check)])


if __name__ == "__main__":
    for subject in ALL:
        assert all(holds(contains(0, subject.check), first) for first in subject.first), subject
    self_test(generate)
    print(f"{len(ALL)} subjects, {sum(len(subject.first) + len(subject.more) for subject in ALL)} sentences, {len(ASK.ways)} ways to ask")
