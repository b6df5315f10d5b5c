"""Tests the generator and prints samples."""

from __future__ import annotations

import random

from . import MAKERS, value
from .entries import LEXICONS

source = random.Random(1)
for lexicon, halves in LEXICONS.items():
    print(f"{lexicon:12s} {len(halves['train']):4d} train {len(halves['heldout']):3d} heldout")
for kind in [*MAKERS, "int:1-9", "num:1-40", "id:EV", "oneof:a/b", "const:done"]:
    print(f"{kind:12s}", " | ".join(str(value(kind, source, split)) for split in ("train", "train", "train", "heldout")))
