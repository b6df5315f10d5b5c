"""Random bytes, flipped bits and any JSON: a reader gives a spec or a CheckpointError, never anything else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashmoe.checkpoints import open_checkpoint
from flashmoe.checkpoints.safetensors import open_folder
from flashmoe.errors import CheckpointError

from .fixtures import fixture
from .test_safetensors import tensor, write_header

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
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(header=st.dictionaries(st.text(max_size=8), json_values | st.builds(tensor, st.integers(), st.integers())))
def test_any_json_header(scratch: Path, header: Any) -> None:
    write_header(scratch / "model.safetensors", header, bytes(16))
    survives(scratch)


@settings(max_examples=200, deadline=None)
@given(field=st.sampled_from(sorted(json.loads((GOOD.parent / "config.json").read_text()))), value=json_values)
def test_any_config_value(scratch: Path, field: str, value: Any) -> None:
    config = json.loads((GOOD.parent / "config.json").read_text())
    (scratch / "model.safetensors").write_bytes(GOOD_BYTES)
    (scratch / "config.json").write_text(json.dumps(config | {field: value}))
    try:
        open_checkpoint(scratch)
    except CheckpointError as error:
        str(error).encode("utf-8", "strict")
