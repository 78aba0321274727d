"""The file format: arrays and a description, in one .npz that numpy reads, too.

A file is a zip archive without compression: an .npy member for each array, and ``modnet.json``, which holds everything else,
where each array belongs, its SHA-256, and the version of the format. The archive's comment holds the SHA-256 of all bytes
before it, so a file that was cut or altered anywhere is refused. Nothing in it is code, and nothing is unpickled.

Sizes are bounded before anything is allocated: a file by `max_bytes`, what is in it by the file's own length.

A file is written beside its place, flushed to the disk, and renamed: at any moment the old or the new one is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import re
import secrets
import stat
import zipfile
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

VERSION = 1
#: Files that are larger are not read unless asked for: 4 GiB.
MAX_BYTES = 1 << 32

#: What writes each kind of file, for those who give another.
_WRITERS = {
    "network": "modnet.save", "checkpoint": "modnet.fit(..., checkpoint=path)", "table model": "python -m modnet train --save",
}  # fmt: skip

_DESCRIPTION = "modnet.json"
_COMMENT = b"modnet sha256 "
_COMMENT_LENGTH = len(_COMMENT) + 64
_MEMBERS = 1_000_000
_DTYPES = {np.dtype(name) for name in ("<f4", "<f8", "<f2", "<i8", "<i4", "<i2", "<i1", "<u8", "<u4", "<u2", "<u1", "?")}


class FileError(ValueError):
    """A file is not one that modnet has written, is damaged, or holds what cannot be taken."""


# --- writing ---------------------------------------------------------------------------------------------------------


def write(path: Any, kind: str, tree: Any) -> None:
    """Write a tree to a file, whole or not at all.

    Parameters
    ----------
    path : where. A link is followed. kind : what the tree is, such as "network".
    tree : dicts, lists, numbers, text, None and arrays.

    Raises
    ------
    OSError : if it cannot be written there. What was there before is untouched.
    """
    target = os.path.realpath(os.fsdecode(path))
    if os.path.isdir(target):
        raise IsADirectoryError(f"{target} is a folder, expected the name of a file")
    aside = f"{target}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    try:
        handle = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        with os.fdopen(handle, "w+b") as file:
            _write(file, kind, tree)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):  # who may read the file stays as it was
            os.chmod(aside, stat.S_IMODE(os.stat(target).st_mode))
        os.replace(aside, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        if isinstance(error, OSError) and error.filename == aside:  # people know the name that they gave
            raise OSError(error.errno, error.strerror, target) from None
        raise
    with contextlib.suppress(OSError, AttributeError):  # the name is on the disk, too; not every system can say so
        folder = os.open(os.path.dirname(target), os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _write(file: Any, kind: str, tree: Any) -> None:
    encoder = _Encoder()
    described, arrays = encoder.encode(tree), encoder.arrays
    checksums = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
            checksums[name] = hashlib.sha256(member.getbuffer()).hexdigest()
            archive.writestr(_member(f"{name}.npy"), member.getvalue())
        about = {"format": "modnet", "version": VERSION, "kind": kind, "sha256": checksums, "tree": described}
        archive.writestr(_member(_DESCRIPTION), json.dumps(about, allow_nan=False, indent=1))
        archive.comment = b" " * _COMMENT_LENGTH
    end = file.seek(-_COMMENT_LENGTH, os.SEEK_END)
    file.seek(0)
    digest, left = hashlib.sha256(), end
    while left:
        block = file.read(min(left, 1 << 20))
        digest.update(block)
        left -= len(block)
    file.seek(end)
    file.write(_COMMENT + digest.hexdigest().encode())


def _member(name: str) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(name)  # its date is fixed: the same tree gives the same bytes
    found.external_attr = 0o644 << 16
    return found


class _Encoder:
    """A tree as JSON takes it, with arrays put aside, each once, under names that say where they are."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.names: dict[int, str] = {}

    def encode(self, value: Any, at: str = "") -> Any:
        if isinstance(value, np.ndarray):
            if id(value) not in self.names:
                self.names[id(value)] = self.put_aside(value, at)
            return {"$array": self.names[id(value)]}
        if isinstance(value, Mapping):
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {key: self.encode(item, f"{at}/{key}".lstrip("/")) for key, item in value.items()}
            return {"$pairs": [[self.encode(k, at), self.encode(v, f"{at}/{i}")] for i, (k, v) in enumerate(value.items())]}
        if isinstance(value, list | tuple):
            return [self.encode(item, f"{at}/{i}".lstrip("/")) for i, item in enumerate(value)]
        if isinstance(value, bool | np.bool_):
            return bool(value)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int | np.integer):
            return int(value)
        if isinstance(value, float | np.floating):
            return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
        raise TypeError(f"save: {at} is of type {type(value).__name__}, expected numbers, text, arrays, lists and dicts")

    def put_aside(self, value: np.ndarray, at: str) -> str:
        name = at if re.fullmatch(r"[\w.\-]+(/[\w.\-]+)*", at, re.ASCII) and len(at) < 200 else f"array{len(self.arrays)}"
        if name in self.arrays or ".." in name:
            name = f"array{len(self.arrays)}"
        array = np.ascontiguousarray(value).reshape(value.shape)
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if array.dtype not in _DTYPES:
            raise TypeError(f"save: {at} holds {value.dtype}, expected numbers")
        self.arrays[name] = array
        return name


# --- reading ---------------------------------------------------------------------------------------------------------


def read(path: Any, kind: str, max_bytes: int = MAX_BYTES) -> Any:
    """The tree in a file.

    Parameters
    ----------
    path : of the file. kind : what it must hold. max_bytes : of a larger file nothing is read.

    Raises
    ------
    FileError : a ValueError, if the file is damaged, not of this format, of another kind, or too large.
    OSError : if it cannot be opened.
    """
    name = os.fsdecode(path)
    with open(name, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise FileError(f"{name}: has {size} bytes, expected at most {max_bytes}; a larger max_bytes reads it")
        data = file.read(size)
    _require_whole(name, data, kind)
    try:
        return _read(name, data, kind)
    except FileError:
        raise
    except (
        zipfile.BadZipFile, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError, RuntimeError,
        NotImplementedError, MemoryError, SyntaxError, OSError,
    ) as error:  # fmt: skip
        raise FileError(f"{name}: is not a file that modnet has written ({type(error).__name__}: {error})") from None


def _require_whole(name: str, data: bytes, kind: str) -> None:
    """FileError unless the comment at the end says the SHA-256 of all that is before it."""
    if data[:4] != b"PK\x03\x04":
        raise FileError(f"{name}: is not a file that modnet has written; {_WRITERS.get(kind, 'modnet')} writes one")
    comment = data[-_COMMENT_LENGTH:]
    if not comment.startswith(_COMMENT):
        raise FileError(f"{name}: is incomplete, or not a file that modnet has written")
    if comment[len(_COMMENT) :] != hashlib.sha256(memoryview(data)[:-_COMMENT_LENGTH]).hexdigest().encode():
        raise FileError(f"{name}: is damaged: its checksum does not fit its content")


def _read(name: str, data: bytes, kind: str) -> Any:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        names = {member.filename: member for member in members}
        if len(members) > _MEMBERS or len(names) != len(members):
            raise FileError(f"{name}: has {len(members)} members, some of one name, expected each once")
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                raise FileError(f"{name}: {member.filename} is compressed, expected plain arrays")
        if sum(member.file_size for member in members) > len(data):
            raise FileError(f"{name}: its members are larger than the file")
        about = json.loads(archive.read(names[_DESCRIPTION]))
        if about["format"] != "modnet" or not isinstance(about["version"], int):
            raise FileError(f"{name}: is not a file that modnet has written")
        if about["version"] > VERSION:
            raise FileError(f"{name}: was written by a newer modnet (format {about['version']}, this one reads {VERSION})")
        if about["kind"] != kind:
            raise FileError(f"{name}: holds a {about['kind']}, expected a {kind}")
        checksums = about["sha256"]
        if set(names) != {_DESCRIPTION, *(f"{array}.npy" for array in checksums)}:
            raise FileError(f"{name}: holds other arrays than it says")
        arrays = {}
        for array, checksum in checksums.items():
            content = archive.read(names[f"{array}.npy"])
            if hashlib.sha256(content).hexdigest() != checksum:
                raise FileError(f"{name}: the checksum of {array} does not fit its content")
            arrays[array] = _array(name, array, content)
    return _decode(about["tree"], arrays)


def _array(name: str, array: str, content: bytes) -> np.ndarray:
    """An array from the bytes of an .npy file, of which the header may say anything."""
    member = io.BytesIO(content)
    if np.lib.format.read_magic(member) != (1, 0):
        raise FileError(f"{name}: {array} is in another version of numpy's format than 1.0")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(member, max_header_size=10_000)
    start = member.tell()
    if dtype not in _DTYPES or by_columns or any(not isinstance(size, int) or size < 0 for size in shape):
        raise FileError(f"{name}: {array} holds {dtype}, expected plain numbers")
    if prod(shape) * dtype.itemsize != len(content) - start:
        raise FileError(f"{name}: {array} has {len(content) - start} bytes, expected {prod(shape)} numbers")
    found: np.ndarray = np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
    return found


def _decode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_decode(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, item),) = value.items()
        if key == "$array":
            return arrays[item]
        if key == "$pairs":
            return {_decode(k, arrays): _decode(v, arrays) for k, v in item}
        if key == "$float":
            return {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}[item]
    return {key: _decode(item, arrays) for key, item in value.items()}
