"""Data for a loss that nobody has said anything about: truths and predictions of the kinds that its name may mean."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

Data = tuple[np.ndarray, np.ndarray]
#: Losses of numbers, by their names.
NUMBERS = re.compile(r"mse|mae|squar|abs|error|huber|l1|l2|quadr|rms|smooth", re.I)

#: How far predictions of numbers are from the truth, up and down: near enough and far enough for what changes on the way.
_APART = (0.2, 0.45, 0.7, 1.3, 2.2, 3.1)


def data_for(name: str, statement: bool = False, log: bool = False) -> Iterator[Data]:
    """(truth, prediction) for a loss of this name, the likeliest first.

    Parameters
    ----------
    statement : whether it is a loss of the course's statement, which takes one-hot rows and signs. log : whether an option asks
        for logarithms of probabilities.
    """
    word, rng = name.lower(), np.random.default_rng(0)
    labels, scores = np.array([0, 2, 1, 2]), rng.normal(size=(4, 3))
    scores *= np.array([3, 3, 3, -3])[:, None]  # those of the right labels, too, are no probabilities
    onehot, shares = np.eye(3)[labels], rng.dirichlet(np.ones(3) * 2, 4)
    # As many features as neither examples nor the 2 of a square, so that a factor says where it comes from.
    numbers = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    numbers[1][:] = numbers[0] + rng.permutation(np.multiply.outer([-1, 1], _APART).ravel()).reshape(4, 3)
    binary = (rng.random((4, 3)) > 0.5) * 1.0, rng.uniform(0.1, 0.9, (4, 3))
    bits = np.array([[0.0], [1.0], [1.0], [0.0]]), binary[1][:, :1]
    probable, scored = [(onehot, shares), (labels, shares)], [(labels, scores), (onehot, scores)]
    logs = [(onehot, np.log(shares)), (labels, np.log(shares))]
    if re.search("temporal|sequen|time", word):  # each step of two sequences
        yield rng.integers(0, 4, (2, 3)), rng.normal(size=(2, 3, 4)) * 2
    if re.search("bce|bin" if statement else "bin|bce|logistic|sigmoid", word):
        yield from (binary, bits, flat(bits), (flat(bits)[0].astype(int), flat(bits)[1]))
        if re.search("logit|sigmoid", word):
            yield binary[0], numbers[0]
        yield labels % 2, rng.uniform(0.1, 0.9, (4, 2))
    elif re.search("hinge|perceptron|marg|svm", word):
        signs = np.sign(numbers[0]), numbers[1]
        signed = [signs, column(signs), flat(column(signs))]
        yield from (signed if statement else [*scored, *signed])
    elif log or re.search("nll|log_?lik", word):
        yield from (*logs, *(scored if statement else ()), *probable)
    elif statement and re.search("ce|cross|entrop|log|soft", word):
        yield from (*scored, *probable, logs[0])
    elif re.search("soft|logit", word):
        yield from (*scored, *probable)
    elif re.search(r"cross|entrop|ce($|_|loss)|cce|log|kl|xent", word):
        yield from (*probable, scored[1], scored[0], binary)
        yield labels[:, None], shares
        yield from () if re.search(r"categor|cce", word) else (flat(bits), bits)
    else:
        known = statement or NUMBERS.search(word)
        yield numbers
        yield from (column(numbers), flat(column(numbers))) if known else ((onehot, shares), scored[0], flat(column(numbers)))
        yield from (binary, (onehot, shares)) if statement else (scored[0],)


def example_for(name: str) -> Iterator[Data]:
    """(truth, prediction) of a single example, without an axis for the batch."""
    if re.search("cross|entrop|soft|nll|cce|categor", name, re.I) and not re.search("bin|bce", name, re.I):
        yield np.eye(3)[1], np.array([0.2, 0.5, 0.3])
        yield np.array(1), np.array([0.2, 0.5, 0.3])
    elif re.search("bin|bce|logistic", name, re.I):
        yield np.array([1.0]), np.array([0.3])
    else:
        yield np.array([0.4, -1.2, 0.7]), np.array([-0.3, 0.6, 1.5])


def column(data: Data) -> Data:
    """One output an example."""
    return data[0][:, :1], data[1][:, :1]


def flat(data: Data) -> Data:
    """One output an example, without an axis for it."""
    return data[0][:, 0], data[1][:, 0]
