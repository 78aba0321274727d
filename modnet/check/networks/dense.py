"""A network's numbers read as a chain of dense layers, so that its way back can be written down: right, and with mistakes.

Of a network nothing is seen but numbers: parameters, and an output and how far a step moves, or the derivatives of a loss and
what it gives as its gradients. If weights with an activation between them have exactly this output, or these derivatives, the
network is this chain,

(1)  z_k = a_k W_k + b_k,   a_{k+1} = f(z_k),   a_0 = x
(2)  dL/dW_k = a_k^T delta_k,   dL/db_k = sum of delta_k
(3)  delta_{k-1} = delta_k W_k^T * f'(z_{k-1})

and each mistake that is made in (2) and (3) gives numbers to compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import NamedTuple

import numpy as np

from modnet.check.asking.numeric import factor_of
from modnet.check.reading.definitions import FUNCTIONS

Array = np.ndarray
_MOST = 300  # orders of layers that are tried


class Bend(NamedTuple):
    """An elementwise activation: its value, its slope by z and a = f(z), and the factors of which the slope is made."""

    value: Callable[[Array], Array]
    slope: Callable[[Array, Array], Array]
    factors: dict[str, Callable[[Array, Array], Array]]


_logistic = FUNCTIONS["sigmoid"]
BENDS = {
    "sigmoid": Bend(_logistic, lambda z, a: a * (1 - a), {"f(z)": lambda z, a: 1 - a, "1 - f(z)": lambda z, a: a}),
    "tanh": Bend(np.tanh, lambda z, a: 1 - a * a, {"the square": lambda z, a: 1 - a, "1": lambda z, a: -a * a}),
    "ReLU": Bend(FUNCTIONS["relu"], lambda z, a: (z > 0) * 1.0, {}),
    "identity": Bend(FUNCTIONS["identity"], lambda z, a: np.ones_like(z), {}),
    "leaky ReLU": Bend(lambda z: np.where(z > 0, z, 0.01 * z), lambda z, a: np.where(z > 0, 1.0, 0.01), {}),
    "softplus": Bend(FUNCTIONS["softplus"], lambda z, a: _logistic(z), {}),
}
_ENDS = {**{name: bend.value for name, bend in BENDS.items()}, "softmax": FUNCTIONS["softmax"]}

#: A loss: its name, and its slopes at an output and its truth.
Loss = tuple[str, Callable[[Array, Array], Array]]
LOSSES: tuple[Loss, ...] = (
    ("the squared error", lambda out, y: out - y),
    ("the cross-entropy", lambda out, y: -y / np.where(out > 0, out, np.nan)),
    ("the binary cross-entropy", lambda out, y: (out - y) / np.where((out > 0) & (out < 1), out * (1 - out), np.nan)),
    ("the cross-entropy of scores", lambda out, y: _shares(out) - y),
)
OF_SCORES = LOSSES[-1]


def _shares(scores: Array) -> Array:
    """The softmax of the scores of an example, or of each row; of a single one the sigmoid."""
    return _ENDS["sigmoid" if scores.shape[-1:] in ((), (1,)) else "softmax"](scores)


class Layer(NamedTuple):
    """A dense layer: the names of its parameters, and W (inputs, outputs); turned if its author has it (outputs, inputs)."""

    weight: str
    bias: str
    turned: bool


@dataclass(frozen=True)
class Mistake:
    """What is done otherwise on the way back: by layer, what takes the place of what is right.

    Attributes
    ----------
    kind, text, hint : of the finding. slopes : in the place of f'(z_k), for what comes to layer k. weights : of W_k in (3).
    inputs : of a_k in (2). start : of delta at the output. passed : what goes down from the last layer in the place of delta.
    """

    kind: str
    text: str
    hint: str = ""
    slopes: tuple[tuple[int, Array], ...] = ()
    weights: tuple[tuple[int, Array], ...] = ()
    inputs: tuple[tuple[int, Array], ...] = ()
    start: Array | None = None
    passed: Array | None = None
    instead: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Chain:
    """Such a network, at some examples: a (rows), z and layers in their order; f between them and at the end by their names."""

    held: dict[str, Array]
    layers: tuple[Layer, ...]
    a: tuple[Array, ...]
    z: tuple[Array, ...]
    bend: str
    end: str

    def weight(self, k: int, held: dict[str, Array] | None = None) -> Array:
        """W of a layer, (inputs, outputs)."""
        layer = self.layers[k]
        array = (held or self.held)[layer.weight]
        array = array[:, None] if array.ndim == 1 else array
        return array.T if layer.turned else array

    def delta(self, slopes: Array) -> Array:
        """dL/dz at the output, of dL/doutput (rows)."""
        out = self.a[-1]
        if self.end == "softmax":
            return out * (slopes - (slopes * out).sum(axis=1, keepdims=True))
        return slopes * BENDS[self.end].slope(self.z[-1], out)

    def slope(self, k: int) -> Array:
        """f'(z_k) of a layer before the last."""
        return BENDS[self.bend].slope(self.z[k], self.a[k + 1])

    def gradients(self, delta: Array, wrong: Mistake | None = None) -> dict[str, Array]:
        """(2) and (3) from delta at the output, with a mistake, in the shapes of the parameters."""
        wrong, found = wrong or Mistake("", ""), dict[str, Array]()
        delta = delta if wrong.start is None else wrong.start
        inputs, slopes, weights = dict(wrong.inputs), dict(wrong.slopes), dict(wrong.weights)
        deltas = dict[int, Array]()
        for k in reversed(range(len(self.layers))):
            layer, used = self.layers[k], deltas.get(dict(wrong.instead).get(k, -1), delta)
            deltas[k] = delta = used
            array = inputs.get(k, self.a[k]).T @ delta
            found[layer.weight] = (array.T if layer.turned else array).reshape(self.held[layer.weight].shape)
            if layer.bias:
                found[layer.bias] = delta.sum(axis=0).reshape(self.held[layer.bias].shape)
            if k:
                down = wrong.passed if wrong.passed is not None and k == len(self.layers) - 1 else delta
                delta = down @ weights.get(k, self.weight(k)).T * slopes.get(k - 1, self.slope(k - 1))
        return found


def chain_of(held: dict[str, Array], x: Array, out: Array) -> Chain | None:
    """The chain that gives this output (rows) of x (rows) with these parameters; None if there is none."""
    if x.ndim != 2 or out.ndim != 2 or len(x) != len(out):
        return None
    every = chains(held, x, out.shape[1])
    return next((chain for chain in every if np.allclose(chain.a[-1], out, rtol=1e-9, atol=1e-12)), None)


def chains(held: dict[str, Array], x: Array, last: int = 0) -> Iterator[Chain]:
    """Every chain that these parameters may be, at x (rows); last : how many numbers it gives, if that is known."""
    for layers in islice(_orders(dict(held), x.shape[1], last), _MOST):
        for bend in BENDS if len(layers) > 1 else ("identity",):
            chain = Chain(held, layers, (x,), (), bend, "identity")
            for k, layer in enumerate(layers):
                z = chain.a[-1] @ chain.weight(k) + (held[layer.bias].ravel() if layer.bias else 0.0)
                chain = replace(chain, a=(*chain.a, BENDS[bend].value(z)), z=(*chain.z, z))
            for end, value in _ENDS.items():
                yield replace(chain, a=(*chain.a[:-1], value(chain.z[-1])), end=end)


def _orders(held: dict[str, Array], width: int, last: int) -> Iterator[tuple[Layer, ...]]:
    """All parameters as dense layers, one after another, from so many numbers to so many, or to any number if that is 0."""
    if not held:
        if last in (0, width):
            yield ()
        return
    for name, array in held.items():
        rest = {n: a for n, a in held.items() if n != name}
        shape = array.shape if array.ndim == 2 else (*array.shape, 1)
        ways = [turned for turned in (False, True) if len(shape) == 2 and shape[turned] == width]
        for turned in ways if array.ndim else ():
            wide = shape[not turned]
            biases = [n for n, a in rest.items() if a.size == wide and max(a.shape, default=1) == a.size]
            for bias in (*biases, ""):
                for more in _orders({n: a for n, a in rest.items() if n != bias}, wide, last):
                    yield (Layer(name, bias, turned), *more)
        if array.ndim == 2 and min(array.shape) > 1:
            return  # weights come in their order


# --- mistakes --------------------------------------------------------------------------------------------------------


def mistakes(chain: Chain, delta: Array, error: Array, moved: dict[str, Array]) -> Iterator[Mistake]:
    """Ways back that are wrong, the simplest first.

    Parameters
    ----------
    delta : dL/dz at the output. error : yhat - y, both weighted as the examples are. moved : the parameters after the step, if
        one was taken.
    """
    last = len(chain.layers) - 1
    yield from _slopes(chain)
    for group in _groups(range(1, last + 1)) if moved else ():
        text = f"delta goes through {_names(chain, group)} after the step has moved it."
        new = tuple((k, chain.weight(k, moved)) for k in group)
        yield Mistake("updates-first", text, "compute every delta first, then move the weights", weights=new)
    square = [k for k in range(1, last + 1) if chain.weight(k).shape[0] == chain.weight(k).shape[1]]
    for group in _groups(square):
        text = f"on the way back delta is multiplied by {_names(chain, group)} as in forward, expected its transpose."
        turned = tuple((k, chain.weight(k).T) for k in group)
        yield Mistake("transposed", text, "delta @ W.T after x @ W; W.T @ delta after W @ x", weights=turned)
    if last and not _same(delta, error):
        text = f"through {chain.layers[last].weight} goes the error yhat - y, without the derivative at the output."
        hint = f"the delta that gives the gradient of {chain.layers[last].weight} goes on to the layer before"
        yield Mistake("missing-factor", text, hint, passed=error)
    for k, j in product(range(last), range(1, last + 1)):
        if k < j and chain.z[k].shape == chain.z[j].shape:
            text = f"{chain.layers[k].weight} is given the delta of {chain.layers[j].weight}."
            yield Mistake("chain", text, "delta = (delta @ W.T) * f'(z), once for each layer", instead=((k, j),))
    for k, a in enumerate(chain.a[:-1]):
        others = [("the input of the network", chain.a[0])] * (k > 0) + [("its own output", chain.a[k + 1])]
        others += [("z of the layer before, without the activation,", chain.z[k - 1])] * (k > 0)
        others += [(f"the input of {chain.layers[j].weight}", chain.a[j]) for j in range(1, last + 1) if j != k]
        for words, other in others:
            if other.shape == a.shape and not _same(other, a):
                name = chain.layers[k].weight
                text = f"the gradient of {name} is made of {words} instead of what {name} was given."
                kind = "at-output" if words == "its own output" else "chain"
                yield Mistake(kind, text, "x.T @ delta, with the layer's own x", inputs=((k, other),))
    yield from (wrong for wrong in _starts(chain, error) if not _same(wrong.start, delta))


def _slopes(chain: Chain) -> Iterator[Mistake]:
    """Another derivative of the activation, in all layers or in one."""
    hidden = range(len(chain.layers) - 1)
    if chain.bend == "identity":
        return
    variants = {k: list(_instead(chain.bend, chain.z[k], chain.a[k + 1])) for k in hidden}
    for i, group in product(range(len(variants.get(0, ()))), _groups(hidden)):
        kind, words, _ = variants[0][i]
        text = f"on the way back to {_names(chain, group)} {words or f'the derivative of the {chain.bend} is left out'}."
        yield Mistake(kind, text, _hint(chain.bend), slopes=tuple((k, variants[k][i][2]) for k in group))
    pairs = [(k, j) for k in hidden for j in range(len(chain.layers)) if j != k and chain.z[j].shape == chain.z[k].shape]
    shifted = [tuple((k, j) for k, j in pairs if j == k + step) for step in (1, -1)]
    for some in filter(None, (*shifted, *((pair,) for pair in pairs))):
        slopes = tuple((k, BENDS[chain.bend].slope(chain.z[j], chain.a[j + 1])) for k, j in some)
        names = _names(chain, [k for k, _ in some]), _names(chain, [j for _, j in some])
        text = f"on the way back to {names[0]} the derivative is that at z of {names[1]}."
        yield Mistake("chain", text, "each layer's derivative at its own z", slopes=slopes)


def _starts(chain: Chain, error: Array) -> Iterator[Mistake]:
    """Another delta at the output."""
    if chain.end in BENDS and chain.end != "identity":
        for kind, words, slope in _instead(chain.end, chain.z[-1], chain.a[-1]):
            text = f"at the output {words or 'the derivative is left out'}."
            yield Mistake(kind, text, _hint(chain.end), start=error * slope)
    other = {"sigmoid": "softmax", "softmax": "sigmoid"}.get(chain.end)
    if other:
        text = f"delta at the output is that of a {other} and its cross-entropy, and forward ends in a {chain.end}."
        start = error + _ENDS[other](chain.z[-1]) - chain.a[-1]
        yield Mistake("other-function", text, "y is taken from the output that the loss is given", start=start)


def _groups(layers: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All layers in which a mistake may be made, then each alone."""
    yield from dict.fromkeys((tuple(layers), *((k,) for k in layers)) if layers else ())


def _names(chain: Chain, layers: Sequence[int]) -> str:
    return ", ".join(chain.layers[k].weight for k in layers)


def _instead(bend: str, z: Array, a: Array) -> Iterator[tuple[str, str, Array]]:
    """(kind, in words, what stands in the place of f'(z)); no words if it is left out."""
    own = BENDS[bend]
    right = own.slope(z, a)
    yield "missing-factor", "", np.ones_like(z)
    yield "at-output", f"the derivative of the {bend} is taken at its output f(z), not at z", own.slope(a, own.value(a))
    yield "at-output", f"the derivative of the {bend}, written for its output, is given z", own.slope(z, z)
    for left, rest in own.factors.items():
        yield "missing-factor", f"of the derivative of the {bend} {left} is left out", rest(z, a)
    if bend == "sigmoid":
        yield "sign", "of the derivative of the sigmoid a sign is wrong: f(z) (1 + f(z))", a * (1 + a)
    if bend == "tanh":
        yield "sign", "of the derivative of the tanh a sign is wrong: 1 + f(z)^2", 1 + a * a
    yield "function-for-derivative", f"the {bend} itself stands for its derivative", a
    yield "function-for-derivative", f"the {bend} itself stands for its derivative", own.value(a)
    yield "double-counts", f"the derivative of the {bend} is multiplied in twice", right * right
    for name in ("sigmoid", "tanh", "ReLU"):
        if name != bend:
            words, other = f"the derivative is that of a {name}, and forward has a {bend}", BENDS[name].slope
            yield "other-function", words, other(z, BENDS[name].value(z))
            if np.ptp(other(a, a)) > 0:
                yield "other-function", words, other(a, a)


def _hint(bend: str) -> str:
    written = {"sigmoid": "a * (1 - a), with a = f(z)", "tanh": "1 - a**2, with a = f(z)", "ReLU": "z > 0"}
    return f"delta = (delta @ W.T) * f'(z); of the {bend} f'(z) = {written[bend]}" if bend in written else "delta * f'(z)"


def _same(one: Array | None, other: Array) -> bool:
    return one is not None and np.shape(one) == np.shape(other) and np.allclose(one, other, rtol=1e-6, atol=1e-12)


def explained_by(
    chain: Chain, moves: dict[str, Array], slopes: Array, error: Array, moved: dict[str, Array]
) -> Mistake | None:
    """The first mistake of which every move, or every gradient, is the same multiple; None if there is none.

    Parameters
    ----------
    slopes : dL/doutput. error, moved : as in `mistakes`.
    """
    delta = chain.delta(slopes)
    for wrong in mistakes(chain, delta, error, moved):
        given = chain.gradients(delta, wrong)
        rates = [_rate(moves[n], g) for n, g in given.items() if n in moves]
        known = [r for r in rates if r is not None]
        if known and len(known) == len(rates) == len(given) and np.ptp(known) <= 1e-3 * abs(known[0]) and known[0]:
            return wrong
    return None


def _rate(move: Array, gradient: Array) -> float | None:
    """The multiple of a gradient that a move is; None if it is none."""
    rate = factor_of(move, gradient)
    near = np.abs(move - rate * gradient).max() <= 1e-5 * max(np.abs(move).max(), 1e-300)
    return rate if near and np.isfinite(rate) else None
