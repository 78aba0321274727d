"""Probes of forward: whether it answers, for each example alone, what its name says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from modnet.check.asking.arrays import copied, names_within
from modnet.check.asking.calls import Misbehaviour, tried
from modnet.check.asking.draws import other_draws
from modnet.check.asking.numeric import factor_of
from modnet.check.asking.subject import BIG, Subject
from modnet.check.building.constructors import weighted_by_name
from modnet.check.probes.plan import Examination, Judged, Probe
from modnet.check.reading.definitions import FUNCTIONS, function_like
from modnet.check.reading.vocabulary import FORWARD
from modnet.check.report import Finding

RETURN = r"^return\b"
_NO_SPREAD = "their variance, deviation or norm is 0, or 0 / 0 follows: add a small eps before you divide by it"
_NORMS = re.compile(r"batch_?norm|^bn", re.I)
_IN_PLACE = r"\b{0}\s*(\[.*\])?\s*(\+|-|\*|/)=|\b{0}\s*\[.*\]\s*=[^=]|out\s*=\s*{0}\b|\b{0}\.(sort|fill|put)\("
_OVERFLOWS = "exp of a large number is infinite, and inf / inf or log(0) follow: "
_OF_ROWS = (
    "begin with X = X - X.max(axis=-1, keepdims=True), which changes neither a softmax nor its cross-entropy, and write "
    "log(softmax(X)) as X - log(sum(exp(X)))"
)
_OF_NUMBERS = (
    "write the formula with exp(-abs(x)) only; exp(x) / (1 + exp(x)) is 1 / (1 + exp(-x)), and log(1 + exp(x)) is "
    "np.logaddexp(0, x)"
)
Findings = Iterator[Finding | None]


def answers(e: Examination) -> Findings:
    """Forward gives an array of a row an example."""
    try:
        e.subject.examine()
    except Misbehaviour as problem:
        finding = e.misbehaved(FORWARD, problem)
        if problem.kind != "crash" or not _alone(e.subject):
            raise
        finding.message = f"{finding.message.rstrip('.')}. With one example it answers; the rest is checked so."
        yield finding
    if not e.subject.out.size:
        shape = e.subject.out.shape
        yield Finding("shape", "", f"forward returns an empty array, of shape {shape}.", "the number of windows of one example")
        raise Judged
    yield from e.subject.conventions()


def _alone(subject: Subject) -> bool:
    """Whether it takes one example where it does not take several; it is asked with that one from then on."""
    several = subject.x
    if len(several) < 2 or several.dtype.kind != "f":
        return False
    subject.x = several[:1].copy()
    try:
        subject.examine()
    except Misbehaviour:
        subject.x = several
        return False
    return bool(np.isfinite(subject.out).all())


def there(e: Examination, operation: str) -> Findings:
    """There is an operation of this name, and it is given the input."""
    subject, name = e.subject, e.subject.names[operation]
    if not subject.has(operation):
        yield Finding("not-implemented", "", f"there is no {name}.", f"write {name}(self, input, delta)")
        raise Judged
    if not subject.remembers and not subject.takes_input(operation):
        text = f"{name} is not given the input, so it can answer only for what was forwarded last."
        hint = f"the statement's is given the input: def {name}(self, input, delta); then use it in place of what forward kept"
        yield subject.wrong(operation, "stateful", text, hint, r"self\.\w+")


def again(e: Examination) -> Findings:
    """A second forward answers for its own input."""
    subject = e.subject
    if not subject.carries:
        return
    module, inputs = subject.fresh(), (subject.other_inputs()[0], subject.x)
    first, second = (subject.as_output(subject.ask(FORWARD, module, x), FORWARD, x) for x in inputs)
    if first.shape == second.shape and np.allclose(first, second, rtol=1e-9, atol=0, equal_nan=True):
        text = "a second forward gives what the first one gave, whatever its input is."
        hint = "compute the result from the argument: what an earlier forward kept belongs to another batch"
        yield subject.wrong(FORWARD, "stateful", text, hint, r"\[0\]", r"self\.\w+")


def coupled(e: Examination) -> Findings:
    """One example's result does not depend on the others."""
    subject, x, out = e.subject, e.subject.x, e.subject.out
    if len(x) < 2 or subject.random or x.dtype.kind != "f" or len(out) != len(x) or not np.isfinite(out).all():
        return
    changed = x.copy()
    changed[1:] = changed[1:][::-1] * 0.9 + 0.02 if x.min() >= 0 and x.max() <= 1 else changed[1:][::-1] * 0.5 + 0.3
    moved = subject.forward(changed)
    if moved.shape == out.shape and np.allclose(moved[0], out[0], rtol=1e-5, atol=1e-7):
        return
    if subject.may_couple or _normalises(subject) or any(map(_NORMS.search, names_within(subject.original))):
        subject.batch_statistics = True
        if subject.carries:
            text = "in training forward normalises by what earlier batches have left, not by its own batch alone."
            hint = "in training, the mean and the variance of the batch itself; what is gathered is for evaluation"
            yield subject.wrong(FORWARD, "stateful", text, hint, r"running|moving|sqrt|\*\*")
        return
    text = f"the {subject.result} of one example depends on the other examples of the batch."
    hint = (
        "a sum, maximum or mean over one example needs its axis: .sum(axis=-1, keepdims=True); without axis it runs over "
        "the whole batch, with axis=0 over the examples"
    )
    finding = subject.wrong(FORWARD, "batch-coupled", text, hint, r"\.(sum|max|mean|min)\(|norm\(", RETURN)
    yield finding.compare(moved[:1], out[:1], "beside other examples") if moved.shape == out.shape else finding
    subject.coupled = True
    subject.narrow(1)  # one example alone shows what else there is to say


def _normalises(subject: Subject) -> bool:
    """Whether it centres and scales by the batch: then scaling the whole batch changes nothing."""
    again = subject.forward(3 * subject.x + 1)
    return again.shape == subject.out.shape and np.allclose(again, subject.out, rtol=1e-2, atol=1e-2)


def uninitialised(e: Examination, operation: str = FORWARD) -> Findings:
    """The result holds no memory that nobody has set."""
    subject, delta = e.subject, e.subject.given_back()

    def ask() -> np.ndarray:
        return subject.forward(subject.x) if operation == FORWARD else subject.delta(subject.x, delta)

    usual = ask()
    with other_draws(20240229, memory=37.0):
        other = ask()
    if usual.shape == other.shape and not np.allclose(usual, other, equal_nan=True) and not subject.random:
        at = tuple(int(i) for i in np.argwhere(~np.isclose(usual, other, equal_nan=True))[0])
        text = (
            f"{subject.names[operation]} returns memory that nobody has set, at {list(at)} for one: whatever was there before."
        )
        hint = "np.empty and np.empty_like set nothing: write np.zeros, or set every entry"
        yield subject.wrong(operation, "uninitialised", text, hint, r"np\.empty")


def writes(e: Examination, operation: str = FORWARD) -> Findings:
    """It writes into nothing that it is given."""
    subject = e.subject
    module, delta = subject.fresh(), subject.given_back()
    arguments = subject.arguments(operation, subject.x, None if operation == FORWARD else delta)
    before = [array.copy() for _, array in arguments]
    try:
        if operation != FORWARD:
            subject.zero(module)
            subject.ask(FORWARD, module, subject.x)
        subject.invoke(operation, module, [array for _, array in arguments])
    except Misbehaviour:
        return
    for place, ((name, now), then) in enumerate(zip(arguments, before, strict=True)):
        if not np.array_equal(now, then, equal_nan=True):
            own = subject.argument(operation, place, name)
            advice = (
                "work on a copy: out = X.copy(), then write into out"
                if operation == FORWARD and name == "input"
                else f"write {own} = {own} * ..., a new array, not {own} *= ...; or take {own}.copy() first"
            )
            what = "its input" if operation == FORWARD and name == "input" else name
            text = f"{subject.names[operation]} writes into {what}: whoever uses it afterwards gets other numbers."
            yield subject.wrong(operation, "mutates", text, advice, _IN_PLACE.format(own), rf"\b{own}\b.*=")
            return


def defined(e: Examination) -> Findings:
    """It is what its name, or the reference, says; in other sizes too."""
    subject, x = e.subject, e.subject.x
    module = subject.fresh() if e.reference is None else copied(subject.original)
    out = subject.out if e.reference is None else subject.forward(x, module)
    candidates = e.wanted(x, out, module)
    wrong = _against(e, candidates, out) if candidates else None
    if not candidates and e.reference is None and _hands_on(subject):
        text = "forward returns its input as it is, whatever numbers of inputs and outputs it was built for."
        wrong = Finding("forward", "", text, "what its name says: a sum of the inputs by weights that it keeps")
    e.remarks[FORWARD] = "as defined" if candidates and wrong is None else "no definition to compare with"
    if x.dtype.kind == "f":
        e.shapes.build(e.make)
        by_size = e.shapes.of_forward()
        yield from e.shapes.beside(FORWARD)
        if by_size is not None and (wrong is None or by_size.kind != "forward"):
            wrong = by_size
            e.defined = e.defined or list(range(len(candidates)))[:4]
    if wrong is not None and subject.coupled:
        e.wrong_forward = True  # said already: it reads other examples
    elif wrong is not None:
        e.wrong_forward = True
        wrong.line = wrong.line or subject.quote(FORWARD, RETURN)
        yield wrong
    if not np.isfinite(subject.out).all():
        if wrong is None:
            e.skipped[FORWARD] = "not finite at this input, so nothing else can be judged"
        raise Judged


def _hands_on(subject: Subject) -> bool:
    """Whether a layer with weights by its name and its sizes gives back its input: an activation called Linear has no sizes."""
    cls = type(subject.original)
    return weighted_by_name(cls) and subject.out.shape == subject.x.shape and np.array_equal(subject.out, subject.x)


def _against(e: Examination, candidates: list[np.ndarray], out: np.ndarray) -> Finding | None:
    subject = e.subject
    tolerance = subject.tolerance if subject.dtype == np.float64 else 1e-4
    finite = bool(np.isfinite(out).all())
    same = [(i, c) for i, c in enumerate(candidates) if c.shape == out.shape and (np.isfinite(c).all() or not finite)]
    for _, wanted in same:
        margin = tolerance * max(1.0, float(np.abs(wanted).max(initial=0.0)))
        if np.allclose(out, wanted, rtol=tolerance, atol=margin, equal_nan=True):
            return None
    source = "the reference gives" if e.reference is not None else "the definition gives"
    if not same:
        if any(c.shape == out.shape for c in candidates) or not subject.shape_is_defined:
            return None
        text = f"forward returns shape {out.shape}, {source} {candidates[0].shape}."
        return Finding("shape", "", text, "the shape of the result")
    same.sort(key=lambda ic: (not _is_multiple(out, ic[1]), float(np.nan_to_num(np.abs(ic[1] - out), nan=1e300).sum())))
    e.defined, wanted = [i for i, _ in same[:4]], same[0][1]
    if not np.isfinite(out).all() and np.isfinite(wanted).all():
        finding: Finding | None = Finding(
            "saturates", "", "forward gives NaN or infinity although the definition is finite.", overflows(subject)
        )
    else:
        finding = _in_whole_numbers(subject, out, wanted) or subject.other_forward(out, wanted, source[:-6])
        if finding is not None and finding.kind == "forward" and _flipped(e, out):
            finding.kind, finding.message = "flipped-kernel", "forward reads the window backwards."
            finding.hint = "weight i of the window belongs to position start + i of the input: no [::-1]"
        elif finding is not None and finding.kind == "forward" and (count := _left_out(e, out)):
            text = f"forward leaves out the last window: along an axis of the input it gives {count}, and {count + 1} fit."
            return Finding("forward", "", text, "the number of windows is (length - k_size) // stride + 1")
    return None if finding is None else finding.compare(out, wanted, source)


def _in_whole_numbers(subject: Subject, out: np.ndarray, wanted: np.ndarray) -> Finding | None:
    """The finding if forward keeps what is before the point alone, in an array of whole numbers."""
    raw = tried(subject.ask, FORWARD, subject.fresh(), subject.x)
    if getattr(raw, "dtype", out.dtype).kind not in "iu" or not np.array_equal(out, np.trunc(wanted)):
        return None
    text = f"{FORWARD} is written into whole numbers: what is after the point is lost."
    hint = "np.full(shape, 0) and np.array([0, 0]) hold whole numbers: write 0.0, or dtype=float"
    return subject.wrong(FORWARD, "integer-result", text, hint, r"np\.(full|array|zeros|ones|empty)\w*\(|\bint\b")


def _is_multiple(out: np.ndarray, wanted: np.ndarray) -> bool:
    factor = factor_of(out, wanted)
    return factor > 0 and np.allclose(out, factor * wanted, rtol=1e-5)


def _flipped(e: Examination, out: np.ndarray) -> bool:
    module = e.subject.fresh()
    for array in e.subject.parameters(module).values():
        if array.ndim >= 3:
            for other in (array[::-1].copy(), array[::-1, ::-1].copy()):
                held = array.copy()
                array[...] = other
                wanted = e.wanted(e.subject.x, out, module)
                array[...] = held
                if any(c.shape == out.shape and np.allclose(c, out, rtol=1e-6, atol=1e-9) for c in wanted):
                    return True
    return False


def _left_out(e: Examination, out: np.ndarray) -> int:
    """How many windows there are along an axis, if that is one less than fit; else 0."""
    for axis in range(1, out.ndim):
        count = out.shape[axis]
        more = np.concatenate([out, out.take([-1], axis)], axis)
        for wanted in e.wanted(e.subject.x, more, e.subject.fresh()):
            if wanted.shape == more.shape and np.allclose(wanted.take(range(count), axis), out, rtol=1e-6, atol=1e-9):
                return count
    return 0


def saturates(e: Examination) -> Findings:
    """It is finite for large input, if it is by definition."""
    subject = e.subject
    for text, extreme in subject.extremes() if e.by_numbers else []:
        out = tried(subject.forward, extreme)
        if out is None or np.isfinite(out).all():
            continue
        wanted, surely = _finite_truth(e, extreme)
        if wanted is not None and wanted.shape == out.shape:
            bad = ~np.isfinite(out) & np.isfinite(wanted)
        else:
            bad = np.isnan(out) | (subject.never_infinite & ~np.isfinite(out) & (not _grows(subject, extreme)))
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            of_logarithm = "log(0) is infinite, and 0 * inf is NaN: bound the logarithm, np.maximum(np.log(p), -100), or clip p"
            hint = of_logarithm if float(np.abs(extreme).max()) <= 1 else overflows(subject)  # of probabilities
            lines = (r"np\.log\(.*np\.exp|exp\(", r"log\(", RETURN)
            small = tried(subject.forward, extreme / BIG) if float(np.abs(extreme).min()) == BIG else None
            if small is not None and not np.isfinite(small).all():
                text, hint, lines = "equal numbers, of any size", _NO_SPREAD, (r"sqrt|\*\* *-?0?\.5|std|norm", r"/", RETURN)
            finding = subject.wrong(FORWARD, "saturates", f"forward gives {out[at]:g} for {text}.", hint, *lines)
            finding.index, finding.analytic = at, float(out[at])
            if wanted is not None and wanted.shape == out.shape and surely:
                finding.numeric, finding.truth = float(wanted[at]), "the definition gives"
            yield finding
            return


def overflows(subject: Subject, operation: str = FORWARD, instead: str = _OF_NUMBERS) -> str:
    """What to do about an exp that overflows: in a formula that sums over a row, or else `instead`."""
    return _OVERFLOWS + (_OF_ROWS if subject.quote(operation, r"\bsum\(") else instead)


def _grows(subject: Subject, extreme: np.ndarray) -> bool:
    """Whether forward grows so fast on the way there that infinity is what it should be."""
    near, far = (tried(subject.forward, extreme * part) for part in (0.04, 0.08))
    if near is None or far is None:
        return False
    return bool(np.isfinite(far).all() and float(np.abs(far).max()) > 1e6 * max(1.0, float(np.abs(near).max())))


def _finite_truth(e: Examination, x: np.ndarray) -> tuple[np.ndarray | None, bool]:
    """What forward should give for x, from a definition or a function, None if unknown; and whether it was like that so far."""
    subject = e.subject
    if e.reference is None:
        there = e.wanted(x, subject.out, subject.fresh())
        for near in (subject.x, (x / BIG).astype(x.dtype)):  # where as many definitions are finite
            out = subject.forward(near)
            so_far = e.wanted(near, out, subject.fresh())
            like = [w.shape == out.shape and np.allclose(w, out, rtol=1e-4) for w in so_far]
            if len(there) == len(like) and any(like):
                return there[like.index(True)], True
        if known := [w for w in there if w.shape == subject.out.shape and np.isfinite(w).all()]:
            return known[0], False
    name = function_like(subject.x, subject.out)
    return FUNCTIONS[name](x) if name else None, True


def integers(e: Examination, operation: str = FORWARD) -> Findings:
    """The same numbers as integers give the same, and results are not made integers."""
    subject = e.subject
    if not e.by_numbers or (operation != FORWARD and subject.may_remember):
        return
    for name, as_floats, as_integers in subject.whole_numbers(operation):
        wanted = tried(as_floats, also=(KeyError,))
        if wanted is None or not np.isfinite(wanted).all() or not np.array_equal(wanted, as_floats()):
            continue  # nor if it draws where nobody sees it
        hint = (
            f"np.zeros_like({name.split()[-1]}) and .copy() have the type of what they are given: write np.zeros(X.shape), or "
            "X = np.asarray(X, dtype=float) first"
        )
        try:
            got = as_integers()
        except Misbehaviour as problem:
            if subject.refuses_integers:
                continue
            yield Finding("integer-input", "", f"{problem.message}, if {name} holds integers.", hint, line=problem.line)
            return
        scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
        if got.shape == wanted.shape and np.allclose(got, wanted, rtol=1e-4, atol=1e-5 * scale):
            continue
        text = f"{subject.names[operation]} gives something else if {name} holds the same numbers as integers."
        lines = (r"zeros_like|empty_like|ones_like|full_like|\.copy\(\)|dtype|astype|\bint\b|np\.full|[-+*/]=", r"=")
        finding = subject.wrong(operation, "integer-input", text, hint, *lines)
        yield finding.compare(got, wanted, "for floats it is") if got.shape == wanted.shape else finding
        return


PROBES: tuple[Probe, ...] = (answers, again, coupled, uninitialised, writes, defined, saturates, integers)
