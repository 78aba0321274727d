"""``python -m modnet doctor``: what the library stands on, for people whose program is slow."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path

import modnet
from modnet.kernels import shipped
from modnet.kernels.cache import cache_folder
from modnet.kernels.jit import JIT_DISABLED

_PACKAGES = ("numpy", "numba", "llvmlite", "scipy", "scikit-learn", "threadpoolctl", "matplotlib", "tqdm")
_PREFIXES = ("OPENBLAS_", "GOTO_", "MKL_", "BLIS_", "VECLIB_", "OMP_", "NUMBA_", "MODNET_", "KMP_")

# Bits of a vector in OpenBLAS's code for a family of x86 processors, from its list of targets. Others are not x86.
_CORE_BITS = {
    **dict.fromkeys(("prescott", "core2", "penryn", "dunnington", "nehalem", "athlon", "opteron", "opteron_sse3"), 128),
    **dict.fromkeys(("barcelona", "bobcat", "atom", "nano", "katmai", "coppermine", "northwood", "banias"), 128),
    **dict.fromkeys(("sandybridge", "bulldozer", "piledriver", "steamroller", "excavator", "haswell", "zen"), 256),
    **dict.fromkeys(("skylakex", "cooperlake", "sapphirerapids"), 512),
}


def doctor(options: argparse.Namespace) -> int:
    """Print versions, processor, BLAS, threads, environment and the kernel cache, then advice.

    Returns
    -------
    int
        0, whatever there is to say.
    """
    advice: list[str] = []
    environment = _environment(advice)  # first: libraries imported below set variables of their own
    for title, rows in (
        ("versions", _versions()),
        ("processor", _processor()),
        ("matrix products (BLAS)", _blas(advice)),
        ("environment", environment),
        ("compiled kernels", _cache(advice)),
    ):
        print(title)
        wide = max((len(name) for name, _ in rows), default=0)
        for name, value in rows:
            print(f"  {name.ljust(wide)}  {value}")
        print()
    print("advice")
    print("\n".join(f"  - {line}" for line in advice or ["nothing to change"]))
    return 0


def _versions() -> list[tuple[str, str]]:
    rows = [
        ("python", f"{platform.python_version()} ({platform.python_implementation()}, {platform.platform(terse=True)})"),
        ("modnet", f"{modnet.__version__} in {Path(modnet.__file__).parent}"),
    ]
    for name in _PACKAGES:
        try:
            rows.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            rows.append((name, "not installed"))
    return rows


def _processor() -> list[tuple[str, str]]:
    import llvmlite.binding

    bits = vector_bits()
    lanes = f"{bits} bits: {bits // 32} float32 or {bits // 64} float64 at once" if bits else "unknown"
    cores = f"{usable_cpus()} of {os.cpu_count()} may be used"
    return [("name", _cpu_name()), ("LLVM's name", llvmlite.binding.get_host_cpu_name()), ("vectors", lanes), ("cores", cores)]


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine() or "unknown"


def vector_bits() -> int:
    """Return the width of the processor's vectors in bits, 0 if it is not known."""
    import llvmlite.binding

    has = llvmlite.binding.get_host_cpu_features()
    for bits, names in ((512, ("avx512f",)), (256, ("avx",)), (128, ("sse2", "neon", "asimd", "vsx"))):
        if any(has.get(name, False) for name in names):
            return bits
    return 0


def usable_cpus() -> int:
    """Return how many processors this process may use, by its affinity and, in a container, by its share of time."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        count = min(count, max(1, round(int(quota) / int(period))))  # "max" is no number: no limit
    return count


def _blas(advice: list[str]) -> list[tuple[str, str]]:
    import scipy.linalg  # noqa: F401  numpy and SciPy may each have a BLAS of their own
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    rows, cores, most = [], set(), 0
    for found in threadpool_info():
        if found["user_api"] == "blas":
            path = Path(found["filepath"])
            whose = "numpy's" if "numpy" in path.parent.name else "SciPy's" if "scipy" in path.parent.name else "shared"
            core, threads = found.get("architecture", ""), found["num_threads"]
            parts = [f"{found['internal_api']} {found['version'] or ''}".strip(), *[f"for {core}"] * bool(core)]
            rows.append((whose, ", ".join([*parts, f"{threads} thread{'s' * (threads > 1)}", f"in {path}"])))
            cores.add(core)
            most = max(most, threads)
    for core in sorted(cores):
        _advise_core(core, advice)
    if most > usable_cpus():
        advice.append(
            f"BLAS uses {most} threads but only {usable_cpus()} processors may be used, so threads wait for each other: "
            f"set OPENBLAS_NUM_THREADS={usable_cpus()} (MKL_NUM_THREADS for MKL), or less"
        )
    return rows or [("none", "that threadpoolctl knows; on a Mac it is Apple's Accelerate")]


def _advise_core(core: str, advice: list[str]) -> None:
    bits, width = _CORE_BITS.get(core.lower(), 0), vector_bits()
    if bits and bits < width:
        forced = os.environ.get("OPENBLAS_CORETYPE")
        cause = f"because OPENBLAS_CORETYPE is {forced}: unset it" if forced else "as it does not know this one: update SciPy"
        advice.append(
            f"OpenBLAS runs its code for {core}, with vectors of {bits} bits although the processor has {width}, {cause}; "
            f"matrix products take up to {width // bits} times as long"
        )


def _environment(advice: list[str]) -> list[tuple[str, str]]:
    found = {name: value for name, value in sorted(os.environ.items()) if name.startswith(_PREFIXES)}
    for name, harmless, consequence in (
        ("NUMBA_DISABLE_JIT", ("", "0"), "kernels run as plain Python, a hundred times as slow or more"),
        ("NUMBA_BOUNDSCHECK", ("", "0"), "every index of an array is checked, which makes loops slower"),
        ("NUMBA_OPT", ("", "3", "max"), "kernels are compiled with less optimisation"),
        ("NUMBA_ENABLE_AVX", ("", "1"), "kernels are compiled without wide vectors"),
        ("NUMBA_CPU_NAME", ("",), "kernels are compiled for the processor of that name"),
        ("NUMBA_DEBUG", ("", "0"), "numba prints its inner life"),
        ("OPENBLAS_L2_SIZE", ("",), "OpenBLAS cuts matrices for a second-level cache of that many kB, not for this one"),
    ):
        if found.get(name, harmless[0]) not in harmless:
            advice.append(f"{name} is {found[name]}: {consequence}; unset it")
    if "NUMBA_CACHE_DIR" in found:
        advice.append("NUMBA_CACHE_DIR does not move modnet's kernels: MODNET_CACHE_DIR does")
    return list(found.items()) or [("nothing", f"that begins with {', '.join(_PREFIXES)}")]


def _shipped() -> tuple[str, str]:
    """Whether kernels come as machine code with the installation, and for which processors."""
    found = shipped.bundle()
    if found is None:
        return "with modnet", f"not used: {shipped.why_not()}"
    return "with modnet", f"{len(found.objects)} pieces of machine code for {found.level}, which need no compiler"


def _cache(advice: list[str]) -> list[tuple[str, str]]:
    folder = cache_folder()
    if folder is None:
        advice.append("no folder can be had for compiled kernels, so each process compiles anew: set MODNET_CACHE_DIR to one")
        return [_shipped(), ("folder", "none can be had")]
    place = next((p for p in (folder, *folder.parents) if p.exists()), folder)
    writable = os.access(place, os.W_OK)
    count, size = count_kernels([folder])
    rows = [
        _shipped(),
        ("folder", str(folder)),
        ("state", f"{count} kernel{'s' * (count != 1)}, {_megabytes(size)}, {'writable' if writable else 'not writable'}"),
    ]
    others = []
    with contextlib.suppress(OSError):
        others = [p for p in folder.parent.iterdir() if p != folder and p.is_dir() and "-numba" in p.name]
    if others:
        old, weight = count_kernels(others)
        rows.append(("other versions", f"{len(others)} folder{'s' * (len(others) > 1)}, {old} kernels, {_megabytes(weight)}"))
        if weight > 200e6:
            advice.append(f"kernels of other versions take {_megabytes(weight)}: {folder.parent} may be deleted at any time")
    if JIT_DISABLED:
        return rows
    if not writable:
        advice.append(f"{place} is not writable, so each process compiles what is not there: set MODNET_CACHE_DIR to another")
    elif not count and shipped.bundle() is None:
        advice.append("no kernel is compiled yet: each will be at its first use, or all now by python -m modnet warmup")
    return rows


def count_kernels(folders: Iterable[Path]) -> tuple[int, int]:
    """How many kernels folders hold, and their bytes."""
    sizes = []
    for folder in folders:
        with contextlib.suppress(OSError):
            sizes += [file.stat().st_size for file in folder.glob("*.kernel")]
    return len(sizes), sum(sizes)


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB"
