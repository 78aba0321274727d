"""Processes of `worker.py`, the machine that they run on, and tables of what they found."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import registers
import tasks

HERE = Path(__file__).parent
TURN = 0.4  # seconds of a turn, at least
VARIES = 0.2  # from the best to the median of the turns: beyond it, a figure is marked
Figures = dict[str, Any]

_switches: dict[str, str] = {}


def use_avx2() -> None:
    """From now on, every process takes registers of 32 bytes."""
    _switches.update(registers.switches())


def environment(threads: int, cache: Path | str | None = None) -> dict[str, str]:
    """The children's environment: so many threads for each library, or its own choice if 0; a cache of kernels."""
    left_out = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONDONTWRITEBYTECODE")
    found = {k: v for k, v in os.environ.items() if k not in left_out} | _switches
    if cache is not None:
        found["MODNET_CACHE_DIR"] = str(cache)
    if threads == 0:
        return found | {"JAX_PLATFORMS": "cpu"}
    number = str(threads)
    found |= {name: number for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}
    # XLA's pool of threads has NPROC threads; Eigen's products are to use none of them where there is one.
    found |= {"NPROC": number, "JAX_PLATFORMS": "cpu"}
    if threads == 1:
        found["XLA_FLAGS"] = f"{found.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false".strip()
    return found


class Worker:
    """A process of `worker.py`."""

    def __init__(self, action: str, env: dict[str, str], **arguments: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, HERE / "worker.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )
        self.born = self.ask(action, **arguments)

    def ask(self, action: str, **arguments: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": action, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"benchmarks: a worker ended in {action} {arguments}; its message stands above")
        return json.loads(line)

    def close(self) -> None:
        self.process.communicate()


def available(names: Iterable[str]) -> list[str]:
    """The contestants whose library is installed here."""
    from importlib.util import find_spec

    needs = {"PyTorch": "torch", "JAX": "optax", "scikit-learn": "sklearn", "torch.compile": "torch"}
    found = []
    for name in names:
        if name in needs and find_spec(needs[name]) is None:
            print(f"left out: {name}, which is not installed ({needs[name]})")
        elif name == "JAX" and _switches and not registers.can_hold_jax():
            print("left out: JAX, whose products cannot be held to AVX2 here")
        else:
            found.append(name)
    return found


def files_of(task: tasks.Task, folder: Path, dtype: str = "float32") -> dict[str, Any]:
    """The task's arrays in files, for the workers, who compute in their type."""
    X, y = (array.astype(dtype) if array.dtype.kind == "f" else array for array in tasks.data(task))
    paths = {"task": task.name, "X": str(folder / "X.npy"), "y": str(folder / "y.npy"), "first": []}
    np.save(paths["X"], X)
    np.save(paths["y"], y)
    for i, array in enumerate(tasks.first_parameters(task)):
        paths["first"].append(str(folder / f"p{i}.npy"))
        np.save(paths["first"][-1], array.astype(dtype))
    return paths


# --- printing --------------------------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns, the first to the left, the others to the right."""
    wide = [max(len(row[c]) for row in (head, *rows)) for c in range(len(head))]
    for row in (head, ["-" * w for w in wide], *rows):
        print("  ".join(cell.rjust(w) if c else cell.ljust(w) for c, (cell, w) in enumerate(zip(row, wide))).rstrip())
    print()


def title(text: str) -> None:
    print(f"{text}\n{'=' * len(text)}", flush=True)


def in_microseconds(seconds: float) -> str:
    value = seconds * 1e6
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"


# --- the machine -----------------------------------------------------------------------------------------------------


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def show_machine(names: list[str], env: dict[str, str], threads: int) -> Figures:
    import llvmlite.binding

    features = llvmlite.binding.get_host_cpu_features()
    vectors = [name for name in ("avx512f", "avx2", "avx", "neon", "sve") if features.get(name)]
    found: Figures = {
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "processor": f"{processor()} ({llvmlite.binding.get_host_cpu_name()}), {os.cpu_count()} cores, {' '.join(vectors)}",
        "load": "{:.1f} {:.1f} {:.1f}".format(*os.getloadavg()) if hasattr(os, "getloadavg") else "unknown",
        "threads": threads,
        "day": f"{date.today():%d %B %Y}".lstrip("0"),
        "libraries": {},
    }
    title("Machine")
    for name in ("system", "processor", "load", "threads"):
        print(f"{name:10} {found[name]}")
    for name in names:
        if name in ("modnet loop", "torch.compile"):
            continue
        worker = Worker("trainer", env, name=name)
        about = worker.ask("machine")
        worker.close()
        versions = ", ".join(f"{library} {version}" for library, version in about["versions"].items())
        pools = ", ".join(
            f"{pool['library']} {pool['version'] or ''} {pool['core'] or ''} ({pool['threads']})".replace("  ", " ")
            for pool in about["pools"]
        )
        print(f"{name:13} {versions}; {pools or 'no BLAS found'}")
        found["libraries"][name] = about
    print()
    return found
