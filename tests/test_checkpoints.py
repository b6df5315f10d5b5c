"""The readers: what a folder says becomes a ModelSpec that decodes to the reference."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flashmoe.checkpoints import open_checkpoint
from flashmoe.spec import expected_shape

from .checkpoints import HF, edit, load, refused
from .fixtures import Fixture, fixture, fixtures
from .fixtures.decoder import Decoder


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
        runs = [(e.file, e.offset, e.length) for t in spec.tensors.values() for e in (t.weight, t.scales, t.biases)]
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
    edit_config.update(num_hidden_layers=40, num_experts=256, layer_types=["linear_attention"] * 40, vocab_size=8)
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
