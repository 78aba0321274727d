"""Any object with the handout's methods, made safe to question.

Every probe works on a copy, so that no probe disturbs another and the object itself stays as it was. Arrays that share memory
share it in the copy too: a student's ``self.W`` may be a view of ``self._parameters``. numpy's global generator is set to
the same state before every call and put back afterwards: a module that draws then draws the same.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from modnet.check.asking.arrays import PARAMETERS, arrays, arrays_within, copied, gradients, named, numbers_of_class, parameters
from modnet.check.asking.calls import Misbehaviour, as_output, call, tried
from modnet.check.asking.draws import other_draws
from modnet.check.asking.numeric import factor_of
from modnet.check.asking.question import Question, direction, draw_delta
from modnet.check.reading.arguments import positional
from modnet.check.reading.definitions import definition, function_like, is_channels_first, options_of, plain_name
from modnet.check.reading.lines import quote, source
from modnet.check.reading.vocabulary import DELTA, FORWARD, GRADIENT, OPERATIONS, UPDATE, ZERO
from modnet.check.report import Finding, Report

BIG = 1000.0
#: From an input and a copy of the module to an output.
Function = Callable[[np.ndarray, Any], np.ndarray]

_DRAWS = (np.random.Generator, np.random.RandomState, random.Random)  # what has a state of its own


class Subject:
    """What is examined, behind three questions: forward, delta, gradient.

    The plan (`modnet.check.probes.plan`) knows nothing else: it asks `forward` what comes out, `delta` what comes back for the
    input and `gradients` what comes back for the parameters, and compares with differences of forward. So a class of another
    style, with other names, a cache or a remembered input, is examined by the same probes once a subclass says how it is
    called:

    names : by operation of the contract, the author's name for it, for messages and lines to quote.
    arguments(operation, x, delta) : what the operation is given, by name: what must not be written into.
    invoke(operation, module, arrays) : the call itself; what it returns is made an array by the three questions.
    remembers, replaces : True if by the rules of the style backward answers for the last forward, and sets the gradient
        instead of adding to it. Then neither is a mistake, and neither is looked at.
    definition(x, out, module), extremes(), whole_numbers(operation), weights(seed) : see each.

    Every question is put to a fresh copy; `module` arguments are such copies.

    Parameters
    ----------
    module : any object with forward.
    x : (batch, ...), what it is examined at.
    """

    def __init__(self, module: Any, x: np.ndarray) -> None:
        self.original, self.x = module, x
        self.name = type(module).__name__
        self.names = {operation: operation for operation in OPERATIONS}
        self.remembers = self.replaces = False
        self.dtype: np.dtype[Any] = np.dtype(np.float64)
        self.random = self.batch_statistics = self.carries = False  # carries: one forward changes the next
        self.moves = False  # whether the same input gives something else each time, though it draws nothing
        self.out = np.empty(0)
        self.kept: set[str] = set()  # arrays that forward keeps: no parameters
        self.answered: list[str] = []  # the gradients that were found right
        self.repair: Callable[[np.ndarray, Any], np.ndarray] | None = None  # what takes the place of forward in backward
        self._others: dict[str, np.ndarray] = {}
        self._of_class = numbers_of_class(module)

    # --- how it is called

    def arguments(self, operation: str, x: np.ndarray, delta: np.ndarray | None = None) -> list[tuple[str, np.ndarray]]:
        """What an operation is given, by name; the arrays are copies."""
        if operation == FORWARD or delta is None:
            return [("input", x.copy())]
        given = [("input", x.copy()), ("delta", delta.copy())]
        return given if self.takes_input(operation) else given[1:]

    def takes_input(self, operation: str) -> bool:
        """Whether a backward operation is given the input, as the contract says; else it must remember it."""
        return _required(getattr(self.original, self.names[operation], None)) != 1

    def invoke(self, operation: str, module: Any, arrays: Sequence[Any]) -> Any:
        """Call an operation of a copy."""
        name = self.names[operation]
        method = getattr(module, name, None)
        if not callable(method):
            raise Misbehaviour("not-implemented", f"there is no {name}")
        return call(name, method, *arrays)

    def ask(self, operation: str, module: Any, x: np.ndarray, delta: np.ndarray | None = None) -> Any:
        """What an operation of a copy returns."""
        return self.invoke(operation, module, [array for _, array in self.arguments(operation, x, delta)])

    def has(self, operation: str) -> bool:
        """Whether there is such a method."""
        return callable(getattr(self.original, self.names[operation], None))

    def as_output(self, raw: Any, operation: str, x: np.ndarray) -> np.ndarray:
        """What an operation returned as an array (batch, ...); a `Misbehaviour` if it is none."""
        return as_output(raw, self.names[operation], len(x))

    # --- what is known about it

    def definition(self, x: np.ndarray, out: np.ndarray, module: Any) -> list[np.ndarray]:
        """What forward may give for x by definition, with the parameters of this copy; empty if none is known."""
        if self.undefined:
            return []
        with np.errstate(all="ignore"):
            name = plain_name(type(self.original))
            found = list(definition(name, x.astype(np.float64), out, named(module), options_of(module)))
        if plain_name(type(self.original), exact=True):
            return found
        return found if any(f.shape == out.shape and np.allclose(f, self.out, rtol=1e-6, atol=1e-9) for f in found) else []

    def as_defined(self, place: int) -> Function:
        """The definition of this place as a function, for parameters that change."""
        return lambda x, module: self.definition(x, self.out, module)[place]

    def as_function_of(
        self, name: str, function: Function | None = None, x: np.ndarray | None = None
    ) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """Where the input is, or the parameter array of this name, and what comes out if it is somewhere else.

        Parameters
        ----------
        name : of the array, empty for the input. function : forward, if it is not another. x : the input, if not its own.
        """
        module, x, function = self.fresh(), self.x if x is None else x, function or self.forward
        if not name:
            return x.copy(), lambda values: function(values, module)
        held = self.parameters(module)[name]

        def moved(values: np.ndarray) -> np.ndarray:
            held[...] = values
            return function(x, module)

        return held.copy(), moved

    def weights(self, seed: int) -> np.ndarray:
        """A delta to ask with."""
        return draw_delta(self.out, seed)

    def extremes(self) -> list[tuple[str, np.ndarray]]:
        """Inputs that hurt, and what they are in words."""
        x, text = self.x, f"inputs of size {BIG:g}"
        signs = np.random.default_rng(5).choice([-1.0, 1.0], x.shape)
        signs.flat[0], signs.flat[-1] = 1.0, -1.0
        return [(text, (BIG * signs).astype(x.dtype)), (text, np.full_like(x, BIG)), (text, np.full_like(x, -BIG))]

    def whole_numbers(self, operation: str) -> Iterator[tuple[str, Callable[[], np.ndarray], Callable[[], np.ndarray]]]:
        """What is asked with whole numbers, given as floats and given as integers, with the same right answer."""
        x, weights = self.x, self.weights(3)
        whole = np.random.default_rng(6).permutation(np.arange(x.size) % 7 - 3).reshape(x.shape)
        numbers = whole.astype(x.dtype if x.dtype.kind == "f" else np.float64)
        put = {
            FORWARD: lambda v: self.forward(v),
            DELTA: lambda v: self.delta(v, weights, before=numbers),
            GRADIENT: lambda v: self.gradients(v, weights, before=numbers)[self.answered[0]],
        }[operation]
        yield "the input", lambda: put(numbers), lambda: put(whole)

    def other_inputs(self) -> list[np.ndarray]:
        """Other inputs that may have been forwarded in between, of another batch size too."""
        x = self.x
        if x.dtype.kind != "f":
            return [x[::-1].copy(), x[:1].copy()]
        if len(x) == 1:
            return [x * -0.6 + 0.23]
        return [x[::-1] * 0.7 + 0.13, x[:1] * 0.8 - 0.11]

    def narrow(self, count: int) -> None:
        """Go on with so many examples alone."""
        self.x = self.x[:count]
        self.out = self.forward(self.x)

    def quietly(self, operation: str) -> None:
        """Call what a network calls of every module, whether there is something to do or not; what it raises is raised."""
        if operation == GRADIENT:
            self.there_and_back(self.x, self.weights(3))
            return
        module = self.fresh()
        self.ask(FORWARD, module, self.x)
        self.invoke(operation, module, [np.float64(0.1)] if operation == UPDATE else [])

    def like(self, module: Any, x: np.ndarray) -> Subject:
        """Another object of the same style."""
        twin = type(self)(module, x)
        twin.undefined = self.undefined
        return twin

    # What a loss, or another style, has to say on these; operations in omits are not looked at.
    omits: frozenset[str] = frozenset()
    unknown = ""  # arguments of its methods that have no known meaning
    without_windows = False  # whether it is built without a window's size
    hidden = ""  # why its parameters' gradients cannot be seen
    result, of_input = "result", "the input's"
    coupled = channels_first = convention = undefined = may_couple = columns = False
    shape_is_defined = may_tie = True
    never_infinite = refuses_integers = False

    def conventions(self) -> Iterator[Finding]:
        """What is another convention than the contract's; the plan goes on through it."""
        return iter(())

    def explain_delta(self, q: Question) -> list[Finding] | None:
        """What a wrong answer is, if the subject has a list of mistakes of its own; else None."""
        return None

    def conclude(self, report: Report) -> None:
        """What is to be done to the report in the end, such as to say things in the words of the style."""

    def near_zero(self, examination: Any) -> Iterator[Finding]:
        """What shows only near 0."""
        return iter(())

    def unexplained(self, q: Question, operation: str) -> Finding:
        """The finding for an answer that is wrong in no known way."""
        return direction(q, operation)

    def other_forward(self, out: np.ndarray, wanted: np.ndarray, source: str) -> Finding | None:
        """The finding for a forward that is not as defined; None if the difference is no mistake."""
        hint = "compute one small example by hand, and compare it with the figures above"
        if self.x.shape == out.shape and (name := function_like(self.x, out)):
            hint = f"what it computes is {name}"
        factor = factor_of(out, wanted)
        if factor and np.allclose(out, factor * wanted, rtol=1e-6, atol=1e-9):
            hint = f"what it computes is {factor:.6g} times the definition"
        return Finding("forward", "", f"forward is not what {source} says.", hint)

    @property
    def tolerance(self) -> float:
        """How near, relative to the largest, an answer must be."""
        return 1e-6 if self.dtype == np.float64 else 2e-3

    @property
    def precision(self) -> float:
        """The relative precision of its arithmetic."""
        return float(np.finfo(self.dtype).eps)

    @property
    def may_remember(self) -> bool:
        """Whether the module may keep what the last forward drew or counted."""
        return self.random or self.batch_statistics or self.remembers

    # --- the three questions

    def examine(self) -> None:
        """Look at what it is: its output, its number type, whether it draws. A `Misbehaviour` if forward fails."""
        module = self.fresh()
        before = {name: array.copy() for name, array in self.holds(module).items()}
        raw = self.ask(FORWARD, module, self.x)
        self.out = self.as_output(raw, FORWARD, self.x)
        same = {n for n, a in self.holds(module).items() if n in before and np.array_equal(a, before[n], equal_nan=True)}
        self.kept = self.holds(module).keys() - same
        typed = [*arrays(module, PARAMETERS).values(), raw, module]
        if any(getattr(each, "dtype", None) in (np.float32, np.float16) for each in typed):
            self.dtype = np.dtype(np.float32)
        again = [self.forward(self.x, module) for _ in range(2)]
        moves = any(a.shape != self.out.shape or not np.array_equal(a, self.out, equal_nan=True) for a in again)
        with other_draws():
            again.append(self.forward(self.x, module))
        self.random = any(a.shape != self.out.shape or not np.array_equal(a, self.out, equal_nan=True) for a in again)
        self.carries = not self.random and self._carries()
        draws = any(isinstance(v, _DRAWS) for v in getattr(module, "__dict__", {}).values())
        self.moves = self.carries or (moves and not draws)
        if self._rounds(module):
            self.dtype = np.dtype(np.float32)
        self._spread()
        name, module = plain_name(type(self.original)), self.fresh()
        with np.errstate(all="ignore"):
            self.channels_first = is_channels_first(name, self.x, self.out, named(module), options_of(module))

    def _rounds(self, module: Any) -> bool:
        """Whether numbers pass through a narrower type on the way, such as that of a layer within, and come out wide again."""
        held = any(a.dtype in (np.float32, np.float16) for _, a in arrays_within(module))
        if not held or self.random or self.x.dtype.kind != "f":
            return False
        move = 1e-6 * np.random.default_rng(8).uniform(0.5, 1, self.x.shape)
        at = [tried(self.forward, self.x + k * move) for k in (0, 1, 2)]
        if any(a is None or a.shape != self.out.shape for a in at):
            return False
        start, near, far = (a for a in at if a is not None)
        return bool(np.abs(far - 2 * near + start).max() > 1e-3 * np.abs(near - start).max())

    def _carries(self) -> bool:
        """Whether what one forward leaves in the module changes what the next one gives."""
        module = self.fresh()
        if tried(self.ask, FORWARD, module, self.other_inputs()[0], also=(TypeError, ValueError)) is None:
            return False
        after = tried(lambda: self.as_output(self.ask(FORWARD, module, self.x), FORWARD, self.x))
        if after is None or after.shape != self.out.shape:
            return after is not None
        return not np.allclose(after, self.out, rtol=1e-9, equal_nan=True)

    def _spread(self) -> None:
        """Equal numbers hide mistakes: all weights 1, a bias of 0. Probes are made at others."""
        for i, (name, array) in enumerate(self.parameters(self.fresh()).items()):
            if array.size and np.ptp(array) <= 1e-4 and array.flags.writeable:
                self._others[name] = array + np.random.default_rng(i).uniform(0.1, 0.4, array.shape).astype(array.dtype)
        changed = tried(self.forward, self.x) if self._others else None
        if changed is not None and np.isfinite(changed).all() and changed.shape == self.out.shape:
            self.out = changed
        else:
            self._others = {}

    def fresh(self) -> Any:
        """A copy to do as one likes with."""
        module = self.copy()
        if self._others:
            held = self.holds(module)
            for name, values in self._others.items():
                held[name][...] = values
        return module

    def copy(self) -> Any:
        """A copy as it is; what its class counts, as in ``Layer.calls += 1``, begins with it where it began."""
        self._begin_count()
        return copied(self.original)

    def _begin_count(self) -> None:
        for (kind, name), value in self._of_class.items():
            if vars(kind).get(name) is not value:
                setattr(kind, name, value)

    def parameters(self, module: Any) -> dict[str, np.ndarray]:
        """The arrays of a copy, in place, that may be parameters."""
        return {name: array for name, array in self.holds(module).items() if name not in self.kept}

    def holds(self, module: Any) -> dict[str, np.ndarray]:
        """The arrays of a copy that may be parameters, or what forward keeps."""
        return parameters(module)

    def argument(self, operation: str, place: int, name: str) -> str:
        """The author's name for an argument, for a line to quote."""
        names = [p.name for p in positional(getattr(self.original, self.names[operation], None)) or ()]
        return names[place] if place < len(names) else name

    def forward(self, x: np.ndarray, module: Any = None) -> np.ndarray:
        """forward(x) as a float64 array."""
        self._begin_count()
        if module is None or self.random or self.carries:
            module = self.fresh() if module is None else copied(module)
        return self.as_output(self.ask(FORWARD, module, x), FORWARD, x)

    def delta(self, x: np.ndarray, delta: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
        """dL/dinput for (x, delta) by a fresh copy that was last forwarded on `before`."""
        module = self.fresh()
        self.ask(FORWARD, module, x if before is None else before)
        self._repaired(module, x)
        return self.as_output(self.ask(DELTA, module, x, delta), DELTA, x)

    def gradients(
        self, x: np.ndarray, delta: np.ndarray, times: int = 1, before: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Every array that may be a gradient after so many calls."""
        return gradients(self.there_and_back(x, delta, times, before))

    def there_and_back(self, x: np.ndarray, delta: np.ndarray, times: int = 1, before: np.ndarray | None = None) -> Any:
        """A copy after so many calls of forward and of what computes its gradients, which were set to zero first."""
        module = self.fresh()
        self.zero(module)
        for _ in range(times):
            self.ask(FORWARD, module, x if before is None else before)
            self._repaired(module, x)
            self.ask(GRADIENT, module, x, delta)
        return module

    def _repaired(self, module: Any, x: np.ndarray) -> None:
        """Put `repair` in the place of a copy's forward, and of the output that it has kept: to see what backward says then."""
        repair = self.repair
        if repair is None or not hasattr(module, "__dict__"):
            return
        wanted = repair(x, module)
        for name, value in vars(module).items():
            if isinstance(value, np.ndarray) and value.shape == self.out.shape and np.allclose(value, self.out):
                setattr(module, name, wanted.astype(value.dtype))
        module.forward = lambda *given: repair(np.asarray(given[-1]), module)

    def reads_forward(self, operation: str) -> bool:
        """Whether an operation calls forward, or may: its lines cannot be read."""
        lines = source(type(self.original), self.names.get(operation, operation))
        return not lines or any(re.search(r"\.(forward|__call__)\(|self\(", text) for _, text in lines)

    def given_back(self) -> np.ndarray:
        """An array like what forward returns."""
        return self.weights(2) if self.out.size else np.zeros((len(self.x), 1))

    def zero(self, module: Any) -> None:
        """Set the gradients of a copy to zero, its own way; what that raises is the business of one probe alone."""
        with suppress(Misbehaviour):
            self.invoke(ZERO, module, [])

    def quote(self, method: str, *patterns: str) -> str:
        """The student's own line of a method that fits one of the patterns, the last of the best pattern; empty if none."""
        return quote(type(self.original), self.names.get(method, method), *patterns)

    def wrong(self, operation: str, kind: str, message: str, hint: str, *patterns: str) -> Finding:
        """The finding about an operation, with the author's line that fits one of the patterns."""
        return Finding(kind, "", message, hint, line=self.quote(operation, *patterns) if patterns else "")


def _required(method: Any) -> int | None:
    """How many arguments a method needs; None if that can't be known."""
    given = positional(method)
    return None if given is None else sum(p.default is p.empty and p.kind is not p.KEYWORD_ONLY for p in given)


