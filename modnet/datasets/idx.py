"""A reader for arrays in the IDX format, that of MNIST's files."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modnet.datasets.files import read_bytes

_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an array in the IDX format, that of MNIST's files.

    Parameters
    ----------
    path : path
        An IDX file, plain or gzip: two zero bytes, a byte for the type, a byte for the number of dimensions,
        the sizes as 32-bit integers, then the values in C order, all big-endian.

    Returns
    -------
    array
        Of the file's shape and type, in the machine's byte order: (60000, 28, 28) uint8 for MNIST's training
        images, (60000,) uint8 for their labels. A network takes ``images.reshape(len(images), -1) / 255``.

    Raises
    ------
    ValueError
        Where the magic number, the sizes or the length of the file are wrong.
    OSError
        Where the file cannot be read.

    References
    ----------
    Y. LeCun, C. Cortes, C. Burges, *The MNIST database of handwritten digits*, section on the IDX format.
    """
    content = read_bytes("read_idx", path)
    magic = content[:4]
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _IDX_TYPES or not 1 <= magic[3] <= 64:
        raise ValueError(
            f"read_idx: {path} begins with the bytes '{magic.hex(' ')}', expected '00 00', a type "
            f"({', '.join(f'{code:02x}' for code in _IDX_TYPES)}), and the number of dimensions"
        )
    dtype = np.dtype(_IDX_TYPES[magic[2]])
    start = 4 + 4 * magic[3]
    if len(content) < start:
        raise ValueError(
            f"read_idx: {path} has {len(content)} bytes, expected {start} for {magic[3]} dimensions' sizes"
        )
    shape = tuple(np.frombuffer(content, dtype=">u4", count=magic[3], offset=4).tolist())
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise ValueError(
            f"read_idx: {path} has {len(content)} bytes, expected {expected} for {dtype.name} {shape}"
        )
    return np.frombuffer(content, dtype=dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
