"""Does the line that check_training gives cure, when it is pasted? Every sample, and each folder of cases that is named.

    python benchmarks/why/pasted.py [FOLDER ...]

For each failing training: what is said first, the score before and with the line (or with all lines, if they were found
together) run as code on fresh copies, and the score that the report promises. A line about the inside of a loop by hand is
listed as such: it can't be pasted from outside. A folder holds files with a function `case()` that returns a dict of net, loss,
optimizer, X, y and fit.
"""

import importlib.util
import sys
import warnings
from pathlib import Path

import afterwards
import fifth_sample
import fourth_sample
import numpy as np
import second_sample
import seventh_sample
import sixth_sample
import third_sample

import modnet
import modnet.optim
from modnet.check import check_training
from modnet.check.training.examples import is_complete
from modnet.check.training.task import Task

OPTIONS = ("epochs", "batch_size", "shuffle", "patience", "validation", "sample_weight", "augment")


def samples():
    """(name, function that makes a training) of all failing trainings of the samples."""
    for sample in (afterwards, second_sample, third_sample, fourth_sample, fifth_sample, sixth_sample, seventh_sample):
        for make in sample.FAILING:
            yield f"{sample.__name__[:6]} {make.__name__}", make


def cases(folder):
    """The same of a folder of cases."""
    for path in sorted(Path(folder).glob("[0-9]*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)

        def make(module=module):
            c = module.case()
            return *(c[name] for name in ("net", "loss", "optimizer", "X", "y")), c["fit"]

        if getattr(module, "CAUSES", True):
            yield path.stem, make


class Training:
    """A training as names that lines of code can change; a part of the data is set aside when it is trained."""

    def __init__(self, make):
        self.net, self.loss, self.optimizer, X, y, options = make()
        self.options, self.before_each_step = dict(options), ""
        self.X, self.y = np.asarray(X), np.asarray(y)
        held = self.options.pop("validation", None)
        self.pair = isinstance(held, tuple)
        self.X_val, self.y_val = held if self.pair else (None, None)
        self.share = 0.2 if self.pair or held is None else held
        self.aside = None if self.pair or not is_complete(self.X) else held  # what fit sets aside of a whole table
        self.balanced = options.get("sample_weight") is not None

    def paste(self, line):
        """Run a line; a change of an option is a change of what fit is given."""
        names = {**vars(modnet), **vars(modnet.optim), "np": np, **vars(self)}
        if line.split("=")[0].strip() in OPTIONS:
            self.options |= eval(f"dict({line})", names)
            if "validation" in self.options:
                self.pair, self.share, self.aside = False, self.options.pop("validation"), None
        elif line.endswith("# before each step"):
            self.before_each_step = line
        else:
            exec(line, names)
            for name in ("net", "loss", "optimizer", "X", "y", "X_val", "y_val"):
                setattr(self, name, names[name])

    def score(self):
        """Train, and judge on what was set aside, in the task of the targets as they are by now; NaN if it ends by an error."""
        warnings.simplefilter("ignore")
        X, y, held, options = self.X, self.y, (self.X_val, self.y_val), dict(self.options)
        if not self.pair and len(X) >= 60 and not is_complete(X):
            order = np.random.default_rng(1).permutation(len(X))
            kept, rest = order[: int(self.share * len(X))], np.sort(order[int(self.share * len(X)) :])
            held, X, y = (X[kept], y[kept]), X[rest], y[rest]
            if options.get("sample_weight") is not None:
                options["sample_weight"] = options["sample_weight"][rest]
        elif not self.pair:
            held = X, y
        with np.errstate(all="ignore"):
            try:
                if hasattr(self.optimizer, "attach"):
                    if options.get("patience") or self.aside:
                        options["validation"] = self.aside or held
                    modnet.fit(self.net, X, y, self.loss, self.optimizer, progress=False, **options)
                    yhat = modnet.predict(self.net, held[0])
                else:
                    self._loop(X, y, options)
                    yhat = self.net.forward(held[0])
            except ValueError:
                return float("nan")
            task = Task.of(self.loss, y, yhat.shape[1:])
            rare = task.kind != "numbers" and len(task.shares(y)) > 1 and task.shares(y).max() > 4 * task.shares(y).min()
            return (task.with_balance() if self.balanced or rare else task).score(held[1], yhat)

    def _loop(self, X, y, options):
        rng, size, optimizer = np.random.default_rng(0), options["batch_size"] or len(X), self.optimizer
        for _ in range(options["epochs"]):
            order = rng.permutation(len(X)) if options.get("shuffle", True) else np.arange(len(X))
            for at in range(0, len(X), size):
                exec(self.before_each_step)
                optimizer.step(X[order[at : at + size]], y[order[at : at + size]])


if __name__ == "__main__":
    asked = cured = 0
    for name, make in [*samples(), *(c for folder in sys.argv[1:] for c in cases(folder))]:
        np.random.seed(0)  # noqa: NPY002
        *parts, options = make()
        report = check_training(*parts, **options)
        lines = [f.change for f in report.findings if getattr(f, "change", "") and "not all that is wrong" not in f.proof]
        if not lines:
            print(f"{name:45}{report.findings[0].kind if report.findings else 'nothing'}: no line", flush=True)
            continue
        before, after = Training(make), Training(make)
        try:
            for line in lines:
                after.paste(line)
            asked += 1
            first, then = before.score(), after.score()
            found = f"{first:8.3g} -> {then:8.3g}"
            cured += not then - first <= 0.1
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        promise = report.findings[0].proof.split(";")[0]
        print(f"{name:45}{found:24} {promise}\n{'':12}{'; '.join(lines)}", flush=True)
    print(f"{cured} of {asked} lines cure when they are pasted")
