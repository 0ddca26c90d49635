"""What can be known of a Python script without running it: names, scopes, constants.

The syntax tree is walked once, without recursion, so that no script can exhaust the stack. A name has
a value here only when exactly one statement gives it one.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeGuard

_SYMBOL_ROOTS = ("torch.", "monai.", "numpy.")
_TENSOR_MAKERS = frozenset(
    {
        "torch.tensor",
        "torch.as_tensor",
        "torch.Tensor",
        "torch.FloatTensor",
        "numpy.array",
        "numpy.asarray",
        "torch.from_numpy",
    }
)
_TENSOR_METHODS = frozenset(
    {"to", "cuda", "cpu", "float", "double", "half", "bfloat16", "view", "reshape", "unsqueeze", "clone"}
)
_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}
_LARGEST = 2**63
_LARGEST_POWER = 64
_LONGEST = 100_000
DEPTH = 60
_MEANINGS = 8
_SHOWN = 60


class UnreadableError(Exception):
    """A value that only the running script knows; says so."""


@dataclass(frozen=True)
class Tensor:
    """A tensor or array of known numbers, flat; `scalar` when it has no axis."""

    values: tuple[float, ...]
    scalar: bool = False


@dataclass(frozen=True)
class Symbol:
    """A constant of a library, as ``torch.bfloat16``."""

    name: str


@dataclass(frozen=True)
class Binding:
    """One statement that gives a name its meaning: an import, a plain assignment, or something else.

    `definition` is the function or class of that name, or the function that has it as a parameter.
    """

    line: int
    value: ast.expr | None = None
    imported: str | None = None
    parameter: bool = False
    definition: ast.AST | None = None


@dataclass(eq=False)
class Scope:
    """A module, class, function or comprehension, and the names bound in it."""

    kind: str
    name: str
    parent: Scope | None
    names: dict[str, list[Binding]] = field(default_factory=dict)
    attributes: dict[str, list[Binding]] = field(default_factory=dict)
    outer: dict[str, str] = field(default_factory=dict)
    node: ast.AST | None = None

    def bind(self, name: str, binding: Binding) -> None:
        """Record one more meaning of a name."""
        self.names.setdefault(name, []).append(binding)

    def chain(self) -> Iterator[Scope]:
        """Yield this scope and those around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def inside(self) -> str:
        """Return the names of the functions and classes around, for hints such as ``train``."""
        return ".".join(scope.name for scope in self.chain() if scope.name)


@dataclass(frozen=True)
class Default:
    """A default that a value was taken from: whose it is, and where it stands."""

    name: str
    node: ast.AST


@dataclass(frozen=True, eq=False)
class Site:
    """A call, the scope it stands in, and the name it is assigned to (empty when to none)."""

    node: ast.Call
    scope: Scope
    target: str = ""


class Script:
    """A parsed script: its calls, loops and references, and what its names stand for."""

    def __init__(self, tree: ast.Module) -> None:
        self.module = Scope("module", "", None)
        self.calls: list[Site] = []
        self.loops: list[tuple[ast.For | ast.AsyncFor, Scope]] = []
        self.references: list[tuple[ast.expr, Scope, ast.AST]] = []
        self.attributes: set[str] = set()
        self.imported_roots: set[str] = set()
        self.stored: list[tuple[ast.Attribute, Scope]] = []
        self.scopes: dict[int, Scope] = {}
        self.defined: list[tuple[ast.ClassDef, Scope]] = []
        self.items_stored: list[ast.Subscript] = []
        self._taken: list[Default] = []
        self._defaults: dict[int, tuple[Default, ...]] = {}
        self._stars: list[str] = []
        self._targets: dict[int, str] = {}
        self._handled: set[int] = set()
        self._values: dict[int, object] = {}
        self._readers: dict[type[ast.expr], Callable[[Any, Scope, int], object]] = {
            ast.Constant: self._constant,
            ast.UnaryOp: self._signed,
            ast.BinOp: self._combined,
            ast.List: self._listed,
            ast.Tuple: self._listed,
            ast.Name: self._named,
            ast.Attribute: self._symbol,
            ast.Call: self._called,
        }
        self.module.node = tree
        self._walk(tree)
        self.calls.sort(key=lambda site: (site.node.lineno, site.node.col_offset))

    # Names ----------------------------------------------------------------------------------------

    def bindings(self, name: str, scope: Scope) -> tuple[list[Binding], Scope]:
        """Return the meanings of a name as seen from a scope, and the scope that holds them."""
        for around in scope.chain():
            if name in around.names and (around.kind != "class" or around is scope):
                return around.names[name], around
        return [], self.module

    def names(self, node: ast.expr, scope: Scope, depth: int = 0) -> tuple[str, ...]:
        r"""Return the dotted names that an expression may stand for, imports resolved.

        >>> script = Script(ast.parse("import torch.nn as nn\nnn.BCELoss()"))
        >>> script.names(script.calls[0].node.func, script.module)
        ('torch.nn.BCELoss',)
        """
        tail = ""
        while isinstance(node, ast.Attribute):
            tail = f".{node.attr}{tail}"
            node = node.value
        if not isinstance(node, ast.Name) or depth > DEPTH:
            return ()
        found, holder = self.bindings(node.id, scope)
        imported = tuple(binding.imported + tail for binding in found[:_MEANINGS] if binding.imported)
        if imported:
            return imported
        if not found:
            return (node.id + tail, *(f"{root}.{node.id}{tail}" for root in self._stars))
        value = found[0].value
        if len(found) == 1 and isinstance(value, ast.Name | ast.Attribute):
            return tuple(name + tail for name in self.names(value, holder, depth + 1))
        return ()

    def origin(self, node: ast.expr, scope: Scope) -> ast.expr | None:
        """Follow a variable or ``self`` attribute to the one expression that makes its value."""
        for _ in range(DEPTH):
            if isinstance(node, ast.Name):
                found, scope = self.bindings(node.id, scope)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                owner = class_of(scope) if node.value.id == "self" else None
                found = owner.attributes.get(node.attr, []) if owner else []
                scope = found_scope(found, scope)
            else:
                return node
            if len(found) != 1 or found[0].value is None:
                return None
            node = found[0].value
        return None

    # Constants ------------------------------------------------------------------------------------

    def value(self, node: ast.expr, scope: Scope, depth: int = 0) -> object:
        """Return the constant an expression stands for.

        Returns
        -------
        None, a bool, number, string, tuple of numbers, `Tensor` or `Symbol`.

        Raises
        ------
        UnreadableError
            With the reason, when only the running script knows.
        """
        if depth == 0:
            self._taken.clear()
        if id(node) in self._values:
            self._taken += self._defaults.get(id(node), ())
            return self._values[id(node)]
        if depth > DEPTH:
            raise UnreadableError(f"{quoted(node)} is nested too deeply to read")
        before = len(self._taken)
        value = self._compute(node, scope, depth + 1)
        self._values[id(node)] = value
        self._defaults[id(node)] = tuple(self._taken[before:])
        return value

    def defaults(self, node: ast.expr) -> tuple[Default, ...]:
        """Return the defaults that the value of an expression, once read, rests on."""
        return tuple(dict.fromkeys(self._defaults.get(id(node), ())))

    def _compute(self, node: ast.expr, scope: Scope, depth: int) -> object:
        reader = self._readers.get(type(node))
        if reader is None:
            raise UnreadableError(only_running(node))
        return reader(node, scope, depth)

    def _constant(self, node: ast.Constant, _scope: Scope, _depth: int) -> object:
        if node.value is None or isinstance(node.value, bool | int | float | str):
            return node.value
        raise UnreadableError(only_running(node))

    def _signed(self, node: ast.UnaryOp, scope: Scope, depth: int) -> object:
        value = self.value(node.operand, scope, depth)
        if not isinstance(node.op, ast.USub | ast.UAdd) or not _is_number(value):
            raise UnreadableError(only_running(node))
        return -value if isinstance(node.op, ast.USub) else value

    def _combined(self, node: ast.BinOp, scope: Scope, depth: int) -> object:
        left, right = (self.value(side, scope, depth) for side in (node.left, node.right))
        return _calculated(node, left, right)

    def _listed(self, node: ast.List | ast.Tuple, scope: Scope, depth: int) -> object:
        if len(node.elts) <= _LONGEST:
            items = tuple(self.value(item, scope, depth) for item in node.elts)
            if all(_is_number(item) for item in items):
                return items
        raise UnreadableError(only_running(node))

    def _symbol(self, node: ast.Attribute, scope: Scope, _depth: int) -> object:
        for name in self.names(node, scope):
            if name.startswith(_SYMBOL_ROOTS):
                return Symbol(name)
        raise UnreadableError(only_running(node))

    def _named(self, node: ast.Name, scope: Scope, depth: int) -> object:
        found, holder = self.bindings(node.id, scope)
        if any(binding.parameter for binding in found):
            raise UnreadableError(only_running(node))
        if len(found) > 1:
            lines = ", ".join(str(binding.line) for binding in found[:4])
            raise UnreadableError(f"{quoted(node)} has several values (lines {lines})")
        if found and found[0].value is not None:
            try:
                return self.value(found[0].value, holder, depth)
            except UnreadableError as error:
                if isinstance(found[0].value, ast.Call | ast.BinOp | ast.IfExp):
                    raise UnreadableError(only_running(node)) from None
                raise error from None
        if found and found[0].imported and found[0].imported.startswith(_SYMBOL_ROOTS):
            return Symbol(found[0].imported)
        raise UnreadableError(only_running(node))

    def _called(self, node: ast.Call, scope: Scope, depth: int) -> object:
        names = self.names(node.func, scope)
        if len(node.args) == 1 and not isinstance(node.args[0], ast.Starred):
            made = self._made(names, node.args[0], scope, depth)
            if made is not None:
                return made
        if isinstance(node.func, ast.Attribute) and node.func.attr in _TENSOR_METHODS:
            inner = self.value(node.func.value, scope, depth)
            if isinstance(inner, Tensor):
                return inner
        raise UnreadableError(only_running(node))

    def _made(self, names: tuple[str, ...], arg: ast.expr, scope: Scope, depth: int) -> object:
        """Return what a known maker of tensors or numbers makes of its argument; None where unknown."""
        if "torch.ones" in names:
            size = self.value(arg, scope, depth)
            size = size[0] if isinstance(size, tuple) and len(size) == 1 else size
            return Tensor((1.0,) * size) if isinstance(size, int) and 0 < size <= _LONGEST else None
        if not _TENSOR_MAKERS.isdisjoint(names):
            inner = self.value(arg, scope, depth)
            if _is_number(inner):
                return Tensor((float(inner),), scalar=True)
            return Tensor(inner) if isinstance(inner, tuple) else inner if isinstance(inner, Tensor) else None
        if names in (("int",), ("float",)):
            inner = self.value(arg, scope, depth)
            if _is_number(inner) and math.isfinite(inner):
                return int(inner) if names == ("int",) else float(inner)
        return None

    # The walk -------------------------------------------------------------------------------------

    def _walk(self, tree: ast.Module) -> None:
        stack: list[tuple[ast.AST, Scope, ast.AST]] = [
            (child, self.module, tree) for child in reversed(tree.body)
        ]
        scopes = [self.module]
        while stack:
            node, scope, parent = stack.pop()
            inner = self._enter(node, scope)
            if inner is not None:
                scopes.append(inner)
            self._record(node, scope, parent)
            below: list[tuple[ast.AST, Scope, ast.AST]] = []
            for name, child in ast.iter_fields(node):
                where = inner if inner is not None and name in _INNER_FIELDS else scope
                below += [
                    (item, where, node)
                    for item in (child if isinstance(child, list) else [child])
                    if isinstance(item, ast.AST) and not isinstance(item, ast.expr_context)
                ]
            stack += reversed(below)  # so that statements are met in the order of the file
        for scope in scopes:
            _move_outward(scope, self.module)

    def _enter(self, node: ast.AST, scope: Scope) -> Scope | None:
        """Open the scope of a function, class or comprehension; bind its name and parameters."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            scope.bind(node.name, Binding(node.lineno, definition=node))
            kind = "class" if isinstance(node, ast.ClassDef) else "function"
            inner = Scope(kind, node.name, scope, node=node)
            self.scopes[id(node)] = inner
        elif isinstance(node, ast.Lambda):
            inner = Scope("function", "", scope, node=node)
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            return Scope("comprehension", "", scope)
        else:
            return None
        if not isinstance(node, ast.ClassDef):
            a = node.args
            for arg in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg):
                if arg is not None:
                    inner.bind(arg.arg, Binding(arg.lineno, parameter=True, definition=node))
        else:
            self.defined.append((node, scope))
        return inner

    def _record(self, node: ast.AST, scope: Scope, parent: ast.AST) -> None:  # noqa: C901, PLR0912
        if isinstance(node, ast.Import | ast.ImportFrom):
            self._import(node, scope)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._assign(target, node.value, scope)
        elif isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self._assign(node.target, node.value, scope)
            else:
                self._handled.add(id(node.target))
        elif isinstance(node, ast.Global | ast.Nonlocal):
            kind = "global" if isinstance(node, ast.Global) else "nonlocal"
            scope.outer |= dict.fromkeys(node.names, kind)
        elif isinstance(node, ast.Call):
            self.calls.append(Site(node, scope, self._targets.get(id(node), "")))
        elif isinstance(node, ast.For | ast.AsyncFor):
            self.loops.append((node, scope))
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                if not isinstance(parent, ast.Attribute):
                    self.references.append((node, scope, parent))
            elif id(node) not in self._handled:
                scope.bind(node.id, Binding(node.lineno))
        elif isinstance(node, ast.Attribute):
            self.attributes.add(node.attr)
            if not isinstance(node.ctx, ast.Load):
                self.stored.append((node, scope))
                owner = class_of(scope)
                if id(node) not in self._handled and owner is not None:
                    owner.attributes.setdefault(node.attr, []).append(Binding(node.lineno))
            elif not isinstance(parent, ast.Attribute):
                self.references.append((node, scope, parent))
        elif isinstance(node, ast.Subscript):
            if not isinstance(node.ctx, ast.Load):
                self.items_stored.append(node)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            scope.bind(node.name, Binding(node.lineno))
        elif isinstance(node, ast.MatchMapping) and node.rest:
            scope.bind(node.rest, Binding(node.lineno))

    def _import(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        module = "" if isinstance(node, ast.Import) else "." * node.level + (node.module or "")
        for alias in node.names:
            full = f"{module}.{alias.name}" if module else alias.name
            self.imported_roots.add(full.partition(".")[0])
            if alias.name == "*":
                self._stars.append(module)
            elif alias.asname:
                scope.bind(alias.asname, Binding(node.lineno, imported=full))
            elif module:
                scope.bind(alias.name, Binding(node.lineno, imported=full))
            else:
                root = alias.name.partition(".")[0]
                scope.bind(root, Binding(node.lineno, imported=root))

    def _assign(self, target: ast.expr, value: ast.expr, scope: Scope) -> None:
        if isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
            starred = any(isinstance(item, ast.Starred) for item in (*target.elts, *value.elts))
            if len(target.elts) == len(value.elts) and not starred:
                for one, its_value in zip(target.elts, value.elts, strict=True):
                    self._assign(one, its_value, scope)
        elif isinstance(target, ast.Tuple) and _parses_known(value):
            self._assign(target.elts[0], value, scope)  # the rest are words that were not known
        elif isinstance(target, ast.Name):
            self._handled.add(id(target))
            self._targets[id(value)] = target.id
            scope.bind(target.id, Binding(target.lineno, value=value))
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            self._targets[id(value)] = f"{target.value.id}.{target.attr}"
            owner = class_of(scope) if target.value.id == "self" else None
            if owner is not None:
                self._handled.add(id(target))
                binding = _ScopedBinding(target.lineno, value=value, scope=scope)
                owner.attributes.setdefault(target.attr, []).append(binding)


@dataclass(frozen=True)
class _ScopedBinding(Binding):
    """A ``self`` attribute: its value is to be read in the method that sets it."""

    scope: Scope | None = None


_INNER_FIELDS = frozenset({"body", "elt", "key", "value", "generators"})


def found_scope(found: list[Binding], scope: Scope) -> Scope:
    """Return the scope in which the value of an attribute is to be read."""
    own = found[0].scope if found and isinstance(found[0], _ScopedBinding) else None
    return own or scope


def _parses_known(value: ast.expr) -> bool:
    """Whether this is ``parser.parse_known_args()``, whose first result is the one of ``parse_args``."""
    func = value.func if isinstance(value, ast.Call) else None
    return isinstance(func, ast.Attribute) and func.attr == "parse_known_args"


def class_of(scope: Scope) -> Scope | None:
    """Return the class that a scope lies in, if any."""
    return next((around for around in scope.chain() if around.kind == "class"), None)


def _move_outward(scope: Scope, module: Scope) -> None:
    """Give names declared global or nonlocal to the scope they belong to."""
    for name, kind in scope.outer.items():
        moved = scope.names.pop(name, [])
        home = module if kind == "global" else next((s for s in scope.chain() if name in s.names), None)
        for binding in moved if home is not None else ():
            home.bind(name, Binding(binding.line))  # type: ignore[union-attr]


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _calculated(node: ast.BinOp, left: object, right: object) -> object:
    compute = _OPERATORS.get(type(node.op))
    if compute is None:
        raise UnreadableError(only_running(node))
    if isinstance(left, Tensor) or isinstance(right, Tensor):
        return _tensor_calculated(node, left, right)
    if not (_is_number(left) and _is_number(right)):
        raise UnreadableError(only_running(node))
    if isinstance(node.op, ast.Pow | ast.LShift) and abs(right) > _LARGEST_POWER:
        raise UnreadableError(f"{quoted(node)} is too large to compute")
    try:
        result = compute(left, right)
    except (ArithmeticError, TypeError, ValueError):
        raise UnreadableError(f"{quoted(node)} cannot be computed") from None
    if isinstance(result, complex) or not abs(result) <= _LARGEST:
        raise UnreadableError(f"{quoted(node)} is too large to compute")
    return result


def _tensor_calculated(node: ast.BinOp, left: object, right: object) -> Tensor:
    """Element by element, with one plain number on the other side."""
    tensor, number = (left, right) if isinstance(left, Tensor) else (right, left)
    if not isinstance(tensor, Tensor) or not _is_number(number):
        raise UnreadableError(only_running(node))
    pairs = ((v, number) if tensor is left else (number, v) for v in tensor.values)
    results = [_calculated(node, *pair) for pair in pairs]
    return Tensor(tuple(float(one) for one in results if _is_number(one)), scalar=tensor.scalar)


def quoted(node: ast.expr) -> str:
    """Quote an expression of the script, shortened.

    >>> quoted(ast.parse("cfg.queue", mode="eval").body)
    "'cfg.queue'"
    """
    text = ast.unparse(node)
    return "'" + (text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...") + "'"


def only_running(node: ast.expr) -> str:
    """Return the reason that names an expression."""
    return f"{quoted(node)} is only known when the script runs"
