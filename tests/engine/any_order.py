"""Public calls in any order: networks are made, nested, cut, copied, changed, trained and dropped, and looked at after each.

After every step, for every network that lives: its outputs and gradients are those of `referee`, its numbers are what they
were unless the step was meant to change them, all guards (`guards`) are whole, and whatever was refused was refused by the
library, in one line, with nothing changed.

    python tests/engine/any_order.py --seconds 60 --log FILE [--seed N]

Each step is written to the log before it is taken: if the process dies, the last sequence there is the one that killed it.
`test_any_order` runs this file in a process of its own.
"""

import argparse
import copy
import functools
import gc
import linecache
import pickle
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from guards import Guards
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from referee import (
    Doubled,
    Follower,
    Numbers,
    Refused,
    Student,
    Walk,
    follow_fit,
    gradients_of,
    leaves_of,
    parameters_of,
    state_of,
    unique,
)

from modnet import (
    MSE,
    BatchNorm,
    Callback,
    Concat,
    Conv1D,
    Dropout,
    Embedding,
    Flatten,
    Identity,
    LayerNorm,
    LeakyReLU,
    Linear,
    PReLU,
    Reshape,
    Residual,
    Sequential,
    Tanh,
    Tied,
    fit,
    predict,
    watch,
)
from modnet.modules.container import Container
from modnet.optim import SGD, Adam, ExponentialDecay, ReduceOnPlateau, StepDecay

GUARDS = Guards()
F = 3  # features that every block takes and gives
MOST_NETS, MOST_LEAVES, MOST_OPTIMIZERS = 7, 24, 5
REFUSALS = ValueError, TypeError, AttributeError, RuntimeError
WRONG = [None, 1j, "he_normal", float("nan"), float("inf"), -1e9, 10**400, 2**70, [1.0], np.zeros(2), True, {}, b"x"]

which = st.integers(0, 99)
number = st.integers(0, 9999)
flag = st.booleans()


class Spoken(Sequential):
    """A student's container, with an operation of its own in Python."""

    def forward(self, X):
        return super().forward(X)


class Looped(Sequential):
    """A student's container that calls its modules one by one, if its wiring would: it might take more inputs by itself.

    Not where two of them draw by the same module, which is refused.
    """

    def forward(self, X):
        self.output_shape(np.shape(X)[1:])
        drawing = [id(leaf) for module in self for leaf in leaves_of(module) if isinstance(leaf, Dropout)]
        if len(set(drawing)) < len(drawing):
            return super().forward(X)
        for module in self:
            X = module.forward(X)
        return X


class Halved(Sequential):
    """A student's container with the two halves of backward written anew."""

    def backward_update_gradient(self, input, delta):
        super().backward_update_gradient(input, delta)

    def backward_delta(self, input, delta):
        return super().backward_delta(input, delta)


# --- what networks are made of ---------------------------------------------------------------------------------------


def _tied(r):
    linear = Linear(F, 2, rng=r)
    return [linear, Tanh(), Tied(linear)]


def _twice(module, between):
    return [module, between, module]


BLOCKS = [
    lambda r: [Linear(F, F, rng=r)],
    lambda r: [Linear(F, 5, rng=r), LeakyReLU(0.1), Linear(5, F, bias=False, rng=r)],
    _tied,
    lambda r: [Dropout(0.4, rng=r)],
    lambda r: [BatchNorm(F, eps=0.1)],
    lambda r: [LayerNorm(F, eps=0.1)],
    lambda r: [Residual(Linear(F, F, rng=r), Tanh())],
    lambda r: [Concat(Linear(F, 2, rng=r), Sequential(Tanh(), Identity())), Linear(5, F, rng=r)],
    lambda r: [PReLU(0.3)],
    lambda r: [Reshape(F, 1), Conv1D(2, 1, 2, rng=r), Flatten(), Linear(4, F, rng=r)],
    lambda r: [Student(F, F, r)],
    lambda r: [Doubled(F, F, rng=r)],
    lambda r: _twice(Linear(F, F, rng=r), Tanh()),
    lambda r: _twice(Dropout(0.3, rng=r), BatchNorm(F, eps=0.5)),
    lambda r: _twice(BatchNorm(F, eps=0.2), Linear(F, F, rng=r)),
    lambda r: [Tied(Linear(F, F, rng=r))],
    lambda r: [Sequential()],
    lambda r: [Reshape(1, F), Flatten()],
    lambda r: [Spoken(Tanh(), Linear(F, F, rng=r))],
    lambda r: _twice(Spoken(Dropout(0.3, rng=r), BatchNorm(F, eps=0.3)), Tanh()),
    lambda r: _twice(Halved(Dropout(0.3, rng=r), Linear(F, F, rng=r), BatchNorm(F, eps=0.3)), Tanh()),
    lambda r: [Looped(Dropout(0.3, rng=r), Spoken(BatchNorm(F, eps=0.3), Dropout(0.2, rng=r)))],
    lambda r: [Sequential(Sequential(Linear(F, F, rng=r), Dropout(0.2, rng=r)), Identity())],
]


def modules_for(kinds, seed):
    """The modules of some blocks."""
    return [module for i, kind in enumerate(kinds) for module in BLOCKS[kind % len(BLOCKS)](seed + i)]


blocks = st.lists(st.integers(0, len(BLOCKS) - 1), min_size=1, max_size=3)


class Handle:
    """A network that the machine holds, with the batch it is looked at with."""

    def __init__(self, net, seed=0):
        self.parts = [net]  # of a slice: what it was cut from, and what that was cut from
        while getattr(self.parts[-1], "_part_of", None) is not None:
            self.parts.append(self.parts[-1]._part_of)
        self.net, self.whole = net, None if len(self.parts) == 1 else self.parts[-1]
        self.see(seed)

    def see(self, seed):
        """Another batch."""
        rng = np.random.default_rng(seed)
        batch = 1 if seed % 11 == 10 else 2 + seed % 4
        if any(isinstance(leaf, Embedding) for leaf in self.net.leaves()):
            self.x = rng.integers(0, 4, (batch, 2))
        else:
            self.x = rng.normal(size=(batch, 2, F) if seed % 3 == 2 else (batch, F))
        self.seed = seed

    def delta(self, shape):
        return np.random.default_rng(self.seed + 1).normal(size=shape)


def containers_of(net):
    return [net, *net.containers()] if isinstance(net, Container) else []


def owns(leaf):
    return isinstance(leaf, Student) or leaf.owns_numbers


def in_training(leaf):
    return not isinstance(leaf, Student) and leaf.training and not leaf._frozen


def in_training_in_fit(net, heeds_frozen):
    """Which leaves of a network train in `fit`: those that nobody has put into evaluation by themselves.

    An optimizer that is new to the network sets free what an earlier one has frozen.
    """
    pinned = set()

    def visit(module, below):
        below = below or (module is not net and getattr(module, "_put_into_evaluation", False))
        if isinstance(module, Container):
            for part in module:
                visit(part, below)
        elif below:
            pinned.add(id(module))

    visit(net, False)
    return lambda leaf: not isinstance(leaf, Student) and id(leaf) not in pinned and not (heeds_frozen and leaf._frozen)


def fingerprint(leaf):
    """All that a leaf holds, part by part, as bytes."""
    found = {f"parameter {n}": a.tobytes() for n, a in parameters_of(leaf).items()}
    found |= {f"gradient {n}": a.tobytes() for n, a in gradients_of(leaf).items()}
    if not isinstance(leaf, Student):
        found |= {f"state {n}": a.tobytes() for n, a in state_of(leaf).items()}
        found["settings"] = leaf.setting_words().tobytes()
        found["draw"] = int(leaf.storage.draws[1 + leaf._at.draws]) if leaf.counts.draws else 0
        found["mode"] = leaf.training, leaf._put_into_evaluation, leaf._frozen
    return found


def fingerprint_numbers(leaf, dtype):
    """Parameters, gradients and state as they are after a change of type."""
    found = {**parameters_of(leaf), **{f"{n}_gradient": a for n, a in gradients_of(leaf).items()}}
    if not isinstance(leaf, Student):
        found |= state_of(leaf)
    return {name: array.astype(dtype).tobytes() for name, array in found.items()}


def has_numbers(module):
    """Whether a module has a type of its own."""
    return not isinstance(module, Student) and bool(module.counts.parameters or module.counts.state)


def parts_that_move(leaf, follower):
    """Whether the steps of an optimizer move a leaf."""
    return any(leaf is other and factor for other, factor in zip(follower.leaves, follower.factors))


def draws_one_by_one(net):
    """Whether a network calls its modules in a loop of its own, so that each that draws counts its own forwards."""
    if not isinstance(net, Looped):
        return False
    drawing = [id(leaf) for module in net for leaf in leaves_of(module) if isinstance(leaf, Dropout)]
    return 0 < len(drawing) == len(set(drawing))


class EveryBatch(Callback):
    """A look after each step of an optimizer."""

    def on_batch_end(self, training):
        assert training.optimizer.steps > 0 or not training.net.parameters.size


def check_refusal(error):
    """An error is one of the library's: one line, raised in its own code."""
    text = str(error)
    assert text, f"{type(error).__name__} without words"
    assert "\n" not in text, f"more than one line: {text}"
    if getattr(error, "__notes__", None):
        return  # a student's own, with a note of ours that says where
    last = traceback.extract_tb(error.__traceback__)[-1]
    is_ours = "/modnet/" in last.filename and (last.line or "").startswith("raise ")
    assert is_ours, f"{type(error).__name__} from {last.filename}:{last.lineno}, {last.line}: {text}"


# --- the machine -----------------------------------------------------------------------------------------------------


class Log:
    """Where steps are written before they are taken, and how many there were."""

    file = sys.stdout
    threads = True
    steps = networks = refused = 0

    @classmethod
    def write(cls, text):
        cls.file.write(text + "\n")


def step(needs, **strategies):
    """A rule, for when the list of that name is not empty: written to the log, taken, then everything is looked at."""

    def decorate(function):
        @functools.wraps(function)
        def run(self, **given):
            Log.steps += 1
            Log.write(f"    {function.__name__}({', '.join(f'{k}={v!r}' for k, v in given.items())})")
            self.allowed = {}
            function(self, **given)
            self.look()

        run.needs = needs
        return precondition(lambda self: not needs or getattr(self, needs))(rule(**strategies)(run))

    return decorate


class AnyOrder(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        Log.write("a new sequence")
        gc.collect()
        gc.freeze()  # so that later collections look at this sequence's objects alone
        self.handles, self.followers, self.loose, self.states, self.known = [], [], [], [], {}
        self.allowed, self.turn = {}, 0

    # Bookkeeping.

    def handle(self, i):
        return self.handles[i % len(self.handles)]

    def leaf(self, i, j):
        found = leaves_of(self.handle(i).net)
        return found[j % len(found)] if found else None

    def keep(self, net, seed=0):
        if len(self.handles) < MOST_NETS:
            self.handles.append(Handle(net, seed))

    def allow(self, leaves, *parts):
        """This step may change these parts of leaves."""
        for leaf in leaves:
            self.allowed.setdefault(id(leaf), set()).update(parts)

    def refuses(self, call, *arguments, **options):
        """The call raises one of the library's errors."""
        try:
            call(*arguments, **options)
        except REFUSALS as error:
            check_refusal(error)
            Log.refused += 1
            return
        raise AssertionError(f"{call} was not refused")

    def try_to(self, call, *arguments, **options):
        """Call, and say whether it was done. What is refused is refused in the library's way."""
        try:
            call(*arguments, **options)
        except REFUSALS as error:
            check_refusal(error)
            Log.refused += 1
            return False
        return True

    def living(self):
        """All containers that the machine can reach."""
        followers = [*self.followers, *(follower for _, follower in self.states)]
        handles = [*self.handles, *(Handle(f.net) for f in followers)]
        nets = [net for handle in handles for net in (handle.net, handle.whole) if net is not None]
        return unique(c for net in nets for c in containers_of(net))

    def all_leaves(self):
        found = [leaf for container in self.living() for leaf in leaves_of(container)] + self.loose
        found += [f.net for f in self.followers if not isinstance(f.net, Container)]
        return unique(found + [leaf.linear for leaf in found if isinstance(leaf, Tied)])

    def may_be_homeless(self, handle, asked=()):
        """Whether a module of the network may belong to another one that lives, so that it must not be used.

        asked has the networks about which it is being asked: a slice and what it was put into lead to one another.
        """
        if any(net is handle.net for net in asked):
            return False
        asked = (*asked, handle.net)
        if handle.whole is not None:
            held = {id(leaf) for leaf in leaves_of(handle.whole)}
            mine = [leaf for part in handle.parts for leaf in leaves_of(part)]
            if self.may_be_homeless(Handle(handle.whole), asked) or not all(id(leaf) in held for leaf in mine):
                return True
        net = handle.net
        inside = {id(c) for c in containers_of(net)}
        mine = {id(leaf) for leaf in leaves_of(net) if owns(leaf)} | inside
        for other in self.living():
            if id(other) in inside or other is handle.whole:
                continue
            if any(c is net for c in containers_of(other)):  # around it: it waits for that one, which may wait itself
                if self.may_be_homeless(Handle(other), asked):
                    return True
                continue
            if mine & {id(part) for part in (*leaves_of(other), *containers_of(other)) if part is not net}:
                return True
        return False

    def is_usable(self, handle):
        """Whether the network has its numbers. If not, it says why in one line, and there is a reason."""
        try:
            assert handle.net.storage is not None
        except ValueError as error:
            check_refusal(error)
            mixed = len({leaf.dtype for leaf in leaves_of(handle.net if handle.whole is None else handle.whole) if has_numbers(leaf)}) > 1
            # Or a part of it was changed while it belonged to another network, which that one allowed.
            around = [part for net in (handle.net, handle.whole) if net is not None for part in containers_of(net)]
            fits = all(self.walk(Handle(net)) is not None for net in around)
            assert mixed or self.may_be_homeless(handle) or not fits, f"{handle.net}: {error}"
            return False
        return True

    def walk(self, handle, training=in_training, draw=0, moves=True, numbers=None):
        """The referee's forward: the walk, or None if the input is refused."""
        leaves = leaves_of(handle.net)
        if any(isinstance(leaf, Tied) and leaf.dtype != leaf.linear.dtype for leaf in leaves):
            return None
        found = Walk(Numbers(leaves) if numbers is None else numbers, training, draw, moves)
        try:
            found.forward(handle.net, handle.x)
        except Refused:
            return None
        return found

    def is_trainable(self, net):
        """Whether all weights that are used in the network are in it."""
        found = leaves_of(net)
        return all(any(leaf.linear is other for other in found) for leaf in found if isinstance(leaf, Tied))

    def close(self, got, want, net, what, looser=1.0):
        rough = net.dtype == np.float32 or any(leaf.dtype == np.float32 for leaf in leaves_of(net) if not isinstance(leaf, Student))
        tolerance = looser * (2e-3 if rough else 1e-8)
        got = np.asarray(got)
        assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
        scale = 1.0 + np.abs(want).max(initial=0.0)
        far = np.abs(got - want).max(initial=0.0)
        assert far <= tolerance * scale, f"{what} is {far:.3g} from the referee's, of size {scale:.3g}\n{net}\n{got}\n{want}"

    # What is looked at after each step.

    def look(self):
        self.tame()
        GUARDS.check()
        leaves = self.all_leaves()
        now = {id(leaf): (leaf, fingerprint(leaf)) for leaf in leaves}
        for key, (leaf, found) in now.items():
            before = self.known.get(key, (None, {}))
            if before[0] is not leaf:
                continue
            for part, value in found.items():
                may = self.allowed.get(key, ())
                if before[1][part] != value and "all" not in may and part.split()[0] not in may:
                    raise AssertionError(f"{leaf}: its {part} changed")
        self.known = now
        self.turn += 1
        for i, handle in enumerate(list(self.handles)):
            self.look_at(handle, backward=(i + self.turn) % 3 == 0)
        GUARDS.check()
        for leaf, before in now.values():
            for part, value in fingerprint(leaf).items():
                assert value == before[part], f"looking at a network has changed the {part} of {leaf}"

    def tame(self):
        """Numbers that have grown are made small again, so that rounding does not count."""
        for leaf in self.all_leaves():
            for array in (*parameters_of(leaf).values(), *state_of(leaf).values()):
                if not (np.isfinite(array).all() and np.abs(array).max(initial=0.0) < 4):
                    array[...] = 0.5
                    self.allow([leaf], "parameter", "state")

    def look_at(self, handle, backward):
        Log.networks += 1
        net = handle.net
        if not self.is_usable(handle):
            self.refuses(net.forward, handle.x)
            self.refuses(predict, net, handle.x)
            return
        walk = self.walk(handle, training=lambda leaf: False)
        if walk is None:
            self.refuses(predict, net, handle.x)
            self.refuses(net.backward_delta, handle.x, handle.x)
            return
        self.close(predict(net, handle.x), walk.output.array, net, "predict")
        if backward:
            self.look_at_backward(handle)

    def last_draw(self, leaf):
        """The draw that a backward in training repeats: the leaf's own last one, whoever called its forward."""
        return max(1, leaf.draws[1])

    def has_a_draw_for_each_use(self, net):
        """Whether each Dropout last drew for as many uses as the network has for it: backward is refused otherwise."""
        used = Counter(map(id, net.leaves()))
        drawing = [leaf for leaf in leaves_of(net) if isinstance(leaf, Dropout) and in_training(leaf)]
        noted = {id(leaf): int(leaf.storage.draws[1 + leaf._at.draws]) for leaf in drawing}
        return all(value <= 0 or 1 + (value >> 40) == used[key] for key, value in noted.items())

    def look_at_backward(self, handle):
        net, x = handle.net, handle.x
        walk = self.walk(handle, draw=self.last_draw, moves=False)
        if walk is None:
            self.refuses(net.backward_delta, x, x)
            return
        delta = handle.delta(walk.output.array.shape)
        if not self.has_a_draw_for_each_use(net):
            self.refuses(net.backward_delta, x, delta)
            self.refuses(net.backward, x, delta)
            return
        dx = walk.backward(delta)
        smooth = walk.kink > (1e-3 if net.dtype == np.float32 else 1e-6)
        if dx is None:
            self.refuses(net.backward_delta, x, delta)
        else:
            got = net.backward_delta(x, delta)
            if smooth:
                self.close(got, dx, net, "backward_delta", 10)
        leaves = leaves_of(net)
        kept = [(array, array.copy()) for leaf in leaves for array in gradients_of(leaf).values()]
        if not self.is_trainable(net):
            self.refuses(net.backward, x, delta)
            return
        net.zero_grad()
        net.backward_update_gradient(x, delta)
        if smooth:
            self.close_gradients(net, walk)
        for leaf in leaves:
            if isinstance(leaf, Student):
                leaf.zero_grad()
        mine = [array for leaf in leaves for array in gradients_of(leaf).values()]
        for array, (_, before) in zip(mine, kept):
            array[...] = before

    def close_gradients(self, net, walk):
        for leaf in leaves_of(net):
            for name, array in gradients_of(leaf).items():
                want = walk.gradients.get((id(leaf), name), np.zeros(array.shape))
                self.close(array, want + np.zeros(array.shape), net, f"gradient of {name} of {leaf}", 10)

    # Making.

    @step("", kinds=blocks, seed=number, words=flag, single=flag)
    def make(self, kinds, seed, words, single):
        modules = ([Embedding(4, F, rng=seed)] if words else []) + modules_for(kinds, seed)
        net = Sequential(*modules)
        self.keep(net.astype("float32") if single else net, seed)

    @step("handles", i=which, kinds=blocks, seed=number, how=st.integers(0, 3))
    def nest(self, i, kinds, seed, how):
        inner = self.handle(i)
        others = modules_for(kinds, seed)
        if len(leaves_of(inner.net)) > MOST_LEAVES - 10 or inner.whole is not None:
            return
        if not self.is_usable(inner):
            self.try_to(Sequential, inner.net, *others)
            return
        for module in others:
            if not isinstance(module, Student) and (isinstance(module, Container) or module.root() is None):
                module.astype(inner.net.dtype) if has_numbers(module) and has_numbers(inner.net) else None
        make = [
            lambda: Sequential(inner.net, *others),
            lambda: Residual(*others, inner.net),
            lambda: Sequential(Concat(inner.net, *others[:1]), Flatten()),
            lambda: Sequential(Sequential(inner.net), Sequential(*others)),
        ][how]
        made = []
        if self.try_to(lambda: made.append(make())):
            self.keep(made[0], seed)

    @step("handles", i=which, j=which)
    def nest_two(self, i, j):
        one, two = self.handle(i), self.handle(j)
        if len(leaves_of(one.net)) + len(leaves_of(two.net)) > MOST_LEAVES or {one.whole, two.whole} != {None}:
            return
        made = []
        if self.try_to(lambda: made.append(Sequential(one.net, two.net))):
            self.keep(made[0])

    @step("handles", i=which, a=st.integers(0, 4), b=st.integers(0, 6))
    def cut(self, i, a, b):
        handle = self.handle(i)
        self.keep(handle.net[a:b])

    @step("handles", i=which, j=which)
    def hold_inner(self, i, j):
        inner = list(self.handle(i).net.containers())
        if inner:
            self.keep(inner[j % len(inner)])

    @step("handles", i=which, how=st.integers(0, 2))
    def copy_network(self, i, how):
        handle = self.handle(i)
        if not self.is_usable(handle):
            return
        if isinstance(handle.net, Concat) and not len(handle.net):  # a slice without modules
            self.refuses(copy.copy, handle.net)
            return
        twin = [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))][how](handle.net)
        mine, theirs = leaves_of(handle.net), leaves_of(twin)
        assert len(mine) == len(theirs)
        for leaf, other in zip(mine, theirs):
            assert other is not leaf
            assert fingerprint(leaf) == fingerprint(other), f"the copy of {leaf} differs"
            for a in (*parameters_of(leaf).values(), *gradients_of(leaf).values(), *state_of(leaf).values()):
                for b in (*parameters_of(other).values(), *gradients_of(other).values(), *state_of(other).values()):
                    assert not np.shares_memory(a, b)
        self.keep(twin, handle.seed)

    @step("handles", i=which, j=which, how=st.integers(0, 1))
    def copy_leaf(self, i, j, how):
        leaf = self.leaf(i, j)
        if leaf is None:
            return
        twin = [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))][how](leaf)
        assert fingerprint(twin) == fingerprint(leaf)
        if not isinstance(twin, Embedding | Conv1D):
            self.loose.append(twin)
            del self.loose[:-4]

    @step("handles", i=which, single=flag)
    def convert(self, i, single):
        handle = self.handle(i)
        dtype = np.dtype(np.float32 if single else np.float64)
        if handle.net.root() is not None:
            self.refuses(handle.net.astype, dtype)
            return
        usable = self.is_usable(handle)
        before = {id(leaf): fingerprint_numbers(leaf, dtype) for leaf in leaves_of(handle.net)}
        self.allow(leaves_of(handle.net), "parameter", "gradient", "state")
        if self.try_to(handle.net.astype, dtype):
            assert usable
            for leaf in leaves_of(handle.net):
                if not isinstance(leaf, Student):
                    assert before[id(leaf)] == fingerprint_numbers(leaf, dtype), f"{leaf}: astype has changed its numbers"

    # Changing.

    def change(self, handle, call, *arguments):
        """A change of a network's modules: whole, or not at all."""
        before = list(handle.net)
        if not self.try_to(call, *arguments):
            assert all(a is b for a, b in zip(before, handle.net)) and len(before) == len(handle.net)

    @step("handles", i=which, kind=which, seed=number, at=st.integers(-3, 6), how=st.integers(0, 2), loose=flag)
    def put(self, i, kind, seed, at, how, loose):
        handle = self.handle(i)
        if len(leaves_of(handle.net)) > MOST_LEAVES - 6 or not len(handle.net):
            return
        module = self.loose.pop() if loose and self.loose else modules_for([kind], seed)[0]
        if how == 0:
            self.change(handle, handle.net.append, module)
        elif how == 1:
            self.change(handle, handle.net.insert, at, module)
        else:
            self.change(handle, handle.net.__setitem__, at % len(handle.net), module)
        handle.see(handle.seed)

    @step("handles", i=which, j=which, k=which)
    def put_used(self, i, j, k):
        """A module of another network, or of the same one, at the end."""
        handle, leaf = self.handle(i), self.leaf(j, k)
        if leaf is not None and len(leaves_of(handle.net)) < MOST_LEAVES:
            self.change(handle, handle.net.append, leaf)
            handle.see(handle.seed)

    @step("handles", i=which, j=which)
    def put_network(self, i, j):
        """A network into another one, or into itself."""
        handle, other = self.handle(i), self.handle(j)
        if len(leaves_of(handle.net)) + len(leaves_of(other.net)) <= MOST_LEAVES:
            self.change(handle, handle.net.append, other.net)
            handle.see(handle.seed)

    @step("handles", i=which, at=st.integers(-3, 4), hold=flag)
    def take(self, i, at, hold):
        handle = self.handle(i)
        before, gone = list(handle.net), []
        if -len(before) <= at < len(before):
            if self.try_to(lambda: gone.append(handle.net.pop(at))):
                assert gone[0] is before[at]
                if isinstance(gone[0], Container) and hold:
                    self.keep(gone[0])
                elif not isinstance(gone[0], Container | Embedding | Conv1D):
                    self.loose.append(gone[0])
            handle.see(handle.seed)

    @step("handles", i=which, kind=which)
    def share(self, i, kind):
        """A second network with a module of the first, and then one around both."""
        handle = self.handle(i)
        found = [leaf for leaf in leaves_of(handle.net) if not isinstance(leaf, Student | Embedding | Conv1D)]
        if not found or handle.whole is not None or not self.is_usable(handle) or len(leaves_of(handle.net)) > MOST_LEAVES - 4:
            return
        leaf = found[kind % len(found)]
        if isinstance(leaf, Linear) and leaf.in_features != leaf.out_features:
            return
        second = []
        if not self.try_to(lambda: second.append(Sequential(leaf))):
            return
        if leaf.owns_numbers and not isinstance(leaf, Tied):
            self.refuses(second[0].forward, np.ones((2, F)))
        around = []
        if kind % 2 and self.try_to(lambda: around.append(Sequential(handle.net, second[0]))):
            self.keep(around[0])
            self.keep(second[0])

    @step("handles", i=which)
    def drop(self, i):
        self.handles.pop(i % len(self.handles))
        gc.collect()

    @step("", i=which)
    def drop_rest(self, i):
        del self.loose[:]
        if self.followers:
            self.followers.pop(i % len(self.followers))
        gc.collect()

    # Modes, numbers and settings.

    @step("handles", i=which, j=which, training=flag, how=st.integers(0, 2))
    def mode(self, i, j, training, how):
        net = self.handle(i).net
        inner = [*net.containers(), *(leaf for leaf in leaves_of(net) if not isinstance(leaf, Student))]
        target = inner[j % len(inner)] if how == 2 and inner else net
        self.allow(leaves_of(target), "mode")
        if how == 1:
            target.training = training
        else:
            target.train() if training else target.eval()
        assert target.training is training

    @step("handles", i=which, seed=number)
    def write(self, i, seed):
        rng = np.random.default_rng(seed)
        for leaf in leaves_of(self.handle(i).net)[seed % 3 :: 3]:
            self.allow([leaf], "parameter")
            for array in parameters_of(leaf).values():
                array[...] = rng.normal(0, 0.5, array.shape)

    @step("handles", i=which, seed=number)
    def another_batch(self, i, seed):
        self.handle(i).see(seed)

    @step("handles", i=which, j=which, value=st.sampled_from([0.05, 0.2, 0.5, 0.9]), wrong=st.sampled_from(range(len(WRONG))))
    def set_setting(self, i, j, value, wrong):
        leaf = self.leaf(i, j)
        names = {Dropout: "p", LeakyReLU: "slope", BatchNorm: "eps", LayerNorm: "eps"}
        if type(leaf) not in names:
            return
        name = names[type(leaf)]
        self.allow([leaf], "settings")
        setattr(leaf, name, value)
        assert getattr(leaf, name) == value
        if self.try_to(setattr, leaf, name, WRONG[wrong]):
            number = getattr(leaf, name)
            assert type(WRONG[wrong]) in (int, float)
            assert number == WRONG[wrong] and np.isfinite(number)
            assert {"p": 0 <= number < 1, "eps": number > 0, "slope": True}[name]
            setattr(leaf, name, value)
        if isinstance(leaf, BatchNorm):
            leaf.momentum = value
            self.refuses(setattr, leaf, "momentum", 1.5)
        assert getattr(leaf, name) == value

    @step("handles", i=which, j=which, wrong=st.sampled_from(range(len(WRONG))))
    def misuse(self, i, j, wrong):
        """Sizes, __init__, and arrays of the wrong kind."""
        handle, leaf = self.handle(i), self.leaf(i, j)
        self.refuses(type(handle.net).__init__, handle.net, Tanh())
        if leaf is None or isinstance(leaf, Student):
            return
        for name in ("in_features", "out_features", "features", "count", "chan_in", "k_size", "shape", "linear"):
            if name in dir(type(leaf)) and not isinstance(getattr(type(leaf), name), property):
                self.refuses(setattr, leaf, name, 2)
        arguments = {Linear: (2, 2), Doubled: (9, 9), Embedding: (9, 9), BatchNorm: (7,), LayerNorm: (7,), Conv1D: (2, 3, 4)}
        arguments |= {Reshape: (3,), Tied: (Linear(9, 9),)}
        self.refuses(type(leaf).__init__, leaf, *arguments.get(type(leaf), ()))
        for name in parameters_of(leaf):
            self.refuses(setattr, leaf, name, np.zeros(17))
            if not isinstance(WRONG[wrong], np.ndarray | list):  # a list of one is what a PReLU takes
                self.refuses(setattr, leaf, name, WRONG[wrong])

    @step("handles", i=which, shape=st.sampled_from([(2,), (2, 7), (0, 3), (2, 2, 2, 2, 2), ()]), wrong=st.sampled_from(range(len(WRONG))))
    def bad_input(self, i, shape, wrong):
        handle = self.handle(i)
        net, x = handle.net, handle.x
        if not self.is_usable(handle):
            return
        for given in (np.ones(shape), WRONG[wrong]):
            for call in (net.forward, lambda v: predict(net, v), lambda v: watch.activations(net, v)):
                self.allow(leaves_of(net), "draw", "state")
                self.try_to(call, given)  # a network of activations takes much
        walk = self.walk(handle)
        if walk is None:
            return
        self.refuses(net.backward, x, np.ones((9, 9, 9)))
        self.refuses(net.backward_update_gradient, x, WRONG[wrong])
        self.refuses(net.backward, x, None)

    # Calling.

    @step("handles", i=which, seed=number, repeat=st.integers(1, 2))
    def forward(self, i, seed, repeat):
        handle = self.handle(i)
        net = handle.net
        if not self.is_usable(handle):
            return
        handle.see(seed)
        for _ in range(repeat):
            numbers = Numbers(leaves_of(net))
            self.allow(leaves_of(net), "draw", "state")
            counted = any(in_training(leaf) for leaf in leaves_of(net) if isinstance(leaf, Dropout | BatchNorm))
            draw = int(net.storage.draws[0]) + counted
            walk = self.walk(handle, draw=draw, numbers=numbers)
            if walk is None:
                self.refuses(net.forward, handle.x)
                return
            out = net.forward(handle.x)
            if not draws_one_by_one(net):
                self.close(out, walk.output.array, net, "forward")
                self.close_state(net, numbers)

    def close_state(self, net, numbers, looser=10):
        for leaf in leaves_of(net):
            for name, array in state_of(leaf).items():
                self.close(array, numbers[id(leaf), name], net, f"{name} of {leaf}", looser)

    @step("handles", i=which, clear=flag)
    def backward(self, i, clear):
        handle = self.handle(i)
        net = handle.net
        if not self.is_usable(handle):
            return
        walk = self.walk(handle, draw=self.last_draw, moves=False)
        if walk is None or not self.is_trainable(net):
            return
        self.allow(leaves_of(net), "gradient")
        if clear:
            net.zero_grad()
        before = {(id(leaf), name): array.astype(float) for leaf in leaves_of(net) for name, array in gradients_of(leaf).items()}
        delta = handle.delta(walk.output.array.shape)
        if not self.has_a_draw_for_each_use(net):
            self.refuses(net.backward, handle.x, delta)
            return
        want = walk.backward(delta)
        got = net.backward(handle.x, delta)
        assert (got is None) == (want is None)
        if walk.kink > (1e-3 if net.dtype == np.float32 else 1e-6):
            if want is not None:
                self.close(got, want, net, "backward", 10)
            for key, array in before.items():
                walk.gradients[key] = walk.gradients.get(key, 0.0) + array
            self.close_gradients(net, walk)

    @step("handles", i=which, clear=flag)
    def zero_or_update(self, i, clear):
        handle = self.handle(i)
        if not self.is_usable(handle):
            return
        if clear:
            self.allow(leaves_of(handle.net), "gradient")
            handle.net.zero_grad()
            for leaf in leaves_of(handle.net):
                assert not any(array.any() for array in gradients_of(leaf).values())
        else:
            leaves = leaves_of(handle.net)
            self.allow(leaves, "parameter")
            numbers = Numbers(leaves)
            slopes = {(id(leaf), name): array.astype(float) for leaf in leaves for name, array in gradients_of(leaf).items()}
            handle.net.update_parameters(0.01)
            for leaf in leaves:
                for name, array in parameters_of(leaf).items():
                    key = id(leaf), name
                    self.close(array, numbers[key] - 0.01 * slopes[key], handle.net, f"{name} of {leaf} updated", 10)

    @step("handles", i=which)
    def layer_by_layer(self, i):
        """A loop by hand over the modules, as students write it."""
        handle = self.handle(i)
        net = handle.net
        if not self.is_usable(handle) or type(net) is not Sequential or self.walk(handle) is None:
            return
        self.allow(leaves_of(net), "draw", "state", "gradient")
        x, seen = handle.x, []
        for module in net:
            seen.append((module, x))
            x = module.forward(x)
        drawn = [id(leaf) for leaf in net.leaves() if isinstance(leaf, Dropout) and in_training(leaf)]
        if len(set(drawn)) < len(drawn) or not self.is_trainable(net):
            return  # a Dropout that is used twice answers for its last use
        delta = handle.delta(np.shape(x))
        walk = self.walk(handle, draw=self.last_draw, moves=False)
        want = walk.backward(delta)
        net.zero_grad()
        for module, x in reversed(seen):
            module.backward_update_gradient(x, delta)
            if any(isinstance(leaf, Embedding) for leaf in leaves_of(module)):
                break  # there is no derivative by whole numbers
            delta = module.backward_delta(x, delta)
        if walk.kink > (1e-3 if net.dtype == np.float32 else 1e-6):
            self.close_gradients(net, walk)
            if want is not None:
                self.close(delta, want, net, "delta of a loop by hand", 10)

    @step("handles", i=which)
    def look_inside(self, i):
        handle = self.handle(i)
        net = handle.net
        if not self.is_usable(handle):
            return
        counted = any(in_training(leaf) for leaf in leaves_of(net) if isinstance(leaf, Dropout | BatchNorm))
        walk = self.walk(handle, draw=int(net.storage.draws[0]) + counted, moves=False)
        if walk is None:
            return
        steps = watch.activations(net, handle.x)
        out = walk.output.array
        if steps:
            if not draws_one_by_one(net):
                self.close(steps.output, out, net, "activations")
            found = watch.deltas(steps, handle.delta(out.shape))
            self.close(found[-1], handle.delta(out.shape), net, "deltas")
        if self.is_trainable(net):
            assert watch.locate_nan(net, handle.x, np.zeros(out.shape), MSE()) is None
            watch.Profile(net, handle.x, repeats=1)

    # Optimizers.

    def optimizer(self, i):
        return self.followers[i % len(self.followers)]

    def new_optimizer(self, kind, rate):
        lr = [0.02, StepDecay(0.02, 1, 0.5), ExponentialDecay(0.02, 0.9, per="step"), ReduceOnPlateau(0.02, 0.5, 1)][rate % 4]
        return [
            lambda: SGD(lr),
            lambda: SGD(lr, momentum=0.8),
            lambda: SGD(lr, weight_decay=0.1, clip_norm=0.5),
            lambda: Adam(lr, eps=0.05),
            lambda: Adam(lr, eps=0.05, clip_norm=0.3),
        ][kind % 5]()

    @step("handles", i=which, kind=which, rate=which, frozen=st.integers(-1, 6), factor=st.sampled_from([0.0, 0.3]))
    def attach(self, i, kind, rate, frozen, factor):
        handle = self.handle(i)
        net = handle.net
        optimizer = self.new_optimizer(kind, rate)
        self.refuses(optimizer.step)
        rates, factors = {}, {}
        if 0 <= frozen < len(net):
            rates = {frozen: factor}
            factors = {id(leaf): factor for leaf in leaves_of(net[frozen]) if len(parameters_of(leaf))}
        if not self.is_usable(handle) or not self.is_trainable(net) or (rates and not factors):
            self.refuses(optimizer.attach, net, rates)
            return
        try:
            assert net.parameters is not None
        except ValueError as error:  # a part that shares a module with the rest of its network
            check_refusal(error)
            self.refuses(optimizer.attach, net, rates)
            return
        self.allow(leaves_of(net), "mode")  # of what is frozen
        optimizer.attach(net, rates)
        if len(self.followers) < MOST_OPTIMIZERS:
            self.followers.append(Follower(optimizer, net, factors))

    @step("followers", i=which, how=st.integers(0, 2))
    def copy_optimizer(self, i, how):
        follower = self.optimizer(i)
        try:
            twin = [copy.copy, copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))][how](follower.optimizer)
        except REFUSALS as error:
            check_refusal(error)
            return
        assert (twin.net is follower.net) == (how == 0)
        if len(self.followers) < MOST_OPTIMIZERS and len(leaves_of(twin.net)) == len(follower.leaves):
            self.followers.append(follower.for_copy(twin, twin.net, leaves_of(twin.net)))
            if how and isinstance(twin.net, Container):
                self.keep(twin.net)

    @step("followers", i=which, j=which, keep=flag)
    def save_state(self, i, j, keep):
        follower = self.optimizer(i)
        if keep or not self.states:
            self.states.append((follower.optimizer.state_dict(), follower.for_copy(follower.optimizer, follower.net, follower.leaves)))
            del self.states[:-4]
            return
        state, then = self.states[j % len(self.states)]
        same = type(follower.optimizer) is type(then.optimizer)
        if self.try_to(follower.optimizer.load_state_dict, state):
            assert same
            again = then.for_copy(follower.optimizer, follower.net, follower.leaves)
            theirs, mine = then.places(), follower.places()
            if [shape for _, shape in theirs] != [shape for _, shape in mine]:  # as many numbers, in other arrays
                self.followers.remove(follower)
                return
            places = {a: b for (a, _), (b, _) in zip(theirs, mine)}
            follower.moments = {places[place]: moments for place, moments in again.moments.items()}
            follower.steps, follower.epochs = again.steps, again.epochs
            follower.plateau = again.plateau
            follower.lr, follower.schedule = again.lr, again.schedule

    @step("followers", i=which, wrong=st.sampled_from([*range(len(WRONG))]))
    def bad_state(self, i, wrong):
        follower = self.optimizer(i)
        self.refuses(follower.optimizer.load_state_dict, WRONG[wrong])
        state = follower.optimizer.state_dict()
        self.refuses(follower.optimizer.load_state_dict, {**state, "kind": "Adagrad"})
        self.refuses(follower.optimizer.load_state_dict, {**state, "groups": state["groups"] + [{"settings": np.zeros(9), "moments": {}}]})
        self.refuses(setattr, follower.optimizer, "steps", 3)
        if not isinstance(WRONG[wrong], int) or WRONG[wrong] is True:
            self.refuses(setattr, follower.optimizer, "lr", WRONG[wrong])

    @step("followers", i=which, what=st.integers(0, 2))
    def reset(self, i, what):
        follower = self.optimizer(i)
        if what == 0:
            follower.optimizer.lr = follower.lr = 0.03
            follower.schedule = None
        elif what == 1:
            follower.optimizer.epoch_end(1.0)
            follower.epoch_end(1.0)
        else:
            follower.optimizer.forget()
            follower.begin()

    @step("followers", i=which, seed=number)
    def step_by_hand(self, i, seed):
        follower = self.optimizer(i)
        net = follower.net
        handle = Handle(net, seed)
        if not self.is_usable(handle) or not self.is_trainable(net):
            self.try_to(follower.optimizer.step)
            return
        leaves = unique([*leaves_of(net), *follower.leaves])
        self.allow(leaves_of(net), "gradient", "draw", "state")
        if self.walk(handle) is not None:
            net.zero_grad()
            out = net.forward(handle.x)
            net.backward_update_gradient(handle.x, handle.delta(out.shape) / len(out))
        numbers = Numbers(leaves)
        slopes = {(id(leaf), name): array.astype(float) for leaf in leaves for name, array in gradients_of(leaf).items()}
        if not self.try_to(follower.optimizer.step):
            return
        moved = {id(leaf) for leaf, factor in zip(follower.leaves, follower.factors) if factor}
        self.allow([leaf for leaf in follower.leaves if id(leaf) in moved], "parameter")
        self.require_attached_to_all(follower)
        follower.step(numbers, slopes)
        self.close_parameters(net, follower.leaves, numbers)
        if any(map(len, map(parameters_of, follower.leaves))):
            assert follower.optimizer.steps == follower.steps

    def require_attached_to_all(self, follower):
        """A step was taken: then the network has the modules that it had when the optimizer was attached."""
        now, then = (
            {id(leaf) for leaf in leaves if parameters_of(leaf)} for leaves in (leaves_of(follower.net), follower.leaves)
        )
        assert now == then, "a step was taken though the network has changed since attach"

    def close_parameters(self, net, leaves, numbers, looser=10):
        for leaf in leaves:
            for name, array in parameters_of(leaf).items():
                self.close(array, numbers[id(leaf), name], net, f"{name} of {leaf} after a step", looser)

    @step("handles", i=which, j=which, attached=flag, epochs=st.integers(1, 3), size=st.integers(1, 4), seed=number, how=st.integers(0, 2))
    def train(self, i, j, attached, epochs, size, seed, how):
        """`fit`: compiled, with a callback between epochs, or with one after every batch, which makes it run in Python."""
        follower = self.optimizer(j) if self.followers else None
        if follower is not None and (attached or follower.net is self.handle(i).net):
            net, optimizer = follower.net, follower.optimizer
        else:
            net, optimizer, follower = self.handle(i).net, self.new_optimizer(j, seed), None
        handle = Handle(net, seed)
        handle.x = x = np.concatenate([handle.x] * 2)
        callbacks = [[], [lambda training: self.look_around(net, x)], [EveryBatch()]][how]
        options = {"epochs": epochs, "batch_size": size, "callbacks": callbacks, "shuffle": False, "progress": False}
        walk = self.walk(handle, training=lambda leaf: False) if self.is_usable(handle) else None
        if walk is None or not self.is_trainable(net):
            self.refuses(fit, net, x, np.zeros((len(x), F)), MSE(), optimizer, **options)
            return
        y = np.random.default_rng(seed).normal(size=walk.output.array.shape)
        leaves, fresh = leaves_of(net), follower is None
        trial = Follower(optimizer, net, {}) if fresh else follower.for_copy(optimizer, follower.net, follower.leaves)
        if not any(map(len, map(parameters_of, leaves))):
            trial.begin()  # nothing to hold on to: fit attaches it again
        training = in_training_in_fit(net, heeds_frozen=not fresh)
        draws = any(training(leaf) for leaf in leaves if isinstance(leaf, Dropout | BatchNorm))
        numbers = Numbers(unique([*leaves, *trial.leaves]))
        shake = 1e-6 if net.dtype == np.float32 else 1e-13  # more than rounding: whether the training magnifies it
        shaken, other = numbers.shaken(shake), trial.for_copy(trial.optimizer, trial.net, trial.leaves)
        how = epochs, size, training, int(net.storage.draws[0]), draws
        try:
            with np.errstate(all="ignore"):
                losses, kink = follow_fit(net, numbers, x, y, trial, *how)
                moved = np.abs(np.array(losses) - follow_fit(net, shaken, x, y, other, *how)[0]).max()
        except Refused:
            self.refuses(fit, net, x, y, MSE(), optimizer, **options)
            if any(isinstance(container, Spoken | Looped | Halved) for container in containers_of(net)):
                self.allow(leaves, "all")  # its own forward refused, in the middle of an epoch
                self.followers = [other for other in self.followers if other.net is not net]
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            done = []
            if not self.try_to(lambda: done.append(fit(net, x, y, MSE(), optimizer, **options))):
                return
        self.allow([leaf for leaf in leaves if parts_that_move(leaf, trial)], "parameter")
        self.allow(leaves, "gradient", "draw", "state", *(["mode"] if fresh else []))
        self.require_attached_to_all(trial)
        is_smooth = kink > 1e-3 and np.isfinite(losses).all() and max(losses) < 1e3 and moved < 1e3 * shake * (1 + max(losses))
        if not is_smooth or draws_one_by_one(net):
            if not fresh:
                self.followers.remove(follower)
            return
        self.close(np.array(done[0].loss), np.array(losses), net, "losses of fit", 100)
        self.close_parameters(net, leaves, numbers, 100)
        self.close_state(net, numbers, 100)
        if not fresh:
            follower.__dict__.update(trial.__dict__)
        elif len(self.followers) < MOST_OPTIMIZERS:
            self.followers.append(trial)

    def look_around(self, net, x):
        """What a callback may do."""
        predict(net, x)
        copy.deepcopy(net)
        watch.activations(net, x)

    # Threads.

    @step("handles", jobs=st.lists(st.tuples(which, st.integers(0, 11)), min_size=2, max_size=4), seed=number)
    def at_once(self, jobs, seed):
        """Several threads at once. A second writer may be told to wait; everything else is done, and right."""
        self.run_at_once([(self.handle(i), job) for i, job in jobs], seed)

    @step("handles", i=which, jobs=st.lists(st.integers(0, 11), min_size=2, max_size=4), seed=number)
    def at_once_on_one(self, i, jobs, seed):
        """The same on one network, and on others that have modules of it."""
        mine = {id(leaf) for leaf in leaves_of(self.handle(i).net)}
        related = [handle for handle in self.handles if mine & {id(leaf) for leaf in leaves_of(handle.net)}] or [self.handle(i)]
        self.run_at_once([(related[k % len(related)], job) for k, job in enumerate(jobs)], seed)

    def run_at_once(self, jobs, seed):
        if not Log.threads:
            return
        plans, written, shaken, homeless = [], [], set(), set()
        for handle, job in jobs:
            walk = self.walk(handle, training=lambda leaf: False) if self.is_usable(handle) else None
            if walk is None or not self.is_trainable(handle.net) or self.walk(handle) is None or not is_one_piece(handle.net):
                continue
            plans.append((handle, JOBS[job % len(JOBS)], walk.output.array))
            if self.may_be_homeless(handle):  # its outer network has gone: it is usable until another takes what they share
                homeless.add(id(handle))
            whole = handle.net.root()
            whole = handle.net if whole is None else whole
            self.allow(leaves_of(whole), "draw", "state")
            if plans[-1][1] in WRITERS:
                written += [*leaves_of(whole), *containers_of(whole)]  # one that is empty may grow
                self.allow(leaves_of(whole), "all")
            if plans[-1][1] is AnyOrder._forwards:
                shaken |= {id(leaf) for leaf in leaves_of(whole) if isinstance(leaf, BatchNorm) and in_training(leaf)}
        gone = {id(part) for part in written}
        shaken |= gone
        failures, start = [], threading.Barrier(max(1, len(plans)))

        def work(handle, job, out):
            start.wait()
            try:
                for repeat in range(5):
                    parts = {id(part) for part in (*leaves_of(handle.net), *containers_of(handle.net))}
                    job(self, handle, out, seed + repeat, bool(parts & shaken))
            except (RuntimeError, ValueError) as error:
                try:
                    check_refusal(error)
                    taken = id(handle) in homeless and "already belongs to another network" in str(error)
                    assert isinstance(error, RuntimeError) or taken, repr(error)
                except AssertionError as wrong:
                    failures.append((job.__name__, wrong))
            except BaseException as error:  # whatever it is, it is reported by the thread that waits
                failures.append((job.__name__, error))

        threads = [threading.Thread(target=work, args=plan, daemon=True) for plan in plans]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(60)
        finally:
            sys.setswitchinterval(interval)
        assert not any(thread.is_alive() for thread in threads), "threads wait for each other"
        for job, error in failures:
            raise AssertionError(f"{job} in a thread: {error!r}") from error
        self.followers = [f for f in self.followers if not {id(leaf) for leaf in f.leaves} & gone]

    # Jobs of a thread: (machine, handle, output in evaluation, seed, whether another thread may write to the network).

    def _predicts(self, handle, out, seed, written):
        got = predict(handle.net, handle.x)
        if written:
            assert got.shape == out.shape
        else:
            self.close(got, out, handle.net, "predict in a thread")

    def _forwards(self, handle, out, seed, written):
        assert handle.net.forward(handle.x).shape == out.shape

    def _backward_delta(self, handle, out, seed, written):
        if not any(isinstance(leaf, Embedding) for leaf in leaves_of(handle.net)):
            assert handle.net.backward_delta(handle.x, handle.delta(out.shape)).shape == handle.x.shape

    def _backward(self, handle, out, seed, written):
        handle.net.backward(handle.x, handle.delta(out.shape))

    def _fits(self, handle, out, seed, written):
        if len(handle.x) == 1:
            return  # too few for a BatchNorm
        size = 2 if len(handle.x) % 2 == 0 else len(handle.x)
        fit(handle.net, handle.x, np.zeros(out.shape), MSE(), Adam(0.01), epochs=2, batch_size=size, progress=False)

    def _losses(self, handle, out, seed, written):
        assert MSE()(out, out) == 0

    def _converts(self, handle, out, seed, written):
        if handle.net.root() is None:
            dtype = handle.net.dtype
            handle.net.astype(np.float32 if dtype == np.float64 else np.float64)
            handle.net.astype(dtype)

    def _grows(self, handle, out, seed, written):
        if handle.whole is None and isinstance(handle.net, Sequential):
            try:
                handle.net.append(PReLU().astype(handle.net.dtype))
            except ValueError as error:  # another thread has just changed the type
                if "float32 and float64" not in str(error):
                    raise
                return
            handle.net.pop()

    def _copies(self, handle, out, seed, written):
        if not written:  # a copy is made module by module, so of one that is being changed it may be refused, or half
            assert len(copy.deepcopy(handle.net)) == len(handle.net)

    def _zeroes(self, handle, out, seed, written):
        handle.net.zero_grad()

    def _watches(self, handle, out, seed, written):
        watch.activations(handle.net, handle.x)

    def _steps(self, handle, out, seed, written):
        try:
            SGD(0.01, momentum=0.5).attach(handle.net).step()
        except ValueError as error:  # another thread has been faster: what it puts around the network may have its modules, too
            if not any(text in str(error) for text in ("the network was changed", "its parameters are not one piece")):
                raise


JOBS = [
    AnyOrder._predicts,
    AnyOrder._forwards,
    AnyOrder._backward_delta,
    AnyOrder._backward,
    AnyOrder._fits,
    AnyOrder._losses,
    AnyOrder._converts,
    AnyOrder._grows,
    AnyOrder._copies,
    AnyOrder._zeroes,
    AnyOrder._watches,
    AnyOrder._steps,
]
WRITERS = {AnyOrder._backward, AnyOrder._fits, AnyOrder._converts, AnyOrder._grows, AnyOrder._zeroes, AnyOrder._steps}


def is_one_piece(net):
    """Whether a network's parameters are its own. One that shares modules with the rest of a larger network is not trained alone."""
    try:
        return net.parameters is not None
    except ValueError as error:
        assert "not one piece" in str(error)
        return False


def failure_of(steps):
    """The error that a sequence of steps ends in, or None."""
    machine = AnyOrder()
    for text in steps:
        name, given = text.split("(", 1)
        call = getattr(machine, name)
        if not call.needs or getattr(machine, call.needs):
            try:
                call(**eval(f"dict({given}", {"nan": np.nan}))
            except Exception as error:
                return error
    return None


def replay(log):
    """Take the last sequence of a log, without the steps that its error does not need."""
    steps = [line.strip() for line in log.split("a new sequence\n")[-1].splitlines()]
    error = failure_of(steps)
    if error is None:
        raise SystemExit(f"{len(steps)} steps, all right")
    for size in (8, 4, 2, 1, 1):
        at = len(steps) - size
        while at >= 0:
            shorter = steps[:at] + steps[at + size :]
            found = failure_of(shorter)
            if found is not None and str(found)[:40] == str(error)[:40]:
                steps, error = shorter, found
            at -= size
    print("\n".join(["", "", "the shortest sequence:", *steps]))
    raise error


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to go on")
    parser.add_argument("--seed", type=int, default=0, help="of the first sequences")
    parser.add_argument("--steps", type=int, default=60, help="in a sequence")
    parser.add_argument("--no-threads", action="store_true", help="one at a time: the same seed then is the same run")
    parser.add_argument("--log", help="a file for the steps; printed if there is none")
    parser.add_argument("--replay", help="take the last sequence of such a log again, and look for a shorter one that fails too")
    options = parser.parse_args()
    Log.threads = not options.no_threads
    GUARDS.install()
    for module in list(sys.modules.values()):
        linecache.getlines(getattr(module, "__file__", None) or "")  # as they are now, though somebody may edit them meanwhile
    # A line reaches the file before the step is taken.
    with open(options.log, "w", buffering=1) if options.log else nullcontext(sys.stdout) as Log.file:
        if options.replay:
            replay(Path(options.replay).read_text())
        else:
            go_on(options.seconds, options.seed, options.steps)


def go_on(seconds, first, steps):
    """Sequences of so many steps, as long as there is time."""
    start, chosen = time.monotonic(), first
    how = settings(
        max_examples=10, stateful_step_count=steps, database=None, deadline=None, print_blob=False,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate], report_multiple_bugs=False,
    )  # fmt: skip
    while time.monotonic() - start < seconds:
        run_state_machine_as_test(seed(chosen)(AnyOrder), settings=how)
        chosen += 1
    print(
        f"{Log.steps} steps in {time.monotonic() - start:.0f} s, seeds {first} to {chosen - 1}: "
        f"{Log.networks} looks at a network, {Log.refused} refusals, all right"
    )


if __name__ == "__main__":
    main()
