"""The one description of a model that every checkpoint reader gives and the native core takes (seam 1 of the design).

A reader turns a folder into a `ModelSpec`: hyperparameters, and for each weight where its bytes lie in which file and
how they are encoded. Nothing here reads weights. The core checks every bound again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

FLOAT_BYTES = {"f32": 4, "f16": 2, "bf16": 2}


@dataclass(frozen=True)
class Format:
    """How a matrix of `rows` x `cols` is encoded; a vector has rows == 1.

    dtype: "f32", "f16", "bf16", or "affine" (the MLX layout: `w = scale * q + bias`, see docs/format.md).
    bits, group: bits of one q and how many share a scale; 0 unless affine.
    scale_dtype: "f32", "f16" or "bf16" for affine; "" otherwise.
    """

    dtype: str
    rows: int
    cols: int
    bits: int = 0
    group: int = 0
    scale_dtype: str = ""

    @property
    def weight_bytes(self) -> int:
        """Bytes of the matrix itself, without scales and biases."""
        if self.dtype == "affine":
            return self.rows * self.cols * self.bits // 8
        return self.rows * self.cols * FLOAT_BYTES[self.dtype]

    @property
    def scale_bytes(self) -> int:
        """Bytes of the scales; the biases have as many. 0 unless affine."""
        if self.dtype != "affine":
            return 0
        return self.rows * (self.cols // self.group) * FLOAT_BYTES[self.scale_dtype]

    @property
    def total_bytes(self) -> int:
        """Bytes of weight, scales and biases."""
        return self.weight_bytes + 2 * self.scale_bytes


@dataclass(frozen=True)
class Extent:
    """A run of bytes: index into `ModelSpec.files`, offset and length in bytes."""

    file: int
    offset: int
    length: int


NO_EXTENT = Extent(-1, 0, 0)


@dataclass(frozen=True)
class Tensor:
    """A dense weight. `name` is its name in the checkpoint, for messages."""

    name: str
    format: Format
    weight: Extent
    scales: Extent = NO_EXTENT
    biases: Extent = NO_EXTENT


@dataclass(frozen=True)
class ExpertTable:
    """The routed experts of one layer.

    extents: int64 [experts, 9, 3], each row (file, offset, length), in the order gate.weight, gate.scales, gate.biases,
    up.weight, up.scales, up.biases, down.weight, down.scales, down.biases; unquantised parts have length 0 and file -1
    for scales and biases. gate and up are [moe_inner, hidden], down is [hidden, moe_inner].
    """

    name: str
    gate: Format
    up: Format
    down: Format
    extents: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Config:
    """Hyperparameters of a Qwen3.5-MoE decoder; names follow docs/format.md. Sizes are in elements."""

    model_type: str
    vocab: int
    hidden: int
    layer_types: tuple[str, ...]  # "full_attention" | "linear_attention"
    heads: int
    kv_heads: int
    head_dim: int
    rope_dim: int
    rope_theta: float
    linear_key_heads: int
    linear_value_heads: int
    linear_key_dim: int
    linear_value_dim: int
    conv_kernel: int
    experts: int
    experts_per_token: int
    moe_inner: int
    shared_inner: int
    norm_eps: float
    tied_head: bool
    max_context: int

    @property
    def layers(self) -> int:
        return len(self.layer_types)


# Roles of dense weights, with the shape each must have. Layer roles are keyed (role, layer).
GLOBAL_ROLES = ("embed", "norm", "head")  # head is absent when tied
SHARED_ROLES = ("input_norm", "post_norm", "router", "shared_gate", "shared_up", "shared_down", "shared_expert_gate")
FULL_ROLES = ("q", "k", "v", "o", "q_norm", "k_norm")
LINEAR_ROLES = ("in_qkv", "in_z", "in_a", "in_b", "conv", "A_log", "dt_bias", "linear_norm", "out")


@dataclass(frozen=True)
class ModelSpec:
    """A checkpoint, described. `norm_shift` is added to every N1 norm weight (1.0 for Hugging Face files, whose norms
    are centred on zero; 0.0 for MLX files). `eos_ids` come from generation_config.json or config.json."""

    path: Path
    source: str  # "huggingface" | "mlx"
    config: Config
    files: tuple[Path, ...]
    tensors: dict[tuple[str, int], Tensor]  # (role, layer); layer is -1 for global roles
    experts: tuple[ExpertTable, ...]  # one for each layer
    norm_shift: float
    eos_ids: tuple[int, ...] = ()
    tokenizer_file: Path | None = None
    chat_template: str | None = None
    special_tokens: dict[str, str] = field(default_factory=dict)  # bos_token, eos_token, pad_token as strings
    notes: tuple[str, ...] = ()  # what was skipped, for `info`: "vision tower (333 tensors)"


def expected_shape(config: Config, role: str) -> tuple[int, int]:
    """(rows, cols) that the dense weight of this role must have; vectors have rows == 1, conv is [channels, K]."""
    c = config
    key_dim = c.linear_key_heads * c.linear_key_dim
    value_dim = c.linear_value_heads * c.linear_value_dim
    channels = 2 * key_dim + value_dim
    shapes = {
        "embed": (c.vocab, c.hidden),
        "head": (c.vocab, c.hidden),
        "norm": (1, c.hidden),
        "input_norm": (1, c.hidden),
        "post_norm": (1, c.hidden),
        "router": (c.experts, c.hidden),
        "shared_gate": (c.shared_inner, c.hidden),
        "shared_up": (c.shared_inner, c.hidden),
        "shared_down": (c.hidden, c.shared_inner),
        "shared_expert_gate": (1, c.hidden),
        "q": (2 * c.heads * c.head_dim, c.hidden),
        "k": (c.kv_heads * c.head_dim, c.hidden),
        "v": (c.kv_heads * c.head_dim, c.hidden),
        "o": (c.hidden, c.heads * c.head_dim),
        "q_norm": (1, c.head_dim),
        "k_norm": (1, c.head_dim),
        "in_qkv": (channels, c.hidden),
        "in_z": (value_dim, c.hidden),
        "in_a": (c.linear_value_heads, c.hidden),
        "in_b": (c.linear_value_heads, c.hidden),
        "conv": (channels, c.conv_kernel),
        "A_log": (1, c.linear_value_heads),
        "dt_bias": (1, c.linear_value_heads),
        "linear_norm": (1, c.linear_value_dim),
        "out": (c.hidden, value_dim),
    }
    return shapes[role]


def layer_roles(layer_type: str) -> tuple[str, ...]:
    """The dense roles that a layer of this type has."""
    return SHARED_ROLES + (FULL_ROLES if layer_type == "full_attention" else LINEAR_ROLES)
