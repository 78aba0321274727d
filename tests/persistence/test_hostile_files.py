"""Files that were cut, altered or written to do harm are refused in a sentence, and nothing large is allocated for them."""

import hashlib
import io
import json
import os
import tracemalloc
import zipfile

import numpy as np
import pytest

import modnet
from modnet import BatchNorm, Dropout, Embedding, Linear, Sequential, Tanh
from modnet.persistence import FileError, archive


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a good file."""
    path = tmp_path_factory.mktemp("whole") / "net.npz"
    modnet.save(Sequential(Linear(3, 4, rng=0), BatchNorm(4), Tanh(), Dropout(0.1, rng=1), Linear(4, 2, rng=1)), path)
    return path.read_bytes()


def altered(data, rng):
    """A file that differs from data: bits, bytes or blocks changed, cut, doubled, moved, or added."""
    found = bytearray(data)
    at, length = int(rng.integers(len(data))), int(rng.integers(1, 64))
    match int(rng.integers(7)):
        case 0:
            found[at] ^= 1 << int(rng.integers(8))
        case 1:
            found[at : at + length] = rng.bytes(len(found[at : at + length]))
        case 2:
            del found[at:]
        case 3:
            del found[at : at + length]
        case 4:
            found[at:at] = found[at : at + length]
        case 5:
            found += rng.bytes(length)
        case 6:
            found[at : at + length] = bytes(len(found[at : at + length]))
    return bytes(found)


def put(path, data):
    """Write bytes over a file without emptying it first: ext4 brings a file that was emptied to the disk each time."""
    with open(path, "r+b" if path.exists() else "xb") as file:
        file.write(data)
        file.truncate()


def refused(path, data):
    """The message about some bytes in a file; None if they are loaded."""
    put(path, data)
    try:
        modnet.load(path)
    except FileError as error:
        text = str(error)
        assert str(path) in text
        return text
    return None


def signed(data):
    """The same with a checksum that fits: what somebody makes who means to."""
    body = data[: -archive._COMMENT_LENGTH]
    return body + archive._COMMENT + hashlib.sha256(body).hexdigest().encode()


def packed(members, arrays=None, **about):
    """A file of the format with any members and any description."""
    file = io.BytesIO()
    arrays = {} if arrays is None else arrays
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in arrays.items()}
    described = {"format": "modnet", "version": 1, "kind": "network", "sha256": checksums, "tree": {}, **about}
    with zipfile.ZipFile(file, "w") as made:
        for name, content in arrays.items():
            made.writestr(f"{name}.npy", content)
        for name, content in members.items():
            made.writestr(name, content)
        if "modnet.json" not in members:
            made.writestr("modnet.json", json.dumps(described))
        made.comment = b" " * archive._COMMENT_LENGTH
    return signed(file.getvalue())


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_header(text):
    line = text.encode() + b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line


def alterations():
    """How many files are tried: MODNET_ALTERED_FILES, 1000 by default."""
    return int(os.environ.get("MODNET_ALTERED_FILES", "1000"))


def test_an_altered_file_is_never_loaded(whole, tmp_path):
    path = tmp_path / "net.npz"
    assert refused(path, whole) is None
    for seed in range(alterations()):
        data = altered(whole, np.random.default_rng(seed))
        if data != whole:
            assert refused(path, data), f"the file altered with seed {seed} was loaded"


def test_an_altered_file_with_a_checksum_that_fits_is_loaded_or_refused(whole, tmp_path):
    """Whoever alters a file on purpose makes the checksum anew: nothing else may happen then than a refusal, or a network."""
    for seed in range(alterations() // 5):
        refused(tmp_path / "net.npz", signed(altered(whole, np.random.default_rng(seed))))


def test_every_length_of_a_file_that_was_cut_is_refused(whole, tmp_path):
    for length in range(0, len(whole), 97):
        assert refused(tmp_path / "net.npz", whole[:length])


DEEP = "[" * 100_000 + "]" * 100_000


def module(**change):
    """A tree of one Linear(2 -> 1), or of something like it."""
    weight, bias = {"$array": "w"}, {"$array": "b"}
    found = {
        "class": "Linear", "library": True, "arguments": {"in_features": 2, "out_features": 1, "bias": True},
        "arrays": {"weight": weight, "bias": bias}, "dtype": "float64", "settings": {}, "draws": [0, 0],
    }  # fmt: skip
    mode = {"training": True, "_put_into_evaluation": False}
    return {"modules": [{**found, **change}], "root": 0, "dtype": "float64", "modes": [mode]}


ARRAYS = {"w": npy(np.ones((2, 1))), "b": npy(np.ones(1))}
ARGUMENTS = {"in_features": 2, "out_features": 1, "bias": True}


def test_the_file_that_the_hostile_ones_are_made_from_is_good(tmp_path):
    assert refused(tmp_path / "a", packed({}, ARRAYS, tree=module())) is None


@pytest.mark.parametrize(
    "data",
    [
        b"", b"x" * 5000, b"PK\x03\x04", npy(np.ones(3)),
        packed({"modnet.json": DEEP}), packed({"modnet.json": "9" * 10_000}), packed({"modnet.json": "{}"}),
        packed({"modnet.json": b"\xff\xfe"}), packed({"modnet.json": "null"}), packed({"../../evil": "x"}, ARRAYS, tree=module()),
        packed({}, ARRAYS, tree=module(), version=2), packed({}, ARRAYS, tree=module(), kind="checkpoint"),
        packed({}, ARRAYS, tree=module(), version="1"), packed({}, ARRAYS, tree=module(), sha256={}),
        packed({}, ARRAYS, tree=module(), sha256={"w": "0" * 64, "b": "0" * 64}),
        packed({}, ARRAYS, tree=[]), packed({}, ARRAYS, tree={"$array": "nothing"}), packed({}, ARRAYS, tree={"$float": "x"}),
        packed({}, ARRAYS, tree={**module(), "root": 5}), packed({}, ARRAYS, tree={**module(), "root": -1}),
        packed({}, ARRAYS, tree={**module(), "modes": []}),
        packed({}, ARRAYS, tree=module(**{"class": "System"})), packed({}, ARRAYS, tree=module(**{"class": "Sequential"})),
        packed({}, ARRAYS, tree=module(**{"class": "System", "library": False})),
        packed({}, ARRAYS, tree=module(arguments={**ARGUMENTS, "in_features": 10**9, "out_features": 10**9})),
        packed({}, ARRAYS, tree=module(arguments={**ARGUMENTS, "in_features": -2})),
        packed({}, ARRAYS, tree=module(arguments={**ARGUMENTS, "in_features": "2"})),
        packed({}, ARRAYS, tree=module(arguments={**ARGUMENTS, "in_features": {"module": 0}})),
        packed({}, ARRAYS, tree=module(arguments={**ARGUMENTS, "self": 0})),
        packed({}, ARRAYS, tree=module(arguments={})), packed({}, ARRAYS, tree=module(arrays={})),
        packed({}, ARRAYS, tree=module(arrays={"weight": {"$array": "b"}, "bias": {"$array": "b"}})),
        packed({}, ARRAYS, tree=module(arrays={"weight": 1, "bias": 2})),
        packed({}, ARRAYS, tree=module(settings={"p": 0.5})), packed({}, ARRAYS, tree=module(dtype="object")),
        packed({}, ARRAYS, tree=module(dtype=None)), packed({}, ARRAYS, tree=module(modules=[0])),
        packed({}, ARRAYS, tree=module(draws=None)),
        packed({}, {**ARRAYS, "w": npy(np.ones((2, 1)))[:-4]}, tree=module()),
        packed({}, {**ARRAYS, "w": npy(np.asfortranarray(np.ones((2, 3))))}, tree=module()),
        packed({}, {**ARRAYS, "w": npy(np.array(["a", "b"]))}, tree=module()),
        packed({}, {**ARRAYS, "w": b"\x93NUMPY\x09\x00"}, tree=module()),
        packed({}, {**ARRAYS, "w": npy_header("{'descr': '|O', 'fortran_order': False, 'shape': (2, 1), }")}, tree=module()),
        packed({}, {**ARRAYS, "w": npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (10**12,), }")}, tree=module()),
        packed({}, {**ARRAYS, "w": npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }")}, tree=module()),
        packed({}, {**ARRAYS, "w": npy_header("__import__('os').abort()")}, tree=module()),
    ],
    ids=range(46),
)  # fmt: skip
def test_a_file_that_means_harm_is_refused(data, tmp_path):
    path = tmp_path / "net.npz"
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(FileError, match=r"net\.npz"):
            modnet.load(path)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000 + 20 * len(data)
    finally:
        tracemalloc.stop()


def test_a_compressed_file_is_refused_before_it_is_unpacked(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("modnet.json", b" " * 50_000_000)
        bomb.comment = b" " * archive._COMMENT_LENGTH
    tracemalloc.start()
    try:
        assert "is compressed" in refused(tmp_path / "bomb", signed(file.getvalue()))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_members_that_share_their_bytes_are_refused(tmp_path):
    """Many names for one block of the file would unpack to more than the file."""
    file, content = io.BytesIO(), npy(np.zeros(10_000))
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("a.npy", content)
        first = made.filelist[0]
        for i in range(50):
            again = zipfile.ZipInfo(f"a{i}.npy")
            again.CRC, again.file_size, again.compress_size = first.CRC, first.file_size, first.compress_size
            again.header_offset = first.header_offset
            made.filelist.append(again)
            made.NameToInfo[again.filename] = again
        made.writestr("modnet.json", "{}")
        made.comment = b" " * archive._COMMENT_LENGTH
    assert "larger than the file" in refused(tmp_path / "a", signed(file.getvalue()))


def test_a_file_that_is_too_large_is_not_read(whole, tmp_path):
    path = tmp_path / "net.npz"
    path.write_bytes(whole)
    with pytest.raises(FileError, match=f"has {len(whole)} bytes, expected at most 1000"):
        modnet.load(path, max_bytes=1000)
    assert modnet.load(path, max_bytes=len(whole)) is not None


def test_what_is_allocated_is_bounded_by_the_file(tmp_path):
    data = packed({}, {"w": npy(np.ones((2, 1)))}, tree=module(**{
        "class": "Embedding", "arguments": {"count": 2_000_000, "features": 100}, "arrays": {"weight": {"$array": "w"}},
    }))  # fmt: skip
    tracemalloc.start()
    try:
        assert "do not fit" in refused(tmp_path / "e", data)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
    assert Embedding(2, 1) is not None  # the bound has gone with the load


def test_numbers_that_are_not_finite_are_kept(tmp_path):
    net = Linear(2, 1, rng=0)
    net.weight[0] = np.nan
    modnet.save(net, tmp_path / "n")
    assert np.isnan(modnet.load(tmp_path / "n").weight[0, 0])
