"""The affine encoder gives mlx's bits, and the decoder inverts the packing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashmoe.errors import UsageError
from flashmoe.quantize import BITS, GROUPS, dequantize, from_float32, pack, quantize, to_float32, unpack

GOLDEN = np.load(Path(__file__).parent / "fixtures" / "mlx_quantize.npz")


@pytest.mark.parametrize("dtype", ["bf16", "f32"])
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("group", GROUPS)
def test_same_bits_as_mlx(dtype: str, bits: int, group: int) -> None:
    """tests/fixtures/mlx_quantize.npz is mx.quantize's own output (tools/make_fixtures.py)."""
    result = quantize(GOLDEN[f"{dtype}-weights"], bits, group, dtype)
    for part in ("packed", "scales", "biases"):
        got, want = getattr(result, part), GOLDEN[f"{dtype}-{bits}-{group}-{part}"]
        assert got.dtype == want.dtype
        assert np.array_equal(got.view(np.uint8), want.view(np.uint8)), part


@settings(max_examples=60, deadline=None)
@given(data=st.data(), bits=st.sampled_from(BITS), rows=st.integers(0, 3), words=st.integers(1, 5))
def test_packing_is_an_lsb_first_bit_stream(data: st.DataObject, bits: int, rows: int, words: int) -> None:
    cols = 32 * words
    seed = data.draw(st.integers(0, 2**32 - 1))
    q = np.random.default_rng(seed).integers(0, 1 << bits, (rows, cols), np.uint8)
    packed = pack(q, bits)
    assert packed.shape == (rows, cols * bits // 32)
    assert np.array_equal(unpack(packed, bits), q)
    for row, words_ in zip(q, packed, strict=True):
        stream = int.from_bytes(words_.tobytes(), "little")
        assert [(stream >> (i * bits)) & ((1 << bits) - 1) for i in range(cols)] == row.tolist()


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("group", GROUPS)
def test_round_trip_is_within_half_a_step(bits: int, group: int) -> None:
    weights = np.random.default_rng(bits).standard_normal((3, 5, 256)).astype(np.float32)
    result = quantize(weights, bits, group, "f32")
    decoded = dequantize(*result, bits, group)
    # The scale was stretched so that zero is representable: the far end may be cut off by up to a step.
    step = np.abs(np.repeat(result.scales, group, axis=-1))
    assert (np.abs(decoded - weights) <= step * 1.01).all()
    assert (np.abs(decoded - weights) <= step * 0.501).mean() > 0.9
    groups = weights.reshape(-1, group)
    edge = np.where(np.abs(groups.min(1)) > np.abs(groups.max(1)), groups.min(1), groups.max(1))
    assert np.array_equal(result.biases.reshape(-1), edge)


def test_zeros_stay_zero() -> None:
    weights = np.zeros((2, 128), np.float32)
    weights[1, ::3] = 0.7
    for bits in BITS:
        decoded = dequantize(*quantize(weights, bits, 64, "f32"), bits, 64)
        assert np.abs(decoded[weights == 0]).max() < 1e-6


def test_bfloat16_rounds_to_nearest_even() -> None:
    values = np.array(
        [1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -0.0, np.inf, np.nan, 3.4e38], np.float32
    )
    stored = from_float32(values, "bf16")
    assert stored.dtype == np.uint16
    back = to_float32(stored)
    assert back[:4].tolist() == [1.0, 1.0, 1 + 2**-6, 1 + 2**-7]
    assert np.signbit(back[4])
    assert back[5] == np.inf
    assert np.isnan(back[6])
    assert back[7] == np.inf
    all_bits = np.arange(1 << 16, dtype=np.uint16)
    finite = all_bits[np.isfinite(to_float32(all_bits))]
    assert np.array_equal(from_float32(to_float32(finite), "bf16"), finite)


@pytest.mark.parametrize(
    ("bits", "group", "cols"),
    [(7, 64, 64), (1, 64, 64), (16, 64, 64), (4, 16, 64), (4, 64, 96), (4, 128, 64)],
)
def test_unsupported_widths(bits: int, group: int, cols: int) -> None:
    with pytest.raises(UsageError):
        quantize(np.zeros((1, cols), np.float32), bits, group)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad: float) -> None:
    weights = np.ones((2, 64), np.float32)
    weights[1, 5] = bad
    with pytest.raises(UsageError, match="quantised"):
        quantize(weights, 4, 64)


def test_shapes_that_disagree() -> None:
    packed, scales, biases = quantize(np.ones((2, 128), np.float32), 4, 64)
    with pytest.raises(UsageError):
        dequantize(packed, scales[:, :1], biases, 4, 64)
    with pytest.raises(UsageError):
        dequantize(packed, scales, biases, 8, 64)
