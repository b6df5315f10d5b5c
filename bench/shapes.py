"""The shapes of models to measure: those of real checkpoints, by name, and changes to them.

35b                          as Qwen3.5-35B-A3B
35b,layers=8                 fewer layers of it
122b,experts=128,top_k=6     whatever else a judge may want
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

GROUP = 64  # weights that share a scale
CODE = 64  # hidden dimensions that carry the routing code of a token (models.py)


@dataclass(frozen=True)
class Shape:
    """Counts. inner: of an expert, and of the shared one."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    key_heads: int
    value_heads: int
    experts: int
    top_k: int
    inner: int
    vocab: int = 248_320
    linear_dim: int = 128  # of a key or value head of Gated DeltaNet
    interval: int = 4  # every so many layers one has full attention

    @property
    def full_attention(self) -> list[bool]:
        return [i % self.interval == self.interval - 1 for i in range(self.layers)]

    @property
    def bytes(self) -> int:
        """Of a checkpoint at 4 bits with scales and biases: 4.5 bits a weight. Norms and the like are left out."""
        moe = 3 * self.hidden * self.inner * (self.experts + 1) + 2 * self.hidden * self.experts
        attention = self.hidden * self.head_dim * (3 * self.heads + 2 * self.kv_heads)
        delta = self.hidden * self.linear_dim * (2 * self.key_heads + 3 * self.value_heads)
        full = sum(self.full_attention)
        weights = 2 * self.vocab * self.hidden + self.layers * moe + full * attention + (self.layers - full) * delta
        return weights * 9 // 16

    def config(self) -> dict[str, Any]:
        """config.json of an MLX checkpoint at 4 bits, the routers at 8."""
        kinds = ["full_attention" if full else "linear_attention" for full in self.full_attention]
        text = {
            "model_type": "qwen3_5_moe_text", "vocab_size": self.vocab, "hidden_size": self.hidden,
            "num_hidden_layers": self.layers, "layer_types": kinds, "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads, "head_dim": self.head_dim, "linear_num_key_heads": self.key_heads,
            "linear_num_value_heads": self.value_heads, "linear_key_head_dim": self.linear_dim,
            "linear_value_head_dim": self.linear_dim, "linear_conv_kernel_dim": 4, "num_experts": self.experts,
            "num_experts_per_tok": self.top_k, "moe_intermediate_size": self.inner,
            "shared_expert_intermediate_size": self.inner, "rms_norm_eps": 1e-6, "hidden_act": "silu",
            "tie_word_embeddings": False, "max_position_embeddings": 262_144,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.25},
        }  # fmt: skip
        quantization: dict[str, Any] = {"group_size": GROUP, "bits": 4, "mode": "affine"}
        for i in range(self.layers):
            for name in ("gate", "shared_expert_gate"):
                quantization[f"language_model.model.layers.{i}.mlp.{name}"] = {"group_size": GROUP, "bits": 8}
        return {"model_type": "qwen3_5_moe", "text_config": text, "quantization": quantization, "eos_token_id": 0}


SHAPES = {
    "35b": Shape(2048, 40, 16, 2, 256, 16, 32, 256, 8, 512),
    "122b": Shape(3072, 48, 32, 2, 256, 16, 64, 256, 8, 1024),
    "397b": Shape(4096, 60, 32, 2, 256, 16, 64, 512, 10, 1024),
}


def parse(text: str) -> Shape:
    """The shape that a text such as "35b,layers=8" means. Raises ValueError, which says what may be written."""
    name, *changes = text.split(",")
    names = [field.name for field in fields(Shape)]
    if name not in SHAPES:
        raise ValueError(f"{name!r} is no shape; write one of {', '.join(SHAPES)}, then changes such as layers=8")
    values: dict[str, int] = {}
    for change in changes:
        key, _, value = change.partition("=")
        if key not in names or not value.isdigit() or int(value) < 1:
            raise ValueError(f"{change!r} is no change of a shape; write NAME=COUNT with a name of {', '.join(names)}")
        values[key] = int(value)
    shape = replace(SHAPES[name], **values)
    if shape.hidden % GROUP or shape.inner % GROUP or shape.hidden <= CODE:
        raise ValueError(f"hidden and inner must be multiples of {GROUP}, and hidden above {CODE}")
    return shape
