"""Reads a whole checkpoint and lists everything that is wrong with it: `flashmoe verify`.

Three questions, for every file: does it describe itself without contradiction, can each of its bytes be read,
and are they the bytes that were meant, as far as a checksum is known (from a conversion's manifest, or the
names of files in the hub's cache)? Float tensors are searched for infinities and NaN. One problem does not
hide the next.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .checkpoints import checkpoint_folder, open_checkpoint
from .checkpoints.safetensors import Entry, parse_json, read_header
from .convert import MANIFEST_NAME
from .errors import Cancelled, CheckpointError

Progress = Callable[[int, int, str], bool | None]  # (bytes read, bytes in all, tensor); true cancels

_CHUNK = 8 << 20
# Stored as unsigned integers of this type, a number is infinite or NaN exactly if all bits of its exponent
# are set.
_EXPONENT: dict[str, tuple[npt.DTypeLike, int]] = {
    "F32": ("<u4", 0x7F800000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
}


@dataclass(frozen=True)
class Problem:
    """Something wrong with a file, or with one of its tensors ("" when it is the file as a whole)."""

    file: str
    tensor: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {f'tensor {self.tensor}: ' if self.tensor else ''}{self.message}"


@dataclass
class Report:
    """What was found. `bytes` were read from `files` files with `tensors` tensors; `checksums` files had a
    known checksum, right or wrong; `notes` are for information."""

    path: Path
    files: int = 0
    tensors: int = 0
    bytes: int = 0
    checksums: int = 0
    problems: list[Problem] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


@dataclass(frozen=True)
class _Known:
    """What a file should be: its size (None: not known) and checksum; git: as git computes it, of a blob."""

    size: int | None
    algorithm: str
    digest: str
    git: bool = False


def verify(path: str | Path, progress: Progress | None = None) -> Report:
    """Checks a checkpoint folder by reading all of it.

    progress: called with (bytes read, bytes in all, tensor); true cancels. Problems are listed in the report
    and never raised; CheckpointError is for a folder that is not there, Cancelled for a cancelled call.
    """
    folder = checkpoint_folder(path)
    report = Report(folder)
    known = _known_checksums(folder, report)
    try:
        spec = open_checkpoint(folder)
        report.notes = spec.notes
    except CheckpointError as error:
        report.problems.append(_problem(folder, error))

    weights = sorted(folder.glob("*.safetensors"))
    others = [
        folder / name for name in sorted({*known, *_small_files(folder)}) if folder / name not in weights
    ]
    total = sum(file.stat().st_size for file in (*weights, *others) if file.is_file())

    def advance(count: int, name: str) -> None:
        report.bytes += count
        if progress is not None and progress(report.bytes, total, name):
            raise Cancelled("the check was cancelled")

    for file in (*weights, *others):
        report.files += 1
        expected = known.get(file.name) or _hub_checksum(file)
        _check_file(file, file in weights, expected, report, advance)
    report.problems = list(dict.fromkeys(report.problems))
    return report


def _problem(folder: Path, error: CheckpointError) -> Problem:
    """A CheckpointError's message starts with the file's path; the report gives the name alone."""
    message = str(error).replace(f"{folder}{os.sep}", "")
    file, separator, rest = message.partition(": ")
    return Problem(file, "", rest) if separator else Problem(folder.name, "", message)


def _small_files(folder: Path) -> list[str]:
    return [file.name for pattern in ("*.json", "*.jinja") for file in folder.glob(pattern)]


def _known_checksums(folder: Path, report: Report) -> dict[str, _Known]:
    """From the manifest of a conversion."""
    path = folder / MANIFEST_NAME
    if not path.is_file():
        return {}
    known = {}
    try:
        files: Any = parse_json(path.read_bytes(), str(path)).get("files")
        for name, record in files.items():
            size, digest = record["bytes"], record["sha256"]
            if name != Path(name).name or type(size) is not int or not isinstance(digest, str):
                raise CheckpointError(f"{path}: files: {name!r} has no valid record")
            known[name] = _Known(size, "sha256", digest)
    except CheckpointError as error:
        report.problems.append(_problem(folder, error))
    except (OSError, AttributeError, KeyError, TypeError):
        report.problems.append(Problem(MANIFEST_NAME, "", "damaged"))
    return known


def _hub_checksum(file: Path) -> _Known | None:
    """In the hub's cache a file is a link to blobs/NAME, where NAME is its SHA-256, or for small files git's
    SHA-1."""
    if not file.is_symlink():
        return None
    blob = Path(os.path.realpath(file))
    if blob.parent.name != "blobs":
        return None
    if re.fullmatch("[0-9a-f]{64}", blob.name):
        return _Known(None, "sha256", blob.name)
    if re.fullmatch("[0-9a-f]{40}", blob.name):
        return _Known(None, "sha1", blob.name, git=True)
    return None


def _check_file(
    file: Path, weights: bool, expected: _Known | None, report: Report, advance: Callable[[int, str], None]
) -> None:
    """One pass over a file: its header, its bytes, its numbers and its checksum."""

    def problem(message: str, tensor: str = "") -> None:
        report.problems.append(Problem(file.name, tensor, message))

    try:
        size = file.stat().st_size
    except FileNotFoundError:
        problem("no such file")
        return
    except OSError as error:
        problem(f"cannot be read: {error.strerror}")
        return
    entries: dict[str, Entry] = {}
    if weights:
        try:
            entries, _ = read_header(file)
        except CheckpointError as error:
            report.problems.append(_problem(file.parent, error))
    report.tensors += len(entries)
    if expected is not None and expected.size is not None and size != expected.size:
        problem(f"{size} bytes, but the manifest says {expected.size}")
        expected = None
    digest = hashlib.new(expected.algorithm, usedforsecurity=False) if expected is not None else None
    if digest is not None and expected is not None and expected.git:
        digest.update(b"blob %d\0" % size)
    whole = True
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        problem(f"cannot be read: {error.strerror}")
        return
    try:
        for name, entry in _runs(entries, size):
            bad = 0
            try:
                for data in _chunks(fd, entry):
                    if digest is not None:
                        digest.update(data)
                    bad += _not_finite(data, entry.dtype)
                    advance(len(data), name)
            except OSError as error:
                problem(f"cannot be read: {error.strerror or error}", name)
                whole = False
            if bad:
                problem(f"{bad} numbers are infinite or not a number", name)
    finally:
        os.close(fd)
    if digest is not None and expected is not None and whole:
        report.checksums += 1
        if digest.hexdigest() != expected.digest:
            problem(
                f"the {expected.algorithm} checksum is wrong: the file is damaged, or was changed; "
                "download it again"
            )


def _runs(entries: dict[str, Entry], size: int) -> Iterator[tuple[str, Entry]]:
    """The whole file, in order: its header (or all of it when it has no tensors), then tensor by tensor."""
    first = next(iter(entries.values())).offset if entries else size
    yield "", Entry("U8", (first,), 0, 0, first)
    yield from entries.items()


def _chunks(fd: int, entry: Entry) -> Iterator[bytes]:
    position, end = entry.offset, entry.offset + entry.length
    while position < end:
        want = min(_CHUNK, end - position)
        data = os.pread(fd, want, position)
        while len(data) < want:
            more = os.pread(fd, want - len(data), position + len(data))
            if not more:
                raise OSError(f"the file ends at byte {position + len(data)}")
            data += more
        yield data
        position += want


def _not_finite(data: bytes, dtype: str) -> int:
    """How many of these numbers are infinite or NaN; 0 for integers."""
    known = _EXPONENT.get(dtype)
    if known is None:
        return 0
    exponent = np.frombuffer(data, known[0]) & known[1]
    return int(np.count_nonzero(exponent == known[1]))
