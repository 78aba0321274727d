"""Registers of 32 bytes for every library, on a processor that has longer ones.

Each has a switch of its own but one: JAX's, `--xla_cpu_max_isa`, holds the code that XLA generates, not its products, which
come from YNNPACK's kernels, and those ask the processor (jaxlib 0.10: 240 Gflop/s with the switch, where AVX2 has a peak of
137). What they found is a word of memory. It is written here before the first product; where it cannot be found, JAX is not
compared.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

AVX2 = {
    "NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": "", "OPENBLAS_CORETYPE": "Haswell", "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR",
}  # fmt: skip
WHERE = "BENCHMARKS_YNNPACK"  # the variable that tells a worker where the word and the function that fills it are
_LIBRARY = "libjax_common.so"
_ASKED, _WORD = "ynn::get_supported_arch_flags()", "ynn::get_supported_arch_flags()::flags"
_UP_TO_AVX2 = 0b111_1111  # SSE2, SSSE3, SSE4.1, AVX, F16C, AVX2, FMA3; AVX-512 and AMX are the bits above


@functools.cache
def switches() -> dict[str, str]:
    """The environment in which all libraries that can be held to AVX2 are."""
    places = _places()
    return AVX2 | ({WHERE: ",".join(map(str, places))} if places else {})


def can_hold_jax() -> bool:
    return WHERE in switches()


def hold_jax() -> None:
    """In a worker, before its first product: JAX's kernels for products take this processor for one without AVX-512."""
    if WHERE not in os.environ:
        return
    asked, word = map(int, os.environ[WHERE].split(","))
    with open("/proc/self/maps") as maps:
        base = min(int(line.split("-")[0], 16) for line in maps if _LIBRARY in line)
    ask = ctypes.CFUNCTYPE(ctypes.c_uint64)(base + asked)
    flags = ctypes.c_uint64.from_address(base + word)
    assert ask() == flags.value, "JAX's kernels keep what they know of the processor elsewhere"
    flags.value &= _UP_TO_AVX2
    assert ask() == flags.value


def _places() -> tuple[int, int] | None:
    """Offsets of the function and of its word in JAX's library, by its table of symbols."""
    found = find_spec("jaxlib")
    if found is None or found.origin is None or shutil.which("nm") is None:
        return None
    library = Path(found.origin).with_name(_LIBRARY)
    if not library.exists():
        return None
    listed = subprocess.run(["nm", "-C", library], capture_output=True, text=True).stdout
    places = {name: int(place, 16) for place, _, name in (line.split(" ", 2) for line in listed.splitlines() if line[0] != " ")}
    return (places[_ASKED], places[_WORD]) if {_ASKED, _WORD} <= places.keys() else None
