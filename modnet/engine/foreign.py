"""Foreign: a class that somebody else wrote, seen as a module of a network.

Any object with forward and backward_delta is a module. Where its numbers are is its own affair: an array or a dict in
``_parameters``, the same in ``_gradient``, arrays beside them, None, a gradient that is 0.0 until the first backward, names
for pieces of the same memory. This adapter knows; nobody else asks.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from modnet.engine.storage import has_storage

Shape = tuple[int, ...]


class Foreign:
    """What the library needs of a module that is not one of its own.

    Parameters
    ----------
    module : the object.
    """

    def __init__(self, module: Any) -> None:
        self.module = module

    @staticmethod
    def name_of(module: Any) -> str:
        """A module in one line: its own repr if it has one, else its class."""
        if hasattr(module, "wire"):
            return type(module).__name__
        if any("__repr__" in vars(kind) for kind in type(module).__mro__ if kind is not object):
            text = repr(module)
            return type(module).__name__ if "\n" in text else text
        return type(module).__name__

    # Operations.

    def forward_of_zeros(self, shape: Shape) -> Any:
        """What forward gives for zeros (batch, ...). A copy of the module is asked, in evaluation: nothing in it changes."""
        twin = _copied(self.module)
        with global_draws_unmoved(), np.errstate(all="ignore"):
            if twin is not self.module and (getattr(twin, "training", False) or has_storage(twin)):
                Foreign(twin).set_mode(False)  # of all that a container holds, whatever its own is
            return twin.forward(np.zeros(shape))

    def result(self, value: Any, batch: int, method: str, expected: Shape | None = None) -> np.ndarray:
        """What a method returned: an array with a row an example, of the expected shape if one is given."""
        shape = None if value is None else np.shape(value)
        good = shape is not None and len(shape) > 0 and (shape == expected if expected else shape[0] == batch)
        if not good:
            came = "None" if value is None else f"shape {shape}"
            wanted = f"shape {expected}" if expected else f"an array ({batch}, ...)"
            wanted = f"its input's shape, {expected}" if expected and method == "backward_delta" else wanted
            raise ValueError(f"{self.name_of(self.module)}: {method} returned {came}, expected {wanted}")
        return np.asarray(value)

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method if the module has it."""
        found = getattr(self.module, method, None)
        return found(*arguments) if callable(found) else None

    def zero_grad(self) -> None:
        """The module's own zero_grad. One that fails because there are no parameters has nothing to do."""
        self._call_unless_empty("zero_grad")

    def update_parameters(self, gradient_step: float) -> None:
        """The module's own update_parameters, in the same way."""
        self._call_unless_empty("update_parameters", gradient_step)

    def _call_unless_empty(self, method: str, *arguments: Any) -> None:
        # The statement's base class computes with _parameters, which is None in a module without any.
        with suppress(*(() if self.has_parameters else (TypeError, AttributeError))):
            self.call(method, *arguments)

    # Mode.

    def set_mode(self, training: bool) -> None:
        """Put it into training or evaluation."""
        method = getattr(self.module, "train" if training else "eval", None)
        if callable(method):
            method()
        elif hasattr(self.module, "training"):
            self.module.training = training

    # Numbers.

    @property
    def has_parameters(self) -> bool:
        """Whether it has ``_parameters``; a network may have them in several pieces, which it has not as one vector."""
        if has_storage(self.module):
            return bool(self.module.counts.parameters)
        return getattr(self.module, "_parameters", None) is not None

    @staticmethod
    def may_train(module: Any) -> bool:
        """Whether a module may have parameters: one that is not the library's may always."""
        if getattr(type(module), "is_compiled", False):
            return bool(module.counts.parameters or module.shares_parameters_of)
        return True

    def pairs(self) -> list[tuple[Any, np.ndarray, Any]]:
        """Parameters with their gradients: (key, array, gradient). One whose gradient is not there yet is left out."""
        gradient = getattr(self.module, "_gradient", None)
        found = []
        for key, array in self.held("_parameters").items():
            slope = gradient.get(key) if key != "" and isinstance(gradient, dict) else gradient
            if slope is not None and not (np.ndim(slope) == 0 and np.ndim(array) > 0 and slope == 0):  # 0.0 until a backward
                found.append((None if key == "" else key, array, slope))
        return found

    def held(self, name: str) -> dict[str, Any]:
        """What is in ``_parameters`` or ``_gradient``, by its key; an array that is in no dict has an empty one."""
        held = getattr(self.module, name, None)
        return held if isinstance(held, dict) else {} if held is None else {"": held}

    def writable_pairs(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Parameters with their gradients, these as arrays that can be scaled in place."""
        for key, array, gradient in self.pairs():
            if not isinstance(gradient, np.ndarray):  # a number, or a list
                if key is None:
                    self.module._gradient = np.array(gradient, array.dtype)
                else:
                    self.module._gradient[key] = np.array(gradient, array.dtype)
        return [(array, gradient) for _, array, gradient in self.pairs()]

    def arrays(self) -> list[np.ndarray]:
        """The arrays in ``_parameters``."""
        return [np.asarray(a) for a in self.held("_parameters").values()]

    def gradients(self) -> list[np.ndarray]:
        """The arrays in ``_gradient``."""
        return [np.asarray(a) for a in self.held("_gradient").values() if a is not None]

    def named(self) -> dict[str, np.ndarray]:
        """The parameter arrays by name."""
        own = getattr(self.module, "named_parameters", None)
        if callable(own):
            return dict(own())
        return {"parameters" if key == "" else key: array for key, array in self.held("_parameters").items()}

    def numbers(self) -> list[np.ndarray]:
        """Copies of all numbers that it holds, for a comparison with a later moment."""
        return [np.array(value) for _, value in held_numbers(self.module)]

    def moved_beside_parameters(self) -> list[str] | None:
        """The attributes beside ``_parameters`` that its own update_parameters moves.

        Found by trying a copy; None if that tells nothing yet, as before the first backward.
        """
        if not callable(getattr(self.module, "update_parameters", None)):
            return []
        known = [array for array in self.arrays() if isinstance(array, np.ndarray)]
        beside = self._floats()
        try:
            trial = Foreign(copy.deepcopy(self.module))
            before = {key: np.array(value) for key, value in trial._floats().items()}
            trial.module.update_parameters(1.0)
            after = trial._floats()
        except Exception:  # whatever a stranger's code raises, it is not this question that should report it
            return None
        moved = []
        for key, old in before.items():
            original = beside.get(key)
            is_a_view = isinstance(original, np.ndarray) and any(np.shares_memory(original, array) for array in known)
            new = after.get(key)
            # What is all zeros afterwards is a gradient that update_parameters clears.
            if is_a_view or new is None or np.array_equal(old, new, equal_nan=True) or not np.any(new):
                continue
            moved.append(key[0])
        return list(dict.fromkeys(moved))

    def _floats(self) -> dict[tuple[str, int], Any]:
        """Its floating-point numbers beside ``_parameters``, by attribute."""
        found: dict[tuple[str, int], Any] = {}
        count: dict[str, int] = {}
        for name, value in held_numbers(self.module):
            if name not in ("_parameters", "_gradient") and np.asarray(value).dtype.kind == "f":
                place = count[name] = count.get(name, -1) + 1
                found[name, place] = value
        return found

    # Saving and restoring.

    def snapshot(self) -> list[tuple[Any, Any]]:
        """Copies of all that its attributes hold, to be given to `put_back`."""
        kept: list[tuple[Any, Any]] = []
        seen: set[int] = set()

        def visit(value: Any) -> None:
            if id(value) in seen:
                return
            seen.add(id(value))
            if isinstance(value, np.ndarray):
                if value.flags.writeable:
                    kept.append((value, value.copy()))
            elif isinstance(value, dict | list | tuple):
                then = copy.copy(value)
                if isinstance(then, dict):
                    then = {name: item for name, item in then.items() if not _is_left_out(then, name)}
                if not isinstance(value, tuple):
                    kept.append((value, then))
                for item in then.values() if isinstance(then, dict) else then:
                    visit(item)
            elif isinstance(value, np.random.Generator | np.random.RandomState):
                kept.append((_bits_of(value), _bits_of(value).state))
            elif has_storage(value):  # one of the library's, inside
                for name in ("parameters", "gradient", "state", "draws"):
                    visit(getattr(value.storage, name))
            elif hasattr(value, "__dict__") and callable(getattr(value, "forward", None)) and not isinstance(value, type):
                visit(vars(value))

        if hasattr(self.module, "__dict__"):
            visit(vars(self.module))
        return kept

    def is_finite(self) -> bool:
        """Whether the arrays in ``_parameters`` are finite."""
        return all(a.dtype.kind != "f" or bool(np.isfinite(a).all()) for a in self.arrays())

    def count_not_finite(self) -> int:
        """How many of the arrays and numbers that it holds are NaN or infinite. If a step makes it more, a parameter burst."""
        arrays = [np.asarray(value) for _, value in held_numbers(self.module)]
        return sum(a.dtype.kind == "f" and not np.isfinite(a).all() for a in arrays)


def put_back(kept: Iterable[tuple[Any, Any]]) -> None:
    """Give arrays their numbers back, and objects, lists and dicts what they held. Views stay views."""
    for target, value in kept:
        if isinstance(target, np.ndarray):
            target[...] = value
        elif isinstance(target, list):
            target[:] = value
        elif isinstance(target, np.random.BitGenerator):
            target.state = value
        else:
            for key in [k for k in target if k not in value and not _is_left_out(target, k)]:
                del target[key]
            target.update(value)


#: Attributes by which the library's own modules and containers know where their numbers lie.
BOOKKEEPING = {
    "_storage", "_at", "_arrays", "_bound", "_programs", "counts", "_modules", "_part_of", "_version", "_last", "_range",
    "_strangers", "_recent", "_element", "_own_gradient",
}  # fmt: skip


#: Attributes that say a mode. It belongs to whoever trains or predicts, maybe in another thread: putting numbers back does not
#: touch it.
MODE = ("training", "_training", "_put_into_evaluation")


def _is_left_out(attributes: dict[Any, Any], name: Any) -> bool:
    return name in MODE or ("_storage" in attributes and name in BOOKKEEPING)


def held_numbers(value: Any, name: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """All numbers and arrays that an object holds at any depth, except ``_gradient``; each with the attribute it is in."""
    seen = set() if seen is None else seen
    if isinstance(value, np.ndarray | int | float | np.number):
        yield name, value
        return
    if id(value) in seen or isinstance(value, type):
        return
    seen.add(id(value))
    if isinstance(value, list | tuple):
        inside: Iterable[tuple[Any, Any]] = enumerate(value)
    elif isinstance(value, dict):
        inside = value.items()
    elif has_storage(value):  # one of the library's: its numbers lie in its storage
        at, others = value._storage, [leaf for leaf in value.leaves() if leaf is not value]
        blocks = () if at is None else (at.parameters, at.state, at.settings, at.draws, int(value.training))
        inside = enumerate([*blocks, *others] if blocks else [])
    else:
        inside = list(getattr(value, "__dict__", {}).items())
    for key, part in inside:
        if key != "_gradient":
            yield from held_numbers(part, name or str(key), seen)


@contextmanager
def global_draws_unmoved() -> Iterator[None]:
    """Context: numpy's global generator is afterwards where it was, whatever a stranger's code draws from it."""
    before = np.random.get_state()
    try:
        yield
    finally:
        np.random.set_state(before)


def _bits_of(generator: Any) -> Any:
    """The bit generator of a Generator or a RandomState, whose state is where its draws are."""
    return generator.bit_generator if isinstance(generator, np.random.Generator) else generator._bit_generator


def _copied(module: Any) -> Any:
    try:
        return copy.deepcopy(module)
    except Exception:  # an open file, a lock: then the module itself is asked
        return module
