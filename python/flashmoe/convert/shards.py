"""Writes the shards: weights pass through in slabs of rows, a few at once, and what is finished is recorded."""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import quantize
from ..errors import Cancelled, CheckpointError, ConversionError
from ..spec import ModelSpec
from .files import pwrite, sha256, sync_folder, write_file
from .folder import STATE_NAME
from .plan import Matrix, Module, Shard
from .source import Source

Progress = Callable[[int, int, str], bool | None]  # (bytes written, bytes in all, module); true cancels

_SLAB = 4 << 20  # weights that a worker has in memory as float32
_RECORD_BYTES = 256 << 20  # at most about so much is lost when a run is killed


def write_shards(
    spec: ModelSpec,
    shards: list[Shard],
    partial: Path,
    state: dict[str, Any],
    total: int,
    progress: Progress | None,
    threads: int | None,
) -> None:
    """Makes every shard that is not whole yet. `state` is kept in step: done {shard: size and checksum}, and begun, the
    shard under way and how many of its modules are safely on the disk."""
    written = 0

    def advance(count: int, name: str) -> None:
        nonlocal written
        written += count
        if progress is not None and progress(written, total, name):
            raise Cancelled("the conversion was cancelled; the same call goes on with it")

    def record() -> None:
        write_file(partial / STATE_NAME, json.dumps(state, indent=1).encode())

    layouts = {shard.name: shard.layout() for shard in shards}
    done: dict[str, Any] = state["done"]
    todo = []
    for shard in shards:
        if shard.name in done:
            advance(0, f"checking {shard.name}")
        if not _is_done(partial / shard.name, done.get(shard.name)):
            todo.append(shard)
    begun, begun_modules = _begun(partial, state, {shard.name: layouts[shard.name][2] for shard in todo})
    for leftover in partial.glob(".*.tmp"):
        if leftover != _temporary(partial, begun):
            leftover.unlink()
    _check_space(partial, sum(layouts[shard.name][2] for shard in todo if shard.name != begun))

    with Source(spec) as source, _workers(threads) as workers:
        for shard in shards:
            if shard not in todo:
                advance(sum(module.bytes for module in shard.modules), shard.name)
                continue
            header, offsets, size = layouts[shard.name]
            temporary = _temporary(partial, shard.name)
            first = begun_modules if shard.name == begun else 0
            try:
                with open(temporary, "r+b" if first else "wb") as file:
                    fd = file.fileno()
                    if not first:
                        _reserve(fd, size)
                        pwrite(fd, header, 0)
                    for module in shard.modules[:first]:
                        advance(module.bytes, module.path)
                    for end in _stops(shard.modules, first):
                        _write_modules(shard.modules[first:end], source, fd, offsets, workers, advance)
                        os.fsync(fd)
                        first = end
                        state["begun"] = {"shard": shard.name, "modules": end}
                        record()
                entry = {"bytes": size, "sha256": sha256(temporary)}
                os.rename(temporary, partial / shard.name)
                sync_folder(partial)
            except BaseException:
                if not first:
                    temporary.unlink(missing_ok=True)
                raise
            done[shard.name] = entry
            del state["begun"]
            record()


def _temporary(partial: Path, shard: str) -> Path:
    return partial / f".{shard}.tmp"


def _begun(partial: Path, state: dict[str, Any], sizes: dict[str, int]) -> tuple[str, int]:
    """The shard that an earlier run left half done, of those still to do, and how many of its modules are there."""
    begun = state.get("begun")
    if isinstance(begun, dict) and begun.get("shard") in sizes and isinstance(begun.get("modules"), int):
        file = _temporary(partial, begun["shard"])
        if file.is_file() and file.stat().st_size == sizes[begun["shard"]]:
            return begun["shard"], begun["modules"]
    return "", 0


def _stops(modules: list[Module], first: int) -> Iterator[int]:
    """Where to sync and record, from module number `first` to the end: after modules of _RECORD_BYTES or more."""
    size = 0
    for end, module in enumerate(modules[first:], first + 1):
        size += module.bytes
        if size >= _RECORD_BYTES or end == len(modules):
            yield end
            size = 0


def _is_done(path: Path, record: Any) -> bool:
    """Whether a shard of an earlier run is whole: size and checksum as recorded."""
    if not isinstance(record, dict) or not path.is_file() or path.stat().st_size != record.get("bytes"):
        return False
    return sha256(path) == record.get("sha256")


def _check_space(partial: Path, need: int) -> None:
    free = shutil.disk_usage(partial).free
    if need > free:
        raise ConversionError(
            f"{partial}: the conversion needs {need / 1e9:.2f} GB more, but the disk has only {free / 1e9:.2f} GB "
            "free; make room or choose a folder on another disk"
        )


def _reserve(fd: int, size: int) -> None:
    """Takes the file's space now, so that a full disk is told before the work."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(fd, 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
    os.ftruncate(fd, size)


@contextlib.contextmanager
def _workers(threads: int | None) -> Iterator[concurrent.futures.ThreadPoolExecutor]:
    count = threads or min(4, os.cpu_count() or 1)
    executor = concurrent.futures.ThreadPoolExecutor(count, thread_name_prefix="flashmoe-convert")
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _write_modules(
    modules: list[Module],
    source: Source,
    fd: int,
    offsets: dict[str, int],
    workers: concurrent.futures.ThreadPoolExecutor,
    advance: Callable[[int, str], None],
) -> None:
    """Fills a shard, slab by slab: a few rows of one matrix at a time, a few slabs at once."""

    def work(module: Module, index: int, first: int, last: int) -> int:
        count = 0
        matrix = module.sources[index]
        for part, piece in zip(module.parts, _encode(module, matrix, source, first, last), strict=True):
            row = part.slice // matrix.format.rows
            if len(piece) != (last - first) * row:
                raise AssertionError(f"{part.name}: {len(piece)} bytes for {last - first} rows of {row}")
            pwrite(fd, piece, offsets[part.name] + index * part.slice + first * row)
            count += len(piece)
        return count

    waiting: list[tuple[concurrent.futures.Future[int], str]] = []
    try:
        for module in modules:
            step = max(1, _SLAB // module.target.cols)
            for index, matrix in enumerate(module.sources):
                for first in range(0, matrix.format.rows, step):
                    if len(waiting) >= 16:
                        future, path = waiting.pop(0)
                        advance(future.result(), path)
                    last = min(first + step, matrix.format.rows)
                    waiting.append((workers.submit(work, module, index, first, last), module.path))
        for future, path in waiting:
            advance(future.result(), path)
    except BaseException:
        for future, _ in waiting:
            future.cancel()
        concurrent.futures.wait([future for future, _ in waiting])  # nobody may write to fd after this
        raise


def _encode(module: Module, matrix: Matrix, source: Source, first: int, last: int) -> list[bytes]:
    """Rows [first, last) of a matrix as the bytes of each part."""
    target = module.target
    if matrix.format == target and not module.shift:
        return source.raw(matrix, first, last)  # already so: not a bit is changed
    weights = source.rows(matrix, first, last)
    if module.shift:
        weights = weights + np.float32(module.shift)
    if target.dtype == "affine":
        affine = quantize.quantize(weights, target.bits, target.group, target.scale_dtype)
        return [np.ascontiguousarray(part).tobytes() for part in affine]
    stored = quantize.from_float32(weights, target.dtype)
    if not np.isfinite(quantize.to_float32(stored)).all():
        raise CheckpointError(f"{source.where(matrix)}: too large for {target.dtype}; choose dtype f32")
    return [stored.tobytes()]
