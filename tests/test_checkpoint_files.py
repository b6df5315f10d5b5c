"""Truncated files, shards that do not agree with their index, folders that are no checkpoint."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flashmoe.checkpoints import open_checkpoint

from .checkpoints import HF, refused
from .fixtures import fixture


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
