"""The file of a saved session.

    8 bytes   magic "FMSESS01"
    8 bytes   little-endian length of the header
    header    JSON: {"fingerprint", "position", "runs": [bytes of each run], "crc": CRC-32 of all that follows}
    tokens    int32 [position]
    runs      the state, as the core lists it (float32)

The fingerprint ties a file to one model's shape and weights' layout: state of another model is refused, not believed.
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from .errors import SessionFileError

if TYPE_CHECKING:
    from . import _core

MAGIC = b"FMSESS01"
HEADER_MOST = 1 << 20
PIECE = 1 << 22


def _crc(crc: int, view: memoryview) -> int:
    for at in range(0, len(view), PIECE):
        crc = zlib.crc32(view[at : at + PIECE], crc)
    return crc


def save(path: Path, fingerprint: str, native: _core.Session) -> None:
    """Writes a session. Raises OSError as the file system gives it."""
    tokens = native.tokens()
    write(path, fingerprint, tokens, [[view.cast("B")] for view in native.state(len(tokens))])


def write(
    path: Path, fingerprint: str, tokens: npt.ArrayLike, runs: Sequence[Sequence[bytes | memoryview]]
) -> None:
    """Writes tokens, int32 [position], and the runs of a state, each in pieces. Nothing is left at `path` that is not
    whole. Raises OSError."""
    ids = np.asarray(tokens, dtype="<i4")
    crc = zlib.crc32(ids.tobytes())
    for run in runs:
        for piece in run:
            crc = _crc(crc, memoryview(piece))
    sizes = [sum(map(len, run)) for run in runs]
    header = json.dumps({"fingerprint": fingerprint, "position": ids.size, "runs": sizes, "crc": crc}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=path.name + ".", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(MAGIC + struct.pack("<Q", len(header)) + header + ids.tobytes())
            for run in runs:
                file.writelines(run)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_tokens(path: Path, fingerprint: str) -> npt.NDArray[np.int32]:
    """The tokens of a session file, int32 [position], before its checksum is looked at. Raises SessionFileError."""
    with _opened(path) as file:
        header = _header(path, file, fingerprint)
        tokens = file.read(4 * header.position)
    if len(tokens) != 4 * header.position:
        raise SessionFileError(f"{path} is damaged: it ends early")
    return np.frombuffer(tokens, dtype="<i4").astype(np.int32)


def load(path: Path, fingerprint: str, native: _core.Session) -> None:
    """Fills a fresh native session. Raises SessionFileError for a file that is missing, damaged, or of another model;
    the session is then still empty."""
    with _opened(path) as file:
        _load(path, file, fingerprint, native)


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as e:
        raise SessionFileError(f"cannot read the session file {path}: {e.strerror or e}") from e


class _Header(NamedTuple):
    position: int
    sizes: list[int]
    crc: int


def _header(path: Path, file: BufferedReader, fingerprint: str) -> _Header:
    start = file.read(16)
    if len(start) < 16 or start[:8] != MAGIC:
        raise SessionFileError(f"{path} is not a session file of this version of flashmoe")
    length = struct.unpack("<Q", start[8:])[0]
    try:
        if length > HEADER_MOST:
            raise ValueError("header too long")
        fields = json.loads(file.read(length))
        header = _Header(int(fields["position"]), list(map(int, fields["runs"])), int(fields["crc"]))
        if header.position < 0:
            raise ValueError("negative position")
    except (ValueError, KeyError, TypeError) as e:
        raise SessionFileError(f"{path} is damaged: its header cannot be read ({e})") from None
    if fields.get("fingerprint") != fingerprint:
        raise SessionFileError(f"{path} was saved by another model; a session only continues on the model that made it")
    expected = 16 + length + 4 * header.position + sum(header.sizes)
    if os.fstat(file.fileno()).st_size != expected:
        raise SessionFileError(f"{path} is damaged: {expected} bytes were expected")
    return header


def _load(path: Path, file: BufferedReader, fingerprint: str, native: _core.Session) -> None:
    position, sizes, crc = _header(path, file, fingerprint)
    if position > native.context:
        raise SessionFileError(
            f"{path} holds {position} tokens, more than this model's context of {native.context}; "
            f"open the model with context={position} or more"
        )
    runs = [view.cast("B") for view in native.state(position)]
    if [len(run) for run in runs] != sizes:
        raise SessionFileError(f"{path} is damaged: its state does not have this model's sizes")
    tokens = file.read(4 * position)
    actual = zlib.crc32(tokens)
    try:
        for run in runs:
            if file.readinto(run) != len(run):
                raise SessionFileError(f"{path} is damaged: it ends early")
            actual = _crc(actual, run)
        if actual != crc:
            raise SessionFileError(f"{path} is damaged: its checksum does not match")
    except BaseException:
        for run in runs:
            run[:] = bytes(len(run))
        raise
    native.restore(np.frombuffer(tokens, dtype="<i4").astype(np.int32))
