"""What check_training is given, checked and in the one form that a search takes; nothing of it is changed or kept."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np

from modnet.check.networks.layers import needs_integers
from modnet.check.training.report import TrainingFinding
from modnet.inputs import all_text, as_numbers, as_targets, as_weights, require_finite, short_repr, whole
from modnet.training import fit
from modnet.training.sources import is_batches

_WHO = "check_training"
_READ = 20_000  # examples of an iterable of batches that are read
_EXAMPLES = {"net": "Sequential(...)", "loss": "CrossEntropy()", "optimizer": "Adam()"}


@dataclass
class Given:
    """The data and the options of a training.

    Attributes
    ----------
    X, y : arrays. held : those of the validation data (X, y) or (X, y, weights), if they were given, else empty.
    words : whether X is whole numbers that a network reads as places in a table. options : those of `fit`.
    read : what was read of an iterable of batches; empty for arrays. unfit : why nothing can be trained on these data.
    """

    X: np.ndarray
    y: np.ndarray
    held: list[np.ndarray]
    words: bool
    options: dict[str, Any]
    read: str
    unfit: TrainingFinding | None


def given(net: Any, loss: Any, optimizer: Any, X: Any, y: Any, options: dict[str, Any]) -> Given:
    """All that is given; a TypeError or ValueError for what no training takes."""
    for name, value in (("net", net), ("loss", loss), ("optimizer", optimizer)):
        if value is None or isinstance(value, type | str | bytes | int | float):
            shown = value.__name__ if isinstance(value, type) else short_repr(value)
            raise TypeError(f"{_WHO}: {name} is {shown}, expected an object such as {_EXAMPLES[name]}")
    if hasattr(net, "__len__") and not len(net):
        raise ValueError(f"{_WHO}: net has no modules, expected some to train")
    options = _options(options)
    read = ""
    if is_batches(X, y):
        X, y, found, read = _read_batches(X)
        options |= found
    X, y = np.array(as_numbers(X, _WHO, "X")), np.array(as_targets(y, _WHO))
    if X.ndim == 0 or y.ndim == 0 or len(X) != len(y) or not len(X):
        raise ValueError(f"{_WHO}: X has shape {X.shape} and y {y.shape}, expected as many examples, and at least one")
    text = all_text(y)
    if text is not None:
        advice = "; for classes take np.unique(y, return_inverse=True)[1]"
        raise TypeError(f"{_WHO}: y holds text such as {text!r}, expected numbers{advice}")
    y = y.astype(np.float64) if y.dtype == object else y
    words = X.dtype.kind in "iu" and needs_integers(net, X[:8])
    X = X if words else X.astype(np.float32 if X.dtype == np.float32 else np.float64)
    _require_options(options, X)
    held = _held(options["validation"], X)
    named = {"X": X, "y": y, **dict(zip(("validation X", "validation y"), held, strict=False))}
    return Given(X, y, held, words, options, read, _unfit(named))


def _options(wanted: dict[str, Any]) -> dict[str, Any]:
    """The options of `fit`, with its defaults; a TypeError for names it does not have."""
    signature = inspect.signature(fit)
    for name in wanted:
        if name not in signature.parameters:
            known = ", ".join(p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY)
            raise TypeError(f"{_WHO}: {name} is no option of fit, expected some of {known}")
    return {p.name: wanted.get(p.name, p.default) for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}


def _require_options(options: dict[str, Any], X: np.ndarray) -> None:
    whole(options["epochs"], _WHO, "epochs")
    for name in ("batch_size", "patience"):
        if options[name] is not None:
            whole(options[name], _WHO, name)
    if options["augment"] is not None and not callable(options["augment"]):
        raise TypeError(f"{_WHO}: augment is {short_repr(options['augment'])}, expected a function (X, y, rng) -> (X, y)")
    if options["sample_weight"] is not None:
        as_weights(options["sample_weight"], len(X), _WHO, by_position=True)
    held = options["validation"]
    if options["patience"] is not None and held is None:
        raise ValueError(f"{_WHO}: patience without validation, expected validation data: a share such as 0.2, or (X, y)")
    if held is None or isinstance(held, tuple | list):
        return
    if isinstance(held, bool) or not isinstance(held, int | float | np.number) or not 0 <= held < 1:
        raise ValueError(f"{_WHO}: validation is {short_repr(held)}, expected a share from 0 to 1, or (X, y)")


def _held(validation: Any, X: np.ndarray) -> list[np.ndarray]:
    """The arrays of validation data; none of a share."""
    if not isinstance(validation, tuple | list):
        return []
    if len(validation) not in (2, 3):
        raise ValueError(f"{_WHO}: validation has {len(validation)} parts, expected (X, y) or (X, y, weights)")
    held, y = np.asarray(as_numbers(validation[0], _WHO, "validation X")), as_targets(validation[1], f"{_WHO}: validation")
    if held.shape[1:] != X.shape[1:] or len(held) != len(y) or not len(y):
        expected = f"examples of shape {X.shape[1:]}, as many of both"
        raise ValueError(f"{_WHO}: validation has X of shape {held.shape} and {len(y)} targets, expected {expected}")
    return [held, np.array(y), *(np.asarray(weights, np.float64) for weights in validation[2:] if weights is not None)]


def _unfit(parts: dict[str, np.ndarray]) -> TrainingFinding | None:
    """Numbers that are missing or infinite: with them every loss is NaN."""
    for name, array in parts.items():
        if array.dtype.kind != "f":
            continue
        try:
            require_finite(array, "", name)
        except ValueError as error:
            count = int(np.sum(~np.isfinite(array).reshape(len(array), -1).all(axis=1)))
            message = f"{str(error).removeprefix(': ')}; {count} of {len(array)} examples have such."
            hint = "leave these examples out, or put the median of their column in the place of what is missing"
            return TrainingFinding("crash", name, message, hint)
    return None


def _read_batches(batches: Any) -> tuple[np.ndarray, np.ndarray, dict[str, Any], str]:
    """(X, y, options, what was read): the first batches of what `fit` takes in the place of X, as one table.

    The options are those with which `fit` takes the same steps from the table. A TypeError for what can be gone through only
    once, since it would be used up.
    """
    if not callable(batches) and iter(batches) is batches:
        raise TypeError(
            f"{_WHO}: X is a {type(batches).__name__}, which can be gone through once, and it would be used up; pass a "
            "function that makes one, such as lambda: read_batches()"
        )
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]] = []
    count = read = 0
    for batch in batches() if callable(batches) else batches:
        count += 1
        if read >= _READ:
            break
        if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
            raise TypeError(f"{_WHO}: batch {count - 1} is {short_repr(batch)}, expected (X, y) or (X, y, weights)")
        X, y = np.array(as_numbers(batch[0], _WHO, "X")), np.array(as_targets(batch[1], _WHO))
        if X.ndim < 2 or len(X) != len(y) or not len(X) or (parts and X.shape[1:] != parts[0][0].shape[1:]):
            same = f" and inputs of shape {parts[0][0].shape[1:]} as before" if parts else ""
            raise ValueError(f"{_WHO}: batch {count - 1} has X {X.shape} and y {y.shape}, expected as many examples{same}")
        parts.append((X, y, np.asarray(batch[2], np.float64) if len(batch) == 3 else None))
        read += len(X)
    if not parts:
        raise ValueError(f"{_WHO}: X gives no batches, expected at least one (X, y)")
    weighted = all(w is not None for _, _, w in parts)
    X, y = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    weights = np.concatenate([part[2] for part in parts]) if weighted else None
    said = f"{len(parts)} batches were read, {len(X)} examples" + (", the others were not" if count > len(parts) else "")
    options = {"batch_size": len(parts[0][0]), "shuffle": False, "sample_weight": weights}
    return X, y, options, said
