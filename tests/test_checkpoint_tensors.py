"""Every tensor must be there, once, with the right shape and dtype; anything unknown is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flashmoe.checkpoints import open_checkpoint

from .checkpoints import HF, change, load, refused, store


@pytest.mark.parametrize("name", [HF, "hf-text-fused-f32", "mlx-mixed"])
def test_every_tensor_must_be_there(copy: Callable[[str], Path], name: str) -> None:
    folder = copy(name)
    whole = load(folder / "model.safetensors")
    for missing in list(whole)[:: max(1, len(whole) // 12)]:
        if missing.endswith(".scales"):
            continue  # then it is a float tensor of the wrong dtype, below
        change(folder, lambda tensors, missing=missing: tensors.pop(missing))
        refused(folder, "missing")
        store(folder / "model.safetensors", whole)


@pytest.mark.parametrize("name", [HF, "mlx-mixed"])
@pytest.mark.parametrize("fault", ["dtype", "shape", "scales"])
def test_every_tensor_must_be_right(copy: Callable[[str], Path], name: str, fault: str) -> None:
    folder = copy(name)
    whole = load(folder / "model.safetensors")
    for wrong in list(whole)[:: max(1, len(whole) // 12)]:
        tensors = dict(whole)
        dtype, shape, data = tensors[wrong]
        if fault == "dtype":
            tensors[wrong] = ("I32" if dtype == "U32" else "I16" if dtype == "BF16" else dtype, shape, data)
        elif fault == "shape":
            tensors[wrong] = (dtype, [*shape, 1], data)
        elif wrong.endswith(".scales"):
            tensors.pop(wrong)
        if tensors != whole:
            store(folder / "model.safetensors", tensors)
            (folder / "model.safetensors.index.json").unlink(missing_ok=True)
            refused(folder, "tensor", "model.safetensors")


@pytest.mark.parametrize(
    "extra",
    [
        "model.layers.0.mlp.gate.bias",
        "model.layers.0.self_attn.q_proj.weight",
        "model.layers.9.input_layernorm.weight",
        "model.layers.0.mlp.experts.4.gate_proj.weight",
        "model.language_model.norm.weight",
        "language_model.model.norm.weight",
        "language_model.lm_head.weight",
        "something.else",
    ],
)
def test_unknown_weights_are_never_ignored(copy: Callable[[str], Path], extra: str) -> None:
    folder = copy(HF)
    change(folder, lambda tensors: tensors.update({extra: ("BF16", [2], b"\0" * 4)}))
    refused(folder, extra)


def test_what_is_not_text_is_skipped(copy: Callable[[str], Path]) -> None:
    folder = copy(HF)
    names = (
        "mtp.fc.weight",
        "model.visual.x",
        "vision_tower.y",
        "model.layers.3.self_attn.rotary_emb.inv_freq",
    )
    change(folder, lambda tensors: tensors.update({name: ("I8", [1], b"\0") for name in names}))
    assert len(open_checkpoint(folder).notes) == 3


def test_the_two_layouts_do_not_mix(copy: Callable[[str], Path]) -> None:
    def transpose(tensors: dict[str, Any]) -> None:
        for name, (dtype, shape, data) in tensors.items():
            if name.endswith("conv1d.weight"):
                tensors[name] = (dtype, [shape[0], shape[2], shape[1]], data)

    for name in (HF, "mlx-float-bf16", "mlx-mixed"):
        folder = copy(name)
        change(folder, transpose)
        refused(folder, "MLX layout", "Hugging Face layout")


def test_experts_fused_and_single_together(copy: Callable[[str], Path]) -> None:
    folder = copy(HF)
    fused = ("BF16", [4, 32, 48], bytes(4 * 32 * 48 * 2))
    change(folder, lambda tensors: tensors.update({"model.layers.0.mlp.experts.gate_up_proj": fused}))
    refused(folder, "experts", "fused as well")


def test_experts_of_a_layer_share_a_dtype(copy: Callable[[str], Path]) -> None:
    folder = copy(HF)
    name = "model.layers.1.mlp.experts.2.up_proj.weight"
    change(folder, lambda tensors: tensors.update({name: ("F16", *tensors[name][1:])}))
    refused(folder, name, "dtype")


@pytest.mark.parametrize(
    ("changes", "pieces"),
    [
        ({"bits": 8}, ["bits", "shape"]),
        ({"bits": 7}, ["bits", "supported"]),
        ({"bits": "4"}, ["bits", "supported"]),
        ({"group_size": 16}, ["group_size", "supported"]),
        ({"mode": "mxfp4"}, ["mxfp4", "affine"]),
        ({"language_model.lm_head": {"bits": 5, "group_size": 128}}, ["lm_head", "6 bits"]),
        ({"language_model.lm_head": {"bits": 6, "group_size": 64}}, ["lm_head", "scales", "shape"]),
        ({"language_model.lm_head": False}, ["lm_head", "no quantization"]),
        ({"language_model.lm_head": 6}, ["lm_head"]),
    ],
    ids=str,
)
def test_quantization_must_fit_the_tensors(
    copy: Callable[[str], Path], changes: dict[str, Any], pieces: list[str]
) -> None:
    folder = copy("mlx-mixed")
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for field in ("quantization", "quantization_config"):
        config[field].update(changes)
    path.write_text(json.dumps(config))
    refused(folder, *pieces)
    del config["quantization_config"]["bits"]
    path.write_text(json.dumps(config))
    refused(folder, "quantization_config contradicts quantization")
    del config["quantization"], config["quantization_config"]
    path.write_text(json.dumps(config))
    refused(folder, "no quantization")
