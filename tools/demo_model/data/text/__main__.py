"""Tests the generator and prints samples."""

from __future__ import annotations

from ..selftest import self_test
from ..templates import total_variants
from . import generate
from .material import WAYS

self_test(generate)
for key, bank in WAYS.items():
    print(f"{key}: {len(bank.ways)} ways, {total_variants(bank.ways)} readings")
