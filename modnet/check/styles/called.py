"""How a layer of another course, book or library is called, once that is known, and where it puts what it computes.

* forward gives its result, ``(result, cache)``, or None and sets ``self.output``; it may take further inputs, or a list;
* backward takes ``(dout)``, ``(dout, cache)``, ``(gradient, learning_rate)``, a word that chooses the gradient, or nothing and
  gives the derivative alone; what comes from above may be told in another call before;
* it returns dL/dinput, a tuple that starts with it, or None and sets ``self.dinputs``.

How it is called is found out in `modnet.check.styles.found_out`; what is done with the answers is in
`modnet.check.styles.adapters`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from modnet.check.asking.arrays import names_within
from modnet.check.asking.boxed import TAKEN_FOR_ONE, box_of, is_box, unboxed
from modnet.check.asking.calls import Misbehaviour, answered, call, tried
from modnet.check.asking.subject import Subject
from modnet.check.building.handed import Stepper
from modnet.check.building.recipes import LAYOUTS, Recipe, in_rows, laid_out
from modnet.check.reading.arguments import NotBuilt, positional
from modnet.check.reading.lines import calls_more, does_nothing, unread, words_compared
from modnet.check.reading.vocabulary import DELTA, FORWARD, GRADIENT, UPDATE, ZERO, core, meaning_of
from modnet.check.styles import layer_calls, several
from modnet.check.styles.modes import begin_anew, evaluate, has_eval, is_mode, mode_of, switches_of

#: An argument that is the input.
INPUT = re.compile(r"^(x|input|inputs|inp|(a|activations?)_prev|data)$", re.I)
INPUT_NAMES = ("x", "input", "inputs", "inp", "data", "xs")
OF_INPUT = re.compile(r"^(d_?)?(x|inputs?|data|a|z|prev\w*|inp)$", re.I)
CACHE = re.compile(r"cache|ctx|context|saved", re.I)
#: Where forward and backward put what they do not return, by names without case and underscores.
_OUTPUTS = ("output", "out", "outputs", "activatedoutput", "a", "z", "y")
_DELTAS = (
    "dinputs", "dinput", "dx", "dlda", "dldz", "da", "daprev", "gradinput", "inputgrad", "inputgradient", "gradinputs", "delta",
    "din",
)  # fmt: skip
INTO = re.compile(r"^(grads|gradients)$", re.I)  # a dict that backward fills
PLACE = "_parameters."  # where modules of the contract have what learns
_WHICH = re.compile(r"^(wrt|with_respect\w*|respect_to|of|grad_of)$", re.I)  # one gradient a call, chosen by a word


def moves_by(name: str) -> bool:
    """Whether an argument of backward is a learning rate: then it moves the parameters itself."""
    return bool(meaning_of(name, ("rate", "step")))


class Called(Subject):
    """A layer that remembers its input: how it is called, and where it puts what it computes."""

    omits = frozenset({ZERO, UPDATE, "__init__"})
    undefined = True  # names mean something else elsewhere: W may be (out, in), and examples columns

    def __init__(self, module: Any, x: np.ndarray, recipe: Recipe | None = None) -> None:
        super().__init__(module, x)
        self.recipe = recipe
        self.without_windows = recipe is not None and not recipe.dims
        methods = layer_calls.methods_of(module)
        self.slopes = methods is not None and methods.slopes
        value, back = methods[:2] if methods is not None else ("forward", "backward")
        self.names[FORWARD], self.names[DELTA], self.names[GRADIENT] = value, back, back
        self.reading = "above"  # what backward is given; "input", "output" if it may be the derivative alone
        self.remembers = self.replaces = True
        self.asked = positional(getattr(module, back, None))
        self.own_input = next((p.name for p in positional(getattr(module, value, None)) or ()), "")
        self.idle = {n: unread(getattr(type(module), n, None)) for n in (value, back)}
        self.evaluating = False
        self.more: dict[str, np.ndarray] = {}  # what forward is given beside its input, such as a state
        self.guessed = False  # whether that is taken in several shapes, and backward goes on with none
        self.box: type | None = None  # the author's own class for what holds an array, if forward wants one
        self.place: Any = None  # where a derivative alone finds the input
        self.rates: list[str] = []  # attributes that are the rate of a step that backward takes
        self.own_rate, self.decays = 1.0, False  # what such a step is of the gradient, and whether it shrinks the weights
        self.mover = ""  # a method that moves them after backward, given what comes from above and a rate
        self.one_each = False  # whether it gives the parameters' gradients for each example
        self.listed = False  # whether these come in one list with the input
        self.tupled = ""  # the argument that these come in as a tuple, such as a state (h, c)
        self.outputs = several.names_returned(getattr(type(module), value, None))
        self.single = False  # whether it takes one example without an axis for the batch
        self.one_row = False  # whether an example is given without an axis for the batch, since it is not taken with one
        self.updates = any(moves_by(p.name) for p in self.asked or ())
        self.above: list[str] = []  # what comes from above, if forward gives several outputs
        self.hidden = ""  # why its parameters' gradients cannot be seen
        self.learnt: set[str] = set()  # what gets a gradient, whatever it is called
        which = next((p for p in self.asked or () if _WHICH.match(p.name)), None)
        self.words = words_compared(getattr(module, back, None), which.name) if which is not None else []
        self.which = which.name if which is not None and (self.words or which.default is which.empty) else ""

    def copy(self) -> Any:
        """A copy that holds what forward is given beside its input."""
        module = super().copy()
        for name in self.rates:
            setattr(module, name, 1.0)
        if self.more:
            module.__dict__["_given_more"] = {name: array.copy() for name, array in self.more.items()}
        return module

    def is_input(self, name: str) -> bool:
        """Whether an argument of backward is what forward was given, by what it is called there, or usually."""
        return bool(INPUT.match(name)) or (name == self.own_input and not layer_calls.is_above(name))

    def is_told(self) -> bool:
        """Whether there is a way to tell it that this is an evaluation."""
        asked = positional(getattr(self.original, self.names[FORWARD], None)) or []
        return any(is_mode(p.name) for p in asked) or bool(switches_of(self.original)) or has_eval(self.original)

    def _tell(self, module: Any) -> None:
        """Put it into evaluation by attribute or method, if that is asked."""
        if not self.evaluating:
            return
        if has_eval(module):
            call("eval", evaluate, module)
        for name, value in switches_of(module).items():
            setattr(module, name, mode_of(name, value, True))

    def like(self, module: Any, x: np.ndarray) -> Subject:
        """Another object of the same style."""
        return type(self)(module, x, self.recipe)

    def takes_input(self, operation: str) -> bool:
        """Whether backward is given the input after all; it may remember it."""
        return False

    def has(self, operation: str) -> bool:
        """Whether there is such a method."""
        return operation in (FORWARD, DELTA, GRADIENT) and super().has(operation)

    def arguments(self, operation: str, x: np.ndarray, delta: np.ndarray | None = None) -> list[tuple[str, np.ndarray]]:
        """What an operation is given, by name: a derivative alone its place, too."""
        given = super().arguments(operation, x, delta)
        return [("input", x.copy()), *given] if len(given) == 1 and delta is not None and self.reading == "input" else given

    def invoke(self, operation: str, module: Any, arrays: Sequence[Any]) -> Any:
        """Call forward or backward of a copy, and take the result from where it is put."""
        if operation == FORWARD:
            out = self._forward(module, self._own(arrays[0]))
        elif operation in (DELTA, GRADIENT):
            self.place = arrays[0] if len(arrays) > 1 else None
            out, _ = self.go_back(module, arrays[-1])
            if self.one_row and np.shape(out)[:-1] == (1,):
                return np.asarray(out)  # a row all the same
        else:
            raise Misbehaviour("not-implemented", f"there is no {operation}")
        if self.axis:
            return in_rows(out, self.axis)
        return np.asarray(out)[None] if self.single and out is not None else out

    @property
    def axis(self) -> int:
        """Along which axis the examples lie in what it is given."""
        return 0 if self.recipe is None else self.recipe.axis

    def _own(self, batch: np.ndarray) -> np.ndarray:
        """A batch as the layer takes it: one example without its axis, or the examples along its own axis."""
        one: np.ndarray = batch[0] if self.single else laid_out(batch, self.axis) if self.axis else batch
        return one

    def beside(self, array: np.ndarray) -> np.ndarray:
        """A further input, or its gradient, as the layer takes it: the examples along the axis that they have in the input."""
        return laid_out(array, self.axis) if self.axis else array

    def layouts(self) -> dict[str, bool]:
        """By layout in which one example fewer gives one result fewer: whether the results of the others stay what they were.

        That is what an axis of examples is, whatever else is known of a layer. One that draws draws others for fewer.
        """
        if self.x.dtype.kind != "f" or self.more or (whole := self._result(own := self._own(self.x))) is None:
            return {}
        found = {}
        for name, axis in LAYOUTS.items():
            if own.ndim < 2 + (name == "middle") or own.shape[axis] < 2:
                continue
            fewer = self._result(own.take(range(own.shape[axis] - 1), axis))
            if whole.ndim <= axis or fewer is None:
                continue
            rest = whole.take(range(whole.shape[axis] - 1), axis)
            if fewer.shape == rest.shape and whole.shape[axis] == own.shape[axis]:
                found[name] = self.random or np.allclose(fewer, rest, rtol=1e-6, atol=1e-9, equal_nan=True)
        return found

    def _result(self, own: np.ndarray) -> np.ndarray | None:
        """What a copy's forward gives for an input that is laid out as the layer takes it; None if it is no array."""
        out = tried(lambda: self._forward(self.fresh(), own.copy()), also=(TypeError, ValueError))
        return out if isinstance(out, np.ndarray) and out.ndim and out.dtype.kind in "fiu" else None

    def _forward(self, module: Any, x: np.ndarray) -> Any:
        name = self.names[FORWARD]
        method = module if name == "forward" and calls_more(type(module)) else getattr(module, name)
        given: list[Any] = [x if self.box is None else self.box(x)]
        by_name: dict[str, Any] = {n: self.beside(a) for n, a in getattr(module, "_given_more", {}).items()}
        if self.listed:
            given, by_name = [[x, *by_name.values()]], {}
        elif self.tupled:
            by_name = {self.tupled: tuple(by_name.values())}
        for p in (positional(method) or [])[1:]:
            if is_mode(p.name):
                by_name[p.name] = mode_of(p.name, p.default, self.evaluating)
            elif p.default is p.empty and p.name not in by_name and p.name in self.idle[self.names[FORWARD]]:
                by_name[p.name] = None
        self._tell(module)
        called_before = "_given_input" in getattr(module, "__dict__", {})
        if hasattr(module, "__dict__"):
            module.__dict__["_given_input"] = x.copy()
        try:
            out, put = answered(module, _OUTPUTS, lambda: call(name, lambda: method(*given, **by_name)))
        except Misbehaviour as problem:
            if called_before and "AssertionError" in problem.message and begin_anew(module):
                del module.__dict__["_given_input"]
                return self._forward(module, x)
            if self.box is not None or called_before or not TAKEN_FOR_ONE.search(problem.message):
                raise  # at a second call it is what the first has left that lacks something, not the input
            problem.kind = "foreign"
            if not self._takes(box_of(type(self.original)), x):
                raise
            return self._forward(module, x)
        if self.box is None and is_box(out) and self._takes(type(out), x):
            return self._forward(module, x)
        out = unboxed(out)
        if isinstance(out, tuple) and out and isinstance(out[0], np.ndarray):
            count = len(self.above) or 1
            parts, rest = out[:count], out[count:]
            if count > 1 and len(parts) == count and all(isinstance(p, np.ndarray) and p.ndim for p in parts):
                module.__dict__["_given_parts"] = [p.shape for p in parts]
                out = several.joined(parts, not self.single)
            else:
                out, rest = out[0], out[1:]
            module.__dict__["_given_beside"] = dict(zip(self.outputs[-len(rest) :], rest, strict=False)) if rest else {}
            module._given_cache = rest[0] if len(rest) == 1 else rest
        if out is None:
            out = next((v for v in put if isinstance(v, np.ndarray)), None)
        if out is not None and hasattr(module, "__dict__"):
            module.__dict__["_given_out"] = out
        return out

    def _takes(self, box: type | None, x: np.ndarray) -> bool:
        """Whether forward takes an object of this class that holds the input; then it is given one from now on."""
        self.box = box
        if box is None or tried(self._forward, self.copy(), x, also=(Exception,)) is None:
            self.box = None
        return self.box is not None

    def _pieces(self, module: Any, delta: np.ndarray) -> dict[str, np.ndarray]:
        """What comes from above for each of several outputs, by the names of backward's arguments; empty if there is one."""
        if not self.above or "_given_parts" not in vars(module):
            return {}
        pieces = several.cut(delta, module._given_parts, not self.single)
        places = several.order(self.above, self.outputs)
        return {name: pieces[place] for name, place in zip(self.above, places, strict=True)}

    def go_back(self, module: Any, delta: np.ndarray, rate: float = 1.0, word: str = "") -> tuple[Any, dict[str, Any]]:
        """dL/dinput, and what else backward returned, by name; the gradient that a word chooses, if it takes one."""
        delta = self._own(delta)
        for held in self.rates:
            setattr(module, held, rate)
        for stepper in getattr(module, "__dict__", {}).values():
            if isinstance(stepper, Stepper):
                stepper.rate = rate
        x = getattr(module, "_given_input", self.x[0] if self.single else self.x)
        required = [p for p in self.asked or () if p.default is p.empty] if self.asked is not None else None
        idle = [p.name for p in required or () if p.name in self.idle[self.names[DELTA]]]
        idle = idle if len(idle) < len(required or ()) else []
        arguments: list[Any] = []
        names: dict[str, Any] = {}
        used, cell = False, any(p.name == "h_prev_t" for p in self.asked or ())
        for p in self.asked or ():
            if p.name in idle:
                names[p.name] = None
            elif p.name == self.which:
                names[p.name] = word or next((w for w in self.words if OF_INPUT.match(w)), self.words[0])
            elif moves_by(p.name):
                names[p.name] = rate
            elif meaning_of(p.name, ("optimizer",)):
                names[p.name] = Stepper(rate)
            elif CACHE.search(p.name) and hasattr(module, "_given_cache"):
                names[p.name] = module._given_cache
            elif is_mode(p.name):
                names[p.name] = mode_of(p.name, p.default)
            elif CACHE.search(p.name) and p.default is p.empty:
                names[p.name] = x.copy()  # forward has given none: what it was given is all there is
            elif used and p.name in vars(module).get("_given_beside", ()):
                names[p.name] = module._given_beside[p.name]
            elif used and INTO.match(p.name):
                names[p.name] = module.__dict__["_given_gradients"] = {}
            elif used and (known := layer_calls.beside(p.name, module, x, cell)) is not None:
                names[p.name] = known
            elif self.is_input(p.name) and len(required or ()) > 1:
                names[p.name] = x.copy()
            elif not used and (p.default is p.empty or re.match(r"d|grad|up", p.name, re.I)):
                listed = re.search(r"list|tuple|sequence", f"{p.name} {p.annotation}", re.I) and p.annotation is not tuple
                names[p.name], used = [delta] if listed else delta, True
        names |= self._pieces(module, delta)
        if self.asked is None:
            arguments, used = [delta], True
        if self.reading != "above":
            names = {n: self._given(module, x) if v is delta else v for n, v in names.items()}
        if callable(told := getattr(module, GRADIENT, None)) and len(positional(told) or ()) == 1:
            call(GRADIENT, lambda: told(delta))  # what comes from above is told there
            used = True
        name = self.names[DELTA]
        try:
            out, put = answered(module, _DELTAS, lambda: call(name, lambda: getattr(module, name)(*arguments, **names)))
        except Misbehaviour as problem:
            problem.kind = problem.kind if self.box is None else "foreign"  # what its objects can do may be set elsewhere
            raise
        if self.mover:
            call(self.mover, getattr(module, self.mover), delta, rate)
        out = unboxed(out)
        if (not used or self.reading != "above") and (alone := layer_calls.times_above(out, delta)) is not None:
            return alone, {}  # the derivative alone
        if isinstance(out, tuple | list) and out:
            named = several.names_returned(getattr(module, name))
            return several.first_and_rest(out, named, lambda n: core(n) in _DELTAS, x.shape)
        if isinstance(out, dict):
            return self._of_input(out), {str(n): v for n, v in out.items()}
        if out is not None:
            return out, {}
        changed = [v for v in put if isinstance(v, np.ndarray)]
        if not changed:
            if does_nothing(getattr(type(module), name, None)) and np.array_equal(
                np.asarray(getattr(module, "_given_out", ())), x
            ):
                return delta, {}  # what only hands on the input of a network has nothing before it
            self._misspelt(module)
        return next((v for v in changed if v.shape == x.shape), changed[0] if changed else None), {}

    def _of_input(self, out: dict[Any, Any]) -> Any:
        """dL/dinput in a dict that backward returned: under a name for it, or under the input's own."""
        found = [v for known in (_DELTAS, INPUT_NAMES) for n, v in out.items() if core(str(n)) in known]
        if not found:
            keys = ", ".join(map(str, out))
            raise NotBuilt(f"{self.names[DELTA]} returns a dict with {keys}: which of them is dL/dinput is not known")
        return found[0]

    def _given(self, module: Any, x: np.ndarray) -> np.ndarray:
        """What a derivative alone is taken at: in the memory of who asks, to see whether it writes there."""
        place = self.place[0] if self.single and self.place is not None else self.place
        if self.reading == "input" and place is not None and place.shape == x.shape and place.dtype == x.dtype:
            place[...] = x
            return place
        return x.copy() if self.reading == "input" else np.array(self._forward(module, x.copy()), dtype=float)

    def _holds_others(self) -> bool:
        """Whether forward does something, and the layer is made of objects of its author's, such as neurons."""
        forward = getattr(type(self.original), self.names[FORWARD], None)
        return not does_nothing(forward, or_raises=True) and any(names_within(self.original))

    def _misspelt(self, module: Any) -> None:
        """Whether the gradient by the input went to the name that held the input: then later ones read the wrong numbers."""
        x = self.x[0] if self.single else self.x
        for name, value in vars(module).items():
            if INPUT.match(name) and isinstance(value, np.ndarray) and value.shape == x.shape and not np.array_equal(value, x):
                text = f"backward returns None, and puts what it computes into self.{name}, where forward keeps the input"
                line = self.quote(DELTA, rf"self\.{name}\s*=")
                raise Misbehaviour("misspelt", text, line, f"self.d{name} = ..., or return it")

    def as_output(self, raw: Any, operation: str, x: np.ndarray) -> np.ndarray:
        """What came out, if anything did."""
        if raw is None:
            if operation == FORWARD and self._holds_others():
                raise Misbehaviour("foreign", f"{self.names[operation]} returns nothing, and hands on to what it holds")
            where = "self.output" if operation == FORWARD else "self.dinputs"
            text = f"{self.names[operation]} returns None, and sets no {where} either"
            raise Misbehaviour("not-implemented", text, hint=f"return the result, or put it into {where}")
        return super().as_output(raw, operation, x)
