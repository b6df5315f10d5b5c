"""Affine quantisation in the MLX layout, encoder and decoder, in NumPy. Owns the numbers and no files.

A row of `cols` weights is cut into groups; in each, `w = scale * q + bias` with q unsigned of `bits` bits.
The q of a row are an LSB-first bit stream over little-endian bytes: element i takes bits [i * bits, (i + 1) *
bits). The encoder does mlx's float32 arithmetic step by step, so that its output is the same to the bit.

    packed, scales, biases = quantize(weights, bits=4, group=64)       # float32 [..., cols]
    weights = dequantize(packed, scales, biases, bits=4, group=64)

Stored numbers are kept as NumPy can: f32 as float32, f16 as float16, and bf16 as its uint16 bits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .errors import UsageError

BITS = (2, 3, 4, 5, 6, 8)
GROUPS = (32, 64, 128)
STORED: dict[str, np.dtype[Any]] = {"f32": np.dtype("<f4"), "f16": np.dtype("<f2"), "bf16": np.dtype("<u2")}

Floats = npt.NDArray[np.float32]
Stored = npt.NDArray[Any]  # float32, float16, or uint16 that are the bits of bfloat16


class Affine(NamedTuple):
    """packed: uint32 [..., cols * bits / 32]; scales and biases: stored numbers [..., cols / group]."""

    packed: npt.NDArray[np.uint32]
    scales: Stored
    biases: Stored


def to_float32(stored: Stored) -> Floats:
    """Stored numbers as float32, exactly. uint16 are the bits of bfloat16."""
    if stored.dtype == np.uint16:
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32)


def from_float32(values: Floats, dtype: str) -> Stored:
    """float32 rounded to nearest, ties to even, as "f32", "f16" or "bf16" (uint16 bits). Infinities stay;
    values too large become infinities; NaN stays NaN."""
    if dtype == "f32":
        return values.astype(np.float32)
    if dtype == "f16":
        with np.errstate(over="ignore"):
            return values.astype(np.float16)
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    rounded = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
    nan = np.isnan(values)
    if nan.any():
        rounded[nan] = 0x7FC0
    return rounded


def check(bits: int, group: int, cols: int) -> None:
    """UsageError unless `cols` columns can be stored with this width."""
    if bits not in BITS:
        raise UsageError(f"{bits} bits are not supported; choose one of {', '.join(map(str, BITS))}")
    if group not in GROUPS:
        raise UsageError(f"groups of {group} are not supported; choose one of {', '.join(map(str, GROUPS))}")
    if cols % group:
        raise UsageError(f"{cols} columns are no multiple of the group of {group}")


def pack(q: npt.NDArray[Any], bits: int) -> npt.NDArray[np.uint32]:
    """[..., cols] integers below 2^bits -> uint32 [..., cols * bits / 32]; cols must be a multiple of 32."""
    *outer, cols = q.shape
    if bits == 8:
        return np.ascontiguousarray(q, np.uint8).view("<u4")
    eights = np.ascontiguousarray(q, np.uint8).reshape(-1, 8)  # 8 elements are `bits` bytes
    words = eights[:, 0].astype(np.uint64)
    for k in range(1, 8):
        words |= eights[:, k].astype(np.uint64) << np.uint64(k * bits)
    stream = np.ascontiguousarray(words.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :bits])
    return stream.reshape(-1).view("<u4").reshape(*outer, cols * bits // 32)


def unpack(packed: npt.NDArray[np.uint32], bits: int) -> npt.NDArray[np.uint8]:
    """uint32 [..., words] -> [..., 32 * words / bits] integers below 2^bits."""
    *outer, words = packed.shape
    stream = np.ascontiguousarray(packed, "<u4").view(np.uint8)
    if bits == 8:
        return stream
    padded = np.zeros((packed.size * 4 // bits, 8), np.uint8)
    padded[:, :bits] = stream.reshape(-1, bits)
    eights = padded.view("<u8").reshape(-1)
    q = np.empty((len(eights), 8), np.uint8)
    for k in range(8):
        q[:, k] = (eights >> np.uint64(k * bits)) & np.uint64((1 << bits) - 1)
    return q.reshape(*outer, 32 * words // bits)


def quantize(weights: Floats, bits: int, group: int, scale_dtype: str = "bf16") -> Affine:
    """Encodes float32 [..., cols] as mlx does. UsageError for an unsupported width, or weights that are not
    finite.

    Each q is computed with the scale and bias before their rounding to `scale_dtype`, as mlx has it. One of
    the group's extremes, the one of larger magnitude, is met exactly (up to that rounding), and zero stays
    representable.
    """
    *outer, cols = weights.shape
    check(bits, group, cols)
    w = np.ascontiguousarray(weights, np.float32).reshape(-1, group)
    low, high = w.min(axis=1), w.max(axis=1)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise UsageError("weights that are infinite or not a number cannot be quantised")
    top = np.float32((1 << bits) - 1)
    with np.errstate(over="ignore"):
        scale = np.maximum((high - low) / top, np.float32(1e-7))
    negative = np.abs(low) > np.abs(high)
    scale = np.where(negative, scale, -scale)
    edge = np.where(negative, low, high)
    steps = np.rint(edge / scale)
    exact = steps != 0
    scale = np.where(exact, edge / np.where(exact, steps, np.float32(1)), scale)
    bias = np.where(exact, edge, np.float32(0))
    q = w - bias[:, None]
    q /= scale[:, None]
    np.rint(q, out=q)
    np.clip(q, np.float32(0), top, out=q)
    shape = (*outer, cols // group)
    return Affine(
        pack(q.astype(np.uint8).reshape(*outer, cols), bits),
        from_float32(scale, scale_dtype).reshape(shape),
        from_float32(bias, scale_dtype).reshape(shape),
    )


def dequantize(
    packed: npt.NDArray[np.uint32], scales: Stored, biases: Stored, bits: int, group: int
) -> Floats:
    """Decodes to float32 [..., cols]: scale * q, rounded, plus bias, rounded. UsageError when the shapes
    disagree."""
    q = unpack(packed, bits)
    cols = q.shape[-1]
    check(bits, group, cols)
    if scales.shape != (*q.shape[:-1], cols // group) or biases.shape != scales.shape:
        raise UsageError(f"scales {scales.shape} and biases {biases.shape} do not fit weights {q.shape}")
    w = q.reshape(*scales.shape, group).astype(np.float32)
    w *= to_float32(scales)[..., None]
    w += to_float32(biases)[..., None]
    return w.reshape(q.shape)
