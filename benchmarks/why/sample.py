"""What the samples share: train each as it is and as it is cured, or ask check_training about each and count.

`FAILING` of a sample maps functions to the kinds written down for them, `LEARNING` lists functions; each function returns
(net, loss, optimizer, X, y, options), and a failing one takes `cure=True`.
"""

import sys
import warnings

import numpy as np

from modnet import Poisson, fit, predict
from modnet.check import check_training


def trained(net, loss, optimizer, X, y, options):
    """Predictions after training, and the targets to judge them by: those that were given, or a fifth that was set aside.

    Fewer than 60 examples are judged by themselves.
    """
    held = options.get("validation")
    if len(X) < 60:
        held = X, y
    elif not isinstance(held, tuple):
        order = np.random.default_rng(1).permutation(len(X))
        kept, rest = order[: len(X) // 5], np.sort(order[len(X) // 5 :])
        weights = options.get("sample_weight")
        options = options if weights is None else options | {"sample_weight": weights[rest]}
        held, X, y = (X[kept], y[kept]), X[rest], y[rest]
    if hasattr(optimizer, "attach"):
        fit(net, X, y, loss, optimizer, **options, progress=False)
        yhat = predict(net, held[0])
        return np.exp(yhat) if isinstance(loss, Poisson) else yhat, held[1]
    size, rng = options["batch_size"], np.random.default_rng(0)
    for _ in range(options["epochs"]):
        order = rng.permutation(len(X)) if options.get("shuffle", True) else np.arange(len(X))
        for at in range(0, len(X), size):
            optimizer.step(X[order[at : at + size]], y[order[at : at + size]])
    return net.forward(held[0]), held[1]


def figures(yhat, y):
    """Accuracy, and the mean of the classes' accuracies; or R2, column by column."""
    if y.dtype.kind in "iu":
        right, y = yhat.argmax(axis=-1) == y, y.ravel()
    elif y.ndim == 2 and y.shape[1] > 4 and np.isin(y, (0, 1)).all():
        right, y = yhat.argmax(axis=-1) == y.argmax(axis=-1), y.argmax(axis=-1)
    elif np.isin(y, (0, 1)).all() or np.isin(y, (-1, 1)).all():
        right = (yhat > (0 if (yhat < 0).any() else 0.5)) == (y > 0)
        y = y.ravel()
    else:
        r2 = 1 - ((y - yhat) ** 2).mean(axis=0) / y.var(axis=0)
        return f"R2 {np.array2string(r2[:4], precision=2)}"
    right = right.ravel()
    return f"accuracy {right.mean():.2f}, of the classes {np.mean([right[y == c].mean() for c in np.unique(y)]):.2f}"


def main(failing, learning):
    """Print a line for each: what was written down and what is said; with --verify, how good it is as it is and cured."""
    warnings.simplefilter("ignore")
    wanted = [a for a in sys.argv[1:] if not a.startswith("--")]
    asked = [make for make in [*failing, *learning] if not wanted or make.__name__ in wanted]
    if "--verify" in sys.argv:
        for make in asked:
            with np.errstate(all="ignore"):
                try:
                    print(f"{make.__name__:42}{figures(*trained(*make()))}", flush=True)
                except ValueError as error:
                    print(f"{make.__name__:42}{' '.join(str(error).split())[:120]}", flush=True)
                if make in failing:
                    print(f"{'':42}{figures(*trained(*make(cure=True)))} as cured", flush=True)
        return
    found = named = false = 0
    for make in asked:
        *parts, options = make()
        report = check_training(*parts, **options)
        kinds = [f.kind for f in report.findings]
        kept = failing.get(make, ())
        found += bool(kept and kinds)
        named += bool(kept and kinds and kinds[0] in kept)
        false += bool(kinds and not kept)
        print(f"{make.__name__:42}{', '.join(kept) or '(learns)':40}{', '.join(kinds) or '-'}", flush=True)
        if "--reports" in sys.argv:
            print(report, flush=True)
    print(f"found {found}/{len(failing)}, named {named}/{len(failing)}, false {false}/{len(learning)}")
