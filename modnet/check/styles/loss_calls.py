"""How a loss of another course or book is called: which method is the loss, which its derivative, which argument is the truth.

Losses are objects, with `forward` and `backward`, `loss` and `gradient`, `fn` and `delta`, or functions, which become objects
(`modnet.check.functions.found`). The prediction is first or last. A `Calling` knows it of one loss; what cannot be told from
the names is told by trying.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour, answered, call
from modnet.check.reading.arguments import asks, positional, required
from modnet.check.reading.lines import calls_more, left_empty, returned, text_of
from modnet.check.reading.vocabulary import BACKWARDS, DERIVATIVES, FORWARDS, OPERATIONS, OUTPUTS, TRAINS, VALUES, apart
from modnet.check.styles.modes import begin_anew, is_mode, mode_of
from modnet.check.styles.several import names_returned
from modnet.loss import Loss

#: What an argument is, by its name: surely the truth, surely the prediction; a plain y is what the other one is not.
_TRUTH = re.compile(
    r"true|target|truth|label|actual|real|expect|desired|one_?hot|answer|^(t|y_t|gt|ys|y_train|oh_\w+|teacher)$", re.I
)
_SCORE = re.compile(r"^(z(_?l|s)?|logits?|scores?|pre_?act\w*|net)$", re.I)
_GUESS = re.compile(r"pred|hat|logit|score|prob|^([az]_?l?|x|o|p|s|dvalues|inputs?|out(put)?s?|y_?p|h|activations?)$", re.I)
_DERIVATIVES = ("backward", *DERIVATIVES, *BACKWARDS[1:])
_LOSS_WORD = re.compile(
    r"loss|cost|error|entropy|entropie|(^|_)(mse|mae|bce|nll|sse|rmse|ce|cce|xent|hinge|huber)(_|$)|criterion", re.I
)
#: What a loss may take beside truth and prediction: a mask, or weights.
_MORE = re.compile(r"mask|weight|^(lengths?|pos_w\w*)$", re.I)
#: A method that gives a loss and its derivative.
_BOTH = re.compile(r"(loss|cost|error|value)_?and_?|and_?(loss|cost)|forward_?(and_?)?backward|(loss|cost)_?grad", re.I)
#: Further names of a loss's derivative, such as calc_dloss and loss_grad.
_OF_LOSS = re.compile(
    r"((calc|calculate|compute|get|eval|evaluate)_?)?(d_?(loss|cost|pred|yhat|out\w*)(_d\w+)?|(loss|cost)_(grad\w*|deriv\w*|delta)|"
    r"(grad\w*|deriv\w*|delta)(_of)?_(loss|cost|input|output|pred))",
    re.I,
)
_RESULTS = ("lossvalue", "dataloss", "loss", "value", "cost", "output", "out")
_GRADIENTS = ("dinputs", "dinput", "dx", "da", "grad", "gradient", "gradinput", "delta", "dpred", "dypred", "dyhat")


def is_loss_name(name: str) -> bool:
    """Whether something of this name is a loss."""
    return bool(_LOSS_WORD.search(apart(name)))


def is_truth(name: str) -> bool:
    """Whether an argument of this name is surely the truth: a real_score is a prediction all the same."""
    return bool(_TRUTH.search(name)) and not re.search("pred|hat|logit|score|prob", name, re.I)


def without_more(names: list[str]) -> list[str]:
    """The arguments of a loss but for a mask or weights that come beside truth and prediction."""
    two = 2 + (names[:1] == ["self"])
    return [*names[:two], *(n for n in names[two:] if not _MORE.search(n))]


def order_of(names: list[str]) -> bool | None:
    """Whether the prediction comes first of two arguments; None if their names do not say."""
    first, second = ((is_truth(n), _GUESS.search(n) is not None) for n in names[:2])
    if first[0] != second[0]:
        return second[0]
    if first[1] != second[1]:
        return first[1]
    plain = [n.lower() in ("y", "yy") for n in names[:2]]
    return plain[1] if plain[0] != plain[1] else None


def methods_of(cls: type) -> tuple[str, str] | None:
    """The names of the methods that are the loss and its derivative, one name if one gives both; None if it has no such two."""
    own = [n for n in (*VALUES, *longer(cls, "for")) if _takes_two(cls, n) and not left_empty(cls, n)]
    value = next(iter(own), None)
    names = _DERIVATIVES if value in VALUES else (*_DERIVATIVES, *longer(cls, "back"))
    backs = (n for n in names if n != value and required(cls, n) is not None)
    derivative = next((n for n in backs if not left_empty(cls, n)), None)
    others = (n for n in dir(cls) if _OF_LOSS.fullmatch(n) and n != value and required(cls, n) is not None)
    derivative = derivative or next(others, None)
    if value and derivative:
        return value, derivative
    named = [n for n in dir(cls) if _BOTH.search(n) and _takes_two(cls, n)]
    both = next((n for n in [*([value] if value else []), *named] if gives_two(getattr(cls, n))), None)
    return (both, both) if both else None


def longer(cls: type, start: str) -> list[str]:
    """The methods of a class that are called forward, or backward, and something more: forloss, backloss, forward_dropout."""
    known = {*FORWARDS, *BACKWARDS, *OPERATIONS}
    held = [n for n in dir(cls) if re.fullmatch(rf"{start}(ward)?_?[a-z]+", n) and n not in known]
    return [n for n in held if required(cls, n) is not None]


def derivative_alone(cls: type) -> str:
    """The derivative of what is called a loss and has no method for one of prediction and truth; empty if it has none."""
    if issubclass(cls, Loss) or not is_loss_name(cls.__name__) or methods_of(cls) is not None:
        return ""
    names = dict.fromkeys((*_DERIVATIVES, *filter(_OF_LOSS.fullmatch, dir(cls))))
    return next((n for n in names if required(cls, n) is not None), "")


def _takes_two(cls: type, name: str) -> bool:
    """Whether a method takes a truth and a prediction, and perhaps a mask or weights."""
    return len(without_more(required(cls, name) or [])) == 2


def gives_two(function: Any) -> bool:
    """Whether a function returns (loss, derivative), by its last line: what has names there, one for a gradient, too."""
    found = returned(function)
    if not isinstance(found, ast.Tuple) or len(found.elts) != 2:
        return False
    names = names_returned(function)
    return "" in names or any(re.match(r"d(?!ata)|g$|.*grad|.*(delta|prime|deriv|slope|jac)", n, re.I) for n in names)


def says_loss(cls: type) -> bool:
    """Whether a class is a loss by its methods: one of truth and prediction, its derivative, and nothing that predicts."""
    names = methods_of(cls)
    if names is None or any(callable(getattr(cls, n, None)) for n in (*OUTPUTS, *TRAINS)):
        return False
    asked = without_more(required(cls, names[0]) or [])
    sure = order_of(asked) is not None and any(is_truth(n) or n.lower() == "y" for n in asked)
    return sure and not any(n.lower() in ("x", "input", "inputs") for n in asked)


def is_other_loss(cls: type) -> bool:
    """Whether a loss is not the contract's: other methods, (prediction, truth), or a backward that is given less than both.

    By names alone, since calling it in the wrong order answers too.
    """
    if issubclass(cls, Loss):
        return False
    names = methods_of(cls)
    if names is None:
        return False
    asked, back = required(cls, names[0]) or [], required(cls, names[1]) or []
    return names != ("forward", "backward") or len(back) < 2 or bool(order_of(asked) and not is_truth(asked[0]))


def is_of_functions(held: Any) -> bool:
    """Whether a loss, or a layer's class, was made of functions."""
    return getattr(held, "of_functions", None) is True


@dataclass
class Calling:
    """How one loss is called.

    Attributes
    ----------
    value, derivative : the names of the two methods. prediction_first : the order of the loss's arguments.
    given : what each argument of the derivative is: "truth", "prediction", "one", what comes from above, or "score", which the
        prediction is made of. sure : whether the names said the order. more : what else the two methods are given, by name: a
        mask, or weights. made_by : what makes predictions of scores, if the derivative is given both: it is then by the scores.
        columns : whether it is given an example a column. defined : whether the loss is a definition, not a method.
    """

    value: str
    derivative: str
    prediction_first: bool
    given: tuple[str, ...]
    sure: bool = True
    more: Mapping[str, Any] = field(default_factory=dict)
    made_by: Callable[[np.ndarray], np.ndarray] = np.asarray
    columns: bool = False
    defined: bool = False

    @classmethod
    def of(cls, loss: Any) -> Calling | None:
        """The calling of an object; None if it has no two such methods."""
        kind = type(loss)
        names = methods_of(kind)
        if names is None:
            return None
        asked = without_more(required(kind, names[0]) or [])
        order = order_of(asked)
        first = True if order is None else order
        last = _handed_on(kind, names[1])
        back = without_more(required(kind, last) or []) if positional(getattr(loss, last)) is not None else asked
        return cls(*names, first, tuple(meaning(back, first)), order is not None)

    def given_more(self, made: Any, truth: np.ndarray, prediction: np.ndarray) -> Calling:
        """The same with what its methods ask for beside truth and prediction, in a shape that they take."""
        asked = [n for m in dict.fromkeys((self.value, self.derivative)) for n in required(type(made), m) or []]
        names = [n for n in dict.fromkeys(asked) if len(asked) > 2 and _MORE.search(n)]
        rng, classes = np.random.default_rng(5), prediction.shape[-1:]
        for shape in (truth.shape, prediction.shape[:1], prediction.shape, classes, ()) if names else ():
            weights = rng.uniform(0.5, 1.5, shape) if shape else 0.7
            mask = (np.arange(int(np.prod(shape))) % 4 != 2).reshape(shape)
            found = replace(self, more={n: mask if "mask" in n.lower() else weights for n in names})
            try:
                if np.isfinite(np.asarray(found.loss(made, truth, prediction), dtype=float)).all():
                    return found
            except (Misbehaviour, TypeError, ValueError):
                continue
        return self

    def turned(self) -> Calling:
        """The same with the other order."""
        swap = {"truth": "prediction", "prediction": "truth"}
        return replace(self, prediction_first=not self.prediction_first, given=tuple(swap.get(g, g) for g in self.given))

    def loss(self, made: Any, truth: np.ndarray, prediction: np.ndarray) -> Any:
        """What the loss gives, from where it puts it."""
        prediction = self.made_by(prediction)
        pair = self._turned(prediction), self._turned(truth)
        pair = pair if self.prediction_first else pair[::-1]

        def ask() -> Any:
            try:
                return self._ask(made, self.value, pair)
            except Misbehaviour as problem:
                _repair(made, self.value, pair, problem)
                return self._ask(made, self.value, pair)

        found, put = answered(made, _RESULTS, ask)
        if isinstance(found, tuple):  # (loss, derivative), or (probabilities, loss)
            found = next((v for v in found if not isinstance(v, tuple | list | dict) and np.ndim(v) < 2), found)
        if isinstance(found, np.ndarray) and found.shape == prediction.shape and np.array_equal(found, prediction):
            raise Misbehaviour("crash", f"{self.value} gives back the prediction, and no loss")
        if found is not None:
            return found
        return next((v for v in put if np.size(v) in (1, len(prediction), prediction.size)), None)

    def gradient(self, made: Any, truth: np.ndarray, prediction: np.ndarray) -> Any:
        """What the derivative gives, after the loss was asked."""
        kept = self._turned(getattr(made, "output", None))
        at = kept if isinstance(kept, np.ndarray) and kept.shape == prediction.shape else prediction
        given = {"truth": truth, "prediction": self.made_by(at), "score": at}
        values = [self._turned(given[g]) if g in given else 1.0 for g in self.given]
        found, put = answered(made, _GRADIENTS, lambda: self._ask(made, self.derivative, values))
        if isinstance(found, tuple):
            shape = self._turned(prediction).shape
            found = next((v for v in found if np.shape(v) == shape), found[-1] if found else None)
        return self._turned(next(filter(_is_array, put), None) if found is None else found)

    def _turned(self, array: Any) -> Any:
        """A matrix with an example a column, if it is given so; else what it was."""
        return array.T.copy() if self.columns and isinstance(array, np.ndarray) and array.ndim == 2 else array

    def _ask(self, made: Any, name: str, values: Sequence[Any]) -> Any:
        """Call a method with truth and prediction by their places, and by name with what it is given beside."""
        method = made if name == "forward" and calls_more(type(made)) else getattr(made, name)
        more = {n: self.more[n] for n in required(type(made), name) or [] if n in self.more}
        told = {p.name: mode_of(p.name, p.default) for p in asks(method)[len(values) :] if is_mode(p.name)}
        if more:
            names = without_more([p.name for p in asks(method)])
            return call(name, functools.partial(method, **dict(zip(names, values, strict=False)), **more, **told))
        return call(name, functools.partial(method, *values, **told))


def _handed_on(kind: type, name: str) -> str:
    """The method to which one of any arguments hands them on, as backward(*args) to update_grad_input(*args); else itself."""
    text = text_of(getattr(kind, name))
    given = re.search(r"\(self, \*(\w+)", text)
    found = re.findall(rf"\bself\.(\w+)\(\*{given[1]}\b", text) if given else []
    return next((n for n in found if required(kind, n)), name)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray)


def meaning(names: list[str], first: bool) -> Iterator[str]:
    """What the arguments of a derivative are."""
    if len(names) == 1:
        above = not (is_truth(names[0]) or re.search(r"pred|hat", names[0], re.I))
        yield "one" if above else "truth" if is_truth(names[0]) else "prediction"
        return
    order = order_of(names) if len(names) == 2 else None
    order = first if order is None else order
    two = ("prediction", "truth") if order else ("truth", "prediction")
    if len(names) == 2:
        yield from two
        return
    left = list(two)
    for name in names:
        kind = "truth" if is_truth(name) or name.lower() == "y" else "prediction" if _GUESS.search(name) else "one"
        if kind == "prediction" and _SCORE.match(name) and sum(bool(_GUESS.search(n)) for n in names) > 1:
            kind = "score"  # delta(z, a, y): a is made of z
        yield kind if kind in (*left, "one", "prediction", "score") else "one"


def _repair(made: Any, name: str, pair: tuple[Any, Any], problem: Misbehaviour) -> None:
    """Forget what it refuses to forget by itself, or set what it reads from self and nobody has set; else raise the problem."""
    if "AssertionError" in problem.message and begin_anew(made):
        return
    missing = re.search(r"raises AttributeError: '\w+' object has no attribute '(\w+)'", problem.message)
    names = [p.name for p in asks(getattr(made, name))]
    if missing is None or missing[1] not in names or not hasattr(made, "__dict__"):
        raise problem
    read = f"{name} reads self.{missing[1]}, which nothing has set: the argument {missing[1]} is meant"
    made.__dict__["_misspelt"] = Misbehaviour("misspelt", read, problem.line, f"{missing[1]}, without self.")
    setattr(made, missing[1], pair[names.index(missing[1])])


def calling_of(loss: Any) -> Calling | None:
    """How a loss is called; None if it is no loss that is known."""
    return loss.calling if is_of_functions(loss) else Calling.of(loss)
