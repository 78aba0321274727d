"""What the rest of a hand-in means for one of its classes: who takes the mean, which layout layers have, what there is to use.

What is asked of another class for it is asked in that one's own process, once (`Project.facts`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from modnet.check.asking import older
from modnet.check.asking.calls import Misbehaviour
from modnet.check.handins import outside
from modnet.check.handins.loaded import Loaded, Project
from modnet.check.handins.source import read
from modnet.check.losses import means
from modnet.check.losses.check import built_loss
from modnet.check.modules.ways import layout_of
from modnet.check.networks.parts import Parts
from modnet.check.networks.workshop import Workshop
from modnet.check.reading.arguments import NotBuilt
from modnet.check.styles.adapters import remembers
from modnet.check.styles.loss_calls import is_other_loss


def parts(subject: Loaded, project: Project) -> Parts:
    """The parts of a project: those first in which nothing was found, and of these those near by."""
    kinds = ("module", "loss", "optim", "functions")
    every = {kind: sorted(project.of(kind, near=subject), key=project.is_wrong) for kind in kinds}
    modules, found, optimizers = ([c.cls for c in every[kind]] for kind in kinds[:3])
    wrong = [c.cls for kind in every.values() for c in kind if project.is_wrong(c)]
    losses: list[Any] = [c.cls for c in every["functions"] if hasattr(c.cls, "loss") and not project.is_wrong(c)]
    named = [(vars(at).get(at.loss.calling.value), vars(at).get(at.loss.calling.derivative)) for at in losses]
    pairs = [(getattr(v, "__func__", v), getattr(s, "__func__", s)) for v, s in named if v is not None and s is not None]
    return Parts(modules, found, optimizers, pairs, wrong)


def follows_the_contract(project: Project) -> bool:
    """Whether any layer of a project is one of the contract."""
    return any(not remembers(other.cls) for other in project.of("module"))


def layout(project: Project, but: Loaded | None = None) -> tuple[str, str]:
    """The layout of most layers of a project that take their examples in no other, and the name of one; empty if none does."""
    found: dict[str, list[str]] = {}
    for other in project.of("module"):
        if remembers(other.cls) and (but is None or other.cls is not but.cls) and (own := known(other, project).get("layout")):
            found.setdefault(own, []).append(other.name)
    most = max(found, key=lambda name: len(found[name]), default="")
    return most, found[most][0] if found else ""


#: A function that says what a network is, and runs none of it.
_TELLS = re.compile(r"summary|print|plot|show|describe|info|count|config|save|load|^__(str|repr|init)__$", re.I)


def skipped_by_name(subject: Loaded, project: Project) -> bool:
    """Whether a line of the project asks whether a layer is of this class, as a network does that leaves it out.

    What only tells of the layers, such as a summary, asks as well, and leaves none out.
    """
    asks = re.compile(rf"(isinstance|type\(|__class__|__name__|\.name).*\b{subject.name}\b", re.I)
    for file in project.files:
        within = ""
        for line in text(file).split("\n"):
            within = found[1] if (found := re.match(r"\s*def (\w+)", line)) else within
            if asks.search(line) and not _TELLS.search(within):
                return True
    return False


def taken_one_by_one(project: Project) -> bool:
    """Whether a line of the project takes one example by its number, as ``output = x_train[j]`` does in a training."""
    one = re.compile(r"\w+ = (x|inputs?)(_\w+)?\[(i|j|k|n|idx|index|sample)\]$", re.I)
    return any(one.match(line.strip()) for file in project.files for line in text(file).split("\n"))


def losses(subject: Loaded, project: Project) -> Iterator[bool | None]:
    """For each loss of another style that a class is used with, whether it divides by the size of the batch."""
    of_functions = [c for c in project.of("functions") if hasattr(c.cls, "loss")]
    columns = subject.kind == "module" and known(subject, project).get("layout") in ("columns", "middle")
    for other in _beside(subject, [*of_functions, *(c for c in project.of("loss") if is_other_loss(c.cls))]):
        yield from known(other, project).get("divides columns" if columns else "divides", ())


def layers(subject: Loaded, project: Project) -> Iterator[bool | None]:
    """For each layer of another style that a class is used with, whether it divides by the size of the batch."""
    for other in _beside(subject, [c for c in project.of("module") if remembers(c.cls)]):
        found = known(other, project).get("divides")
        yield any(found) if found else None


def _beside(subject: Loaded, others: list[Loaded]) -> list[Loaded]:
    """Of several classes those of a class's own folder, if there are any: a project may hold one course after another."""
    return [c for c in others if c.file.parent == subject.file.parent] or others


def known(other: Loaded, project: Project) -> dict[str, Any]:
    """What of a class matters to others, see `facts_of`."""
    return (project.facts or facts_of)(other)


def facts_of(subject: Loaded) -> dict[str, Any]:
    """What of a class matters to those that are used with it, as plain values; empty if it cannot be tried.

    divides : of each parameter of a layer, or of a loss, whether the gradient is divided by the size of the batch; of a loss
    "divides columns", too, if it is given an example a column. layout : of the examples that a layer takes, see `layout_of`.
    """
    held: Any = subject.cls
    with outside.unnoticed(), older.unnoticed(), suppress(NotBuilt, Misbehaviour):
        if subject.kind == "module":
            return {"divides": means.divided(held), "layout": layout_of(held)}
        if hasattr(held, "loss") or subject.kind == "loss":
            loss = held.loss if hasattr(held, "loss") else built_loss(held)
            named = {"divides": False, "divides columns": True}
            return {n: [means.loss_divides(loss, subject.name, columns)] for n, columns in named.items()}
    return {}


def text(file: Path) -> str:
    """The text of a file, if it can be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def zeroed_at(project: Project) -> str:
    """Up to three lines that set gradients to zero near a call of step, as whoever trains may do it."""
    found = []
    for file in project.files:
        lines = text(file).split("\n")
        for i, line in enumerate(lines):
            near = "\n".join(lines[max(0, i - 16) : i + 17])
            if re.match(r"\s.*\.zero_?grad\(\)", line, re.I) and re.search(r"\.step\(", near):
                found.append(f"{file.name}, line {i + 1}")
    return "; ".join(found[:3])


def clears_gradients(project: Project) -> bool:
    """Whether a line of the project sets the gradients of something else to zero, as whoever trains may do it."""
    clears = re.compile(r"(zero|reset|clear)_?grad|(?<!self)\.(d?grads?|gradients?)\b.*(= *0\b|zeros|fill\(0)", re.I)
    return any(clears.search(text(file)) for file in project.files)


def scripts(project: Project) -> Iterator[tuple[list[ast.stmt], dict[str, Any]]]:
    """The statements of each file, and what the names in it mean; of a name that no file has read yet, what another says."""
    every = {n: v for file in project.files for n, v in project.namespace(file).items() if not n.startswith("__")}
    for file in project.files:
        yield [line for code in read(file)[0] for line in code.body], every | project.namespace(file)


def workshop(subject: Loaded, project: Project) -> Workshop:
    """What a network or an optimizer of this file is put together from: the whole hand-in's classes, those near by first."""
    near = {kind: project.of(kind, near=subject) for kind in ("module", "loss", "network")}
    wrong = {c.cls for kinds in near.values() for c in kinds if project.is_wrong(c)}
    modules, losses, networks = ([c.cls for c in kinds] for kinds in near.values())
    return Workshop(modules, losses, networks, wrong)
