"""What it knows about flashmoe and itself: every entry of `knowledge/about.json` asked in many words.

`about_phrases.txt` holds the ways to ask by entry. A way may begin with a mark for the answer: `+` answers "Yes, …",
`-` answers "No, …", `~` answers without either; without a mark a yes or no of the entry goes with questions that can be
answered so.
"""

from __future__ import annotations

import json
import random
import re
from functools import cache
from pathlib import Path
from typing import Any

from .common import Conversation, assistant, load_knowledge, user
from .phrasing import wrap
from .selftest import contains, self_test
from .templates import Bank, expand, total_variants
from .textfiles import sections
from .wording import sentence, tidy

MACROS = {
    "{how}": "[How do I|How can I|How to|How would I|How does one|How do you|What is the way to|What do I do to|What must I do to|"
             "What should I do to|How might I|How could I|What's the best way to|Is there a way to|I'd like to know how to|"
             "Tell me how to|Explain how to|Show me how to]",
    "{whatis}": "[Explain|Define|Describe|What do you mean by|What is meant by|Tell me what is meant by|Can you explain|Tell me about|"
                "Please explain|Could you explain|What do people mean by|Explain the term:|In simple words, explain|Help me understand|"
                "I don't understand|What does one call|Say in one sentence what is meant by|What should I know about]",
}
MACROS["{whatis}"] = MACROS["{whatis}"].replace("What does one call|", "")
OFTEN = frozenset(
    ["what_is_flashmoe", "how_works", "who_are_you", "your_name", "who_made_you", "what_can_you_do", "are_you_human", "how_big", "start", "install", "memory_option", "what_moe", "licence", "platforms", "privacy", "online", "supported_models", "know_time", "exact", "list_commands"])
SYSTEM = ("You are a helpful assistant.", "You are flashmoe's demonstration model.", "Answer briefly.", "You are a friendly assistant.",
          "Be concise.", "You are a small model that runs on the user's computer.", "Answer in one or two sentences.")
_POLAR = re.compile(r"(?:Yes|No|Not always|Hardly)[,.] ")
_YES_NO = re.compile(
    r"(?:\S+ ){0,3}?(?:is|are|was|were|do|does|did|can|could|will|would|should|must|may|have|has|am|might|shall|needn't|don't)\b", re.I)
_WH = re.compile(r"(?:what|which|who|where|when|why|how|tell|explain|give|name|list|show|i want|i need|i'd|write|define|describe)\b", re.I)
_LOWERS = frozenset(["The", "It", "A", "An", "You", "Your", "They", "Their", "Each", "All", "Everything", "With", "Without", "Missing", "Errors", "Experts", "Use", "Pass", "Call", "Run", "Three", "My"])

# "What is … do?" and "What does … for?": readings of "[is|does] … [for|do|]" that cross.
_CROSSED = re.compile(
    r"^What (?:is|are) [^?]*\b(?:do|mean)(?: in [^?]*| for a model| exactly)?\?|^What does [^?]*\b(?:for|exactly|good for|here)\?|"
    r"^What does (?!.*\b(?:do|mean|tell|show|return|give|gives|hold|contain|count|keep|yield|consist|stand|change|refer|bring|save|let|print|"
    r"compare|read|store|learn|use|own|need|solve|make|know|happen|take|say|offer|have|cover|include|help|report|measure|choose|want|lead|give me|"
    r"it mean|it take|the build|auto|that)\b)", re.I)

LINKS = ("[And|Also|Then|And then], {q}", "{q}", "And {q}", "[Ok|Okay|Thanks|Good|I see|Great|Got it|Nice|Aha|Fine|Alright], [and |]{q}", "[One more:|Next:|Another one:|Now:] {q}")
BOTH = ("{a} And {b}", "{a} Also, {b}", "{a} {B}", "[Two questions:|I have two questions.] {a} And {b}", "{a} And also: {b}")


def _macros(way: str) -> str:
    for name, text in MACROS.items():
        way = way.replace(name, text)
    return way


@cache
def _entries() -> tuple[list[dict[str, Any]], list[float], dict[str, Bank]]:
    entries = load_knowledge("about")
    ways = sections(Path(__file__).with_name("about_phrases.txt"))
    banks = {entry["id"]: Bank(entry["id"], [entry["question"], *map(_macros, ways.get(entry["id"], [entry["question"] + " "]))])
             for entry in entries}
    total = 0.0
    sums = []
    for entry in entries:
        total += 2 if entry["id"] in OFTEN else 1
        sums.append(total)
    return entries, sums, banks


def _holds(must: list[list[str]], answer: str) -> bool:
    lower = answer.lower()
    return all(any(re.search(rf"(?<!\w){re.escape(one.lower())}(?!\w)", lower) for one in group) for group in must)


def _lowered(text: str) -> str:
    first = text.split(maxsplit=1)[0]
    return text[:1].lower() + text[1:] if first in _LOWERS else text


@cache
def _answer(given: str, mark: str, must: str) -> str:
    """The entry's answer with another yes or no in front, or none."""
    body = _POLAR.sub("", given, count=1) if _POLAR.match(given) else given
    made = {"+": "Yes, " + _lowered(body), "-": "No, " + _lowered(body)}.get(mark)
    if made is None:
        made = body if body.startswith("flashmoe") else sentence(body)
    return made if _holds(json.loads(must), made) else given


def ask(rng: random.Random, split: str) -> tuple[str, str, list[list[str]]]:
    """A question as it is put, the answer, and what the answer must hold."""
    entries, sums, banks = _entries()
    entry = rng.choices(entries, cum_weights=sums)[0]
    way = banks[entry["id"]].pick(rng, split)
    mark = way[0] if way[0] in "+-~" and not way.startswith("--") else ""
    question = tidy(expand(rng, way[len(mark):]))
    for _ in range(8):
        if not _CROSSED.search(question):
            break
        question = tidy(expand(rng, way[len(mark):]))
    if question[0] in "+-~" and not question.startswith("--"):
        mark, question = question[0], question[1:]
    if not mark and _POLAR.match(entry["answer"]) and (_WH.match(question) or not _YES_NO.match(question)):
        mark = "~"
    return question, _answer(entry["answer"], mark, json.dumps(entry["must"])) if mark else entry["answer"], entry["must"]


def generate(rng: random.Random, split: str) -> Conversation:
    made = Conversation("about", [])
    if rng.random() < 0.06:
        made.messages.append({"role": "system", "content": rng.choice(SYSTEM)})
    kind = rng.random()
    if kind < 0.05:
        (first, one, must_one), (second, two, must_two) = ask(rng, split), ask(rng, split)
        if one != two and first[-1] in "?." and second[-1] in "?.":
            small = second if second.startswith(("I ", "I'", "MLX", "NVIDIA", "Python", "Qwen")) else second[:1].lower() + second[1:]
            text = expand(rng, rng.choice(BOTH), a=first, b=small, B=sentence(second))
            made.messages += [user(wrap(rng, text, (), 0.3)), assistant(f"{one} {two}")]
            made.checks.append(contains(len(made.messages) - 1, *must_one, *must_two))
            return made
    seen: set[str] = set()
    for turn in range(1 if kind < 0.72 else 2 if kind < 0.9 else 3):
        question, answer, must = ask(rng, split)
        if answer in seen:
            continue
        seen.add(answer)
        if turn and rng.random() < 0.35 and question[0].isupper() and not question.startswith(("I ", "I'")):
            question = expand(rng, rng.choice(LINKS), q=question[:1].lower() + question[1:])
            question = sentence(question)
        made.messages += [user(wrap(rng, question)), assistant(answer)]
        made.checks.append(contains(len(made.messages) - 1, *must))
    return made


if __name__ == "__main__":
    self_test(generate)
    knowledge, _, every = _entries()
    counts = [total_variants(every[entry["id"]].ways) for entry in knowledge]
    print(f"{len(knowledge)} entries, {sum(len(bank.ways) for bank in every.values())} ways, {sum(counts)} readings before wrapping; "
          f"the poorest entries: {sorted((count, entry['id']) for count, entry in zip(counts, knowledge))[:5]}")
    assert all(_holds(entry["must"], entry["answer"]) for entry in knowledge)
