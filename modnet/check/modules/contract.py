"""Objects of a stranger's classes, and what to ask them with: nothing is guessed that could become a finding.

Arguments of constructors are filled by what their names mean (`modnet.check.building.constructors.roles_of`), inputs by layout:
channels last as the statement has it, channels first, or one channel without an axis. Of several that a class takes, the one is
chosen with which it is what its name says. What cannot be built so is not checked, and the report says what would help.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour, tried
from modnet.check.asking.subject import Subject
from modnet.check.building.choosing import chosen
from modnet.check.building.constructors import USUAL, build, roles_of
from modnet.check.modules.check import as_input, as_named, check_module, own_definition
from modnet.check.modules.options import add_with
from modnet.check.modules.other_styles import examine_other
from modnet.check.modules.ways import stopped
from modnet.check.reading.arguments import NotBuilt, switches
from modnet.check.reading.definitions import WINDOWED, plain_name
from modnet.check.reading.vocabulary import DELTA
from modnet.check.report import Report, not_checked
from modnet.check.styles.adapters import remembers, subject_of

Shape = tuple[int, ...]
Way = tuple[dict[str, Any], Shape]
_LINE: Shape = (4, 3)
_SIGNAL: Shape = (2, 8, 2)
_IMAGE: Shape = (2, 7, 7, 2)
#: Sizes for what takes the usual ones, and for what is made for one channel or for windows side by side.
_SIZES: tuple[dict[str, Any], ...] = (
    {},
    {"k_size": 2, "stride": 2},
    {"k_size": 2, "stride": 2, "chan_in": 1, "chan_out": 3},
    {"k_size": 3, "stride": 1, "chan_in": 1, "chan_out": 2},
    {"k_size": 2, "stride": 2, "chan_in": 2, "chan_out": 2},
)


# --- modules ---------------------------------------------------------------------------------------------------------


def shapes_for(cls: type, sizes: dict[str, Any]) -> Iterator[Shape]:
    """Input shapes to try, the statement's first."""
    name, plain = cls.__name__.lower(), plain_name(cls)
    asked = {role.split()[0] for role in roles_of(cls) or {}}
    chan = sizes.get("chan_in", USUAL["input"] if asked & {"input", "features"} else 2)
    pictures = "2d" in name or (bool(re.search("conv.*2", name)) and "1d" not in name)
    if pictures:
        bases = [_IMAGE]
    elif re.search("conv|pool", name):
        bases = [_SIGNAL, _IMAGE]
    elif "flat" in name or "aplat" in name:
        yield from (_SIGNAL, _IMAGE, _LINE)
        return
    else:
        bases = [_LINE] if plain else [_LINE, _SIGNAL, _IMAGE]
    for base in bases:
        if base == _LINE:
            yield base
            continue
        yield (*base[:-1], chan)
        yield (2, chan, *base[1:-1])
    if pictures:
        yield (2, 49)  # the rows of a square picture
    if re.search("conv|pool", name) and bases[0] == _SIGNAL:
        if chan == 1:
            yield (2, 8)
        yield (2, 9, chan)  # the rows of a square picture, for what takes nothing else


def attempts(cls: type) -> Iterator[Way]:
    """Constructor sizes and input shapes to try, the statement's first."""
    roles = roles_of(cls) or {}
    repeats = ({}, {"scale": 2}) if "scale" in roles else _SIZES[:1]  # a factor may have to be a whole number
    for sizes in _SIZES if "k_size" in roles else repeats:
        for shape in shapes_for(cls, sizes):
            yield sizes, shape


def _way_for(cls: type) -> Way:
    """The first sizes and shape with which forward answers, and gives what the class's name says if anything does."""
    first, plain = next(attempts(cls)), plain_name(cls)

    def subject(way: Way) -> Subject:
        return subject_of(build(cls, **way[0]), as_input(way[1]))

    def rank(made: Subject, way: Way) -> int | None:
        wanted = made.definition(made.x, made.out, made.fresh())
        named = any(w.shape == made.out.shape and np.allclose(w, made.out, rtol=1e-6, atol=1e-9) for w in wanted)
        if named or (not wanted and (made.undefined or not plain)):
            return 0 if not made.has(DELTA) or stopped(made) is None else 1
        if plain.endswith("2d") and made.x.ndim == 2 and (not made.has(DELTA) or stopped(made) is None):
            return 1  # pictures as rows, of which there is no definition to compare with
        # By its name it should take the statement's input; if it does not, that is what there is to say.
        return 2 if way == first or not plain else None if plain_name(cls, exact=True) else 3

    def give_up(problems: list[tuple[Way, Misbehaviour]]) -> Way:
        refused = [p.message for _, p in problems if "AssertionError" in p.message]
        raised = [way for way, p in problems if p.message not in refused]
        if refused and not raised and (not plain or plain in WINDOWED):
            raise NotBuilt(f"it takes none of the inputs that were tried: {refused[0]}; give one with --shape")
        return raised[0] if refused and not plain else first  # what it refuses is no mistake of its own

    return chosen(attempts(cls), subject, rank, give_up)


def examine_module(cls: type, made: Any = None, shape: Shape | None = None) -> Report:
    """The report on a module's class, with its options tried one by one.

    Parameters
    ----------
    made : an object of the class, if somebody said how to build one. shape : of an input for it, if somebody said so.
    """
    if made is None and remembers(cls):
        return examine_other(cls)
    try:
        sizes, found = _way_for(cls) if made is None else ({}, shape or _shape_of(made))
        module = build(cls, **sizes) if made is None else made
        if unknown := subject_of(module, as_input(found)).unknown:
            raise NotBuilt(f"{cls.__name__}.backward({unknown}): what it asks for has no known meaning")
    except NotBuilt as problem:
        return not_checked(cls.__name__, str(problem))
    report = check_module(module, shape or found)
    if made is None:
        _add_options(report, cls, sizes, shape or found)
    return as_named(report, cls.__name__, subject_of(module, as_input(shape or found)))


def _shape_of(module: Any) -> Shape:
    for shape in shapes_for(type(module), {}):
        out = tried(subject_of(module, as_input(shape)).forward, as_input(shape))
        if out is not None and out.size:
            return shape
    return next(shapes_for(type(module), {}))


def _add_options(report: Report, cls: type, sizes: dict[str, Any], shape: Shape) -> None:
    """What is found with an option that was not found without it."""
    if any(f.where.endswith(".forward") and f.kind in ("crash", "not-implemented") for f in report.findings):
        return

    def ask(name: str, value: Any) -> Report:
        # With an option it may be another function than its name says, as log=True makes a softmax a log-softmax.
        reference = own_definition if name not in ("bias", "biais") else None
        word = "pad" in name.lower() and isinstance(value, str)
        own = {**sizes, "k_size": 3, "stride": 1} if word else sizes  # what "same" is meant for
        return check_module(build(cls, {name: value}, **own), shape, reference=reference)

    add_with(report, switches(cls), ask)
