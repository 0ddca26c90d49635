"""The expression language of the rules: parsed, checked, compiled to closures, three-valued.

Python syntax through a whitelist: numbers, words in quotes, ``True`` and ``False``, dotted fact names,
the rule's params, ``and or not``, comparisons, ``in`` a tuple of words, ``+ - * /``, a few functions and
``given(fact)``. Text from a rule file is parsed by `ast` and never executed.

A fact that is missing or NaN, a division by zero and an undefined result are *unknown*, which is None
throughout. Kleene's logic applies: ``unknown or true`` is true, ``unknown and false`` is false.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from imbalance_doctor.errors import did_you_mean
from imbalance_doctor.facts.base import Facts, FactSpec, fact_specs

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "Expression", "ExpressionError", "Node", "parse"]

MAX_LENGTH = 1200
MAX_DEPTH = 25
_MAX_INT = 2**63

_ONE_ARGUMENT: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": math.ceil,
    "floor": math.floor,
    "sqrt": math.sqrt,
}
_MANY_ARGUMENTS: dict[str, Callable[..., Any]] = {"min": min, "max": max}
_BOUNDED = "at_most"  # at_most(value, limit) is the value where the limit is unknown
_FUNCTIONS: dict[str, Callable[..., Any]] = _ONE_ARGUMENT | _MANY_ARGUMENTS | {_BOUNDED: min}
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_PREFIX = {"not": "not ", "neg": "-"}
_AST_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_CALCULATE = _FUNCTIONS | _ARITHMETIC | {"not": operator.not_, "neg": operator.neg}
_SIGNS: dict[type[ast.operator], str] = {
    ast.Pow: "**",
    ast.FloorDiv: "//",
    ast.LShift: "<<",
    ast.RShift: ">>",
}
_AST_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
}
_SAID = {"number": "a number", "bool": "a condition", "text": "text", "vector": "one number per class"}

# Checked before `ast` sees the text: Python would only warn about some of these, and on standard error.
_STRANGE = re.compile(r"[^A-Za-z0-9_.\s()<>=!+\-*/,'\"]")
_SPACE = re.compile(r"\s")
_RUN_ON = re.compile(r"(?<![\w.])\d[\d.]*+(?:[eE][+-]?\d++)?+(?=[A-Za-z_])")
_INSTEAD = {"&": "write 'and'", "|": "write 'or'", "[": "write a tuple: (…)", "^": "there are no powers"}


class ExpressionError(Exception):
    """What is wrong with an expression, and at which character; the loader adds the file."""

    def __init__(self, problem: str, offset: int, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.offset = offset
        self.hint = hint


class Node(NamedTuple):
    """One step of an expression.

    Attributes
    ----------
    op
        ``constant``, ``fact``, ``param``, ``given``, ``not``, ``and``, ``or``, ``in``, ``not in``,
        ``neg``, a comparison, an arithmetic sign, or the name of a function.
    kind
        Type of the result: ``number``, ``bool`` or ``text``.
    parts
        Operands.
    value
        The constant, the tuple of words, or the name of the fact or param.
    """

    op: str
    kind: str
    parts: tuple[Node, ...] = ()
    value: Any = None

    def __str__(self) -> str:
        parts = [str(part) if not part.parts else f"({part})" for part in self.parts]
        if self.op in {"in", "not in"}:
            words = ", ".join(map(repr, self.value))
            return f"{parts[0]} {self.op} ({words}{',' * (len(self.value) == 1)})"
        if self.op in _FUNCTIONS:
            return f"{self.op}({', '.join(map(str, self.parts))})"
        if self.op in _PREFIX:
            return _PREFIX[self.op] + parts[0]
        if parts:
            return f" {self.op} ".join(parts)
        return {"constant": repr(self.value), "given": f"given({self.value})"}.get(self.op, str(self.value))


class Unknowns(NamedTuple):
    """Why an expression has no value: facts that are missing, and steps that are undefined."""

    facts: tuple[str, ...]
    undefined: tuple[str, ...]


class Expression:
    """A checked expression with its params bound.

    Parameters
    ----------
    source
        As written.
    node
        The checked tree; None when `source` is known to be sound and need not be parsed before its use.
    params
        Values of the params.
    """

    __slots__ = ("_node", "_run", "_steps", "params", "source")

    def __init__(self, source: str, node: Node | None, params: Mapping[str, float]) -> None:
        self.source = source
        self.params = params
        self._node = node
        # Compiled when first asked: most rules speak of other losses than the plan's, or never fire.
        self._run: Callable[[Facts], Any] | None = None
        self._steps: _Step | None = None

    @property
    def node(self) -> Node:
        """The tree."""
        if self._node is None:
            self._node = parse(self.source, self.params).node
        return self._node

    @property
    def kind(self) -> str:
        """Type of the result: ``number``, ``bool`` or ``text``."""
        return self.node.kind

    @property
    def facts(self) -> tuple[str, ...]:
        """Dotted names of the facts it reads, in order of appearance."""
        return tuple(dict.fromkeys(_names(self.node, {"fact", "given"})))

    @property
    def used_params(self) -> frozenset[str]:
        """Names of the params it reads."""
        return frozenset(_names(self.node, {"param"}))

    def evaluate(self, facts: Facts) -> Any:
        """Return the value for these facts; None where unknown."""
        if self._run is None:
            self._run = _compile(self.node, self.params)
        return self._run(facts)

    def unknowns(self, facts: Facts) -> Unknowns:
        """Return why the expression is unknown for these facts."""
        if self._steps is None:
            self._steps = _step(self.node, self.params)
        found = dict.fromkeys(_why(self._steps, facts))
        return Unknowns(
            facts=tuple(text for is_fact, text in found if is_fact),
            undefined=tuple(text for is_fact, text in found if not is_fact),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Expression):
            return NotImplemented
        return self.node == other.node and dict(self.params) == dict(other.params)

    def __hash__(self) -> int:
        return hash(self.node)

    def __str__(self) -> str:
        return self.source


def parse(source: str, params: Mapping[str, float]) -> Expression:
    """Parse and check one expression.

    Parameters
    ----------
    source
        The text of the rule.
    params
        The rule's params; the expression may name them.

    Raises
    ------
    ExpressionError
        For anything outside the language, unknown names and misused types.

    Examples
    --------
    >>> rule = parse("plan.batch_size < least", {"least": 64})
    >>> from imbalance_doctor.evidence import TrainingPlan
    >>> rule.evaluate(Facts(plan=TrainingPlan(batch_size=63)))
    True
    >>> rule.evaluate(Facts()) is None
    True
    """
    if len(source) > MAX_LENGTH:
        raise ExpressionError(f"expected at most {MAX_LENGTH} characters, but got {len(source)}", 0)
    # Of the same length, so that offsets stay true.
    flat = source if source.isprintable() else _SPACE.sub(" ", source)
    if not flat.strip():
        raise ExpressionError("expected an expression, but got nothing", 0)
    if found := _STRANGE.search(flat):
        sign = found.group()
        raise ExpressionError(f"unexpected {sign!r} in an expression", found.start(), _INSTEAD.get(sign, ""))
    if found := _RUN_ON.search(flat):
        raise ExpressionError("expected a number such as 12, 0.5 or 1e-3", found.start())
    shift = len(flat) - len(flat.lstrip())
    try:
        tree = ast.parse(flat.strip(), mode="eval").body
    except SyntaxError as error:
        offset = shift + error.offset - 1 if error.offset else len(source)  # 0: it ended too soon
        raise ExpressionError(
            f"expected an expression, but got {_excerpt(source)}", offset, error.msg
        ) from None
    except (RecursionError, MemoryError, ValueError):
        raise ExpressionError("the expression is nested too deeply", 0) from None
    return Expression(source, _Builder(params, shift).node(tree, 0), params)


def _excerpt(text: str, limit: int = 40) -> str:
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


class _Builder:
    """Turns Python's syntax tree into checked nodes."""

    def __init__(self, params: Mapping[str, float], shift: int) -> None:
        self.params = params
        self.shift = shift
        self.specs = fact_specs()

    def fail(self, at: ast.expr, problem: str, hint: str = "") -> ExpressionError:
        return ExpressionError(problem, at.col_offset + self.shift, hint)

    def node(self, tree: ast.expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.fail(tree, f"expected at most {MAX_DEPTH} levels, but this is nested deeper")
        form = _FORMS.get(type(tree))
        if form is None:
            what = type(tree).__name__
            raise self.fail(tree, f"this form ({what}) is not part of the expression language")
        return form(self, tree, depth + 1)

    def junction(self, tree: ast.BoolOp, depth: int) -> Node:
        word = "and" if isinstance(tree.op, ast.And) else "or"
        return Node(word, "bool", tuple([self.typed(part, "bool", word, depth) for part in tree.values]))

    def unary(self, tree: ast.UnaryOp, depth: int) -> Node:
        if isinstance(tree.op, ast.Not):
            return Node("not", "bool", (self.typed(tree.operand, "bool", "not", depth),))
        if isinstance(tree.op, ast.USub):
            return Node("neg", "number", (self.typed(tree.operand, "number", "-", depth),))
        raise self.fail(tree, "a sign before a number can only be '-'")

    def arithmetic(self, tree: ast.BinOp, depth: int) -> Node:
        sign = _AST_ARITHMETIC.get(type(tree.op))
        if sign is None:
            hint = "write floor(a / b)" if isinstance(tree.op, ast.FloorDiv) else "there are + - * and /"
            raise self.fail(
                tree, f"'{_SIGNS.get(type(tree.op), '')}' is not part of the expression language", hint
            )
        left = self.typed(tree.left, "number", sign, depth)
        return Node(sign, "number", (left, self.typed(tree.right, "number", sign, depth)))

    def typed(self, tree: ast.expr, kind: str, user: str, depth: int) -> Node:
        node = self.node(tree, depth)
        if node.kind != kind:
            raise self.fail(tree, f"'{user}' expected {_SAID[kind]}, but got {_SAID[node.kind]} ({node})")
        return node

    def constant(self, tree: ast.Constant, _depth: int) -> Node:
        value = tree.value
        match value:
            case bool():
                return Node("constant", "bool", value=value)
            case int() | float():
                if abs(value) >= _MAX_INT:
                    raise self.fail(tree, "expected a number below 2**63")
                return Node("constant", "number", value=value)
            case str():
                return Node("constant", "text", value=value)
            case _:
                raise self.fail(tree, f"{value!r} is not part of the expression language")

    def name(self, tree: ast.Name, _depth: int) -> Node:
        if tree.id in self.params:
            return Node("param", "number", value=tree.id)
        if tree.id in _FUNCTIONS or tree.id == "given":
            raise self.fail(tree, f"expected {tree.id}(…), but got no parentheses")
        short: dict[str, str] = {name.partition(".")[2]: name for name in reversed([*self.specs])}
        hint = (
            f"did you mean '{short[tree.id]}'?"
            if tree.id in short
            else did_you_mean(tree.id, [*self.params, "True", "False"])
        )
        raise self.fail(tree, f"unknown name '{tree.id}'", hint or "a param of this rule, or text in quotes")

    def spec(self, tree: ast.expr) -> FactSpec:
        if not (isinstance(tree, ast.Attribute) and isinstance(tree.value, ast.Name)):
            raise self.fail(tree, "expected a fact as 'family.name'")
        name = f"{tree.value.id}.{tree.attr}"
        spec = self.specs.get(name)
        if spec is None:
            raise self.fail(tree, f"unknown fact '{name}'", did_you_mean(name, self.specs))
        return spec

    def fact(self, tree: ast.Attribute, _depth: int) -> Node:
        spec = self.spec(tree)
        if spec.kind == "vector":
            raise self.fail(tree, f"'{spec.name}' is one number per class", "use it with given(…) only")
        if spec.kind == "text" and not spec.choices:
            raise self.fail(tree, f"'{spec.name}' is free text", "it may appear in messages only")
        return Node("fact", spec.kind, value=spec.name)

    def chain(self, tree: ast.Compare, depth: int) -> Node:
        # a < b < c is (a < b) and (b < c): what is read twice has no side effects
        links = []
        left = tree.left
        for op, right in zip(tree.ops, tree.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                links.append(self.member(left, op, right, depth))
            elif type(op) in _AST_COMPARE:
                links.append(self.compare(left, _AST_COMPARE[type(op)], right, depth))
            else:
                raise self.fail(left, "'is' is not part of the expression language", "write == or given(…)")
            left = right
        return links[0] if len(links) == 1 else Node("and", "bool", tuple(links))

    def compare(self, left: ast.expr, sign: str, right: ast.expr, depth: int) -> Node:
        one, two = self.node(left, depth), self.node(right, depth)
        if one.kind != two.kind:
            said = f"{_SAID[one.kind]} ({one}) and {_SAID[two.kind]} ({two})"
            raise self.fail(right, f"'{sign}' expected two of a kind, but got {said}")
        if one.kind != "number" and sign not in {"==", "!="}:
            raise self.fail(left, f"'{sign}' expected numbers, but got {_SAID[one.kind]} ({one})")
        if one.kind == "text":
            fact, word, at = (one, two, right) if one.op == "fact" else (two, one, left)
            if fact.op != "fact" or word.op != "constant":
                raise self.fail(left, "text is compared as fact == 'word'")
            self.check_word(fact, word.value, at)
        return Node(sign, "bool", (one, two))

    def member(self, left: ast.expr, op: ast.cmpop, right: ast.expr, depth: int) -> Node:
        fact = self.node(left, depth)
        word = "in" if isinstance(op, ast.In) else "not in"
        if fact.op != "fact" or fact.kind != "text":
            raise self.fail(left, f"'{word}' expected a text fact, but got {fact}")
        words = []
        if not isinstance(right, ast.Tuple) or not right.elts:
            raise self.fail(right, f"'{word}' expected a tuple such as ('a', 'b')", "a single word: ('a',)")
        for item in right.elts:
            if not (isinstance(item, ast.Constant) and isinstance(item.value, str)):
                raise self.fail(item, f"'{word}' expected words in quotes")
            self.check_word(fact, item.value, item)
            words.append(item.value)
        return Node(word, "bool", (fact,), tuple(words))

    def check_word(self, fact: Node, word: str, at: ast.expr) -> None:
        choices = self.specs[fact.value].choices
        if word not in choices:
            hint = did_you_mean(word, choices) or f"one of {', '.join(choices)}"
            raise self.fail(at, f"'{fact.value}' is never '{word}'", hint)

    def call(self, tree: ast.Call, depth: int) -> Node:
        name = tree.func.id if isinstance(tree.func, ast.Name) else ""
        if name not in _FUNCTIONS and name != "given":
            hint = (
                did_you_mean(name, [*_FUNCTIONS, "given"]) or f"there are {', '.join(_FUNCTIONS)} and given"
            )
            raise self.fail(tree, f"unknown function '{name}'" if name else "expected a function name", hint)
        if tree.keywords:
            raise self.fail(tree, f"{name}() takes no named arguments")
        if name == "given":
            if len(tree.args) != 1:
                raise self.fail(tree, "given() expected one fact")
            return Node("given", "bool", value=self.spec(tree.args[0]).name)
        count = len(tree.args)
        if name in _ONE_ARGUMENT:
            wanted, fits = "one number", count == 1
        elif name == _BOUNDED:
            wanted, fits = "two numbers", count == 2  # noqa: PLR2004  a value and its limit
        else:
            wanted, fits = "two numbers or more", count > 1
        if not fits:
            raise self.fail(tree, f"{name}() expected {wanted}, but got {count}")
        return Node(name, "number", tuple(self.typed(a, "number", f"{name}()", depth) for a in tree.args))


_FORMS: dict[type[ast.expr], Callable[[_Builder, Any, int], Node]] = {
    ast.Constant: _Builder.constant,
    ast.Name: _Builder.name,
    ast.Attribute: _Builder.fact,
    ast.BoolOp: _Builder.junction,
    ast.UnaryOp: _Builder.unary,
    ast.BinOp: _Builder.arithmetic,
    ast.Compare: _Builder.chain,
    ast.Call: _Builder.call,
}


def _compile(node: Node, params: Mapping[str, float]) -> Callable[[Facts], Any]:
    """Return the node as a function of the facts; None is unknown."""
    op, value = node.op, node.value
    if not node.parts:
        return _leaf(op, value, params)
    parts = [_compile(part, params) for part in node.parts]
    if op in {"and", "or"}:
        return _junction(parts, decisive=op == "or")
    if op in _COMPARE:
        return _compare(_COMPARE[op], *parts)
    if op == _BOUNDED:
        return _at_most(*parts)
    if op in {"in", "not in"}:
        return _calculate(value.__contains__ if op == "in" else lambda word: word not in value, parts)
    return _calculate(_CALCULATE[op], parts)


def _leaf(op: str, value: Any, params: Mapping[str, float]) -> Callable[[Facts], Any]:
    if op == "fact":
        return _fact(value)
    if op == "given":
        read = _fact(value)
        return lambda facts: read(facts) is not None
    fixed = params[value] if op == "param" else value
    return lambda _facts: fixed


def _fact(name: str) -> Callable[[Facts], Any]:
    family, _, fact = name.partition(".")

    def read(facts: Facts) -> Any:
        value = getattr(facts.family(family), fact, None)
        return value if value == value else None  # noqa: PLR0124  NaN is unknown

    return read


def _junction(parts: list[Callable[[Facts], Any]], *, decisive: bool) -> Callable[[Facts], Any]:
    def decide(facts: Facts) -> bool | None:
        unknown = False
        for part in parts:
            value = part(facts)
            if value is None:
                unknown = True
            elif bool(value) is decisive:
                return decisive
        return None if unknown else not decisive

    return decide


def _compare(
    function: Callable[[Any, Any], Any], left: Callable[[Facts], Any], right: Callable[[Facts], Any]
) -> Callable[[Facts], Any]:
    def compare(facts: Facts) -> Any:
        one = left(facts)
        two = right(facts)
        return None if one is None or two is None else function(one, two)

    return compare


def _at_most(value: Callable[[Facts], Any], limit: Callable[[Facts], Any]) -> Callable[[Facts], Any]:
    def bounded(facts: Facts) -> Any:
        one, two = value(facts), limit(facts)
        return one if one is None or two is None else min(one, two)

    return bounded


def _calculate(function: Callable[..., Any], parts: list[Callable[[Facts], Any]]) -> Callable[[Facts], Any]:
    def calculate(facts: Facts) -> Any:
        values = [part(facts) for part in parts]
        if None in values:
            return None
        try:
            result = function(*values)
        except (ArithmeticError, ValueError):  # division by zero, overflow, root of a negative number
            return None
        return result if result == result else None  # noqa: PLR0124  inf - inf is unknown

    return calculate


class _Step(NamedTuple):
    """A node with the function of every part, for finding out which part is unknown."""

    node: Node
    run: Callable[[Facts], Any]
    parts: tuple[_Step, ...]


def _step(node: Node, params: Mapping[str, float]) -> _Step:
    return _Step(node, _compile(node, params), tuple(_step(part, params) for part in node.parts))


def _why(step: _Step, facts: Facts) -> Iterator[tuple[bool, str]]:
    """Yield what makes this unknown step unknown: (True, fact) or (False, sentence)."""
    node = step.node
    if node.op == "fact":
        value = facts.value(node.value)
        yield (True, node.value) if value is None else (False, f"{node.value} is not a number")
        return
    needed = step.parts[:1] if node.op == _BOUNDED else step.parts
    unknown = [part for part in needed if part.run(facts) is None]
    for part in unknown:
        yield from _why(part, facts)
    if not unknown:
        divides = node.op == "/" and step.parts[1].run(facts) == 0
        yield False, f"division by zero in {node}" if divides else f"{node} is undefined"


def _names(node: Node, ops: set[str]) -> Iterator[str]:
    """Yield the names that steps of some kinds carry, in order of appearance."""
    if node.op in ops:
        yield node.value
    for part in node.parts:
        yield from _names(part, ops)
