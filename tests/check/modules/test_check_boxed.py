"""check_module and check_loss, on code whose arrays are held by objects of its own: unwrapped, or not checked, never accused."""

from __future__ import annotations

import numpy as np
import pytest

from modnet.check import check_loss, check_module
from modnet.check.modules.other_styles import examine_other


class Node:
    """What holds an array and knows where it came from."""

    def __init__(self, data):
        if not isinstance(data, np.ndarray):
            raise TypeError(f"{type(data)} is not supported")
        self.data, self.grad, self.origin = data, None, None


class Graph:
    """Called with nodes, it computes with arrays and gives a node."""

    def __call__(self, *nodes):
        self.nodes = nodes
        out = Node(np.asarray(self.forward(*[node.data for node in nodes])))
        out.origin = self
        return out


class Cube(Graph):
    def forward(self, x):
        return x**3

    def backward(self, dout):
        return 3 * self.nodes[0].data ** 2 * dout


class CubeSign(Cube):
    def backward(self, dout):
        return -super().backward(dout)


class Boxed:
    """Returns its results in an object."""

    def forward(self, x):
        self.x = x
        return Node(np.sin(x))

    def backward(self, dout):
        return Node(np.cos(self.x) * dout)


class BoxedWrong(Boxed):
    def backward(self, dout):
        return Node(np.cos(self.x) * dout / 2)


class Text(Boxed):
    """Gives nothing that an array can be made of."""

    def forward(self, x):
        return {"out": x}


class Ragged(Boxed):
    def forward(self, x):
        return [x, x[:1]]


class Closed(Boxed):
    """Takes objects of a class that is nowhere to be found."""

    def forward(self, x):
        return x.payload * 2


class Replaced(Boxed):
    """Its list becomes an array in the first forward: the second one stops."""

    def __init__(self):
        self.places = []

    def forward(self, x):
        self.places.append(1)
        self.places, self.x = np.array(self.places), x
        return np.sin(x)


class BoxedLoss:
    def forward(self, y, yhat):
        return Node(((y - yhat) ** 2).sum(axis=1))

    def backward(self, y, yhat):
        return Node(2 * (yhat - y))


class TextLoss(BoxedLoss):
    def forward(self, y, yhat):
        return {"loss": 0.25}


def words(report):
    return {row[0].split(": ")[-1]: row[1] for row in report.verdicts}


@pytest.mark.parametrize("kind", [Cube, Boxed])
def test_an_array_is_taken_out_of_what_holds_it(kind):
    report = check_module(kind(), (4, 3))
    assert report.ok, str(report)
    assert words(report)["the input's gradient"] == "right"


@pytest.mark.parametrize(("kind", "mistake"), [(CubeSign, "sign"), (BoxedWrong, "scale")])
def test_mistakes_keep_their_names_there(kind, mistake):
    assert [f.kind for f in check_module(kind(), (4, 3)).findings] == [mistake]


@pytest.mark.parametrize("kind", [Text, Ragged, Closed])
def test_what_is_no_array_is_not_checked(kind):
    report = check_module(kind(), (4, 3))
    assert report.ok, report
    assert words(report) == {"forward": "not checked"}
    report = examine_other(kind)
    assert report.ok, report
    assert "right" not in words(report).values()


def test_what_an_array_of_its_own_lacks_is_a_crash_all_the_same():
    found = check_module(Replaced(), (4, 3)).findings
    assert [f.kind for f in found] == ["crash"]
    assert "append" in found[0].message


def test_losses_too():
    y, yhat = np.eye(3), np.random.default_rng(0).normal(size=(3, 3))
    report = check_loss(BoxedLoss(), y, yhat)
    assert report.ok, report
    assert words(report)["backward"] == "right"
    assert words(check_loss(TextLoss(), y, yhat))["forward"] == "not checked"
