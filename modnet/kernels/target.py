"""The processor that machine code is made for: this one, or the one that numba is told of by NUMBA_CPU_NAME."""

from __future__ import annotations

import os
import platform
from functools import cache

import llvmlite.binding

#: Families of x86 processors that numba may be told to make code for, by their common levels.
_FAMILIES = {
    "x86-64-v4": (
        "x86-64-v4", "skylake-avx512", "cascadelake", "cooperlake", "icelake-client", "icelake-server", "tigerlake",
        "rocketlake", "sapphirerapids", "emeraldrapids", "graniterapids", "znver4", "znver5",
    ),
    "x86-64-v3": ("x86-64-v3", "haswell", "broadwell", "skylake", "alderlake", "znver1", "znver2", "znver3"),
}  # fmt: skip

#: What a processor of a level has, as LLVM calls it; the higher level also has all of the lower one.
_HAS = {
    "x86-64-v3": ("avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"),
    "x86-64-v4": ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
}


def _named() -> str:
    return os.environ.get("NUMBA_CPU_NAME", "")


@cache
def is_wide() -> bool:
    """Whether code may use vector registers of 64 bytes."""
    features = os.environ.get("NUMBA_CPU_FEATURES")
    if features is None:
        return bool(llvmlite.binding.get_host_cpu_features().get("avx512f", False))
    chosen = [part.strip() for part in features.split(",")]
    return "-avx512f" not in chosen and ("+avx512f" in chosen or _named() in _FAMILIES["x86-64-v4"])


@cache
def levels() -> tuple[str, ...]:
    """The levels whose code is to be run here, the best first; none if numba is told of a processor that has no level."""
    name = _named()
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return () if name else ("generic",)
    best = next((level for level, names in _FAMILIES.items() if name in names), "") if name else _level_of_host()
    return {"x86-64-v4": ("x86-64-v4", "x86-64-v3"), "x86-64-v3": ("x86-64-v3",)}.get(best, ())


def _level_of_host() -> str:
    has, best = llvmlite.binding.get_host_cpu_features(), ""
    for level, names in _HAS.items():
        if not all(has.get(name, False) for name in names):
            break
        best = level
    return best


#: Whether registers have 64 bytes; and whether they have 32 or more, with instructions that take some of their lanes.
WIDE = is_wide()
MASKED = WIDE or any(level.startswith("x86-64") for level in levels())
