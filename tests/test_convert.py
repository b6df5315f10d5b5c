"""Conversion: what comes out is what mlx-lm would write, in bounded memory, and a killed one goes on where it
was."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flashmoe.checkpoints import open_checkpoint
from flashmoe.checkpoints.safetensors import open_folder
from flashmoe.convert import MANIFEST_NAME, convert, shards
from flashmoe.errors import Cancelled, CheckpointError, ConversionError, ReadError, UsageError
from flashmoe.spec import ModelSpec
from flashmoe.verify import verify

from .fixtures import fixture, fixtures
from .fixtures.decoder import Decoder

SMALL = 100_000  # bytes of a shard: several even for these models


def decode(folder: Path, reference: Any) -> Any:
    return Decoder(open_checkpoint(folder)).decode(reference["ids"].tolist())[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.mark.parametrize("case", fixtures(), ids=lambda case: case.name)
def test_unquantised_in_f32_is_the_same_model(case: Any, tmp_path: Path) -> None:
    """From every layout: norms shifted, convolution transposed, experts stacked, quantised weights
    decoded."""
    convert(case.folder, tmp_path / "out", bits=16, router=16, dtype="f32", shard_bytes=SMALL)
    spec = open_checkpoint(tmp_path / "out")
    assert spec.source == "mlx"
    assert all(t.format.dtype in ("f32", "bf16", "f16") for t in spec.tensors.values())
    reference = np.load(case.reference)
    assert np.abs(decode(spec.path, reference) - reference["logits"]).max() < 2e-4 * reference["logits"].std()


def test_widths_of_each_kind(tmp_path: Path) -> None:
    source = fixture("mlx-float-bf16").folder  # 40 columns: nothing can be quantised
    assert convert(source, tmp_path / "none", bits=4).notes
    assert "quantization" not in json.loads((tmp_path / "none" / "config.json").read_text())

    source = fixture("mlx-3bit-g128").folder
    convert(source, tmp_path / "out", bits=5, experts=2, router=8, embed=6, head=16, group=64)
    spec = open_checkpoint(tmp_path / "out")
    widths = {role: (t.format.bits, t.format.group) for (role, _), t in spec.tensors.items()}
    assert widths["q"] == widths["in_a"] == widths["shared_down"] == (5, 64)
    assert widths["router"] == widths["shared_expert_gate"] == (8, 64)
    assert widths["embed"] == (6, 64)
    assert widths["head"] == widths["norm"] == widths["conv"] == (0, 0)
    assert all(form.bits == 2 for t in spec.experts for form in (t.gate, t.up, t.down))
    quantization = json.loads((tmp_path / "out" / "config.json").read_text())["quantization"]
    assert quantization["language_model.model.layers.0.mlp.gate"] == {"bits": 8, "group_size": 64}
    assert quantization["language_model.model.embed_tokens"] == {"bits": 6, "group_size": 64}


def test_a_smaller_group_where_the_wanted_one_does_not_fit(tmp_path: Path) -> None:
    convert(fixture("mlx-2bit-g32").folder, tmp_path / "out", bits=4, group=128)
    spec = open_checkpoint(tmp_path / "out")
    assert {t.format.group for t in spec.tensors.values()} == {0, 32, 64}


def test_what_is_already_so_is_not_touched(tmp_path: Path) -> None:
    case = fixture("mlx-8bit-g32")
    convert(case.folder, tmp_path / "out", bits=8, router=8, group=32)
    before, after = open_folder(case.folder), open_folder(tmp_path / "out")
    assert before.tensors.keys() == after.tensors.keys()
    for name, old in before.tensors.items():
        new = after.tensors[name]
        assert (old.dtype, old.shape) == (new.dtype, new.shape)
        assert (
            before.files[old.file].read_bytes()[old.offset :][: old.length]
            == (after.files[new.file].read_bytes()[new.offset :][: new.length])
        )
    want = np.load(case.reference)
    assert np.abs(decode(tmp_path / "out", want) - want["logits"]).max() < 1e-4


def test_as_mlx_lm_quantises(tmp_path: Path) -> None:
    """From MLX floats with the same widths: mlx-lm's own conversion of those floats is the fixture, bit for
    bit."""
    case = fixture("mlx-4bit-g64")
    spec = open_checkpoint(case.folder)
    convert(case.folder, tmp_path / "f32", bits=16, router=16, dtype="f32")
    convert(tmp_path / "f32", tmp_path / "again", bits=4, router=8, group=64, dtype="bf16")
    again = open_checkpoint(tmp_path / "again")
    assert again.tensors.keys() == spec.tensors.keys()
    assert {k: t.format for k, t in again.tensors.items()} == {k: t.format for k, t in spec.tensors.items()}
    mine = json.loads((tmp_path / "again" / "config.json").read_text())
    theirs = json.loads((case.folder / "config.json").read_text())
    assert mine["quantization"] == theirs["quantization"]
    assert mine["text_config"]["full_attention_interval"] == theirs["text_config"]["full_attention_interval"]


def test_experts_lie_aligned(tmp_path: Path) -> None:
    convert(fixture("mlx-3bit-g128").folder, tmp_path / "out", bits=16, experts=8, router=16)
    table = open_checkpoint(tmp_path / "out").experts[0]
    assert (table.extents[:, 0::3, 1] % 4096 == 0).all()
    assert (table.extents[:, 0::3, 2] % 4096 == 0).all()


def test_small_files_and_manifest(tmp_path: Path) -> None:
    source = fixture("mlx-4bit-g64").folder
    result = convert(source, tmp_path / "out", bits=4, experts=2, shard_bytes=SMALL)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        assert (result.path / name).read_bytes() == (source / name).read_bytes()
    manifest = json.loads((result.path / MANIFEST_NAME).read_text())
    assert set(manifest["files"]) == set(os.listdir(result.path)) - {MANIFEST_NAME}
    assert manifest["settings"]["experts"] == 2
    assert str(source.parent) not in json.dumps(manifest)
    report = verify(result.path)
    assert report.ok
    assert report.checksums == len(manifest["files"])
    assert not (tmp_path / "out.partial").exists()
    shards = [file for file in result.path.iterdir() if file.suffix == ".safetensors"]
    assert len(shards) > 3
    assert all(file.stat().st_size <= SMALL for file in shards if "00001" not in file.name)


def test_progress_and_cancel(tmp_path: Path) -> None:
    source = fixture("mlx-4bit-g64").folder
    calls: list[tuple[int, int, str]] = []
    result = convert(source, tmp_path / "a", progress=lambda *call: calls.append(call))
    assert [call[0] for call in calls] == sorted(call[0] for call in calls)
    assert calls[-1][:2] == (result.bytes, result.bytes)
    with pytest.raises(Cancelled):
        convert(source, tmp_path / "b", shard_bytes=SMALL, progress=lambda done, total, _: done > total / 2)
    assert not (tmp_path / "b").exists()
    with pytest.raises(CheckpointError):
        open_checkpoint(tmp_path / "b.partial")
    calls.clear()
    convert(source, tmp_path / "b", shard_bytes=SMALL, progress=lambda *call: calls.append(call))
    assert next(done for done, _, _ in calls if done) > 10_000  # the first count is of a finished shard
    convert(source, tmp_path / "c", shard_bytes=SMALL)
    assert contents(tmp_path / "b") == contents(tmp_path / "c")


def test_a_finished_conversion_is_not_done_again(tmp_path: Path) -> None:
    source = fixture("mlx-4bit-g64").folder
    convert(source, tmp_path / "out")
    before = (tmp_path / "out" / "model.safetensors").stat().st_mtime_ns
    convert(source, tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(ConversionError, match="another conversion"):
        convert(source, tmp_path / "out", bits=3)
    convert(source, tmp_path / "out", bits=3, overwrite=True)
    assert open_checkpoint(tmp_path / "out").tensors["embed", -1].format.bits == 3
    assert sorted(os.listdir(tmp_path)) == ["out"]


def test_refuses_targets_that_would_be_lost(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(fixture("mlx-4bit-g64").folder, source)
    for target in (source, source / "inside", tmp_path / "source" / ".." / "source"):
        with pytest.raises(ConversionError, match="source itself"):
            convert(source, target)
    (tmp_path / "link").symlink_to(source)
    with pytest.raises(ConversionError):
        convert(source, tmp_path / "link", overwrite=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("irreplaceable")
    for overwrite in (False, True):
        with pytest.raises(ConversionError, match="not empty"):
            convert(source, tmp_path / "full", overwrite=overwrite)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConversionError, match="not a folder"):
        convert(source, tmp_path / "file")
    (tmp_path / "x.partial").mkdir()
    (tmp_path / "x.partial" / "thesis.txt").write_text("irreplaceable")
    for overwrite in (False, True):
        with pytest.raises(ConversionError, match="not an unfinished conversion"):
            convert(source, tmp_path / "x", overwrite=overwrite)
    assert (tmp_path / "x.partial" / "thesis.txt").exists()
    assert (tmp_path / "full" / "thesis.txt").read_text() == "irreplaceable"
    (tmp_path / "empty").mkdir()
    convert(source, tmp_path / "empty")
    open_checkpoint(tmp_path / "empty")


def test_an_unfinished_conversion_with_other_settings(tmp_path: Path) -> None:
    source = fixture("mlx-4bit-g64").folder
    with pytest.raises(Cancelled):
        convert(source, tmp_path / "out", shard_bytes=SMALL, progress=lambda done, total, _: done > total / 2)
    with pytest.raises(ConversionError, match="other settings"):
        convert(source, tmp_path / "out", bits=3, shard_bytes=SMALL)
    convert(source, tmp_path / "out", bits=3, shard_bytes=SMALL, overwrite=True)
    assert verify(tmp_path / "out").ok


@pytest.mark.parametrize(
    "wrong",
    [{"bits": 7}, {"experts": 1}, {"router": 0}, {"group": 16}, {"dtype": "f64"}, {"shard_bytes": 0}],
    ids=str,
)
def test_widths_that_do_not_exist(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        convert(fixture("mlx-4bit-g64").folder, tmp_path / "out", **wrong)
    assert not any(tmp_path.iterdir())


def test_weights_that_are_not_finite(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(fixture("hf-all-full-bf16").folder, source)
    spec = open_checkpoint(source)
    extent = spec.tensors["o", 1].weight
    with open(spec.files[0], "r+b") as file:
        file.seek(extent.offset)
        file.write(struct.pack("<H", 0x7F80))
    with pytest.raises(CheckpointError, match=r"layers\.1\.self_attn\.o_proj.*infinite"):
        convert(source, tmp_path / "out", bits=4)


# ---- accidents
# ----------------------------------------------------------------------------------------------------

RUN = """
import sys
from flashmoe.convert import convert, shards
shards._RECORD_BYTES = 5000
convert(sys.argv[1], sys.argv[2], bits=4, experts=2, shard_bytes=int(sys.argv[3]))
"""


def start(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *map(str, arguments)], stderr=subprocess.PIPE, **options
    )


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """SIGKILL at random moments: nothing ever looks complete, and the last run finishes the work of the
    others."""
    source = fixture("mlx-4bit-g64").folder
    convert(source, tmp_path / "want", bits=4, experts=2, shard_bytes=20_000)
    target, partial = tmp_path / "out", tmp_path / "out.partial"
    chance = random.Random(1)
    killed = 0
    for round_ in range(6):
        finished = len(list(partial.glob("model-*")))
        process = start(source, target, 20_000)
        while process.poll() is None and len(list(partial.glob("model-*"))) <= finished:
            time.sleep(0.0005)  # until it has done a shard more than the one before
        time.sleep(chance.uniform(0, 0.01))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode == 0:
            break
        killed += 1
        with pytest.raises(CheckpointError):
            open_checkpoint(target)
        with pytest.raises(CheckpointError):
            open_checkpoint(partial)
        if round_ == 2:  # a shard that was damaged meanwhile is made again
            os.truncate(sorted(partial.glob("model-*"))[0], 100)
    assert killed
    convert(source, target, bits=4, experts=2, shard_bytes=20_000)
    assert contents(target) == contents(tmp_path / "want")
    assert verify(target).ok


@pytest.mark.parametrize("damage", ["none", "truncated", "missing", "nonsense"])
def test_a_shard_goes_on_where_it_was(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = fixture("mlx-4bit-g64").folder
    monkeypatch.setattr(shards, "_RECORD_BYTES", 20_000)
    convert(source, tmp_path / "want", experts=2)
    total = (tmp_path / "want" / "model.safetensors").stat().st_size
    with pytest.raises(Cancelled):
        convert(source, tmp_path / "out", experts=2, progress=lambda done, all_, name: done > all_ // 2)
    state = tmp_path / "out.partial" / "flashmoe-conversion.json"
    begun = tmp_path / "out.partial" / ".model.safetensors.tmp"
    assert json.loads(state.read_text())["begun"]["modules"] > 0
    if damage == "truncated":
        os.truncate(begun, 1000)
    elif damage == "missing":
        begun.unlink()
    elif damage == "nonsense":
        state.write_text(json.dumps(json.loads(state.read_text()) | {"begun": {"shard": 7, "modules": "all"}}))
    written = 0
    real = os.pwrite

    def pwrite(fd: int, data: Any, offset: int) -> int:
        nonlocal written
        written += len(data)
        return real(fd, data, offset)

    monkeypatch.setattr("os.pwrite", pwrite)
    convert(source, tmp_path / "out", experts=2)
    assert contents(tmp_path / "out") == contents(tmp_path / "want")
    assert written < 0.7 * total if damage == "none" else written > 0.9 * total


@pytest.mark.parametrize("step", ["rename", "unlink"])
def test_killed_at_the_very_end(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the last file and the rename, and between the rename and the removal of the state."""
    source = fixture("mlx-4bit-g64").folder

    def killed(partial: Path, target: Path) -> None:
        if step == "unlink":
            os.rename(partial, target)
        raise KeyboardInterrupt

    monkeypatch.setattr("flashmoe.convert.publish", killed)
    with pytest.raises(KeyboardInterrupt):
        convert(source, tmp_path / "out")
    assert (tmp_path / "out").exists() == (step == "unlink")
    monkeypatch.undo()
    convert(source, tmp_path / "out")
    convert(source, tmp_path / "want")
    assert contents(tmp_path / "out") == contents(tmp_path / "want")


def test_two_at_once(tmp_path: Path) -> None:
    source = fixture("mlx-4bit-g64").folder
    errors = []

    def second(*_: object) -> bool:
        with pytest.raises(ConversionError) as caught:
            convert(source, tmp_path / "out")
        errors.append(str(caught.value))
        return False

    convert(source, tmp_path / "out", progress=second)
    assert "another conversion is writing" in errors[0]


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = fixture("mlx-4bit-g64").folder
    written = 0
    real = os.pwrite

    def pwrite(fd: int, data: Any, offset: int) -> int:
        nonlocal written
        written += len(data)
        if written > 250_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, data, offset)

    monkeypatch.setattr("os.pwrite", pwrite)
    with pytest.raises(ConversionError, match="disk is full"):
        convert(source, tmp_path / "out", shard_bytes=SMALL)
    assert not (tmp_path / "out").exists()
    kept = sorted((tmp_path / "out.partial").glob("model-*.safetensors"))
    assert kept
    times = [file.stat().st_mtime_ns for file in kept]
    monkeypatch.undo()
    convert(source, tmp_path / "out", shard_bytes=SMALL)
    assert [(tmp_path / "out" / file.name).stat().st_mtime_ns for file in kept] == times
    assert verify(tmp_path / "out").ok


def test_no_room_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(ConversionError, match="free"):
        convert(fixture("mlx-4bit-g64").folder, tmp_path / "out")
    assert not list(tmp_path.rglob("*.safetensors"))


def test_file_size_limit(tmp_path: Path) -> None:
    """The operating system's own refusal, in the middle of the work."""
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))" + RUN
    arguments = [str(fixture("mlx-4bit-g64").folder), str(tmp_path / "out"), str(SMALL)]
    process = subprocess.run([sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, check=False)
    assert b"ConversionError" in process.stderr
    assert not (tmp_path / "out").exists()
    convert(fixture("mlx-4bit-g64").folder, tmp_path / "out", bits=4, experts=2, shard_bytes=SMALL)


def test_short_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    shutil.copytree(fixture("hf-all-full-bf16").folder, source)
    real = open_checkpoint

    def then_truncated(path: Path) -> ModelSpec:
        spec = real(path)
        os.truncate(spec.files[0], 50_000)
        return spec

    monkeypatch.setattr("flashmoe.convert.open_checkpoint", then_truncated)
    with pytest.raises(ReadError, match="ends at byte"):
        convert(source, tmp_path / "out")


def test_memory_does_not_grow_with_the_model(tmp_path: Path) -> None:
    """A source of 300 MB of zeros in a sparse file; the peak above an idle process stays far below it."""
    layers, hidden, inner, experts = 2, 512, 512, 64
    text: dict[str, Any] = json.loads((fixture("hf-all-full-bf16").folder / "config.json").read_text())
    text |= {"num_hidden_layers": layers, "layer_types": ["full_attention"] * layers, "hidden_size": hidden}
    text |= {"num_experts": experts, "moe_intermediate_size": inner, "shared_expert_intermediate_size": 64}
    text |= {"vocab_size": 50_000, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64}
    shapes: dict[str, list[int]] = {
        "lm_head.weight": [50_000, hidden],
        "model.embed_tokens.weight": [50_000, hidden],
        "model.norm.weight": [hidden],
    }
    for i in range(layers):
        base = f"model.layers.{i}."
        layer = {
            "input_layernorm": [hidden],
            "post_attention_layernorm": [hidden],
            "self_attn.q_proj": [512, hidden],
            "self_attn.k_proj": [128, hidden],
            "self_attn.v_proj": [128, hidden],
            "self_attn.o_proj": [hidden, 256],
            "self_attn.q_norm": [64],
            "self_attn.k_norm": [64],
            "mlp.gate": [experts, hidden],
            "mlp.shared_expert_gate": [1, hidden],
            "mlp.shared_expert.gate_proj": [64, hidden],
            "mlp.shared_expert.up_proj": [64, hidden],
            "mlp.shared_expert.down_proj": [hidden, 64],
        }
        shapes |= {f"{base}{name}.weight": shape for name, shape in layer.items()}
        shapes[base + "mlp.experts.gate_up_proj"] = [experts, 2 * inner, hidden]
        shapes[base + "mlp.experts.down_proj"] = [experts, hidden, inner]
    header, offset = {}, 0
    for name, shape in shapes.items():
        end = offset + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    source = tmp_path / "source"
    source.mkdir()
    (source / "config.json").write_text(json.dumps(text))
    packed = json.dumps(header).encode()
    with open(source / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(packed)) + packed)
        file.truncate(8 + len(packed) + offset)
    assert offset > 290e6
    code = """
import resource, sys
import numpy
from flashmoe.convert import convert
unit = 1 if sys.platform == "darwin" else 1024
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
convert(sys.argv[1], sys.argv[2], bits=4, threads=2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - before)
"""
    run = subprocess.run(
        [sys.executable, "-c", code, str(source), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout) < 200e6, run.stdout
