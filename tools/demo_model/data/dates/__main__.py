"""Tests the generator and prints samples."""

from __future__ import annotations

from ..selftest import self_test
from . import generate
from .calendar import BOOK

print(BOOK.census())
self_test(generate, samples=60)
