"""The bytes and the text of a file, plain or gzip, and the numbers in it, for all readers."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path


def read_text(reader: str, path: str | os.PathLike[str]) -> str:
    """Return the UTF-8 text of a file; ``reader`` is the function that messages name."""
    try:
        return read_bytes(reader, path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{reader}: {path} has a wrong byte {error.start}, expected UTF-8 text") from None


def read_bytes(reader: str, path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a file, unpacked if it is gzip; ``reader`` is the function that messages name."""
    content = Path(path).read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{reader}: {path} is damaged ({error}), expected a whole gzip file") from None


def is_number(cell: str) -> bool:
    """Whether a cell is a number, infinite and NaN included."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def is_whole(cell: str) -> bool:
    """Whether a cell is a whole number, written without a point."""
    try:
        int(cell)
    except ValueError:
        return False
    return True
