"""The header of a safetensors file: what is refused, and that it reads what the reference library writes."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flashmoe.checkpoints.safetensors import read_header
from flashmoe.errors import CheckpointError


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
