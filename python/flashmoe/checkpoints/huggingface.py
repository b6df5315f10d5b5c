"""The Hugging Face layout: floats, norms centred on zero, conv [C, 1, K], experts fused or one by one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import CheckpointError
from ..spec import Config, ExpertTable, Format, Tensor, expected_shape
from .config import RawConfig, quantization_table
from .names import FLOAT_DTYPES, TextTensors, extent, float_format, stored_shape
from .safetensors import Entry


class Reader:
    """Takes the weights of a Hugging Face checkpoint out of `text`."""

    source = "huggingface"
    norm_shift = 1.0

    def __init__(self, text: TextTensors, config: Config, raw: RawConfig) -> None:
        self.text, self.config = text, config
        quantization_table(raw)  # refuses the schemes of other libraries

    def dense(self, role: str, short: str, why: str) -> Tensor:
        """The dense weight `short`; CheckpointError, ending in `why`, when it is not there, or not as the
        config says."""
        entry = self.text.floats(short, stored_shape(self.config, role, mlx=False), why)
        form = float_format(entry, *expected_shape(self.config, role))
        return Tensor(self.text.stored_name(short), form, extent(entry))

    def experts(self, layer: int) -> ExpertTable:
        """The routed experts of a layer, fused (gate_up_proj [E, 2I, H], down_proj [E, H, I]) or one by
        one."""
        text, base = self.text, f"layers.{layer}.mlp.experts."
        fused = base + "gate_up_proj" in text or base + "down_proj" in text
        single = base + "0.gate_proj.weight" in text
        if fused and single:
            raise CheckpointError(
                f"{text.where(base + '0.gate_proj.weight')}: these experts are stored fused as well"
            )
        if fused:
            return _fused(text, self.config, base)
        if not single:
            raise text.missing(
                base + "gate_up_proj", f", and so is {text.stored_name(base)}0.gate_proj.weight"
            )
        return _one_by_one(text, self.config, base)


def empty_extents(config: Config) -> npt.NDArray[np.int64]:
    """Extents [experts, 9, 3] of which none is there."""
    table = np.zeros((config.experts, 9, 3), np.int64)
    table[:, :, 0] = -1
    return table


def place_slices(
    table: npt.NDArray[np.int64], part: int, entry: Entry, step: int, first: int, length: int
) -> None:
    """Part `part` of expert e is `length` bytes from `first + e * step` of the stored tensor."""
    table[:, part, 0] = entry.file
    table[:, part, 1] = entry.offset + first + np.arange(len(table), dtype=np.int64) * step
    table[:, part, 2] = length


def _fused(text: TextTensors, config: Config, base: str) -> ExpertTable:
    e, i, h = config.experts, config.moe_inner, config.hidden
    gate_up = text.floats(base + "gate_up_proj", (e, 2 * i, h))
    down = text.floats(base + "down_proj", (e, h, i))
    gate_format, down_format = float_format(gate_up, i, h), float_format(down, h, i)
    matrix = gate_format.weight_bytes
    table = empty_extents(config)
    place_slices(table, 0, gate_up, 2 * matrix, 0, matrix)
    place_slices(table, 3, gate_up, 2 * matrix, matrix, matrix)
    place_slices(table, 6, down, down_format.weight_bytes, 0, down_format.weight_bytes)
    return ExpertTable(text.stored_name(base[:-1]), gate_format, gate_format, down_format, table)


def _one_by_one(text: TextTensors, config: Config, base: str) -> ExpertTable:
    shapes = (
        (config.moe_inner, config.hidden),
        (config.moe_inner, config.hidden),
        (config.hidden, config.moe_inner),
    )
    table = empty_extents(config)
    formats: list[Format] = []
    for part, (proj, shape) in enumerate(zip(("gate_proj", "up_proj", "down_proj"), shapes, strict=True)):
        rows = []
        dtype = ""
        for e in range(config.experts):
            short = f"{base}{e}.{proj}.weight"
            entry = text.floats(short, shape, ", but num_experts is " + str(config.experts))
            if dtype and entry.dtype != dtype:
                raise CheckpointError(
                    f"{text.where(short)}: dtype: {entry.dtype}, but the experts before it in this "
                    f"layer are {dtype}"
                )
            dtype = entry.dtype
            rows.append((entry.file, entry.offset, entry.length))
        table[:, 3 * part] = rows
        formats.append(Format(FLOAT_DTYPES[dtype], *shape))
    return ExpertTable(text.stored_name(base[:-1]), formats[0], formats[1], formats[2], table)
