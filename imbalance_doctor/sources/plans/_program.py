"""Values that a script declares once and passes on: options, configurations, defaults of parameters.

`Script` reads constants. `Program` also follows a value to where the script declares it: the default
of ``add_argument``, an entry of a dict, a field of a configuration class, the default of a parameter
or what its calls give for it. A value that rests on a default, which its caller may change, is marked
with it. Whatever is set a second time is not read.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from imbalance_doctor.sources.plans._static import (
    DEPTH,
    Default,
    Scope,
    Script,
    Site,
    UnreadableError,
    class_of,
    found_scope,
    only_running,
    quoted,
)

_MOST_CALLS = 16
_CHANGERS = frozenset(
    {"update", "setdefault", "pop", "clear", "merge", "merge_from_file", "merge_from_list", "__setitem__"}
)
_BAGS = ("types.SimpleNamespace", "argparse.Namespace", "dict")
_FLAGS = {"store_true": False, "store_false": True}
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Made(NamedTuple):
    """The expression (or class) that makes a value, where it stands, and whose default it is."""

    node: ast.AST
    scope: Scope
    default: Default | None = None


@dataclass(frozen=True)
class _Option:
    flag: str
    default: ast.expr | None
    site: Site


class Program(Script):
    """A script whose declared values are followed to where they are used."""

    def __init__(self, tree: ast.Module) -> None:
        super().__init__(tree)
        self._readers[ast.Subscript] = self._item_value
        self._followed: dict[int, Made] = {}
        self._kept: dict[tuple[int, str], ast.Name] = {}

    # Values ---------------------------------------------------------------------------------------

    def _named(self, node: ast.Name, scope: Scope, depth: int) -> object:
        found, holder = self.bindings(node.id, scope)
        if len(found) == 1 and found[0].parameter:
            return self._parameter(node, found[0].definition, holder, depth)
        return super()._named(node, scope, depth)

    def _symbol(self, node: ast.Attribute, scope: Scope, depth: int) -> object:
        try:
            return super()._symbol(node, scope, depth)
        except UnreadableError:
            return self._declared(node, scope, depth)

    def _item_value(self, node: ast.Subscript, scope: Scope, depth: int) -> object:
        return self._declared(node, scope, depth)

    def _declared(self, node: ast.Attribute | ast.Subscript, scope: Scope, depth: int) -> object:
        try:
            made = self._member(node, scope, depth)
            # A class comes back too: it has no value, and is refused as one.
            value = self.value(made.node, made.scope, depth)  # type: ignore[arg-type]
        except UnreadableError:
            raise UnreadableError(only_running(node)) from None
        if made.default is not None:
            self._take(value, made.default, node)
        return value

    def _take(self, value: object, default: Default, node: ast.expr) -> None:
        """Note a default; one of None says nothing about what will be given."""
        if value is None:
            raise UnreadableError(only_running(node))
        self._taken.append(default)

    def _parameter(self, node: ast.Name, function: ast.AST | None, holder: Scope, depth: int) -> object:
        """Return what every call in the script gives for a parameter, else its default."""
        values = []
        for made in self._given(node, function, holder, depth):
            if not isinstance(made.node, ast.expr):
                raise UnreadableError(only_running(node))
            value = self.value(made.node, made.scope, depth)
            if made.default is not None:
                self._take(value, made.default, node)
            values.append(value)
        if any(value != values[0] for value in values):
            raise UnreadableError(f"{quoted(node)} has several values in the calls of the script")
        return values[0]

    def _given(self, node: ast.Name, function: ast.AST | None, holder: Scope, depth: int) -> list[Made]:
        """Return what the calls of a function give for one parameter; at least one."""
        refused = UnreadableError(only_running(node))
        sites = self._sites(function, node.id) if isinstance(function, _Function) else None
        if sites is None or len(sites) > _MOST_CALLS or depth > DEPTH:
            raise refused
        assert isinstance(function, _Function)  # noqa: S101  None is no function
        given = [self._argument(function, site, node.id) for site in sites]
        found = [Made(arg, site.scope) for arg, site in zip(given, sites, strict=True) if arg is not None]
        if len(found) < len(given) or not given:
            default, place = _default_of(function, node.id)
            if default is None or holder.parent is None:
                raise refused
            owner = holder.parent.name if holder.parent.kind == "class" else f"{function.name}()"
            found.append(Made(default, holder.parent, Default(f"{node.id} of {owner}", place)))
        return found

    # Objects --------------------------------------------------------------------------------------

    def follow(self, node: ast.expr, scope: Scope, depth: int = 0) -> Made:
        """Return what makes an object: a call, a display, or a class.

        Raises
        ------
        UnreadableError
            When more than one place may make it, or none that is known.
        """
        known = self._followed.get(id(node))
        if known is None:
            if depth > DEPTH:
                raise UnreadableError(only_running(node))
            known = self._followed[id(node)] = self._follow(node, scope, depth + 1)
        return known

    def _follow(self, node: ast.expr, scope: Scope, depth: int) -> Made:
        if isinstance(node, ast.Name):
            return self._follow_name(node, scope, depth)
        if isinstance(node, ast.Attribute | ast.Subscript):
            made = self._member(node, scope, depth)
            if isinstance(made.node, ast.expr):
                return self.follow(made.node, made.scope, depth)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "vars" and len(node.args) == 1:
                return self.follow(node.args[0], scope, depth)
            function = self._definition(node.func, scope)
            returned = _only_return(function) if isinstance(function, _Function) else None
            if returned is not None:
                return self.follow(returned, self.scopes[id(function)], depth)
        return Made(node, scope)

    def _follow_name(self, node: ast.Name, scope: Scope, depth: int) -> Made:
        found, holder = self.bindings(node.id, scope)
        if len(found) != 1:
            raise UnreadableError(only_running(node))
        if found[0].parameter:
            given = self._given(node, found[0].definition, holder, depth)
            makers = {
                id(made.node): made
                for one in given
                for made in [self.follow(one.node, one.scope, depth)]  # type: ignore[arg-type]
            }
            if len(makers) != 1:
                raise UnreadableError(only_running(node))
            return next(iter(makers.values()))
        if isinstance(found[0].definition, ast.ClassDef):
            return Made(found[0].definition, holder)
        if found[0].value is None:
            raise UnreadableError(only_running(node))
        return self.follow(found[0].value, holder, depth)

    def _member(self, node: ast.Attribute | ast.Subscript, scope: Scope, depth: int) -> Made:
        """Return the declaration of ``cfg.name`` or ``cfg["name"]``."""
        base = node.value
        name = node.attr if isinstance(node, ast.Attribute) else _key(node.slice)
        refused = UnreadableError(only_running(node))
        if name is None or depth > DEPTH:
            raise refused
        if isinstance(base, ast.Name) and base.id == "self" and isinstance(node, ast.Attribute):
            return self._own(class_of(scope), name, refused)
        if isinstance(base, ast.Attribute) and base.attr == "hparams":
            return self._hyperparameter(base, name, scope, refused)
        if name in self._attributes_set or _last_name(base) in self._changed:
            raise refused
        made = self.follow(base, scope, depth)
        found = None
        if isinstance(made.node, ast.ClassDef):
            found = self._field(made.node, name)
        elif isinstance(made.node, ast.Dict) and isinstance(node, ast.Subscript):
            pairs = zip(made.node.keys, made.node.values, strict=True)
            values = [value for key, value in pairs if key is not None and _key(key) == name]
            found = Made(values[-1], made.scope) if values and None not in made.node.keys else None
        elif isinstance(made.node, ast.Call):
            found = self._made_by(made.node, made.scope, name, refused)
        if found is None:
            raise refused
        return found

    def _made_by(  # noqa: PLR0911  one return per kind of maker
        self, call: ast.Call, scope: Scope, name: str, refused: UnreadableError
    ) -> Made | None:
        """Return one entry of what a call makes: parsed options, a configuration, a bag of names."""
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("parse_args", "parse_known_args"):
            return self._option(call, name)
        opaque = any(keyword.arg is None for keyword in call.keywords)
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        if set(self.names(call.func, scope)) & set(_BAGS):
            return None if opaque or name not in keywords else Made(keywords[name], scope)
        cls = self._definition(call.func, scope)
        if not isinstance(cls, ast.ClassDef):
            return None
        inner = self.scopes[id(cls)]
        if "__init__" in inner.names:
            return self._own(inner, name, refused)
        if opaque or name in inner.attributes:
            raise refused
        if name in keywords:
            return Made(keywords[name], scope)
        if call.args:
            order = [s.target.id for s in cls.body if isinstance(s, ast.AnnAssign) and _is_name(s.target)]  # type: ignore[union-attr]
            plain = not any(isinstance(arg, ast.Starred) for arg in call.args) and not cls.bases
            if not plain or name not in order:
                raise refused
            if order.index(name) < len(call.args):
                return Made(call.args[order.index(name)], scope)
        return self._field(cls, name, instance=True)

    def _own(self, owner: Scope | None, name: str, refused: UnreadableError) -> Made:
        """Return the only value that a class gives one of its attributes."""
        if owner is None or not isinstance(owner.node, ast.ClassDef) or name in self._attributes_set:
            raise refused
        found = owner.attributes.get(name, [])
        if not found:
            field = self._field(owner.node, name)
            if field is None:
                raise refused
            return field
        if len(found) != 1 or found[0].value is None:
            raise refused
        return Made(found[0].value, found_scope(found, owner))

    def _field(self, cls: ast.ClassDef, name: str, *, instance: bool = False) -> Made | None:
        """Return the value that the body of a class, or of a class it derives from, gives a name."""
        for _ in range(DEPTH):
            inner = self.scopes[id(cls)]
            found = inner.names.get(name, [])
            if found:
                value = found[0].value
                if len(found) != 1 or value is None:
                    return None
                if isinstance(value, ast.Call) and "dataclasses.field" in self.names(value.func, inner):
                    given = [keyword.value for keyword in value.keywords if keyword.arg == "default"]
                    if not given:
                        return None
                    value = given[0]
                default = Default(f"{cls.name}.{name}", found[0].value) if instance else None  # type: ignore[arg-type]
                return Made(value, inner, default)
            bases = [self._definition(base, inner) for base in cls.bases]
            parents = [base for base in bases if isinstance(base, ast.ClassDef)]
            if len(parents) != 1:
                return None
            cls = parents[0]
        return None

    def _hyperparameter(self, base: ast.Attribute, name: str, scope: Scope, refused: UnreadableError) -> Made:
        """Return the parameter of ``__init__`` that ``save_hyperparameters`` keeps under its name."""
        owner = class_of(scope)
        if owner is None or not (isinstance(base.value, ast.Name) and base.value.id == "self"):
            raise refused
        init = owner.names.get("__init__", [])
        saved = any(
            isinstance(site.node.func, ast.Attribute)
            and site.node.func.attr == "save_hyperparameters"
            and class_of(site.scope) is owner
            and not site.node.args
            and not site.node.keywords
            for site in self.calls
        )
        function = init[0].definition if len(init) == 1 else None
        if not saved or not isinstance(function, _Function) or "hparams" in self._changed:
            raise refused
        if name in self._attributes_set:
            raise refused
        inner = self.scopes[id(function)]
        key = (id(function), name)
        self._kept.setdefault(key, ast.copy_location(ast.Name(id=name, ctx=ast.Load()), base))
        return Made(self._kept[key], inner)

    def _option(self, call: ast.Call, name: str) -> Made | None:
        """Return the default of a command-line option."""
        options = self._options.get(name, [])
        fixed = call.args and isinstance(call.args[0], ast.List | ast.Tuple) and call.args[0].elts
        if len(options) != 1 or options[0].default is None or fixed:
            return None
        option = options[0]
        return Made(option.default, option.site.scope, Default(option.flag, option.site.node))  # type: ignore[arg-type]

    # What the script holds ------------------------------------------------------------------------

    @cached_property
    def _options(self) -> dict[str, list[_Option]]:
        """Return the options of every parser, by the name that they are read by."""
        found: dict[str, list[_Option]] = {}
        for site in self.calls:
            call = site.node
            if not (isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"):
                continue
            flags = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
            words = [flag for flag in flags if isinstance(flag, str)]
            keywords = {keyword.arg: keyword.value for keyword in call.keywords}
            flag = next((word for word in words if word.startswith("--")), words[0] if words else "")
            name = _key(keywords["dest"]) if "dest" in keywords else flag.lstrip("-").replace("-", "_")
            default = keywords.get("default")
            action = _key(keywords["action"]) if "action" in keywords else None
            if default is None and action in _FLAGS:
                default = ast.copy_location(ast.Constant(value=_FLAGS[action]), call)
            if name:
                found.setdefault(name, []).append(_Option(flag, default, site))
        return found

    @cached_property
    def _attributes_set(self) -> frozenset[str]:
        """Return the attributes that are set from outside their object: their declaration does not hold."""
        names = {
            node.attr
            for node, _ in self.stored
            if not (isinstance(node.value, ast.Name) and node.value.id == "self")
        }
        for site in self.calls:
            if isinstance(site.node.func, ast.Attribute) and site.node.func.attr == "set_defaults":
                names |= {keyword.arg for keyword in site.node.keywords if keyword.arg}
        return frozenset(names)

    @cached_property
    def _changed(self) -> frozenset[str]:
        """Return the names of mappings and objects of which entries are set after they were made."""
        names = {_last_name(node.value) for node in self.items_stored}
        for site in self.calls:
            func, args = site.node.func, site.node.args
            if isinstance(func, ast.Attribute) and func.attr in _CHANGERS:
                names.add(_last_name(func.value))
            elif isinstance(func, ast.Name) and func.id in ("setattr", "delattr") and args:
                names.add(_last_name(args[0]))
        return frozenset(names - {""})

    @cached_property
    def _calls_of(self) -> dict[int, list[Site]]:
        """Return the calls of each function and class of the script, by the id of its definition."""
        found: dict[int, list[Site]] = {}
        for site in self.calls:
            definition = self._definition(site.node.func, site.scope)
            if definition is not None:
                found.setdefault(id(definition), []).append(site)
        return found

    @cached_property
    def _methods_called(self) -> dict[str, list[Site]]:
        found: dict[str, list[Site]] = {}
        for site in self.calls:
            if isinstance(site.node.func, ast.Attribute):
                found.setdefault(site.node.func.attr, []).append(site)
        return found

    @cached_property
    def _passed_on(self) -> frozenset[int]:
        """Return the functions that are named other than to call them: elsewhere they may be called."""
        return frozenset(
            id(definition)
            for node, scope, parent in self.references
            if not (isinstance(parent, ast.Call) and parent.func is node)
            for definition in [self._definition(node, scope)]
            if isinstance(definition, _Function)
        )

    @cached_property
    def _derived_from(self) -> frozenset[int]:
        return frozenset(
            id(definition)
            for cls, scope in self.defined
            for base in cls.bases
            for definition in [self._definition(base, scope)]
            if definition is not None
        )

    def _definition(self, node: ast.expr, scope: Scope) -> ast.AST | None:
        """Return the function or class of the script that a name stands for."""
        if not isinstance(node, ast.Name):
            return None
        found, _ = self.bindings(node.id, scope)
        return found[0].definition if len(found) == 1 and not found[0].parameter else None

    def _sites(self, function: _Function, parameter: str) -> list[Site] | None:
        """Return the calls of a function that may give a parameter; None where they are not known."""
        inner = self.scopes[id(function)]
        owner = inner.parent
        if owner is None or id(function) in self._passed_on:
            return None
        if owner.kind != "class":
            return self._calls_of.get(id(function), [])
        if function.name == "__init__":
            return None if id(owner.node) in self._derived_from else self._calls_of.get(id(owner.node), [])
        # The object of a method is not known, so a call of that name may be of another one.
        for site in self._methods_called.get(function.name, []):
            if self._argument(function, site, parameter) is not None:
                return None
        return []

    def _argument(self, function: _Function, site: Site, parameter: str) -> ast.expr | None:
        """Return what a call gives for a parameter, None when it leaves it at its default."""
        names = [arg.arg for arg in (*function.args.posonlyargs, *function.args.args)]
        parent = self.scopes[id(function)].parent
        if parent is not None and parent.kind == "class":
            names = names[1:]
        for keyword in site.node.keywords:
            if keyword.arg == parameter:
                return keyword.value
        args = site.node.args
        opaque = next((arg for arg in args if isinstance(arg, ast.Starred)), None)
        if opaque is not None or any(keyword.arg is None for keyword in site.node.keywords):
            raise UnreadableError(f"'{parameter}' is only known when the script runs")
        index = names.index(parameter) if parameter in names else len(args)
        return args[index] if index < len(args) else None


def _default_of(function: _Function, name: str) -> tuple[ast.expr | None, ast.arg]:
    a = function.args
    places = [*a.posonlyargs, *a.args]
    defaults = [None] * (len(places) - len(a.defaults)) + list(a.defaults)
    found = [*zip(places, defaults, strict=True), *zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    rest = [(arg, None) for arg in (a.vararg, a.kwarg) if arg is not None]
    place, default = next((arg, value) for arg, value in (*found, *rest) if arg.arg == name)
    return default, place


def _only_return(function: _Function) -> ast.expr | None:
    """Return the expression of the only return of a function, None when there are others or none."""
    stack: list[ast.AST] = list(function.body)
    returns = []
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Return):
            returns.append(node.value)
        if not isinstance(node, _Function | ast.Lambda | ast.ClassDef):
            stack += ast.iter_child_nodes(node)
    return returns[0] if len(returns) == 1 else None


def _key(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name)


def _last_name(node: ast.expr) -> str:
    """Return the name that an object goes by: ``cfg`` of ``self.cfg``, ``args`` of ``vars(args)``."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call) and node.args:
        return _last_name(node.args[0])
    return ""
