"""Until there is a result: the first fit in a process, a whole script, and commands."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import tasks
from processes import HERE, Figures, Worker, environment, files_of, table, title


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


def start(rounds: int, threads: int) -> Figures:
    title("Before there is a result: seconds of whole processes of modnet, with all kernels in the cache and with none")
    with tempfile.TemporaryDirectory() as scratch:
        commands = {
            "XOR, 2-8-1 tanh, 2000 steps": [HERE / "scripts" / "xor_modnet.py"],
            "modnet check, a file with one class": ["-m", "modnet", "check", HERE / "scripts" / "hand_in.py"],
            "modnet demo: digits and moons, with pictures": ["-m", "modnet", "demo"],
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
