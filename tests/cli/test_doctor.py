"""`doctor`: what it shows, and what it advises."""

import re

import numpy as np
import pytest
from command_lines import run

from modnet.cli import doctor
from modnet.kernels.cache import cache_folder


def test_doctor_shows_what_the_library_stands_on(capsys):
    import numba

    status, out, err = run(capsys, "doctor")
    assert (status, err) == (0, "")
    assert re.search(rf"^  numba +{re.escape(numba.__version__)}$", out, re.MULTILINE)
    assert re.search(rf"^  numpy +{re.escape(np.__version__)}$", out, re.MULTILINE)
    assert str(cache_folder()) in out
    for title in ("versions", "processor", "matrix products (BLAS)", "environment", "compiled kernels", "advice"):
        assert f"{title}\n  " in out


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("NUMBA_DISABLE_JIT", "1", "NUMBA_DISABLE_JIT is 1: kernels run as plain Python"),
        ("NUMBA_BOUNDSCHECK", "1", "NUMBA_BOUNDSCHECK is 1: every index"),
        ("NUMBA_OPT", "0", "NUMBA_OPT is 0: kernels are compiled with less optimisation"),
        ("OPENBLAS_L2_SIZE", "512", "OPENBLAS_L2_SIZE is 512: "),
        ("NUMBA_CACHE_DIR", "/x", "MODNET_CACHE_DIR does"),
    ],
)
def test_doctor_advises_on_the_environment(monkeypatch, name, value, words):
    monkeypatch.delenv(name, raising=False)
    before: list[str] = []
    assert name not in dict(doctor._environment(before))
    monkeypatch.setenv(name, value)
    advice: list[str] = []
    assert dict(doctor._environment(advice))[name] == value
    assert [words in line for line in advice if line not in before] == [True]


@pytest.mark.parametrize(("core", "width", "advised"), [
    ("Haswell", 512, True), ("Prescott", 256, True), ("SkylakeX", 512, False), ("Haswell", 256, False), ("ARMV8", 128, False),
])  # fmt: skip
def test_doctor_advises_where_openblas_runs_code_for_an_older_core(monkeypatch, core, width, advised):
    monkeypatch.setattr(doctor, "vector_bits", lambda: width)
    monkeypatch.setenv("OPENBLAS_CORETYPE", core)
    advice: list[str] = []
    doctor._advise_core(core, advice)
    assert [f"because OPENBLAS_CORETYPE is {core}: unset it" in line for line in advice] == [True] * advised


def test_doctor_says_what_state_the_cache_is_in(monkeypatch, tmp_path):
    folder = tmp_path / "aa-py311-numba1-x"
    monkeypatch.setattr(doctor, "cache_folder", lambda: folder)
    monkeypatch.setattr(doctor, "JIT_DISABLED", False)
    advice: list[str] = []
    assert dict(doctor._cache(advice))["state"] == "0 kernels, 0.0 MB, writable"
    assert advice[0].startswith("no kernel is compiled yet")

    other = tmp_path / "bb-py311-numba1-x"
    for place, count in ((folder, 1), (other, 3)):
        place.mkdir()
        for i in range(count):
            (place / f"k{i}.kernel").write_bytes(b"0" * 500_000)
    advice = []
    rows = dict(doctor._cache(advice))
    assert rows["state"] == "1 kernel, 0.5 MB, writable"
    assert rows["other versions"] == "1 folder, 3 kernels, 1.5 MB"
    assert advice == []

    monkeypatch.setattr(doctor, "cache_folder", lambda: None)
    doctor._cache(advice)
    assert advice[0].startswith("no folder can be had for compiled kernels")
