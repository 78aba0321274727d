"""The sets made here, against what is known of them."""

import re
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from dataset_cases import PAGES
from scipy.optimize import linprog

from modnet import datasets
from modnet.datasets import load


def test_xor_is_the_truth_table():
    X, y = load("xor")
    assert [(int(a), int(b), int(c)) for (a, b), c in zip(X, y, strict=True)] == [
        (a, b, a ^ b) for a in (0, 1) for b in (0, 1)
    ]


def test_noisy_xor_keeps_to_its_corners_in_turn():
    X, y = load("xor", n=4002, sigma=0.05, rng=3)
    corner = np.rint(X).astype(int)
    assert np.array_equal(corner[:, 0] ^ corner[:, 1], y)
    assert np.bincount(2 * corner[:, 0] + corner[:, 1]).tolist() == [1001, 1001, 1000, 1000]
    # 8004 draws estimate a standard deviation to 0.8 %: five times that is kept away from chance.
    assert abs((X - corner).std() / 0.05 - 1.0) < 0.04


def test_the_operator_different_has_the_pairs_of_the_course():
    X, y = load("different")
    assert X.tolist() == [[4, 2], [6, -3], [1, 1], [3, 3]]
    assert y.tolist() == [1, 1, 0, 0]
    assert np.array_equal(np.minimum(np.abs(X[:, 0] - X[:, 1]), 1.0), y)


def test_the_marks_give_the_numbers_of_the_course():
    X, y = load("marks")
    assert X.tolist() == [[12, 15, 9], [5, 9, 12], [13, 12, 13], [10, 12, 15]]
    assert y.tolist() == [14, 7, 12, 11]
    w = np.array([0.0, 0.333, 0.333, 0.333])
    columns = np.column_stack([np.ones(4), X])
    error = columns @ w - y
    gradient = 2.0 * columns.T @ error / 4
    assert round(float(np.mean(error**2)), 2) == 2.24
    assert [round(float(g), 2) for g in gradient[:2]] == [0.81, 2.93]


@pytest.mark.parametrize("name", ["marks_more", "three_categories"])
def test_a_file_is_what_the_rule_on_its_page_prints(name):
    rule = re.search(r"```python\n(.*?)```", (PAGES / f"{name}.md").read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", rule[1]], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == (PAGES / f"{name}.csv").read_text(encoding="utf-8")


def test_more_marks_are_marks_and_follow_the_weights_on_their_page():
    X, y = load("marks_more")
    assert np.array_equal(X, np.rint(X))
    assert np.array_equal(2 * y, np.rint(2 * y))
    assert X.min() >= 0
    assert X.max() <= 20
    assert y.min() >= 0
    assert y.max() <= 20
    # 1.5 points of chance and a quarter for rounding.
    assert np.abs(X @ [0.2, 0.3, 0.5] - y).max() <= 1.75
    columns = np.column_stack([np.ones(60), X])
    w, residual, rank, _ = np.linalg.lstsq(columns, y)
    assert rank == 4
    assert np.abs(w[1:] - [0.2, 0.3, 0.5]).max() < 0.05
    assert 0.7 < residual[0] / 60 < 0.9


def test_three_categories_have_ten_points_each_and_one_linear_layer_separates_them():
    X, y = load("three_categories")
    assert np.bincount(y).tolist() == [10, 10, 10]
    assert len(np.unique(X, axis=0)) == 30
    # Weights (3, 2) and biases (3,) with s_c >= s_j + 1 for the right c and all other j: a linear program.
    rows = []
    for x, c in zip(X, y, strict=True):
        for j in {0, 1, 2} - {int(c)}:
            row = np.zeros((3, 3))
            row[c] = -x[0], -x[1], -1.0
            row[j] = x[0], x[1], 1.0
            rows.append(row.ravel())
    found = linprog(np.zeros(9), A_ub=np.array(rows), b_ub=-np.ones(len(rows)), bounds=(None, None))
    assert found.status == 0
    # No single feature does it alone, so the picture has two dimensions worth drawing.
    for feature in X.T:
        spans = sorted((feature[y == c].min(), feature[y == c].max()) for c in range(3))
        assert any(low <= high for (_, high), (low, _) in pairwise(spans))


@pytest.mark.parametrize(
    ("name", "positive", "negative"),
    [
        ("two_gaussians", [(2, 3)], [(-2, -3)]),
        ("four_gaussians", [(2, 3), (-2, -3)], [(-2, 3), (2, -3)]),
    ],
)
def test_gaussians_are_clouds_around_their_centers(name, positive, negative):
    n = 4000
    X, y = load(name, n=n, centerx=2, centery=3, sigma=0.3, epsilon=0.4, rng=1)
    centers = np.array(positive + negative, dtype=float)
    nearest = np.argmin(np.linalg.norm(X[:, None] - centers, axis=2), axis=1)
    assert np.array_equal(y, nearest < len(positive))
    share = n // len(centers)
    assert np.bincount(nearest).tolist() == [share] * len(centers)
    for k, center in enumerate(centers):
        noise = X[nearest == k] - center
        # Variances add: 0.3^2 + 0.4^2 = 0.5^2. Bounds at five standard errors.
        assert np.abs(noise.mean(axis=0)).max() < 5 * 0.5 / np.sqrt(share)
        assert np.abs(noise.std(axis=0) / 0.5 - 1).max() < 5 / np.sqrt(2 * share)
        assert abs(np.corrcoef(noise.T)[0, 1]) < 5 / np.sqrt(share)


@pytest.mark.parametrize("name", ["two_gaussians", "four_gaussians"])
def test_gaussians_default_to_the_variance_of_the_course(name):
    X, _ = load(name, n=20000, epsilon=0.0, rng=2)
    noise = X - np.sign(X)
    assert abs(noise.var() / 0.1 - 1) < 0.03


def test_classes_of_gaussians_differ_by_one_at_most_whatever_n():
    for n in range(1, 12):
        for name in ("two_gaussians", "four_gaussians"):
            _, y = load(name, n=n)
            assert abs(np.sum(y == 0) - np.sum(y == 1)) <= 1


def test_the_checkerboard_has_the_colours_of_a_board():
    X, y = load("checkerboard", n=5000, epsilon=0.0, rng=4)
    assert X.min() >= -4
    assert X.max() <= 4
    # A board drawn by rows: its colours change from square to square, and its corner (-4, -4) is of class 0.
    board = [[(row + column) % 2 for column in range(8)] for row in range(8)]
    expected = [board[int(a + 4)][int(b + 4)] for a, b in X]
    assert np.array_equal(y, expected)
    counts = np.histogram2d(X[:, 0], X[:, 1], bins=8, range=[[-4, 4], [-4, 4]])[0]
    assert counts.min() > 0


def test_noise_moves_the_checkerboards_points_and_not_their_classes():
    still, classes = load("checkerboard", n=500, epsilon=0.0)
    moved, same = load("checkerboard", n=500, epsilon=0.1)
    assert np.array_equal(classes, same)
    assert abs((moved - still).std() / 0.1 - 1) < 0.12


@pytest.mark.parametrize(("arms", "turns"), [(3, 0.75), (5, 0.3), (2, -1.25)])
def test_spiral_arms_are_turned_copies_of_one_and_balanced(arms, turns):
    n = 40
    X, y = load("spiral", n=n, arms=arms, turns=turns, noise=0.0, rng=9)
    assert np.bincount(y).tolist() == [n] * arms
    first = X[y == 0]
    first = first[np.argsort(np.hypot(*first.T))]
    # The radius grows evenly to 1, and from point to point the arm turns by the same small angle.
    assert np.allclose(np.hypot(*first.T), np.arange(1, n + 1) / n)
    z = first[:, 0] + 1j * first[:, 1]
    assert np.allclose(np.angle(z[1:] / z[:-1]), 2 * np.pi * turns / n)
    for arm in range(arms):
        c, s = np.cos(2 * np.pi * arm / arms), np.sin(2 * np.pi * arm / arms)
        points = X[y == arm]
        points = points[np.argsort(np.hypot(*points.T))]
        assert np.allclose(points, first @ [[c, s], [-s, c]])


def test_the_noise_of_the_spiral_turns_its_points():
    X, y = load("spiral", n=3000, noise=0.1, rng=5)
    radius = np.hypot(*X.T)
    assert np.allclose(np.sort(radius[y == 1]), np.arange(1, 3001) / 3000)
    turned = np.angle((X[:, 0] + 1j * X[:, 1]) * np.exp(-2j * np.pi * (y / 3 + 0.75 * radius)))
    assert abs(turned.std() / 0.1 - 1) < 0.04


@pytest.mark.parametrize("name", ["two_gaussians", "four_gaussians", "checkerboard", "spiral"])
def test_the_order_is_random(name):
    _, y = load(name)
    assert np.count_nonzero(np.diff(y)) > len(y) / 3
    assert len(set(y[:20].tolist())) == datasets.info(name).classes
