"""The folders of a conversion: DST, which appears whole or not at all, and DST.partial, where the work happens and
whose state file says how far it is."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..checkpoints.safetensors import parse_json
from ..errors import CheckpointError, ConversionError
from ..spec import ModelSpec
from .files import sync_folder, write_file

MANIFEST_NAME = "flashmoe-manifest.json"
STATE_NAME = "flashmoe-conversion.json"


def is_finished(spec: ModelSpec, target: Path, identity: dict[str, Any], overwrite: bool) -> bool:
    """Whether dst holds this very conversion already. ConversionError when it holds anything that must not be lost."""
    for inside in (target, *target.parents):
        if inside.exists() and inside.samefile(spec.path):
            raise ConversionError(f"{target}: the source itself, or a folder in it; choose another folder")
    try:
        taken = any(target.iterdir())
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        raise ConversionError(f"{target}: exists and is not a folder") from None
    if not taken:
        return False
    manifest = target / MANIFEST_NAME
    if not manifest.is_file():
        raise ConversionError(f"{target}: not empty, and not written by flashmoe convert; choose another folder")
    if overwrite:
        return False
    known = parse_json(manifest.read_bytes(), str(manifest))
    if {key: known.get(key) for key in identity} == identity:
        (target / STATE_NAME).unlink(missing_ok=True)
        return True
    raise ConversionError(
        f"{target}: holds another conversion; choose another folder, or overwrite it on purpose (overwrite=True)"
    )


@contextlib.contextmanager
def locked(partial: Path, identity: dict[str, Any], overwrite: bool) -> Iterator[dict[str, Any]]:
    """The working folder, held against other conversions; yields the state of an earlier run, or a fresh one."""
    try:
        partial.mkdir(parents=True, exist_ok=True)
        lock = os.open(partial, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise ConversionError(f"{partial}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise ConversionError(f"{partial}: another conversion is writing here") from None
        yield _state(partial, identity, overwrite)
    finally:
        os.close(lock)


def _state(partial: Path, identity: dict[str, Any], overwrite: bool) -> dict[str, Any]:
    path = partial / STATE_NAME
    fresh = identity | {"done": {}}
    (partial / f".{STATE_NAME}.tmp").unlink(missing_ok=True)  # of a run that was killed in its first moment
    present = sorted(os.listdir(partial))
    if present and STATE_NAME not in present:
        raise ConversionError(
            f"{partial}: not empty, and not an unfinished conversion; delete it or choose another DST"
        )
    if overwrite:
        for name in present:
            (partial / name).unlink()
    elif present:
        try:
            state = parse_json(path.read_bytes(), str(path))
        except CheckpointError:
            state = {}
        if {key: state.get(key) for key in identity} != identity or not isinstance(state.get("done"), dict):
            raise ConversionError(
                f"{partial}: an unfinished conversion of another source or with other settings; "
                "finish it, delete the folder, or overwrite it on purpose (overwrite=True)"
            )
        return state
    write_file(path, json.dumps(fresh, indent=1).encode())
    return fresh


def publish(partial: Path, target: Path) -> None:
    """The one step that makes the result visible. What was in the target is removed after it."""
    old = target.with_name(target.name + ".old")
    if target.exists() and any(target.iterdir()):
        shutil.rmtree(old, ignore_errors=True)
        os.rename(target, old)
    os.rename(partial, target)
    sync_folder(target.parent)
    (target / STATE_NAME).unlink()  # not before: without it a run that is killed here could not be taken up
    shutil.rmtree(old, ignore_errors=True)
