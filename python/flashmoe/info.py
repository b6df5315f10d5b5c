"""What a checkpoint is and what it would take to run it, from its description alone: no weights are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .plan import MemoryPlan
from .spec import GLOBAL_ROLES, Format, ModelSpec

HIT_RATES = (0, 50, 70, 80, 90, 95, 100)
ATTENTION = {"q", "k", "v", "o", "q_norm", "k_norm"}
LINEAR = {"in_qkv", "in_z", "in_a", "in_b", "conv", "A_log", "dt_bias", "linear_norm", "out"}


@dataclass(frozen=True)
class Part:
    """A part of the weights. formats: how it is stored, such as "4 bits, groups of 64", the largest share
    first.

    active: parameters that one token uses.
    """

    name: str
    parameters: int
    active: int
    bytes: int
    formats: tuple[str, ...]


@dataclass(frozen=True)
class Reads:
    """What one decoded token reads at a hit rate (in percent): bytes of memory, and of disk."""

    hit_rate: float
    memory: int
    disk: int


@dataclass(frozen=True)
class Info:
    """A checkpoint, for people and for `--json`."""

    path: str
    source: str
    model_type: str
    files: int
    file_bytes: int
    shape: dict[str, Any]
    parts: tuple[Part, ...]
    notes: tuple[str, ...]
    plan: MemoryPlan | None
    reads: tuple[Reads, ...]

    @property
    def parameters(self) -> int:
        return sum(part.parameters for part in self.parts)

    @property
    def active(self) -> int:
        """Parameters that one token uses."""
        return sum(part.active for part in self.parts)

    def as_dict(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "parameters": self.parameters,
            "active_parameters": self.active,
            "plan": self.plan.as_dict() if self.plan is not None else None,
        }


def describe(spec: ModelSpec, plan: MemoryPlan | None, hit_rates: Sequence[float] = HIT_RATES) -> Info:
    """plan: None if the memory budget cannot hold the model; `reads` is empty then."""
    sizes = [path.stat().st_size for path in spec.files]
    return Info(
        path=str(spec.path),
        source=spec.source,
        model_type=spec.config.model_type,
        files=len(spec.files),
        file_bytes=sum(sizes),
        shape=_shape(spec),
        parts=tuple(_parts(spec, plan.experts_per_token if plan else spec.config.experts_per_token)),
        notes=spec.notes,
        plan=plan,
        reads=tuple(reads(plan, hit_rates)) if plan else (),
    )


def reads(plan: MemoryPlan, hit_rates: Iterable[float]) -> Iterable[Reads]:
    """Every expert passes through memory; those that are not there come from disk first."""
    memory = plan.dense_bytes_per_token + plan.expert_bytes_per_token
    for rate in hit_rates:
        yield Reads(rate, memory, round(plan.expert_bytes_per_token * (1 - rate / 100)))


def _shape(spec: ModelSpec) -> dict[str, Any]:
    c = spec.config
    full = sum(kind == "full_attention" for kind in c.layer_types)
    return {
        "layers": c.layers,
        "full_attention_layers": full,
        "linear_attention_layers": c.layers - full,
        "hidden": c.hidden,
        "vocabulary": c.vocab,
        "tied_head": c.tied_head,
        "heads": c.heads,
        "kv_heads": c.kv_heads,
        "head_dim": c.head_dim,
        "rope_dim": c.rope_dim,
        "linear_key_heads": c.linear_key_heads,
        "linear_value_heads": c.linear_value_heads,
        "linear_key_dim": c.linear_key_dim,
        "linear_value_dim": c.linear_value_dim,
        "experts": c.experts,
        "experts_per_token": c.experts_per_token,
        "expert_width": c.moe_inner,
        "shared_expert_width": c.shared_inner,
        "trained_context": c.max_context,
    }


def _parts(spec: ModelSpec, experts_per_token: int) -> Iterable[Part]:
    groups: dict[str, list[Format]] = {
        name: []
        for name in (
            "embedding",
            "head",
            "full attention",
            "linear attention",
            "router",
            "shared expert",
            "norms",
        )
    }
    for (role, _), tensor in spec.tensors.items():
        groups[_group(role)].append(tensor.format)
    for name, formats in groups.items():
        if formats:
            parameters = sum(f.rows * f.cols for f in formats)
            # Of the embedding a token uses one row, and all of it where it is the head too.
            rows = 1 if name == "embedding" and not spec.config.tied_head else 0
            active = formats[0].cols if rows else parameters
            yield Part(name, parameters, active, sum(f.total_bytes for f in formats), _formats(formats))
    routed = [f for table in spec.experts for f in (table.gate, table.up, table.down)]
    one = sum(f.rows * f.cols for f in routed)
    size = sum(f.total_bytes for f in routed)
    experts = spec.config.experts
    yield Part("routed experts", experts * one, experts_per_token * one, experts * size, _formats(routed))


def _group(role: str) -> str:
    if role in GLOBAL_ROLES:
        return {"embed": "embedding", "head": "head"}.get(role, "norms")
    if role in ATTENTION:
        return "full attention"
    if role in LINEAR:
        return "linear attention"
    if role in ("input_norm", "post_norm"):
        return "norms"
    return "router" if role == "router" else "shared expert"


def _formats(formats: Iterable[Format]) -> tuple[str, ...]:
    sizes: dict[str, int] = {}
    for f in formats:
        label = f"{f.bits} bits, groups of {f.group}" if f.dtype == "affine" else f.dtype
        sizes[label] = sizes.get(label, 0) + f.total_bytes
    return tuple(sorted(sizes, key=lambda label: -sizes[label]))
