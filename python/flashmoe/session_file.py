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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

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
    """Raises OSError as the file system gives it; nothing is left at `path` that is not whole."""
    tokens = np.asarray(native.tokens(), dtype="<i4")
    runs = [view.cast("B") for view in native.state(len(tokens))]
    crc = _crc(zlib.crc32(tokens.tobytes()), memoryview(b""))
    for run in runs:
        crc = _crc(crc, run)
    header = json.dumps(
        {"fingerprint": fingerprint, "position": len(tokens), "runs": [len(run) for run in runs], "crc": crc}
    ).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=path.name + ".", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(MAGIC + struct.pack("<Q", len(header)) + header + tokens.tobytes())
            for run in runs:
                file.write(run)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(path: Path, fingerprint: str, native: _core.Session) -> None:
    """Fills a fresh native session. Raises SessionFileError for a file that is missing, damaged, or of another model;
    the session is then still empty."""
    try:
        with path.open("rb") as file:
            _load(path, file, fingerprint, native)
    except OSError as e:
        raise SessionFileError(f"cannot read the session file {path}: {e.strerror or e}") from e


def _load(path: Path, file: Any, fingerprint: str, native: _core.Session) -> None:
    start = file.read(16)
    if len(start) < 16 or start[:8] != MAGIC:
        raise SessionFileError(f"{path} is not a session file of this version of flashmoe")
    length = struct.unpack("<Q", start[8:])[0]
    try:
        if length > HEADER_MOST:
            raise ValueError("header too long")
        header = json.loads(file.read(length))
        position, sizes, crc = int(header["position"]), list(header["runs"]), int(header["crc"])
    except (ValueError, KeyError, TypeError) as e:
        raise SessionFileError(f"{path} is damaged: its header cannot be read ({e})") from None
    if header.get("fingerprint") != fingerprint:
        raise SessionFileError(f"{path} was saved by another model; a session only continues on the model that made it")
    if position > native.context:
        raise SessionFileError(
            f"{path} holds {position} tokens, more than this model's context of {native.context}; "
            f"open the model with context={position} or more"
        )
    runs = [view.cast("B") for view in native.state(position)]
    if [len(run) for run in runs] != sizes:
        raise SessionFileError(f"{path} is damaged: its state does not have this model's sizes")
    expected = 16 + length + 4 * position + sum(sizes)
    if os.fstat(file.fileno()).st_size != expected:
        raise SessionFileError(f"{path} is damaged: {expected} bytes were expected")
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
