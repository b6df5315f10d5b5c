"""The shapes of models to measure: those of real checkpoints, by name or by their config.json, and changes to them.

35b                            as Qwen3.5-35B-A3B
35b,layers=8                   fewer layers of it
122b,experts=128,top_k=6       whatever else a judge may want
35b,layers=4,bits=3,group=32   other quantisation
path/config.json,layers=4      as any checkpoint of the family
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

CODE = 64  # hidden dimensions that carry the routing code of a token, and the group of the embedding (models.py)
ROUTER_GROUP = 64


@dataclass(frozen=True)
class Shape:
    """Counts. inner: of an expert. bits, group: of all matrices but embedding (4, 64) and routers (8, 64)."""

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
    shared: int = 0  # inner size of the shared expert; 0: as the others
    vocab: int = 248_320
    linear_dim: int = 128  # of a key or value head of Gated DeltaNet
    interval: int = 4  # every so many layers one has full attention
    bits: int = 4
    group: int = 64

    @property
    def shared_inner(self) -> int:
        return self.shared or self.inner

    @property
    def full_attention(self) -> list[bool]:
        return [i % self.interval == self.interval - 1 for i in range(self.layers)]

    @property
    def bytes(self) -> int:
        """Of a checkpoint with scales and biases. Norms and the like are left out."""
        moe = 3 * self.hidden * (self.inner * self.experts + self.shared_inner)
        attention = self.hidden * self.head_dim * (3 * self.heads + 2 * self.kv_heads)
        delta = self.hidden * self.linear_dim * (2 * self.key_heads + 3 * self.value_heads)
        full = sum(self.full_attention)
        weights = self.vocab * self.hidden + self.layers * moe + full * attention + (self.layers - full) * delta
        routers = self.layers * self.hidden * (self.experts + 1)
        return int(weights * (self.bits / 8 + 4 / self.group)) + self.vocab * self.hidden * 9 // 16 + routers * 17 // 16

    def config(self) -> dict[str, Any]:
        """config.json of an MLX checkpoint."""
        kinds = ["full_attention" if full else "linear_attention" for full in self.full_attention]
        text = {
            "model_type": "qwen3_5_moe_text", "vocab_size": self.vocab, "hidden_size": self.hidden,
            "num_hidden_layers": self.layers, "full_attention_interval": self.interval, "layer_types": kinds,
            "num_attention_heads": self.heads, "num_key_value_heads": self.kv_heads, "head_dim": self.head_dim,
            "linear_num_key_heads": self.key_heads, "linear_num_value_heads": self.value_heads,
            "linear_key_head_dim": self.linear_dim, "linear_value_head_dim": self.linear_dim,
            "linear_conv_kernel_dim": 4, "num_experts": self.experts, "num_experts_per_tok": self.top_k,
            "moe_intermediate_size": self.inner, "shared_expert_intermediate_size": self.shared_inner,
            "rms_norm_eps": 1e-6, "hidden_act": "silu", "tie_word_embeddings": False,
            "max_position_embeddings": 262_144,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.25},
        }  # fmt: skip
        quantization: dict[str, Any] = {"group_size": self.group, "bits": self.bits, "mode": "affine"}
        quantization["language_model.model.embed_tokens"] = {"group_size": CODE, "bits": 4}
        for i in range(self.layers):
            for name in ("gate", "shared_expert_gate"):
                quantization[f"language_model.model.layers.{i}.mlp.{name}"] = {"group_size": ROUTER_GROUP, "bits": 8}
        return {"model_type": "qwen3_5_moe", "text_config": text, "quantization": quantization, "eos_token_id": 0}

    @classmethod
    def of(cls, config: dict[str, Any]) -> Shape:
        """That of a checkpoint's config.json; 4 bits in groups of 64 where it does not say. Raises ValueError."""
        text = config.get("text_config", config)
        quantization = config.get("quantization", {})
        try:
            kinds = text.get("layer_types") or []
            interval = text.get("full_attention_interval") or (
                kinds.index("full_attention") + 1 if "full_attention" in kinds else 4
            )
            inner, shared = text["moe_intermediate_size"], text["shared_expert_intermediate_size"]
            shape = cls(
                hidden=text["hidden_size"], layers=text["num_hidden_layers"], heads=text["num_attention_heads"],
                kv_heads=text["num_key_value_heads"], head_dim=text["head_dim"],
                key_heads=text["linear_num_key_heads"], value_heads=text["linear_num_value_heads"],
                experts=text["num_experts"], top_k=text["num_experts_per_tok"], inner=inner,
                shared=0 if shared == inner else shared, vocab=text["vocab_size"],
                linear_dim=text["linear_value_head_dim"], interval=interval, bits=quantization.get("bits", 4),
                group=quantization.get("group_size", 64),
            )  # fmt: skip
        except KeyError as missing:
            raise ValueError(f"the config has no {missing.args[0]}") from None
        if kinds and kinds != shape.config()["text_config"]["layer_types"]:
            raise ValueError("the config's layer_types have full attention at other than every so many layers")
        if text["linear_key_head_dim"] != shape.linear_dim:
            raise ValueError("the config's linear_key_head_dim and linear_value_head_dim differ")
        return shape

    def check(self) -> None:
        """Raises ValueError, which says what would have to be otherwise."""
        for what, value, divisor in (
            ("hidden", self.hidden, max(self.group, CODE)), ("inner", self.inner, self.group),
            ("shared", self.shared_inner, self.group), ("heads", self.heads, self.kv_heads),
            ("value_heads", self.value_heads, self.key_heads), ("head_dim", self.head_dim, 8),
            ("heads * head_dim", self.heads * self.head_dim, self.group),
            ("value_heads * linear_dim", self.value_heads * self.linear_dim, self.group),
        ):  # fmt: skip
            if value % divisor:
                raise ValueError(f"{what} is {value}, which must be a multiple of {divisor}")
        if self.hidden < 2 * CODE:
            raise ValueError(f"hidden is {self.hidden}, which must be at least {2 * CODE}")
        if self.top_k > self.experts:
            raise ValueError(f"top_k is {self.top_k}, more than experts, {self.experts}")
        if self.bits not in (2, 3, 4, 5, 6, 8) or self.group not in (32, 64, 128):
            raise ValueError(f"{self.bits} bits, groups of {self.group}: write 2, 3, 4, 5, 6 or 8, and 32, 64 or 128")


SHAPES = {
    "35b": Shape(2048, 40, 16, 2, 256, 16, 32, 256, 8, 512),
    "122b": Shape(3072, 48, 32, 2, 256, 16, 64, 256, 8, 1024),
    "397b": Shape(4096, 60, 32, 2, 256, 16, 64, 512, 10, 1024),
}


def parse(text: str) -> Shape:
    """The shape that a text such as "35b,layers=8" means. Raises ValueError, which says what may be written."""
    name, *changes = text.split(",")
    names = [field.name for field in fields(Shape)]
    if name in SHAPES:
        shape = SHAPES[name]
    elif Path(name).is_file():
        try:
            shape = Shape.of(json.loads(Path(name).read_text()))
        except (ValueError, AttributeError) as error:
            raise ValueError(f"{name} is no config.json of the Qwen3.5-MoE family: {error}") from None
    else:
        raise ValueError(f"{name!r} is no shape; write {', '.join(SHAPES)} or a config.json, then such as layers=8")
    values: dict[str, int] = {}
    for change in changes:
        key, _, value = change.partition("=")
        if key not in names or not value.isdigit() or int(value) < 1:
            raise ValueError(f"{change!r} is no change of a shape; write NAME=COUNT with a name of {', '.join(names)}")
        values[key] = int(value)
    shape = replace(shape, **values)
    shape.check()
    return shape
