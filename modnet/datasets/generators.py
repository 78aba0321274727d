"""Data sets that are drawn: scikit-learn's circles and blobs, and those made here from a formula.

scikit-learn is imported by the functions that need it: its import is slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modnet.datasets.stored import from_csv
from modnet.datasets.table import Table
from modnet.datasets.words import short, who_loads
from modnet.inputs import generator, real, whole

Rng = int | np.random.Generator | None


def moons(n_samples: Any = 500, shuffle: Any = True, noise: Any = 0.1, rng: Rng = 0) -> Table:
    """Return scikit-learn's two moons: its numbers, drawn here, since its import takes a second."""
    who = who_loads("moons")
    if isinstance(n_samples, tuple | list) and len(n_samples) == 2:
        counts = [whole(n, who, "n_samples", 0) for n in n_samples]
    else:
        n = whole(n_samples, who, "n_samples")
        counts = [n // 2, n - n // 2]
    if not isinstance(shuffle, bool | np.bool_):
        raise TypeError(f"{who}: shuffle is {short(shuffle)}, expected True or False")
    spread = None if noise is None else _spread(noise, who, "noise")
    draw = np.random.RandomState(_random_state(rng, who))
    turn = [np.linspace(0, np.pi, n) for n in counts]
    X = np.concatenate([
        np.column_stack([np.cos(turn[0]), np.sin(turn[0])]),
        np.column_stack([1 - np.cos(turn[1]), 1 - np.sin(turn[1]) - 0.5]),
    ])  # fmt: skip
    y = np.repeat([0, 1], counts)
    if shuffle:
        order = np.arange(len(y))
        draw.shuffle(order)
        X, y = X[order], y[order]
    return _made(X if spread is None else X + draw.normal(scale=spread, size=X.shape), y, 2)


def circles(
    n_samples: Any = 500, shuffle: Any = True, noise: Any = 0.05, factor: Any = 0.5, rng: Rng = 0
) -> Table:
    """Return scikit-learn's two circles."""
    return _scikit_made("circles", rng, n_samples=n_samples, shuffle=shuffle, noise=noise, factor=factor)


def blobs(
    n_samples: Any = 500,
    n_features: Any = 2,
    centers: Any = None,
    cluster_std: Any = 1.0,
    center_box: Any = (-10.0, 10.0),
    shuffle: Any = True,
    rng: Rng = 0,
) -> Table:
    """Return scikit-learn's round clouds."""
    return _scikit_made(
        "blobs",
        rng,
        n_samples=n_samples,
        n_features=n_features,
        centers=centers,
        cluster_std=cluster_std,
        center_box=center_box,
        shuffle=shuffle,
    )


def xor(n: int = 4, sigma: float = 0.0, rng: Rng = 0) -> Table:
    """Return n points, the four corners in turn, with normal noise of standard deviation sigma."""
    who = who_loads("xor")
    n = whole(n, who, "n")
    sigma = _spread(sigma, who, "sigma")
    draw = generator(rng, who)
    corners = from_csv("xor")
    turn = np.arange(n) % len(corners.X)
    return corners._replace(X=corners.X[turn] + draw.normal(0.0, sigma, (n, 2)), y=corners.y[turn])


def gaussians(
    name: str,
    quadrants: Sequence[tuple[int, int]],
    n: int = 1000,
    centerx: float = 1.0,
    centery: float = 1.0,
    sigma: float = 0.316,
    epsilon: float = 0.02,
    rng: Rng = 0,
) -> Table:
    """Return clouds around (+-centerx, +-centery), those of class 0 and 1 in turn.

    The course's gen_arti calls sigma the variance: its 0.1 is a standard deviation of 0.316, as here.
    """
    who = who_loads(name)
    n = whole(n, who, "n")
    center = np.array([real(centerx, who, "centerx"), real(centery, who, "centery")])
    sigma = _spread(sigma, who, "sigma")
    epsilon = _spread(epsilon, who, "epsilon")
    draw = generator(rng, who)
    turn = np.arange(n) % len(quadrants)
    X = center * np.array(quadrants)[turn] + draw.normal(0.0, sigma, (n, 2))
    return _shuffled(X, turn % 2, 2, epsilon, draw)


def checkerboard(n: int = 1000, epsilon: float = 0.02, rng: Rng = 0) -> Table:
    """Return uniform points of [-4, 4]^2, of class 1 where ceil(x1) + ceil(x2) is odd."""
    who = who_loads("checkerboard")
    n = whole(n, who, "n")
    epsilon = _spread(epsilon, who, "epsilon")
    draw = generator(rng, who)
    X = draw.uniform(-4.0, 4.0, (n, 2))
    return _shuffled(X, np.ceil(X).sum(axis=1) % 2, 2, epsilon, draw)


def spiral(n: int = 100, arms: int = 3, turns: float = 0.75, noise: float = 0.2, rng: Rng = 0) -> Table:
    """Return n points an arm, at radius t = 1/n, 2/n, ... 1 and angle 2 pi (arm / arms + turns t) + noise.

    The noise is normal, its standard deviation in radians. No point is at 0, where all arms meet.
    """
    who = who_loads("spiral")
    n = whole(n, who, "n")
    arms = whole(arms, who, "arms")
    turns = real(turns, who, "turns")
    noise = _spread(noise, who, "noise")
    draw = generator(rng, who)
    arm = np.repeat(np.arange(arms), n)
    radius = np.tile(np.arange(1, n + 1) / n, arms)
    angle = 2.0 * np.pi * (arm / arms + turns * radius) + draw.normal(0.0, noise, arms * n)
    X = radius[:, np.newaxis] * np.column_stack([np.cos(angle), np.sin(angle)])
    return _shuffled(X, arm, arms, 0.0, draw)


def _shuffled(
    X: NDArray[np.float64], y: NDArray[Any], count: int, epsilon: float, draw: np.random.Generator
) -> Table:
    """Move the points by normal noise, which leaves them their class, and put them in a random order."""
    order = draw.permutation(len(X))
    return _made((X + draw.normal(0.0, epsilon, X.shape))[order], y[order], count)


def _spread(value: float, who: str, option: str) -> float:
    """Return a standard deviation."""
    return real(value, who, option, "a finite number of at least 0", lambda v: v >= 0)


def _made(X: NDArray[np.float64], y: NDArray[Any], count: int) -> Table:
    """Return the Table of a set made by a formula, with numbers for names."""
    feature_names = tuple(f"x{i + 1}" for i in range(X.shape[1]))
    return Table(X, y.astype(np.int64), feature_names, tuple(map(str, range(count))))


def _scikit_made(name: str, rng: Rng, **options: Any) -> Table:
    """Return what scikit-learn's maker draws: for an int, the same as its own with random_state=rng."""
    seed = _random_state(rng, who_loads(name))
    from sklearn import datasets

    X, y = getattr(datasets, f"make_{name}")(random_state=seed, **options)
    return _made(X, y, int(y.max()) + 1)


def _random_state(rng: Rng, who: str) -> int:
    """The seed that scikit-learn's makers are given: never None, for which they draw from numpy's global generator."""
    draw = generator(rng, who)
    return int(rng if isinstance(rng, int | np.integer) and rng < 2**32 else draw.integers(2**32))
