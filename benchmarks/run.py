"""modnet against PyTorch, JAX and scikit-learn, on the same work in the same run: `make bench`.

    python benchmarks/run.py                       everything
    python benchmarks/run.py --short               everything, two turns each
    python benchmarks/run.py --only training --rounds 15 --figure steps.svg
    python benchmarks/run.py --only training --task toy16 --json figures.json
    python benchmarks/run.py --only parts --only calls   what a step and a call are made of
    python benchmarks/run.py --only gains                what fast forms of kernels gain against plain ones
    python benchmarks/run.py --only start                how long whole processes take

Contestants take turns, A B C A B C ..., so that what else the machine does falls on all of them; a figure is the median of the
turns, a ratio that of two medians. Before anything is timed, all have to show that they learn the same: the same parameters,
to float32, from the same first ones on the same batches; and after, that the training that was timed has learnt as much.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np
import tasks
from contestants import CONTESTANTS, ON_REQUEST
from pieces import alone, calls, gains, modules, parts
from processes import (
    HERE,
    TURN,
    VARIES,
    Figures,
    Worker,
    available,
    environment,
    files_of,
    in_microseconds,
    show_machine,
    table,
    times,
    title,
    use_avx2,
)
from starting import first_fit, script, start

SECTIONS = ("training", "parts", "calls", "gains", "prediction", "backward", "first-fit", "script", "start", "modules")

# --- training --------------------------------------------------------------------------------------------------------


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
    if options.avx2:
        use_avx2()
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
    if "gains" in chosen:
        figures["gains"] = gains(options.rounds or 5, options.task or tuple(tasks.TASKS), options.threads, dtype)
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
