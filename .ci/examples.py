"""Run the examples as people run them, without a screen, each in less than a minute, and look at what they print and save.

    python .ci/examples.py                  # all
    python .ci/examples.py 01 09            # some, by number
    python .ci/examples.py --short          # those that take a few seconds
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
LIMIT = 60.0

#: The lecture's numbers, which the examples must print, by example: texts, and patterns for what depends on the machine.
PROMISED: dict[str, list[str | re.Pattern[str]]] = {
    "01": ["two_gaussians: never more than 100.0%", re.compile(r"four_gaussians: never more than [4-7]\d\.")],
    "02": [re.compile(r"\b(1\d|2\d) of 40 starts learn XOR")],
    "03": ["with Tanh between: 100.0% right", re.compile(r"three Linear: [4-7]\d\."),
           re.compile(r"of one and of two are apart by at most (0\.0e\+00|\d\.\de-1[5-9])"),
           re.compile(r"of one and of three are apart by at most (0\.0e\+00|\d\.\de-1[5-9])")],
    "04": ["the largest is 0.25", "ReLU(): its derivative takes the values [0. 1.]",
           "LeakyReLU(0.05): its derivative takes the values [0.05 1.  ]",
           "Ramp(-1, 1): its derivative takes the values [0. 1.]", "Step(): its derivative takes the values [0.]",
           "Radial(): its derivative is -0.7358 at 1", "Tanh(): its derivative is 0.4200 at 1"],
    "05": ["one neuron breaks at 0.67", "three neurons break at [-1.5  0.5  1. ]; the curve bends at [-1.5  0.5  1. ]"],
    "06": ["[0.1,0.2,0.7]: 0.36", "by Kullback-Leibler, as y has no entropy:           0.36", "softmax it is:"
           "                             0.36", "squared 0.14, its mean 0.047, root mean 0.216",
           "of 1 against 0.7, 0.36; of 0 against 0.7, 1.20", "score 2 of class 1, 0; of class -1, 2",
           "margin 0: scores (1, 2, 2.5), class 2, loss 0.00", "margin 1: scores (1, 2, 2.5), class 2, loss 0.50",
           "margin 2: scores (1, 2, 2.5), class 2, loss 2.00"],
    "07": ["(x + y) y at (2, -3): 3, gradient (-3, -4)", *(f"{way} loss 0.114484, dL/dW1[0] [ 0.455244 -0.123846]"
           for way in ("by hand:   ", "by modules:", "by Value:  "))],
    "08": ["(23, 10)", "3, gradient (-3, -4)", "(-0.3324, -0.0665)", "(-0.6648, -0.1330)", "RuntimeError",
           "f'(0.2) = 9.066086", "l4'(0.2) = 9.066086", "l6: its derivative has    768 operations,   62 once simplified",
           re.compile(r"forward differences: error \d\.\de-0[78] at best, with h = 1e-0[89]"),
           re.compile(r"central differences: error \d\.\de-1[01] at best, with h = 1e-0[567]")],
    "09": ["5 moves, 6 points", "point 92, x = 1.00, f = -3.92", "35 points instead of 92", "adaptive: 28 points, x = 1.00",
           "step 0.05, from 0.2: 17 points, x = 1.00, f = -3.92", "step 0.05, from 5.4: 30 points, x = 4.00, f = -1.67",
           "step 0.3: 26 points, x = 1.00"],
    "10": [re.compile(r"digits, 2260 weights: naive 1\.\d+, gradient 0\.1\d+ after 150 steps"),
           re.compile(r"moons, 12 weights: naive 0\.2\d+, gradient 0\.2\d+ after 150 steps"),
           *(re.compile(rf"^{way}.*: 0\.\d\d\d$", re.MULTILINE)
             for way in ("constant step", "SGD", "Adagrad", "RMSprop", "Adam:?"))],
    "11": ["mean squared error 2.24", "0.81 and 2.93", "after 1000 iterations with step 0.001: 0.013",
           "a student with (13, 14, 11): 13.6", "60 students, by epoch: [1.083 1.061 1.013 1.029 0.982]"],
    "12": [re.compile(r"a = 0\.500 after \d\d iterations; the four answers are \[1\. 1\. 0\. 0\.\], right: True")],
    "13": [re.compile(r"m = 0: 30 of 30 right, the smallest lead 0\."),
           re.compile(r"m = 1: 30 of 30 right, the smallest lead (0\.9|1)"),
           re.compile(r"m = 2: 30 of 30 right, the smallest lead (1\.[89]|2)")],
    "14": [re.compile(r" 30 units:  [0-8] of 10 starts reach 98 %"),
           re.compile(r"100 hidden units are enough: (9|10) of 10 starts reach 98 % in 200 epochs")],
    "15": [re.compile(r"^Sigmoid .*: \d\.\de-0[678]; .* 9% by 10", re.MULTILINE),
           re.compile(r"^after auto-encoders .* 9\d% by 4, [78]\d% by 6", re.MULTILINE),
           re.compile(r"^after Boltzmann machines .* [78]\d% by 4", re.MULTILINE),
           re.compile(r"^with BatchNorm .* (9\d|100)% by 10", re.MULTILINE),
           re.compile(r"^Tanh, residual .* (9\d|100)% by 10", re.MULTILINE),
           re.compile(r"^Tanh, after auto-encoders .* (9\d|100)% by 10", re.MULTILINE),
           re.compile(r"^ReLU .* [12]\d% by 10", re.MULTILINE),
           re.compile(r"^ReLU, He .* ([6-9]\d|100)% by 10", re.MULTILINE)],  # 72 to 98 % by the seed; 10 % by chance
    "16": [re.compile(r"^none .*training loss 0\.0.*validation (0\.[89]|1)", re.MULTILINE),
           *(re.compile(rf"^{way} .*validation 0\.[2-6]", re.MULTILINE)
             for way in ("early stopping", "noise", "dropout", "weight decay"))],
    "17": [re.compile(r"time grows as \|w\| to the power (0\.[7-9]|1\.[0-2])")],
}  # fmt: skip
SHORT = ("01", "03", "04", "06", "07", "09", "11", "12")


def run(path: Path) -> list[str]:
    """What is wrong with an example."""
    number = path.name[:2]
    start, before = time.perf_counter(), _processor_time()
    environment = {k: v for k, v in os.environ.items() if k != "DISPLAY"} | {"MPLBACKEND": "agg"}
    command = [sys.executable, "-W", "error", path.name]
    done = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, env=environment)
    took = time.perf_counter() - start
    alone = min(took, _processor_time() - before)  # what else the machine does is not the example's
    print(f"\n--- {path.name}, {took:.1f} s\n{done.stdout}{done.stderr}", end="", flush=True)
    wrong = [f"ended with status {done.returncode}"] if done.returncode else []
    for said in PROMISED[number]:
        pattern = said if isinstance(said, re.Pattern) else re.compile(re.escape(said))
        if not pattern.search(done.stdout):
            wrong.append(f"did not print {pattern.pattern if pattern is said else said!r}")
    if alone > LIMIT:
        wrong.append(f"took {alone:.0f} s")
    for name in sorted(set(re.findall(r'OUT / "([^"]+)"', path.read_text(encoding="utf-8")))):
        picture = EXAMPLES / "out" / name
        if not picture.is_file() or picture.stat().st_mtime < time.time() - took - 2:
            wrong.append(f"did not save {name}")
    return wrong


def _processor_time() -> float:
    """The seconds of processor time of all examples so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Run what was asked for; 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="those that take a few seconds")
    parser.add_argument("numbers", nargs="*", help="numbers of examples, such as 01")
    options = parser.parse_args()
    chosen = options.numbers or (SHORT if options.short else sorted(PROMISED))
    wrong = []
    for path in sorted(EXAMPLES.glob("[0-9][0-9]_*.py")):
        if path.name[:2] in chosen:
            wrong += [f"{path.name} {text}" for text in run(path)]
    print("\n" + ("\n".join(wrong) or "all as promised"))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
