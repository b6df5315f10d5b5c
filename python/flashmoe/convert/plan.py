"""The plan of a conversion: what each weight becomes, and in which shard it lies. Pure: nothing is read or written but
the times and sizes of the source's files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from .. import quantize
from ..checkpoints.names import GLOBAL_NAMES, LAYER_NAMES, NEVER_QUANTISED, NORM_ROLES
from ..errors import UsageError
from ..spec import FLOAT_BYTES, Extent, Format, ModelSpec, layer_roles

WIDTHS = (*quantize.BITS, 16)  # 16: not quantised
ALIGNMENT = 4096  # tensors whose expert slices allow it lie at multiples of this, for direct reads

_PREFIX = "language_model.model."
_SAFETENSORS = {"f32": "F32", "f16": "F16", "bf16": "BF16"}


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
        """Bits of a dense weight of this role."""
        widths = {
            "router": self.router,
            "shared_expert_gate": self.router,
            "embed": self.embed,
            "head": self.head,
        }
        return widths.get(role, self.bits)


def check_settings(s: Settings, shard_bytes: int) -> None:
    """Raises UsageError for a width, group or type that does not exist."""
    for name in ("bits", "experts", "router", "embed", "head"):
        if getattr(s, name) not in WIDTHS:
            raise UsageError(f"{name}: {getattr(s, name)} bits do not exist; choose from {', '.join(map(str, WIDTHS))}")
    if s.group not in quantize.GROUPS:
        raise UsageError(f"group: {s.group} does not exist; choose from {', '.join(map(str, quantize.GROUPS))}")
    if s.dtype not in FLOAT_BYTES:
        raise UsageError(f"dtype: {s.dtype!r} does not exist; choose from {', '.join(FLOAT_BYTES)}")
    if shard_bytes < 1:
        raise UsageError(f"shard_bytes: must be positive, found {shard_bytes}")


@dataclass(frozen=True)
class Matrix:
    """A stored matrix: its format and the extents of weight, scales and biases."""

    name: str
    format: Format
    extents: tuple[Extent, Extent, Extent]


@dataclass(frozen=True)
class Part:
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
class Module:
    """What becomes one module of the result: a dense weight, or one projection of all experts of a layer."""

    path: str
    sources: tuple[Matrix, ...]
    target: Format
    parts: tuple[Part, ...]  # weight, or weight, scales, biases
    shift: float = 0.0  # added to every weight

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)


@dataclass
class Shard:
    """A file of the result and the modules that lie in it."""

    name: str
    modules: list[Module] = field(default_factory=list)

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


def plan(spec: ModelSpec, settings: Settings) -> tuple[list[Module], tuple[str, ...]]:
    """Every module of the result in the order of the model, and notes."""
    modules = []
    kept: list[str] = []

    def dense(role: str, layer: int) -> None:
        tensor = spec.tensors[role, layer]
        short = GLOBAL_NAMES[role] if layer < 0 else f"layers.{layer}.{LAYER_NAMES[role]}"
        path = ("language_model." if role == "head" else _PREFIX) + short.removesuffix(".weight")
        source = Matrix(tensor.name, tensor.format, (tensor.weight, tensor.scales, tensor.biases))
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
        modules.append(Module(path, (source,), form, _parts(path, form, 1, shape, bare), shift))

    dense("embed", -1)
    for layer, kind in enumerate(spec.config.layer_types):
        for role in layer_roles(kind):
            dense(role, layer)
        table = spec.experts[layer]
        for m, (proj, form) in enumerate((("gate", table.gate), ("up", table.up), ("down", table.down))):
            path = f"{_PREFIX}layers.{layer}.mlp.switch_mlp.{proj}_proj"
            rows = table.extents[:, 3 * m : 3 * m + 3].tolist()
            sources = tuple(
                Matrix(f"{table.name}, expert {e}, {proj}", form, (Extent(*w), Extent(*s), Extent(*b)))
                for e, (w, s, b) in enumerate(rows)
            )
            target = _target(form.rows, form.cols, settings.experts, settings)
            if settings.experts != 16 and target.dtype != "affine":
                kept.append(path)
            shape = (len(sources), form.rows, form.cols)
            modules.append(Module(path, sources, target, _parts(path, target, len(sources), shape, False)))
    dense("norm", -1)
    if not spec.config.tied_head:
        dense("head", -1)

    notes = []
    if kept:
        notes.append(f"{len(kept)} matrices are not quantised, since no group divides their columns: {kept[0]} is one")
    if attention_interval(spec) is None:
        notes.append("mlx-lm cannot run this: its layer types have no regular interval")
    return modules, tuple(notes)


def _target(rows: int, cols: int, bits: int, settings: Settings) -> Format:
    """The format that a matrix gets: the wanted width with the largest group, at most the wanted one, that
    fits."""
    groups = [group for group in quantize.GROUPS if group <= settings.group and cols % group == 0]
    if bits == 16 or not groups:
        return Format(settings.dtype, rows, cols)
    return Format("affine", rows, cols, bits, max(groups), settings.dtype)


def _parts(path: str, form: Format, count: int, shape: tuple[int, ...], bare: bool) -> tuple[Part, ...]:
    if form.dtype != "affine":
        name = path if bare else path + ".weight"
        return (Part(name, _SAFETENSORS[form.dtype], shape, form.weight_bytes, count),)
    packed = (*shape[:-1], form.cols * form.bits // 32)
    grouped = (*shape[:-1], form.cols // form.group)
    dtype = _SAFETENSORS[form.scale_dtype]
    return (
        Part(path + ".weight", "U32", packed, form.weight_bytes, count),
        Part(path + ".scales", dtype, grouped, form.scale_bytes, count),
        Part(path + ".biases", dtype, grouped, form.scale_bytes, count),
    )


def divide(modules: list[Module], limit: int) -> list[Shard]:
    """Shards of whole modules, each within the limit unless a single module is larger."""
    groups: list[list[Module]] = [[]]
    size = 0
    for module in modules:
        bytes_ = module.bytes + 512 * len(module.parts)  # with its lines of the header
        if groups[-1] and size + bytes_ > limit - 2 * ALIGNMENT:
            groups.append([])
            size = 0
        groups[-1].append(module)
        size += bytes_
    if len(groups) == 1:
        return [Shard("model.safetensors", groups[0])]
    return [Shard(f"model-{i:05d}-of-{len(groups):05d}.safetensors", group) for i, group in enumerate(groups, 1)]


def identity_of(spec: ModelSpec, settings: Settings, shards: list[Shard]) -> dict[str, Any]:
    """What must be the same for a conversion to go on: the source's files, the settings and the resulting
    shards."""
    digest = hashlib.sha256()
    for path in (spec.path / "config.json", *spec.files):
        info = path.stat()
        digest.update(f"{path.name} {info.st_size} {info.st_mtime_ns}\n".encode())
    for shard in shards:
        digest.update(shard.name.encode() + shard.layout()[0])
    return {"source": spec.path.name, "fingerprint": digest.hexdigest(), "settings": asdict(settings)}


def attention_interval(spec: ModelSpec) -> int | None:
    """The n for which exactly every n-th layer is full attention; None when there is none."""
    full = [i for i, kind in enumerate(spec.config.layer_types) if kind == "full_attention"]
    n = full[0] + 1 if full else spec.config.layers + 1
    return n if full == list(range(n - 1, spec.config.layers, n)) else None
