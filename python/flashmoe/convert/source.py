"""Reads the weights of the checkpoint that is converted, a few rows at a time."""

from __future__ import annotations

import os

import numpy as np

from .. import quantize
from ..errors import CheckpointError, ReadError
from ..spec import Extent, ModelSpec
from .plan import Matrix


class Source:
    """Reads weights of a checkpoint. A context manager, for the files that it holds open; used from many
    threads."""

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.fds: list[int] = []

    def __enter__(self) -> Source:
        try:
            for path in self.spec.files:
                self.fds.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            self.__exit__()
            raise ReadError(f"{error.filename}: {error.strerror}") from None
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self.fds:
            os.close(fd)

    def where(self, matrix: Matrix) -> str:
        """File and tensor, for messages."""
        return f"{self.spec.files[matrix.extents[0].file]}: tensor {matrix.name}"

    def raw(self, matrix: Matrix, first: int, last: int) -> list[bytes]:
        """The stored bytes of rows [first, last): weight, or weight, scales and biases."""
        pieces = []
        for extent in matrix.extents:
            if extent.length:
                row = extent.length // matrix.format.rows
                pieces.append(self._read(extent, first * row, (last - first) * row))
        return pieces

    def rows(self, matrix: Matrix, first: int, last: int) -> quantize.Floats:
        """Rows [first, last) as float32 [last - first, cols]; CheckpointError unless all are finite."""
        form, pieces = matrix.format, self.raw(matrix, first, last)
        count = last - first
        if form.dtype == "affine":
            packed = np.frombuffer(pieces[0], "<u4").reshape(count, -1)
            scales, biases = (
                np.frombuffer(piece, quantize.STORED[form.scale_dtype]).reshape(count, -1) for piece in pieces[1:]
            )
            weights = quantize.dequantize(packed, scales, biases, form.bits, form.group)
        else:
            stored = np.frombuffer(pieces[0], quantize.STORED[form.dtype])
            weights = quantize.to_float32(stored).reshape(count, form.cols)
        if not np.isfinite(weights).all():
            raise CheckpointError(f"{self.where(matrix)}: holds numbers that are infinite or not a number")
        return weights

    def _read(self, extent: Extent, start: int, length: int) -> bytes:
        path, offset = self.spec.files[extent.file], extent.offset + start
        data = b""
        while len(data) < length:
            try:
                piece = os.pread(self.fds[extent.file], length - len(data), offset + len(data))
            except OSError as error:
                raise ReadError(f"{path}: reading at byte {offset + len(data)}: {error.strerror}") from None
            if not piece:
                raise ReadError(f"{path}: ends at byte {offset + len(data)}, where weights are expected")
            data = data + piece if data else piece
        return data
