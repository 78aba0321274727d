"""Which classes of a hand-in are modules, losses, networks or optims; which only look like one; which were lost."""

from __future__ import annotations

import ast
import functools
import inspect
import re
import sysconfig
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from modnet.check.functions.found import found_in_groups
from modnet.check.functions.pairs import pairs_of
from modnet.check.functions.weighted import is_weighted
from modnet.check.handins import outside
from modnet.check.handins.loaded import Loaded, file_and_cell
from modnet.check.handins.loading import File, class_statements, looks_asked
from modnet.check.handins.source import training_loops
from modnet.check.networks.assembled import is_assembled
from modnet.check.networks.descent import is_descent
from modnet.check.networks.flow import networks_among
from modnet.check.networks.loops import is_loop
from modnet.check.networks.scored import form_of
from modnet.check.networks.trainers import trains
from modnet.check.networks.wiring import aliased, backward_method, role
from modnet.check.optimizers import METHODS, family_of, is_optimizer, is_rule, steps_in_public
from modnet.check.reading.arguments import needs, required
from modnet.check.reading.lines import does_nothing, left_empty, returned, text_of, tree_of
from modnet.check.reading.vocabulary import ADDS, DELTA, FORWARD, GRADIENT, first_method
from modnet.check.styles.layer_calls import is_above
from modnet.check.styles.layer_calls import methods_of as layer_methods
from modnet.check.styles.loss_calls import derivative_alone, is_loss_name, is_truth, methods_of, says_loss, without_more
from modnet.check.styles.modes import is_mode
from modnet.loss import Loss
from modnet.module import Module
from modnet.optim import Optimizer

_FORWARD = re.compile(r"^_*(forward|calcul|propag|avant|predict|__call__)", re.I)
_LAYER = re.compile(r"(layer|couche|pool(ing)?([12]d)?|conv([12]d)?|dense|linear|dropout|embedding)$", re.I)
_BACKWARD = re.compile(r"back|retro|rétro|grad|deriv|dériv", re.I)
_TAKES_MODULES = re.compile(r"modul|layer|couche|reseau|réseau|^net|encod|decod", re.I)
_OF_PROGRESS = re.compile(r"metric|epoch|score|acc|val_|monitor|optimi", re.I)
_GOES_BACK = re.compile(r"(^|_)(back(ward|prop\w*)?|bprop|gradient_descent)(_|$)", re.I)
_STEPS = re.compile(
    r"^_*((get|comput\w+|calc\w*|make|take|do|perform)_)?(update|step|minimi|apply|optimi|descend|maj|mise)", re.I
)
_OPTIMIZER = re.compile(
    r"^(opti\w*|(mini_?batch_?)?sgd\w*|rms_?prop|ada(m\w*|grad|delta)|nesterov\w*|momentum|gradient_?descent)$", re.I
)
_INSTALLED = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def kind_of(cls: type) -> str:
    """What a class is: "module", "loss", "network", "optim" or "loop"; empty if it is none of them."""
    if issubclass(cls, Optimizer):
        return ""
    if form_of(cls) or is_assembled(cls):
        return "network"
    layer = layer_methods(cls)
    goes_back = layer is not None and not layer.slopes  # a layer that moves itself, or puts parameters in
    if not goes_back and is_optimizer(cls) and (steps_in_public(cls) or not (is_loop(cls) or trains(cls))):
        return "optim"
    if _has(cls, "step") and any(map(_OF_PROGRESS.search, required(cls, "step") or [])):
        return ""  # it changes a rate, or stops, by how the training goes
    forward = _has(cls, "forward") and not left_empty(cls, "forward")
    if _has(cls, "step") and not forward:
        return "optim"
    if is_loop(cls):
        return "loop"
    if not forward and (says_loss(cls) or (is_loss_name(cls.__name__) and methods_of(cls))):
        return "loss"
    if not forward:
        adds = first_method(cls, ADDS) and aliased(cls) is not cls and backward_method(cls)
        if adds or trains(cls):
            return "network"
        known = layer_methods(cls)
        if known is not None and not _takes_modules(cls):
            return "" if known.value == FORWARD and _does_otherwise(cls) else "module"
        return "loss" if derivative_alone(cls) else ""
    follows = any(_has(cls, method) for method in (DELTA, GRADIENT))  # the contract of a layer
    if _takes_modules(cls) or (not follows and trains(cls)):
        return "network"
    if _is_loss(cls):
        return "loss"
    return "module" if follows or layer_methods(cls) is not None else ""


def _does_otherwise(cls: type) -> bool:
    """Whether a class has a method of its own, of no known name, that makes something of what it is given."""
    own = {n: v for n, v in vars(cls).items() if inspect.isfunction(v) and n[:1] != "_" and required(cls, n)}
    known = re.compile(f"{_BACKWARD.pattern}|{_STEPS.pattern}|^(get|set|init|load|save|zero|reset)", re.I)
    return any(returned(v) is not None for n, v in own.items() if not known.search(n))


def bases_of(files: Iterable[File]) -> set[type]:
    """What the classes of a hand-in derive from."""
    own = [file.names.get(name) for file in files for name in file.places]
    return {base for cls in own if isinstance(cls, type) for base in cls.__mro__[1:]}


def loaded_classes(file: File, bases: Collection[type]) -> list[Loaded]:
    """The classes that a file defines and that are, or look like, something to check."""
    found = []
    places = [(file.names.get(name), *place) for name, place in file.places.items()]
    inner = [(v, c, n) for of, c, n in places if isinstance(of, type) for v in vars(of).values() if _is_within(v, of)]
    for cls, cell, line in [*places, *inner]:
        if not isinstance(cls, type) or issubclass(cls, Optimizer):
            continue
        kind = "base" if is_base(cls, bases) else kind_of(cls)
        if kind or looks_relevant(cls) or looks_an_optimizer(cls):
            found.append(Loaded(cls, kind, file.path, cell, line, "" if kind else why_not(cls)))
    return found


def _is_within(value: Any, cls: type) -> bool:
    """Whether something is a class written within another."""
    return isinstance(value, type) and value.__qualname__.startswith(f"{cls.__qualname__}.")


def loaded_functions(file: File, others: Iterable[File] = ()) -> Iterator[Loaded]:
    """The pairs of functions that a file defines, `NAME_forward` and `NAME_backward`, and its losses, each as a class."""

    def own(function: Any) -> bool:
        return bool(file_and_cell(function.__code__.co_filename)[0] == str(file.path))

    pairs = pairs_of(file.names, own, [other.names for other in others])
    found: list[tuple[str, Any, dict[str, Any]]] = [
        (name, back, {forward.__name__: forward, back.__name__: back, "pair": (forward, back)}) for name, forward, back in pairs
    ]
    functions = {n: f for n, f in file.names.items() if inspect.isfunction(f) and own(f)}
    classes = [c for c in map(file.names.get, file.places) if isinstance(c, type)]
    found += found_in_groups({None: functions, **{cls: methods_as_functions(cls) for cls in classes}})
    found += [(name, at, {name: at, "weighted": staticmethod(at)}) for name, at in functions.items() if is_weighted(at)]
    plain = {n: getattr(f, "py_func", f) for n, f in file.names.items()}  # numba compiles it as it is
    rules = {n: f for n, f in plain.items() if inspect.isfunction(f) and own(f) and is_rule(f)}
    found += [(name, at, {name: at, "rule": staticmethod(at)}) for name, at in rules.items()]
    for name, at, holder in _descents(file, functions):
        found.append((name, at, {at.__name__: staticmethod(at), "descent": staticmethod(at), "holder": holder}))
    for name, at, held in found:
        made = type(name, (), {n: v for n, v in held.items() if not n.startswith("__")})
        yield Loaded(made, "loop" if "descent" in held else "functions", file.path, *_place_of(at))
    networks = list(networks_among({n: f for n, f in file.names.items() if inspect.isfunction(f)}, functions))
    yield from (Loaded(cls, "network", file.path, *_place_of(at)) for at, cls in networks)
    known = {inspect.unwrap(at) for _, at, _ in found} | {inspect.unwrap(at) for at, _ in networks}
    left = {n: f for n, f in functions.items() if _GOES_BACK.search(n) and f not in known and len(needs(f)) > 1}
    called = _called(file, *others) if left else set()
    for name, at in left.items():
        if name not in called:
            why = f"not recognised: no function here goes forward where {name}({', '.join(needs(at))}) goes back"
            yield Loaded(type(name, (), {}), "", file.path, *_place_of(at), why)


def _called(*files: File) -> set[str]:
    """The names that are called somewhere in these files."""
    nodes = (n for file in files for code in file.codes for top in code.body for n in ast.walk(top))
    called = [n.func for n in nodes if isinstance(n, ast.Call)]
    return {getattr(f, "id", "") or getattr(f, "attr", "") for f in called}


def methods_as_functions(cls: type) -> dict[str, Callable[..., Any]]:
    """The methods of a class that gathers functions, such as activations with their derivatives, as these functions.

    Of a class that is built with something, those that read nothing of self but each other.
    """
    held = [(n, v) for n, v in vars(cls).items() if n[:2] != "__"]
    methods = {n: v for n, v in held if inspect.isfunction(v)}
    plain = methods and not {"__init__", "forward"} & vars(cls).keys() and not any(map(_takes_self, methods.values()))
    if plain and cls.__mro__[1:] == (object,):
        return methods | {n: v.__func__ for n, v in held if isinstance(v, staticmethod)}
    if cls.__mro__[1:] != (object,) or kind_of(cls):
        return {}
    found = {n: v.__func__ for n, v in held if isinstance(v, staticmethod)}
    while "__init__" in vars(cls) and (more := [n for n, v in methods.items() if not _read(v) <= {*found, *methods}]):
        methods = {n: v for n, v in methods.items() if n not in more}
    return found | {n: _without_self(v, cls) for n, v in methods.items()}


def _takes_self(method: Any) -> bool:
    """Whether the first argument of what is written in a class is an object of it, by its name."""
    first = next(iter(inspect.signature(method).parameters), "")
    return first in ("self", "cls", "this", "_", "s", "me")


def _read(method: Any) -> set[str]:
    """What a method reads of self by name; itself, as a name of nothing, if it does something else with it."""
    tree, name = tree_of(method), next(iter(inspect.signature(method).parameters), "")
    nodes = list(ast.walk(tree)) if tree is not None else []
    read = [n for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == name]
    uses = [n for n in nodes if isinstance(n, ast.Name) and n.id == name]
    return {n.attr for n in read} | ({""} if tree is None or len(uses) != len(read) else set())


def _without_self(method: Any, cls: type) -> Callable[..., Any]:
    """A method as a function of its other arguments."""

    @functools.wraps(method)
    def function(*given: Any, **named: Any) -> Any:
        return method(object.__new__(cls), *given, **named)

    signature = inspect.signature(method)
    function.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
    return function


def _place_of(function: Any) -> tuple[int | None, int]:
    """The cell and the line of a function."""
    code = inspect.unwrap(function).__code__
    return file_and_cell(code.co_filename)[1], code.co_firstlineno


def _descents(file: File, functions: dict[str, Any]) -> Iterator[tuple[str, Any, type | None]]:
    """(name, function, class) for each function of a file that trains, and each method that does and takes steps in a loop."""
    yield from ((name, function, None) for name, function in functions.items() if is_descent(function))
    for name, *_ in training_loops(file.codes):
        of, _, method = name.rpartition(".")
        cls = file.names.get(of)
        function = vars(cls).get(method) if isinstance(cls, type) and kind_of(cls) in ("optim", "network") else None
        if inspect.isfunction(function) and is_descent(function, cls):
            yield name, function, cls


def loaded_packages(file: File) -> Iterator[Loaded]:
    """A package that cannot be imported, because it imports names that no file of the hand-in defines."""
    lacks = [(line, source, name.__dict__["_path"].split(".")[-1]) for line, source, name in file.unfound if not name.defined]
    if file.path.name == "__init__.py" and lacks:
        yield Loaded(type("(package)", (), {"lacks": lacks}), "package", file.path, None, lacks[0][0])


def looks_relevant(cls: type) -> bool:
    """Whether a class seems to be a layer, a loss or a network: it has a forward, or goes forward and back by other names."""
    methods = _own_methods(cls)
    if any(map(_BACKWARD.search, methods)):
        named = _LAYER.search(cls.__name__) is not None and not outside.derives_from_outside(cls)
        return named or any(map(_FORWARD.search, methods))
    return ("forward" in methods or _takes_modules(cls)) and not outside.derives_from_outside(cls)


def looks_an_optimizer(cls: type) -> bool:
    """Whether a class seems to be an optimizer, by its name or that of one of its bases, and by that of a method."""
    named = any(_OPTIMIZER.match(k.__name__) for k in cls.__mro__) or family_of(cls.__name__)
    steps = [n for n in _own_methods(cls) if _STEPS.match(n) and not does_nothing(getattr(cls, n, None), or_raises=True)]
    return bool(named and steps) and not outside.derives_from_outside(cls)


def why_not(cls: type) -> str:
    """Why a class is not recognised."""
    methods = list(dict.fromkeys(n for n in _own_methods(cls) if not n.startswith("__")))
    more = f" and {len(methods) - 12} more" if len(methods) > 12 else ""
    return f"not recognised: it has {', '.join(methods[:12])}{more}"


def _own_methods(cls: type) -> list[str]:
    """The names of a class's methods, those inherited from Python's or an installed package's classes left out."""
    held = [item for k in cls.__mro__[:-1] if k not in (Module, Loss) for item in vars(k).items()]
    return [n for n, v in held if inspect.isfunction(v) and not v.__code__.co_filename.startswith(_INSTALLED)]


def lost_classes(file: File) -> Iterator[tuple[str, int | None, int, str]]:
    """The classes that a file should have and that are not there: (name, cell, line, why)."""
    reasons = {name: p.text for p in file.problems for name in p.classes}
    listed = set()
    for code in file.codes:
        for node in class_statements(code.body):
            if node.name in file.places or not looks_asked(node):
                continue
            listed.add(node.name)
            yield node.name, code.cell, node.lineno, reasons.get(node.name, "it is defined where only a running script comes")
    for problem in file.problems:
        for name in problem.classes:
            if name not in listed and name not in file.places:
                yield name, problem.cell, problem.line, problem.text


def _has(cls: type, method: str) -> bool:
    return callable(getattr(cls, method, None))


def is_base(cls: type, bases: Collection[type]) -> bool:
    """Whether it is the handout's empty Module or Loss, which others derive from, or which is named so."""
    if cls not in bases and cls.__name__.lower() not in ("module", "loss", "layer", "couche"):
        return False
    decorates = isinstance(inspect.getattr_static(cls, "forward", None), staticmethod)  # those of who derives from it
    if (inspect.isabstract(cls) or decorates) and cls in bases:
        return True
    known = layer_methods(cls)
    if cls.__name__.lower() in ("module", "loss", "layer", "couche") and not _has(cls, "forward") and known is None:
        return True
    name = "forward" if _has(cls, "forward") else known.value if known is not None else ""
    if not name:
        own = [n for n in (*METHODS, "backward") if n in vars(cls)]
        if not own and looks_an_optimizer(cls):
            return False
        return not looks_relevant(cls) and all(does_nothing(getattr(cls, n), or_raises=True) for n in own)
    text = _lines_of(cls, name)
    heirs: list[type] = cls.__subclasses__()
    handed_on = [
        n
        for n in re.findall(r"return self\.(\w+)\(", text)
        if does_nothing(getattr(cls, n, None)) or all(n in vars(heir) for heir in heirs)
    ]
    if cls in bases and (handed_on or any(_is_abstract(cls, n) for n in re.findall(r"self\.(\w+)\(", text))):
        return True  # what it calls is left to those that derive from it
    if name != "forward":
        return does_nothing(getattr(cls, name), or_raises=True)
    return not re.search(r"return (?!None\b)\S|self\.\w+(\[.*\])?\s*=[^=]|^\s*for ", text, re.MULTILINE)


def _is_abstract(cls: type, method: str) -> bool:
    own = getattr(cls, method, None)
    return own is not None and does_nothing(own, or_raises=True) and not does_nothing(own)


def _lines_of(cls: type, method: str) -> str:
    """The lines of a method, without its texts; empty if they cannot be read."""
    return re.sub(r"(\"\"\"|''').*?\1", "", text_of(getattr(cls, method, None)), flags=re.DOTALL)


def _is_loss(cls: type) -> bool:
    if issubclass(cls, Loss):
        return True
    if _has(cls, "backward_delta") and "backward_delta" in vars(cls):
        return False
    try:
        given = inspect.signature(cls.forward).parameters.values()  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return False
    taken = [p for p in given if p.default is p.empty]
    if isinstance(inspect.getattr_static(cls, "forward", None), staticmethod):
        return len(taken) == 2 and _has(cls, "backward") and not any(is_mode(p.name) for p in taken)
    if any(is_mode(p.name) for p in taken):
        return False  # a layer that is told whether it is in training
    named = [p.name for p in taken]
    own = any(is_loss_name(k.__name__) for k in cls.__mro__[:-1]) or any(is_truth(n) or n.lower() in ("y", "t") for n in named)
    back = required(cls, "backward") or []
    plain = not any(is_loss_name(k.__name__) for k in cls.__mro__[:-1]) and not any(map(is_truth, named))
    if (not own and not _has(cls, "backward_delta")) or (plain and len(back) == 1 and is_above(back[0])):
        return False  # a layer of two inputs
    named_so = any(is_loss_name(k.__name__) for k in cls.__mro__[:-1])
    if not named_so and named[-1:] == back[1:] == ["t"] and is_above(back[0]):
        return False  # a layer that is told the time, on both ways
    return len(without_more(named)) == 3 and (
        methods_of(cls) is not None or _has(cls, "backward") or "loss" in cls.__name__.lower()
    )


def _takes_modules(cls: type) -> bool:
    """Whether a class is a network: it takes modules from outside, and its methods call theirs."""
    word = re.sub("[^a-z]", "", cls.__name__.lower())
    if word.startswith(("sequen", "network", "reseau", "neuralnet")):
        return True
    try:
        given = list(inspect.signature(cls).parameters.values())
    except (TypeError, ValueError):
        return False
    own = vars(cls).get("backward")
    if inspect.isfunction(own) and any(role(name) == "loss" for name in inspect.signature(own).parameters):
        return True
    takes = any(p.kind is p.VAR_POSITIONAL or _TAKES_MODULES.search(p.name) for p in given)
    return (takes or bool(first_method(cls, ADDS))) and _delegates(cls)


def _delegates(cls: type) -> bool:
    """Whether a method of a class calls forward of something other than itself, or what it holds as a module."""
    trees = [tree_of(v) for k in cls.__mro__[:-1] for v in vars(k).values() if inspect.isfunction(v)]
    if None in trees:
        return True  # its lines cannot be read: its signature is all there is
    for node in (n for tree in trees if tree is not None for n in ast.walk(tree)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner, name = node.func.value, node.func.attr
        if isinstance(owner, ast.Name) and owner.id == "self":
            if _TAKES_MODULES.search(name) and not hasattr(cls, name):
                return True
        elif _FORWARD.search(name):
            of_super = isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "super"
            if not of_super:
                return True
    return False
