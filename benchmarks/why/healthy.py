"""Does check_training raise an alarm on trainings that learn? Every training of the examples, the README and the benchmarks.

    python benchmarks/why/healthy.py [--full] [NAME ...]

Each example is run as it stands, with `fit` and the handout's `SGD` replaced by ones that first ask `check_training` about the
training they are given; the loops by hand of parts 1, 2 and 6, and that of one pass at a time in part 4, are asked afterwards
with what the example left. Prints a line for each training, and what was said of it. Without --full the examples are run with
their --quick: most of those trainings are far too short, so an alarm there is none.
"""

import contextlib
import copy
import io
import re
import runpy
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

import modnet
from modnet import handout
from modnet.check import check_training

HERE = Path(__file__).resolve().parents[1]
ROOT = HERE.parent
real_fit, real_sgd = modnet.fit, handout.SGD
asked = []
passes = {}  # by the id of a network that is trained one pass at a time: what was given, and how often
current = [""]


def ask(net, loss, optimizer, X, y, **options):
    kept = {k: v for k, v in options.items() if k not in ("callbacks", "progress", "metrics", "checkpoint", "resume", "every")}
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = check_training(net, loss, optimizer, X, y, **kept)
    kinds = [f.kind for f in report.findings]
    learns = next((remark for what, _, remark in report.verdicts if what == "learns"), "")
    asked.append((current[0], kinds))
    said = f"{time.process_time() - began:6.2f} s  {', '.join(kinds) or 'nothing':30}{learns}"
    print(f"{current[0]:28}{said}", file=sys.__stdout__, flush=True)


def fit(net, X, y, loss, optimizer, **options):
    ask(net, loss, optimizer, X, y, **options)
    return real_fit(net, X, y, loss, optimizer, **options)


def sgd(net, X, y, batch_size, iterations, loss=None, eps=1e-3, rng=None):
    loss = handout.MSELoss() if loss is None else loss
    seed = rng if isinstance(rng, int) else 0
    if iterations > 1:
        ask(net, loss, handout.Optim(net, loss, eps), X, y, epochs=iterations, batch_size=batch_size, rng=seed)
    elif id(net) in passes:  # one pass at a time is a loop around it
        passes[id(net)][-1]["epochs"] += 1
    else:
        begun = copy.deepcopy(net)
        given = begun, loss, handout.Optim(begun, loss, eps), X, y
        passes[id(net)] = [net, given, {"epochs": 1, "batch_size": batch_size, "rng": seed}]
    return real_sgd(net, X, y, batch_size, iterations, loss, eps, rng)


def by_hand(name, left):
    """The loops by hand of an example, from the names that it left: network, loss, rate, X, y, epochs, batch size."""
    np.random.seed(2)  # noqa: NPY002  the handout draws from it
    if name == "part1_regression":
        yield handout.Linear(2, 1), left["loss"], 0.1, left["X"], left["y"], left["iterations"], None
    if name == "part2_two_classes":  # without the straight line and the two units, which are shown because they do not learn
        for hidden in (4, 16):
            parts = (
                handout.Linear(2, hidden, bias=True),
                handout.TanH(),
                handout.Linear(hidden, 1, bias=True),
                handout.Sigmoide(),
            )
            yield handout.Sequentiel(*parts), left["loss"], 1.0, left["X"], left["y"], left["iterations"], None
    if name == "part6_convolution":
        epochs = -(-len(left["losses"]) * 32 // len(left["X"]))
        yield left["network"](1), left["loss"], 0.2, left["signals"], left["y"], epochs, 32


def examples(wanted, full):
    modnet.fit, handout.SGD = fit, sgd
    sys.path.insert(0, str(ROOT / "examples/handout"))
    for path in sorted((ROOT / "examples").rglob("*.py")):
        if path.name == "tools.py" or (wanted and path.stem not in wanted):
            continue
        current[0] = path.stem
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            sys.argv = [str(path), "--out", folder, *([] if full else ["--quick"])]
            try:
                left = runpy.run_path(str(path), run_name="__main__")
                for net, loss, eps, X, y, epochs, size in by_hand(path.stem, left):
                    ask(net, loss, handout.Optim(net, loss, eps), X, y, epochs=epochs, batch_size=size, rng=0)
                for _, given, options in passes.values():
                    if options["epochs"] > 1:
                        ask(*given, **options)
                passes.clear()
            except SystemExit:
                pass
            except Exception as error:
                print(f"{path.stem}: {type(error).__name__}: {error}", file=sys.__stdout__)
    if not wanted or "README" in wanted:
        current[0] = "README"
        for code in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S):
            if "fit(" in code:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
                    exec(code, {"__name__": "readme"})


def benchmarks(wanted):
    sys.path.insert(0, str(HERE))
    import tasks
    from contestants.with_modnet import Fit

    for name, task in tasks.TASKS.items():
        if wanted and name not in wanted:
            continue
        X, y = tasks.data(task)
        made = Fit(task, X, y, tasks.first_parameters(task), "")
        made.reset()
        current[0] = f"benchmark {name}"
        ask(made.net, made.loss, made.optimizer, X, y, epochs=task.epochs, batch_size=task.batch, rng=0)


def named_sets(wanted):
    """What `python -m modnet train` does with every data set that has a name."""
    from modnet import MSE, CrossEntropy, Linear, ReLU, Sequential, datasets
    from modnet.optim import Adam

    for name in datasets.names():
        if wanted and name not in wanted:
            continue
        try:
            table = datasets.load_table(name)
        except Exception as error:  # one that needs a download
            print(f"data set {name}: {error}")
            continue
        X = (table.X - table.X.mean(axis=0)) / np.where(table.X.std(axis=0) > 0, table.X.std(axis=0), 1)
        classes = table.class_names is not None
        y = table.y if classes else ((table.y - table.y.mean()) / table.y.std())[:, None]
        net = Sequential(Linear(X.shape[1], 100, rng=0), ReLU(), Linear(100, len(table.class_names) if classes else 1, rng=1))
        steps = -(-len(X) // 32)
        current[0] = f"data set {name}"
        epochs = int(np.clip(-(-2000 // steps), 30, 1000))
        ask(net, CrossEntropy() if classes else MSE(), Adam(0.01), X, y, epochs=epochs, batch_size=32, rng=0)


if __name__ == "__main__":
    full, wanted = "--full" in sys.argv, [a for a in sys.argv[1:] if not a.startswith("--")]
    benchmarks(wanted)
    named_sets(wanted)
    examples(wanted, full)
    alarms = [(where, kinds) for where, kinds in asked if kinds]
    print(f"{len(asked)} trainings, {len(alarms)} alarms: {alarms}")
