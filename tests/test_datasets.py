"""The data sets against what they promise, and the readers against files written here."""

import gzip
import inspect
import re
import shutil
import struct
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog

from modnet import datasets
from modnet.datasets import load, load_table, read_csv, read_idx, read_usps

PAGES = Path(__file__).parent.parent / "datasets"
NAMES = datasets.names()
SCIKIT = ["moons", "circles", "blobs", "digits", "iris", "wine", "breast_cancer", "diabetes"]
DRAWN = [name for name in NAMES if "rng" in datasets.info(name).options]
# xor is its four points unless it is asked for noise.
NOISY = {"xor": {"n": 40, "sigma": 0.1}}
CLASSIFICATIONS = [name for name in NAMES if datasets.info(name).task == "classification"]


def message(error, call, *args, **options):
    """Return the message of the error that the call must raise; it is a single line."""
    with pytest.raises(error) as raised:
        call(*args, **options)
    text = str(raised.value)
    assert "\n" not in text
    return text


# The sets, whatever they are


def test_the_names_are_those_promised():
    promised = (
        "moons circles blobs digits iris wine breast_cancer diabetes xor two_gaussians four_gaussians "
        "checkerboard spiral three_categories marks marks_more different"
    )
    assert promised.split() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_set_is_what_its_record_says(name):
    record = datasets.info(name)
    X, y = load(name)
    assert record.name == name
    assert X.shape == (record.n, record.features)
    assert y.shape == (record.n,)
    assert X.dtype == np.float64
    assert X.flags.c_contiguous
    assert X.flags.writeable
    assert np.isfinite(X).all()
    if record.task == "classification":
        assert y.dtype == np.int64
        assert np.unique(y).tolist() == list(range(record.classes))
    else:
        assert record.classes is None
        assert y.dtype == np.float64
        assert np.isfinite(y).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_table_names_each_feature_and_each_class(name):
    table = load_table(name)
    X, y, feature_names, class_names = table
    assert table.task == datasets.info(name).task
    assert len(set(feature_names)) == X.shape[1]
    assert all(type(word) is str for word in feature_names)
    if table.task == "classification":
        assert len(set(class_names)) == y.max() + 1
        assert all(type(word) is str for word in class_names)
    else:
        assert class_names is None


@pytest.mark.parametrize("name", NAMES)
def test_changing_what_was_loaded_does_not_change_the_next_load(name):
    X, y = load(name)
    before = X.copy(), y.copy()
    X += 1.0
    y[:] = 0
    again = load(name)
    assert np.array_equal(again[0], before[0])
    assert np.array_equal(again[1], before[1])


@pytest.mark.parametrize("name", DRAWN)
def test_equal_rng_gives_equal_data_and_another_gives_other_data(name):
    def drawn(rng):
        return load(name, rng=rng, **NOISY.get(name, {}))[0]

    assert np.array_equal(load(name, **NOISY.get(name, {}))[0], drawn(0))
    assert np.array_equal(drawn(7), drawn(7))
    assert np.array_equal(drawn(7), drawn(np.int32(7)))
    assert not np.array_equal(drawn(7), drawn(8))
    assert np.array_equal(drawn(2**40), drawn(2**40))
    assert np.array_equal(drawn(np.random.default_rng(7)), drawn(np.random.default_rng(7)))
    generator = np.random.default_rng(7)
    assert not np.array_equal(drawn(generator), drawn(generator))
    assert not np.array_equal(drawn(None), drawn(None))


@pytest.mark.parametrize("name", NAMES)
def test_numpys_global_generator_is_not_touched(name):
    before = np.random.get_state()  # noqa: NPY002
    load(name)
    for rng in (5, None, np.random.default_rng(5)) if name in DRAWN else ():
        load(name, rng=rng)
    after = np.random.get_state()  # noqa: NPY002
    assert np.array_equal(before[1], after[1])
    assert before[2:] == after[2:]


@pytest.mark.parametrize("name", CLASSIFICATIONS)
def test_labels_rename_the_classes_and_change_nothing_else(name):
    plain = load_table(name)
    count = len(plain.class_names)
    labels = list(range(10, 10 + 3 * count, 3))
    renamed = load_table(name, labels=labels)
    assert np.array_equal(renamed.X, plain.X)
    assert np.array_equal(renamed.y, 10 + 3 * plain.y)
    assert renamed.class_names == tuple(map(str, labels))


def test_labels_may_be_signs_or_words():
    assert load("xor", labels=(-1, 1))[1].tolist() == [-1, 1, 1, -1]
    assert load("xor", labels=("no", "yes"))[1].tolist() == ["no", "yes", "yes", "no"]
    assert load("checkerboard", n=1, labels=(-1, 1))[1][0] in (-1, 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_description_says_sizes_text_and_options(name):
    record = datasets.info(name)
    text = datasets.describe(name)
    assert "\n" not in text
    assert text.startswith(f"{name} ({record.task}: {record.n} examples, {record.features} features")
    assert record.text in text
    for option, default in record.options.items():
        assert f"{option}={default!r}" in text


@pytest.mark.parametrize("name", NAMES)
def test_each_set_has_a_page_with_its_options_and_a_line_in_the_index(name):
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert page.startswith(f"# {name}\n")
    sections = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert sections == ["Columns", "Origin", "Options", "Licence"]
    options = page.split("## Options")[1].split("## Licence")[0]
    for option, default in datasets.info(name).options.items():
        assert re.search(rf"`{option}`\s+\({re.escape(str(default))}", options), option
    record = datasets.info(name)
    row = f"| [{name}]({name}.md) | {record.task} | {record.n} | {record.features} | {record.classes or ''} |"
    assert row in (PAGES / "README.md").read_text(encoding="utf-8")


# What they cost to import, and where the files are


def run(code, folder=None):
    """Return what a fresh Python prints, with a folder it imports from first."""
    path = f"import sys\nsys.path.insert(0, {str(folder)!r})\n" if folder else "import sys\n"
    command = [sys.executable, "-c", path + code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def package(tmp_path):
    """Make a package modnet of what the data sets need, without files, and a folder datasets of another's."""
    (tmp_path / "modnet").mkdir()
    (tmp_path / "modnet" / "__init__.py").touch()
    for name in ("arrays.py", "datasets.py"):
        shutil.copy(Path(datasets.__file__).with_name(name), tmp_path / "modnet")
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "marks.csv").write_text("a,b\n0,0.5\n")
    return tmp_path / "modnet"


def test_the_module_needs_numpy_only_and_so_do_our_own_sets(tmp_path):
    shutil.copytree(PAGES, package(tmp_path) / "_data")
    out = run(
        "import modnet.datasets as ds\n"
        "heavy = {'numba', 'scipy', 'sklearn', 'matplotlib', 'pandas', 'joblib', 'tqdm'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        f"for name in set(ds.names()) - set({SCIKIT!r}):\n"
        "    ds.load(name)\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "ds.load('iris')\n"
        "print('sklearn' in sys.modules)\n",
        tmp_path,
    )
    assert out.splitlines() == ["[]", "[]", "True"]


def test_an_installed_package_reads_its_own_copy_of_the_files(tmp_path):
    shutil.copytree(PAGES, package(tmp_path) / "_data")
    ours = ["xor", "three_categories", "marks", "marks_more", "different"]
    code = f"from modnet import datasets\nprint([[a.tolist() for a in datasets.load(n)] for n in {ours!r}])"
    assert run(code, tmp_path).strip() == str([[a.tolist() for a in load(name)] for name in ours])


def test_a_file_that_is_nowhere_is_an_error_that_says_where_it_should_be(tmp_path):
    here = package(tmp_path)
    (tmp_path / "datasets" / "marks.csv").unlink()
    code = (
        "from modnet import datasets\n"
        "try:\n"
        "    datasets.load('marks')\n"
        "except FileNotFoundError as error:\n"
        "    print(error)\n"
    )
    assert run(code, tmp_path) == (
        f"load('marks'): marks.csv is missing, expected in {here / '_data'} or {tmp_path / 'datasets'}: "
        "reinstall modnet\n"
    )


# scikit-learn's

@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("moons", {"n_samples": (30, 50), "noise": None, "shuffle": False}),
        ("circles", {"n_samples": 41, "noise": 0.2, "factor": 0.7}),
        ("blobs", {"n_samples": 60, "n_features": 3, "centers": 5, "cluster_std": 0.1, "center_box": (0, 1)}),
    ],
)
def test_options_reach_scikit_learns_makers_and_an_int_is_their_random_state(name, options):
    import sklearn.datasets

    X, y = load(name, rng=12, **options)
    expected_X, expected_y = getattr(sklearn.datasets, f"make_{name}")(random_state=12, **options)
    assert np.array_equal(X, expected_X)
    assert np.array_equal(y, expected_y)
    assert load_table(name, **options).X.shape == expected_X.shape


@pytest.mark.parametrize("name", ["moons", "circles", "blobs"])
def test_all_options_of_scikit_learns_makers_are_offered(name):
    import sklearn.datasets

    theirs = set(inspect.signature(getattr(sklearn.datasets, f"make_{name}")).parameters)
    # return_centers would change what load returns.
    assert set(datasets.info(name).options) == theirs - {"random_state", "return_centers"} | {"rng", "labels"}


@pytest.mark.parametrize("name", SCIKIT[3:])
def test_the_files_of_scikit_learn_come_unchanged(name):
    import sklearn.datasets

    bunch = getattr(sklearn.datasets, f"load_{name}")()
    table = load_table(name, **({"scale": False} if name == "digits" else {}))
    assert np.array_equal(table.X, bunch.data)
    assert np.array_equal(table.y, bunch.target)
    assert table.feature_names == tuple(bunch.feature_names)
    if name != "diabetes":
        assert table.class_names == tuple(str(word) for word in bunch.target_names)


def test_digits_are_scaled_to_0_and_1_unless_asked_not_to():
    X, _ = load("digits")
    raw, _ = load("digits", scale=False)
    assert (X.min(), X.max()) == (0.0, 1.0)
    assert np.array_equal(16 * X, raw)


def test_digits_can_be_the_first_few():
    table = load_table("digits", n_class=3, labels=["a", "b", "c"])
    assert table.class_names == ("a", "b", "c")
    assert set(table.y.tolist()) == {"a", "b", "c"}


def test_diabetes_comes_centred_or_as_measured():
    X, _ = load("diabetes")
    assert np.allclose(X.sum(axis=0), 0.0, atol=1e-12)
    assert np.allclose((X**2).sum(axis=0), 1.0)
    raw, _ = load("diabetes", scaled=False)
    assert (raw[:, 0].min(), raw[:, 0].max()) == (19.0, 79.0)


# Ours


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


# What load refuses


def test_an_unknown_name_is_answered_with_the_names_and_the_nearest():
    known = ", ".join(NAMES)
    assert message(ValueError, load, "moon") == (
        f"modnet.datasets: there is no data set 'moon', expected one of {known}; did you mean 'moons'?"
    )
    assert message(ValueError, datasets.info, "breast-cancer").endswith("; did you mean 'breast_cancer'?")
    assert message(ValueError, datasets.describe, "zzz") == (
        f"modnet.datasets: there is no data set 'zzz', expected one of {known}"
    )
    assert message(TypeError, load, 3) == f"modnet.datasets: the name is 3, expected one of {known}"


@pytest.mark.parametrize(
    ("name", "options", "error", "text"),
    [
        (
            "moons",
            {"nois": 0.1},
            TypeError,
            "load('moons'): there is no option 'nois', expected one of n_samples, shuffle, noise, rng, "
            "labels; did you mean 'noise'?",
        ),
        (
            "spiral",
            {"zzz": 1},
            TypeError,
            "load('spiral'): there is no option 'zzz', expected one of n, arms, turns, noise, rng, labels",
        ),
        ("marks", {"rng": 0}, TypeError, "load('marks'): there is no option 'rng', expected none"),
        ("marks", {"labels": (0, 1)}, TypeError, "load('marks'): there is no option 'labels', expected none"),
        (
            "xor",
            {"labels": (0, 1, 2)},
            ValueError,
            "load('xor'): labels is (0, 1, 2), expected 2 different values, one a class",
        ),
        (
            "iris",
            {"labels": (0, 1, 1)},
            ValueError,
            "load('iris'): labels is (0, 1, 1), expected 3 different values, one a class",
        ),
        (
            "xor",
            {"labels": 7},
            ValueError,
            "load('xor'): labels is 7, expected 2 different values, one a class",
        ),
        (
            "xor",
            {"sigma": -1},
            ValueError,
            "load('xor'): sigma is -1, expected a finite number of at least 0",
        ),
        (
            "four_gaussians",
            {"epsilon": "0.1"},
            TypeError,
            "load('four_gaussians'): epsilon is '0.1', expected a finite number of at least 0",
        ),
        ("digits", {"scale": 1}, TypeError, "load('digits'): scale is 1, expected True or False"),
        ("diabetes", {"scaled": "no"}, TypeError, "load('diabetes'): scaled is 'no', expected True or False"),
        ("digits", {"n_class": 11}, ValueError, "load('digits'): n_class is 11, expected at most 10"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_in_words(name, options, error, text):
    assert message(error, load, name, **options) == text


@pytest.mark.parametrize(
    ("name", "option", "value", "error"),
    [
        ("two_gaussians", "n", 0, ValueError),
        ("checkerboard", "n", 10.0, TypeError),
        ("xor", "n", "4", TypeError),
        ("spiral", "n", -3, ValueError),
        ("spiral", "arms", True, TypeError),
        ("spiral", "turns", np.inf, ValueError),
        ("four_gaussians", "centerx", np.nan, ValueError),
        ("digits", "n_class", 0, ValueError),
        ("xor", "rng", True, TypeError),
        ("spiral", "rng", 0.5, TypeError),
        ("moons", "rng", "0", TypeError),
        ("blobs", "rng", -1, (TypeError, ValueError)),
    ],
)
def test_an_option_that_is_not_the_number_it_should_be_is_refused(name, option, value, error):
    text = message(error, load, name, **{option: value})
    assert text.startswith(f"load({name!r}): {option} is {value!r}, expected ")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("moons", {"noise": -1.0}),
        ("moons", {"labels": (1, 1)}),
        ("spiral", {"noise": -1.0}),
        ("spiral", {"labels": 3}),
    ],
)
def test_a_call_that_fails_draws_nothing_from_the_generator_it_was_given(name, options):
    generator = np.random.default_rng(6)
    with pytest.raises(ValueError, match=r"noise|labels"):
        load(name, rng=generator, **options)
    assert generator.random() == np.random.default_rng(6).random()


# CSV


@pytest.fixture
def csv(tmp_path):
    """Return a function that writes a CSV file and returns its path."""

    def write(text, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def test_csv_with_a_header_and_words_for_classes(csv):
    table = read_csv(csv("weight,length,fruit\n118,19.5,banana\n170,7,apple\n-1e-3,.5,banana\n"))
    assert table.X.dtype == np.float64
    assert table.X.tolist() == [[118, 19.5], [170, 7], [-0.001, 0.5]]
    assert table.y.dtype == np.int64
    assert table.y.tolist() == [1, 0, 1]
    assert table.feature_names == ("weight", "length")
    assert table.class_names == ("apple", "banana")
    assert table.task == "classification"


def test_csv_without_a_header(csv):
    table = read_csv(csv("1,2,a\n3,4,b\n"))
    assert table.X.tolist() == [[1, 2], [3, 4]]
    assert table.feature_names == ("x1", "x2")
    assert table.class_names == ("a", "b")


def test_csv_header_may_name_sodium(csv):
    assert read_csv(csv("Na,Mg,glass\n13.6,4.5,1\n")).feature_names == ("Na", "Mg")


def test_csv_with_a_header_of_numbers_needs_to_be_told(csv):
    path = csv("0,1,class\n5,6,a\n7,8,b\n")
    assert read_csv(path, header=True).feature_names == ("0", "1")
    assert read_csv(path).class_names == ("a", "b", "class")
    assert message(ValueError, read_csv, csv("a,b\n1,2\n"), header=False).endswith(
        "line 1: 'x1' is 'a', expected a finite number, as 0.5"
    )


@pytest.mark.parametrize(
    ("targets", "task", "y", "class_names"),
    [
        (["1", "0", "1"], None, [1, 0, 1], ("0", "1")),
        (["-1", "1", "-1"], None, [0, 1, 0], ("-1", "1")),
        (["10", "9", "2"], None, [2, 1, 0], ("2", "9", "10")),
        (["1.0", "0.0", "1.0"], None, [1.0, 0.0, 1.0], None),
        (["1", "0", "1.5"], None, [1.0, 0.0, 1.5], None),
        ([str(i) for i in range(20)], None, list(range(20)), tuple(str(i) for i in range(20))),
        ([str(i) for i in range(21)], None, [float(i) for i in range(21)], None),
        (["3", "1", "3"], "regression", [3.0, 1.0, 3.0], None),
        (["1.0", "0.0", "1"], "classification", [1, 0, 1], ("0", "1")),
        (["0.5", "0.25", "0.5"], "classification", [1, 0, 1], ("0.25", "0.5")),
        (["b", "1", "a"], "classification", [2, 0, 1], ("1", "a", "b")),
    ],
)
def test_csv_targets_are_classes_or_numbers(csv, targets, task, y, class_names):
    table = read_csv(csv("x,y\n" + "".join(f"0,{target}\n" for target in targets)), task=task)
    assert table.y.tolist() == y
    assert table.y.dtype == (np.float64 if class_names is None else np.int64)
    assert table.class_names == class_names


@pytest.mark.parametrize("target", ["kind", 1, -2])
def test_csv_target_may_be_any_column(csv, target):
    table = read_csv(csv("x,kind,z\n1,a,3\n4,b,6\n"), target)
    assert table.X.tolist() == [[1, 3], [4, 6]]
    assert table.y.tolist() == [0, 1]
    assert table.feature_names == ("x", "z")


@pytest.mark.parametrize(
    "text",
    [
        "a;b;c\n1;2;x\n3;4;y\n",
        "a\tb\tc\n1\t2\tx\n3\t4\ty\n",
        "\ufeffa,b,c\r\n1,2,x\r\n3,4,y\r\n",
        "\n\na, b, c\n\n1 , 2, x\n   \n3,4,y",
        'a,b,c\n"1",2,"x"\n3,"4",y\n',
        gzip.compress(b"a,b,c\n1,2,x\n3,4,y\n"),
    ],
    ids=["semicolons", "tabulations", "mark and CRLF", "blanks", "quotes", "gzip"],
)
def test_csv_comes_in_many_dresses(csv, text):
    X, y, feature_names, class_names = read_csv(csv(text))
    assert X.tolist() == [[1, 2], [3, 4]]
    assert y.tolist() == [0, 1]
    assert feature_names == ("a", "b")
    assert class_names == ("x", "y")


def test_csv_delimiter_may_be_given(csv):
    assert read_csv(csv("a|b\n1|x\n2|y\n"), delimiter="|").X.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("text", "options", "after"),
    [
        ("", {}, " is empty, expected lines of numbers"),
        ("\n \n", {}, " is empty, expected lines of numbers"),
        ("a,b\n", {}, " has a header and no data, expected lines of numbers after it"),
        (
            "1\n2\n",
            {},
            ", line 1: there is 1 column, expected the features and the target, separated by commas",
        ),
        ("a,b,c\n1,2,x\n1,x\n", {}, ", line 3: there are 2 values, expected 3"),
        ("a,b,c\n\n1,2,x\n1,2,3,x\n", {}, ", line 4: there are 4 values, expected 3"),
        ("a,b,c\n1,2,x\n1,two,x\n", {}, ", line 3: 'b' is 'two', expected a finite number, as 0.5"),
        ("a;b\n1,5;x\n", {}, ", line 2: 'a' is '1,5', expected a finite number, as 0.5"),
        ("a,b,c\n1,2,x\n,2,x\n", {}, ", line 3: 'a' is missing, expected a finite number, as 0.5"),
        ("a,b,c\n1,2,x\n1,NA,x\n", {}, ", line 3: 'b' is missing, expected a finite number, as 0.5"),
        ("a,b,c\n1,2,x\n1,nan,x\n", {}, ", line 3: 'b' is missing, expected a finite number, as 0.5"),
        ("a,b,c\n1,2,x\n\n-inf,2,x\n", {}, ", line 4: 'a' is '-inf', expected a finite number, as 0.5"),
        ("a,b,c\n1,2,x\n1,2,\n", {}, ", line 3: target 'c' is missing, expected a value"),
        ("a,b\n1,2.5\n1,?\n", {}, ", line 3: target 'b' is missing, expected a value"),
        (
            "a,b\n1,2.5\n1,l.5\n",
            {},
            ", line 3: target 'b' is 'l.5', expected a number as on other lines, or task='classification'",
        ),
        ("a,b\n1,cat\n", {"task": "regression"}, ", line 2: target 'b' is 'cat', expected a number"),
        ("a,b\n1,2\n1,inf\n", {}, ", line 3: 'b' is 'inf', expected a finite number, as 0.5"),
        ("?,NA,x\n1,2,y\n", {}, ", line 1: 'x1' is missing, expected a finite number, as 0.5"),
        (",a,b\n0,1,2\n", {}, ", line 1: column 1 has no name, expected a name for each column"),
        ('a,b\n1,"x\ny\n', {}, ", line 3: unexpected end of data, expected CSV"),
        (
            "a,b\n1,2\n",
            {"target": "c"},
            " has no column 'c', expected one of a, b",
        ),
        (
            "size,kind\n1,2\n",
            {"target": "kinds"},
            " has no column 'kinds', expected one of size, kind; did you mean 'kind'?",
        ),
        (
            "a,a,b\n1,2,3\n",
            {"target": "a"},
            " has 2 columns 'a', expected one or a position",
        ),
        (b"a,b\n1,\xe9\n", {}, " has a wrong byte 6, expected UTF-8 text"),
    ],
)
def test_csv_errors_say_the_line_and_what_is_wrong_there(csv, text, options, after):
    path = csv(text)
    assert message(ValueError, read_csv, path, **options) == f"read_csv: {path}{after}"


def test_csv_arguments_that_make_no_sense_are_refused(csv):
    path = csv("a,b\n1,2\n")
    assert message(TypeError, read_csv, path, 1.5) == (
        "read_csv: target is 1.5, expected 'last', a column's name or position"
    )
    assert message(ValueError, read_csv, path, 2) == (
        f"read_csv: target is 2, expected a position from -2 to 1, as {path} has 2 columns"
    )
    assert message(ValueError, read_csv, path, -3) == (
        f"read_csv: target is -3, expected a position from -2 to 1, as {path} has 2 columns"
    )
    assert message(ValueError, read_csv, path, "b", header=False) == (
        "read_csv: target is 'b', expected 'last' or a position with header=False"
    )
    assert message(ValueError, read_csv, path, task="clusters") == (
        "read_csv: task is 'clusters', expected 'classification', 'regression' or None"
    )
    assert message(ValueError, read_csv, path, delimiter=",,") == (
        "read_csv: delimiter is ',,', expected one character or None"
    )
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_csv(path.with_name("nowhere.csv"))


def test_csv_says_that_a_gzip_file_is_cut_short(csv):
    path = csv(gzip.compress(b"a,b\n1,2\n" * 100)[:-12], "data.csv.gz")
    text = message(ValueError, read_csv, path)
    assert text.startswith(f"read_csv: {path} is damaged (")
    assert text.endswith("), expected a whole gzip file")


# USPS


def usps(tmp_path, lines, name="usps.txt"):
    path = tmp_path / name
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    return path


def usps_line(label, pixels):
    return f"{label} " + " ".join(f"{p:g}" for p in pixels)


@pytest.mark.parametrize("name", ["usps.txt", "usps.txt.gz"])
@pytest.mark.parametrize("end", [[], ["-1"], ["-1", "", " "]])
def test_usps_gives_back_what_was_written(tmp_path, name, end):
    rng = np.random.default_rng(0)
    pixels = np.maximum(rng.integers(-100, 201, (12, 256)), 0) / 100
    labels = rng.integers(0, 10, 12)
    lines = ["10 256", *(usps_line(label, row) for label, row in zip(labels, pixels, strict=True)), *end]
    X, y = read_usps(usps(tmp_path, lines, name))
    assert X.dtype == np.float64
    assert y.dtype == np.int64
    assert np.array_equal(X, pixels)
    assert np.array_equal(y, labels)


@pytest.mark.parametrize(
    ("lines", "after"),
    [
        ([], ", line 1: it is '', expected the counts of classes and pixels, as '10 256'"),
        (["3 0 1 2"], ", line 1: it is '3 0 1 2', expected the counts of classes and pixels, as '10 256'"),
        (["10 0"], ", line 1: it is '10 0', expected the counts of classes and pixels, as '10 256'"),
        (["10 3"], " has no digits, expected a line for each after the first"),
        (["10 3", "-1"], " has no digits, expected a line for each after the first"),
        (["10 3", "1 0 1 2", "1 0 1"], ", line 3: there are 3 values, expected a label and 3 pixels"),
        (["10 3", "1 0 1 2", "", "1 0 1 2 0"], ", line 4: there are 5 values, expected a label and 3 pixels"),
        (["10 3", "1 0 x 2"], ", line 2: value 3 is 'x', expected a number"),
        (["10 3", "1 0 1 2", "10 0 1 2"], ", line 3: the label is 10, expected a whole number from 0 to 9"),
        (["10 3", "1.5 0 1 2"], ", line 2: the label is 1.5, expected a whole number from 0 to 9"),
        (["10 3", "-1 0 1 2"], ", line 2: the label is -1, expected a whole number from 0 to 9"),
        (["10 3", "nan 0 1 2"], ", line 2: the label is nan, expected a whole number from 0 to 9"),
        (["10 3", "1 0 1 2", "", "1 0 2.5 2"], ", line 4: pixel 2 is 2.5, expected a value from 0 to 2"),
        (["10 3", "1 0 1 -0.1"], ", line 2: pixel 3 is -0.1, expected a value from 0 to 2"),
        (["10 3", "1 nan 1 1"], ", line 2: pixel 1 is nan, expected a value from 0 to 2"),
        (
            ["10 3", "1 0 1 2", "-1", "1 0 1 2"],
            ", line 4: it comes after the end, expected nothing after the '-1' of line 3",
        ),
    ],
)
def test_usps_errors_say_the_line_and_what_is_wrong_there(tmp_path, lines, after):
    path = usps(tmp_path, lines)
    assert message(ValueError, read_usps, path) == f"read_usps: {path}{after}"


# IDX

TYPES = {0x08: "B", 0x09: "b", 0x0B: "h", 0x0C: "i", 0x0D: "f", 0x0E: "d"}


def idx(tmp_path, content, name="data.idx"):
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    return path


@pytest.mark.parametrize("name", ["data.idx", "data.idx.gz"])
@pytest.mark.parametrize("code", TYPES)
@pytest.mark.parametrize("shape", [(6,), (2, 3), (3, 1, 2)])
def test_idx_gives_back_what_was_written(tmp_path, name, code, shape):
    values = [1, 2, 3, 100, 101, 127] if code == 0x08 else [-1, 2, 3, -100, 101, 127]
    content = struct.pack(f">BBBB{len(shape)}I6{TYPES[code]}", 0, 0, code, len(shape), *shape, *values)
    array = read_idx(idx(tmp_path, content, name))
    assert array.shape == shape
    assert array.ravel().tolist() == values
    assert array.dtype == np.dtype(TYPES[code])
    assert array.dtype.isnative
    assert array.flags.writeable


def test_idx_reads_images_and_labels_as_mnist_has_them(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    images = read_idx(idx(tmp_path, struct.pack(">4I", 0x00000803, 5, 28, 28) + pixels.tobytes()))
    labels = read_idx(idx(tmp_path, struct.pack(">2I", 0x00000801, 5) + bytes([5, 0, 4, 1, 9]), "labels.idx"))
    assert np.array_equal(images, pixels)
    assert labels.tolist() == [5, 0, 4, 1, 9]


MAGIC = "expected '00 00', a type (08, 09, 0b, 0c, 0d, 0e), and the number of dimensions"


@pytest.mark.parametrize(
    ("content", "after"),
    [
        (b"", f" begins with the bytes '', {MAGIC}"),
        (b"\0\0\x08", f" begins with the bytes '00 00 08', {MAGIC}"),
        (b"\1\0\x08\1\0\0\0\1x", f" begins with the bytes '01 00 08 01', {MAGIC}"),
        (b"\0\0\x0a\1\0\0\0\1x", f" begins with the bytes '00 00 0a 01', {MAGIC}"),
        (b"\0\0\x08\0x", f" begins with the bytes '00 00 08 00', {MAGIC}"),
        (b"\0\0\x08\xff" + bytes(1020), f" begins with the bytes '00 00 08 ff', {MAGIC}"),
        (b"\0\0\x08\3\0\0\0\1\0\0\0\1", " has 12 bytes, expected 16 for 3 dimensions' sizes"),
        (b"\0\0\x0b\2\0\0\0\2\0\0\0\3" + bytes(11), " has 23 bytes, expected 24 for int16 (2, 3)"),
        (b"\0\0\x0b\2\0\0\0\2\0\0\0\3" + bytes(13), " has 25 bytes, expected 24 for int16 (2, 3)"),
    ],
)
def test_idx_errors_say_what_is_wrong(tmp_path, content, after):
    path = idx(tmp_path, content)
    assert message(ValueError, read_idx, path) == f"read_idx: {path}{after}"


def test_idx_says_that_a_gzip_file_is_damaged(tmp_path):
    path = tmp_path / "data.idx.gz"
    path.write_bytes(b"\x1f\x8b" + bytes(20))
    assert message(ValueError, read_idx, path).startswith(f"read_idx: {path} is damaged (")
