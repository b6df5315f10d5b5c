"""Tests the generator and prints samples."""

from __future__ import annotations

import random
import time

from ...checks import score
from . import generate
from .domains import DOMAINS
from .instructions import WITH_LIST, WITH_SHAPE

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
