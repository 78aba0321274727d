"""Scalars that know their derivatives: `Value` in reverse mode, `Dual` in forward mode.

The library's modules state their derivatives by hand and build no graph. Here are the two ways to have a machine find them,
each in about a hundred lines, to be read, and to referee: built from Values with the same weights, a network must have the
gradients that its modules state. Training never uses them.

Reverse mode. A Value remembers what it was computed from, and the local derivatives d(value)/d(parent). `backward` goes
through the graph from the result to the leaves; each node gives its parents its own grad times the local derivative, and
what comes by several ways adds up: the chain rule. One pass gives the derivatives by all leaves.

Forward mode. A Dual is a pair (v, v'). Every operation computes both: (v, v') (w, w') = (v w, v' w + v w'). One pass gives the
derivative by one input.

References: S. Linnainmaa, Taylor expansion of the accumulated rounding error, BIT 16 (1976); R. Wengert, A simple automatic
derivative evaluation program, Communications of the ACM 7 (1964).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any


def _number(value: Any, who: str) -> float:
    if isinstance(value, (bool, complex)) or not hasattr(value, "__float__") or getattr(value, "ndim", None):
        raise TypeError(f"{who}: got {value!r}, expected a number")
    try:
        return float(value)
    except OverflowError:
        raise OverflowError(f"{who}: the number is too large for a float") from None


class _Scalar:
    """What both kinds have in common: every operation from +, *, power and the functions with a rule of their own."""

    def _apply(self, data: float, *parents: tuple[Any, float], operation: str) -> Any:
        """The result of an operation: its number, and each parent with the derivative of the result by it."""
        raise NotImplementedError

    def _lift(self, other: Any) -> Any:
        kind: Any = type(self)
        return other if isinstance(other, kind) else kind(_number(other, kind.__name__))

    @property
    def _v(self) -> float:
        raise NotImplementedError

    def __add__(self, other: Any) -> Any:
        b = self._lift(other)
        return self._apply(self._v + b._v, (self, 1.0), (b, 1.0), operation="+")

    def __mul__(self, other: Any) -> Any:
        b = self._lift(other)
        return self._apply(self._v * b._v, (self, b._v), (b, self._v), operation="*")

    def __truediv__(self, other: Any) -> Any:
        b = self._lift(other)
        if b._v == 0:
            raise ZeroDivisionError(f"{type(self).__name__}: {self._v:g} / 0 has no value")
        return self._apply(self._v / b._v, (self, 1 / b._v), (b, -(self._v / b._v) / b._v), operation="/")

    def __pow__(self, power: float) -> Any:
        p, who = _number(power, f"{type(self).__name__}: power"), f"{type(self).__name__}: ({self._v:g}) ** {power:g}"
        if self._v < 0 and not p.is_integer():
            raise ValueError(f"{who} has no real value, expected a base of at least 0 or a whole power")
        if self._v == 0 and p < 1 and p:
            raise ZeroDivisionError(f"{who} has no {'value' if p < 0 else 'derivative'}, expected a base other than 0")
        try:
            slope = p * self._v ** (p - 1) if p else 0.0
            return self._apply(self._v**p, (self, slope), operation=f"^{p:g}")
        except OverflowError:
            raise OverflowError(f"{who} is too large for a float") from None

    def __neg__(self) -> Any:
        return self * -1.0

    def __sub__(self, other: Any) -> Any:
        return self + -self._lift(other)

    def __rsub__(self, other: Any) -> Any:
        return self._lift(other) - self

    def __rtruediv__(self, other: Any) -> Any:
        return self._lift(other) / self

    def __radd__(self, other: Any) -> Any:
        return self + other

    def __rmul__(self, other: Any) -> Any:
        return self * other

    def exp(self) -> Any:
        """e to the power of it; the derivative is the result itself."""
        try:
            e = math.exp(self._v)
        except OverflowError:
            who = f"{type(self).__name__}: exp({self._v:g})"
            raise OverflowError(f"{who} is too large for a float, expected a number of at most 709") from None
        return self._apply(e, (self, e), operation="exp")

    def log(self) -> Any:
        """The natural logarithm; the derivative is 1 / x."""
        if self._v <= 0:
            raise ValueError(f"{type(self).__name__}: log({self._v:g}) has no finite value, expected a number above 0")
        return self._apply(math.log(self._v), (self, 1 / self._v), operation="log")

    def tanh(self) -> Any:
        """tanh; the derivative is 1 - tanh^2."""
        t = math.tanh(self._v)
        return self._apply(t, (self, 1 - t * t), operation="tanh")

    def erf(self) -> Any:
        """The error function; the derivative is 2 / sqrt(pi) exp(-x^2)."""
        slope = 2 / math.sqrt(math.pi) * math.exp(-self._v * self._v)
        return self._apply(math.erf(self._v), (self, slope), operation="erf")

    def relu(self) -> Any:
        """max(0, x); the derivative is 1 or 0, and 0 at 0."""
        return self._apply(max(self._v, 0.0), (self, 1.0 if self._v > 0 else 0.0), operation="relu")

    def abs(self) -> Any:
        """|x|; the derivative is the sign, and 0 at 0."""
        return self._apply(abs(self._v), (self, math.copysign(1.0, self._v) if self._v else 0.0), operation="abs")

    def maximum(self, other: Any) -> Any:
        """The larger of the two, with the derivative going to it; to the first of equals."""
        b = self._lift(other)
        wins = 1.0 if self._v >= b._v else 0.0
        return self._apply(max(self._v, b._v), (self, wins), (b, 1.0 - wins), operation="max")


class Value(_Scalar):
    """A number in reverse mode: it remembers what it was computed from.

    Parameters
    ----------
    data : the number.
    name : for drawings.

    Attributes
    ----------
    data : the number. grad : d(result)/d(this), added to by every `backward`.

    Example
    -------
    >>> x, y = Value(2.0), Value(-3.0)
    >>> result = (x + y) * y
    >>> result.backward()
    >>> result.data, x.grad, y.grad
    (3.0, -3.0, -4.0)
    """

    def __init__(self, data: float, name: str = "") -> None:
        self.data, self.grad, self.name = _number(data, "Value"), 0.0, name
        self.operation = ""
        self._parents: tuple[tuple[Value, float], ...] | None = ()

    def _apply(self, data: float, *parents: tuple[Any, float], operation: str) -> Value:
        found = Value(data)
        found._parents, found.operation = parents, operation
        return found

    @property
    def _v(self) -> float:
        return self.data

    def backward(self, keep_graph: bool = False) -> None:
        """Add d(this)/d(leaf) to the grad of every leaf that this was computed from, and of every value in between.

        Parameters
        ----------
        keep_graph : whether another `backward` through the same values will come. Without it the graph is freed, as its
            second use would count the same contributions again.

        Raises
        ------
        RuntimeError
            If an earlier `backward` has freed the graph, or a part of it.
        """
        order = list(self._order())
        if any(value._parents is None for value in order):
            raise RuntimeError(
                "Value: backward has already been through this graph, which was then freed; "
                "call backward(keep_graph=True) the first time, or compute the value again"
            )
        passing = dict.fromkeys(map(id, order), 0.0)  # what this pass brings, apart from what earlier passes left
        passing[id(self)] = 1.0
        for value in reversed(order):
            for parent, slope in value._parents or ():
                passing[id(parent)] += passing[id(value)] * slope
        for value in order:
            value.grad += passing[id(value)]
            if not keep_graph and value._parents:
                value._parents = None

    def _order(self) -> Iterator[Value]:
        """All values of the graph, each after those it was computed from. A loop: a long sum is deeper than Python's stack."""
        seen: set[int] = set()
        stack: list[tuple[Value, bool]] = [(self, False)]
        while stack:
            value, done = stack.pop()
            if done:
                yield value
            elif id(value) not in seen:
                seen.add(id(value))
                stack.append((value, True))
                stack.extend((parent, False) for parent, _ in value._parents or ())

    def draw(self, path: Any = None, *, ax: Any = None, title: str | None = None) -> Any:
        """Draw the graph that leads to this value, a box for each with data and grad. Returns the figure.

        Call ``backward(keep_graph=True)`` before it: once the graph is freed, this value is all that is left to draw.
        """
        from modnet.plotting import scalar_graph

        return scalar_graph(self, path, ax=ax, title=title)

    def __repr__(self) -> str:
        return f"Value({self.data:g}, grad={self.grad:g})"


class Dual(_Scalar):
    """A number in forward mode: a pair (value, derivative).

    Parameters
    ----------
    value : the number. derivative : 1 for the input that is differentiated by, 0 for the others.

    Example
    -------
    >>> a = Dual(10.0, 1.0)
    >>> 3 * a + a * 20
    Dual(230, 23)
    """

    def __init__(self, value: float, derivative: float = 0.0) -> None:
        self.value, self.derivative = _number(value, "Dual"), _number(derivative, "Dual")

    def _apply(self, data: float, *parents: tuple[Any, float], operation: str) -> Dual:
        return Dual(data, sum(slope * parent.derivative for parent, slope in parents))

    @property
    def _v(self) -> float:
        return self.value

    def __repr__(self) -> str:
        return f"Dual({self.value:g}, {self.derivative:g})"


def derivative(f: Callable[[Dual], Dual], x: float) -> float:
    """f'(x) by one pass in forward mode, of a function of one number.

    Example
    -------
    >>> round(derivative(lambda x: 64 * x * (1 - x) * (1 - 2 * x) ** 2 * (1 - 8 * x + 8 * x**2) ** 2, 0.2), 6)
    9.066086
    """
    result = f(Dual(x, 1.0))
    return result.derivative if isinstance(result, Dual) else Dual(result).derivative


__all__ = ["Dual", "Value", "derivative"]
