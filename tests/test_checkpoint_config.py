"""What config.json may say, and which of its faults are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flashmoe.checkpoints import open_checkpoint

from .checkpoints import HF, change, edit, refused


@pytest.mark.parametrize(
    ("changes", "pieces"),
    [
        ({"model_type": "llama"}, ["model_type", "qwen3_5_moe_text"]),
        ({"num_hidden_layers": 4}, ["layer_types", "num_hidden_layers"]),
        ({"num_hidden_layers": 4, "layer_types": None}, ["model.layers.4.", "num_hidden_layers is 4"]),
        ({"full_attention_interval": 3}, ["layer_types", "full_attention_interval"]),
        ({"layer_types": ["linear_attention"] * 4 + ["sliding"]}, ["layer_types", "sliding"]),
        ({"layer_types": ["linear_attention"] * 5}, ["layers.3.linear_attn", "missing"]),
        ({"rope_parameters": {"rope_type": "default"}}, ["rope_theta"]),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, ["yarn", "supported"]),
        ({"rope_theta": 3.0}, ["rope_theta", "contradictory"]),
        ({"hidden_act": "gelu"}, ["hidden_act"]),
        ({"attention_bias": True}, ["attention_bias"]),
        ({"attention_bias": "no"}, ["attention_bias"]),
        ({"norm_topk_prob": False}, ["norm_topk_prob"]),
        ({"shared_expert_intermediate_size": 0}, ["shared_expert_intermediate_size"]),
        ({"num_experts": 5}, ["mlp.gate.weight", "shape"]),
        ({"num_experts_per_tok": 9}, ["num_experts_per_tok"]),
        ({"num_key_value_heads": 3}, ["num_key_value_heads"]),
        ({"hidden_size": 64}, ["embed_tokens", "shape"]),
        ({"head_dim": 104}, ["self_attn", "shape"]),
        ({"vocab_size": "191"}, ["vocab_size", "integer"]),
        ({"vocab_size": True}, ["vocab_size", "integer"]),
        ({"vocab_size": -1}, ["vocab_size"]),
        ({"vocab_size": 10**30}, ["vocab_size"]),
        ({"vocab_size": None}, ["vocab_size", "missing"]),
        ({"rms_norm_eps": 0}, ["rms_norm_eps"]),
        ({"rms_norm_eps": "small"}, ["rms_norm_eps"]),
        ({"tie_word_embeddings": True}, ["lm_head.weight", "tie_word_embeddings"]),
        ({"tie_word_embeddings": 1}, ["tie_word_embeddings"]),
        ({"quantization_config": {"quant_method": "fp8"}}, ["quant_method", "fp8"]),
        ({"text_config": [1]}, ["text_config"]),
        ({"eos_token_id": "end"}, ["eos_token_id"]),
        ({"mlp_only_layers": [1]}, ["mlp_only_layers"]),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else "",
)
def test_config_is_refused(copy: Callable[[str], Path], changes: dict[str, Any], pieces: list[str]) -> None:
    folder = copy(HF)
    edit(folder, **changes)
    refused(folder, *pieces)


@pytest.mark.parametrize(
    "changes",
    [
        {"layer_types": None, "full_attention_interval": 4},
        {"layer_types": None},
        {"full_attention_interval": 4},
        {"head_dim": None},  # told by q_norm
        {"rope_parameters": {"type": "default", "rope_theta": 10000000, "partial_rotary_factor": 0.25}},
        {"rope_parameters": None, "rope_theta": 1e7},
        {"rope_parameters": {"rope_type": "default"}, "rope_theta": 1e7, "partial_rotary_factor": 0.25},
    ],
    ids=str,
)
def test_config_may_say_the_same_otherwise(copy: Callable[[str], Path], changes: dict[str, Any]) -> None:
    folder = copy(HF)
    before = open_checkpoint(folder).config
    edit(folder, **changes)
    assert open_checkpoint(folder).config == before


def test_tied_at_either_level(copy: Callable[[str], Path]) -> None:
    folder = copy("mlx-5bit-g32-f16-tied")
    path = folder / "config.json"
    for top, text in ((True, None), (None, True), (False, True)):
        config = json.loads(path.read_text())
        for where, value in ((config, top), (config["text_config"], text)):
            where.pop("tie_word_embeddings", None)
            if value is not None:
                where["tie_word_embeddings"] = value
        path.write_text(json.dumps(config))
        assert open_checkpoint(folder).config.tied_head
    edit(folder, tie_word_embeddings=False)
    refused(folder, "lm_head.weight", "missing")


def test_a_second_copy_of_the_tied_head_must_be_equal(copy: Callable[[str], Path]) -> None:
    folder = copy("hf-tied-fused-f16")

    def add(tensors: dict[str, Any]) -> None:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]

    change(folder, add)
    spec = open_checkpoint(folder)
    assert ("head", -1) not in spec.tensors
    assert any("tied head" in note for note in spec.notes)

    def spoil(tensors: dict[str, Any]) -> None:
        dtype, shape, data = tensors["lm_head.weight"]
        tensors["lm_head.weight"] = dtype, shape, data[:-1] + bytes([data[-1] ^ 1])

    change(folder, spoil)
    refused(folder, "lm_head.weight", "tie_word_embeddings")


@pytest.mark.parametrize(
    "text",
    ['{"model_type": 1, "model_type": 2}', "[]", "{", '{"a": NaN}', "\udcff", "[" * 100_000, "9" * 5000, ""],
)
def test_config_that_is_no_json_object(copy: Callable[[str], Path], text: str) -> None:
    folder = copy(HF)
    (folder / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    refused(folder, "config.json")
