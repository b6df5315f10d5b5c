"""Changed copies of the fixtures' checkpoints, for tests of the readers."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flashmoe.checkpoints import open_checkpoint
from flashmoe.checkpoints.safetensors import read_header
from flashmoe.errors import CheckpointError

HF, MLX = "hf-text-perexpert-bf16", "mlx-mixed"


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
