"""The checker, checked by mutation: right modules pass, and each mistake is found and named."""

from pathlib import Path

import numpy as np
import pytest
from corpus import BROKEN, CORRECT, LINE, Softmax

from modnet.check import CheckFailed, assert_gradients, check_module
from modnet.discovery import all_modules

KINDS = [
    "shape",
    "not-implemented",
    "crash",
    "forward",
    "sign",
    "scale",
    "transposed",
    "flipped-kernel",
    "identity",
    "ignores-delta",
    "diagonal",
    "at-output",
    "overwrites",
    "double-counts",
    "never-zeroed",
    "stateful",
    "mutates",
    "saturates",
    "integer-input",
    "ties",
    "overlap",
    "stride",
    "channel-mix",
    "batch-coupled",
    "missing-parameter",
    "symmetric-init",
    "layer-not-trained",
    "lr-ignored",
    "direction",
]


def test_the_corpus_has_several_classes_of_every_kind():
    counts = {kind: sum(entry[0] == kind for entry in BROKEN) for kind in KINDS}
    assert min(counts.values()) >= 3, counts
    assert len(BROKEN) >= 100
    assert len(CORRECT) >= 30


@pytest.fixture(scope="module")
def reports():
    """(kind, label, report) of every broken class."""
    return [(kind, getattr(cls, "label", cls.__name__), check_module(make(), input)) for kind, cls, make, input in BROKEN]


def test_every_broken_class_is_detected_and_nearly_all_are_named_by_the_first_finding(reports):
    missed = [label for _, label, report in reports if report.ok]
    confused = [(kind, label, report) for kind, label, report in reports if not report.ok and report.findings[0].kind != kind]
    assert not missed, missed
    assert len(confused) <= 0.05 * len(BROKEN), "\n\n".join(f"{kind}: {label}\n{report}" for kind, label, report in confused)


def test_one_mistake_gives_one_finding(reports):
    several = [f"{label}\n{report}" for _, label, report in reports if len(report.findings) > 1]
    assert len(several) <= 0.05 * len(BROKEN), "\n\n".join(several)


@pytest.mark.parametrize(("cls", "make", "input"), CORRECT, ids=[f"{i}-{entry[0].__name__}" for i, entry in enumerate(CORRECT)])
def test_right_classes_in_students_styles_give_no_finding(cls, make, input):
    check_module(make(), input).raise_if_failed()


@pytest.mark.parametrize("kind", all_modules(), ids=lambda kind: kind.__name__)
def test_modules_of_the_library_give_no_finding(kind):
    for module, shape in kind.examples():
        example = getattr(module, "example_input", None)
        assert_gradients(module, shape if example is None else example(shape, np.random.default_rng(0)))


def test_the_module_is_left_as_it_was():
    for _, make, input in CORRECT:
        module = make()
        before = repr(vars(module))
        check_module(module, input)
        assert repr(vars(module)) == before


def test_a_reference_is_the_definition_of_forward():
    cube = next(make for cls, make, _ in CORRECT if cls.__name__ == "Cube")()
    assert check_module(cube, LINE, reference=lambda X: X**3 - X).ok
    report = check_module(cube, LINE, reference=lambda X: X**3 + X)
    assert [f.kind for f in report.findings] == ["forward"]
    assert "reference" in report.findings[0].message


def test_a_failed_check_raises_with_the_report_as_its_text():
    class Unfinished(Softmax):
        def backward_delta(self, input, delta):
            return delta

    with pytest.raises(CheckFailed, match="delta as it came"):
        assert_gradients(Unfinished(), LINE)


def test_a_finding_quotes_the_students_line():
    class Softmax2(Softmax):
        def backward_delta(self, input, delta):
            s = self.forward(input)
            return delta * s * (1 - s)

    finding = check_module(Softmax2(), LINE).findings[0]
    assert finding.kind == "diagonal"
    assert "return delta * s * (1 - s)" in finding.line
    assert f"Your {Path(__file__).name}, line {finding.line.number}: return" in str(finding)


def test_a_class_in_place_of_an_object_is_refused():
    with pytest.raises(TypeError, match="check_module: module is the class Softmax"):
        check_module(Softmax, LINE)


def test_float32_modules_of_the_library_give_no_finding():
    for kind in all_modules():
        for module, shape in kind.examples():
            if hasattr(module, "example_input"):
                continue
            check_module(module.astype("float32"), shape).raise_if_failed()


def test_masked_values_are_refused():
    hidden = np.ma.array(np.ones((2, 3)), mask=[[False] * 3, [False, True, False]])
    with pytest.raises(ValueError, match=r"check_module: input\[1, 1\] is masked"):
        check_module(Softmax(), hidden)


def started_at(weights):
    def __init__(self, n, m):
        self._parameters = weights(n, m)
        self._gradient = np.zeros((n, m))

    return type("Linear", (Softmax,), {
        "__init__": __init__,
        "zero_grad": lambda s: s._gradient.fill(0),
        "forward": lambda s, X: X @ s._parameters,
        "update_parameters": lambda s, gradient_step=1e-3: s._parameters.__isub__(gradient_step * s._gradient),
        "backward_update_gradient": lambda s, input, delta: s._gradient.__iadd__(input.T @ delta),
        "backward_delta": lambda s, input, delta: delta @ s._parameters.T,
    })  # fmt: skip


def drawn(n, m):
    return np.random.default_rng(0).normal(size=(n, m))


def twins(n, m):
    weights = drawn(n, m)
    weights[:, 2] = weights[:, 0]
    return weights


@pytest.mark.parametrize(
    ("says", "weights"),
    [
        ("are equal at the start, so all units compute the same", lambda n, m: np.ones((n, m))),
        ("are nearly equal at the start, so all units compute nearly", lambda n, m: 1 + 1e-5 * drawn(n, m)),
        ("columns 0 and 2 of _parameters are equal at the start", twins),
        ("", drawn),
        ("", lambda n, m: 1e-5 * drawn(n, m)),
        ("", lambda n, m: np.eye(n, m)),
        ("", lambda n, m: np.random.default_rng(0).choice([-1.0, 1.0], (n, m))),
    ],
)
def test_weights_that_start_the_same_are_told_as_they_are(says, weights):
    report = check_module(started_at(weights)(3, 4), (4, 3))
    assert [f.kind for f in report.findings] == ["symmetric-init"] * bool(says), str(report)
    assert says in str([f.message for f in report.findings])
