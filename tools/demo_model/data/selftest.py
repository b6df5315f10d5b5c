"""Checks of a kind that every topic has, and the self-test of a topic."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence

from .common import Check, Conversation


def contains(turn: int, *groups: Sequence[str] | str) -> Check:
    """A check that of each group one alternative stands in the answer."""
    return {"turn": turn, "kind": "contains", "all": [[group] if isinstance(group, str) else list(group) for group in groups]}


def holds(check: Check, answer: str) -> bool:
    """Whether a text answer passes a check of kind "contains" or "number"."""
    if check["kind"] == "contains":
        lower = answer.lower()
        return all(
            any(re.search(rf"(?<!\w){re.escape(alternative.lower())}(?!\w)", lower) for alternative in group)
            for group in check["all"]
        )
    if check["kind"] == "number":
        numbers = [float(found.replace(",", "")) for found in re.findall(r"-?\d+(?:,\d{3})*(?:\.\d+)?", answer)]
        return any(abs(number - check["value"]) < 1e-6 for number in numbers)
    raise ValueError(f"this self-test does not know checks of kind '{check['kind']}'")


def self_test(generate: Callable[[random.Random, str], Conversation], samples: int = 10, rounds: int = 20000) -> None:
    """Prints samples of both splits, proves that every reference answer passes its checks, and says how fast it is."""
    for split in ("train", "heldout"):
        for seed in range(samples):
            made = generate(random.Random(f"{split} {seed}"), split)
            print(f"--- {split}, {made.topic}")
            for message in made.messages:
                print(f"  {message['role']}: {message['content']}")
            for check in made.checks:
                print(f"  check: {check}")
    began = time.perf_counter()
    rng = random.Random(1)
    checked = scored = 0
    asked: set[str] = set()
    answers: set[str] = set()
    for index in range(rounds):
        made = generate(rng, "heldout" if index % 4 == 3 else "train")
        scored += bool(made.checks)
        for message in made.messages:
            assert message["content"].strip() == message["content"] and message["content"], made
            (asked if message["role"] == "user" else answers).add(message["content"])
        for check in made.checks:
            message = made.messages[check["turn"]]
            assert message["role"] == "assistant" and holds(check, message["content"]), (check, made.messages)
            checked += 1
    took = time.perf_counter() - began
    again = [generate(random.Random(7), "train").messages for _ in range(2)]
    assert again[0] == again[1], "the same seed must give the same conversation"
    print(
        f"\n{rounds} conversations, {rounds / took:.0f} a second with their checks; {checked} checks hold, "
        f"{scored / rounds:.0%} of the conversations are scored; {len(asked)} different user messages, {len(answers)} answers"
    )
