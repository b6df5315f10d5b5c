"""Reads the hyperparameters of config.json into a `Config`, flat or under text_config, and says which field
is wrong.

Nothing that changes a result is guessed: where libraries disagree about a default (rope_theta, head_dim,
sizes) the field must be there; where they agree (interval 4, partial rotary 0.25, eps 1e-6) it may be absent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..errors import CheckpointError
from ..spec import Config
from .safetensors import read_json

SUPPORTED_MODEL_TYPES = ("qwen3_5_moe", "qwen3_5_moe_text")
_LAYER_TYPES = ("full_attention", "linear_attention")
_MAX_SIZE = 1 << 30  # of any one dimension; rows of every matrix stay below 2^31


@dataclass(frozen=True)
class RawConfig:
    """config.json as it is. `text` is the object with the decoder's fields: the file itself or its
    text_config."""

    path: Path
    top: dict[str, Any]
    text: dict[str, Any]
    nested: bool

    def fail(self, field: str, message: str) -> NoReturn:
        where = f"text_config.{field}" if self.nested and field in self.text else field
        raise CheckpointError(f"{self.path}: {where}: {message}")

    def integer(self, field: str, low: int = 1, high: int = _MAX_SIZE) -> int:
        """A required integer in [low, high]."""
        value = self.text.get(field)
        if value is None:
            self.fail(field, "missing; it must be given, since libraries' defaults differ")
        if type(value) is not int:
            self.fail(field, f"must be an integer, found {_short(value)}")
        if not low <= value <= high:
            self.fail(field, f"must be between {low} and {high}, found {value}")
        return value

    def flag(self, field: str, default: bool) -> bool:
        value = self.text.get(field)
        if value is None:
            return default
        if type(value) is not bool:
            self.fail(field, f"must be true or false, found {_short(value)}")
        return value

    def number(self, field: str, value: Any, low: float, high: float) -> float:
        """Checks a number in (low, high]; `field` is for the message."""
        if type(value) not in (int, float) or not math.isfinite(value):
            self.fail(field, f"must be a number, found {_short(value)}")
        if not low < value <= high:
            self.fail(field, f"must be above {low:g} and at most {high:g}, found {value:g}")
        return float(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def read_raw_config(folder: Path) -> RawConfig:
    """Loads config.json and checks that its model_type is one that we run."""
    path = folder / "config.json"
    top = read_json(path)
    text = top.get("text_config")
    nested = text is not None
    if nested and not isinstance(text, dict):
        raise CheckpointError(f"{path}: text_config: must be an object, found {_short(text)}")
    raw = RawConfig(path, top, text if isinstance(text, dict) else top, nested)
    kinds = [("model_type", top.get("model_type"))]
    if nested and "model_type" in raw.text:
        kinds.append(("text_config.model_type", raw.text["model_type"]))
    for field, kind in kinds:
        if kind not in SUPPORTED_MODEL_TYPES:
            found = "is missing" if kind is None else f"{_short(kind)} is not supported"
            raise CheckpointError(
                f"{path}: {field}: {found}; supported: {', '.join(SUPPORTED_MODEL_TYPES)} (the Mixture-of-Experts "
                "models of the Qwen3.5 family)"
            )
    return raw


def read_config(raw: RawConfig, *, head_dim: int | None, has_head: bool) -> Config:
    """Every field checked for type and range.

    head_dim: the length of q_norm in the files, for configs that do not say; has_head: whether lm_head is
    stored.
    """
    layer_types = _layer_types(raw)
    heads = raw.integer("num_attention_heads")
    kv_heads = raw.integer("num_key_value_heads")
    if heads % kv_heads:
        raw.fail("num_key_value_heads", f"{kv_heads} does not divide num_attention_heads {heads}")
    hidden = raw.integer("hidden_size")
    if raw.text.get("head_dim") is not None:
        head_dim = raw.integer("head_dim", high=1 << 16)
    elif head_dim is None:
        if "full_attention" in layer_types or hidden % heads:
            raw.fail("head_dim", "missing; it must be given, since libraries' defaults differ")
        head_dim = hidden // heads
    theta, rope_dim = _rope(raw, head_dim)

    key_heads = raw.integer("linear_num_key_heads")
    value_heads = raw.integer("linear_num_value_heads")
    if value_heads % key_heads:
        raw.fail("linear_num_key_heads", f"{key_heads} does not divide linear_num_value_heads {value_heads}")
    experts = raw.integer("num_experts", high=1 << 16)
    chosen = raw.integer("num_experts_per_tok", high=1 << 16)
    if chosen > experts:
        raw.fail("num_experts_per_tok", f"{chosen} is more than num_experts {experts}")
    shared = raw.integer("shared_expert_intermediate_size", low=0)
    if shared == 0:
        raw.fail("shared_expert_intermediate_size", "0 (no shared expert) is not supported")

    _check_unsupported(raw)
    config = Config(
        model_type=str(raw.top["model_type"]),
        vocab=raw.integer("vocab_size"),
        hidden=hidden,
        layer_types=layer_types,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        rope_dim=rope_dim,
        rope_theta=theta,
        linear_key_heads=key_heads,
        linear_value_heads=value_heads,
        linear_key_dim=raw.integer("linear_key_head_dim", high=1 << 16),
        linear_value_dim=raw.integer("linear_value_head_dim", high=1 << 16),
        conv_kernel=raw.integer("linear_conv_kernel_dim", high=1 << 10),
        experts=experts,
        experts_per_token=chosen,
        moe_inner=raw.integer("moe_intermediate_size"),
        shared_inner=shared,
        norm_eps=raw.number("rms_norm_eps", raw.text.get("rms_norm_eps", 1e-6), 0.0, 1.0),
        tied_head=_tied(raw, has_head),
        max_context=raw.integer("max_position_embeddings"),
    )
    rows = {
        "num_attention_heads * head_dim": 2 * config.heads * config.head_dim,
        "the linear attention's heads and dims": 2 * config.linear_key_heads * config.linear_key_dim
        + config.linear_value_heads * config.linear_value_dim,
    }
    for what, size in rows.items():
        if size >= 1 << 31:
            raise CheckpointError(f"{raw.path}: {what}: a matrix of {size} rows is impossibly large")
    return config


def _layer_types(raw: RawConfig) -> tuple[str, ...]:
    layers = raw.integer("num_hidden_layers", high=1 << 12)
    interval = raw.text.get("full_attention_interval")
    if interval is not None:
        interval = raw.integer("full_attention_interval", high=1 << 12)
    by_interval = tuple(_LAYER_TYPES[bool((i + 1) % (interval or 4))] for i in range(layers))
    types = raw.text.get("layer_types")
    if types is None:
        return by_interval
    if not isinstance(types, list):
        raw.fail("layer_types", f"must be a list, found {_short(types)}")
    for i, kind in enumerate(types):
        if kind not in _LAYER_TYPES:
            raw.fail(
                "layer_types",
                f"{_short(kind)} of layer {i} is not supported; supported: {', '.join(_LAYER_TYPES)}",
            )
    if len(types) != layers:
        raw.fail("layer_types", f"{len(types)} entries, but num_hidden_layers is {layers}")
    if interval is not None and tuple(types) != by_interval:
        at = next(i for i in range(layers) if types[i] != by_interval[i])
        raw.fail(
            "layer_types",
            f"layer {at} is {types[at]}, but full_attention_interval {interval} says {by_interval[at]}",
        )
    return tuple(types)


def _rope(raw: RawConfig, head_dim: int) -> tuple[float, int]:
    """(theta, how many dims of a head are rotated), from rope_parameters, rope_scaling or the config
    itself."""
    found: dict[str, float] = {}
    factor: Any = None
    for place in ("rope_parameters", "rope_scaling"):
        rope = raw.text.get(place)
        if rope is None:
            continue
        if not isinstance(rope, dict):
            raw.fail(place, f"must be an object, found {_short(rope)}")
        for key in ("rope_type", "type"):
            kind = rope.get(key, "default")
            if kind not in ("default", "mrope"):  # mrope's sections are a no-op for text
                raw.fail(place, f"{key} {_short(kind)} is not supported; supported: default, mrope")
        if rope.get("rope_theta") is not None:
            field = f"{place}.rope_theta"
            found[field] = raw.number(field, rope["rope_theta"], 1.0, 1e18)
        if factor is None:
            factor = rope.get("partial_rotary_factor")
    if raw.text.get("rope_theta") is not None:
        found["rope_theta"] = raw.number("rope_theta", raw.text["rope_theta"], 1.0, 1e18)
    if not found:
        raw.fail(
            "rope_parameters", "rope_theta is missing; it must be given, since libraries' defaults differ"
        )
    if len(set(found.values())) > 1:
        raw.fail("rope_parameters", "contradictory: " + ", ".join(f"{k} is {v:g}" for k, v in found.items()))
    if factor is None:
        factor = raw.text.get("partial_rotary_factor", 0.25)
    factor = raw.number("partial_rotary_factor", factor, 0.0, 1.0)
    rope_dim = int(head_dim * factor)
    if rope_dim < 2 or rope_dim % 2:
        raw.fail(
            "partial_rotary_factor",
            f"{factor:g} of head_dim {head_dim} is {rope_dim} dims, but an even number of at least "
            "2 can be rotated",
        )
    return next(iter(found.values())), rope_dim


def _tied(raw: RawConfig, has_head: bool) -> bool:
    """tie_word_embeddings of the file and of text_config; where they contradict each other, what is stored
    decides."""
    values = []
    for place, where in (("text_config", raw.text), ("config.json", raw.top)):
        value = where.get("tie_word_embeddings")
        if value is None:
            continue
        if type(value) is not bool:
            raise CheckpointError(
                f"{raw.path}: tie_word_embeddings ({place}): must be true or false, found {_short(value)}"
            )
        values.append(value)
    if len(set(values)) > 1:
        return not has_head
    return values[0] if values else False


def _check_unsupported(raw: RawConfig) -> None:
    """Fields that would change the mathematics in a way that we do not compute."""
    act = raw.text.get("hidden_act", "silu")
    if act != "silu":
        raw.fail("hidden_act", f"{_short(act)} is not supported; supported: silu")
    for field, supported in (("attention_bias", False), ("norm_topk_prob", True), ("attn_output_gate", True)):
        if raw.flag(field, supported) is not supported:
            raw.fail(
                field, f"{str(not supported).lower()} is not supported; supported: {str(supported).lower()}"
            )
    if raw.text.get("mlp_only_layers"):
        raw.fail("mlp_only_layers", "dense layers are not supported; supported: every layer with experts")
    if raw.text.get("decoder_sparse_step", 1) != 1:
        raw.fail("decoder_sparse_step", "only 1 (every layer with experts) is supported")


def quantization_table(raw: RawConfig) -> Mapping[str, Any] | None:
    """The MLX `quantization` object (or its twin `quantization_config`), from either level; None when absent.

    CheckpointError when both are there and differ, or when it is another library's scheme.
    """
    found: dict[str, Any] | None = None
    found_at = ""
    for where, prefix in ((raw.top, ""), (raw.text, "text_config." if raw.nested else "")):
        for field in ("quantization", "quantization_config"):
            value = where.get(field)
            if value is None:
                continue
            if not isinstance(value, dict):
                raise CheckpointError(
                    f"{raw.path}: {prefix}{field}: must be an object, found {_short(value)}"
                )
            if "quant_method" in value:
                raise CheckpointError(
                    f"{raw.path}: {prefix}{field}: quant_method {_short(value['quant_method'])} is "
                    "not supported; "
                    "supported: MLX affine quantisation, or weights in bf16, f16 or f32"
                )
            if found is not None and found != value:
                raise CheckpointError(f"{raw.path}: {prefix}{field} contradicts {found_at}")
            found, found_at = value, prefix + field
    return found
