"""What users and answers say around calls."""

from __future__ import annotations

from pathlib import Path

from ..textfiles import sections

PHRASES = sections(Path(__file__).with_name("phrases.txt"))
