"""Ways to ask for JSON."""

from __future__ import annotations

from pathlib import Path

from ..textfiles import sections

PHRASES = sections(Path(__file__).with_name("phrases.txt"))
