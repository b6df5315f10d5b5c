"""verify lists every problem of a checkpoint and raises none of them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from pathlib import Path

import pytest

from flashmoe.checkpoints import open_checkpoint
from flashmoe.convert import MANIFEST_NAME, convert
from flashmoe.errors import Cancelled, CheckpointError
from flashmoe.verify import verify

from .fixtures import fixture, fixtures


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    """A checkpoint of several shards with a manifest."""
    return convert(fixture("mlx-4bit-g64").folder, tmp_path / "model", shard_bytes=100_000).path


@pytest.mark.parametrize("case", fixtures(), ids=lambda case: case.name)
def test_nothing_wrong(case: object) -> None:
    folder = case.folder  # type: ignore[attr-defined]
    report = verify(folder)
    assert report.ok
    assert report.checksums == 0
    assert report.bytes == sum(file.stat().st_size for file in folder.iterdir())


def test_every_byte_counts(converted: Path) -> None:
    report = verify(converted)
    assert report.ok
    assert report.checksums == report.files - 1  # all but the manifest
    for file in converted.iterdir():
        if file.name == MANIFEST_NAME:
            continue
        original = file.read_bytes()
        for at in (0, len(original) // 2, len(original) - 1):
            damaged = bytearray(original)
            damaged[at] ^= 4
            file.write_bytes(damaged)
            assert file.name in {problem.file for problem in verify(converted).problems}
        file.write_bytes(original)
    assert verify(converted).ok


def test_lists_all_problems(converted: Path) -> None:
    shards = sorted(converted.glob("model-*"))
    shards[0].unlink()
    os.truncate(shards[1], 5000)
    data = bytearray(shards[2].read_bytes())
    data[-1] ^= 1
    shards[2].write_bytes(data)
    (converted / "tokenizer.json").write_text("{}")
    report = verify(converted)
    assert not report.ok
    text = "\n".join(map(str, report.problems))
    assert f"{shards[0].name}: no such file" in text
    assert f"{shards[1].name}: " in text
    assert "truncated" in text
    assert f"{shards[2].name}: the sha256 checksum is wrong" in text
    assert "tokenizer.json: 2 bytes, but the manifest says" in text
    assert str(converted) not in text


def test_numbers_that_are_not_finite(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(fixture("mlx-4bit-g64").folder, folder)
    spec = open_checkpoint(folder)
    scales, norm = spec.tensors["q", 3].scales, spec.tensors["norm", -1].weight
    with open(spec.files[0], "r+b") as file:
        for offset, bits in ((scales.offset, 0x7FC0), (scales.offset + 4, 0xFF80), (norm.offset, 0x7F80)):
            file.seek(offset)
            file.write(struct.pack("<H", bits))
    found = {problem.tensor: problem.message for problem in verify(folder).problems}
    prefix = "language_model.model."
    assert found.keys() == {prefix + "layers.3.self_attn.q_proj.scales", prefix + "norm.weight"}
    assert found[prefix + "layers.3.self_attn.q_proj.scales"].startswith("2 numbers")


def test_checksums_of_the_hub_cache(tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (tmp_path / "blobs").mkdir()
    for file in fixture("mlx-4bit-g64").folder.iterdir():
        data = file.read_bytes()
        large = file.suffix == ".safetensors"
        name = (
            hashlib.sha256(data).hexdigest()
            if large
            else hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        )
        (tmp_path / "blobs" / name).write_bytes(data)
        (snapshot / file.name).symlink_to(f"../../blobs/{name}")
    report = verify(snapshot)
    assert report.ok
    assert report.checksums == report.files
    for name in ("model.safetensors", "config.json"):
        blob = (snapshot / name).resolve()
        blob.write_bytes(blob.read_bytes()[:-1] + b" ")
    report = verify(snapshot)
    assert {problem.file for problem in report.problems if "checksum" in problem.message} == {
        "model.safetensors",
        "config.json",
    }


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[]",
        '{"files": 3}',
        '{"files": {"../x": {"bytes": 1, "sha256": ""}}}',
        '{"files": {"config.json": {}}}',
    ],
)
def test_damaged_manifest(converted: Path, manifest: str) -> None:
    (converted / MANIFEST_NAME).write_text(manifest)
    assert MANIFEST_NAME in {problem.file for problem in verify(converted).problems}


def test_progress_and_cancel(converted: Path) -> None:
    calls: list[tuple[int, int, str]] = []
    report = verify(converted, lambda *call: calls.append(call))
    assert calls[-1][:2] == (report.bytes, report.bytes)
    with pytest.raises(Cancelled):
        verify(converted, lambda *_: True)
    with pytest.raises(CheckpointError):
        verify(converted / "nowhere")


def test_config_problem_does_not_hide_the_files(converted: Path) -> None:
    config = json.loads((converted / "config.json").read_text())
    config["text_config"]["hidden_size"] = 65
    (converted / "config.json").write_text(json.dumps(config))
    report = verify(converted)
    assert len(report.problems) == 2  # the contradiction, and the checksum
    assert report.tensors > 100
