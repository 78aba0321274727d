"""Changes of the inputs, of the weights at the start, of units and of the architecture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from modnet.check.training import edit
from modnet.check.training.change import Change, Variant, of_net, scaling, together
from modnet.check.training.facts import Facts, Weights, dead, gradient_norms, in_code, look, saturated, weights_of
from modnet.check.training.reference import Columns
from modnet.check.training.setup import Run, Setup
from modnet.check.training.wild import Tamed
from modnet.modules import Dropout, GaussianNoise, LeakyReLU, ReLU


def inputs(setup: Setup, facts: Facts, base: Run) -> Iterator[Change]:
    """Columns as they are scaled."""
    if setup.X.dtype.kind in "iu":
        return
    if facts.wild:
        tame = "; ".join(facts.wild.line(name) for name in (["X_val", "X"] if setup.pair else ["X"])), tame_inputs
        scale = scaling(setup, "X", facts.wild(setup.X).std(axis=0)), scale_inputs
        yield Change("unscaled-inputs", 89, facts.wild.seen("X", setup.X), [tame, together(tame, scale)])
    unscaled = facts.unscaled
    if unscaled > 0.15 and float(np.max(facts.deviation)) > 0:
        weight = 87 if unscaled >= 3 else 60 if unscaled >= 1 else 34
        scale = scaling(setup, "X", setup.X.std(axis=0)), scale_inputs
        yield Change("unscaled-inputs", weight, facts.columns(), [scale])


def tame_inputs(setup: Setup) -> Setup:
    """Missing numbers filled in, and those far out cut, in what judges too."""
    return setup.mapped(X=Tamed(setup.X))


def scale_inputs(setup: Setup) -> Setup:
    """Columns of mean 0 and deviation 1, those that are judged by the same numbers."""
    return setup.mapped(X=Columns(setup.X.astype(np.float64)))


def weights(setup: Setup, facts: Facts, base: Run) -> Iterator[Change]:
    """Weights at the start."""
    if not facts.looks_inside:
        return
    layers = list(weights_of(setup.net))
    odd, large = [w for w in layers if w.odd], [w for w in layers if w.large]
    if odd and not (len(layers) == 1 and facts.unscaled < 1):
        yield Change("symmetric-init", 92, odd[0].said(odd[0].odd), [_redraw(setup, odd)], odd[0].place.name)
    stuck = list(saturated(facts.outputs).values())
    if large:
        flat = f"; {max(stuck):.0%} of the outputs of an activation are flat at the start" if stuck and max(stuck) > 0.3 else ""
        enormous = any(w.size > 10 for w in layers)  # at least ten times the size that keeps a signal as it is
        weight = 95 if enormous else 90 if facts.unscaled < 3 else 80
        seen = large[0].said(large[0].large) + flat
        yield Change("saturated-units", weight, seen, [_redraw(setup, large)], large[0].place.name)
    if not odd and not large and layers:
        kind = "saturated-units" if stuck else "symmetric-init"
        yield Change(kind, 22, "where it starts", [_redraw(setup, layers)])


def _redraw(setup: Setup, layers: Iterable[Weights]) -> Variant:
    which = [layer.number for layer in layers]
    words = "W = rng.normal(size=W.shape) * np.sqrt(2 / W.shape[0]), b = np.zeros_like(b), in each of these layers"
    return of_net(setup, lambda net: edit.redraw(net, which, np.random.default_rng(11)), words)


def held(setup: Setup, facts: Facts, base: Run) -> Iterator[Change]:
    """Layers that the optimizer holds as they are."""
    still = [i for i, factor in setup.rates.items() if factor == 0]
    if still:
        leaves = edit.places(setup.net)
        names = ", ".join(f"{leaves[i].name} {leaves[i].module}" for i in still if i < len(leaves))
        line = "optimizer.attach(net)"
        yield Change("layer-not-trained", 77, f"the optimizer holds {names} as they are: rates of 0",
                     [(line, lambda s: s.but(rates={}))], leaves[still[0]].name)  # fmt: skip


def units(setup: Setup, facts: Facts, base: Run) -> Iterator[Change]:
    """Units that are dead, or through which no gradient passes, or that are dropped."""
    if not facts.looks_inside:
        return
    net = setup.net
    hidden = edit.hidden_activations(net, ("ReLU",))
    if hidden:
        at_start = dead(facts.outputs)
        after = dead(look(base.net, setup.X)) if base.net is not None else {}
        worst = max(((max(at_start.get(p.name, 0), after.get(p.name, 0)), p.name) for p in hidden), default=(0.0, ""))
        share, where = worst
        if share >= 0.3:
            when = "after training" if after.get(where, 0) >= at_start.get(where, 0) else "before training"
            weight = 70 if share >= 0.9 else 52
            variants = [_activation(setup, ("ReLU",), LeakyReLU, None)]
            if at_start.get(where, 0) >= 0.3:
                variants.append(_redraw(setup, weights_of(net)))
            seen = f"{share:.0%} of the units of {where} are 0 for every example {when}"
            yield Change("dead-units", weight, seen, variants, where)
    curved = edit.hidden_activations(net, edit.SATURATING)
    depth = len(edit.weighted(net))
    if curved and depth >= 3:
        norms = [size for _, size in gradient_norms(setup)]
        ratio = norms[0] / norms[-1] if norms and norms[-1] else 1.0
        if ratio < 0.05:
            names = edit.name_of(curved[0].module)
            yield Change(
                "vanishing-gradient", 72 if len(curved) >= 3 else 48,
                f"the first layer gets {ratio:.2g} of the gradient of the last, through {len(curved)} {names}s",
                [_activation(setup, edit.SATURATING, ReLU, "he_normal")], curved[0].name,
            )  # fmt: skip
    batch_norms = [p for p in edit.places(net) if edit.name_of(p.module) == "BatchNorm"]
    for place in batch_norms[:1]:
        steps, old = setup.epochs * setup.steps, 1 - place.module.momentum
        if old**steps > 0.1:
            seen = (
                f"predictions use the running mean and variance of {place.name} BatchNorm, and with momentum {1 - old:g} "
                f"{old**steps:.0%} of them are still those from before training, after {steps} steps"
            )
            yield Change("train-test-mismatch", 91, seen, [of_net(setup, _usual_momentum, "momentum=0.1")], place.name)
    sizes = {in_code(step): float(np.std(step.input)) for step in facts.outputs}
    drops = [(_lost(p.module, sizes.get(p.name, 1.0)), p.name, p.module) for p in edit.places(net)]
    largest, where, module = max(drops, key=lambda drop: drop[0])
    if largest > 0:
        seen = f"Dropout leaves {1 - largest:.0%} of the units at each step"
        if isinstance(module, GaussianNoise):
            seen = f"{module} adds noise to numbers of deviation {sizes.get(where, 1.0):.3g}"
        weight = 73 if largest >= 0.6 else 46 if largest >= 0.4 else 28
        yield Change("dropout-too-high", weight, seen, [of_net(setup, _less_dropout, "less Dropout")], where)
    for step in facts.outputs:
        module, x, out, where = step.module, np.asarray(step.input), step.output, in_code(step)
        other = not edit.is_weighted(module) and edit.name_of(module) not in (*edit.BENDING, *edit.SATURATING)
        if other and len(x) > 1 and np.ptp(x, axis=0).any() and np.ptp(out, axis=0).max() < 1e-6:
            seen = f"{where} {module} gives the same for every example, whatever it is given"
            yield Change("dead-units", 93, seen, [_without(setup, where)], where)


def _usual_momentum(net: Any) -> None:
    for place in edit.places(net):
        if edit.name_of(place.module) == "BatchNorm":
            place.module.momentum = 0.1


def _lost(module: Any, size: float) -> float:
    """How much of what a module is given it drops, or drowns in noise; size is the deviation of that."""
    if isinstance(module, GaussianNoise):
        return float(module.sigma**2 / (module.sigma**2 + size**2))
    return float(module.p) if isinstance(module, Dropout) else 0.0


def _less_dropout(net: Any) -> None:
    for place in edit.places(net):
        if isinstance(place.module, Dropout):
            place.module.p = 0.1 if place.module.p > 0.3 else 0.0
        elif isinstance(place.module, GaussianNoise):
            place.module.sigma *= 0.1


def _without(setup: Setup, name: str) -> Variant:
    def change(net: Any) -> None:
        place = next(p for p in edit.places(net) if p.name == name)
        place.container.pop(place.at)

    return of_net(setup, change, f"the network without {name}")


def _activation(setup: Setup, names: tuple[str, ...], kind: Any, init: str | None) -> Variant:
    def change(net: Any) -> None:
        for place in edit.hidden_activations(net, names):
            edit.put(place, kind())
        if init:
            edit.redraw(net, list(range(len(edit.weighted(net)))), np.random.default_rng(13))

    return of_net(setup, change, f"{kind.__name__}() in the place of these activations")


def architecture(setup: Setup, facts: Facts, base: Run) -> Iterator[Change]:
    """Biases, and how many units."""
    if not facts.looks_inside:
        return
    net = setup.net
    dense = edit.dense(net)
    bare = [p for p in dense if p.module.bias is None]
    normed = any(edit.name_of(p.module) in ("BatchNorm", "LayerNorm") for p in edit.places(net))
    if bare and not normed:
        words = "out = x @ W + b, with b = np.zeros(W.shape[1])"
        yield Change("no-bias", 76 if len(bare) == len(dense) else 50, f"{len(bare)} of {len(dense)} layers have no bias",
                     [of_net(setup, edit.add_biases, words)], bare[0].name)  # fmt: skip
    if edit.is_chain(net) and dense and not facts.copies:
        sizes = edit.widths(net)
        linear = not edit.hidden_activations(net, edit.BENDING + edit.SATURATING + ("Ramp", "Radial", "Threshold"))
        if linear:
            seen, weight, units = "there is no activation between the layers, so that the network is linear", 66, 16
        else:
            seen, weight = f"the hidden layers have {', '.join(map(str, sizes))} units", 64 if min(sizes) <= 3 else 20
            units = max(16, 4 * max(sizes))
        if units <= 1024:
            line = of_net(setup, lambda n: edit.widen(n, units), f"hidden layers of {units} units, with an activation")
            yield Change("too-small", weight, seen, [line])
