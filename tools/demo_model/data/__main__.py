"""Tests the generator and prints samples."""

from __future__ import annotations

import random
import time

from .phrasing import wrap

dice = random.Random(3)
for _ in range(60):
    print(wrap(dice, dice.choice(["What is the capital of France?", "How do I install flashmoe?", "Do you like music?",
                                  "Reverse the word \"Banana\".", "capital of Peru", "Who wrote Dracula?",
                                  "Does flashmoe run on Linux?", "How does it work?", "Count the letters in tomato."])))
began = time.perf_counter()
for _ in range(20000):
    wrap(dice, "What is the capital of France?")
print(f"{20000 / (time.perf_counter() - began):.0f} wraps a second")
