"""The contract of a loss, and how the library's own losses meet it.

    forward(y, yhat)  -> (batch,)       the loss of each example
    backward(y, yhat) -> like yhat      the derivative of each example's loss
    loss(y, yhat)     -> float          the mean of forward

A loss never averages its gradient: whoever trains divides delta by the size of the batch.

A class of your own, in plain numpy, overrides `forward` and `backward`. A loss of the library does the same, but each of the
two is a kernel, written under `operation`:

    class Squares(Loss):
        scale = Setting("a positive number", lambda v: v > 0, default=1.0)

        @operation
        def forward(y, yhat, out, c):           # y, yhat (batch, columns), out (batch,): the loss of each example
            for i in range(y.shape[0]):
                out[i] = c.zero
                for j in range(y.shape[1]):
                    e = yhat[i, j] - y[i, j]
                    out[i] += c.scale * e * e

        @operation
        def backward(y, yhat, delta, c):        # delta (batch, columns): d out[i] / d yhat[i, j]
            for i in range(y.shape[0]):
                for j in range(y.shape[1]):
                    e = yhat[i, j] - y[i, j]
                    delta[i, j] = c.scale * (e + e)

Two more are optional. ``hits(y, yhat, out)``: out[i] is 1 if example i is predicted right, else 0. ``at_once(y, yhat, out,
right, delta)`` computes in one pass what the others do one after the other, for a training loop, which needs all of it; their
numbers are what its own are tested against. A loss declares each `Setting` as a module does: kernels read it as ``s.scale``,
or as ``c.scale``, a number of y's element type. `Loss`, `Setting` and `operation` come from this file.

A loss that looks at each feature by itself and adds up, as this one, is shorter as a `modnet.losses.featurewise.Featurewise`.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from modnet import hints
from modnet.inputs import all_text, as_batch, as_targets, short_repr
from modnet.kernels import flat, in_rows
from modnet.kernels.compiled import enter_hits, enter_loss, enter_loss_at_once, enter_loss_backward
from modnet.kernels.declare import Declares, Setting, Shape
from modnet.kernels.mathfun import largest
from modnet.kernels.memory import aligned
from modnet.kernels.operation import Kind, Memo, Operation, is_compiled, operation
from modnet.kernels.softmax_rows import IGNORED, is_right
from modnet.kernels.targets import BY_LABELS, BY_ROWS, read_labels


class Z(NamedTuple):
    """Whole numbers that kernels of a loss take: a read-only record (1,), and its address."""

    record: np.ndarray
    address: int


#: What a compiled loop calls of a loss.
OPERATIONS = ("forward", "backward", "hits")


class PredictionError(ValueError):
    """A prediction that has no meaning for a loss."""


class Loss(hints.Explained, Declares):
    """What every loss does. A class of your own overrides `forward` and `backward`.

    Shape
    -----
    y : (batch, ...), the truth. yhat : (batch, ...), the prediction.
    """

    #: Names of the whole numbers that depend on y and yhat, fields of z.
    row_sizes: tuple[str, ...] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        found = [getattr(cls, name, None) for name in OPERATIONS]
        #: forward, backward and hits; None for one that is not a kernel.
        cls.operations = tuple(op if isinstance(op, Operation) else None for op in found)
        #: Whether a compiled loop can do all that the loss does: nothing is overridden in Python.
        cls.is_compiled = None not in cls.operations[:2] and is_compiled(cls, OPERATIONS, Loss)
        formulas = [name for op in cls.operations if op is not None for name in op.functions]
        #: `at_once` as a kernel, if the class has one and no class below it has written anew what it does.
        cls.in_one_pass = _newest(cls, "at_once", (*OPERATIONS, *formulas))
        cls.rows = Memo(cls._make_row)

    operations: tuple[Operation | None, ...] = (None, None, None)
    in_one_pass: Operation | None = None
    is_compiled = False
    #: The record z of a call, by the values of `row_sizes`. Kept, since making one takes as long as a small kernel.
    rows: Memo

    #: What kernels read: the words of the settings, and their address.
    _settings: tuple[np.ndarray, int]

    if not TYPE_CHECKING:

        def __new__(cls, *arguments: Any, **given: Any) -> Any:
            """A loss with its settings' defaults, in aligned memory of its own."""
            loss, settings = super().__new__(cls, *arguments, **given), cls.layout.settings.values()
            words = aligned(max(1, len(settings)), np.float64)
            for i, setting in enumerate(settings):
                words.view(setting.dtype)[i] = setting.default
            loss._settings = words, words.ctypes.data
            return loss

    def __init__(self) -> None:
        """A loss without arguments."""

    def setting_words(self) -> np.ndarray:
        return self._settings[0]

    # The contract.

    def forward(self, y: Any, yhat: Any) -> np.ndarray:
        """The loss of each example, (batch,)."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, y: Any, yhat: Any) -> np.ndarray:
        """The derivative of each example's loss with respect to its prediction, of yhat's shape."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def hits(self, y: Any, yhat: Any) -> Any:
        """1 for each example that is predicted right, else 0, (batch,); None if the loss has no notion of right."""
        return None

    def at_once(self, y: Any, yhat: Any) -> tuple[Any, Any, Any]:
        """What `forward`, `hits` and `backward` give, in this order. A kernel of this name computes all in one pass."""
        return self.forward(y, yhat), self.hits(y, yhat), self.backward(y, yhat)

    def decoded(self, yhat: Any) -> Any:
        """Predictions in the form of y, from what the network gives: labels if the loss is one of classes, else yhat itself."""
        return yhat

    def probabilities(self, yhat: Any) -> Any:
        """The probabilities that yhat stands for, of its shape; a ValueError if the loss gives it no such meaning."""
        raise ValueError(f"{self}: its predictions are no probabilities")

    def ignored(self, y: Any) -> np.ndarray | None:
        """Which of the positions of y do not count, of y's shape; None if all count."""
        return None

    def position_axes(self, yhat_shape: Shape) -> Shape:
        """The axes of one example's prediction over which losses add up, so that each position may have a weight."""
        return yhat_shape[1:]

    @hints.habits
    def __call__(self, y: Any, yhat: Any, **given: Any) -> float:
        """The mean loss over the batch."""
        if given:
            hints.refuse(self, "__call__", given)
        losses = self.forward(y, yhat)
        if type(losses) is not np.ndarray or losses.dtype.char not in "fd" or not losses.size:
            return float(np.mean(losses))
        total = np.add.reduce(losses, axis=None)  # the same number as np.mean's, which takes 3 us more
        return float(total.dtype.type(float(total) / losses.size))

    def __repr__(self) -> str:
        return hints.call_of(self)

    # What a loss of the library says of itself.

    def targets(self, y: Any, yhat_shape: Shape, dtype: np.dtype[Any]) -> tuple[np.ndarray, Z]:
        """Check y against the shape of yhat, and bring it into the form that kernels take.

        Returns
        -------
        y : (batch, columns), of type dtype.
        z : the record of whole numbers that kernels take, from `rows`.
        """
        if 0 in yhat_shape:
            raise self._no_numbers(yhat_shape)
        array = as_batch(y, dtype, self, "y")
        if array.shape != yhat_shape:
            advice = ""
            if array.size == np.prod(yhat_shape):
                advice = f"; reshape y with np.asarray(y).reshape({', '.join(map(str, (-1, *yhat_shape[1:])))})"
            elif array.shape == yhat_shape[:-1] and np.isin(array, range(yhat_shape[-1])).all():
                advice = f"; if y holds classes, take CrossEntropy(), or rows: np.eye({yhat_shape[-1]})[np.asarray(y, int)]"
            raise ValueError(f"{self}: y has shape {array.shape} and yhat {yhat_shape}, expected the same{advice}")
        if array.ndim != 2:
            array = array.reshape(len(array), -1)
        self.check_values(array)
        return array, self.rows[()]

    def check_values(self, y: np.ndarray) -> None:
        """A ValueError if y (batch, columns) holds a value that has no meaning for the loss."""

    def check_prediction(self, yhat: np.ndarray) -> None:
        """A `PredictionError` if yhat holds a value that has no meaning for the loss, such as a score for a probability."""

    def by_machine(self, y: Any, yhat: np.ndarray) -> Any:
        """The functions that look whether such y and yhat are as they should be and give `forward` and `backward`; or None."""
        kind = type(self)
        checks = kind.targets, kind.check_values, kind.check_prediction
        plain = checks == (Loss.targets, Loss.check_values, Loss.check_prediction)
        is_alike = type(y) is np.ndarray and y.shape == yhat.shape and y.dtype == yhat.dtype and y.ndim == 2
        return BY_ROWS if plain and is_alike else None

    @classmethod
    def examples(cls) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        """Losses with y and yhat, chosen to matter: what every check of the library runs on."""
        rng = np.random.default_rng(0)
        return [(cls(), *cls.drawn(rng, shape)) for shape in ((4,), (1, 3), (5, 2), (3, 2, 2))]

    @classmethod
    def drawn(cls, rng: np.random.Generator, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
        """y and yhat of a shape, for `examples`."""
        return rng.normal(size=shape), rng.normal(size=shape)

    @classmethod
    def _make_row(cls, *values: int) -> Z:
        record = np.zeros(1, cls.layout.z)
        for name, value in zip(cls.row_sizes, values, strict=True):
            record[name] = value
        record.flags.writeable = False
        return Z(record, record.ctypes.data)

    def _no_numbers(self, yhat_shape: Shape) -> ValueError:
        return ValueError(f"{self}: yhat has shape {yhat_shape}, which holds no numbers, expected (batch, ...)")

    def __setstate__(self, state: Any) -> None:
        """A copy or a pickle has settings of its own, in aligned memory."""
        own, slots = state if isinstance(state, tuple) else (state, {})
        if "_settings" not in own:
            raise ValueError(f"{type(self).__name__}: this pickle was made by modnet 0.1.0, which this version cannot read")
        self._settings[0][:] = own["_settings"][0]
        self.__dict__.update({**own, "_settings": self._settings})
        for name, value in slots.items():
            setattr(self, name, value)


# --- an operation, called as a method --------------------------------------------------------------------------------


def _take(loss: Any, operation: Operation, y: Any, yhat: Any) -> tuple[np.ndarray, np.ndarray, Z, int]:
    """The prediction and the target, checked; z; the address of the kernel."""
    prediction = as_batch(yhat, None, loss, "yhat")
    loss.check_prediction(prediction)
    target, z = loss.targets(y, prediction.shape, prediction.dtype)
    if prediction.ndim != 2:
        prediction = prediction.reshape(len(prediction), -1)
    return prediction, target, z, operation.addresses[type(loss), prediction.dtype.char]


class _Attempts:
    """Calls of a loss's operation that the machine checks by itself: of each class the last that it could.

    In a small step what is called from Python takes more than its kernel. Whatever is not as kernels take it goes the way of
    all others, which also knows the errors.

    Parameters
    ----------
    is_loss : whether the operation gives a number for each example; otherwise a derivative.
    """

    def __init__(self, is_loss: bool) -> None:
        self.is_loss = is_loss
        self.known: dict[type, tuple[Any, ...]] = {}

    def of(self, loss: Any, y: Any, yhat: Any) -> np.ndarray | None:
        """What the operation gives, or None if this call is none of these."""
        found = self.known.get(type(loss))
        if found is None or (found[0] and loss.ignore_index is not None):
            return None
        _, attempt, kernel, columns, made, z = found
        done: np.ndarray | None = attempt(kernel, y, yhat, made, columns, self.is_loss, z, loss._settings[1])
        return done

    def learn(self, loss: Any, y: Any, yhat: np.ndarray, z: Z, kernel: int) -> None:
        """Note that a call went well, with a yhat that is as kernels take it."""
        functions = loss.by_machine(y, yhat)
        attempt = None if functions is None else functions[not self.is_loss].attempt(yhat.dtype)
        if attempt is not None:
            columns = yhat.shape[1]
            made = 1 if self.is_loss else columns
            self.known[type(loss)] = functions is BY_LABELS, attempt, kernel, columns, made, z.address


def _for_each_example(enter: Any) -> Any:
    """What is called as `forward`, and as `hits`: a number for each example."""

    def of(operation: Operation) -> Any:
        attempts = _Attempts(is_loss=True)

        def numbers(self: Any, y: Any, yhat: Any, **given: Any) -> np.ndarray:
            if given:
                hints.refuse(self, operation.name, given)
            done = attempts.of(self, y, yhat)
            if done is not None:
                return done
            prediction, target, z, address = _take(self, operation, y, yhat)
            out = np.empty(len(prediction), prediction.dtype)
            enter.call(address, target, prediction, out, z.address, self._settings[1])
            if prediction is yhat:
                attempts.learn(self, y, yhat, z, address)
            return out

        return numbers

    return of


def _backward(operation: Operation) -> Any:
    attempts = _Attempts(is_loss=False)

    def backward(self: Any, y: Any, yhat: Any) -> np.ndarray:
        done = attempts.of(self, y, yhat)
        if done is not None:
            return done
        prediction, target, z, address = _take(self, operation, y, yhat)
        delta = np.empty(prediction.shape, prediction.dtype)
        enter_loss_backward.call(address, target, prediction, delta, z.address, self._settings[1])
        if prediction is yhat:
            attempts.learn(self, y, yhat, z, address)
        return delta if prediction is yhat else delta.reshape(np.shape(yhat))

    return backward


def _at_once(operation: Operation) -> Any:
    def at_once(self: Any, y: Any, yhat: Any) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
        if type(self).in_one_pass is not operation:
            return Loss.at_once(self, y, yhat)
        prediction, target, z, address = _take(self, operation, y, yhat)
        out, right = (np.empty(len(prediction), prediction.dtype) for _ in range(2))
        delta = np.empty(prediction.shape, prediction.dtype)
        enter_loss_at_once.call(address, target, prediction, out, right, delta, z.address, self._settings[1])
        return out, right if type(self).operations[2] is not None else None, delta.reshape(np.shape(yhat))

    return at_once


def _newest(kind: type, name: str, others: tuple[str, ...]) -> Operation | None:
    """The operation of this name, unless a class below the one that has it has written one of the others."""

    def depth(name: str) -> int:
        return next((i for i, base in enumerate(kind.__mro__) if name in vars(base)), len(kind.__mro__))

    found = getattr(kind, name, None)
    return found if isinstance(found, Operation) and all(depth(name) <= depth(other) for other in others) else None


Loss.kinds = {  # type: ignore[attr-defined]
    "forward": Kind("loss_forward", _for_each_example(enter_loss), Loss.forward),
    "backward": Kind("loss_backward", _backward, Loss.backward),
    "hits": Kind("hits", _for_each_example(enter_hits), Loss.hits),
    "at_once": Kind("loss_at_once", _at_once, Loss.at_once),
}


def require_loss(loss: Any, who: str) -> None:
    """TypeError unless it is a loss."""
    if isinstance(loss, type) or not (callable(getattr(loss, "forward", None)) and callable(getattr(loss, "backward", None))):
        name = loss.__name__ if isinstance(loss, type) else short_repr(loss)
        such = hints.such_as(loss, "modnet.losses", "", "CrossEntropy()")
        raise TypeError(f"{who}: loss is {name}, expected a loss object such as {such}")


def counts_hits(loss: Any) -> bool:
    """Whether a loss says which predictions are right."""
    return getattr(type(loss), "operations", (None,) * 3)[2] is not None


def require_probabilities(loss: Any, yhat: np.ndarray, advice: str) -> None:
    """PredictionError unless yhat is from 0 to 1, but for rounding. NaN stays NaN."""
    room = 16 * float(np.finfo(yhat.dtype).eps) if yhat.dtype.kind == "f" else 0.0
    low, high = float(yhat.min()), float(yhat.max())
    if low < -room or high > 1 + room:
        wrong = low if low < -room else high
        raise PredictionError(f"{loss}: yhat holds {wrong:.6g}, expected probabilities from 0 to 1; {advice}")


# --- losses over classes ---------------------------------------------------------------------------------------------


_INTEGER = np.dtype(np.int64)


class ClassLoss(Loss):
    """A loss over classes: yhat (batch, ..., classes) has a score for each, y says which is true.

    y is integers 0 to classes - 1 of shape (batch, ...), or rows of probabilities (one-hot among them) of yhat's shape.
    Kernels get the number of classes as ``z.classes``, and in ``z.labels`` 1 if y is labels, 0 if it is rows.
    """

    row_sizes = ("classes", "labels")
    #: A label of positions that do not count; None if all do.
    ignore_index: Any = None

    def decoded(self, yhat: Any) -> np.ndarray:
        return np.asarray(yhat).argmax(axis=-1)

    def ignored(self, y: Any) -> np.ndarray | None:
        labels = np.asarray(y)
        if self.ignore_index is None or labels.dtype.kind not in "iub":
            return None
        found: np.ndarray = labels == self.ignore_index
        return found if found.any() else None

    def position_axes(self, yhat_shape: Shape) -> Shape:
        return yhat_shape[1:-1]

    def targets(self, y: Any, yhat_shape: Shape, dtype: np.dtype[Any]) -> tuple[np.ndarray, Z]:
        if len(yhat_shape) < 2:
            order = "; y comes first: loss(y, yhat)" if np.ndim(y) > len(yhat_shape) else ""
            raise ValueError(f"{self}: yhat has shape {yhat_shape}, expected (batch, ..., classes){order}")
        if 0 in yhat_shape:
            raise self._no_numbers(yhat_shape)
        classes = yhat_shape[-1]
        raw = y if type(y) is np.ndarray and y.dtype.kind in "iu" else self._labels_or_rows(y)
        if raw.shape == yhat_shape:
            return as_batch(raw, dtype, self, "y").reshape(len(raw), -1), self.rows[classes, 0]
        if raw.shape != yhat_shape[:-1]:
            advice = ""
            if raw.shape == (*yhat_shape[:-1], 1):
                advice = "; flatten y with np.asarray(y)[..., 0]"
            elif raw.shape == yhat_shape[:1]:
                advice = "; for one answer an example, put Flatten() before the last Linear"
            raise ValueError(
                f"{self}: y has shape {raw.shape} and yhat {yhat_shape}, "
                f"expected labels {yhat_shape[:-1]} or rows {yhat_shape}{advice}"
            )
        if raw.dtype.kind not in "iub":
            broken = raw[raw != np.round(raw)]
            advice = f", and {broken[0]:g} is none" if broken.size else "; convert whole numbers with np.asarray(y).astype(int)"
            raise TypeError(f"{self}: y holds {raw.dtype} labels, expected integers 0 to {classes - 1}{advice}")
        ignored = None if self.ignore_index is None else self.ignored(raw)
        if ignored is not None:
            raw = np.where(ignored, 0, raw)
        labels = raw if raw.dtype is _INTEGER and raw.flags.carray else np.require(raw, _INTEGER, ["C", "A", "W"])
        target = np.empty((len(raw), raw.size // len(raw)), dtype)
        wrong = read_labels.call(labels if labels.ndim == 1 else labels.reshape(-1), classes, target)
        if wrong >= 0:
            raise ValueError(
                f"{self}: y holds the label {int(raw.reshape(-1)[wrong])}, expected 0 to {classes - 1}, "
                f"one for each of the {classes} columns of yhat{self._advice(raw, int(raw.reshape(-1)[wrong]), classes)}"
            )
        if ignored is not None:
            target[ignored.reshape(target.shape)] = IGNORED
        return target, self.rows[classes, 1]

    def by_machine(self, y: Any, yhat: np.ndarray) -> Any:
        kind = type(self)
        plain = (kind.targets, kind.check_prediction) == (ClassLoss.targets, Loss.check_prediction)
        is_labels = type(y) is np.ndarray and y.ndim == 1 and y.dtype == _INTEGER and yhat.ndim == 2
        return BY_LABELS if plain and is_labels and self.ignore_index is None else None

    def _advice(self, labels: np.ndarray, label: int, classes: int) -> str:
        """What to do about a label that is none of 0 to classes - 1."""
        low, high = labels.min(), labels.max()
        if (np.abs(labels) == 1).all() and low < high:
            return "; from -1 and 1, take (np.asarray(y) > 0).astype(int)"
        if low == 1 and high == classes:
            return "; they are counted from 0: take np.asarray(y) - 1"
        if classes == 1:
            return "; give the network an output for each class, or take BCEWithLogits() with y[:, None]"
        if label >= 0 or self.ignore_index is not None or "ignore_index" not in inspect.signature(type(self)).parameters:
            return ""
        return f"; if it marks positions that do not count, {type(self).__name__}(ignore_index={label}) leaves them out"

    def _labels_or_rows(self, y: Any) -> np.ndarray:
        found = as_targets(y, self)
        text = all_text(found)
        if text is not None:
            raise TypeError(
                f"{self}: y holds text such as {text!r}, expected integers 0 to C-1; "
                "number the classes with classes, y = np.unique(y, return_inverse=True)"
            )
        return found

    @operation
    def hits(y, yhat, out, z):
        # y (batch, positions) or (batch, positions * classes), yhat (batch, positions * classes), out (batch,)
        # right if yhat is largest, at its first largest, where the truth is; the share of positions that are. What is ignored
        # is not right: whoever counts leaves it out.
        classes, labels = z.classes, z.labels
        y, scores = flat(y), in_rows(yhat, classes)
        positions = scores.shape[0] // out.size
        for i in range(out.size):
            out[i] = 0
        for r in range(scores.shape[0]):
            out[r // positions] += is_right(y, scores, r, largest(scores, r), labels)
        for i in range(out.size):
            out[i] /= positions

    @classmethod
    def examples(cls) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        rng = np.random.default_rng(0)
        rows = rng.dirichlet(np.ones(3), 4)
        return [
            (cls(), np.array([0, 2, 1, 2]), rng.normal(size=(4, 3))),
            (cls(), np.array([1]), rng.normal(size=(1, 2))),
            (cls(), rows, rng.normal(size=(4, 3))),
            (cls(), np.array([[0, 1], [3, 2], [1, 1]]), rng.normal(size=(3, 2, 4))),
        ]


def __getattr__(name: str) -> Any:
    if name == "KernelLoss":
        raise ImportError("modnet.loss: KernelLoss is gone; a Loss writes its operations under @operation, see CONTRIBUTING.md")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["ClassLoss", "Loss", "Operation", "PredictionError", "Setting", "operation", "require_probabilities"]
