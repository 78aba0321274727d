"""Saving where it cannot work, and being killed while it does: what was there stays whole, and nothing is left over."""

import errno
import os
import random
import re
import signal
import subprocess
import time
import warnings

import numpy as np
import pytest
from helpers import message

import modnet
from modnet import MSE, Linear, Sequential, fit
from modnet.optim import Adam
from modnet.persistence import archive

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")


def net(value, features=2000):
    """A network of one number, large enough that writing it takes a while."""
    found = Linear(features, 8, rng=0)
    found.parameters[:] = value
    return found


def forked(work):
    """The process id of a child that does some work and ends without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of BLAS, which the child does not use
        child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def kills():
    """How many processes are killed: MODNET_KILLS, 25 by default."""
    return int(os.environ.get("MODNET_KILLS", "25"))


@posix
def test_kills_while_saving_lose_nothing(tmp_path):
    path, rng = tmp_path / "net.npz", random.Random(0)
    modnet.save(net(0.0), path)

    def save_for_ever(k):
        for i in range(1_000_000):
            modnet.save(net(float(1000 * k + i % 1000)), path)

    for k in range(1, kills() + 1):
        before = path.stat().st_ino
        child = forked(lambda k=k: save_for_ever(k))
        while path.stat().st_ino == before:  # until it has saved once: it then does so again and again
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        parameters = modnet.load(path).parameters
        assert (parameters == parameters[0]).all()
        assert parameters[0] // 1000 == k
    assert list(tmp_path.glob("*.tmp"))  # what was being written when its process was killed


@posix
def test_two_processes_that_save_to_one_path(tmp_path):
    path = tmp_path / "net.npz"
    modnet.save(net(0.0), path)

    def save(value):
        for _ in range(8):
            modnet.save(net(value), path)

    children = [forked(lambda value=value: save(value)) for value in (1.0, 2.0)]
    seen, ends = set(), []
    while len(ends) < 2:
        parameters = modnet.load(path).parameters
        assert (parameters == parameters[0]).all()
        seen.add(float(parameters[0]))
        ends += [child for child in children if child not in ends and os.waitpid(child, os.WNOHANG)[0]]
    assert seen <= {0.0, 1.0, 2.0}
    assert modnet.load(path).parameters[0] in (1.0, 2.0)
    assert [p.name for p in tmp_path.iterdir()] == ["net.npz"]


@posix
def test_a_disk_that_is_full(tmp_path):
    """A limit on the size of files stands for it: the system refuses to write on in the same way."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "net.npz"
    modnet.save(net(1.0), path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"[Ff]ile too large"):
            modnet.save(net(2.0), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["net.npz"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_write_that_fails_at_the_end(failing, tmp_path, monkeypatch):
    path = tmp_path / "net.npz"
    modnet.save(net(1.0), path)
    before = path.read_bytes()

    def fail(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(OSError, match="No space left"):
        modnet.save(net(2.0), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["net.npz"]


class Full:
    """A file that takes so many bytes and then says that the disk is full."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.file.close()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.99, 0.999, 1.0])
def test_a_disk_that_is_full_after_so_many_bytes(share, tmp_path, monkeypatch):
    path, real = tmp_path / "net.npz", os.fdopen
    modnet.save(net(1.0), path)
    before = path.read_bytes()
    room = int(share * len(before))  # the checksum at the end is written twice, so all of it is too little
    monkeypatch.setattr(os, "fdopen", lambda *given: Full(real(*given), room))
    with pytest.raises(OSError, match="No space left"):
        modnet.save(net(2.0), path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["net.npz"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount a disk")
def test_a_disk_that_is_really_full(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "none", disk], capture_output=True, check=False).returncode:
        pytest.skip("this system mounts no disk here")
    try:
        modnet.save(net(1.0), disk / "net.npz")
        before = (disk / "net.npz").read_bytes()
        with pytest.raises(OSError, match="No space left"):  # there is no room for two
            modnet.save(net(2.0), disk / "net.npz")
        assert (disk / "net.npz").read_bytes() == before
        assert [p.name for p in disk.iterdir()] == ["net.npz"]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_folder_that_cannot_be_written_to(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    places = [tmp_path / "none" / "net", tmp_path]
    if not os.access(folder, os.W_OK):  # root may write anywhere
        places.append(folder / "net")
    if os.path.isdir("/proc/self"):
        places.append("/proc/net.npz")
    for path in places:
        with pytest.raises(OSError, match=rf"{re.escape(str(path))}('$| is a folder)"):
            modnet.save(net(1.0), path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["closed"]


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_a_link_is_followed_and_the_mode_of_the_file_stays(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    modnet.save(net(1.0), target)
    target.chmod(0o640)
    link.symlink_to(target)
    modnet.save(net(2.0), link)
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert modnet.load(target).parameters[0] == 2.0


def test_a_checkpoint_that_cannot_be_written_ends_fit_and_leaves_the_network_whole(tmp_path, monkeypatch):
    X, y = np.ones((8, 2)), np.ones((8, 1))
    small = Sequential(Linear(2, 1, rng=0))
    real, count = archive.write, []

    def write(*arguments):
        count.append(1)
        if len(count) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(*arguments)

    monkeypatch.setattr(archive, "write", write)
    with pytest.raises(OSError, match="No space left"):
        fit(small, X, y, MSE(), Adam(0.1), epochs=9, checkpoint=tmp_path / "c", progress=False)
    assert np.isfinite(small.parameters).all()
    monkeypatch.undo()
    history = fit(Sequential(Linear(2, 1, rng=5)), X, y, MSE(), Adam(0.1), epochs=9, checkpoint=tmp_path / "c", resume=True,
                  progress=False)  # fmt: skip
    assert history.epochs == 9


def test_a_path_is_the_name_of_a_file(tmp_path):
    assert message(TypeError, fit, net(1.0), [[1.0]], [[1.0]], MSE(), Adam(), checkpoint=b"x").startswith("fit: checkpoint is b'x'")
    modnet.save(net(1.0, 2), os.fsencode(tmp_path / "bytes"))
    assert modnet.load(str(tmp_path / "bytes")).parameters.size == 24
