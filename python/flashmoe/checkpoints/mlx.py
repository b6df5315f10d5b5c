"""The MLX layout: affine-quantised or float matrices, norms stored as 1 + w, conv [C, K, 1], experts in
switch_mlp."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import CheckpointError
from ..spec import Config, ExpertTable, Format, Tensor, expected_shape
from .config import RawConfig, quantization_table
from .huggingface import empty_extents, place_slices
from .names import FLOAT_DTYPES, NEVER_QUANTISED, TextTensors, extent, float_format, stored_shape
from .safetensors import Entry

BITS = (2, 3, 4, 5, 6, 8)
GROUPS = (32, 64, 128)


@dataclass(frozen=True)
class Quantization:
    """config.json's quantization: bits and group of a module are its own entry's, or else the default's."""

    raw: RawConfig
    table: Mapping[str, Any] | None

    @staticmethod
    def of(raw: RawConfig) -> Quantization:
        quantization = Quantization(raw, quantization_table(raw))
        if quantization.table is not None:
            quantization._checked("", quantization.table)
        return quantization

    def declared(self, module: str) -> tuple[int, int] | None:
        """(bits, group) that the config gives a module ("language_model.model.layers.0.mlp.gate"); None when
        the config has no quantization or says that this module is not quantised."""
        if self.table is None:
            return None
        bare = module.removeprefix("language_model.")
        for path in (module, "language_model." + bare, bare):
            own = self.table.get(path)
            if isinstance(own, dict):
                return self._checked(path, {**{k: self.table[k] for k in ("bits", "group_size")}, **own})
            if own is False:
                return None
            if own is not None and own is not True:
                raise CheckpointError(
                    f"{self.raw.path}: quantization: {path}: must be an object or a boolean"
                )
        return self._checked("", self.table)

    def _checked(self, path: str, values: Mapping[str, Any]) -> tuple[int, int]:
        where = f"{self.raw.path}: quantization: {path}{': ' if path else ''}"
        mode = values.get("mode", "affine")
        if mode != "affine":
            raise CheckpointError(f"{where}mode {mode!r} is not supported; supported: affine")
        bits, group = values.get("bits"), values.get("group_size")
        if type(bits) is not int or bits not in BITS:
            raise CheckpointError(f"{where}bits: {bits!r} is not supported; supported: {_listed(BITS)}")
        if type(group) is not int or group not in GROUPS:
            raise CheckpointError(
                f"{where}group_size: {group!r} is not supported; supported: {_listed(GROUPS)}"
            )
        return bits, group


def _listed(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values))


class Reader:
    """Takes the weights of an MLX checkpoint out of `text`."""

    source = "mlx"
    norm_shift = 0.0

    def __init__(self, text: TextTensors, config: Config, raw: RawConfig) -> None:
        self.text, self.config = text, config
        self.quantization = Quantization.of(raw)

    def dense(self, role: str, short: str, why: str) -> Tensor:
        """The dense weight `short`, quantised exactly where its scales are stored; CheckpointError, ending in
        `why`, when it is not there, or not as the config says."""
        text, (rows, cols) = self.text, expected_shape(self.config, role)
        module = short.removesuffix(".weight")
        if role in NEVER_QUANTISED or module + ".scales" not in text:
            entry = text.floats(short, stored_shape(self.config, role, mlx=True), why)
            return Tensor(text.stored_name(short), float_format(entry, rows, cols), extent(entry))
        weight, scales, biases, form = _affine(text, module, (), rows, cols, self.quantization)
        return Tensor(text.stored_name(short), form, extent(weight), extent(scales), extent(biases))

    def experts(self, layer: int) -> ExpertTable:
        """The routed experts of a layer, switch_mlp.{gate,up,down}_proj [E, out, in]."""
        text, c, base = self.text, self.config, f"layers.{layer}.mlp.switch_mlp."
        shapes = (c.moe_inner, c.hidden), (c.moe_inner, c.hidden), (c.hidden, c.moe_inner)
        table = empty_extents(c)
        formats: list[Format] = []
        for part, (proj, (rows, cols)) in enumerate(
            zip(("gate_proj", "up_proj", "down_proj"), shapes, strict=True)
        ):
            module = base + proj
            if module + ".scales" in text:
                weight, scales, biases, form = _affine(
                    text, module, (c.experts,), rows, cols, self.quantization
                )
                place_slices(table, 3 * part + 1, scales, form.scale_bytes, 0, form.scale_bytes)
                place_slices(table, 3 * part + 2, biases, form.scale_bytes, 0, form.scale_bytes)
            else:
                weight = text.floats(module + ".weight", (c.experts, rows, cols))
                form = float_format(weight, rows, cols)
            place_slices(table, 3 * part, weight, form.weight_bytes, 0, form.weight_bytes)
            formats.append(form)
        return ExpertTable(text.stored_name(base[:-1]), formats[0], formats[1], formats[2], table)


def _affine(
    text: TextTensors, module: str, stack: tuple[int, ...], rows: int, cols: int, quantization: Quantization
) -> tuple[Entry, Entry, Entry, Format]:
    """(weight, scales, biases, format) of a quantised module; shapes must agree with the config and each
    other."""
    path = text.stored_name(module)
    declared = quantization.declared(path)
    if declared is None:
        raise CheckpointError(
            f"{text.where(module + '.scales')}: stored, but {quantization.raw.path} has no "
            "quantization for it"
        )
    bits, group = declared
    weight_at, scales_at, biases_at = (
        text.where(module + ".weight"),
        text.where(module + ".scales"),
        module + ".biases",
    )
    scales = text.any(module + ".scales")
    weight = text.any(module + ".weight")
    if scales.dtype not in FLOAT_DTYPES:
        raise CheckpointError(
            f"{scales_at}: dtype: {scales.dtype}; only affine quantisation is supported, with scales in "
            + ", ".join(FLOAT_DTYPES)
        )
    if weight.dtype != "U32":
        raise CheckpointError(f"{weight_at}: dtype: {weight.dtype}, but a quantised weight is U32")
    if cols % group or cols * bits % 32:
        raise CheckpointError(
            f"{weight_at}: {cols} columns cannot be stored in groups of {group} and {bits} bits, as "
            f"{quantization.raw.path} says"
        )
    if weight.shape != (*stack, rows, cols * bits // 32):
        told = ""
        if len(weight.shape) == len(stack) + 2 and weight.shape[:-1] == (*stack, rows):
            stored = 32 * weight.shape[-1] / cols
            told = f"; the stored width is that of {stored:g} bits"
        raise CheckpointError(
            f"{weight_at}: shape: {list(weight.shape)}, but {bits} bits ({quantization.raw.path}: "
            "quantization) and "
            f"[{', '.join(map(str, (*stack, rows, cols)))}] give {[*stack, rows, cols * bits // 32]}{told}"
        )
    shape = (*stack, rows, cols // group)
    if scales.shape != shape:
        raise CheckpointError(
            f"{scales_at}: shape: {list(scales.shape)}, but groups of {group} "
            f"({quantization.raw.path}: quantization) "
            f"give {list(shape)}"
        )
    biases = text.floats(biases_at, shape)
    if biases.dtype != scales.dtype:
        raise CheckpointError(
            f"{scales_at}: dtype: {scales.dtype}, but the biases of the same module are {biases.dtype}"
        )
    return weight, scales, biases, Format("affine", rows, cols, bits, group, FLOAT_DTYPES[scales.dtype])
