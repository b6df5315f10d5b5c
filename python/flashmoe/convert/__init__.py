"""Writes a checkpoint anew in the MLX affine layout, smaller, in little memory: `flashmoe convert`.

    convert("~/models/Qwen3.5-35B-A3B", "~/models/Qwen3.5-35B-A3B-mixed", bits=4, experts=2)

The work happens in DST.partial. Each shard is written under a temporary name, synced, checksummed and recorded; the
small files come last, and one rename makes the folder appear. So a conversion that was killed never looks complete, and
the same call goes on where it was. Weights pass through in slabs of rows: memory does not grow with the model.
docs/format.md describes what is written.

    plan.py          what each weight becomes, and in which shard it lies
    source.py        reads rows of the source
    shards.py        writes the shards, and goes on with those of an earlier run
    folder.py        DST and DST.partial: what may be written, the lock, the state, the rename
    descriptions.py  the small files
    files.py         synced writing, checksums
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from ..checkpoints import open_checkpoint
from ..errors import ConversionError
from ..hub import resolve
from .descriptions import write_descriptions
from .folder import MANIFEST_NAME, is_finished, locked, publish
from .plan import Settings, check_settings, divide, identity_of, plan
from .shards import Progress, write_shards

_SHARD_BYTES = 5_000_000_000


@dataclass(frozen=True)
class Conversion:
    """What was done. `bytes` counts the weights; `notes` say what a reader of the result should know."""

    path: Path
    bytes: int
    notes: tuple[str, ...] = ()


def convert(
    src: str | Path,
    dst: str | Path,
    *,
    bits: int = 4,
    experts: int | None = None,
    router: int | None = None,
    embed: int | None = None,
    head: int | None = None,
    group: int = 64,
    dtype: str = "bf16",
    progress: Progress | None = None,
    overwrite: bool = False,
    threads: int | None = None,
    shard_bytes: int = _SHARD_BYTES,
) -> Conversion:
    """Converts a readable checkpoint (a folder, a hub id or "demo") to the MLX affine layout in a new folder.

    bits: width of the dense weights, one of 2, 3, 4, 5, 6, 8, or 16 for not quantised; experts, embed and
    head have the same unless given; router (8 unless given) is for the router and the shared expert's gate.
    group: weights that share a scale (32, 64 or 128; a matrix whose columns it does not divide takes a
    smaller one, or stays a float). dtype: "bf16", "f16" or "f32", of scales and of what is not quantised.
    progress: called from this thread with (bytes written, bytes in all, module); true cancels. overwrite:
    replace an earlier conversion in dst, and forget an unfinished one. threads: of arithmetic. shard_bytes:
    how large a file may become.

    A call with the same arguments goes on where an earlier one was stopped, and returns at once if it had
    finished. Raises CheckpointError for a source that cannot be read or holds infinities, ConversionError
    when dst is taken or the disk is full, ReadError when reading fails, UsageError for a width that does not
    exist, and Cancelled.
    """
    settings = Settings(
        bits,
        bits if experts is None else experts,
        8 if router is None else router,
        bits if embed is None else embed,
        bits if head is None else head,
        group,
        dtype,
    )
    check_settings(settings, shard_bytes)
    spec = open_checkpoint(resolve(str(src)))
    target = Path(os.path.abspath(Path(dst).expanduser()))
    modules, notes = plan(spec, settings)
    shards = divide(modules, shard_bytes)
    identity = identity_of(spec, settings, shards)
    total = sum(module.bytes for module in modules)
    if is_finished(spec, target, identity, overwrite):
        return Conversion(target, total, notes)

    partial = target.with_name(target.name + ".partial")
    with locked(partial, identity, overwrite) as state:
        try:
            write_shards(spec, shards, partial, state, total, progress, threads)
            write_descriptions(spec, settings, shards, partial, state)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise ConversionError(
                    f"{partial}: the disk is full ({error.strerror}); what is finished is kept, so make room and "
                    "start the same conversion again"
                ) from None
            raise ConversionError(f"{error.filename or partial}: {error.strerror or error}") from None
        publish(partial, target)
    return Conversion(target, total, notes)


__all__ = ["MANIFEST_NAME", "Conversion", "Progress", "convert"]
