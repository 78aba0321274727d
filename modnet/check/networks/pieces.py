"""Layers, a loss and an optimizer of our own to put into a stranger's network: they write down every call.

They answer to the names that several courses and books use. A layer moves its own parameters if backward is given a rate. The
loss knows the truth that it may be given, so that it does not matter which of its arguments comes first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from modnet.check.networks.calls import Call, rows_of
from modnet.check.optimizers.holders import Layer
from modnet.check.reading.arguments import NotBuilt
from modnet.check.reading.vocabulary import BACKWARDS, DERIVATIVES, FORWARDS, VALUES


@dataclass
class Log:
    """What was called, in its order, and the truth that the loss may be given: (examples, outputs)."""

    truth: np.ndarray
    events: list[Call] = field(default_factory=list)


class Piece(Layer):
    """A layer: x @ W + b of a width, so that the wrong order of layers ends in no crash; a tanh without one."""

    def __init__(self, log: Log, place: int, width: int = 0) -> None:
        rng = np.random.default_rng([7, place])
        if width:
            super().__init__(rng.uniform(-1, 1, (width, width)), rng.uniform(-1, 1, (1, width)))
        else:
            self.__dict__.update(params={}, grads={}, trainable=False)
        self.__dict__.update(log=log, place=place, width=width)
        for names, method in ((FORWARDS, self._forward), (BACKWARDS, self._backward)):
            self.__dict__.update(dict.fromkeys(names, method))

    def __call__(self, x: Any, *more: Any, **named: Any) -> np.ndarray:
        """Forward."""
        return self._forward(x, *more, **named)

    def held(self) -> tuple[np.ndarray, ...]:
        """Copies of the parameters."""
        return tuple(np.array(a, dtype=float) for a in self.params.values())

    def predictions(self, outputs: np.ndarray) -> np.ndarray:
        """What an output layer makes of its numbers."""
        return outputs

    def _columns(self, x: np.ndarray) -> bool:
        """Whether an example is a column: (width, examples), or (examples, width, 1)."""
        return x.shape[-1:] != (self.width,)

    def _rows(self, x: np.ndarray) -> np.ndarray:
        """One row an example."""
        if self._columns(x) and x.shape[-2:-1] != (self.width,):
            raise NotBuilt(f"its layers are given shape {x.shape}, of which none is the width {self.width}")
        return (np.swapaxes(x, -1, -2) if self._columns(x) else x).reshape(-1, self.width)

    def _like(self, rows: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Rows in the shape of x."""
        if not self._columns(x):
            return rows.reshape(x.shape)
        return np.swapaxes(rows.reshape(*x.shape[:-2], x.shape[-1], self.width), -1, -2)

    def _value(self, x: np.ndarray) -> np.ndarray:
        """What comes out."""
        if not self.width:
            return np.tanh(x)
        w, b = self.params.values()
        return self._like(self._rows(x) @ w + b, x)

    def _slopes(self, x: np.ndarray, delta: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """dL/dinput, and the gradients."""
        if not self.width:
            return delta * (1 - self.output**2), ()
        rows, back, w = self._rows(x), self._rows(delta), next(iter(self.params.values()))
        return self._like(back @ w.T, x), (rows.T @ back, back.sum(axis=0, keepdims=True))

    def _forward(self, x: Any, *more: Any, **named: Any) -> np.ndarray:
        x = np.array(x, dtype=float)
        out = self._value(x)
        told = [v for v in (*more, *named.values()) if isinstance(v, bool)]
        self.__dict__.update(inputs=x, input=x, x=x, output=out)
        self.log.events.append(Call("forward", self.place, x, out.copy(), held=self.held(), training=told[0] if told else None))
        return out.copy()

    def _backward(self, delta: Any, *more: Any, **named: Any) -> np.ndarray:
        x, delta = self.__dict__.get("x"), np.array(delta, dtype=float)
        if x is None:  # forward was never called: the calls say so
            self.log.events.append(Call("backward", self.place, delta, delta))
            return delta.copy()
        if delta.shape != self.output.shape:
            raise NotBuilt(f"backward of layer {self.place} is given shape {delta.shape}, not that of its output")
        held = self.held()
        dx, gradient = self._slopes(x, delta)
        self.grads.update(zip(self.params, (g.copy() for g in gradient), strict=True))
        rates = [v for v in (*more, *named.values()) if isinstance(v, int | float) and not isinstance(v, bool)]
        for array, g in zip(self.params.values(), gradient if rates else (), strict=False):
            array -= rates[0] * g
        self.__dict__.update(dinputs=dx, dx=dx)
        self.log.events.append(Call("backward", self.place, delta, dx.copy(), held=held, gradient=gradient))
        return dx.copy()


class SoftmaxPiece(Piece):
    """A softmax of each row."""

    def _value(self, x: np.ndarray) -> np.ndarray:
        e = np.exp(x)
        out: np.ndarray = e / e.sum(axis=-1, keepdims=True)
        return out

    def _slopes(self, x: np.ndarray, delta: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        return self.output * (delta - (delta * self.output).sum(axis=-1, keepdims=True)), ()


class Obliging:
    """Whatever else it is asked to do, by any name, it does nothing and answers 0: an accuracy, a sum over an epoch."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"there is no {name}")
        return self._oblige

    def _oblige(self, *given: Any, **named: Any) -> Any:
        return (0.0, 0.0) if named.get("include_regularization") else 0.0


class LossPiece(Obliging):
    """Half the squared error of each example, as an object, and as functions `value` and `slope`."""

    def __init__(self, log: Log, layers: int) -> None:
        self.log, self.layers, self.output = log, layers, np.zeros(1)
        self.__dict__.update(dict.fromkeys(VALUES, self.number) | dict.fromkeys((*BACKWARDS, *DERIVATIVES), self.slope))

    def __call__(self, *given: Any, **named: Any) -> Any:
        """The loss; of a class that is to be made, itself."""
        return self.number(*given, **named) if given or named else self

    def _value(self, guess: np.ndarray, truth: np.ndarray) -> float:
        return 0.5 * float(((guess - truth) ** 2).sum())

    def _slope(self, guess: np.ndarray, truth: np.ndarray) -> np.ndarray:
        return guess - truth

    def number(self, *given: Any, **named: Any) -> Any:
        """The loss; with its regularisation if that is asked for."""
        self._given = self._sorted([*given, *named.values()])
        value = self._value(*self._given)
        return (value, 0.0) if named.get("include_regularization") else value

    def slope(self, *given: Any, **named: Any) -> np.ndarray:
        """Its derivative, at what the loss was given last unless something is given."""
        guess, truth = self._sorted([*given, *named.values()]) if given or named else self._given
        self.dinputs = self._slope(guess, truth)
        self.log.events.append(Call("slope", self.layers, guess.copy(), self.dinputs.copy(), held=(truth,)))
        return self.dinputs.copy()

    def _sorted(self, given: list[Any]) -> tuple[np.ndarray, np.ndarray]:
        """(prediction, truth), by what the truth may be."""
        arrays = [np.array(v, dtype=float) for v in given if isinstance(v, np.ndarray | list)]
        if len(arrays) != 2:
            raise NotBuilt("its loss is not given a prediction and a truth")
        places = [rows_of(a, self.log.truth) is not None for a in arrays]
        if places[0] == places[1]:
            raise NotBuilt("its loss is not given the truth as it came")
        guess, truth = arrays if places[1] else arrays[::-1]
        return guess, truth if truth.shape == guess.shape else truth.reshape(guess.shape)


class CrossEntropyPiece(LossPiece):
    """The mean cross-entropy of probabilities."""

    def _value(self, guess: np.ndarray, truth: np.ndarray) -> float:
        return -float((truth * np.log(guess)).sum()) / len(guess)

    def _slope(self, guess: np.ndarray, truth: np.ndarray) -> np.ndarray:
        return -truth / guess / len(guess)

    def _sorted(self, given: list[Any]) -> tuple[np.ndarray, np.ndarray]:
        arrays = [np.asarray(v) for v in given if isinstance(v, np.ndarray | list)]
        guesses = [a for a in arrays if a.ndim == 2 and a.dtype.kind == "f"]
        classes = [a for a in arrays if a.ndim == 1]
        if len(guesses) != 1 or len(classes) != 1:
            raise NotBuilt("its loss is not given probabilities and classes")
        return guesses[0], np.eye(guesses[0].shape[1])[classes[0].astype(int)]


class OptimizerPiece(Obliging):
    """SGD, by any of the names it is called by."""

    def __init__(self, rate: float) -> None:
        self.lr = self.learning_rate = self.current_learning_rate = self.rate = rate

    def update_params(self, layer: Any) -> None:
        """Move one layer."""
        for name, array in layer.params.items():
            array -= self.rate * layer.grads[name]

    def update(self, *given: Any) -> Any:
        """Move a layer, parameters by name or in lists, or one array, which is returned too."""
        if isinstance(given[0], Piece):
            return self.update_params(given[0])
        one, other = given[:2]
        if isinstance(one, dict):
            one, other = [one[k] for k in one], [other[k] for k in one]
        if not isinstance(one, list | tuple):
            return one - self.rate * np.asarray(other)
        for array, g in zip(one, other, strict=True):
            array -= self.rate * g
        return None
