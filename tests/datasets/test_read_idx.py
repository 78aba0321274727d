"""The IDX reader against files written here."""

import gzip
import struct

import numpy as np
import pytest
from dataset_cases import message

from modnet.datasets import read_idx

TYPES = {0x08: "B", 0x09: "b", 0x0B: "h", 0x0C: "i", 0x0D: "f", 0x0E: "d"}


def idx(tmp_path, content, name="data.idx"):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    return path


@pytest.mark.parametrize("name", ["data.idx", "data.idx.gz"])
@pytest.mark.parametrize("code", TYPES)
@pytest.mark.parametrize("shape", [(6,), (2, 3), (3, 1, 2)])
def test_idx_gives_back_what_was_written(tmp_path, name, code, shape):
    values = [1, 2, 3, 100, 101, 127] if code == 0x08 else [-1, 2, 3, -100, 101, 127]
    content = struct.pack(f">BBBB{len(shape)}I6{TYPES[code]}", 0, 0, code, len(shape), *shape, *values)
    array = read_idx(idx(tmp_path, content, name))
    assert array.shape == shape
    assert array.ravel().tolist() == values
    assert array.dtype == np.dtype(TYPES[code])
    assert array.dtype.isnative
    assert array.flags.writeable


def test_idx_reads_images_and_labels_as_mnist_has_them(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    images = read_idx(idx(tmp_path, struct.pack(">4I", 0x00000803, 5, 28, 28) + pixels.tobytes()))
    labels = read_idx(idx(tmp_path, struct.pack(">2I", 0x00000801, 5) + bytes([5, 0, 4, 1, 9]), "labels.idx"))
    assert np.array_equal(images, pixels)
    assert labels.tolist() == [5, 0, 4, 1, 9]


MAGIC = "expected '00 00', a type (08, 09, 0b, 0c, 0d, 0e), and the number of dimensions"


@pytest.mark.parametrize(
    ("content", "after"),
    [
        (b"", f" begins with the bytes '', {MAGIC}"),
        (b"\0\0\x08", f" begins with the bytes '00 00 08', {MAGIC}"),
        (b"\1\0\x08\1\0\0\0\1x", f" begins with the bytes '01 00 08 01', {MAGIC}"),
        (b"\0\0\x0a\1\0\0\0\1x", f" begins with the bytes '00 00 0a 01', {MAGIC}"),
        (b"\0\0\x08\0x", f" begins with the bytes '00 00 08 00', {MAGIC}"),
        (b"\0\0\x08\xff" + bytes(1020), f" begins with the bytes '00 00 08 ff', {MAGIC}"),
        (b"\0\0\x08\3\0\0\0\1\0\0\0\1", " has 12 bytes, expected 16 for 3 dimensions' sizes"),
        (b"\0\0\x0b\2\0\0\0\2\0\0\0\3" + bytes(11), " has 23 bytes, expected 24 for int16 (2, 3)"),
        (b"\0\0\x0b\2\0\0\0\2\0\0\0\3" + bytes(13), " has 25 bytes, expected 24 for int16 (2, 3)"),
    ],
)
def test_idx_errors_say_what_is_wrong(tmp_path, content, after):
    path = idx(tmp_path, content)
    assert message(ValueError, read_idx, path) == f"read_idx: {path}{after}"


def test_idx_says_that_a_gzip_file_is_damaged(tmp_path):
    path = tmp_path / "data.idx.gz"
    path.write_bytes(b"\x1f\x8b" + bytes(20))
    assert message(ValueError, read_idx, path).startswith(f"read_idx: {path} is damaged (")
