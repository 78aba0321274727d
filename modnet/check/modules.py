"""check_module: whether each operation of a module is what the contract says, and if not, which mistake it is.

The truth about derivatives comes from finite differences of the module's own forward. What the module returns is compared
with it; if they differ, every mistake on the list is *tried* (`modnet.check.guesses`), and a module whose constructor is
known is built anew with one channel, without overlap, without stride, to see what the mistake needs. Causes come before
consequences: if forward is wrong, its derivatives are judged only once it is right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from modnet.check import geometry, guesses, known
from modnet.check.numeric import along, complex_step, derivative
from modnet.check.question import Question, chosen_entries, draw_delta
from modnet.check.report import Finding, Report, worst
from modnet.check.subject import (
    Misbehaviour,
    Subject,
    as_output,
    call,
    copied,
    gradients,
    is_of_library,
    looks_trained,
    named,
    parameters,
)

_DELTA, _GRADIENT = "backward_delta", "backward_update_gradient"
_BIG = 1000.0
_RETURN = r"^return\b"
_IN_PLACE = r"\b{0}\s*(\[.*\])?\s*(\+|-|\*|/)=|\b{0}\s*\[.*\]\s*=[^=]|out\s*=\s*{0}\b|\b{0}\.(sort|fill|put)\("
# What belongs to one cause even if it shows in several operations.
_SHARED = {"stateful", "overlap", "stride", "channel-mix", "integer-input", "saturates", "batch-coupled", "crash"}


def check_module(
    module: Any, input: Any, *, reference: Callable[[np.ndarray], Any] | None = None, make: Callable[..., Any] | None = None
) -> Report:
    """Check forward, backward_delta, backward_update_gradient and update_parameters of a module.

    Parameters
    ----------
    module : any object with the contract's methods. It is left as it is: all probes work on copies.
    input : (batch, ...), an array, or a shape to draw one for. Small is best: a few examples of a few numbers.
    reference : the definition of forward at the module's present parameters, ``reference(X) -> Z``. Modules with the name of
        a module of the course are held against that without it.
    make : builds the module with other sizes, in case one size does not show a mistake; its arguments are named, or
        ordered, as the class's: k_size, chan_in, chan_out, stride. The class itself unless given.

    Returns
    -------
    report : see `Report`. ``report.raise_if_failed()`` makes a test of it.

    Raises
    ------
    TypeError : if module is a class, or has no forward.
    """
    if isinstance(module, type) or not callable(getattr(module, "forward", None)):
        got = (
            f"the class {module.__name__}" if isinstance(module, type) else f"of type {type(module).__name__}, without forward"
        )
        raise TypeError(f"check_module: module is {got}, expected an object with forward and backward_delta")
    return _Examination(module, input, reference, make).report


class _Examination:
    """One check_module: the report as it grows."""

    def __init__(self, module: Any, input: Any, reference: Callable[[np.ndarray], Any] | None, make: Any) -> None:
        x = as_input(input)
        self.subject = Subject(module, x)
        self.reference, self.make = reference, make
        self.report = Report(f"{self.subject.name} on an input of shape {x.shape}")
        self.by_numbers, self.drawn = x.dtype.kind == "f", isinstance(input, tuple)
        self.answers: dict[str, np.ndarray] = {}
        self.shapes: geometry.Outcomes | None = None
        for where, examine in (("forward", self.forward), (_DELTA, self.delta), (_GRADIENT, self.gradient), ("", self.rest)):
            try:
                with np.errstate(all="ignore"):
                    going = examine()
            except Misbehaviour as problem:
                self.misbehaved(where, problem)
                going = where != "forward"
            if not going:
                break
        self.merge()

    def merge(self) -> None:
        """Keep the first of the findings that one cause gives in several operations."""
        seen: set[str] = set()
        kept: list[Finding] = []
        for finding in self.report.findings:
            writes = [f.where for f in kept if f.kind == "mutates"]
            if (finding.kind == "mutates" and any(w.endswith(".forward") for w in writes)) or (
                finding.kind == "integer-input" and finding.where in writes
            ):
                continue
            key = finding.kind if finding.kind in _SHARED else f"{finding.kind} {finding.where} {finding.message}"
            if key not in seen:
                kept.append(finding)
            seen.add(key)
        self.report.findings = kept

    def misbehaved(self, where: str, problem: Misbehaviour) -> None:
        hint = {
            "not-implemented": f"write {where}" + ("" if where == _GRADIENT else ", and end it with return"),
            "shape": "the first axis counts examples; sum or reshape only over the other axes",
            "crash": "the shapes on that line: print them; input is "
            + str(self.subject.x.shape)
            + (f", delta {self.subject.out.shape}" if where != "forward" else ""),
        }.get(problem.kind, "")
        self.add(where, Finding(problem.kind, "", problem.message + ".", hint, line=problem.line))

    def add(self, where: str, *found: Finding, remark: str = "", error: float | None = None) -> None:
        """Findings of one operation, and its verdict."""
        for finding in found:
            finding.where = finding.where or f"{self.subject.name}.{where}"
        self.report.findings += found
        self.report.verdict(where, error, remark or (found[0].kind if found else ""), right=not found)

    # --- forward

    def forward(self) -> bool:
        subject, x = self.subject, self.subject.x
        if x.dtype.kind in "iu":
            self.settle_integers()
            x = subject.x
        self.examine()
        x = subject.x
        coupled = self.coupling()
        if coupled is not None:
            self.add("forward", coupled)
            return False
        found: list[Finding] = []
        given = x.copy()
        call("forward", subject.fresh().forward, given)
        if not np.array_equal(given, x, equal_nan=True):
            argument = _argument(subject.original, "forward", 0)
            found.append(
                Finding(
                    "mutates",
                    "",
                    "forward writes into its input.",
                    "work on a copy: out = X.copy(), then write into out",
                    line=subject.quote("forward", _IN_PLACE.format(argument)),
                )
            )
        candidates, name = self.definition(x, subject.out, subject.fresh())
        wrong = self.against_definition(candidates, x, subject.out) if candidates else None
        if wrong is None and x.dtype.kind == "f":
            self.shapes = geometry.examine(subject, self.make, name)
            wrong = geometry.forward_finding(self.shapes, subject)
        remark = "as defined" if candidates and wrong is None else "no definition to compare with" if wrong is None else ""
        if wrong is not None:
            if self.shapes is None and x.dtype.kind == "f":
                self.shapes = geometry.examine(subject, self.make, name)
                by_shape = geometry.forward_finding(self.shapes, subject)
                wrong = by_shape if by_shape is not None and by_shape.kind != "direction" else wrong
            wrong.line = wrong.line or subject.quote("forward", _RETURN)
            self.add("forward", *found, wrong)
            self.waiting()
            return False
        if self.by_numbers:
            found += [f for f in (self.saturation(), self.integers()) if f is not None]
        if not np.isfinite(subject.out).all():
            self.add("forward", *found, remark="" if found else "not finite at this input, so nothing else can be judged")
            return False
        self.add("forward", *found, remark=found[0].kind if found else remark)
        return True

    def examine(self) -> None:
        """Look at the module; of a shape, one that takes no numbers gets small integers, as an embedding does."""
        subject = self.subject
        try:
            subject.examine()
        except Misbehaviour as problem:
            drawn = subject.x
            for count in (3, 2, 1) if self.drawn and problem.kind == "crash" else ():
                subject.x = (np.arange(drawn.size) % count).reshape(drawn.shape)
                try:
                    subject.examine()
                except Misbehaviour:
                    continue
                self.by_numbers = False
                return
            subject.x = drawn
            raise

    def waiting(self) -> None:
        for where in (_DELTA, _GRADIENT):
            self.report.verdict(where, right=None, remark="forward first")

    def settle_integers(self) -> None:
        """An integer input is taken as numbers, except by a module that needs integers, such as an embedding."""
        subject = self.subject
        try:
            half = as_output(call("forward", subject.fresh().forward, subject.x + 0.5), "forward", len(subject.x))
            whole = as_output(call("forward", subject.fresh().forward, subject.x), "forward", len(subject.x))
            takes_numbers = half.shape == whole.shape and not np.array_equal(half, whole)
        except Misbehaviour:
            takes_numbers = False
        if takes_numbers:
            subject.x, self.by_numbers = subject.x.astype(np.float64), True

    def coupling(self) -> Finding | None:
        """Whether one example's result depends on the others."""
        subject, x = self.subject, self.subject.x
        if len(x) < 2 or subject.random or x.dtype.kind != "f":
            return None
        changed = x.copy()
        changed[1:] = changed[1:][::-1] * 0.5 + 0.3
        if not np.isfinite(subject.out).all():
            return None
        moved = subject.forward(changed)
        if moved.shape == subject.out.shape and np.allclose(moved[0], subject.out[0], rtol=1e-5, atol=1e-7):
            return None
        if _normalises(subject):
            subject.batch_statistics = True
            return None
        finding = Finding(
            "batch-coupled",
            "",
            "the result for one example depends on the other examples of the batch.",
            "a sum, maximum or mean over one example needs its axis: .sum(axis=-1, keepdims=True); without axis it runs over "
            "the whole batch, with axis=0 over the examples",
            line=subject.quote("forward", r"\.(sum|max|mean|min)\(|np\.(sum|max|mean|min)\("),
        )
        if moved.shape == subject.out.shape:
            difference = np.abs(moved[:1] - subject.out[:1])
            vars(finding).update(worst(moved[:1], subject.out[:1], difference), truth="with other examples beside it, else")
        return finding

    def definition(self, x: np.ndarray, out: np.ndarray, module: Any) -> tuple[list[np.ndarray], str]:
        """What forward may give by definition, and the course's name of the module."""
        name = known.plain_name(type(self.subject.original))
        if self.reference is not None:
            wanted = as_output(call("reference", self.reference, x.copy()), "reference", len(x))
            return [wanted], name
        with np.errstate(all="ignore"):
            return list(known.definition(name, x.astype(np.float64), out, named(module), known.options_of(module))), name

    def against_definition(self, candidates: list[np.ndarray], x: np.ndarray, out: np.ndarray) -> Finding | None:
        tolerance = 1e-6 if self.subject.dtype == np.float64 else 1e-4
        same = [c for c in candidates if c.shape == out.shape]
        for wanted in same:
            if np.allclose(
                out, wanted, rtol=tolerance, atol=tolerance * max(1.0, float(np.abs(wanted).max(initial=0.0))), equal_nan=True
            ):
                return None
        source = "the reference gives" if self.reference is not None else "the definition gives"
        if not same:
            return Finding(
                "shape",
                "",
                f"forward returns shape {out.shape}, {source} {candidates[0].shape}.",
                "the shape of the result",
                line=self.subject.quote("forward", _RETURN),
            )
        wanted = min(same, key=lambda c: float(np.nan_to_num(np.abs(c - out), nan=1e300).sum()))
        difference = np.abs(out - wanted)
        if not np.isfinite(out).all() and np.isfinite(wanted).all():
            kind, message, hint = "saturates", "forward gives NaN or infinity although the definition is finite.", _SATURATES
        else:
            kind, message, hint = (
                "forward",
                f"forward is not what {source[:-6]} says.",
                "compute one small example by hand, and compare it with the figures above",
            )
            for name, function in known.FUNCTIONS.items():
                with np.errstate(all="ignore"):
                    other = function(x.astype(float))
                if other.shape == out.shape and np.allclose(other, out, rtol=1e-6, atol=1e-9) and x.shape == out.shape:
                    hint = f"what it computes is {name}"
            power = float((wanted * wanted).sum())
            factor = float((out * wanted).sum()) / power if power else 0.0
            if factor and np.allclose(out, factor * wanted, rtol=1e-6, atol=1e-9):
                hint = f"what it computes is {factor:.6g} times the definition"
            flipped = self.flipped(x, out)
            if flipped:
                kind, message = "flipped-kernel", "forward reads the window backwards."
                hint = "weight i of the window belongs to position start + i of the input: no [::-1]"
        finding = Finding(kind, "", message, hint)
        vars(finding).update(worst(out, wanted, difference), truth=source)
        return finding

    def flipped(self, x: np.ndarray, out: np.ndarray) -> bool:
        module = self.subject.fresh()
        for array in parameters(module).values():
            if array.ndim >= 3:
                for other in (array[::-1].copy(), array[::-1, ::-1].copy()):
                    held = array.copy()
                    array[...] = other
                    wanted, _ = self.definition(x, out, module)
                    array[...] = held
                    if any(c.shape == out.shape and np.allclose(c, out, rtol=1e-6, atol=1e-9) for c in wanted):
                        return True
        return False

    def finite_truth(self, x: np.ndarray) -> np.ndarray | None:
        """What forward should give for x, from the definition or from a function it was like so far; None if unknown."""
        subject = self.subject
        candidates, _ = self.definition(x, subject.out, subject.fresh())
        for wanted in candidates:
            if wanted.shape == subject.out.shape:
                return wanted
        for function in known.FUNCTIONS.values():
            with np.errstate(all="ignore"):
                here = function(subject.x.astype(float))
                if here.shape == subject.out.shape and np.allclose(here, subject.out, rtol=1e-6, atol=1e-9):
                    return function(x)
        return None

    def saturation(self) -> Finding | None:
        """NaN or infinity for large input, although the definition is finite."""
        subject = self.subject
        for big in self.large_inputs():
            try:
                out = subject.forward(big)
            except Misbehaviour:
                continue
            if np.isfinite(out).all():
                continue
            wanted = self.finite_truth(big)
            if wanted is not None:
                bad = ~np.isfinite(out) & np.isfinite(wanted) if wanted.shape == out.shape else np.zeros(out.shape, bool)
            else:
                bad = np.isnan(out)
            if bad.any():
                at = tuple(int(i) for i in np.argwhere(bad)[0])
                finding = Finding(
                    "saturates",
                    "",
                    f"forward gives {out[at]:g} for inputs of size {_BIG:g}.",
                    _SATURATES,
                    index=at,
                    analytic=float(out[at]),
                    line=subject.quote("forward", r"np\.log\(.*np\.exp|exp\(", r"log\("),
                )
                if wanted is not None:
                    finding.numeric, finding.truth = float(wanted[at]), "the definition gives"
                return finding
        return None

    def large_inputs(self) -> list[np.ndarray]:
        x = self.subject.x
        signs = np.random.default_rng(5).choice([-1.0, 1.0], x.shape)
        signs.flat[0], signs.flat[-1] = 1.0, -1.0
        return [(_BIG * signs).astype(x.dtype), np.full_like(x, _BIG), np.full_like(x, -_BIG)]

    def integers(self) -> Finding | None:
        """The same numbers as integers must give the same."""
        subject = self.subject
        whole, numbers = self.whole_input()
        try:
            wanted = subject.forward(numbers)
        except Misbehaviour:
            return None
        return self.compare_integers("forward", lambda: subject.forward(whole), wanted)

    def whole_input(self) -> tuple[np.ndarray, np.ndarray]:
        x = self.subject.x
        whole = np.random.default_rng(6).permutation(np.arange(x.size) % 7 - 3).reshape(x.shape)
        return whole, whole.astype(x.dtype if x.dtype.kind == "f" else np.float64)

    def compare_integers(self, where: str, ask: Callable[[], np.ndarray], wanted: np.ndarray) -> Finding | None:
        if not np.isfinite(wanted).all():
            return None
        lines = self.subject.quote(where, r"zeros_like|empty_like|ones_like|full_like|\.copy\(\)|dtype|[-+*/]=", r"=")
        hint = "np.zeros_like(X) and X.copy() have X's type: write np.zeros(X.shape), or X = np.asarray(X, dtype=float) first"
        try:
            got = ask()
        except Misbehaviour as problem:
            return Finding("integer-input", "", f"{problem.message}, with an input of integers.", hint, line=problem.line)
        if got.shape == wanted.shape and np.allclose(
            got, wanted, rtol=1e-4, atol=1e-5 * max(1.0, float(np.abs(wanted).max(initial=0.0)))
        ):
            return None
        finding = Finding(
            "integer-input", "", f"{where} gives something else for the same numbers given as integers.", hint, line=lines
        )
        if got.shape == wanted.shape:
            vars(finding).update(worst(got, wanted, np.abs(got - wanted)), truth="for floats it is")
        return finding

    # --- backward_delta

    def delta(self) -> bool:
        subject, x, out = self.subject, self.subject.x, self.subject.out
        if x.dtype.kind != "f":
            self.report.verdict(_DELTA, right=None, remark="an integer input has no derivative")
            return True
        if not callable(getattr(subject.original, _DELTA, None)):
            self.add(_DELTA, Finding("not-implemented", "", f"there is no {_DELTA}.", f"write {_DELTA}(self, input, delta)"))
            return True
        delta = draw_delta(out, 2)
        found = [f for f in (self.mutated(_DELTA, delta),) if f is not None]
        try:
            got = subject.delta(x, delta)
        except Misbehaviour as problem:
            finding = geometry.finding(self.shapes, _DELTA, subject)
            if finding is None:
                raise problem
            self.add(_DELTA, *found, finding)
            return True
        if got.shape != x.shape:
            hint = f"return dL/dinput, of the shape of input{x.shape}" if got.size != x.size else "reshape it to input.shape"
            self.add(
                _DELTA,
                *found,
                Finding(
                    "shape",
                    "",
                    f"{_DELTA} returns shape {got.shape}, expected {x.shape}, the input's.",
                    hint,
                    line=subject.quote(_DELTA, _RETURN),
                ),
            )
            return True
        entries = chosen_entries(x.size)
        module = subject.fresh()
        jacobian = derivative(
            lambda v: subject.forward(v, module).ravel(), x.astype(np.float64), entries, guesses.precision(subject)
        )
        q = Question(f"{subject.name}.{_DELTA}", x, out, delta, jacobian, entries, x.shape, self.tolerance)
        q.line = subject.quote(_DELTA, _RETURN)
        q.answer(got)
        if not q.right and q.error < 1e-3 and subject.dtype == np.float64:
            # So near that the differences themselves may be at fault.
            exact = complex_step(lambda v: module.forward(v).ravel(), x, entries, q.jacobian)
            if exact is not None:
                q.settle(exact)
        if not q.right:
            finding = guesses.first(guesses.for_delta(subject, q))
            if found and finding is None:
                # What writes into its arguments gives anything.
                self.add(_DELTA, *found, error=q.error)
                return True
            by_shape = geometry.finding(self.shapes, _DELTA, subject, q)
            if finding is None or (by_shape is not None and finding.kind in ("transposed", "diagonal")):
                finding = by_shape or finding
            self.add(_DELTA, *found, finding or guesses.direction(q, _DELTA, "dL/dinput"))
            return True
        if not q.whole and not self.right_along(lambda v: (delta * subject.forward(v, module)).sum(), x, got):
            self.add(_DELTA, guesses.direction(q, _DELTA, "dL/dinput"))
            return True
        tests = (self.stateful_delta, self.ties, self.other_shapes_delta, self.saturated_delta, self.integer_delta)
        for test in tests:
            finding = test(delta, got)
            if finding is not None:
                found.append(finding)
                break
        self.add(_DELTA, *found, error=None if found else q.error)
        return True

    def right_along(self, f: Callable[[np.ndarray], Any], at: np.ndarray, got: np.ndarray) -> bool:
        """If not every entry was varied: the derivative along random directions, which touch them all."""
        rng = np.random.default_rng(9)
        tolerance = 1e-4 if self.subject.dtype == np.float64 else 2e-2
        for _ in range(3):
            v = rng.choice([-1.0, 1.0], at.shape) * rng.uniform(0.5, 1, at.shape) * 1e-2
            start, precision = at.astype(np.float64), guesses.precision(self.subject)
            wanted = float(along(lambda z: np.asarray(f(z)), start, v, precision))
            if (
                abs(wanted - float(along(lambda z: np.asarray(f(z)), start, 3 * v, precision)) / 3)
                > 1e-2 * tolerance * abs(wanted) + 1e-9
            ):
                continue  # a kink near by
            if not abs(float((got * v).sum()) - wanted) <= tolerance * max(float(np.linalg.norm(got)), 1e-6) * float(
                np.linalg.norm(v)
            ):
                return False
        return True

    @property
    def tolerance(self) -> float:
        return 1e-6 if self.subject.dtype == np.float64 else 2e-3

    def mutated(self, where: str, delta: np.ndarray) -> Finding | None:
        subject = self.subject
        module, given_x, given_delta = subject.fresh(), subject.x.copy(), delta.copy()
        try:
            call("zero_grad", getattr(module, "zero_grad", lambda: None))
            call("forward", module.forward, subject.x.copy())
            call(where, getattr(module, where), given_x, given_delta)
        except Misbehaviour:
            return None
        for i, (name, now, then) in enumerate((("input", given_x, subject.x), ("delta", given_delta, delta))):
            if not np.array_equal(now, then, equal_nan=True):
                argument = _argument(subject.original, where, i)
                return Finding(
                    "mutates",
                    "",
                    f"{where} writes into {name}: whoever uses it afterwards gets other numbers.",
                    f"write {argument} = {argument} * ..., a new array, not {argument} *= ...; or take {argument}.copy() first",
                    line=subject.quote(where, _IN_PLACE.format(argument), rf"\b{argument}\b.*="),
                )
        return None

    def remembers(self) -> bool:
        """Whether the module may keep what the last forward drew."""
        return self.subject.random or self.subject.batch_statistics

    def other_inputs(self) -> list[np.ndarray]:
        x = self.subject.x
        if x.dtype.kind != "f":
            return [x[::-1].copy(), x[:1].copy()]
        others = [x[::-1] * 0.7 + 0.13] if len(x) > 1 else [x * -0.6 + 0.23]
        return [others[0], x[:1] * 0.8 - 0.11] if len(x) > 1 else others

    def stateful_finding(self, where: str, remark: str) -> Finding:
        subject = self.subject
        kept = (
            sorted({name for name in vars(subject.fresh()) if name not in ("_parameters", "_gradient")})
            if hasattr(subject.original, "__dict__")
            else []
        )
        used = [line for name in kept if (line := subject.quote(where, rf"self\.{name}\b"))]
        return Finding(
            "stateful",
            "",
            f"{where} answers for what was forwarded last, not for the input it is given{remark}.",
            "use the argument input; what forward kept in self belongs to another batch by then",
            line=used[0] if used else "",
        )

    def stateful_delta(self, delta: np.ndarray, got: np.ndarray) -> Finding | None:
        if self.remembers():
            return None
        for before in self.other_inputs():
            try:
                again = self.subject.delta(self.subject.x, delta, before)
            except Misbehaviour as problem:
                if problem.kind == "crash":
                    return self.stateful_finding(_DELTA, f" ({problem.message.split(' raises ')[-1]})")
                return None
            if again.shape != got.shape or not np.allclose(again, got, rtol=1e-5, atol=1e-7):
                return self.stateful_finding(_DELTA, "")
        return None

    def ties(self, delta: np.ndarray, got: np.ndarray) -> Finding | None:
        """Moving equal numbers together moves their maximum as much: what is given back must add up to that."""
        subject, x = self.subject, self.subject.x
        if self.remembers() or x.ndim < 2:
            return None
        rng = np.random.default_rng(11)
        tied = rng.integers(0, 2, x.shape) + 0.37
        move = np.broadcast_to(rng.uniform(0.5, 1, (len(x), *(1,) * (x.ndim - 2), x.shape[-1] if x.ndim > 2 else 1)), x.shape)
        for where in (tied, np.full(x.shape, 0.37)):

            def f(t: float, at: np.ndarray = where) -> float:
                return float((delta * subject.forward(at + t * move)).sum())

            h = 1e-4 if subject.dtype == np.float64 else 3e-2
            here, right, left = f(0.0), f(h), f(-h)
            smooth = abs((right - here) - (here - left)) <= 1e-2 * abs(right - left) + 1e-9
            wanted = (right - left) / (2 * h)
            # A maximum is a straight line along the move. What bends within the step, such as a division by a small
            # deviation, is another matter.
            finer = (f(h / 4) - f(-h / 4)) / (h / 2)
            smooth = smooth and abs(finer - wanted) <= 1e-2 * abs(wanted) + 1e-3
            got_there = float((subject.delta(where, delta) * move).sum())
            scale = float(np.abs(delta).sum())
            if smooth and not abs(got_there - wanted) <= (1e-3 if h < 1e-3 else 2e-2) * scale:
                return Finding(
                    "ties",
                    "",
                    "if several inputs are equal and largest, what they get of delta does not add up to delta.",
                    "in a tie one takes all, the first as argmax gives it; a mask X == X.max() gives delta to each of them",
                    index=(),
                    analytic=got_there,
                    numeric=wanted,
                    line=subject.quote(_DELTA, r"==|argmax|max\(", _RETURN),
                )
        return None

    def other_shapes_delta(self, delta: np.ndarray, got: np.ndarray) -> Finding | None:
        return geometry.finding(self.shapes, _DELTA, self.subject)

    def saturated_delta(self, delta: np.ndarray, got: np.ndarray) -> Finding | None:
        subject = self.subject
        if not self.by_numbers:
            return None
        for big in self.large_inputs():
            try:
                if not np.isfinite(subject.forward(big)).all():
                    continue
                dx = subject.delta(big, delta)
            except Misbehaviour:
                continue
            if not np.isfinite(dx).all():
                at = tuple(int(i) for i in np.argwhere(~np.isfinite(dx))[0])
                return Finding(
                    "saturates",
                    "",
                    f"{_DELTA} gives {dx[at]:g} for inputs of size {_BIG:g}, although forward is finite.",
                    _SATURATES_BACK,
                    line=subject.quote(_DELTA, r"exp\(|log\(|cosh\(", _RETURN),
                )
        return None

    def integer_delta(self, delta: np.ndarray, got: np.ndarray) -> Finding | None:
        if not self.by_numbers or self.remembers():
            return None
        subject = self.subject
        whole, numbers = self.whole_input()
        try:
            wanted = subject.delta(numbers, delta)
        except Misbehaviour:
            return None
        return self.compare_integers(_DELTA, lambda: subject.delta(whole, delta), wanted)

    # --- backward_update_gradient

    def gradient(self) -> bool:
        subject, x, out = self.subject, self.subject.x, self.subject.out
        where = f"{subject.name}.{_GRADIENT}"
        held = parameters(subject.fresh())
        delta = draw_delta(out, 3)
        questions = {name: self.ask_parameter(where, delta, name, array.shape) for name, array in held.items()}
        # Arrays that forward does not depend on are no parameters, and constants are not meant to learn.
        questions = {n: q for n, q in questions.items() if np.abs(q.truth).max(initial=0.0) > 1e-9}
        if not questions:
            self.report.verdict(_GRADIENT, right=None, remark="no parameters")
            return False
        if not subject.has_gradient:
            self.add(
                _GRADIENT, Finding("not-implemented", "", f"there is no {_GRADIENT}.", f"write {_GRADIENT}(self, input, delta)")
            )
            return True
        mutated = [f for f in (self.mutated(_GRADIENT, delta),) if f is not None]
        try:
            first = subject.gradients(x, delta)
        except Misbehaviour as problem:
            by_shape = geometry.finding(self.shapes, _GRADIENT, subject)
            if by_shape is None:
                raise problem
            self.add(_GRADIENT, by_shape)
            return True
        questions = {n: q for n, q in questions.items() if looks_trained(n) or self.is_trained(n)}
        for q in questions.values():
            q.line = subject.quote(_GRADIENT, r"grad\w*(\[.*?\])?\s*[-+]?=", r"=")
        findings = self.accumulation(delta, first)
        error = 0.0
        got_all = {name: self.matching(name, q, first) for name, q in questions.items()}
        nothing = not any(got is not None and got.any() for got in got_all.values())
        kept = any(a.any() for n, a in first.items() if "grad" in n.lower() or n.startswith("_parameters"))
        if nothing and not kept and not findings:
            hint = "self._gradient += input.T @ delta, or what belongs to this module; returning it is not enough"
            findings.append(Finding("not-implemented", "", f"{_GRADIENT} leaves the gradient as it was.", hint))
        for name, q in questions.items():
            if findings:
                break
            label = "" if name == "_parameters" else f" of {name}"
            got = got_all[name]
            if got is None or not got.any():
                findings += self.no_gradient(name, label, q, first)
                continue
            q.answer(got)
            error = max(error, q.error)
            if not q.right:
                found = guesses.first(guesses.for_gradient(subject, q, name, label))
                by_shape = geometry.finding(self.shapes, _GRADIENT, subject, q)
                if found is None or (by_shape is not None and found.kind in ("transposed", "overwrites")):
                    found = by_shape or found
                findings.append(found or guesses.direction(q, f"the gradient{label}", "dL/dparameters"))
            else:
                self.answers[name] = got
        if not findings:
            by_shape = geometry.finding(self.shapes, _GRADIENT, subject)
            late = by_shape or self.stateful_gradient(delta, first) or self.integer_gradient(delta)
            findings += [late] if late is not None else []
        self.add(_GRADIENT, *mutated, *findings, error=None if findings or mutated else error)
        return not findings

    def ask_parameter(self, where: str, delta: np.ndarray, name: str, shape: tuple[int, ...]) -> Question:
        subject, x = self.subject, self.subject.x
        module = subject.fresh()
        array = parameters(module)[name]
        entries = chosen_entries(array.size)

        def f(values: np.ndarray) -> np.ndarray:
            array[...] = values
            return subject.forward(x, module).ravel()

        found = derivative(f, array.astype(np.float64), entries, guesses.precision(subject))
        return Question(where, x, subject.out, delta, found, entries, shape, self.tolerance)

    def is_trained(self, name: str) -> bool:
        """Whether update_parameters moves it, if every gradient is 1."""
        module = self.subject.fresh()
        update = getattr(module, "update_parameters", None)
        if not callable(update):
            return False
        try:
            call("zero_grad", getattr(module, "zero_grad", lambda: None))
            call("forward", module.forward, self.subject.x.copy())
            call(_GRADIENT, module.backward_update_gradient, self.subject.x.copy(), draw_delta(self.subject.out, 3))
            before = parameters(module)[name].copy()
            call("update_parameters", update, 0.1)
        except Misbehaviour:
            return False
        return not np.array_equal(parameters(module)[name], before)

    def matching(self, name: str, q: Question, found: dict[str, np.ndarray]) -> np.ndarray | None:
        """The gradient that belongs to a parameter: by name, else by being right, else by shape and a likely name."""
        size = int(np.prod(q.shape))
        if name in found and "_parameters" in name:
            got = found[name]
            return (
                got
                if got.shape == q.shape or (got.size == size and np.squeeze(got).shape == np.squeeze(np.empty(q.shape)).shape)
                else None
            )
        likely = []
        for other, array in found.items():
            if array.size == size and other != name and "_parameters" not in other:
                q.answer(array)
                if q.right:
                    return array
                if "grad" in other.lower() or other.lower().lstrip("_").startswith("d"):
                    likely.append((other, array))
        core = name.strip("_").lower()
        return next((a for n, a in likely if core in n.lower()), likely[0][1] if len(likely) == 1 else None)

    def no_gradient(self, name: str, label: str, q: Question, first: dict[str, np.ndarray]) -> list[Finding]:
        held = first.get(name)
        if held is not None and held.any() and held.shape != q.shape:
            turned = q.shape[::-1] == held.shape
            return [
                Finding(
                    "shape",
                    "",
                    f"the gradient{label} has shape {held.shape}, expected {q.shape}, the parameters'.",
                    "input.T @ delta, not delta.T @ input"
                    if turned
                    else "the gradient has one number for each parameter; sum over the batch",
                    line=q.line,
                )
            ]
        if held is not None and not held.any() and name == "_parameters" and len(first) == 1:
            return [
                Finding(
                    "not-implemented", "", f"{_GRADIENT} leaves the gradient at zero.", "self._gradient += ...", line=q.line
                )
            ]
        bias = np.abs(q.jacobian - self.jacobian_elsewhere(name, q)).max(initial=0.0) < 1e-6
        own = (
            "it is added to every row, so its gradient is delta.sum(axis=0)"
            if bias
            else "by the chain rule, its gradient is the sum over the batch of delta times what it multiplies"
        )
        return [
            Finding(
                "missing-parameter",
                "",
                f"{name} changes the output, but gets no gradient: it never learns.",
                f"add it in {_GRADIENT}: {own}",
            )
        ]

    def jacobian_elsewhere(self, name: str, q: Question) -> np.ndarray:
        subject = self.subject
        module = subject.fresh()
        array, other = parameters(module)[name], self.other_inputs()[0]

        def f(values: np.ndarray) -> np.ndarray:
            array[...] = values
            return subject.forward(other, module).ravel()

        return derivative(f, array.astype(np.float64), q.entries, guesses.precision(subject)).value

    def accumulation(self, delta: np.ndarray, once: dict[str, np.ndarray]) -> list[Finding]:
        """Whether a second call adds, and zero_grad leaves zeros."""
        subject, x = self.subject, self.subject.x
        try:
            twice = subject.gradients(x, delta, times=2)
        except Misbehaviour:
            return []
        for name, first in once.items():
            second = twice.get(name)
            if second is None or second.shape != first.shape or not first.any() or not np.isfinite(first).all():
                continue
            if not ("_parameters" in name or "grad" in name.lower()):
                continue
            own = name.replace("_parameters", "_gradient")
            if np.allclose(second, first, rtol=1e-9) and not subject.random:
                attribute = own.split(".")[-1].split("[")[0]
                return [
                    Finding(
                        "overwrites",
                        "",
                        f"a second call leaves {own} as after the first: it is set, but it must be added to.",
                        f"self.{attribute} += ..., not self.{attribute} = ...: a module used twice in a network adds both up",
                        line=subject.quote(_GRADIENT, rf"{attribute}.*[^-+*/=]=[^=]"),
                    )
                ]
            if not np.allclose(second, 2 * first, rtol=1e-5, atol=1e-7 * float(np.abs(first).max())) and not subject.random:
                ratio = float((second.ravel() @ first.ravel()) / (first.ravel() @ first.ravel()))
                return [
                    Finding(
                        "double-counts",
                        "",
                        f"after a second call {own} is {ratio:.4g} times what it was after the first, expected 2 times.",
                        "add what belongs to this call only: += new, where new does not contain the old gradient",
                        line=subject.quote(_GRADIENT, r"grad.*=.*grad", r"grad\w*(\[.*?\])?\s*[-+]?="),
                    )
                ]
        module = subject.fresh()
        if not callable(getattr(module, "zero_grad", None)):
            return [
                Finding(
                    "never-zeroed",
                    f"{subject.name}.zero_grad",
                    "there is no zero_grad: gradients add up for ever.",
                    "write zero_grad(self): self._gradient = np.zeros(self._parameters.shape)",
                )
            ]
        call("zero_grad", module.zero_grad)
        call("forward", module.forward, x.copy())
        call(_GRADIENT, module.backward_update_gradient, x.copy(), delta.copy())
        call("zero_grad", module.zero_grad)
        for name, array in gradients(module).items():
            if ("_parameters" in name or "grad" in name.lower()) and name in once and once[name].any() and array.any():
                return [
                    Finding(
                        "never-zeroed",
                        f"{subject.name}.zero_grad",
                        f"after zero_grad {name.replace('_parameters', '_gradient')} is not zero.",
                        "set every gradient to zeros of its parameter's shape",
                        line=subject.quote("zero_grad", r"=", r"\w"),
                    )
                ]
        return []

    def stateful_gradient(self, delta: np.ndarray, first: dict[str, np.ndarray]) -> Finding | None:
        if self.remembers():
            return None
        for before in self.other_inputs():
            try:
                again = self.subject.gradients(self.subject.x, delta, before=before)
            except Misbehaviour as problem:
                return (
                    self.stateful_finding(_GRADIENT, f" ({problem.message.split(' raises ')[-1]})")
                    if problem.kind == "crash"
                    else None
                )
            for name in self.answers:
                a, b = first.get(name), again.get(name)
                if a is not None and b is not None and (a.shape != b.shape or not np.allclose(a, b, rtol=1e-5, atol=1e-7)):
                    return self.stateful_finding(_GRADIENT, "")
        return None

    def integer_gradient(self, delta: np.ndarray) -> Finding | None:
        if not self.by_numbers or self.remembers():
            return None
        subject = self.subject
        whole, numbers = self.whole_input()
        name = next(iter(self.answers), None)
        try:
            wanted = subject.gradients(numbers, delta).get(name or "")
        except Misbehaviour:
            return None
        if name is None or wanted is None:
            return None
        return self.compare_integers(_GRADIENT, lambda: subject.gradients(whole, delta)[str(name)], wanted)

    # --- update_parameters and the start

    def rest(self) -> bool:
        subject = self.subject
        found = self.update()
        if found is not None:
            self.add("update_parameters", found)
        elif self.answers and callable(getattr(subject.original, "update_parameters", None)):
            self.report.verdict("update_parameters")
        start = self.symmetric()
        if start is not None:
            self.add("__init__", start)
        return False

    def update(self) -> Finding | None:
        """Whether update_parameters moves each parameter by -step * gradient."""
        subject, x = self.subject, self.subject.x
        if not callable(getattr(subject.original, "update_parameters", None)) or is_of_library(subject.original):
            return None
        moves: list[dict[str, np.ndarray]] = []
        for step in (0.1, 0.2):
            module = subject.fresh()
            call("zero_grad", getattr(module, "zero_grad", lambda: None))
            call("forward", module.forward, x.copy())
            call(_GRADIENT, module.backward_update_gradient, x.copy(), draw_delta(subject.out, 3))
            before = {name: array.copy() for name, array in parameters(module).items()}
            try:
                call("update_parameters", module.update_parameters, step)
            except Misbehaviour as problem:
                return Finding(
                    problem.kind,
                    f"{subject.name}.update_parameters",
                    problem.message + ".",
                    "self._parameters -= gradient_step * self._gradient",
                    line=problem.line,
                )
            moves.append(
                {
                    name: array - before[name]
                    for name, array in parameters(module).items()
                    if name in before and array.shape == before[name].shape
                }
            )
        line = subject.quote("update_parameters", r"=")
        for name, gradient in self.answers.items():
            if name not in moves[0]:
                continue
            short, long, gradient = moves[0][name], moves[1][name], gradient.reshape(moves[0][name].shape)
            where = f"{subject.name}.update_parameters"
            write = f"self.{name} -= gradient_step * its gradient"
            if not short.any() and not long.any():
                return Finding(
                    "layer-not-trained", where, f"{name} does not move, though its gradient is not zero.", write, line=line
                )
            tolerance = 1e-6 if subject.dtype == np.float64 else 1e-3
            if np.allclose(
                short, -0.1 * gradient, rtol=tolerance, atol=tolerance * float(np.abs(gradient).max())
            ) and np.allclose(long, -0.2 * gradient, rtol=tolerance, atol=tolerance * float(np.abs(gradient).max())):
                continue
            if np.allclose(short, long, rtol=1e-6):
                return Finding(
                    "lr-ignored", where, f"{name} moves by the same for gradient_step 0.1 and 0.2.", write, line=line
                )
            if np.allclose(short, 0.1 * gradient, rtol=1e-5):
                return Finding(
                    "sign", where, f"{name} moves along its gradient, but it must move against it.", write, line=line
                )
            ratio = float((short * gradient).sum() / (gradient * gradient).sum())
            if np.allclose(short, ratio * gradient, rtol=1e-5, atol=1e-9):
                return Finding(
                    "scale",
                    where,
                    f"{name} moves by {ratio:.4g} times its gradient for gradient_step 0.1, expected -0.1 times.",
                    write,
                    line=line,
                )
            return Finding("direction", where, f"{name} does not move by -gradient_step times its gradient.", write, line=line)
        return None

    def symmetric(self) -> Finding | None:
        """Whether all weights are equal, so that all units of a layer compute, and stay, the same."""
        subject = self.subject
        out_features = subject.out.shape[-1] if subject.out.ndim > 1 else 1
        module = copied(subject.original)
        constant = [n for n, a in parameters(module).items() if looks_trained(n) and a.size > 1 and np.ptp(a) == 0]
        if out_features < 2 or not constant:
            return None
        try:
            out = as_output(call("forward", module.forward, subject.x.copy()), "forward", len(subject.x))
        except Misbehaviour:
            return None
        if np.ptp(out, axis=-1).max() > 1e-12 * max(1.0, float(np.abs(out).max())) or np.ptp(subject.x, axis=-1).max() == 0:
            return None
        return Finding(
            "symmetric-init",
            f"{subject.name}.__init__",
            f"all numbers of {constant[0]} are equal at the start, so all units compute the same and, "
            "getting the same gradient, stay the same.",
            "draw weights at random: np.random.uniform(-1, 1, (n, m)) / np.sqrt(n); a bias may start at 0",
            line=subject.quote("__init__", r"np\.(zeros|ones|full)"),
        )


_SATURATES_BACK = (
    "exp of a large number is infinite, and inf / inf or inf * 0 follow: write the derivative in terms of the output, which is "
    "finite: out = self.forward(input), then out * (1 - out) for a sigmoid, 1 - out ** 2 for tanh"
)
_SATURATES = (
    "exp of a large number is infinite, and inf / inf or log(0) follow: subtract the row's maximum before exp "
    "(X - X.max(axis=-1, keepdims=True)), or write the formula with exp(-abs(x)) only"
)


def as_input(value: Any) -> np.ndarray:
    """An array to examine a module at, from an array or a shape. Numbers of a shape are away from zero and each other."""
    if isinstance(value, tuple) and value and all(isinstance(n, int | np.integer) for n in value):
        rng = np.random.default_rng(0)
        size = int(np.prod(value))
        x = (rng.permutation(size) - (size - 1) / 2) * (4 / max(size, 2)) + rng.uniform(0.01, 0.02, size)
        return x.reshape(value)
    x = np.array(value)
    if x.dtype.kind not in "fiub" or x.ndim == 0:
        raise TypeError(
            f"check: input is {type(value).__name__} of {x.dtype}, expected an array of numbers (batch, ...), or a shape"
        )
    return x if x.dtype.kind in "iu" else x.astype(np.float64)


def _normalises(subject: Subject) -> bool:
    """Whether it centres and scales by the batch: then scaling the whole batch changes nothing."""
    again = subject.forward(3 * subject.x + 1)
    return again.shape == subject.out.shape and np.allclose(again, subject.out, rtol=1e-2, atol=1e-2)


def _argument(module: Any, method: str, place: int) -> str:
    code = getattr(getattr(type(module), method, None), "__code__", None)
    names = code.co_varnames[1 : code.co_argcount] if code is not None else ()
    return names[place] if place < len(names) else ("input", "delta")[place]


__all__ = ["as_input", "check_module"]
