"""Reads the headers of safetensors files, and of a folder of them. Owns the file format and nothing of the
model.

A file is an 8-byte little-endian header length, a JSON object `{name: {"dtype", "shape", "data_offsets":
[begin, end]}}` (with an optional `"__metadata__"` of strings), and the tensors' bytes, to which the offsets
are relative. Everything that the header claims is checked against itself and against the file's size before
anyone uses it: the bytes of all tensors must tile the data exactly, as the format demands. No tensor's bytes
are read here.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from ..errors import CheckpointError

# Bytes of an element, as the format documents; types of less than a byte are not supported.
DTYPE_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1,
    "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4,
    "U64": 8, "I64": 8, "F64": 8, "C64": 8,
}  # fmt: skip

MAX_HEADER_BYTES = 100_000_000  # the same bound as the reference implementation
INDEX_NAME = "model.safetensors.index.json"
WANTED = "give the folder of a Hugging Face or MLX checkpoint, which has config.json and safetensors files"
_MAX_JSON_BYTES = 512 << 20
_SHARD_NAME = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.safetensors")


class Entry(NamedTuple):
    """Where a tensor lies. `file` indexes `Folder.files`; `offset` (from the start of the file) and `length`
    in bytes."""

    dtype: str
    shape: tuple[int, ...]
    file: int
    offset: int
    length: int


@dataclass(frozen=True)
class Folder:
    """All tensors of the safetensors files of a folder, by name."""

    path: Path
    files: tuple[Path, ...]
    tensors: dict[str, Entry]
    notes: tuple[str, ...]

    def where(self, name: str) -> str:
        """The tensor and its file, for messages."""
        return f"{self.files[self.tensors[name].file]}: tensor {name}"


class _RepeatedKeyError(ValueError):
    """A JSON object holds a key twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RepeatedKeyError(f"key {key!r} appears twice in one object")
            seen.add(key)
    return result


def _not_a_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def parse_json(data: bytes, what: str) -> dict[str, Any]:
    """The JSON object in `data`; duplicate keys, NaN and anything that is not one object are a
    CheckpointError that starts with `what`."""
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_not_a_number)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise CheckpointError(f"{what}: not valid JSON: {str(error) or type(error).__name__}") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{what}: must be a JSON object, found {type(value).__name__}")
    return value


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; CheckpointError names the file when it is missing, unreadable or not one
    object."""
    return parse_json(_read(path, 0, None), str(path))


def _read(path: Path, offset: int, length: int | None) -> bytes:
    """Bytes of a regular file; length None reads it whole."""
    try:
        with _open_regular(path) as (fd, size):
            if length is None:
                length = size
                if size > _MAX_JSON_BYTES:
                    raise CheckpointError(f"{path}: {size} bytes are too many for a JSON file")
            parts = []
            while length > 0:
                part = os.pread(fd, length, offset)
                if not part:
                    break
                parts.append(part)
                offset += len(part)
                length -= len(part)
            return b"".join(parts)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from None


@contextlib.contextmanager
def _open_regular(path: Path) -> Iterator[tuple[int, int]]:
    """(file descriptor, size in bytes) of a regular file; a FIFO or device is refused and never blocks us."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        broken = path.is_symlink()
        hint = " (a link whose target is missing: the download is incomplete)" if broken else ""
        raise CheckpointError(f"{path}: no such file{hint}") from None
    except ValueError as error:  # an embedded null byte
        raise CheckpointError(f"{str(path)!r}: {error}") from None
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise CheckpointError(f"{path}: not a regular file")
        yield fd, info.st_size
    finally:
        os.close(fd)


def read_header(path: Path, file: int = 0) -> tuple[dict[str, Entry], dict[str, str]]:
    """The tensors of one safetensors file, in the order of their bytes, and its metadata.

    file: the index that the entries shall carry. Raises CheckpointError naming the file and, where one is at
    fault, the tensor and its field.
    """
    try:
        with _open_regular(path) as (fd, size):
            if size < 8:
                raise CheckpointError(
                    f"{path}: {size} bytes, but a safetensors file has at least 8; the file is truncated"
                )
            length = int.from_bytes(os.pread(fd, 8, 0), "little")
            if length > MAX_HEADER_BYTES:
                raise CheckpointError(
                    f"{path}: the header claims {length} bytes, more than the format's {MAX_HEADER_BYTES}; "
                    "this is not a safetensors file"
                )
            if 8 + length > size:
                raise CheckpointError(
                    f"{path}: the header of {length} bytes needs a file of at least {8 + length}, but it has "
                    f"{size}; the file is truncated"
                )
            header = os.pread(fd, length, 8)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(header) != length:
        raise CheckpointError(f"{path}: only {len(header)} of the header's {length} bytes could be read")
    if header[:1] != b"{":
        raise CheckpointError(f"{path}: the header does not start with '{{'; this is not a safetensors file")
    table = parse_json(header, f"{path}: the header")

    metadata = table.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise CheckpointError(f"{path}: __metadata__ must map strings to strings")

    base = 8 + length
    entries = {name: _entry(path, name, value, file, base) for name, value in table.items()}
    ordered = sorted(entries.items(), key=lambda item: (item[1].offset, item[1].length))
    position, previous = base, "the header"
    for name, entry in ordered:
        if entry.offset != position:
            kind = (
                "overlaps"
                if entry.offset < position
                else f"leaves {entry.offset - position} unused bytes after"
            )
            raise CheckpointError(
                f"{path}: tensor {name}: data_offsets: begins at byte {entry.offset - base} of the data and "
                f"{kind} {previous}, which ends at {position - base}"
            )
        position += entry.length
        previous = f"tensor {name}"
    if position != size:
        if position > size:
            raise CheckpointError(
                f"{path}: the tensors need a file of {position} bytes, but it has {size}; the file "
                "is truncated "
                "(download it again)"
            )
        raise CheckpointError(
            f"{path}: {size} bytes, but the tensors end at {position}: {size - position} bytes "
            "belong to no tensor"
        )
    return dict(ordered), metadata


def _entry(path: Path, name: str, value: Any, file: int, base: int) -> Entry:
    def fail(message: str) -> NoReturn:
        raise CheckpointError(f"{path}: tensor {name.encode('unicode_escape').decode()}: {message}")

    if not name.isprintable():
        fail("the name holds characters that cannot be printed")
    if type(value) is not dict or len(value) != 3:
        fail("must be an object with exactly dtype, shape and data_offsets")
    try:
        dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    except KeyError as missing:
        fail(f"{missing.args[0]} is missing")
    width = DTYPE_BYTES.get(dtype) if type(dtype) is str else None
    if width is None:
        fail(f"dtype: {dtype!r} is unknown")
    if type(shape) is not list:
        fail("shape: must be a list of sizes")
    length = width
    for dim in shape:
        if type(dim) is not int or not 0 <= dim < 1 << 48:
            fail(f"shape: {dim!r} is not a size")
        length *= dim
    if length >= 1 << 62:
        fail(f"shape: {shape} is impossibly large")
    if (
        type(offsets) is not list
        or len(offsets) != 2
        or type(offsets[0]) is not int
        or type(offsets[1]) is not int
    ):
        fail("data_offsets: must be two integers")
    begin, end = offsets
    if not 0 <= begin <= end < 1 << 62:
        fail(f"data_offsets: {offsets} do not make a range")
    if end - begin != length:
        fail(f"data_offsets: {end - begin} bytes, but dtype {dtype} and shape {shape} need {length}")
    return Entry(dtype, tuple(shape), file, base + begin, length)


def other_weights(folder: Path) -> str:
    """For messages: weights in the folder that are of a kind that we do not read; "" when there are none."""
    kinds = {".gguf": "GGUF", ".bin": "PyTorch", ".pt": "PyTorch", ".pth": "PyTorch", ".onnx": "ONNX"}
    for name in sorted(os.listdir(folder)):
        kind = kinds.get(os.path.splitext(name)[1])
        if kind is not None:
            return f", and {name} is in {kind}'s format, which flashmoe does not read"
    return ""


def open_folder(folder: Path) -> Folder:
    """All tensors of a checkpoint folder: the shards that model.safetensors.index.json names, or else every
    *.safetensors. CheckpointError when the index and the shards disagree, a shard is missing, or two files
    hold a tensor of the same name."""
    index_path = folder / INDEX_NAME
    index: dict[str, str] | None = None
    notes: list[str] = []
    try:
        present = sorted(entry for entry in os.listdir(folder) if entry.endswith(".safetensors"))
        has_index = os.path.lexists(index_path)
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be listed: {error.strerror or error}") from None
    if has_index:
        index = _read_index(index_path)
        names = sorted(set(index.values()))
        for name in names:
            if name not in present:
                raise CheckpointError(
                    f"{folder / name}: no such file, but {index_path} names it; the download is not complete, so "
                    "start it again"
                )
        ignored = [name for name in present if name not in set(names)]
        if ignored:
            notes.append(
                f"{len(ignored)} safetensors files that the index does not name, {ignored[0]} among them"
            )
    else:
        names = present
        if not names:
            raise CheckpointError(
                f"{folder}: no safetensors files{other_weights(folder)}; {WANTED}"
            )
        for name in shard_names(names):
            if name not in present:
                raise CheckpointError(
                    f"{folder / name}: no such file, but other shards say by their names that it exists; the "
                    "download is not complete, so start it again"
                )

    files = tuple(folder / name for name in names)
    tensors: dict[str, Entry] = {}
    for number, path in enumerate(files):
        entries, _ = read_header(path, number)
        if index is not None:
            for name in entries:
                claimed = index.get(name)
                if claimed != names[number]:
                    told = f"names {claimed} for it" if claimed is not None else "does not list it"
                    raise CheckpointError(f"{path}: tensor {name} is here, but {index_path} {told}")
        for name in entries.keys() & tensors.keys():
            raise CheckpointError(f"{path}: tensor {name} is also in {files[tensors[name].file]}")
        tensors.update(entries)
    if index is not None and len(index) != len(tensors):
        for name, shard in index.items():
            if name not in tensors:
                raise CheckpointError(
                    f"{index_path}: tensor {name} should be in {folder / shard}, but is not there"
                )
    return Folder(folder, files, tensors, tuple(notes))


def _read_index(path: Path) -> dict[str, str]:
    weight_map = read_json(path).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{path}: weight_map must map tensor names to file names")
    for shard in {s if isinstance(s, str) else repr(s): s for s in weight_map.values()}.values():
        plain = isinstance(shard, str) and shard.isprintable() and "/" not in shard and "\\" not in shard
        if not plain or not shard.endswith(".safetensors"):
            raise CheckpointError(
                f"{path}: weight_map: {shard!r} is not the name of a safetensors file in this folder"
            )
    return weight_map


def shard_names(present: list[str]) -> list[str]:
    """The names of all shards, given those that are there: model-00002-of-00003 tells that there are
    three."""
    wanted = dict.fromkeys(present)
    for name in present:
        match = _SHARD_NAME.fullmatch(name)
        if match is not None:
            stem, _, count = match.groups()
            wanted.update(
                dict.fromkeys(f"{stem}-{i:05d}-of-{count}.safetensors" for i in range(1, int(count) + 1))
            )
    return list(wanted)
