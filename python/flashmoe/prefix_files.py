"""The part of a prefix store that is on disk: one session file for each state, within a limit.

Files are named by the model's fingerprint and the tokens, so a folder may serve several models and processes; the
limit counts all of them, and what was used longest ago goes first. Of one timeline the shortest and the two longest
states stay, since each file holds a whole state: the shortest is what other conversations begin with, the longest is
where this one goes on, and the one before it serves an answer that is asked for anew.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from . import session_file
from .errors import SessionFileError

Tokens = npt.NDArray[np.int32]
SUFFIX = ".session"
WAITING = 4  # states that may wait to be written; older ones are passed over

_log = logging.getLogger("flashmoe")


class Writable(Protocol):
    """A state that can be written. tokens: int32 [position]."""

    tokens: Tokens

    def runs(self) -> Sequence[Sequence[bytes]]:
        """The runs of the state as the core lists them, each in pieces."""


@dataclass(frozen=True, eq=False)
class File:
    """A state on disk."""

    path: Path
    tokens: Tokens  # int32 [position]

    def touch(self) -> None:
        """Says that it was used now."""
        with suppress(OSError):
            os.utime(self.path)


class Files:
    """The session files of one model in a folder. Any thread may call."""

    def __init__(self, fingerprint: str, folder: Path, most: int) -> None:
        """most: bytes that all session files in the folder may take."""
        self._fingerprint, self._folder, self._most = fingerprint, folder, most
        self._prefix = fingerprint[:16] + "-"
        self._files: list[File] = []
        self._waiting: list[Writable] = []
        self._writing = False
        self._changed = threading.Condition()
        for path in sorted(folder.glob(f"{self._prefix}*{SUFFIX}")):
            try:
                self._files.append(File(path, session_file.read_tokens(path, fingerprint)))
            except SessionFileError as error:
                _log.warning("a kept session is passed over: %s", error)

    def all(self) -> list[File]:
        """The files of this model that could be read."""
        with self._changed:
            return list(self._files)

    def forget(self, file: File, why: SessionFileError) -> None:
        """Passes over a file that could not be loaded."""
        with self._changed:
            self._files = [other for other in self._files if other is not file]
        if file.path.exists():  # another process may have made room
            _log.warning("a kept session is passed over: %s", why)

    def write(self, state: Writable) -> None:
        """Has a state written soon, unless it is there."""
        with self._changed:
            waiting = [other for other in self._waiting if not np.array_equal(other.tokens, state.tokens)]
            self._waiting = [*waiting, state][-WAITING:]
            if not self._writing:
                self._writing = True
                threading.Thread(target=self._write_all, name="flashmoe-prefix-files", daemon=True).start()

    def flush(self) -> None:
        """Waits until what was given to `write` is there."""
        with self._changed:
            self._changed.wait_for(lambda: not self._writing)

    def size(self) -> tuple[int, int]:
        """Files of this model, and bytes of all session files in the folder."""
        return len(self.all()), sum(size for _, size, _ in self._on_disk())

    def _write_all(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._writing = False
                    self._changed.notify_all()
                    return
                state = self._waiting.pop(0)
            try:
                self._write(state)
            except OSError as error:
                _log.warning("a session cannot be kept in %s: %s", self._folder, error.strerror or error)
            except Exception:
                _log.exception("a session cannot be kept in %s", self._folder)

    def _write(self, state: Writable) -> None:
        digest = hashlib.sha256(state.tokens.astype("<i4").tobytes()).hexdigest()
        file = File(self._folder / f"{self._prefix}{digest[:24]}{SUFFIX}", state.tokens)
        known = next((other for other in self.all() if other.path == file.path), None)
        if known is not None and known.path.exists():
            return known.touch()
        runs = state.runs()
        size = state.tokens.nbytes + sum(len(piece) for run in runs for piece in run)
        if size > self._most:
            return None
        self._make_room(size)
        session_file.write(file.path, self._fingerprint, state.tokens, runs)
        file.path.chmod(0o600)
        with self._changed:
            self._files = [other for other in self._files if other.path != file.path] + [file]
        self._drop_between(file)

    def _make_room(self, size: int) -> None:
        """Deletes what was used longest ago, until `size` more bytes fit."""
        files = sorted(self._on_disk())
        total = sum(size for _, size, _ in files) + size
        for _, freed, path in files:
            if total <= self._most:
                break
            self._delete(path)
            total -= freed

    def _drop_between(self, last: File) -> None:
        """Deletes the states of this timeline that serve nothing any more."""
        files = self.all()
        line = sorted((file for file in files if begins(last.tokens, file.tokens)), key=lambda file: len(file.tokens))
        others = [file for file in files if file is not last and file not in line]
        for file in line[1:-1]:
            if not any(begins(other.tokens, file.tokens) for other in others):
                self._delete(file.path)

    def _delete(self, path: Path) -> None:
        with suppress(OSError):
            path.unlink()
        with self._changed:
            self._files = [file for file in self._files if file.path != path]

    def _on_disk(self) -> list[tuple[float, int, Path]]:
        """(time of last use, bytes, path) of the session files of all models."""
        found = []
        for path in self._folder.glob(f"*{SUFFIX}"):
            with suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        return found


def begins(tokens: Tokens, past: Tokens) -> bool:
    """Whether a timeline of these tokens, int32 [n], can go on from a state after `past`, which must be shorter: the
    last token's logits are wanted."""
    return len(past) < len(tokens) and bool(np.array_equal(tokens[: len(past)], past))
