"""Networks that move their own parameters, in whatever methods or functions: no gradient of them has to be seen.

What one step has moved is held against the derivative of a loss, by differences of the network's own forward. Which loss that
is, and by which rate, is what most of the parameters say; the others must have moved by the same loss and the same rate. What
its parameters are is found by asking: the numbers that its output depends on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from time import process_time
from typing import Any

import numpy as np

from modnet.check.arguments import NotBuilt, asks
from modnet.check.arrays import copied
from modnet.check.lines import quote
from modnet.check.modes import is_mode
from modnet.check.networks.asbuilt import Script, as_built
from modnet.check.networks.flow import InFunctions, forward_of, keep_start, numbers_within, run, stages_of, within
from modnet.check.networks.form import Form, difference, finer
from modnet.check.networks.judge import judge
from modnet.check.networks.scored import REG, form_of
from modnet.check.networks.scored_build import built
from modnet.check.question import ALIKE
from modnet.check.recipes import array_arguments
from modnet.check.report import Finding, Report
from modnet.check.subject import Misbehaviour, call
from modnet.check.vocabulary import is_rate, meaning_of

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NAMED = re.compile(r"(neural)?net(work|z|s)*|[a-z]{0,3}nn|mlp|perceptron|model|regress\w*|classif\w*|neural|sequential", re.I)
_NO_NETWORK = re.compile(r"cell|layer|norm|block|loss|connected|conv", re.I)
_KEPT = re.compile(r"grad|cache|veloc|moment|running|moving|mean|var|std|history|delta", re.I)
_RATE, _COUNT = 0.01, 6
_LONGEST = 8.0  # seconds for finding out what it takes
Loss = tuple[str, Callable[[np.ndarray, np.ndarray], float]]


def trains(cls: type) -> bool:
    """Whether a class is such a network."""
    if issubclass(cls, InFunctions):
        return True
    words = _WORD.findall(cls.__name__)
    if array_arguments(cls) or form_of(cls) or not any(map(_NAMED.fullmatch, words)) or any(map(_NO_NETWORK.match, words)):
        return False
    return bool(forward_of(cls) and any(stages_of(cls)))


class Trained(Form):
    """A network that has taken one step.

    Attributes
    ----------
    net : before the step. stages : the methods of a step. x : its input. y : the truth, of its output's shape. given_data :
        both as the step was given them. held : its parameters before. moved : what the step has taken from them. loss : by
        which it may have moved, and its name.
    """

    nearness = 10 * ALIKE
    loss: Loss

    def __init__(
        self, net: Any, stages: Sequence[str], x: np.ndarray, y: np.ndarray, given: tuple[Any, Any], epochs: int = 1
    ) -> None:
        super().__init__(type(net), stages[0])
        self.epochs, self.less = epochs, 1.0 if epochs == 1 else 1e-4  # so little that it is as one step
        self.net, self.stages, self.x, self.y, self.given_data = net, stages, x, y, given
        self.told = any(is_rate(p.name) for stage in stages for p in asks(getattr(net, stage), by_name=True))
        self.held = _parameters(net, x)
        self.moved = self._stepped()
        self.batch = _COUNT if _COUNT in x.shape else 1

    def _stepped(self, less: float = 1.0) -> dict[str, np.ndarray]:
        """How far a step moves each parameter, by so much less than the usual rate."""
        after = copied(self.net)
        self._step(after, less)
        now = dict(numbers_within(after))
        return {n: a - now[n] for n, a in self.held.items() if n in now and now[n].shape == a.shape}

    def _step(self, net: Any, less: float = 1.0) -> None:
        """Let a network like this one take a step."""
        x, y, rate = self.x, self.y, _RATE * less * self.less
        for one in [one for _, one in within(net) if not isinstance(one, np.ndarray)]:
            for name, value in list(vars(one).items()):
                if is_rate(name) and isinstance(value, float) and (one is net or name != "alpha"):  # which may be a slope
                    vars(one)[name] = rate
                    self.told = True
                elif isinstance(value, float) and REG.match(name):
                    vars(one)[name] = 0.0
                elif isinstance(value, int) and (what := meaning_of(name, ("epochs", "batch"))):
                    vars(one)[name] = self.epochs if what == "epochs" else _COUNT
        out, known = _forward(net, x), dict[str, Any]()
        values = {
            "epochs": self.epochs, "batch": _COUNT, "X": self.given_data[0], "y": self.given_data[1], "yhat": out, "rate": rate,
            "step": 1,
        }  # fmt: skip
        if isinstance(net, InFunctions):
            run(net, net.parts["forward"], {"X": x}, known)
            known.pop("")
        if 1 in (x.ndim, x.shape[-1]):
            values["pairs"] = [(x.copy(), y.copy())]
        if np.shape(values["y"]) == out.shape:
            values["delta"] = out - values["y"]
        for stage in self.stages:
            run(net, stage, values, known)

    def number(self) -> np.ndarray:
        """The loss."""
        return np.array([self.loss[1](_forward(self.net, self.x), self.y)])

    def by(self, loss: Loss) -> int:
        """Take a loss; how many parameters have moved by its derivative."""
        self.loss = loss
        with np.errstate(all="ignore"):
            asked = {n: difference(self, n, self.held[n]) for n in self.moved}
        sizes = {n: float(np.abs(q.truth).max(initial=0.0)) for n, q in asked.items()}
        least = max(1e-9, 1e-6 * max(sizes.values(), default=0.0))
        self.asked = {n: q for n, q in asked.items() if np.isfinite(q.truth).all() and sizes[n] > least}
        rates = self._rates(self.moved)
        for n in [n for n, r in rates.items() if r is None] if any(rates.values()) else ():
            finer(self, self.held[n], self.asked[n])  # a kink, perhaps
        return sum(r is not None and r != 0 for r in self._rates(self.moved).values())

    def _rates(self, moved: dict[str, np.ndarray]) -> dict[str, float | None]:
        for n, q in self.asked.items():
            q.answer(moved[n])
        return {n: q.factor(q.truth) if q.got.any() else 0.0 for n, q in self.asked.items()}

    def moves(self, slower: bool = False) -> dict[str, float | None]:
        """Of each parameter that the loss depends on."""
        found = self._rates(self._stepped(0.5)) if slower else {}
        return found or self._rates(self.moved)

    def through_moved(self, names: list[str]) -> bool:
        """Whether a step so short that nothing else moves is right."""
        rates = self._rates(self._stepped(1e-4))
        self._rates(self.moved)
        return all(rates[n] is not None for n in names)

    def end(self) -> Iterator[Finding]:
        """Whether a mean is taken twice, and whether a second step moves by the first one's gradient again."""
        rates = [r for r in self.moves().values() if r]
        if not self.told or len(rates) < len(self.asked) or min(rates) < 0 or self.epochs > 1:
            return
        for many in (1, 2):
            if self.batch > 2 and abs(rates[0] * self.batch**2 / (many * _RATE) - 1) < 1e-3:
                text = f"a step is the rate times the derivative, divided by {self.batch} examples twice."
                yield Finding("scale", "", text, "the mean is taken once: in the loss's derivative, or in the gradients")
        first, then = copied(self.net), copied(self.net)
        self._step(first)
        now = dict(numbers_within(first))
        for n, array in numbers_within(then):
            if n in self.moved:
                array[...] = now[n]
        twin = Trained(then, self.stages, self.x, self.y, self.given_data)
        start = {n: now[n].copy() for n in self.moved}
        self._step(first)
        again = {n: start[n] - a for n, a in numbers_within(first) if n in self.moved}
        if all(np.allclose(again[n], twin.moved[n] + m, rtol=1e-4, atol=1e-12) for n, m in self.moved.items()):
            text = "a second step moves by the gradient of the first one, too: gradients are added to what was there."
            yield Finding("never-zeroed", "", text, "start from zeros in each step")

    def where(self, question: str) -> str:
        """The method, or the function."""
        return self.method if issubclass(self.cls, InFunctions) else f"{self.cls.__name__}.{self.method}"

    def line(self, question: str, name: str = "") -> str:
        """The line to look at."""
        word = re.escape(re.sub(r"\[\d+\]$", "", name).split(".")[-1].split("[")[-1].strip("'\"]"))
        lines = (quote(self.cls, stage, rf"d_?{word}\b.*=", rf"{word}.*=", r"-=|\+=") for stage in self.stages if name)
        return next(filter(None, lines), "") or quote(self.cls, self.stages[-1], r"-=|\+=")

    def told_of(self, report: Report, question: str, findings: list[Finding]) -> None:
        """A row for each parameter."""
        for n, r in self.moves().items() if question == "the steps" else ():
            remark = f"rate {r:.3g}" if r else findings[0].kind if findings else ""
            report.verdict(f"{n} by {self.loss[0]}", right=bool(r and r > 0), remark=remark)
        if question == "the end" and findings:
            report.verdict("a step", right=False, remark=findings[0].kind)


def _parameters(net: Any, x: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays that the output for x depends on, in place, by their places and in their order."""
    found = {}
    for place, array in list(numbers_within(net)):
        if _KEPT.search(place) or not array.flags.writeable or array.size > 10**6:
            continue
        start, out = array.copy(), _forward(net, x)
        array += 0.1 + 0.1 * np.abs(array)
        try:
            if (moved := _forward(net, x)).shape == out.shape and not np.array_equal(moved, out, equal_nan=True):
                found[place] = array
        except Misbehaviour:
            pass
        finally:
            array[...] = start
    now = dict(numbers_within(net))
    return {n: a for n, a in found.items() if now.get(n) is a}  # what forward puts there anew is none


def _forward(net: Any, x: np.ndarray) -> np.ndarray:
    name = forward_of(type(net))
    named = {p.name: False for p in asks(getattr(net, name))[1:] if is_mode(p.name)}
    if isinstance(net, InFunctions):
        found = run(net, name, {"X": x.copy()}, {})
    else:
        found = call(f"{type(net).__name__}.{name}", lambda: getattr(net, name)(x.copy(), **named))
    while isinstance(found, tuple | list) and found:  # the output and what is kept, or the outputs of all layers
        alone = not isinstance(found[0], np.ndarray) or not all(isinstance(v, np.ndarray) for v in found)
        found = found[0 if alone else -1]
    return np.asarray(found, dtype=float)


_LOSSES: tuple[Loss, ...] = (
    ("the squared error", lambda out, y: float(0.5 * ((out - y) ** 2).sum())),
    ("the cross-entropy", lambda out, y: float(-(y * np.log(out)).sum())),
    ("the binary cross-entropy", lambda out, y: float(-(y * np.log(out) + (1 - y) * np.log(1 - out)).sum())),
)


def examine_trained(cls: type, scripts: Iterable[Script] = ()) -> Report:
    """The report on such a network: by the loss whose derivative the most parameters have moved by, at the data that fit best.

    At all examples at once, or at one alone, if it takes one after another.

    Parameters
    ----------
    scripts : of its author, who may build one.
    """
    failed, wrong = list[Misbehaviour](), list[tuple[int, tuple[int, ...], Report]]()
    closest = ""
    for make in _tried(cls, scripts, failed):
        try:
            trained = _one_step(make)
        except Misbehaviour as problem:
            closest = closest or problem.message
            continue
        except (TypeError, ValueError, AttributeError, IndexError, KeyError, StopIteration):
            continue
        if not any(m.any() for m in trained.moved.values()) or trained.x.shape in [shape for _, shape, _ in wrong]:
            continue
        fits = [trained.by(loss) for loss in _LOSSES]
        if not any(fits):
            closest = "what a step moves is the derivative of no loss that is known here, not even at the output"
            continue
        trained.by(_LOSSES[fits.index(max(fits))])
        if 2 * max(fits) < len(trained.asked) and not list(trained.moves().values())[-1]:
            continue  # that few of the first ones fit is chance: a mistake shows in what is before it
        report = Report(f"{cls.__name__}, one step by {trained.loss[0]} on an input of shape {trained.x.shape}")
        judge(report, trained)
        if not {f.kind for f in report.findings} & {"direction", "updates-first"}:
            return report
        wrong.append((max(fits), trained.x.shape, report))
        if len(wrong) == 3:
            break
    if wrong:
        return max(wrong, key=lambda one: one[0])[-1]
    closest = closest or (failed[0].message if failed else "what its arguments mean is not known")
    raise NotBuilt(f"{cls.__name__} could not be asked: {closest}")


def _one_step(make: Callable[..., Trained]) -> Trained:
    """A network after a step, or after ten, if it says something every tenth of the epochs."""
    try:
        return make()
    except Misbehaviour as problem:
        if "ZeroDivisionError" not in problem.message:
            raise
        return make(epochs=10)


def _tried(cls: type, scripts: Iterable[Script], failed: list[Misbehaviour]) -> Iterator[Callable[..., Trained]]:
    """Ways to let a network take a step: for each shape of input that it takes, rows, then columns; and each form of truth."""
    rng, start_time = np.random.default_rng(5), process_time()
    for net in _started(cls, scripts, failed):
        widths = dict.fromkeys([3, *(n for _, a in list(numbers_within(net))[:3] for n in a.shape if n < 2000)])
        for shape in [s for n in widths for s in ((_COUNT, n), (n, _COUNT), (1, n), (n, 1), (n,))]:
            x = rng.normal(size=shape)
            if process_time() - start_time > _LONGEST:
                break
            try:
                start = copied(net)
                for array in _parameters(start, x).values():
                    wide = max(array.size / max(array.shape), min(array.shape)) if array.ndim > 1 else 1
                    array[...] = rng.uniform(-1, 1, array.shape) * 1.5 / np.sqrt(max(wide, 2))
                out = _forward(start, x)
            except (Misbehaviour, TypeError, ValueError, AttributeError, IndexError, StopIteration) as raised:
                failed += [raised] if isinstance(raised, Misbehaviour) else []
                continue
            if out.ndim == 0 or out.ndim > 2 or not np.isfinite(out).all() or out.size < 1:
                continue
            for y, given in _truths(out, x):
                yield from (partial(Trained, start, stages, x, y, given) for stages in stages_of(cls))


def _started(cls: type, scripts: Iterable[Script], failed: list[Misbehaviour]) -> Iterator[Any]:
    """Objects of a network's class; of one in functions, what its function for first parameters returns."""
    if not issubclass(cls, InFunctions):
        yield from built(cls, failed)
        yield from as_built(cls, scripts)
        return
    for made in built(getattr(cls, cls.parts["start"]), failed):
        net = cls()
        keep_start(net, made)
        yield net


def _truths(out: np.ndarray, x: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]]:
    """(a truth of the output's shape, input and truth as a step may be given them)."""
    last = x.shape[-1] if x.ndim == 2 else 1
    columns = out.ndim == 2 and out.shape[-1] == last and last in (1, _COUNT) and x.shape[0] != _COUNT
    rows = out.T if columns else np.atleast_2d(out)
    many, classes = rows.shape
    labels = np.arange(many) % classes
    y = np.random.default_rng(6).uniform(0.2, 0.8, rows.shape) if classes == 1 else np.eye(classes)[labels]
    given = y.T if columns else y
    y = (y.T if columns else y).reshape(out.shape)
    yield y, (x, given.reshape(out.shape))
    if given.ndim == 2 and given.shape[0] != given.shape[1]:
        yield y, (x, given.T)
    if classes > 1:
        yield y, (x, labels)
    elif out.ndim == 2:
        yield y, (x, y.ravel())
    if many == 1 and 1 in (x.ndim, x.shape[-1]):  # forward takes one example; training may take several, in rows
        for times in (1, 2):
            yield y, (np.tile(x.ravel(), (times, 1)), np.tile(y.ravel(), (times, 1)))
