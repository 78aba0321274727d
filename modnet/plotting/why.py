"""What was tried on a training that does not learn: losses with each change, the cure in colour, and the symptom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from modnet.plotting.annotations import Axes, Figure, Path
from modnet.plotting.figures import drawing
from modnet.plotting.parts import BLUE, GREEN, INK, VERMILION

_GREY = "#b9b9b9"
_BY_DEPTH = ("vanishing-gradient", "symmetric-init", "dead-units", "saturated-units")
_LARGEST = 1e12
_NARROWEST = 0.1  # range of outputs that is drawn


def why(report: Any, *, ax: Axes | Sequence[Axes] | None = None, path: Path | None = None) -> Figure:
    """Draw the trials of a `check_training`: their losses, what the modules gave before training, and the symptom.

    Each loss is divided by its own first value, since changes of the targets or of the loss change its unit.

    Parameters
    ----------
    report : TrainingReport
        What `check_training` returned.
    ax, path : as in `history`, with three axes

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If nothing was trained, or there are fewer than three axes.
    """
    if not report.trials:
        raise ValueError("TrainingReport.plot: nothing was trained, because a step is wrong; there is nothing to draw")
    with drawing(ax, path, (4.4, 3.6), columns=3) as (figure, axes):
        if len(axes) < 3:
            raise ValueError(f"TrainingReport.plot: there are {len(axes)} axes, expected 3")
        _losses(axes[0], report)
        _outputs(axes[1], report)
        if report.symptoms.get("kind") in _BY_DEPTH and report.symptoms.get("norms"):
            _norms(axes[2], report)
        else:
            _columns(axes[2], report)
    return figure


def _relative(losses: list[float]) -> np.ndarray:
    values = np.array(losses, np.float64)
    with np.errstate(all="ignore"):
        values = values / abs(values[0]) if len(values) and values[0] else values
    return np.where(np.abs(values) < _LARGEST, values, np.nan)


def _losses(ax: Axes, report: Any) -> None:
    shown = [t for t in report.trials if t.losses and t.kind != "reference"]
    cure = next((t for t in shown if t.is_diagnosis), None)
    others = 0
    for trial in shown:
        if trial is cure or not trial.kind:
            continue
        ax.plot(np.arange(1, len(trial.losses) + 1), _relative(trial.losses), color=_GREY, linewidth=1,
                label=None if others else "other changes", zorder=1)  # fmt: skip
        others += 1
    for trial, color, label in ((shown[0] if shown else None, VERMILION, "as it is"), (cure, GREEN, "")):
        if trial is not None:
            values = _relative(trial.losses)
            marker = "o" if np.isfinite(values).sum() < 3 else None
            label = label or "cured: " + " and ".join(f.kind for f in report.findings)
            ax.plot(np.arange(1, len(values) + 1), values, color=color, linewidth=2.2, marker=marker, label=label, zorder=3)
    drawn = np.concatenate([_relative(t.losses) for t in shown]) if shown else np.ones(1)
    drawn = drawn[np.isfinite(drawn)]
    if drawn.size and drawn.min() > 0 and drawn.max() > 30 * drawn.min():
        ax.set_yscale("log")
    lengths = [len(t.losses) for t in shown]
    if lengths and max(lengths) > 4 * max(1, min(lengths)):
        ax.set_xscale("log")
    ax.set(xlabel="epoch", ylabel="loss, as a part of the first epoch's", title="what was tried")
    ax.legend(loc="best", fontsize="small")


def _outputs(ax: Axes, report: Any) -> None:
    """Histograms of what the activations give before training, one above the other."""
    outputs = [step for step in report.symptoms.get("outputs", []) if np.isfinite(step.output).all()]
    curved = [o for o in outputs if type(o.module).__name__ not in ("Linear", "Dropout", "Flatten", "Reshape")] or outputs
    curved = curved[-6:]
    ax.set(title="outputs of activations at the start", xlabel="output")
    if not curved:
        ax.text(0.5, 0.5, "the network's classes are not\nthe library's: not looked into", ha="center", va="center", color=INK,
                transform=ax.transAxes)  # fmt: skip
        ax.set_yticks([])
        return
    low, high = min(float(o.output.min()) for o in curved), max(float(o.output.max()) for o in curved)
    if high - low < _NARROWEST:  # all alike but for rounding
        low, high = (low + high - _NARROWEST) / 2, (low + high + _NARROWEST) / 2
    edges = np.linspace(low, high, 41)
    for i, step in enumerate(curved):
        counts, _ = np.histogram(step.output, edges)
        height = 0.85 * counts / max(counts.max(), 1)
        ax.fill_between((edges[1:] + edges[:-1]) / 2, i, i + height, step="mid", color=BLUE, alpha=0.75, linewidth=0)
    ax.set_yticks(range(len(curved)), [f"net{step.place} {type(step.module).__name__}" for step in curved], fontsize=8)
    ax.set_ylim(-0.1, len(curved))


def _norms(ax: Axes, report: Any) -> None:
    norms = report.symptoms["norms"]
    values = np.array([v for _, v in norms], np.float64)
    ax.bar(range(len(values)), np.where(values > 0, values, np.nan), color=BLUE)
    ax.set_xticks(range(len(values)), [place for place, _ in norms], fontsize=8)
    ax.set_xlim(-0.6, len(values) - 0.4)
    if (values > 0).any() and values.max() > 30 * values[values > 0].min():
        ax.set_yscale("log")
    if not (values > 0).any():
        ax.set_ylim(0, 1)
    ax.set(title="size of the delta by depth", xlabel="layer", ylabel="root mean square")


def _columns(ax: Axes, report: Any) -> None:
    mean, deviation = (np.asarray(report.symptoms.get(name, np.zeros(1)), np.float64) for name in ("mean", "deviation"))
    columns = np.arange(len(mean))[:: len(mean) // 60 + 1]
    ax.errorbar(columns, mean[columns], yerr=deviation[columns], fmt="o", color=BLUE, markersize=3, linewidth=1)
    ax.set_xlim(-0.6, len(mean) - 0.4)
    ax.locator_params(axis="x", integer=True)
    ax.axhspan(-1, 1, color=GREEN, alpha=0.15, linewidth=0)
    if np.abs(mean).max(initial=0.0) + deviation.max(initial=0.0) > 30:
        ax.set_yscale("symlog")
    ax.set(title="mean and deviation of the columns", xlabel="column of X; shaded: -1 to 1")
