"""Probes of backward_update_gradient: whether each parameter gets its derivative, added to what was there."""

from __future__ import annotations

import re
from collections.abc import Collection
from copy import copy
from functools import partial

import numpy as np

from modnet.check.asking.arrays import gradients, is_gradient, is_of_library, looks_trained
from modnet.check.asking.calls import Misbehaviour
from modnet.check.asking.numeric import derivative, factor_of
from modnet.check.asking.question import Question, direction
from modnet.check.building.constructors import weighted_by_name
from modnet.check.mistakes.guesses import diagnose, diagnose_two
from modnet.check.mistakes.of_parameters import for_gradient
from modnet.check.probes import delta, forward
from modnet.check.probes.forward import Findings
from modnet.check.probes.plan import Examination, Judged, Probe, skip
from modnet.check.reading.gradients import is_gradient_name, partner_of
from modnet.check.reading.vocabulary import GRADIENT, UPDATE, ZERO
from modnet.check.report import Finding


def ask(e: Examination) -> Findings:
    """What forward depends on gets a gradient; the answers are kept for the probes that follow."""
    subject, x = e.subject, e.subject.x
    if subject.hidden:
        skip(e, GRADIENT, subject.hidden)
    weights = subject.weights(3)
    held = subject.parameters(subject.fresh())
    own = {n: e.question(subject.forward, n) for n, array in held.items() if array.size}
    # Arrays that forward does not depend on are no parameters, and constants are not meant to learn.
    truths = {n: q for n, q in own.items() if q is not None and np.abs(q.truth).max(initial=0.0) > 1e-9}
    if not truths:
        if subject.has(GRADIENT) and not subject.remembers:
            subject.quietly(GRADIENT)  # a network calls it of every module
        skip(e, GRADIENT, "no parameters")
    yield from forward.there(e, GRADIENT)
    first = subject.gradients(x, weights)
    truths = {n: q for n, q in truths.items() if looks_trained(n)}
    e.first = first
    for n in truths:
        e.questions[n] = e.ask(n, partial(_fitting, e, n, truths[n], truths, weights), own=truths[n])
        e.questions[n].line = subject.quote(GRADIENT, *_lines_for(n), r"grad\w*(\[.*?\])?\s*[-+]?=", r"=")


def _fitting(e: Examination, name: str, q: Question, taken: Collection[str], delta: np.ndarray) -> np.ndarray:
    """What came back for a parameter; zeros if nothing did."""
    got = matching(name, copy(q), e.subject.gradients(e.subject.x, delta), taken)
    return np.zeros(q.shape) if got is None else got


def _lines_for(name: str) -> tuple[str, ...]:
    """Where an author may set the gradient of this parameter: _gradient['W'] of _parameters['W'], _bias_gradient of _bias."""
    own = name.split(".")[-1].replace("_parameters", "_gradient")
    core = re.escape(re.split(r"\W", own.strip("_"))[0])
    near = () if "_gradient" in own else (rf"\b\w*(grad\w*{core}|{core}\w*grad|d{core})\w*\s*[-+]?=[^=]",)
    quotes = re.escape(own).replace("'", "['\"]")
    return (*near, rf"\b{quotes}\s*[-+]?=[^=]")


def matching(name: str, q: Question, found: dict[str, np.ndarray], taken: Collection[str]) -> np.ndarray | None:
    """The gradient that belongs to a parameter: by name, else by being right, else by shape and a likely name.

    `taken` are the parameters: what has the name of another one is that one's.
    """
    size = int(np.prod(q.shape))
    held = is_gradient(name) and "_parameters" in name  # in the contract's place
    if name in found and held:
        got = found[name]
        if got.shape == q.shape or (got.size == size and np.squeeze(got).shape == np.squeeze(np.empty(q.shape)).shape):
            return _of_whole(name, q, found, taken, got)
    likely = []
    for other, array in found.items():
        if array.size == size and other != name and other not in taken:
            q.answer(array)
            if q.right:
                return array
            if "grad" in other.lower() or other.lower().lstrip("_").startswith("d") or "_parameters[" in other:
                likely.append((other, array))
    core = name.strip("_").lower()
    close = [a for n, a in likely if core in n.lower()]
    if held and (name in found or ("_parameters" in found and found["_parameters"].shape != q.shape)):
        return None  # it has one of its own, which does not fit
    return close[0] if close else likely[0][1] if len(likely) == 1 and likely[0][1].shape == q.shape else None


def _of_whole(name: str, q: Question, found: dict[str, np.ndarray], taken: Collection[str], got: np.ndarray) -> np.ndarray:
    """The gradient of a parameter of a layer within: that of the layer that holds it if it has one, which sums its uses."""
    q.answer(got)
    if name.count(".") < 2 or q.right:
        return got
    own = [a for n, a in found.items() if "." not in n and n not in taken and is_gradient_name(n) and a.shape == q.shape]
    for array in own:
        q.answer(array)
        if q.right:
            return array
    return own[0] if own else got


def nothing(e: Examination) -> Findings:
    """Something comes back at all."""
    kept = any(a.any() for n, a in e.first.items() if is_gradient(n))
    if not any(q.got.any() for q in e.questions.values()) and not kept:
        name = e.subject.names[GRADIENT]
        hint = "self._gradient += input.T @ delta, or what belongs to this module; returning it is not enough"
        yield Finding("not-implemented", "", f"{name} leaves the gradient as it was.", hint)
        raise Judged


def adds(e: Examination) -> Findings:
    """A second call adds."""
    subject, once = e.subject, e.first
    if subject.replaces or subject.random:
        return
    twice = subject.gradients(subject.x, subject.weights(3), times=2)
    for name, first in once.items():
        second = twice.get(name)
        if not is_gradient(name) or second is None or second.shape != first.shape:
            continue
        if not first.any() or not np.isfinite(first).all():
            continue
        own = name.replace("_parameters", "_gradient")
        if np.allclose(second, first, rtol=1e-9):
            attribute = own.split(".")[-1].split("[")[0]
            text = f"a second call leaves {own} as after the first: it is set, but it must be added to."
            hint = f"self.{attribute} += ..., not self.{attribute} = ...: a module used twice in a network adds both up"
            yield subject.wrong(GRADIENT, "overwrites", text, hint, rf"{attribute}\b(.*[^-+*/=])?\s*=[^=]")
            return
        if not np.allclose(second, 2 * first, rtol=1e-5, atol=1e-7 * float(np.abs(first).max())):
            times = factor_of(second, first)
            text = f"after a second call {own} is {times:.4g} times what it was after the first, expected 2 times."
            hint = "add what belongs to this call only: += new, where new does not contain the old gradient"
            yield subject.wrong(GRADIENT, "double-counts", text, hint, r"grad.*=.*grad", r"grad\w*(\[.*?\])?\s*[-+]?=")
            return


def derivatives(e: Examination) -> Findings:
    """Each parameter's gradient is its derivative; if not, which mistake, or which two, give its numbers."""
    subject, error = e.subject, 0.0
    for name, q in e.questions.items():
        label = "" if name == "_parameters" else f" of {name}"
        if not q.got.any():
            yield _no_gradient(e, name, label, q)
            continue
        error = max(error, q.error)
        if q.right:
            subject.answered += [name] if q.telling else []
            continue
        found = diagnose(subject, q, f"the gradient{label}", for_gradient(subject, q, name, label))
        found = e.shapes.explained(GRADIENT, q, found)
        if not found or {f.kind for f in found} == {"direction"}:
            hypotheses = partial(for_gradient, subject, name=name, label=label)
            found = diagnose_two(subject, [q], hypotheses, partial(_fitting, e, name, q, e.questions)) or found
        yield from found or [direction(q, f"the gradient{label}")]
    if subject.answered:
        e.remarks[GRADIENT] = f"relative error {error:.1e}"
    elif all(q.right for q in e.questions.values()):
        skip(e, GRADIENT, delta.NOTHING_TOLD)


def _no_gradient(e: Examination, name: str, label: str, q: Question) -> Finding:
    held = e.first.get(partner_of(name, {n: a for n, a in e.first.items() if n not in e.questions}) or name)
    if held is not None and held.any() and held.shape != q.shape:
        hint = "the gradient has one number for each parameter; sum over the batch"
        if q.shape[::-1] == held.shape != held.shape[::-1]:
            hint = "input.T @ delta, not delta.T @ input"
        text = f"the gradient{label} has shape {held.shape}, expected {q.shape}, the parameters'."
        return Finding("shape", "", text, hint, line=q.line)
    at, moved = e.subject.as_function_of(name, x=e.subject.other_inputs()[0])
    elsewhere = derivative(lambda v: moved(v).ravel(), at.astype(np.float64), q.entries, e.subject.precision).value
    bias = np.abs(q.jacobian - elsewhere).max(initial=0.0) < 1e-6
    own = (
        "it is added to every row, so its gradient is delta.sum(axis=0)"
        if bias
        else "by the chain rule, its gradient is the sum over the batch of delta times what it multiplies"
    )
    text = f"{name} changes the output, but gets no gradient: it never learns."
    hint = f"add it in {e.subject.names[GRADIENT]}: {own}"
    return Finding("missing-parameter", "", text, hint)


def integers(e: Examination) -> Findings:
    """Whole numbers give the same gradient."""
    if e.subject.answered:
        yield from forward.integers(e, GRADIENT)


def zeroed(e: Examination) -> Findings:
    """zero_grad leaves zeros."""
    subject = e.subject
    name = subject.names[ZERO]
    if subject.replaces:
        skip(e, ZERO, "")
    if not subject.has(ZERO):
        if e.questions:
            text = f"there is no {name}: gradients add up for ever."
            hint = "write zero_grad(self): self._gradient = np.zeros(self._parameters.shape)"
            yield Finding("never-zeroed", "", text, hint)
        else:
            skip(e, ZERO, "")
        return
    module = subject.fresh()
    before = {n: a.copy() for n, a in subject.parameters(module).items()}
    subject.invoke(ZERO, module, [])
    for n, array in subject.parameters(module).items():
        if n in before and before[n].any() and not array.any() and _matters(e, n):
            text = f"{name} sets {n} itself to zero, a parameter: what it has learnt is lost at every step."
            yield subject.wrong(ZERO, "mutates", text, "set its gradient to zero, not it", rf"{n}\b.*=")
    if not e.questions:
        return
    try:
        module = subject.there_and_back(subject.x, subject.weights(3))
    except Misbehaviour:
        skip(e, ZERO, "mend the gradient first")
    before = gradients(module)
    subject.invoke(ZERO, module, [])
    for n, array in gradients(module).items():
        if is_gradient(n) and n in before and before[n].any() and array.any():
            text = f"after {name} {n.replace('_parameters', '_gradient')} is not zero."
            hint = "set every gradient to zeros of its parameter's shape"
            yield subject.wrong(ZERO, "never-zeroed", text, hint, r"=", r"\w")
            return


def _matters(e: Examination, name: str) -> bool:
    """Whether forward gives something else if an array is zero."""
    module = e.subject.fresh()
    try:
        e.subject.parameters(module)[name][...] = 0
        out = e.subject.forward(e.subject.x, module)
    except (Misbehaviour, ValueError):
        return False
    return out.shape == e.subject.out.shape and not np.allclose(out, e.subject.out)


PROBES: tuple[Probe, ...] = (
    partial(forward.writes, operation=GRADIENT),
    ask,
    nothing,
    adds,
    derivatives,
    partial(delta.other_sizes, operation=GRADIENT),
    partial(delta.stateful, operation=GRADIENT),
    integers,
)


# --- update_parameters, and the start ---------------------------------------------------------------------------------


def moves(e: Examination) -> Findings:
    """Each parameter moves by -step times its gradient, whatever the gradient is."""
    subject, x = e.subject, e.subject.x
    if not subject.has(UPDATE) or is_of_library(subject.original):
        skip(e, UPDATE, "")
    asked = [n for n, q in e.questions.items() if q.got.any()]
    if not asked:
        subject.quietly(UPDATE)  # a network calls it of every module
        skip(e, UPDATE, "")
    seen: list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]] = []
    for step in (0.1, 0.2):
        try:
            module = subject.there_and_back(x, subject.weights(3))
        except Misbehaviour:
            skip(e, UPDATE, "mend the gradient first")
        held, before = gradients(module), {n: a.copy() for n, a in subject.parameters(module).items()}
        subject.invoke(UPDATE, module, [step])
        after = subject.parameters(module)
        seen.append((held, {n: after[n] - a for n, a in before.items() if n in after and after[n].shape == a.shape}))
    said = set[str]()
    still = [n for n in asked if not any(moved.get(n, np.ones(1)).any() for _, moved in seen)]
    for n in asked:
        gradient = matching(n, copy(e.questions[n]), seen[0][0], e.questions)
        if gradient is None or not all(n in moved for _, moved in seen):
            continue
        short, long = (moved[n] for _, moved in seen)
        names = still if n in still else [n]
        kind, text = _moved(names, gradient.reshape(short.shape), short, long, 1e-6 if subject.dtype == np.float64 else 1e-3)
        if kind and kind not in said:
            said.add(kind)
            hint = f"self.{names[0]} -= gradient_step * its gradient"
            hint += "; if gradients are clipped, the optimizer does it" if kind == "clipped" else ""
            yield subject.wrong(UPDATE, kind, text, hint, r"clip", _sets(names[0]), r"=", r"pass|return")


def _sets(name: str) -> str:
    """The pattern of a line that sets a parameter: self.W = ..., or self.W[i] -= ... for one within a list."""
    own = re.escape(name.split(".")[-1].partition("[")[0])
    return rf"\b{own}(\[.*?\])?\s*[-+*/]?=[^=]"


def _moved(names: list[str], gradient: np.ndarray, short: np.ndarray, long: np.ndarray, tolerance: float) -> tuple[str, str]:
    """The kind of a mistake in how parameters move for steps of 0.1 and 0.2, and what it is; empty if there is none."""
    name, margin = " and ".join(names), tolerance * float(np.abs(gradient).max())
    if not short.any() and not long.any():
        do, their = ("do", "their") if len(names) > 1 else ("does", "its")
        return "layer-not-trained", f"{name} {do} not move, though {their} gradient is not zero."
    if all(np.allclose(m, -s * gradient, rtol=tolerance, atol=margin) for m, s in ((short, 0.1), (long, 0.2))):
        return "", ""
    if np.allclose(short, long, rtol=1e-6):
        return "lr-ignored", f"{name} moves by the same for gradient_step 0.1 and 0.2."
    if np.allclose(short, 0.1 * gradient, rtol=1e-5):
        return "sign", f"{name} moves along its gradient, but it must move against it."
    largest, ratio = float(np.abs(short).max()) / 0.1, factor_of(short, gradient)
    if np.allclose(short, -0.1 * np.clip(gradient, -largest, largest), rtol=1e-5, atol=1e-9):
        return "clipped", f"{name} moves by at most {largest:.4g} times gradient_step: its gradient is cut off."
    if np.allclose(short, ratio * gradient, rtol=1e-5, atol=1e-9):
        return "scale", f"{name} moves by {ratio:.4g} times its gradient for gradient_step 0.1, expected -0.1 times."
    return "direction", f"{name} does not move by -gradient_step times its gradient."


def symmetric(e: Examination) -> Findings:
    """The units of a layer do not start the same."""
    subject = e.subject
    out_features = subject.out.shape[-1] if subject.out.ndim > 1 else 1
    module = subject.copy()
    held = {n: a for n, a in subject.parameters(module).items() if looks_trained(n) and a.size > 1}
    constant = [n for n, a in held.items() if np.ptp(a) <= 1e-4 * np.abs(a).max()]
    twins = [(n, pair) for n, a in held.items() if (pair := _equal_columns(a)) and a.shape[-1] == out_features]
    if out_features < 2 or not (constant or twins) or np.ptp(subject.x, axis=-1).max() == 0:
        skip(e, "__init__", "")
    out = subject.forward(subject.x, module)
    hint = "draw weights at random: np.random.uniform(-1, 1, (n, m)) / np.sqrt(n); a bias may start at 0"
    name = constant[0] if constant else twins[0][0]
    if constant and np.ptp(out, axis=-1).max() <= 1e-4 * np.abs(out).max():
        nearly = "nearly " if np.ptp(held[name]) else ""
        text = (
            f"all numbers of {name} are {nearly}equal at the start, so all units compute {nearly}the same and, "
            f"getting {nearly}the same gradient, stay {nearly}the same."
        )
    elif twins and weighted_by_name(type(subject.original)) and _alike_at(out, *twins[0][1]):
        name, (i, j) = twins[0]
        text = (
            f"columns {i} and {j} of {name} are equal at the start, so these two units compute the same and, "
            "getting the same gradient, stay the same."
        )
    else:
        skip(e, "__init__", "")
    start = r"np\.(zeros|ones|full)"
    yield subject.wrong("__init__", "symmetric-init", text, hint, _sets(name) + f".*{start}", start)


def _alike_at(out: np.ndarray, i: int, j: int) -> bool:
    """Whether two units give the same."""
    return np.array_equal(out[..., i], out[..., j])


def _equal_columns(weights: np.ndarray) -> tuple[int, int] | None:
    """Two columns that are equal, number by number, where no number comes twice in one: such do not come by chance."""
    columns = weights.reshape(-1, weights.shape[-1])
    _, first, like = np.unique(columns, axis=1, return_index=True, return_inverse=True)
    for j, i in enumerate(first[like.ravel()] if len(columns) > 1 else ()):
        if i != j and len(np.unique(columns[:, j])) == len(columns):
            return int(i), j
    return None


MOVES: tuple[Probe, ...] = (moves,)
START: tuple[Probe, ...] = (symmetric,)
