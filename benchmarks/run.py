"""modnet against PyTorch, JAX and scikit-learn, on the same work in the same run: `make bench`.

    python benchmarks/run.py                       everything
    python benchmarks/run.py --short               everything, two turns each
    python benchmarks/run.py --only training --rounds 15 --figure steps.svg
    python benchmarks/run.py --only training --task toy16 --json figures.json

Contestants take turns, A B C A B C ..., so that what else the machine does falls on all of them; a figure is the median of the
turns, a ratio that of two medians. Before anything is timed, all have to show that they learn the same: the same parameters,
to float32, from the same first ones on the same batches; and after, that the training that was timed has learnt as much.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tasks
from contestants import CONTESTANTS, ON_REQUEST

HERE = Path(__file__).parent
SECTIONS = ("training", "parts", "calls", "prediction", "backward", "first-fit", "script", "start", "modules")
TURN = 0.4  # seconds of a turn, at least
VARIES = 0.2  # from the best to the median of the turns: beyond it, a figure is marked
Figures = dict[str, Any]


#: What makes each library take registers of 32 bytes on a processor that has longer ones.
AVX2 = {
    "NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": "", "OPENBLAS_CORETYPE": "Haswell", "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR",
}  # fmt: skip
_narrow = False  # --avx2


def environment(threads: int, cache: Path | str | None = None) -> dict[str, str]:
    """The children's environment: so many threads for each library, or its own choice if 0; a cache of kernels."""
    left_out = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONDONTWRITEBYTECODE")
    found = {k: v for k, v in os.environ.items() if k not in left_out} | (AVX2 if _narrow else {})
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
        else:
            found.append(name)
    return found


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


# --- training --------------------------------------------------------------------------------------------------------


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


def unpacked(task: tasks.Task, flat: np.ndarray) -> list[np.ndarray]:
    found, at = [], 0
    for p in tasks.first_parameters(task):
        found.append(flat[at : at + p.size].reshape(p.shape))
        at += p.size
    return found


def check_learning(task: tasks.Task, workers: dict[str, Worker], folder: Path) -> Figures:
    """Loss curves of all on the same batches. They end the run where they differ by more than float32 explains."""
    epochs = min(task.epochs, 3)
    np.save(folder / "orders.npy", tasks.orders(task, epochs))
    X, y = tasks.data(task)
    curves: dict[str, list[float]] = {}
    last: dict[str, np.ndarray] = {}
    for name, worker in workers.items():
        path = folder / "followed.npy"
        if worker.ask("follow", orders=str(folder / "orders.npy"), path=str(path)):
            steps = np.load(path)
            curves[name] = [tasks.mean_loss(task, unpacked(task, flat), X, y) for flat in steps]
            last[name] = steps[-1]
    start = tasks.mean_loss(task, tasks.first_parameters(task), X, y)
    apart = max(abs(a - b) / b for curve in curves.values() for a, b in zip(curve, curves["modnet fit"]))
    moved = np.concatenate([p.reshape(-1) for p in tasks.first_parameters(task)]) - last["modnet fit"]
    distance = max(float(np.linalg.norm(flat - last["modnet fit"]) / np.linalg.norm(moved)) for flat in last.values())
    print(
        f"the same batches: loss {start:.4f}, then "
        + ", ".join(f"{value:.4f}" for value in curves["modnet fit"])
        + f"; all within {apart:.0e} in loss, and within {distance:.0e} of the way in parameters"
    )
    if apart > 1e-3 or distance > 1e-2:
        raise SystemExit(f"benchmarks: the contestants do not learn the same: {curves}")
    return {"start": start, "curves": curves, "apart": apart, "distance": distance}


def check_result(task: tasks.Task, name: str, start: float, loss: float, reference: float) -> None:
    """What was timed has learnt as much as modnet did in as many epochs of its own batches."""
    gained, expected = start - loss, start - reference
    if not gained > 0.5 * expected:
        raise SystemExit(f"benchmarks: {name} went from a loss of {start:.4f} to {loss:.4f}, modnet to {reference:.4f}")


def training(
    everybody: list[str], chosen: Sequence[str], rounds: int, env: dict[str, str], threads: int, dtype: str
) -> Figures:
    how = {0: "threads as each library chooses", 1: "one thread"}.get(threads, f"{threads} threads")
    title(f"Training: {how}, {dtype}, a new random order each epoch")
    found: Figures = {}
    summary = []
    for task_name in chosen:
        task = tasks.TASKS[task_name]
        print(f"{task.name}: {task}", flush=True)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            paths = files_of(task, folder, dtype)
            workers, begun, variants = {}, {}, {}
            for name in everybody:
                worker = Worker("trainer", env, name=name)
                if not worker.ask("load", **paths):
                    worker.close()
                    continue
                workers[name] = worker
                begun[name] = worker.ask("first")
            names = list(workers)
            learning = check_learning(task, workers, folder)
            for name, worker in workers.items():
                variants[name] = worker.ask("choose")
            turns: dict[str, list[Figures]] = {name: [] for name in names}
            for _ in range(rounds):
                for name, worker in workers.items():
                    turns[name].append(worker.ask("turn", seconds=TURN, path=str(folder / f"{name}.npy")))
            X, y = tasks.data(task)
            ends = {
                name: tasks.mean_loss(task, unpacked(task, np.load(folder / f"{name}.npy")), X, y) for name in names
            }
            for worker in workers.values():
                worker.close()
        for name in names:
            check_result(task, name, learning["start"], ends[name], ends["modnet fit"])
        found[task_name] = training_table(task, names, turns, begun, variants, ends) | {"learning": learning}
        summary.append(summarise(task, names, turns))
    head = ["| task | modnet, us | best of the others, us | ratio of medians |", "|---|---|---|---|"]
    print("\n".join([*head, *summary, ""]))
    return found


def summarise(task: tasks.Task, names: list[str], turns: dict[str, list[Figures]]) -> str:
    """The line of a task in Markdown. A figure whose turns vary is marked."""
    wall = {name: median(turn["wall"] for turn in turns[name]) for name in names}
    best = {name: min(turn["wall"] for turn in turns[name]) for name in names}
    marks = {name: " (varies)" if wall[name] > (1 + VARIES) * best[name] else "" for name in names}
    others = [name for name in names if not name.startswith("modnet")]
    ours = f"{in_microseconds(wall['modnet fit'])}{marks['modnet fit']}"
    if not others:
        return f"| {task.name} | {ours} | | |"
    first = min(others, key=lambda name: wall[name])
    ratio = times(wall[first] / wall["modnet fit"])
    return f"| {task.name} | {ours} | {first} {in_microseconds(wall[first])}{marks[first]} | {ratio} |"


def training_table(
    task: tasks.Task,
    names: list[str],
    turns: dict[str, list[Figures]],
    begun: dict[str, Figures],
    variants: dict[str, str],
    ends: dict[str, float],
) -> Figures:
    wall = {name: median(turn["wall"] for turn in turns[name]) for name in names}
    cpu = {name: median(turn["cpu"] for turn in turns[name]) for name in names}
    base = wall["modnet fit"]
    rows = []
    for name in names:
        spread = sorted(turn["wall"] for turn in turns[name])
        rows.append(
            [
                f"{name} ({variants[name]})" if variants[name] else name,
                f"{1 / wall[name]:,.0f}",
                in_microseconds(wall[name]),
                f"{in_microseconds(spread[0])} to {in_microseconds(spread[-1])}",
                in_microseconds(cpu[name]),
                times(wall[name] / base),
                times(cpu[name] / cpu["modnet fit"]),
                times(wall["PyTorch"] / wall[name]) if "PyTorch" in wall else "",
                f"{begun[name]['first'] - begun[name]['second']:.2f}",
                f"{ends[name]:.4f}",
            ]
        )
    table(
        ["", "steps/s", "us/step", "range", "cpu us", "x fit", "cpu x fit", "PyTorch/it", "first call s", "end loss"], rows
    )
    return {
        name: {
            "wall": wall[name], "cpu": cpu[name], "turns": turns[name], "variant": variants[name],
            "first": begun[name], "loss": ends[name],
        }
        for name in names
    }  # fmt: skip


def draw(training_figures: Figures, machine: Figures, file: Path) -> None:
    """The times of a step, each library's beside modnet's: how many times as long, on a scale of powers."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    listed = [task for task in training_figures if len(training_figures[task]) > 2]
    names = [name for name in CONTESTANTS if any(name in training_figures[task] for task in listed)]
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.9 * len(listed)), layout="constrained")
    high = 0.8 / len(names)
    for k, name in enumerate(names):
        base = [training_figures[task]["modnet fit"]["wall"] for task in listed]
        wall = [training_figures[task].get(name, {}).get("wall", float("nan")) for task in listed]
        places = [row + (k - (len(names) - 1) / 2) * high for row in range(len(listed))]
        bars = axes.barh(places, [value / own for value, own in zip(wall, base)], high, label=name)
        axes.bar_label(bars, ["" if value != value else f" {in_microseconds(value)} us" for value in wall], fontsize=7)
    axes.set_yticks(range(len(listed)), listed)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    threads = machine["threads"] or "default"
    axes.set_xlabel(f"time of a training step, modnet.fit = 1; threads: {threads}\n{machine['processor']}")
    axes.margins(x=0.15)
    axes.legend(fontsize=8)
    figure.savefig(file, dpi=150)
    plt.close(figure)


# --- prediction, and backward alone ----------------------------------------------------------------------------------


def alone(
    everybody: list[str], chosen: Sequence[str], part: str, sizes: Sequence[int], rounds: int, env: dict[str, str], dtype: str
) -> Figures:
    """A part of the work on the tasks' networks, for batches of these sizes, 0 for the task's own."""
    found: Figures = {}
    rows = []
    workers = {name: Worker("trainer", env, name=name) for name in everybody if name != "modnet loop"}
    for task_name in chosen:
        task = tasks.TASKS[task_name]
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            paths = files_of(task, folder, dtype)
            X = np.load(paths["X"])
            taking = [name for name, worker in workers.items() if worker.ask("load", **paths)]
            for size in sizes:
                count = size or task.batch
                there = {what: str(folder / f"{what}.npy") for what in ("X", "delta", "path")}
                np.save(there["X"], np.resize(X, (count, *X.shape[1:])))
                np.save(there["delta"], np.random.default_rng(4).normal(size=(count, task.outputs)).astype(dtype) / count)
                turns: dict[str, list[float]] = {}
                gave: dict[str, np.ndarray] = {}
                for name in taking:
                    if workers[name].ask("alone", part=part, **there):
                        turns[name], gave[name] = [], np.load(there["path"])
                check_alike(task, {name: array for name, array in gave.items() if name != "scikit-learn"})
                for turn in range(rounds + 1):  # the first warms up
                    for name in turns:
                        seconds = workers[name].ask("time_alone", seconds=TURN / 4)
                        if turn:
                            turns[name].append(seconds)
                figures = {name: median(times) for name, times in turns.items()}
                best = {name: min(times) for name, times in turns.items()}
                found[f"{task_name}, {count}"] = {name: {"median": figures[name], "best": best[name]} for name in figures}
                ours = figures["modnet fit"]
                fastest = min((value for name, value in figures.items() if name != "modnet fit"), default=None)
                rows.append(
                    [
                        task_name, str(count),
                        *(in_microseconds(figures[name]) + ("*" if figures[name] > (1 + VARIES) * best[name] else "")
                          if name in figures else "" for name in workers),
                        times(fastest / ours) if fastest else "",
                    ]
                )  # fmt: skip
    for worker in workers.values():
        worker.close()
    names = ["modnet" if name == "modnet fit" else name for name in workers]
    table(["network", "rows", *names, "best other / modnet"], rows)
    print("* the median is more than a fifth above the best\n")
    return found


def check_alike(task: tasks.Task, gave: dict[str, np.ndarray]) -> None:
    """All give the same numbers, but for rounding, which puts a few on the other side of a kink: 3e-3 of the norm."""
    ours = gave["modnet fit"]
    for name, array in gave.items():
        apart = float(np.linalg.norm(array - ours) / np.linalg.norm(ours))
        if apart > 1e-2:
            raise SystemExit(f"benchmarks: {task.name}: {name} and modnet are {apart:.0e} apart, expected less than 1e-02")


# --- the first fit ---------------------------------------------------------------------------------------------------


def first_fit(names: list[str], rounds: int, threads: int) -> Figures:
    title("First fit: seconds from building the network to the end of its first epoch, and of its second")
    for name, task in tasks.FIRST.items():
        print(f"{name}: {task}")
    with tempfile.TemporaryDirectory() as scratch:
        warm = Path(scratch) / "warm"
        plans = [(name, f"{name}, {state} cache" if name == "modnet fit" else name, state)
                 for name in names if name in ("modnet fit", "PyTorch", "JAX")
                 for state in (("warm", "empty") if name == "modnet fit" else ("",))]  # fmt: skip
        found: dict[str, list[Figures]] = {label: [] for _, label, _ in plans}
        paths = {}
        for name, task in tasks.FIRST.items():
            folder = Path(scratch) / name
            folder.mkdir()
            paths[name] = files_of(task, folder)
        for turn in range(rounds + 1):  # the first fills the cache
            for name, label, state in plans:
                if (turn == 0 and state != "warm") or (state == "empty" and turn > 3):
                    continue
                cache = Path(scratch) / f"empty{turn}" if state == "empty" else warm
                worker = Worker("trainer", environment(threads, cache), name=name)
                seconds = {"import": worker.born}
                for task_name in tasks.FIRST:
                    worker.ask("load", **paths[task_name])
                    begun = worker.ask("first")
                    seconds |= {task_name: begun["first"], f"{task_name} again": begun["second"]}
                worker.close()
                if turn:
                    found[label].append(seconds)
    figures = {label: {key: median(turn[key] for turn in turns) for key in turns[0]} for label, turns in found.items()}
    rows = [[label, *(f"{value:.4f}" for value in row.values())] for label, row in figures.items()]
    table(["", *next(iter(figures.values()))], rows)
    return figures


# --- a whole script --------------------------------------------------------------------------------------------------


def run_process(command: Sequence[Any], env: dict[str, str]) -> tuple[float, float, str]:
    """Wall and CPU seconds of Python with these arguments, and the last line that it printed."""
    started, before = time.perf_counter(), os.times()
    done = subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True)
    wall, after = time.perf_counter() - started, os.times()
    if done.returncode:
        raise SystemExit(f"benchmarks: {' '.join(map(str, command))} failed:\n{done.stdout[-500:]}{done.stderr}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu, done.stdout.strip().splitlines()[-1]


def script(names: list[str], rounds: int, threads: int) -> Figures:
    title("A whole script: import, XOR, 2-8-1 tanh, 2000 Adam steps, print")
    with tempfile.TemporaryDirectory() as scratch:
        plans = {"modnet, warm cache": ("xor_modnet.py", "warm")}
        if "PyTorch" in names:
            plans["PyTorch"] = ("xor_torch.py", None)
        if "JAX" in names:
            plans["JAX"] = ("xor_jax.py", None)
        plans["modnet, empty cache"] = ("xor_modnet.py", "empty")
        found: dict[str, list[tuple[float, float]]] = {label: [] for label in plans}
        for turn in range(rounds + 1):  # the first fills the cache, and that of files
            for label, (file, cache) in plans.items():
                if cache == "empty" and not 0 < turn <= 3:
                    continue
                place = None if cache is None else Path(scratch) / (f"empty{turn}" if cache == "empty" else cache)
                wall, cpu, line = run_process([HERE / "scripts" / file], environment(threads, place))
                if not float(line) < 0.01:
                    raise SystemExit(f"benchmarks: {file} ends with a loss of {line}, expected less than 0.01")
                if turn:
                    found[label].append((wall, cpu))
    figures = {
        label: {"wall": median(w for w, _ in turns), "cpu": median(c for _, c in turns), "turns": turns}
        for label, turns in found.items()
    }
    base = figures.get("PyTorch", figures["modnet, warm cache"])
    table(
        ["", "wall s", "range", "cpu s", "x PyTorch", "cpu x PyTorch"],
        [
            [
                label,
                f"{row['wall']:.2f}",
                f"{min(w for w, _ in row['turns']):.2f} to {max(w for w, _ in row['turns']):.2f}",
                f"{row['cpu']:.2f}",
                f"{row['wall'] / base['wall']:.2f}",
                f"{row['cpu'] / base['cpu']:.2f}",
            ]
            for label, row in figures.items()
        ],
    )
    return figures


# --- inside a step, and a start --------------------------------------------------------------------------------------


def inside(chosen: Sequence[str], what: str, env: dict[str, str], dtype: str) -> dict[str, Figures]:
    """What `inside.py` says of modnet on the tasks, each in a process of its own."""
    found = {}
    for name in chosen:
        with tempfile.TemporaryDirectory() as scratch:
            worker = Worker("inside", env)
            worker.ask("load", **files_of(tasks.TASKS[name], Path(scratch), dtype))
            found[name] = worker.ask(what, seconds=TURN)
            worker.close()
    return found


def parts(chosen: Sequence[str], env: dict[str, str], dtype: str) -> Figures:
    title(f"Where the time of a step goes: microseconds, {dtype}; kernels alone in a loop, so in the nearest cache")
    found = inside(chosen, "parts", env, dtype)
    for figures in found.values():
        figures["rest"] = 2 * figures["step"] - sum(figures.values())
    head = ["task", "fit, a step", *list(next(iter(found.values())))[1:]]
    table(head, [[name, *map(in_microseconds, figures.values())] for name, figures in found.items()])
    return found


def calls(env: dict[str, str], dtype: str) -> Figures:
    title(f"By hand: nanoseconds of a call alone in a loop, and of that its kernels, toy16, {dtype}")
    found = inside(["toy16"], "calls", env, dtype)["toy16"]
    rows = [[name, *("" if value is None else f"{1e9 * value:.0f}" for value in row)] for name, row in found.items()]
    table(["call", "ns", "kernels"], rows)
    return found


def start(rounds: int, threads: int) -> Figures:
    title("Before there is a result: seconds of whole processes of modnet, with all kernels in the cache and with none")
    with tempfile.TemporaryDirectory() as scratch:
        commands = {
            "XOR, 2-8-1 tanh, 2000 steps": [HERE / "scripts" / "xor_modnet.py"],
            "modnet check, a file with one class": ["-m", "modnet", "check", HERE / "scripts" / "hand_in.py"],
            "modnet warmup": ["-m", "modnet", "warmup"],
        }
        found: Figures = {}
        for label, command in commands.items():
            caches = [Path(scratch) / f"{len(found)} {turn}" for turn in range(1 if "warmup" in command else min(rounds, 3))]
            turns = {"empty": [run_process(command, environment(threads, cache)) for cache in caches]}
            turns["warm"] = [run_process(command, environment(threads, caches[0])) for _ in range(rounds)]
            found[label] = {
                f"{what} {state}": median(turn[i] for turn in turns[state])
                for state in ("warm", "empty") for i, what in enumerate(("wall", "cpu"))
            }  # fmt: skip
    head = ["", "warm, s", "cpu s", "empty cache, s", "cpu s"]
    table(head, [[label, *(f"{value:.2f}" for value in row.values())] for label, row in found.items()])
    return found


# --- modules alone ---------------------------------------------------------------------------------------------------


def modules(names: list[str], rounds: int, env: dict[str, str]) -> Figures:
    title("Every module alone, float32: microseconds a call")
    sides = {"modnet": Worker("modules", env, library="modnet")}
    if "PyTorch" in names:
        sides["PyTorch"] = Worker("modules", env, library="torch")
    listed = sides["modnet"].ask("names")
    turns: dict[tuple[str, int, str], list[Figures | None]] = {(n, size, side): [] for n, size, *_ in listed for side in sides}
    for turn in range(rounds + 1):  # the first warms up
        for name, size, *_ in listed:
            for side, worker in sides.items():
                seconds = worker.ask("turn", name=name, size=size, seconds=0.01)
                if turn:
                    turns[name, size, side].append(seconds)
    for worker in sides.values():
        worker.close()
    found: Figures = {}
    rows, slower = [], []
    for name, size, described, shape in listed:
        row = [described, shape]
        here = found[f"{described}, {shape}"] = {"shape": shape}
        for direction in ("forward", "backward"):
            for side in sides:
                kept = [turn[direction] for turn in turns[name, size, side] if turn is not None]
                value = median(kept) if kept else None
                here[f"{direction} {side}"] = value
                row.append("" if value is None else in_microseconds(value))
            ours, theirs = here[f"{direction} modnet"], here.get(f"{direction} PyTorch")
            row.append(times(theirs / ours) if theirs else "")
            if theirs and ours > theirs:
                slower.append(f"{described} on {shape}, {direction} {times(theirs / ours)}")
        rows.append(row)
    head = [f"{direction} {side}" for direction in ("forward", "backward") for side in [*sides, "ratio"]]
    if "PyTorch" not in sides:
        head = ["forward modnet", "", "backward modnet", ""]
    table(["", "input", *head], rows)
    if "PyTorch" in sides:
        print("slower than PyTorch: " + ("; ".join(slower) or "none") + "\n")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SECTIONS, action="append", help="one part; may be given again for more")
    parser.add_argument("--task", choices=tasks.TASKS, action="append", help="of the training, only this task")
    parser.add_argument("--contestant", choices=CONTESTANTS, action="append", help="only this one, and modnet's fit")
    parser.add_argument("--rounds", type=int, help="turns of each contestant (training 9, scripts and first fits 5)")
    parser.add_argument("--threads", type=int, default=1, help="of each library; 0 for what it chooses (default: 1)")
    parser.add_argument("--avx2", action="store_true", help="registers of 32 bytes, by each library's own switch")
    parser.add_argument("--float64", action="store_true", help="the training in float64")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw the training's steps")
    parser.add_argument("--short", action="store_true", help="two turns of each, as long as any: a first look")
    options = parser.parse_args()
    if options.short and options.rounds is None:
        options.rounds = 2
    global _narrow
    _narrow = options.avx2
    chosen = options.only or SECTIONS
    wanted = options.contestant or [name for name in CONTESTANTS if name not in ON_REQUEST]
    names = available(name for name in CONTESTANTS if name in ("modnet fit", *wanted))
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in (str(HERE.parent), os.environ.get("PYTHONPATH")) if p)
    env, dtype = environment(options.threads), "float64" if options.float64 else "float32"
    if options.float64:
        env["JAX_ENABLE_X64"] = "1"
    started = time.perf_counter()
    figures: Figures = {"machine": show_machine(names, env, options.threads)}
    if "training" in chosen:
        chosen_tasks, rounds = options.task or tuple(tasks.TASKS), options.rounds or 9
        figures["training"] = training(names, chosen_tasks, rounds, env, options.threads, dtype)
    if "parts" in chosen:
        figures["parts"] = parts(options.task or tuple(tasks.TASKS), env, dtype)
    if "calls" in chosen:
        figures["calls"] = calls(env, dtype)
    if "prediction" in chosen:
        title(f"Prediction: microseconds for one row and for 10,000, {dtype}")
        found = alone(names, options.task or tuple(tasks.TASKS), "predicting", (1, 10_000), options.rounds or 5, env, dtype)
        figures["prediction"] = found
    if "backward" in chosen:
        title(f"Backward alone: microseconds for the gradients of all parameters from dL/doutputs, a batch, {dtype}")
        found = alone(names, options.task or tuple(tasks.TASKS), "going_back", (0,), options.rounds or 5, env, dtype)
        figures["backward"] = found
    if "first-fit" in chosen:
        figures["first fit"] = first_fit(names, options.rounds or 5, options.threads)
    if "script" in chosen:
        figures["script"] = script(names, options.rounds or 5, options.threads)
    if "start" in chosen:
        figures["start"] = start(options.rounds or 5, options.threads)
    if "modules" in chosen:
        figures["modules"] = modules(names, options.rounds or 9, env)
    if options.figure and "training" in figures:
        draw(figures["training"], figures["machine"], options.figure)
    figures["seconds"] = time.perf_counter() - started
    print(f"done in {figures['seconds']:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
