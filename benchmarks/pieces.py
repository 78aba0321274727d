"""Parts of the work alone: prediction, backward, every module, the kernels of a step, and the calls of a loop by hand."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
import tasks
from processes import TURN, VARIES, Figures, Worker, environment, files_of, in_microseconds, table, times, title


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


def gains(rounds: int, chosen: Sequence[str], threads: int, dtype: str) -> Figures:
    title(f"What fast forms gain against plain ones, {dtype}: microseconds a call, of trainings an epoch")
    env, found = environment(threads), {}
    forms = {form: Worker("gains", env, is_plain=form == "plain", dtype=dtype) for form in ("modnet", "plain")}
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for which, (name, sizes) in enumerate(forms["modnet"].ask("names")):
            wrote, turns = {}, {form: [] for form in forms}
            for form, worker in forms.items():
                path = f"{scratch}/{form}.npy"
                worker.ask("first", which=which, path=path)
                wrote[form] = np.load(path)
            apart = np.abs(wrote["modnet"] - wrote["plain"]).max(initial=0) / max(1e-30, np.abs(wrote["plain"]).max(initial=0))
            if apart > (1e-3 if dtype == "float32" else 1e-9):
                raise SystemExit(f"benchmarks: {name}, {sizes}: the two forms are {apart:.0e} apart")
            for _ in range(rounds):
                for form, worker in forms.items():
                    turns[form].append(worker.ask("turn", which=which, seconds=TURN / 8))
            figures = {form: median(times) for form, times in turns.items()}
            found[f"{name}, {sizes}"] = figures
            rows.append([name, sizes, *map(in_microseconds, figures.values()), times(figures["plain"] / figures["modnet"])])
    for worker in forms.values():
        worker.close()
    table(["", "sizes", "modnet", "plain", "gain"], rows)

    title(f"A step of fit with products by tiles and by BLAS alone, {dtype}, microseconds")
    rows = []
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as cache:
        for name in chosen:
            paths = files_of(tasks.TASKS[name], Path(scratch), dtype)
            both = {"tiles": Worker("inside", env), "BLAS": Worker("inside", environment(threads, cache), by_blas=True)}
            steps: dict[str, list[float]] = {way: [] for way in both}
            for worker in both.values():
                worker.ask("load", **paths)
            for _ in range(rounds):
                for way, worker in both.items():
                    steps[way].append(worker.ask("step", seconds=TURN))
            for worker in both.values():
                worker.close()
            figures = found[f"a step of {name}"] = {way: median(times) for way, times in steps.items()}
            rows.append([name, *map(in_microseconds, figures.values()), times(figures["BLAS"] / figures["tiles"])])
    table(["task", "tiles", "BLAS alone", "gain"], rows)
    return found


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
