"""What a search says: findings of the change that cures, with its proof, and that there is nothing to learn."""

from __future__ import annotations

import numpy as np

from modnet.check.training.change import Change, Cure
from modnet.check.training.code import renamed
from modnet.check.training.report import TrainingFinding, Trial
from modnet.check.training.setup import Run, Setup


def figure(run: Run) -> str:
    """How good a training is, in words."""
    score = f"{run.setup.task.word} {run.score:.3g} on {_where(run.setup)}"
    return f"the loss became infinite; {score}" if run.diverged and run.share < 0 else score


def of_cure(cure: Cure, base: Run, reference: Run | None, spent: str) -> list[TrainingFinding]:
    """A finding for each of the changes that cure together, mostly one alone; spent is what it took to find them."""
    setup, cured, many = base.setup, cure.run, len(cure.changes) > 1
    used, after = setup.task.word, f"{cured.score:.3g}"
    if cured.setup.task.word != used:
        after = f"{cured.setup.task.word} {after}"
    other = "" if reference is None else f"a simple reference has {reference.score:.3g}; "
    proof = (
        f"{used} on {_where(setup)} {base.score:.3g} as it is, {after} with "
        f"{'these changes together' if many else 'that change'}; {other}{spent}"
    )
    given = type(setup.net if setup.origin is None else setup.origin).__name__
    found = []
    for change, (line, _) in sorted(cure.changes, key=lambda part: -part[0].weight):
        if many and line.startswith("optimizer = "):
            line = f"optimizer = {cured.setup.optimizer!r}"  # with all of the changes
        hint = "the other changes, too: they were made together" if many else ""
        found.append(_finding(change, setup, given, hint, line, proof))
    return found


def of_refusal(change: Change, line: str, base: Run, cured: Run) -> TrainingFinding:
    """The finding if a training cannot begin, or not go on, and does with a change."""
    proof = f"{cured.setup.task.word} {cured.score:.3g} with that change; as it is, {base.error}"
    return _finding(change, base.setup, "fit", "", line, proof)


def of_uncured(change: Change, base: Run, run: Run | None) -> TrainingFinding:
    """The finding for what is wrong in any case, where nothing that was tried cures; run is the training with that change."""
    after = ", which is not all that is wrong" if run is None else f", {run.score:.3g} with that change: not all that is wrong"
    line, hint = change.variants[0][0], ""
    if change.kind == "overfitting":
        line, hint, after = "", "fewer columns, or more examples: no weight_decay and no patience that was tried is enough", ""
    proof = f"{base.setup.task.word} on {_where(base.setup)} {base.score:.3g} as it is{after}"
    return _finding(change, base.setup, type(base.setup.net).__name__, hint, line, proof)


def of_nothing(base: Run, references: list[Trial], spent: str) -> TrainingFinding:
    """The finding if no reference learns anything."""
    setup = base.setup
    on = "held-out data" if setup.is_held_out else "its own data"
    same = _contradictions(setup)
    seen = f"{same:.0%} of the examples have another one with equal inputs and another target; " if same > 0.1 else ""
    scores = ", ".join(f"{t.change} {t.score:.3g}" for t in references)
    always = "the mean" if setup.task.kind == "numbers" else "the most frequent class"
    return TrainingFinding(
        "nothing-to-learn", "X, y",
        f"{seen}no reference does better on {on} than {always} ({setup.task.word} {setup.chance:.3g}) by more than chance.",
        "look whether X and y belong together, row by row, and whether what decides y is among the columns of X",
        proof=f"{setup.task.word} on {on} {base.score:.3g} as it is; {scores}; {spent}",
    )  # fmt: skip


def _where(setup: Setup) -> str:
    return "held-out data" if setup.is_held_out else "its data"


def _finding(change: Change, setup: Setup, otherwise: str, hint: str, line: str, proof: str) -> TrainingFinding:
    """A finding in words about the network that was given, which another one may stand for."""
    where, seen = (words if setup.origin is None else renamed(words, setup.origin) for words in (change.where, change.seen))
    message = f"{seen if seen.startswith('net') else seen[:1].upper() + seen[1:]}."
    return TrainingFinding(change.kind, where or otherwise, message, hint, change=line, proof=proof)


def _contradictions(setup: Setup) -> float:
    """The share of examples that have another with equal inputs and a clearly different target."""
    X, y = setup.X.reshape(len(setup.X), -1), setup.y
    _, at = np.unique(X, axis=0, return_inverse=True)
    at = at.reshape(-1)
    truth = np.asarray(setup.task.truth(y), np.float64).reshape(len(y), -1)
    spread = truth.std(axis=0) if setup.task.kind == "numbers" else np.zeros(truth.shape[1])
    low, high = (np.full((at.max() + 1, truth.shape[1]), v) for v in (np.inf, -np.inf))
    np.minimum.at(low, at, truth)
    np.maximum.at(high, at, truth)
    differ = np.any(high - low > 0.2 * spread, axis=1)
    return float(np.mean(differ[at]))
