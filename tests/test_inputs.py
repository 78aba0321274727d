"""What users hand over: taken if no number is lost, else refused with advice that works for what came."""

import datetime
import re
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from helpers import message
from scipy import sparse

import modnet
from modnet import MSE, BCEWithLogits, CrossEntropy, Hinge, Linear, Sequential, fit, predict
from modnet.inputs import as_batch, as_numbers, as_targets, as_weights
from modnet.optim import SGD, minimize

X = np.random.default_rng(0).normal(size=(16, 3))
LABELS = (X[:, 0] > 0).astype(int)
TARGETS = X[:, :1] * 2


# Numbers in disguise


def objects(array):
    return np.array(array.tolist(), object)


DISGUISES = {
    "objects": objects,
    "objects of numpy's": lambda array: np.array([[np.float32(v) for v in row] for row in array.tolist()], object),
    "decimals": lambda array: np.array([[Decimal(v) for v in row] for row in array.tolist()], object),
    "fractions": lambda array: [[Fraction(v) for v in row] for row in array.tolist()],
    "a mask of nothing": lambda array: np.ma.masked_array(array, np.zeros(array.shape, bool)),
    "a list of arrays": list,
    "a tuple of tuples": lambda array: tuple(map(tuple, array.tolist())),
    "an object with __array__": lambda array: type("Wrapped", (), {"__array__": lambda self, dtype=None, copy=None: array})(),
}


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
def test_numbers_in_disguise_are_taken(disguise):
    array = np.round(8 * X) / 8  # exact in every form
    found = as_batch(disguise(array), None, "who", "X")
    np.testing.assert_array_equal(found, array, strict=True)
    assert found.flags.carray


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (np.array([1, 2, 3], object), np.int64),
        (np.array([np.int8(1), 2, True], object), np.int64),
        (np.array([True, False], object), bool),
        (np.array([1, 2.5], object), np.float64),
        (np.array([True, 2.5], object), np.float64),
        (np.array([1, 2**70], object), np.float64),
        (np.array([[2**63, 1]], object), np.float64),
    ],
    ids=repr,
)
def test_objects_become_integers_if_they_are(value, dtype):
    found = as_numbers(value, "who", "y")
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, value.astype(float))


def test_an_array_of_numbers_is_not_copied():
    for array in (X, LABELS, X.astype(np.float32), X[::2], X > 0):
        assert as_numbers(array, "who", "X") is array
    assert as_batch(X, X.dtype, "who", "X") is X
    assert as_batch(X, None, "who", "X") is X


# What is refused


def masked(array, *place):
    found = np.ma.masked_array(array.copy(), np.zeros(array.shape, bool))
    found[place] = np.ma.masked
    return found


def dated():
    return np.array(["2020-01-01", "2020-01-02"], "datetime64[D]")


def arrays_in_an_array():
    found = np.empty(2, object)
    found[:] = [np.array([1.0, 2.0]), np.array([3.0, 4.0])]
    return found


KEEP = "leave such examples out: keep = {}, then np.asarray(X)[keep], and the same of the other arrays"
REFUSED = [
    (None, TypeError, "X is None, expected an array of numbers"),
    (masked(X, 3, 1), ValueError, "X[3, 1] is masked, expected a number; "
     + KEEP.format("~np.ma.getmaskarray(X).any(axis=1)")),
    (masked(X[:, 0], 2), ValueError, "X[2] is masked, expected a number; " + KEEP.format("~np.ma.getmaskarray(X)")),
    (masked(X[:, :2, None], 2, 1, 0), ValueError, "X[2, 1, 0] is masked, expected a number; "
     + KEEP.format("~np.ma.getmaskarray(X).any(axis=(1, 2))")),
    ([masked(X[0], 1), X[1]], ValueError, "X[0, 1] is masked, expected a number; "
     + KEEP.format("~np.ma.getmaskarray(np.ma.array(X)).any(axis=1)")),
    (sparse.csr_matrix(X), TypeError, "X is a sparse matrix, expected a dense array; convert it with X.toarray()"),
    (sparse.coo_array(X), TypeError, "X is a sparse matrix, expected a dense array; convert it with X.toarray()"),
    ([[1.0, None], [2.0, 3.0]], ValueError, "X[0, 1] is missing (None), expected a number; "
     + KEEP.format("np.not_equal(np.asarray(X, object), None).all(axis=1)")),
    ([1, None, 2], ValueError, "X[1] is missing (None), expected a number; "
     + KEEP.format("np.not_equal(np.asarray(X, object), None)")),
    (X + 0j, TypeError, "X holds complex numbers (dtype complex128), expected real numbers; take X.real"),
    ([[1j, 2]], TypeError, "X holds complex numbers (dtype complex128), expected real numbers; take np.asarray(X).real"),
    (X.astype(np.longdouble), TypeError, f"X holds {np.dtype(np.longdouble)} numbers, expected at most float64; "
     "convert them with X.astype(float)"),
    ([["1.5", "2"]], TypeError, "X holds text such as '1.5', expected real numbers; convert it with np.asarray(X, float)"),
    (np.array([["1.5", 2]], object), TypeError, "X holds text such as '1.5', expected real numbers; "
     "convert it with np.asarray(X, float)"),
    (np.array([[b"1.5", b"2"]]), TypeError, "X holds text such as b'1.5', expected real numbers; "
     "convert it with np.asarray(X, float)"),
    ([["cat", "dog"]], TypeError, "X holds text such as 'cat', expected real numbers"),
    ([["nan"]], TypeError, "X holds text such as 'nan', expected real numbers"),
    (np.array([(1, 2.5), (3, 4.5)], "i4,f8"), TypeError, "X is a structured array, expected plain numbers; "
     "convert it with np.array(X.tolist())"),
    (arrays_in_an_array(), TypeError, "X holds objects such as array([1., 2.]), expected real numbers; "
     "join arrays of one shape with np.stack(X)"),
    ([[datetime.date(2020, 1, 1)]], TypeError, "X holds objects such as datetime.date(2020, 1, 1), expected real numbers"),
    (dated(), TypeError, "X holds dates (dtype datetime64[D]), expected real numbers"),
    (dated() - dated()[0], TypeError, "X holds durations (dtype timedelta64[D]), expected real numbers"),
    ([[1, 2], [3]], ValueError, "X has rows of different lengths, expected a rectangular array"),
    ([Fraction(10**400)], ValueError, "X holds a whole number too large for float64, expected real numbers"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "error", "text"), REFUSED, ids=[text[:60] for *_, text in REFUSED])
def test_what_is_no_real_number_is_refused_in_one_line(value, error, text):
    assert message(error, as_numbers, value, "who", "X") == f"who: {text}"
    assert message(error, as_batch, value, np.dtype(np.float32), "who", "X") == f"who: {text}"


ADVICE = re.compile(r"(?:take|convert (?:it|them|whole numbers) with|join arrays of one shape with|encode text columns with|"
                    r"flatten (?:it|y) with|reshape y with|, take|y = |keep = ) ?((?:np|pandas|X|y|sample_weight|~np)[\[.].*?)"
                    r"(?=$|, then np.asarray| says where)")  # fmt: skip


def advised(text, name, value):
    """What the message's advice makes of a value; for `keep`, the examples that it keeps."""
    found = ADVICE.search(text)
    assert found, text
    space = {"np": np, name: value}
    if "pandas" in found[1]:
        space["pandas"] = pytest.importorskip("pandas")
    result = eval(found[1], space)
    if "keep = " in text:
        assert f"np.asarray({name})[keep]" in text
        return np.asarray(value)[result]
    return result[1] if isinstance(result, tuple) else result  # np.unique gives classes, y


WITH_ADVICE = [case for case in REFUSED if ";" in case[2]]


@pytest.mark.parametrize(("value", "error", "text"), WITH_ADVICE, ids=[text[:60] for *_, text in WITH_ADVICE])
def test_the_advice_is_right_for_what_came(value, error, text):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Casting complex", np.exceptions.ComplexWarning)
        found = as_numbers(advised(text, "X", value), "who", "X")
    assert found.dtype.kind in "fi"
    assert 1 <= len(found) <= len(value if isinstance(value, list) else np.zeros(value.shape))
    assert np.isfinite(found).all()


# float32


HUGE = [(np.array([[1.0], [-1e300]]), "X[1, 0] is -1e+300"), ([[3.5e38]], "X[0, 0] is 3.5e+38"),
        (np.array([0.0, 1.0, 1e39, 1e40])[::2], "X[1] is 1e+39"), ([[Decimal("1e39")]], "X[0, 0] is 1e+39")]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), HUGE, ids=[text for _, text in HUGE])
def test_numbers_too_large_for_float32_are_refused_not_made_infinite(value, text):
    assert message(ValueError, as_batch, value, np.dtype(np.float32), "who", "X") == (
        f"who: {text}, too large for float32, whose largest number is 3.4e+38; "
        "scale the values, or use float64: net.astype('float64')"
    )
    assert as_batch(value, np.dtype(np.float64), "who", "X").dtype == np.float64


def test_what_is_infinite_before_and_what_is_large_but_fits_stays():
    found = as_batch([np.inf, -np.inf, np.nan, 3.4e38, 1e-60, 2**63], np.dtype(np.float32), "who", "X")
    np.testing.assert_array_equal(found, np.array([np.inf, -np.inf, np.nan, 3.4e38, 0, 2**63], np.float32), strict=True)


# Weights


def test_weights_are_one_for_each_example():
    np.testing.assert_array_equal(as_weights([0, 1, Decimal("0.5")], 3, "who"), [0, 1, 0.5], strict=True)
    for value, text in (
        ([1.0], "sample_weight has shape (1,), expected (3,)"),
        (
            [[1.0], [1], [1]],
            "sample_weight has shape (3, 1), expected (3,); flatten it with np.asarray(sample_weight).reshape(-1)",
        ),
        ([1.0, -1, 1], "sample_weight has values from -1 to 1, expected none below 0 and some above"),
        ([0.0, 0, 0], "sample_weight has values from 0 to 0, expected none below 0 and some above"),
        ([1.0, np.inf, 1], "sample_weight[1] is inf, expected finite numbers"),
    ):
        assert message(ValueError, as_weights, value, 3, "who") == f"who: {text}"
    advice = message(ValueError, as_weights, [[1.0], [1], [1]], 3, "who")
    assert as_weights(advised(advice, "sample_weight", [[1.0], [1], [1]]), 3, "who").shape == (3,)


# Everywhere alike: X, y, weights, validation, losses by hand


def regression():
    return Sequential(Linear(3, 1, rng=0))


OPTIONS = {"loss": MSE(), "optimizer": SGD(0.1), "epochs": 1, "progress": False, "rng": 0}


def in_fit(name, value):
    given = {
        "X": X,
        "y": TARGETS,
        "sample_weight": np.ones(16),
        **({name: value} if name in ("X", "y", "sample_weight") else {}),
    }
    if name.startswith("validation"):
        pair = {"validation X": X, "validation y": TARGETS, name: value}
        given["validation"] = pair["validation X"], pair["validation y"]
    return lambda: fit(regression(), **given, **OPTIONS)


def by_hand(name, value):
    given = {"y": TARGETS, "yhat": TARGETS, name: value}
    return lambda: (MSE().forward(given["y"], given["yhat"]), MSE().backward(given["y"], given["yhat"]))


def in_minimize(name, value):
    given = {"X": X, "y": TARGETS, "sample_weight": np.ones(16), name: value}
    return lambda: minimize(regression(), MSE(), **given, maxiter=1)


ENTRANCES = {
    **{f"fit: {n}": (in_fit, n, n.rpartition(" ")[2]) for n in ("X", "y", "sample_weight", "validation X", "validation y")},
    **{f"minimize: {n}": (in_minimize, n, n) for n in ("X", "y", "sample_weight")},
    "a loss by hand: y": (by_hand, "y", "y"),
    "a loss by hand: yhat": (by_hand, "yhat", "yhat"),
    "forward": (lambda name, value: lambda: regression().forward(value), "X", "input"),
    "predict": (lambda name, value: lambda: predict(regression(), value), "X", "X"),
}
every_entrance = pytest.mark.parametrize("entrance", ENTRANCES.values(), ids=ENTRANCES)


def for_entrance(entrance, change):
    enter, name, said = entrance
    array = X if said in ("X", "input") else np.ones(16) if said == "sample_weight" else TARGETS
    return enter(name, change(array.copy())), said, array.ndim


@every_entrance
def test_disguised_numbers_are_taken_everywhere(entrance):
    for change in (objects, lambda a: np.ma.masked_array(a, np.zeros(a.shape, bool)), lambda a: a.tolist()):
        call, *_ = for_entrance(entrance, change)
        call()


@every_entrance
def test_what_numpy_would_hide_is_refused_everywhere(entrance):
    def hole(array):
        found = objects(array)
        found[(5,) + (0,) * (array.ndim - 1)] = None
        return found

    place = "[5, 0]"
    for change, text in (
        (lambda a: masked(a, 5, *[0] * (a.ndim - 1)), "{name}{place} is masked, expected a number"),
        (hole, "{name}{place} is missing (None), expected a number"),
        (lambda a: a + 0j, "{name} holds complex numbers"),
        (lambda a: sparse.csr_matrix(np.atleast_2d(a)), "{name} is a sparse matrix"),
    ):
        call, name, axes = for_entrance(entrance, change)
        with pytest.raises((ValueError, TypeError)) as raised:
            call()
        assert text.format(name=name, place=place if axes == 2 else "[5]") in str(raised.value)


@pytest.mark.parametrize("name", ["X", "y", "validation X", "validation y"])
def test_fit_refuses_what_float32_cannot_hold_and_changes_nothing(name):
    value = (X if name.endswith("X") else TARGETS).copy()
    value[2, 0] = 1e200
    net = regression().astype("float32")
    before = net.parameters.copy()
    given = {"X": X, "y": TARGETS, **({name: value} if len(name) == 1 else {})}
    if len(name) > 1:
        given["validation"] = (value, TARGETS) if name.endswith("X") else (X, value)
    text = message(ValueError, fit, net, **given, **OPTIONS)
    assert f"{name[-1]}[2, 0] is 1e+200, too large for float32" in text
    np.testing.assert_array_equal(net.parameters, before)


# Advice of losses and of fit, for every kind of container


CONTAINERS = {"array": np.array, "list": lambda a: np.array(a).tolist(), "tuple": lambda a: tuple(np.array(a).tolist())}


def pandas_containers():
    pandas = pytest.importorskip("pandas")
    return {
        "Series": lambda a: pandas.Series(np.array(a), index=range(100, 100 + len(a))),
        "DataFrame": lambda a: pandas.DataFrame(np.array(a), index=range(100, 100 + len(a))),
    }


def carry_out(case, container):
    """Call with y in a container, follow the advice of every message that comes, and call again."""
    make, y, loss, outputs = case
    value = container(make(y))
    for _ in range(4):
        net = Sequential(Linear(3, outputs, rng=0))
        try:
            fit(net, X, value, loss=loss, optimizer=SGD(0.1), epochs=1, progress=False)
            return value
        except (TypeError, ValueError) as error:
            text = str(error)
        by_hand = ""
        try:
            loss.forward(value, predict(net, X))
        except (TypeError, ValueError) as error:
            by_hand = str(error)
        assert by_hand.partition(": ")[2] == text.partition(": ")[2]  # the same words by hand and in fit
        value = advised(text, "y", value)
    raise AssertionError(f"advice without end: {text}")


CASES = {
    "labels as floats": (lambda y: y.astype(float), LABELS, CrossEntropy(), 2),
    "labels as a column": (lambda y: y[:, None], LABELS, CrossEntropy(), 2),
    "labels as a column of floats": (lambda y: y[:, None].astype(float), LABELS, CrossEntropy(), 2),
    "names of classes": (lambda y: np.array(["cat", "dog"])[y], LABELS, CrossEntropy(), 2),
    "numbers as text": (lambda y: y.astype(str), TARGETS, MSE(), 1),
    "targets as a row": (lambda y: y[:, 0], TARGETS, MSE(), 1),
    "bits as a row": (lambda y: y, LABELS, BCEWithLogits(), 1),
    "sides as 0 and 1": (lambda y: y[:, None], LABELS, Hinge(), 1),
    "sides as bytes": (lambda y: y[:, None].astype(np.uint8), LABELS, Hinge(), 1),
    "complex": (lambda y: y + 0j, TARGETS, MSE(), 1),
}


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_advice_about_y_works_for_arrays_and_lists(case, container):
    carry_out(case, container)


@pytest.mark.parametrize("name", ["Series", "DataFrame"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_advice_about_y_works_for_tables(case, name):
    make, y, *_ = case
    if name == "Series" and np.ndim(make(y)) != 1:
        case = (lambda y: make(y)[:, 0], *case[1:])
    carry_out(case, pandas_containers()[name])


@pytest.mark.parametrize("name", ["array", "list", "DataFrame"])
def test_advice_about_balanced_weights_works(name):
    container = {**CONTAINERS, **(pandas_containers() if name == "DataFrame" else {})}[name]
    rows = container(np.eye(2)[LABELS])
    text = message(ValueError, modnet.balanced_weights, rows)
    np.testing.assert_array_equal(modnet.balanced_weights(advised(text, "y", rows)), modnet.balanced_weights(LABELS))


# Tables of pandas


TABLES = {
    "a frame": lambda frame: frame,
    "convert_dtypes()": lambda frame: frame.convert_dtypes(),
    "a column of bool": lambda frame: frame.assign(b=frame.b > 0),
    "a column of nullable bool": lambda frame: frame.assign(b=frame.b > 0).convert_dtypes(),
    "a column of integers": lambda frame: frame.assign(b=range(16)).convert_dtypes(),
    "a column of categories": lambda frame: frame.assign(b=range(16)).astype({"b": "category"}),
    "a column of decimals": lambda frame: frame.assign(b=[Decimal(i) for i in range(16)]),
    "sparse columns": lambda frame: frame.astype("Sparse[float64]"),
}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
def test_tables_of_numbers_are_taken(make):
    pandas = pytest.importorskip("pandas")
    table = make(pandas.DataFrame(X, columns=list("abc")))
    want = np.array([[float(v) for v in row] for row in table.to_numpy(object).tolist()])
    np.testing.assert_array_equal(as_batch(table, None, "fit", "X"), want, strict=True)
    ends = []
    for given in (table, want):
        net = regression()
        fit(net, given, TARGETS, **OPTIONS)
        ends.append(net.parameters.copy())
    np.testing.assert_array_equal(*ends)


def test_nullable_columns_are_taken_as_y_and_weights():
    pandas = pytest.importorskip("pandas")
    labels, weights = pandas.Series(LABELS, dtype="Int64"), pandas.Series(np.ones(16), dtype="Float64")
    options = {**OPTIONS, "loss": CrossEntropy()}
    for y in (labels, labels.astype("boolean"), labels.astype(object), pandas.Series(LABELS, dtype="category")):
        fit(Sequential(Linear(3, 2, rng=0)), X, y, sample_weight=weights, validation=(X, y), **options)
        np.testing.assert_array_equal(CrossEntropy().forward(y, X[:, :2]), CrossEntropy().forward(LABELS, X[:, :2]))
    np.testing.assert_array_equal(modnet.balanced_weights(labels), modnet.balanced_weights(LABELS))


@pytest.mark.parametrize("kind", ["frame", "mixed frame", "objects of a frame", "series", "objects of a series", "list"])
def test_missing_values_of_tables_are_refused_with_advice_that_works(kind):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abc")).convert_dtypes()
    if kind == "mixed frame":
        frame = frame.assign(b=pandas.Series(X[:, 1] > 0, dtype="boolean"), a=pandas.Series(range(16), dtype="Int64"))
    frame.iloc[2, 1] = frame.iloc[7, 0] = pandas.NA
    value = {
        "objects of a frame": frame.to_numpy(object),
        "series": frame["b"],
        "objects of a series": frame["b"].to_numpy(object),
        "list": frame.to_numpy(object).tolist(),
    }.get(kind, frame)
    axes = 1 if "series" in kind else 2
    text = message(ValueError, as_numbers, value, "fit", "X")
    assert text.startswith(
        f"fit: X[2{', 1' * (axes == 2)}] is missing (<NA>), expected a number; leave such examples out: keep = "
    )
    kept = as_numbers(advised(text, "X", value), "fit", "X")
    assert kept.shape == ((14, 3) if axes == 2 else (15,))
    if kind == "frame":
        np.testing.assert_array_equal(kept, np.delete(X, [2, 7], axis=0))


def test_text_columns_of_a_table_are_encoded_as_the_message_says():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": X[:, 0], "animal": ["cat", "dog"] * 8})
    text = message(TypeError, as_numbers, frame, "fit", "X")
    assert text == ("fit: X holds text such as 'cat', expected real numbers; encode text columns with pandas.get_dummies(X)")
    assert as_numbers(advised(text, "X", frame), "fit", "X").shape == (16, 3)
    digits = pandas.DataFrame({"a": X[:, 0], "b": ["1.5", "2"] * 8})
    text = message(TypeError, as_numbers, digits, "fit", "X")
    np.testing.assert_array_equal(as_numbers(advised(text, "X", digits), "fit", "X"), np.c_[X[:, 0], [1.5, 2] * 8])


def test_a_column_of_arrays_is_joined_as_the_message_says():
    pandas = pytest.importorskip("pandas")
    column = pandas.DataFrame({"pixels": list(X)})["pixels"]
    text = message(TypeError, as_numbers, column, "fit", "X")
    np.testing.assert_array_equal(as_numbers(advised(text, "X", column), "fit", "X"), X)


@pytest.mark.parametrize(
    ("make", "x"),
    [
        (lambda: Linear(3, 2, rng=0), X[0]),
        (lambda: Sequential(modnet.Tanh(), Linear(3, 2, rng=0)), X[0].tolist()),
        (lambda: Sequential(modnet.Identity(), modnet.BatchNorm(3).eval()), tuple(X[0])),
        (lambda: modnet.Softmax(), X[0]),
        (lambda: modnet.Conv1D(2, 3, 4, rng=0), X),
        (lambda: modnet.Conv2D(2, 1, 4, rng=0), X[:, :, np.newaxis]),
        (lambda: Linear(1, 2, rng=0), X[0]),
    ],
)
def test_a_single_example_becomes_a_batch_as_the_message_says(make, x):
    net = make()
    for call in (net.forward, lambda value: predict(net, value)):
        found = re.search(r"; .*: (np\.asarray\(input\).+)$", message(ValueError, call, x))
        batch = eval(found[1], {"np": np, "input": x})
        assert len(call(batch)) == len(batch)


def test_a_single_example_of_another_size_gets_no_such_advice():
    assert message(ValueError, Linear(3, 2, rng=0).forward, np.ones(4)).endswith("expected (batch, 3)")


# Text as targets is for the loss to judge


def test_as_targets_leaves_text_and_nothing_else():
    words = np.array(["cat", "dog"])
    assert as_targets(words, "who") is words
    assert as_targets(["cat", "dog"], "who").dtype.kind == "U"
    assert as_targets(np.array([b"a"], object), "who").dtype == object
    message(TypeError, as_targets, np.array(["cat", 1], object), "who")
    message(ValueError, as_targets, np.array(["cat", None], object), "who")


def test_a_weight_that_is_masked_or_missing_is_told_without_advice_on_examples():
    layer = Linear(2, 2, rng=0)
    before = layer.weight.copy()
    hidden, missing = masked(np.ones((2, 2)), 1, 0), [[1.0, 1.0], [None, 1.0]]
    for wrong, said in ((hidden, "weight[1, 0] is masked"), (missing, "weight[1, 0] is missing (None)")):
        expected = f"Linear(2 -> 2): {said}, expected a number"
        assert message(ValueError, setattr, layer, "weight", wrong) == expected
        state = {**layer.state_dict(), "weight": wrong}
        assert message(ValueError, layer.load_state_dict, state) == expected
    np.testing.assert_array_equal(layer.weight, before)
