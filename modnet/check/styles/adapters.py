"""Layers of other courses, books and libraries, behind the three questions: forward, delta, gradient.

How a layer is called is in `modnet.check.styles.called`, and found out in `modnet.check.styles.found_out`. Here is what its
answers are:

* the gradient of ``W`` is in ``dW``, ``dLdW``, ``W_grad``, ``grads["W"]``, ``params["W"]["grad"]``, in the tuple that backward
  returns, or it is what an update by a learning rate of 1 has taken from ``W``;
* the mistakes that are made in these styles, beside the general ones.

In all of them the layer remembers its input, and sets gradients instead of adding: neither is a mistake there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from typing import Any

import numpy as np

from modnet.check.asking.arrays import KEPT, arrays_within, looks_trained
from modnet.check.asking.calls import Misbehaviour
from modnet.check.asking.numeric import derivative
from modnet.check.asking.question import Question
from modnet.check.asking.subject import Subject
from modnet.check.building.recipes import Recipe
from modnet.check.mistakes.guesses import Hypotheses, Hypothesis
from modnet.check.reading.arguments import positional
from modnet.check.reading.gradients import is_gradient_name, is_gradient_of, partner_of
from modnet.check.reading.vocabulary import DELTA, FORWARD, GRADIENT
from modnet.check.report import Finding, Report
from modnet.check.styles import layer_calls
from modnet.check.styles.called import OF_INPUT, PLACE, moves_by
from modnet.check.styles.found_out import FoundOut
from modnet.check.styles.wording import in_words, relabel


class Adapted(FoundOut):
    """A layer that remembers its input, of any of these styles."""

    # --- parameters and their gradients

    def holds(self, module: Any) -> dict[str, np.ndarray]:
        """The arrays of a copy that are meant to learn, by their places."""
        every = dict(arrays_within(module))
        beside = getattr(module, "_given_more", {}).items()
        found: dict[str, np.ndarray] = {PLACE + n: a for n, a in beside if a.dtype.kind == "f"}
        for name, array in every.items():
            last = name.split(".")[-1].strip("_")
            if is_gradient_name(last) or any(np.shares_memory(array, a) for a in found.values()):
                continue
            known = not KEPT.search(last) and (looks_trained(last) or partner_of(name, every) is not None)
            if known or name in self.learnt:
                found[PLACE + name] = array
        return found

    def gradients(
        self, x: np.ndarray, delta: np.ndarray, times: int = 1, before: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """The gradient of each parameter, by its place, after a backward."""
        module = self.fresh()
        self.ask(FORWARD, module, x if before is None else before)
        self._repaired(module, x)
        held = self.parameters(module)
        start = {name: array.copy() for name, array in held.items()}
        _, rest = self.go_back(module, delta.copy())
        every = dict(arrays_within(module)) | dict(arrays_within(getattr(module, "_given_gradients", {}), "grads"))
        rest_of_words = [n.removeprefix(PLACE) for n in start if self.words]  # what an else answers
        for word in dict.fromkeys((*self.words, *rest_of_words)):
            if not OF_INPUT.match(word) and partner_of(word, every) is None:
                with suppress(Misbehaviour, TypeError, ValueError):
                    got, _ = self.go_back(module, delta.copy(), word=word)
                    if word in self.words or np.size(got) == start[PLACE + word].size:
                        every[f"d{word}"] = np.asarray(got, dtype=float)
        found: dict[str, np.ndarray] = {}
        if self.updates:
            now = self.parameters(module)
            for name, array in start.items():
                if name in now and now[name].ndim == array.ndim and now[name].shape != array.shape:
                    said = name.removeprefix(PLACE)
                    text = f"backward leaves {said} in shape {now[name].shape}, where it had {array.shape}"
                    hint = f"sum over the batch: {said} -= rate * grad.sum(axis=0, keepdims=True). With one example it is right"
                    raise Misbehaviour("shape", text, self.quote(DELTA, rf"\b{said.split('.')[-1]}\b.*="), hint)
            found = self.gradients_of_step(module, start)
            if any(g.any() for g in found.values()):
                return found
        left = {n: np.asarray(v, dtype=float) for n, v in _listed(rest) if isinstance(v, np.ndarray | float | np.floating)}
        left = {n: v for n, v in left.items() if not any(v.shape == a.shape and np.array_equal(v, a) for a in start.values())}
        for name, array in start.items():
            said = name.removeprefix(PLACE)
            own = None if said in self.more else partner_of(said, every)
            named = next((n for n, v in left.items() if v.size == array.size and _belongs(n, said)), None)
            if own is None and named is None:
                named = next((n for n, v in left.items() if _belongs(n, said) and self._one_each(v, array)), None)
            fitting = named or next((n for n, v in left.items() if v.size == array.size and own is None), None)
            fitting = fitting or next((n for n, v in left.items() if own is None and self._one_each(v, array)), None)
            if own is not None and named is None:
                found[name] = np.array(every[own], dtype=np.float64)
            elif fitting is not None:
                found[name] = self.beside(left[fitting]) if said in self.more else left[fitting]
                del left[fitting]
        found = self._over_examples(found, start)
        rest_of = {n: np.array(a, np.float64) for n, a in every.items() if is_gradient_name(n.split(".")[-1])}
        return {**rest_of, **found}

    def _one_each(self, gradient: np.ndarray, parameter: np.ndarray) -> bool:
        """Whether something has the shape of a parameter's gradient for each example."""
        shapes = [parameter.shape, *([parameter.shape[1:]] if parameter.shape[:1] == (1,) else [])]
        return len(self.x) > 1 and not self.single and gradient.shape in [(len(self.x), *shape) for shape in shapes]

    def _over_examples(self, found: dict[str, np.ndarray], of: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The sums of gradients that are all given for each example, a matrix's among them: of one alone, a sum is left out."""
        given = found.keys() & of.keys()
        each = all(self._one_each(found[name], of[name]) for name in given)
        if not each or not any(sum(n > 1 for n in of[name].shape) > 1 for name in given):
            return found
        self.one_each = True
        return found | {name: found[name].sum(axis=0).reshape(of[name].shape) for name in given}

    # --- mistakes that are made in these styles

    def explain_delta(self, q: Question) -> list[Finding] | None:
        """The first of the mistakes that these styles have beside the general ones."""
        made = next((m for m in self._mistakes(q) if m.values is None or q.is_like(m.values)), None)
        return None if made is None else [q.finding(made.kind, made.message, made.hint)]

    def _mistakes(self, q: Question) -> Hypotheses:
        name, delta = self.names[DELTA], q.delta
        if self.updates and self._updated_first(q):
            text = "backward updates its weights first, and returns the gradient of the new ones"
            hint = "compute what is returned before the update"
            yield Hypothesis("updated-first", f"{text}; expected that of the old weights.", hint)
        if q.x.shape != q.out.shape or not q.whole:
            return
        if np.ptp(q.got) and not q.is_like(delta):
            text = f"{name} multiplies by f(x), the function, where its derivative is wanted."
            hint = "f'(x): for max(0, x) it is 1 where x > 0, and 0 elsewhere"
            yield Hypothesis("function-for-derivative", text, hint, delta * q.out)
        slopes = np.diagonal(q.jacobian)
        if not np.allclose(q.jacobian, np.diag(slopes), atol=1e-9) or len(q.x) < 2:
            return
        slopes = slopes.reshape(q.x.shape)
        for axis, over in ((0, "over the batch"), (-1, "over the numbers of an example"), (None, "over everything")):
            kind = "averaged" if axis == -1 else "batch-coupled"
            text = f"{name} averages the derivative {over} before it multiplies by what comes from above."
            hint = "each number has its own derivative: delta * f'(x), without a mean"
            yield Hypothesis(kind, text, hint, delta * slopes.mean(axis=axis, keepdims=True))

    def _updated_first(self, q: Question) -> bool:
        """Whether what is returned belongs to the weights after their update: it is right for forward with those."""
        module, moved = self.fresh(), copy(q)
        self.ask(FORWARD, module, q.x)
        got = self.as_output(self.ask(DELTA, module, q.x, q.delta), DELTA, q.x)
        found = derivative(lambda v: self.forward(v, module).ravel(), q.x.astype(float), q.entries, self.precision)
        if got.shape != q.shape or np.allclose(found.value, q.jacobian, rtol=1e-9):
            return False
        moved.settle(found.value)
        moved.answer(got)
        return moved.is_like(moved.truth)

    def conclude(self, report: Report) -> None:
        """Say it in the style's own words."""
        names = {name: name.removeprefix(PLACE) for name in self.holds(self.fresh())}
        in_words(report, self, names)
        once: dict[tuple[str, str], Finding] = {}
        for finding in report.findings:  # one backward answers for input and parameters: a size it does not take is said once
            of_size = finding.kind in ("square-only", "uncovered", "padding", "stride")
            once.setdefault((finding.kind, finding.where if of_size else str(finding)), finding)
        report.findings = list(once.values())
        for finding in report.findings:
            told = re.search(r"gradient of [\w.\[\]']*?(\w+)\W*? (?:is|comes|has|differs|belongs)", finding.message)
            line = told and self.quote(DELTA, rf"\bd_?(Ld|L)?_?{told[1]}\w*\b.*=", rf"grad\w*.*\b{told[1]}\b.*=")
            finding.line = line or finding.line
        back = self.names[DELTA]
        if self.one_each:
            report.notes.append(f"{back} gives the parameters' gradients for each example: their sum is what is checked.")
        relabel(report, back, [f"{back}: the input's gradient", f"{back}: the parameters'"])


def _belongs(name: str, parameter: str) -> bool:
    """Whether something of this name is a parameter's gradient: dW is W's, and what has the key of params['W'] is its, too."""
    return is_gradient_of(name, parameter) or parameter.endswith(f"['{name}']")


def _listed(rest: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What backward returned beside dL/dinput, and what is in lists of that."""
    for name, value in rest.items():
        if isinstance(value, list | tuple):
            yield from ((f"{name}[{i}]", item) for i, item in enumerate(value))
        else:
            yield name, value


def remembers(cls: type) -> bool:
    """Whether a class, or an object, is of one of these styles, and not of the contract's."""
    back = callable(getattr(cls, "backward", None))
    own = callable(getattr(cls, DELTA, None)) or (callable(getattr(cls, GRADIENT, None)) and not back)
    return not own and (back or layer_calls.methods_of(cls) is not None)


def updates_itself(cls: type) -> bool:
    """Whether backward of a class is given a learning rate."""
    methods = layer_calls.methods_of(cls)
    back = getattr(cls, methods.back if methods is not None else "backward", None)
    return any(moves_by(p.name) for p in positional(back) or ())


def subject_of(module: Any, x: np.ndarray, recipe: Recipe | None = None) -> Subject:
    """A module behind the three questions; the recipe says how it was built, if that is known."""
    return Adapted(module, x, recipe) if remembers(module) else Subject(module, x)
