"""Conversations on disk: one JSON file each, beside the folder of a PrefixStore that keeps their states."""

from __future__ import annotations

import json
import os
import re
import secrets
import tempfile
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import UsageError

VERSION = 1


def state_folder() -> Path:
    """Where flashmoe keeps what a person would miss: history, conversations, states."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "flashmoe"


@dataclass
class Kept:
    """A conversation. written: as in `Chat`. model: as it was given, and tells where to go on."""

    id: str = field(default_factory=lambda: f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}")
    name: str = ""
    model: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    written: int | None = None
    updated: float = 0.0  # seconds since the epoch
    version: int = VERSION

    @property
    def title(self) -> str:
        """Its name, or what it began with."""
        first = next((str(m.get("content")) for m in self.messages if m.get("role") == "user"), "")
        return self.name or " ".join(first.split())[:60] or "(empty)"


class KeptChats:
    """The conversations in a folder. Raises UsageError for what is not there or cannot be read."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or state_folder() / "sessions"

    def save(self, kept: Kept) -> None:
        """Raises OSError."""
        kept.updated = time.time()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=kept.id, suffix=".partial", dir=self.folder)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(asdict(kept), file, ensure_ascii=False, indent=1)
            os.replace(name, self.folder / f"{kept.id}.json")
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def all(self) -> list[Kept]:
        """Those that can be read, the newest first."""
        found = []
        for path in self.folder.glob("*.json"):
            try:
                found.append(self._read(path))
            except UsageError:
                continue
        return sorted(found, key=lambda kept: kept.updated, reverse=True)

    def find(self, what: str = "") -> Kept:
        """By number as `/sessions` lists them, by name or id, or the newest."""
        kept = self.all()
        if not kept:
            raise UsageError("there are no kept conversations yet")
        if not what:
            return kept[0]
        if re.fullmatch(r"\d{1,4}", what) and 0 < int(what) <= len(kept):
            return kept[int(what) - 1]
        for one in kept:
            if what in (one.id, one.name):
                return one
        raise UsageError(f"there is no conversation {what!r}; /sessions lists them")

    def _read(self, path: Path) -> Kept:
        try:
            data = json.loads(path.read_text("utf-8"))
            if data["version"] != VERSION or not isinstance(data["messages"], list):
                raise ValueError("of another version")
            names = {one.name for one in fields(Kept)}
            return Kept(**{key: value for key, value in data.items() if key in names})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from None
