"""The readers: what a folder says becomes a ModelSpec that decodes to the reference, or an error that names
the fault."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashmoe.checkpoints import open_checkpoint
from flashmoe.checkpoints.safetensors import open_folder, read_header
from flashmoe.errors import CheckpointError
from flashmoe.spec import expected_shape

from .fixtures import Fixture, fixture, fixtures
from .fixtures.decoder import Decoder

HF, MLX = "hf-text-perexpert-bf16", "mlx-mixed"


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Path]:
    """A writable copy of a fixture's checkpoint."""

    def make(name: str) -> Path:
        target = tmp_path / name
        shutil.copytree(fixture(name).folder, target)
        return target

    return make


def edit(folder: Path, **changes: Any) -> None:
    """Changes fields of config.json where the text model's lie; None removes one."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    text = config.get("text_config", config)
    for name, value in changes.items():
        if value is None:
            text.pop(name, None)
        else:
            text[name] = value
    path.write_text(json.dumps(config))


def load(path: Path) -> dict[str, tuple[str, list[int], bytes]]:
    """name -> (dtype, shape, bytes) of a safetensors file."""
    entries, _ = read_header(path)
    data = path.read_bytes()
    return {n: (e.dtype, list(e.shape), data[e.offset : e.offset + e.length]) for n, e in entries.items()}


def store(path: Path, tensors: dict[str, tuple[str, list[int], bytes]]) -> None:
    header, offset = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values()))


def change(folder: Path, edit_tensors: Callable[[dict[str, Any]], None]) -> None:
    """Rewrites the tensors of a single-file checkpoint; the index goes, since it would not fit any more."""
    tensors = load(folder / "model.safetensors")
    edit_tensors(tensors)
    store(folder / "model.safetensors", tensors)
    (folder / "model.safetensors.index.json").unlink(missing_ok=True)


def refused(folder: Path, *pieces: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(folder)
    for piece in pieces:
        assert piece in str(caught.value), str(caught.value)


# ---- what is right
# ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", fixtures(), ids=lambda case: case.name)
def test_decodes_to_the_reference(case: Fixture) -> None:
    spec = open_checkpoint(case.folder)
    want = np.load(case.reference)
    logits, experts = Decoder(spec).decode(want["ids"].tolist())
    assert np.array_equal(experts, want["experts"])
    assert np.abs(logits - want["logits"]).max() < 2e-4 * want["logits"].std()


@pytest.mark.parametrize("case", fixtures(), ids=lambda case: case.name)
def test_describes_all_weights(case: Fixture) -> None:
    spec = open_checkpoint(str(case.folder))
    assert spec.source == case.name.split("-")[0].replace("hf", "huggingface")
    assert spec.norm_shift == (0.0 if spec.source == "mlx" else 1.0)
    for (role, _), tensor in spec.tensors.items():
        form = tensor.format
        assert (form.rows, form.cols) == expected_shape(spec.config, role)
        assert tensor.weight.length == form.weight_bytes
        assert tensor.scales.length == tensor.biases.length == form.scale_bytes
    for table in spec.experts:
        assert table.extents.shape == (spec.config.experts, 9, 3)
        for m, form in enumerate((table.gate, table.up, table.down)):
            assert (table.extents[:, 3 * m, 2] == form.weight_bytes).all()
            assert (table.extents[:, 3 * m + 1 : 3 * m + 3, 2] == form.scale_bytes).all()


def test_extents_never_overlap_and_stay_in_their_files() -> None:
    for case in fixtures():
        spec = open_checkpoint(case.folder)
        runs = [
            (e.file, e.offset, e.length)
            for t in spec.tensors.values()
            for e in (t.weight, t.scales, t.biases)
        ]
        runs += [tuple(row) for table in spec.experts for row in table.extents.reshape(-1, 3).tolist()]
        ordered = sorted(run for run in runs if run[2])
        for (file, offset, length), (next_file, next_offset, _) in itertools.pairwise(ordered):
            assert next_file > file or offset + length <= next_offset
        assert all(offset + length <= spec.files[file].stat().st_size for file, offset, length in ordered)


def test_widths_are_each_tensors_own() -> None:
    spec = open_checkpoint(fixture("mlx-mixed").folder)
    widths = {role: (t.format.bits, t.format.group) for (role, _), t in spec.tensors.items()}
    assert widths["router"] == (8, 64)
    assert widths["embed"] == (5, 64)
    assert widths["head"] == (6, 128)
    assert widths["in_a"] == widths["shared_expert_gate"] == (0, 0)
    table = spec.experts[0]
    assert [(f.bits, f.group) for f in (table.gate, table.up, table.down)] == [(2, 128), (2, 64), (3, 32)]


def test_tokenizer_template_and_special_tokens(copy: Callable[[str], Path]) -> None:
    folder = copy("mlx-4bit-g64")
    spec = open_checkpoint(folder)
    assert spec.tokenizer_file == folder / "tokenizer.json"
    assert spec.chat_template is not None
    assert "<|im_start|>" in spec.chat_template
    assert spec.special_tokens == {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    assert spec.eos_ids == (1, 0)

    (folder / "chat_template.jinja").unlink()
    named = [{"name": "tool_use", "template": "T"}, {"name": "default", "template": "D"}]
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"chat_template": named, "eos_token": {"content": "<e>", "lstrip": False}})
    )
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [5, 99999]}))
    spec = open_checkpoint(folder)
    assert spec.chat_template == "D"
    assert spec.special_tokens == {"eos_token": "<e>"}
    assert spec.eos_ids == (5,)
    assert "99999" in " ".join(spec.notes)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": "J"}))
    assert open_checkpoint(folder).chat_template == "J"
    (folder / "generation_config.json").unlink()
    edit(folder, eos_token_id=7)
    assert open_checkpoint(folder).eos_ids == (7,)


def test_vision_tower_is_noted() -> None:
    notes = open_checkpoint(fixture("hf-composite-sharded-bf16").folder).notes
    assert any("vision tower" in note for note in notes)


def test_links_as_in_the_hub_cache(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    snapshot = tmp_path / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for i, file in enumerate(sorted(fixture("hf-composite-sharded-bf16").folder.iterdir())):
        shutil.copy(file, tmp_path / "blobs" / str(i))
        (snapshot / file.name).symlink_to(f"../../blobs/{i}")
    (tmp_path / "link").symlink_to(snapshot)
    assert len(open_checkpoint(tmp_path / "link").files) > 1
    os.unlink(tmp_path / "blobs" / str(3))
    refused(snapshot, "download is incomplete")


def test_a_large_checkpoint_opens_fast(tmp_path: Path) -> None:
    """As many tensors as 35B has one by one, 31,000; a second would already be far too slow."""
    source = fixture(HF).folder
    edit_config = json.loads((source / "config.json").read_text())
    edit_config.update(
        num_hidden_layers=40, num_experts=256, layer_types=["linear_attention"] * 40, vocab_size=8
    )
    (tmp_path / "config.json").write_text(json.dumps(edit_config))
    small = load(source / "model.safetensors")
    tensors: dict[str, tuple[str, list[int], int]] = {"model.norm.weight": ("BF16", [48], 96)}
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        tensors[name] = ("BF16", [8, 48], 8 * 96)
    layer = {n: t for n, t in small.items() if n.startswith("model.layers.0.") and ".experts." not in n}
    for i in range(40):
        for name, (dtype, shape, data) in layer.items():
            router = name.endswith("mlp.gate.weight")
            new = name.replace("layers.0.", f"layers.{i}.")
            tensors[new] = (dtype, [256, 48], 256 * 96) if router else (dtype, shape, len(data))
        for e in range(256):
            for proj, dims in (("gate", [16, 48]), ("up", [16, 48]), ("down", [48, 16])):
                tensors[f"model.layers.{i}.mlp.experts.{e}.{proj}_proj.weight"] = ("BF16", dims, 16 * 96)
    header, offset = {}, 0
    for name, (dtype, shape, length) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + length]}
        offset += length
    text = json.dumps(header).encode()
    with open(tmp_path / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + offset)
    weight_map = dict.fromkeys(tensors, "model.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    start = time.process_time()
    open_checkpoint(tmp_path)
    assert len(tensors) > 31_000
    assert time.process_time() - start < 2


# ---- config.json
# --------------------------------------------------------------------------------------------------


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


# ---- tensors
# ------------------------------------------------------------------------------------------------------


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


# ---- files
# --------------------------------------------------------------------------------------------------------


def test_truncated_files(copy: Callable[[str], Path]) -> None:
    folder = copy(HF)
    file = folder / "model.safetensors"
    size = file.stat().st_size
    for length in (size - 1, size // 2, 100, 8, 7, 0):
        os.truncate(file, length)
        refused(folder, "model.safetensors", "truncated", str(length))
    with open(file, "wb") as f:
        f.write(fixture(HF).folder.joinpath("model.safetensors").read_bytes() + b"more")
    refused(folder, "belong to no tensor")


def test_shards_and_index_must_agree(copy: Callable[[str], Path]) -> None:
    folder = copy("hf-composite-sharded-bf16")
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    shards = sorted(set(index["weight_map"].values()))
    name = next(iter(index["weight_map"]))

    def with_map(**changes: Any) -> None:
        weight_map = {k: v for k, v in (index["weight_map"] | changes).items() if v is not None}
        path.write_text(json.dumps({"weight_map": weight_map}))

    with_map(**{name: next(shard for shard in shards if shard != index["weight_map"][name])})
    refused(folder, name, "index.json")
    with_map(**{name: None})
    refused(folder, name, "index.json", "does not list")
    with_map(**{"model.language_model.extra": shards[0]})
    refused(folder, "extra", "index.json", shards[0])
    for bad in ("../x.safetensors", "/etc/passwd", "config.json", 3, ["a"]):
        with_map(**{name: bad})
        refused(folder, "weight_map")
    with_map(**{name: "model-00009-of-00005.safetensors"})
    refused(folder, "model-00009-of-00005.safetensors", "no such file")

    path.unlink()
    assert len(open_checkpoint(folder).files) == len(shards)  # the names tell that all are there
    (folder / shards[1]).rename(folder / "away")
    refused(folder, shards[1], "no such file", "start it again")
    (folder / "away").rename(folder / shards[1])
    shutil.copy(folder / shards[1], folder / "zzz.safetensors")
    refused(folder, "zzz.safetensors", "is also in", shards[1])


def test_not_a_checkpoint(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "no such folder")
    refused(tmp_path, "no config.json;", "give the folder of")
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    refused(tmp_path / "model.gguf", "GGUF")
    refused(tmp_path, "no config.json, and model.gguf is in GGUF's format", "give the folder of")
    shutil.copy(fixture(HF).folder / "config.json", tmp_path)
    (tmp_path / "model.gguf").rename(tmp_path / "pytorch_model-00001-of-00002.bin")
    refused(tmp_path, "no safetensors files, and pytorch_model-00001-of-00002.bin is in PyTorch's format")
    os.mkfifo(tmp_path / "model.safetensors")
    refused(tmp_path, "not a regular file")


# ---- the safetensors header
# ---------------------------------------------------------------------------------------


def write_header(path: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def tensor(begin: int, end: int, dtype: Any = "U8", shape: Any = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [end - begin] if shape is None else shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("header", "piece"),
    [
        ({"a": tensor(0, 4), "b": tensor(3, 8)}, "overlaps"),
        ({"a": tensor(0, 4), "b": tensor(5, 8)}, "leaves 1 unused"),
        ({"a": tensor(1, 8)}, "leaves 1 unused"),
        ({"a": tensor(0, 4), "b": tensor(0, 4), "c": tensor(4, 8)}, "overlaps"),
        ({"a": tensor(0, 9)}, "truncated"),
        ({"a": tensor(0, 7)}, "belong to no tensor"),
        ({"a": tensor(0, 8, "F32")}, "data_offsets"),
        ({"a": tensor(0, 8, "F33")}, "dtype"),
        ({"a": tensor(0, 8, ["U8"])}, "dtype"),
        ({"a": tensor(0, 8, shape=8)}, "shape"),
        ({"a": tensor(0, 8, shape=[-8])}, "shape"),
        ({"a": tensor(0, 8, shape=[True, 8])}, "shape"),
        ({"a": tensor(0, 8, shape=[8.0])}, "shape"),
        ({"a": tensor(0, 8, shape=[2**40] * 3)}, "shape"),
        ({"a": tensor(8, 0, shape=[8])}, "data_offsets"),
        ({"a": {**tensor(0, 8), "data_offsets": [0, 8, 8]}}, "data_offsets"),
        ({"a": {**tensor(0, 8), "extra": 1}}, "exactly"),
        ({"a": {"dtype": "U8", "shape": [8], "offsets": [0, 8]}}, "data_offsets is missing"),
        ({"a": []}, "exactly"),
        ({"a\n": tensor(0, 8)}, "printed"),
        ({"__metadata__": {"a": 1}, "a": tensor(0, 8)}, "__metadata__"),
        (b'{"a": {}, "a": {}}', "twice"),
        (b"[]", "start with"),
        (b" {}", "start with"),
        (b"{", "JSON"),
        (b'{"a\xff": 1}', "JSON"),
    ],
    ids=str,
)
def test_header_is_refused(tmp_path: Path, header: Any, piece: str) -> None:
    path = write_header(tmp_path / "x.safetensors", header, bytes(8))
    with pytest.raises(CheckpointError, match=piece):
        read_header(path)


def test_header_length_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for length in (2**63, 2**64 - 1, 100_000_001):
        path.write_bytes(struct.pack("<Q", length) + b"{}")
        with pytest.raises(CheckpointError, match="not a safetensors file"):
            read_header(path)


def test_reads_what_the_reference_library_writes(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    tensors = {
        "b": np.arange(6, dtype=np.float32).reshape(2, 3),
        "empty": np.zeros((0, 4), np.float16),
        "scalar": np.array(3, np.int64),
    }
    safetensors.save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "np"})
    entries, metadata = read_header(tmp_path / "x.safetensors")
    data = (tmp_path / "x.safetensors").read_bytes()
    assert metadata == {"format": "np"}
    for name, array in tensors.items():
        entry = entries[name]
        assert entry.shape == array.shape
        assert data[entry.offset : entry.offset + entry.length] == array.tobytes()


GOOD = fixture("hf-all-full-bf16").folder / "model.safetensors"
GOOD_BYTES = GOOD.read_bytes()
HEADER_BYTES = 8 + int.from_bytes(GOOD_BYTES[:8], "little")


def survives(folder: Path) -> None:
    """Whatever the file holds, the answer is a description within its bounds or a CheckpointError."""
    try:
        store_ = open_folder(folder)
    except CheckpointError as error:
        str(error).encode()
        return
    size = (folder / "model.safetensors").stat().st_size
    assert all(e.offset >= 8 and e.offset + e.length <= size for e in store_.tensors.values())
    shutil.copy(GOOD.parent / "config.json", folder)
    try:
        open_checkpoint(folder)
    except CheckpointError as error:
        str(error).encode()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=400))
def test_random_bytes(scratch: Path, data: bytes) -> None:
    (scratch / "model.safetensors").write_bytes(data)
    survives(scratch)
    write_header(scratch / "model.safetensors", b"{" + data)
    survives(scratch)


@settings(max_examples=200, deadline=None)
@given(flips=st.lists(st.integers(0, 8 * HEADER_BYTES - 1), min_size=1, max_size=4))
def test_flipped_bits(scratch: Path, flips: list[int]) -> None:
    data = bytearray(GOOD_BYTES)
    for bit in flips:
        data[bit // 8] ^= 1 << bit % 8
    (scratch / "model.safetensors").write_bytes(data)
    survives(scratch)


@settings(max_examples=80, deadline=None)
@given(length=st.integers(0, len(GOOD_BYTES) - 1))
def test_truncated_anywhere(scratch: Path, length: int) -> None:
    (scratch / "model.safetensors").write_bytes(GOOD_BYTES[:length])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        open_folder(scratch)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    header=st.dictionaries(st.text(max_size=8), json_values | st.builds(tensor, st.integers(), st.integers()))
)
def test_any_json_header(scratch: Path, header: Any) -> None:
    write_header(scratch / "model.safetensors", header, bytes(16))
    survives(scratch)


@settings(max_examples=200, deadline=None)
@given(
    field=st.sampled_from(sorted(json.loads((GOOD.parent / "config.json").read_text()))), value=json_values
)
def test_any_config_value(scratch: Path, field: str, value: Any) -> None:
    config = json.loads((GOOD.parent / "config.json").read_text())
    (scratch / "model.safetensors").write_bytes(GOOD_BYTES)
    (scratch / "config.json").write_text(json.dumps(config | {field: value}))
    try:
        open_checkpoint(scratch)
    except CheckpointError as error:
        str(error).encode("utf-8", "strict")
