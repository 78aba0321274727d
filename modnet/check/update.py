"""Probes of update_parameters and of the start: whether parameters move by -step times their gradient, and start apart."""

from __future__ import annotations

from copy import copy

import numpy as np

from modnet.check.arrays import copied, gradients, is_of_library, looks_trained
from modnet.check.forward import Findings
from modnet.check.gradient import matching
from modnet.check.plan import Examination, Probe, skip
from modnet.check.report import Finding
from modnet.check.subject import Misbehaviour
from modnet.check.vocabulary import FORWARD, GRADIENT, UPDATE


def moves(e: Examination) -> Findings:
    """Each parameter moves by -step times its gradient, whatever the gradient is."""
    subject, x = e.subject, e.subject.x
    if not subject.has(UPDATE) or is_of_library(subject.original):
        skip(e, UPDATE, "")
    asked = [n for n, q in e.questions.items() if q.by == "dL/dparameters" and q.got.any()]
    if not asked:
        subject.quietly(UPDATE)  # a network calls it of every module
        skip(e, UPDATE, "")
    seen: list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]] = []
    for step in (0.1, 0.2):
        module = subject.fresh()
        try:
            subject.zero(module)
            subject.ask(FORWARD, module, x)
            subject.ask(GRADIENT, module, x, subject.weights(3))
        except Misbehaviour:
            skip(e, UPDATE, "the gradient first")
        held, before = gradients(module), {n: a.copy() for n, a in subject.parameters(module).items()}
        subject.invoke(UPDATE, module, [step])
        after = subject.parameters(module)
        seen.append((held, {n: after[n] - a for n, a in before.items() if n in after and after[n].shape == a.shape}))
    line, said = subject.quote(UPDATE, r"clip", r"=", r"pass|return"), set[str]()
    still = [n for n in asked if not any(moved.get(n, np.ones(1)).any() for _, moved in seen)]
    for n in asked:
        if n not in seen[0][1] or n not in seen[1][1]:
            continue
        short, long = seen[0][1][n], seen[1][1][n]
        gradient = matching(n, copy(e.questions[n]), seen[0][0], e.questions)
        if gradient is None:
            continue
        tolerance = 1e-6 if subject.dtype == np.float64 else 1e-3
        which = " and ".join(still) if n in still else n
        finding = _moved(which, gradient.reshape(short.shape), short, long, line, tolerance)
        if finding is not None and finding.kind not in said:
            said.add(finding.kind)
            yield finding


def _moved(name: str, gradient: np.ndarray, short: np.ndarray, long: np.ndarray, line: str, tolerance: float) -> Finding | None:
    first = name.split(" and ")[0]
    write = f"self.{first} -= gradient_step * its gradient"
    margin = tolerance * float(np.abs(gradient).max())
    if not short.any() and not long.any():
        several = " and " in name
        text = f"{name} {'do' if several else 'does'} not move, though {'their' if several else 'its'} gradient is not zero."
        return Finding("layer-not-trained", "", text, write, line=line)
    if np.allclose(short, -0.1 * gradient, rtol=tolerance, atol=margin) and np.allclose(
        long, -0.2 * gradient, rtol=tolerance, atol=margin
    ):
        return None
    if np.allclose(short, long, rtol=1e-6):
        return Finding("lr-ignored", "", f"{name} moves by the same for gradient_step 0.1 and 0.2.", write, line=line)
    if np.allclose(short, 0.1 * gradient, rtol=1e-5):
        return Finding("sign", "", f"{name} moves along its gradient, but it must move against it.", write, line=line)
    largest = float(np.abs(short).max()) / 0.1
    if np.allclose(short, -0.1 * np.clip(gradient, -largest, largest), rtol=1e-5, atol=1e-9):
        text = f"{name} moves by at most {largest:.4g} times gradient_step: its gradient is cut off."
        return Finding("clipped", "", text, f"{write}; if gradients are clipped, the optimizer does it", line=line)
    ratio = float((short * gradient).sum() / (gradient * gradient).sum())
    if np.allclose(short, ratio * gradient, rtol=1e-5, atol=1e-9):
        text = f"{name} moves by {ratio:.4g} times its gradient for gradient_step 0.1, expected -0.1 times."
        return Finding("scale", "", text, write, line=line)
    return Finding("direction", "", f"{name} does not move by -gradient_step times its gradient.", write, line=line)


def symmetric(e: Examination) -> Findings:
    """The units of a layer do not all start the same."""
    subject = e.subject
    out_features = subject.out.shape[-1] if subject.out.ndim > 1 else 1
    module = copied(subject.original)
    constant = [
        n
        for n, a in subject.parameters(module).items()
        if looks_trained(n) and a.size > 1 and np.ptp(a) <= 1e-4 * np.abs(a).max()
    ]
    if out_features < 2 or not constant or np.ptp(subject.x, axis=-1).max() == 0:
        skip(e, "__init__", "")
    out = subject.forward(subject.x, module)
    if np.ptp(out, axis=-1).max() > 1e-4 * np.abs(out).max():
        skip(e, "__init__", "")
    yield Finding(
        "symmetric-init",
        "",
        f"all numbers of {constant[0]} are equal at the start, so all units compute the same and, "
        "getting the same gradient, stay the same.",
        "draw weights at random: np.random.uniform(-1, 1, (n, m)) / np.sqrt(n); a bias may start at 0",
        line=subject.quote("__init__", r"np\.(zeros|ones|full)"),
    )


PROBES: tuple[Probe, ...] = (moves,)
START: tuple[Probe, ...] = (symmetric,)
