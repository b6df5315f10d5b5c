"""Writes a checkpoint anew in the MLX affine layout, smaller, in little memory: `flashmoe convert`.

    convert("~/models/Qwen3.5-35B-A3B", "~/models/Qwen3.5-35B-A3B-mixed", bits=4, experts=2)

The work happens in DST.partial. Each shard is written under a temporary name, synced, checksummed and
recorded; the small files come last, and one rename makes the folder appear. So a conversion that was killed
never looks complete, and the same call goes on after the last finished shard. Weights pass through in slabs
of rows: memory does not grow with the model. docs/format.md describes what is written.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import quantize
from ._version import __version__
from .checkpoints import open_checkpoint
from .checkpoints.config import read_raw_config
from .checkpoints.names import GLOBAL_NAMES, LAYER_NAMES, NEVER_QUANTISED, NORM_ROLES
from .checkpoints.safetensors import INDEX_NAME, parse_json
from .errors import Cancelled, CheckpointError, ConversionError, ReadError, UsageError
from .hub import resolve
from .spec import FLOAT_BYTES, Extent, Format, ModelSpec, layer_roles

MANIFEST_NAME = "flashmoe-manifest.json"
STATE_NAME = "flashmoe-conversion.json"
WIDTHS = (*quantize.BITS, 16)  # 16: not quantised
ALIGNMENT = 4096  # tensors whose expert slices allow it lie at multiples of this, for direct reads

_PREFIX = "language_model.model."
_SLAB = 4 << 20  # weights that a worker has in memory as float32
_SHARD_BYTES = 5_000_000_000
_SAFETENSORS = {"f32": "F32", "f16": "F16", "bf16": "BF16"}
_COPIED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "LICENSE",
)

Progress = Callable[[int, int, str], bool | None]  # (bytes written, bytes in all, module); true cancels


@dataclass(frozen=True)
class Conversion:
    """What was done. `bytes` counts the weights; `notes` say what a reader of the result should know."""

    path: Path
    bytes: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """Widths in bits (16: not quantised), the group, and the float type of what is not quantised and of
    scales."""

    bits: int
    experts: int
    router: int
    embed: int
    head: int
    group: int
    dtype: str

    def width(self, role: str) -> int:
        widths = {
            "router": self.router,
            "shared_expert_gate": self.router,
            "embed": self.embed,
            "head": self.head,
        }
        return widths.get(role, self.bits)


@dataclass(frozen=True)
class _Matrix:
    """A stored matrix: its format and the extents of weight, scales and biases."""

    name: str
    format: Format
    extents: tuple[Extent, Extent, Extent]


@dataclass(frozen=True)
class _Part:
    """A tensor to write: `slice` bytes belong to each source matrix."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    slice: int
    count: int

    @property
    def bytes(self) -> int:
        return self.slice * self.count


@dataclass(frozen=True)
class _Module:
    """What becomes one module of the result: a dense weight, or one projection of all experts of a layer."""

    path: str
    sources: tuple[_Matrix, ...]
    target: Format
    parts: tuple[_Part, ...]  # weight, or weight, scales, biases
    shift: float = 0.0  # added to every weight

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)


@dataclass
class _Shard:
    name: str
    modules: list[_Module] = field(default_factory=list)

    def layout(self) -> tuple[bytes, dict[str, int], int]:
        """(header, offset of each part by name, size of the file). Parts that can be aligned come first."""
        parts = [part for module in self.modules for part in module.parts]
        parts.sort(key=lambda part: part.slice % ALIGNMENT != 0)
        table: dict[str, Any] = {"__metadata__": {"format": "mlx"}}
        offset = 0
        starts = {}
        for part in parts:
            starts[part.name] = offset
            table[part.name] = {
                "dtype": part.dtype,
                "shape": list(part.shape),
                "data_offsets": [offset, offset + part.bytes],
            }
            offset += part.bytes
        text = json.dumps(table, separators=(",", ":")).encode()
        text += b" " * (-(8 + len(text)) % ALIGNMENT)
        base = 8 + len(text)
        header = len(text).to_bytes(8, "little") + text
        return header, {name: base + start for name, start in starts.items()}, base + offset


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
    _check_settings(settings, shard_bytes)
    spec = open_checkpoint(resolve(str(src)))
    target = Path(os.path.abspath(Path(dst).expanduser()))
    modules, notes = _plan(spec, settings)
    shards = _divide(modules, shard_bytes)
    identity = _identity(spec, settings, shards)
    total = sum(module.bytes for module in modules)
    if _finished(spec, target, identity, overwrite):
        return Conversion(target, total, notes)

    partial = target.with_name(target.name + ".partial")
    with _locked(partial, identity, overwrite) as state:
        try:
            _write_shards(spec, shards, partial, state, total, progress, threads)
            _write_small_files(spec, settings, shards, partial, state)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise ConversionError(
                    f"{partial}: the disk is full ({error.strerror}); finished shards are kept, so "
                    "make room and start "
                    "the same conversion again"
                ) from None
            raise ConversionError(f"{error.filename or partial}: {error.strerror or error}") from None
        _publish(partial, target)
    return Conversion(target, total, notes)


# ---- the plan
# -----------------------------------------------------------------------------------------------------


def _check_settings(s: Settings, shard_bytes: int) -> None:
    for name in ("bits", "experts", "router", "embed", "head"):
        if getattr(s, name) not in WIDTHS:
            raise UsageError(
                f"{name}: {getattr(s, name)} bits do not exist; choose from {', '.join(map(str, WIDTHS))}"
            )
    if s.group not in quantize.GROUPS:
        raise UsageError(
            f"group: {s.group} does not exist; choose from {', '.join(map(str, quantize.GROUPS))}"
        )
    if s.dtype not in FLOAT_BYTES:
        raise UsageError(f"dtype: {s.dtype!r} does not exist; choose from {', '.join(FLOAT_BYTES)}")
    if shard_bytes < 1:
        raise UsageError(f"shard_bytes: must be positive, found {shard_bytes}")


def _plan(spec: ModelSpec, settings: Settings) -> tuple[list[_Module], tuple[str, ...]]:
    """Every module of the result in the order of the model, and notes."""
    modules = []
    kept: list[str] = []

    def dense(role: str, layer: int) -> None:
        tensor = spec.tensors[role, layer]
        short = GLOBAL_NAMES[role] if layer < 0 else f"layers.{layer}.{LAYER_NAMES[role]}"
        path = ("language_model." if role == "head" else _PREFIX) + short.removesuffix(".weight")
        source = _Matrix(tensor.name, tensor.format, (tensor.weight, tensor.scales, tensor.biases))
        width = 16 if role in NEVER_QUANTISED else settings.width(role)
        form = _target(tensor.format.rows, tensor.format.cols, width, settings)
        if role == "A_log":  # as mlx-lm does: never rounded
            form = tensor.format
        if width != 16 and form.dtype != "affine":
            kept.append(path)
        shape: tuple[int, ...] = (form.rows, form.cols)
        if role == "conv":
            shape = (form.rows, form.cols, 1)
        elif role in NEVER_QUANTISED:
            shape = (form.cols,)
        bare = not short.endswith(".weight")
        shift = spec.norm_shift if role in NORM_ROLES else 0.0
        modules.append(_Module(path, (source,), form, _parts(path, form, 1, shape, bare), shift))

    dense("embed", -1)
    for layer, kind in enumerate(spec.config.layer_types):
        for role in layer_roles(kind):
            dense(role, layer)
        table = spec.experts[layer]
        for m, (proj, form) in enumerate((("gate", table.gate), ("up", table.up), ("down", table.down))):
            path = f"{_PREFIX}layers.{layer}.mlp.switch_mlp.{proj}_proj"
            rows = table.extents[:, 3 * m : 3 * m + 3].tolist()
            sources = tuple(
                _Matrix(f"{table.name}, expert {e}, {proj}", form, (Extent(*w), Extent(*s), Extent(*b)))
                for e, (w, s, b) in enumerate(rows)
            )
            target = _target(form.rows, form.cols, settings.experts, settings)
            if settings.experts != 16 and target.dtype != "affine":
                kept.append(path)
            shape = (len(sources), form.rows, form.cols)
            modules.append(_Module(path, sources, target, _parts(path, target, len(sources), shape, False)))
    dense("norm", -1)
    if not spec.config.tied_head:
        dense("head", -1)

    notes = []
    if kept:
        notes.append(
            f"{len(kept)} matrices are not quantised, since no group divides their columns: {kept[0]} is one"
        )
    if _interval(spec) is None:
        notes.append("mlx-lm cannot run this: its layer types have no regular interval")
    return modules, tuple(notes)


def _target(rows: int, cols: int, bits: int, settings: Settings) -> Format:
    """The format that a matrix gets: the wanted width with the largest group, at most the wanted one, that
    fits."""
    groups = [group for group in quantize.GROUPS if group <= settings.group and cols % group == 0]
    if bits == 16 or not groups:
        return Format(settings.dtype, rows, cols)
    return Format("affine", rows, cols, bits, max(groups), settings.dtype)


def _parts(path: str, form: Format, count: int, shape: tuple[int, ...], bare: bool) -> tuple[_Part, ...]:
    if form.dtype != "affine":
        name = path if bare else path + ".weight"
        return (_Part(name, _SAFETENSORS[form.dtype], shape, form.weight_bytes, count),)
    packed = (*shape[:-1], form.cols * form.bits // 32)
    grouped = (*shape[:-1], form.cols // form.group)
    dtype = _SAFETENSORS[form.scale_dtype]
    return (
        _Part(path + ".weight", "U32", packed, form.weight_bytes, count),
        _Part(path + ".scales", dtype, grouped, form.scale_bytes, count),
        _Part(path + ".biases", dtype, grouped, form.scale_bytes, count),
    )


def _divide(modules: list[_Module], limit: int) -> list[_Shard]:
    """Shards of whole modules, each within the limit unless a single module is larger."""
    groups: list[list[_Module]] = [[]]
    size = 0
    for module in modules:
        bytes_ = module.bytes + 512 * len(module.parts)  # with its lines of the header
        if groups[-1] and size + bytes_ > limit - 2 * ALIGNMENT:
            groups.append([])
            size = 0
        groups[-1].append(module)
        size += bytes_
    if len(groups) == 1:
        return [_Shard("model.safetensors", groups[0])]
    return [
        _Shard(f"model-{i:05d}-of-{len(groups):05d}.safetensors", group) for i, group in enumerate(groups, 1)
    ]


def _identity(spec: ModelSpec, settings: Settings, shards: list[_Shard]) -> dict[str, Any]:
    """What must be the same for a conversion to go on: the source's files, the settings and the resulting
    shards."""
    digest = hashlib.sha256()
    for path in (spec.path / "config.json", *spec.files):
        info = path.stat()
        digest.update(f"{path.name} {info.st_size} {info.st_mtime_ns}\n".encode())
    for shard in shards:
        digest.update(shard.name.encode() + shard.layout()[0])
    return {"source": spec.path.name, "fingerprint": digest.hexdigest(), "settings": asdict(settings)}


# ---- the target folder
# --------------------------------------------------------------------------------------------


def _finished(spec: ModelSpec, target: Path, identity: dict[str, Any], overwrite: bool) -> bool:
    """Whether dst holds this very conversion already. ConversionError when it holds anything that must not be
    lost."""
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
        raise ConversionError(
            f"{target}: not empty, and not written by flashmoe convert; choose another folder"
        )
    if overwrite:
        return False
    known = parse_json(manifest.read_bytes(), str(manifest))
    if {key: known.get(key) for key in identity} == identity:
        (target / STATE_NAME).unlink(missing_ok=True)
        return True
    raise ConversionError(
        f"{target}: holds another conversion; choose another folder, or overwrite it on purpose "
        "(overwrite=True)"
    )


@contextlib.contextmanager
def _locked(partial: Path, identity: dict[str, Any], overwrite: bool) -> Iterator[dict[str, Any]]:
    """The working folder, held against other conversions; yields the state of an earlier run, or a fresh
    one."""
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
    _write_file(path, json.dumps(fresh, indent=1).encode())
    return fresh


def _publish(partial: Path, target: Path) -> None:
    """The one step that makes the result visible. What was in the target is removed after it."""
    old = target.with_name(target.name + ".old")
    if target.exists() and any(target.iterdir()):
        shutil.rmtree(old, ignore_errors=True)
        os.rename(target, old)
    os.rename(partial, target)
    _sync_folder(target.parent)
    (target / STATE_NAME).unlink()  # not before: without it a run that is killed here could not be taken up
    shutil.rmtree(old, ignore_errors=True)


# ---- writing
# ------------------------------------------------------------------------------------------------------


def _write_shards(
    spec: ModelSpec,
    shards: list[_Shard],
    partial: Path,
    state: dict[str, Any],
    total: int,
    progress: Progress | None,
    threads: int | None,
) -> None:
    written = 0

    def advance(count: int, name: str) -> None:
        nonlocal written
        written += count
        if progress is not None and progress(written, total, name):
            raise Cancelled("the conversion was cancelled; the same call goes on with it")

    for name in os.listdir(partial):
        if name.startswith(".") and name.endswith(".tmp"):
            (partial / name).unlink()
    layouts = {shard.name: shard.layout() for shard in shards}
    done: dict[str, Any] = state["done"]
    todo = [shard for shard in shards if not _is_done(partial / shard.name, done.get(shard.name))]
    _check_space(partial, sum(layouts[shard.name][2] for shard in todo))
    with _Source(spec) as source, _workers(threads) as workers:
        for shard in shards:
            if shard not in todo:
                advance(sum(module.bytes for module in shard.modules), shard.name)
                continue
            header, offsets, size = layouts[shard.name]
            temporary = partial / f".{shard.name}.tmp"
            try:
                with open(temporary, "wb") as file:
                    _reserve(file.fileno(), size)
                    _pwrite(file.fileno(), header, 0)
                    _write_modules(shard.modules, source, file.fileno(), offsets, workers, advance)
                    os.fsync(file.fileno())
                record = {"bytes": size, "sha256": sha256(temporary)}
                os.rename(temporary, partial / shard.name)
                _sync_folder(partial)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            done[shard.name] = record
            _write_file(partial / STATE_NAME, json.dumps(state, indent=1).encode())


def _is_done(path: Path, record: Any) -> bool:
    """Whether a shard of an earlier run is whole: size and checksum as recorded."""
    if not isinstance(record, dict) or not path.is_file() or path.stat().st_size != record.get("bytes"):
        return False
    return sha256(path) == record.get("sha256")


def _check_space(partial: Path, need: int) -> None:
    free = shutil.disk_usage(partial).free
    if need > free:
        raise ConversionError(
            f"{partial}: the conversion needs {need / 1e9:.2f} GB more, but the disk has only "
            f"{free / 1e9:.2f} GB free; "
            "make room or choose a folder on another disk"
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
    modules: list[_Module],
    source: _Source,
    fd: int,
    offsets: dict[str, int],
    workers: concurrent.futures.ThreadPoolExecutor,
    advance: Callable[[int, str], None],
) -> None:
    """Fills a shard, slab by slab: a few rows of one matrix at a time, a few slabs at once."""

    def work(module: _Module, index: int, first: int, last: int) -> int:
        count = 0
        matrix = module.sources[index]
        for part, piece in zip(module.parts, _encode(module, matrix, source, first, last), strict=True):
            row = part.slice // matrix.format.rows
            if len(piece) != (last - first) * row:
                raise AssertionError(f"{part.name}: {len(piece)} bytes for {last - first} rows of {row}")
            _pwrite(fd, piece, offsets[part.name] + index * part.slice + first * row)
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


def _encode(module: _Module, matrix: _Matrix, source: _Source, first: int, last: int) -> list[bytes]:
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


class _Source:
    """Reads weights of a checkpoint. A context manager, for the files that it holds open; used from many
    threads."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.fds: list[int] = []

    def __enter__(self) -> _Source:
        try:
            for path in self.spec.files:
                self.fds.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            self.__exit__()
            raise ReadError(f"{error.filename}: {error.strerror}") from None
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self.fds:
            os.close(fd)

    def where(self, matrix: _Matrix) -> str:
        return f"{self.spec.files[matrix.extents[0].file]}: tensor {matrix.name}"

    def raw(self, matrix: _Matrix, first: int, last: int) -> list[bytes]:
        """The stored bytes of rows [first, last): weight, or weight, scales and biases."""
        pieces = []
        for extent in matrix.extents:
            if extent.length:
                row = extent.length // matrix.format.rows
                pieces.append(self._read(extent, first * row, (last - first) * row))
        return pieces

    def rows(self, matrix: _Matrix, first: int, last: int) -> quantize.Floats:
        """Rows [first, last) as float32 [last - first, cols]; CheckpointError unless all are finite."""
        form, pieces = matrix.format, self.raw(matrix, first, last)
        count = last - first
        if form.dtype == "affine":
            packed = np.frombuffer(pieces[0], "<u4").reshape(count, -1)
            scales, biases = (
                np.frombuffer(piece, quantize.STORED[form.scale_dtype]).reshape(count, -1)
                for piece in pieces[1:]
            )
            weights = quantize.dequantize(packed, scales, biases, form.bits, form.group)
        else:
            stored = np.frombuffer(pieces[0], quantize.STORED[form.dtype])
            weights = quantize.to_float32(stored).reshape(count, form.cols)
        if not np.isfinite(weights).all():
            raise CheckpointError(f"{self.where(matrix)}: holds numbers that are infinite or not a number")
        return weights

    def _read(self, extent: Extent, start: int, length: int) -> bytes:
        path, offset = self.spec.files[extent.file], extent.offset + start
        data = b""
        while len(data) < length:
            try:
                piece = os.pread(self.fds[extent.file], length - len(data), offset + len(data))
            except OSError as error:
                raise ReadError(f"{path}: reading at byte {offset + len(data)}: {error.strerror}") from None
            if not piece:
                raise ReadError(f"{path}: ends at byte {offset + len(data)}, where weights are expected")
            data = data + piece if data else piece
        return data


# ---- the small files
# ----------------------------------------------------------------------------------------------


def _write_small_files(
    spec: ModelSpec, settings: Settings, shards: list[_Shard], partial: Path, state: dict[str, Any]
) -> None:
    """Tokenizer files, index, config.json and, last of all, the manifest."""
    files: dict[str, Any] = dict(state["done"])
    contents = {}
    for name in _COPIED:
        if (spec.path / name).is_file():
            contents[name] = (spec.path / name).read_bytes()
    parts = [(part, shard.name) for shard in shards for module in shard.modules for part in module.parts]
    index = {
        "metadata": {"total_size": sum(part.bytes for part, _ in parts)},
        "weight_map": {part.name: name for part, name in sorted(parts, key=lambda pair: pair[0].name)},
    }
    contents[INDEX_NAME] = _dump(index)
    contents["config.json"] = _dump(_config(spec, [module for shard in shards for module in shard.modules]))
    for name, data in contents.items():
        _write_file(partial / name, data)
        files[name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    identity = {key: state[key] for key in ("source", "fingerprint", "settings")}
    manifest = {"version": 1, "written_by": f"flashmoe {__version__}", **identity, "files": files}
    _write_file(partial / MANIFEST_NAME, _dump(manifest))


def _config(spec: ModelSpec, modules: list[_Module]) -> dict[str, Any]:
    """config.json as mlx-lm writes it: text_config, and quantization with each module that differs from the
    default."""
    raw = read_raw_config(spec.path)
    c = spec.config
    dropped = ("quantization", "quantization_config", "rope_theta", "rope_scaling", "partial_rotary_factor")
    text = {
        key: value for key, value in raw.text.items() if key not in (*dropped, "text_config", "vision_config")
    }
    rope = {**(raw.text.get("rope_scaling") or {}), **(raw.text.get("rope_parameters") or {})}
    rope.pop("type", None)
    rope |= {
        "rope_type": "default",
        "rope_theta": c.rope_theta,
        "partial_rotary_factor": c.rope_dim / c.head_dim,
    }
    interval = _interval(spec)
    text |= {
        "model_type": "qwen3_5_moe_text",
        "layer_types": list(c.layer_types),
        "head_dim": c.head_dim,
        "rms_norm_eps": c.norm_eps,
        "rope_parameters": rope,
        "tie_word_embeddings": c.tied_head,
    }
    text.pop("full_attention_interval", None)
    if interval is not None:
        text["full_attention_interval"] = interval
    kept = (
        "eos_token_id",
        "bos_token_id",
        "pad_token_id",
        "transformers_version",
        "image_token_id",
        "video_token_id",
    )
    config: dict[str, Any] = {key: raw.top[key] for key in kept if key in raw.top}
    config |= {
        "architectures": ["Qwen3_5MoeForConditionalGeneration"],
        "model_type": "qwen3_5_moe",
        "tie_word_embeddings": c.tied_head,
        "text_config": text,
    }
    affine = {module.path: module.target for module in modules if module.target.dtype == "affine"}
    if affine:
        widths = [(form.bits, form.group) for form in affine.values()]
        bits, group = max(dict.fromkeys(widths), key=widths.count)
        quantization: dict[str, Any] = {"group_size": group, "bits": bits, "mode": "affine"}
        for path, form in affine.items():
            if (form.bits, form.group) != (bits, group):
                quantization[path] = {"group_size": form.group, "bits": form.bits}
        config |= {"quantization": quantization, "quantization_config": quantization}
    return dict(sorted(config.items()))


def _interval(spec: ModelSpec) -> int | None:
    """The n for which exactly every n-th layer is full attention; None when there is none."""
    full = [i for i, kind in enumerate(spec.config.layer_types) if kind == "full_attention"]
    n = full[0] + 1 if full else spec.config.layers + 1
    return n if full == list(range(n - 1, spec.config.layers, n)) else None


def _dump(value: Any) -> bytes:
    return json.dumps(value, indent=4, ensure_ascii=False).encode() + b"\n"


# ---- files
# --------------------------------------------------------------------------------------------------------


def sha256(path: Path) -> str:
    """The checksum of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _pwrite(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(fd, view, offset)
        view = view[count:]
        offset += count


def _write_file(path: Path, data: bytes) -> None:
    """Replaces a file as a whole, synced: readers see the old or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
