"""NetClassifier and NetRegressor beside scikit-learn's MLPs, at the defaults, on twenty data sets of scikit-learn.

    python benchmarks/estimators.py [--seeds 5] [--only digits,wine] [--overhead]

For each data set and seed: a quarter of the examples is set aside, a network is fitted to the rest at its defaults, and scored
on the quarter: accuracy, or R2 of a regression. The seed chooses the split and the parameters, the same for all. Times are the
medians of the fits, of one process. Prints a table in Markdown, and what the docs say in a line.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modnet import CrossEntropy, fit
from modnet.estimators import NetClassifier, NetRegressor
from modnet.optim import Adam

CLASSES: dict[str, Callable[[], Any]] = {
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast_cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "digits": lambda: datasets.load_digits(return_X_y=True),
    "moons": lambda: datasets.make_moons(500, noise=0.2, random_state=0),
    "circles": lambda: datasets.make_circles(500, noise=0.1, factor=0.6, random_state=0),
    "blobs": lambda: datasets.make_blobs(600, centers=6, cluster_std=2.0, random_state=0),
    "classification": lambda: datasets.make_classification(1000, random_state=0),
    "five classes": lambda: datasets.make_classification(1000, 20, n_informative=10, n_classes=5, random_state=0),
    "gaussian quantiles": lambda: datasets.make_gaussian_quantiles(n_samples=1000, n_features=5, n_classes=3, random_state=0),
    "hastie": lambda: datasets.make_hastie_10_2(1500, random_state=0),
    "multilabel": lambda: datasets.make_multilabel_classification(500, random_state=0),
}
NUMBERS: dict[str, Callable[[], Any]] = {
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "linnerud": lambda: datasets.load_linnerud(return_X_y=True),
    "regression": lambda: datasets.make_regression(500, 20, noise=20.0, random_state=0),
    "friedman1": lambda: datasets.make_friedman1(600, noise=1.0, random_state=0),
    "friedman2": lambda: datasets.make_friedman2(600, noise=50.0, random_state=0),
    "friedman3": lambda: datasets.make_friedman3(600, noise=0.1, random_state=0),
    "swiss roll": lambda: datasets.make_swiss_roll(600, noise=0.1, random_state=0),
    "sparse uncorrelated": lambda: datasets.make_sparse_uncorrelated(600, random_state=0),
}


def contestants(regression: bool) -> dict[str, Callable[[int], Any]]:
    """A function of the seed for each column of the table."""
    ours, theirs = (NetRegressor, MLPRegressor) if regression else (NetClassifier, MLPClassifier)
    return {
        "MLP": lambda seed: theirs(random_state=seed),
        "Net": lambda seed: ours(random_state=seed),
        "MLP, scaled": lambda seed: _scaled(theirs(random_state=seed), regression),
        "Net, scale=False": lambda seed: ours(random_state=seed, scale=False),
    }


def _scaled(model: Any, regression: bool) -> Any:
    """What users of the MLPs write around them to scale inputs and target."""
    model = make_pipeline(StandardScaler(), model)
    return TransformedTargetRegressor(model, transformer=StandardScaler()) if regression else model


def overhead(repeats: int = 7) -> None:
    """What an estimator costs beside `modnet.fit` on the same network, data and steps; the least of several times."""
    X, y = datasets.load_digits(return_X_y=True)
    X = X / 16
    epochs = 30
    settings = {"max_iter": epochs, "n_iter_no_change": epochs + 1, "tol": 0.0, "random_state": 0}
    net = NetClassifier(scale=False, **settings).fit(X, y).net_

    def plain() -> None:
        fit(net, X, y, CrossEntropy(), Adam(), epochs=epochs, batch_size=200, rng=0, progress=False)

    model, theirs = NetClassifier(random_state=0), MLPClassifier(random_state=0)
    cases: dict[str, Callable[[], Any]] = {
        f"modnet.fit, {epochs} epochs": plain,
        "NetClassifier, scale=False": lambda: NetClassifier(scale=False, **settings).fit(X, y),
        "NetClassifier": lambda: NetClassifier(**settings).fit(X, y),
        "NetClassifier, early_stopping": lambda: NetClassifier(early_stopping=True, **settings).fit(X, y),
        "MLPClassifier": lambda: MLPClassifier(**settings).fit(X, y),
        "MLPClassifier, early_stopping": lambda: MLPClassifier(early_stopping=True, **settings).fit(X, y),
        "partial_fit of 100 examples": lambda: model.partial_fit(X[:100], y[:100], classes=range(10)),
        "the same of MLPClassifier": lambda: theirs.partial_fit(X[:100], y[:100], classes=range(10)),
        "predict of 1797 examples": lambda: model.predict(X),
        "the same of MLPClassifier ": lambda: theirs.predict(X),
    }
    found: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):  # in turn, so that a busy minute is everybody's
        for name, run in cases.items():
            began = time.perf_counter()
            run()
            found[name].append(time.perf_counter() - began)
    for name, seconds in found.items():
        print(f"{name:32} {1000 * min(seconds):9.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--overhead", action="store_true", help="what an estimator costs beside modnet.fit, and nothing else")
    options = parser.parse_args()
    if options.overhead:
        overhead()
        return
    names = [name for name in [*CLASSES, *NUMBERS] if not options.only or name in options.only.split(",")]
    columns = list(contestants(False))
    print("| data | examples | " + " | ".join(columns) + " | seconds: MLP | " + f"{columns[1]} |")
    print("|---|---:|" + "---:|" * (len(columns) + 2))
    means: dict[str, dict[str, list[float]]] = {"accuracy": {}, "R2": {}}
    ratios = []
    for name in names:
        regression = name in NUMBERS
        X, y = (NUMBERS if regression else CLASSES)[name]()
        scores: dict[str, list[float]] = {column: [] for column in columns}
        seconds: dict[str, list[float]] = {column: [] for column in columns}
        for seed in range(options.seeds):
            stratify = y if not regression and y.ndim == 1 else None
            train_X, test_X, train_y, test_y = train_test_split(X, y, random_state=seed, stratify=stratify)
            for column, make in contestants(regression).items():
                model = make(seed)
                if not seed and column == columns[1]:
                    model.fit(train_X, train_y)  # kernels that were never used here are compiled, which is not what is timed
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    began = time.perf_counter()
                    model.fit(train_X, train_y)
                    seconds[column].append(time.perf_counter() - began)
                scores[column].append(model.score(test_X, test_y))
        kind = "R2" if regression else "accuracy"
        for column in columns:
            means[kind].setdefault(column, []).append(float(np.mean(scores[column])))
        ratios.append(np.median(seconds["MLP"]) / np.median(seconds[columns[1]]))
        cells = [f"{np.mean(scores[c]):.3f} ± {np.std(scores[c]):.3f}" for c in columns]
        times = [f"{np.median(seconds[c]):.2f}" for c in columns[:2]]
        print(f"| {name} | {len(X)} | {' | '.join(cells)} | {' | '.join(times)} |", flush=True)
    for kind, found in means.items():
        if found:
            print(f"mean {kind}: " + ", ".join(f"{column} {np.mean(values):.3f}" for column, values in found.items()))
    print(f"fit takes MLP {np.exp(np.mean(np.log(ratios))):.1f} times as long as {columns[1]} (geometric mean)")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
