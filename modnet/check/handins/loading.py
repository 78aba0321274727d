"""A hand-in as a world of its own: its files loaded once each, and found by one another however they are imported.

Only what a class needs is executed: imports, classes and functions, and of the other statements those that set a name which a
class or one of its functions reads, at the latest when it reads it. So a script that trains, plots or prints when it is
imported does none of it here. What fails is left out and said; the rest of the file goes on.

An import is looked for in the importing file's own folder, in the folders above it up to the root of the hand-in, outside, then
in all other folders of the hand-in: whatever ``sys.path`` its author had, one file is one module, and ``isinstance`` against a
class of another file means what it says.
"""

from __future__ import annotations

import _thread
import ast
import builtins
import inspect
import re
import symtable
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from modnet.check.asking import older
from modnet.check.asking.draws import same_draws
from modnet.check.handins import outside
from modnet.check.handins.source import Code, Problem, names_set, read

_PREFIX = "hand_in"  # of the names of modules, so that none is taken for another
_STATEMENT = 10.0  # seconds that a statement which a class needs may take
#: Methods of classes that are asked about, by any name: forward, what goes back, step.
_ASKED = re.compile(r"^forward$|^step$|^loss$|^update(_params)?$|back|retro|rétro|grad|deriv|dériv", re.I)
#: Names that a file of a hand-in may have too, but that everything else here means otherwise.
_NOT_THEIRS = {"numpy", "numba", "scipy", "sklearn", "matplotlib", "modnet"}


class File:
    """A file of a hand-in: its module object, and the statements that have not been needed yet."""

    def __init__(self, path: Path, module: types.ModuleType) -> None:
        self.path, self.module = path, module
        self.codes: list[Code] = []
        self.waiting: list[tuple[set[str], ast.stmt, Code]] = []
        self.reads: dict[str, set[str]] = {}  # what a class or function of the file reads among the file's names
        self.sets: dict[str, set[str]] = {}  # which of the file's names a function sets when it is called
        self.stars: list[File] = []  # whose names were all imported
        self.places: dict[str, tuple[int | None, int]] = {}  # cell and line of each class statement that was executed
        self.problems: list[Problem] = []
        self.unfound: list[tuple[int, str, outside.Unfound]] = []  # line, where from, and what stands in for the name
        self.names: dict[str, Any] = module.__dict__

    @property
    def stars_from(self) -> list[str]:
        """What it imports all names of."""
        nodes = (node for code in self.codes for top in code.body for node in ast.walk(top))
        return [n.module or "" for n in nodes if isinstance(n, ast.ImportFrom) and n.names[0].name == "*"]


class _Builtins(dict[str, Any]):
    """The builtins of a file, where Python looks for a name that is not among the file's: `find` has the last word."""

    def __init__(self, held: dict[str, Any], find: Callable[[str], Any]) -> None:
        super().__init__(held)
        self.find = find

    def __missing__(self, name: str) -> Any:
        return self.find(name)


def _attribute(find: Callable[[str], Any], name: str) -> Any:
    """The same for whoever asks the module of a file."""
    try:
        return find(name)
    except KeyError:
        raise AttributeError(name) from None


class Loader:
    """Loads the files of a hand-in.

    Parameters
    ----------
    root : the folder of the hand-in. files : what belongs to it: Python files and notebooks.
    begin : told of each file before it is executed. skip : files that are not to be, because that ended the process.
    """

    def __init__(
        self,
        root: Path,
        files: Iterable[Path],
        begin: Callable[[Path], None] = lambda file: None,
        skip: Iterable[Path] = (),
    ) -> None:
        self.root, self.begin, self.skip = root, begin, set(skip)
        self.paths = [file for file in files if file not in self.skip]
        self.own = set(self.paths)
        self.files: dict[Path, File] = {}
        self.folders = sorted({f.parent for f in self.paths}, key=lambda p: (len(p.parts), str(p)))
        self.strict = False  # whether a failing import is to raise, because the file has another way
        self.loading = True
        self._packages: dict[Path, types.ModuleType] = {}
        self._at: list[Path] = []  # the files that are being loaded, each by the one before
        self._needing: set[tuple[File, str]] = set()

    def load_all(self) -> None:
        """Load every file that belongs to the hand-in."""
        for path in self.paths:
            self.file(path)
        self.loading = False

    def _late(self, file: File, name: str) -> Any:
        """What a name means that code of a file reads and that is not there: what waits sets it, or another file lends it."""
        if name.startswith("__"):
            raise KeyError(name)
        if self.loading:
            self.need(file, {name})
        else:
            with same_draws():  # it may draw, in the middle of what is asked
                self.need(file, {name})
        if name in file.names:
            return file.names[name]
        if not self.loading and (lent := self._lent(file, name)) is not None:
            return lent
        if (source := self._star_not_there(file)) and (name == "np" or (self.loading and name[0].isupper())):
            # of a handout that its author did not hand in: what classes derive from is stood in for
            return np if name == "np" else outside.Unfound(f"{source}.{name}")
        raise KeyError(name)

    def _star_not_there(self, file: File, seen: tuple[File, ...] = ()) -> str:
        """A file whose names were all imported, by this one or by those it imports all names of, and which is not there."""
        absent = next((s for s in file.stars_from if outside.absent.get(s.split(".")[0]) == outside.NOT_FOUND), "")
        others = (self._star_not_there(star, (*seen, file)) for star in file.stars if star not in seen)
        return absent or next(filter(None, others), "")

    def _lent(self, file: File, name: str) -> outside.NotImported | None:
        """np, or a function of another file, for a file that does not define or import it; if it does, why it is not there."""
        own, stars = names_set(file.codes), file.stars_from
        if own.get(name) or any(source.split(".")[0] in outside.absent for source in stars):
            why = f"{file.path.name} imports and which cannot be imported here: install it, or build it, first"
            outside.unset[name] = f"it needs {name}, which {why}"
        elif name in own or any(name in names_set(star.codes) for star in file.stars):
            why = f"is set in lines that are not executed here, or fail: set it at the top of {file.path.name}"
            outside.unset[name] = f"it needs {name}, which {why}"
        elif not stars:
            if name == "np":
                return outside.NotImported(name, np, "import numpy as np")
            for other in self.files.values():
                found = other.names.get(name)
                if inspect.isfunction(found) and found.__module__ == other.module.__name__:
                    return outside.NotImported(name, found, f"from {other.path.stem} import {name}")
        return None

    # --- one file

    def file(self, path: Path) -> File:
        """The file, loaded if it is not; one that is being loaded as far as it is."""
        if path in self.files:
            return self.files[path]
        if path in self.skip:
            raise ImportError(f"{path.name} cannot be loaded")
        module = types.ModuleType(self._module_name(path))
        module.__file__ = str(path)
        sys.modules[module.__name__] = module
        file = self.files[path] = File(path, module)
        own = {"__import__": self.imports(path), "input": _no_input}
        late = partial(self._late, file)
        module.__dict__["__builtins__"] = _Builtins({**vars(builtins), **older.BUILTINS, **own}, late)
        module.__dict__["__getattr__"] = partial(_attribute, late)
        self._at.append(path)
        self.begin(path)
        file.codes, file.problems = read(path)
        asked = set()
        for code in file.codes:
            _note_reads(code, file)
            asked |= {node.name for node in class_statements(code.body) if looks_asked(node)}
        for code in file.codes:
            for node in code.body:
                self._take(file, node, code)
        # Their names too: a statement may change a class after it was made.
        self.need(file, asked.intersection(file.places))
        self._at.pop()
        if self._at:
            self.begin(self._at[-1])
        return file

    def _module_name(self, path: Path) -> str:
        inside = path.relative_to(self.root) if path.is_relative_to(self.root) else Path(path.name)
        return ".".join([_PREFIX, *inside.parts]).removesuffix(".py").replace(".ipynb", "_ipynb")

    def _take(self, file: File, node: ast.stmt, code: Code) -> None:
        """Execute a statement that defines; keep one that may be needed; drop what does neither."""
        if isinstance(node, ast.ImportFrom):
            self._import_from(file, node, code)
        elif isinstance(node, ast.Import | ast.FunctionDef | ast.AsyncFunctionDef):
            self._execute(file, node, code)
        elif isinstance(node, ast.ClassDef):
            self.need(file, _names(*node.bases, *node.decorator_list, *node.keywords, *_class_level(node)))
            if self._execute(file, node, code):
                file.places[node.name] = (code.cell, node.lineno)
        elif isinstance(node, ast.If) and "__name__" in ast.dump(node.test):
            return
        elif isinstance(node, ast.If) and _defines(node):
            self.need(file, _names(node.test))
            chosen = self._value(file, node.test, code)
            for inner in node.body if chosen else node.orelse:
                self._take(file, inner, code)
        elif isinstance(node, ast.Try) and _defines(node):
            self._try(file, node, code)
        elif bound := _set_by_call(node, file.sets):
            file.waiting.append((bound, node, code))
        elif not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant | ast.Call | ast.Name | ast.Attribute):
            bound = _bound(node)
            if bound:
                file.waiting.append((bound, node, code))

    def _try(self, file: File, node: ast.Try, code: Code) -> None:
        """Of a try, what defines; one around imports chooses between them as its author meant it."""
        if any(isinstance(inner, ast.Import | ast.ImportFrom) for inner in node.body):
            self.need(file, _bound(node))  # what is above it and sets the same names comes first
            kept = ast.Try([_only_definitions(n) for n in node.body], node.handlers, node.orelse, node.finalbody)
            for handler in kept.handlers:
                handler.body = [_only_definitions(n) for n in handler.body]
            before, self.strict = self.strict, True
            try:
                self._execute(file, ast.copy_location(kept, node), code)
            finally:
                self.strict = before
            return
        for inner in [*node.body, *node.orelse, *node.finalbody]:
            self._take(file, inner, code)

    def _import_from(self, file: File, node: ast.ImportFrom, code: Code) -> None:
        """``from a import b, c``: what a file of the hand-in does not define is stood in for, the other names are imported."""
        if self._fails(file, node, code) is None:
            return
        source, lost, errors = "." * node.level + (node.module or ""), [], []
        for alias in node.names:
            one = ast.copy_location(ast.ImportFrom(node.module, [alias], node.level), node)
            error = self._fails(file, one, code)
            if error is None:
                continue
            errors.append(error)
            if isinstance(error, ImportError) and alias.name != "*":
                lost.append(alias.name)
                owner = sys.modules.get(error.name) if error.name and error.name.startswith(_PREFIX) else None
                stand_in = outside.Unfound(f"{source.strip('.')}.{alias.name}".strip("."), owner)
                file.names[alias.asname or alias.name] = stand_in
                file.unfound.append((node.lineno, source, stand_in))
        if errors:
            text = f"{_said(errors[0])}; stood in for: {', '.join(lost)}" if lost else _said(errors[0])
            file.problems.append(Problem(file.path, code.cell, node.lineno, text))

    def need(self, file: File, names: set[str]) -> None:
        """Execute what waits and sets one of these names, what that reads first."""
        todo, seen = sorted(names), set()
        while todo:
            name = todo.pop()
            if name in seen or (file, name) in self._needing:
                continue
            seen.add(name)
            todo += sorted(file.reads.get(name, ()))
            self._needing.add((file, name))
            self._provide(file, name)
            self._needing.remove((file, name))

    def _provide(self, file: File, name: str) -> None:
        """Set a name by what waits in the file, or in a file all of whose names it imported."""
        for star in file.stars:
            if name not in file.names:
                self.need(star, {name})
                if name in star.names:
                    file.names[name] = star.names[name]
        chosen = [entry for entry in file.waiting if name in entry[0]]
        file.waiting = [entry for entry in file.waiting if name not in entry[0]]
        for bound, node, code in chosen:
            self.need(file, _names(node) - bound)
            with _limited():
                self._execute(file, node, code)

    def _execute(self, file: File, node: ast.stmt, code: Code) -> bool:
        error = self._fails(file, node, code)
        if error is not None:
            lost = (node.name,) if isinstance(node, ast.ClassDef) else ()
            text = f"it took more than {_STATEMENT:g} seconds" if isinstance(error, KeyboardInterrupt) else _said(error)
            file.problems.append(Problem(file.path, code.cell, node.lineno, text, lost))
        return error is None

    def _fails(self, file: File, node: ast.stmt, code: Code) -> BaseException | None:
        """What executing a statement raises."""
        try:
            exec(compile(ast.Module([older.rewritten(node)], []), code.name, "exec"), file.names)
        except BaseException as error:
            return error
        return None

    def _value(self, file: File, node: ast.expr, code: Code) -> Any:
        try:
            return eval(compile(ast.Expression(node), code.name, "eval"), file.names)
        except BaseException:
            return False

    # --- imports

    def imports(self, path: Path) -> Callable[..., Any]:
        """The ``__import__`` of a file."""

        def importing(
            name: str, globals: Any = None, locals: Any = None, fromlist: tuple[str, ...] = (), level: int = 0
        ) -> Any:
            parts = name.split(".") if name else []
            if not level and (parts[0] in _NOT_THEIRS or parts[0] in sys.builtin_module_names):
                return outside.real_import(name, tuple(fromlist or ()), self.strict or not self.loading)
            found = self._near(path, parts, level)
            if found is None and not level and not outside.is_installed(parts[0]):
                found = self._anywhere(parts)
            if found is None:
                if level:
                    raise ImportError(f"there is no {'.' * level}{name} beside {path.name}")
                return outside.real_import(name, tuple(fromlist or ()), self.strict or not self.loading)
            if not level and fromlist:
                found = self._as_package(path, found, parts, fromlist)
            return self._imported(path, found, parts, tuple(fromlist or ()))

        return importing

    def _as_package(self, path: Path, found: Path, parts: list[str], fromlist: tuple[str, ...]) -> Path:
        """The folder of the same name that holds the files which are imported, as from the root, if a file lacks them."""
        folders = [folder.joinpath(*parts) for folder in path.parents[1:] if folder.is_relative_to(self.root)]
        holds = [p for p in folders if p.is_dir() and all((p / f"{name}.py").is_file() for name in fromlist)]
        lacks = holds and found.is_file() and found in self.own and not set(fromlist) <= names_set(read(found)[0]).keys()
        return holds[0] if lacks else found

    def _near(self, path: Path, parts: list[str], level: int) -> Path | None:
        """What an import means in the file's folder or in those above it; relative imports begin where they say."""
        if level:
            folder = path.parents[level - 1]
            return _find(folder, parts) or self._near(path, parts, 0) if parts else folder
        found, of_python = _find(path.parent, parts), parts[0] in sys.stdlib_module_names
        beside = found in self.own and not (path.parent / "__init__.py").is_file()  # in a package, a dot says: the file beside
        if found is not None and (not of_python or beside):
            return found
        inside = [folder for folder in path.parents[1:] if folder.is_relative_to(self.root)]
        return None if of_python else next(filter(None, (_find(folder, parts) for folder in inside)), None)

    def _anywhere(self, parts: list[str]) -> Path | None:
        places = (place for folder in self.folders for place in (folder, folder.parent) if place.is_relative_to(self.root))
        return next(filter(None, (_find(place, parts) for place in places)), None)

    def _imported(self, importer: Path, place: Path, parts: list[str], fromlist: tuple[str, ...]) -> Any:
        module = self._module(place)
        if fromlist:
            file = self.files.get(_init(place))
            for name in fromlist:
                if name == "*":
                    if file is not None and importer in self.files:
                        self.files[importer].stars.append(file)
                    continue
                if file is not None and name not in file.names:
                    self.need(file, {name})
                if not hasattr(module, name) and place.is_dir():
                    inner = _find(place, [name])
                    if inner is not None:
                        setattr(module, name, self._module(inner))
            return module
        # import a.b.c binds a
        above = place
        for name in reversed(parts[1:]):
            above = above.parent
            outer = self._module(above)
            setattr(outer, name, module)
            module = outer
        return module

    def _module(self, place: Path) -> types.ModuleType:
        """The module of a file, or of a folder with or without ``__init__.py``."""
        if place.is_file():
            return self.file(place).module
        if _init(place).is_file():
            return self.file(_init(place)).module
        if place not in self._packages:
            self._packages[place] = types.ModuleType(place.name)
        return self._packages[place]


def _init(place: Path) -> Path:
    return place / "__init__.py" if place.is_dir() else place


def _find(folder: Path, parts: list[str]) -> Path | None:
    """The file or the folder of code that a dotted name means in a folder; as spelt, else whatever the case of its letters."""
    place = folder
    for i, part in enumerate(parts):
        wanted = [f"{part}.py", part] if i == len(parts) - 1 else [part]
        if not place.is_dir():
            return None
        others = [o for o in sorted(place.iterdir()) if o.name.lower() in [name.lower() for name in wanted]]
        options = [*(place / name for name in wanted), *others]
        hit = next((o for o in options if o.is_file() or _has_code(o)), None)
        if hit is None:
            return None
        place = hit
    return place


def _has_code(folder: Path) -> bool:
    return folder.is_dir() and any(folder.rglob("*.py"))


# --- what statements read and set ------------------------------------------------------------------------------------


def _note_reads(code: Code, file: File) -> None:
    """By class and function of a file: the global names that it, and what is in it, reads and sets."""
    for node in _definitions(code.body):
        try:
            table = symtable.symtable(ast.unparse(ast.Module([node], [])), code.name, "exec")
        except (SyntaxError, ValueError, RecursionError):
            continue
        file.reads.setdefault(node.name, set()).update(_globals_of(table.get_children()))
        if isinstance(node, ast.FunctionDef):
            own = table.get_children()[0].get_symbols()
            file.sets[node.name] = {s.get_name() for s in own if s.is_declared_global() and s.is_assigned()}


def _definitions(body: Iterable[ast.stmt]) -> Iterator[ast.ClassDef | ast.FunctionDef]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node
        elif isinstance(node, ast.If | ast.Try):
            yield from _definitions([*node.body, *node.orelse])


def class_statements(body: Iterable[ast.stmt]) -> Iterator[ast.ClassDef]:
    """The class statements of a file, also those under an if, a try, a with or a loop."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in ("body", "orelse", "finalbody"):
                yield from class_statements(getattr(node, part, []))


def looks_asked(node: ast.ClassDef) -> bool:
    """Whether a class statement looks like something to check: a layer, a loss, a network or what moves their parameters."""
    methods = [inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)]
    return any(map(_ASKED.search, methods))


def _globals_of(tables: Iterable[symtable.SymbolTable]) -> Iterator[str]:
    for table in tables:
        yield from (s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced())
        yield from _globals_of(table.get_children())


def _class_level(node: ast.ClassDef) -> list[ast.AST]:
    """What the body of a class executes when the class is made."""
    found: list[ast.AST] = []
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            found += [*inner.decorator_list, *inner.args.defaults, *[d for d in inner.args.kw_defaults if d is not None]]
        else:
            found.append(inner)
    return found


def _names(*nodes: ast.AST) -> set[str]:
    return {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _bound(node: ast.stmt) -> set[str]:
    """The names that a statement sets, or changes by index, attribute or a method that is called on them."""
    found = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            found.add(inner.id)
        elif isinstance(inner, ast.Subscript | ast.Attribute) and isinstance(inner.ctx, ast.Store):
            place: ast.expr = inner
            while isinstance(place, ast.Subscript | ast.Attribute):
                place = place.value
            if isinstance(place, ast.Name):
                found.add(place.id)
    return found


def _set_by_call(node: ast.stmt, sets: dict[str, set[str]]) -> set[str]:
    """The names that a call of a function of the file sets, if the statement is one."""
    called = node.value.func if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None
    return sets.get(called.id, set()) if isinstance(called, ast.Name) else set()


def _defines(node: ast.stmt) -> bool:
    """Whether a statement has an import, a class or a function in it."""
    kinds = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef)
    return any(isinstance(inner, kinds) for inner in ast.walk(node))


def _only_definitions(node: ast.stmt) -> ast.stmt:
    """The statement if it defines or assigns, else pass: in a try around imports there may be anything."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.ClassDef | ast.FunctionDef | ast.Assign | ast.Try | ast.Raise):
        return node
    return ast.copy_location(ast.Pass(), node)


def _no_input(prompt: str = "") -> str:
    raise EOFError("input() has nobody to ask here")


def _said(error: BaseException) -> str:
    text = re.sub(r"\s+", " ", str(error)[:300]).replace(f"{_PREFIX}.", "")
    text = re.sub(r" \([^()]*\.(py|ipynb)\)$", "", text)  # where Python adds the file
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def _limited() -> Iterator[None]:
    """Within it, a KeyboardInterrupt comes after some seconds."""
    lock, over = threading.Lock(), False

    def interrupt() -> None:
        with lock:
            if not over:
                _thread.interrupt_main()

    timer = threading.Timer(_STATEMENT, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            over = True
        timer.cancel()
