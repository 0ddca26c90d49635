"""What a script does with the losses of single rows: focal losses by hand, and other weighting.

A call with ``reduction="none"`` is half a loss; the other half is the code after it. Read are a plain
mean or sum, and a product with ``(1 - p) ** gamma`` in the same function. Anything else is not taken
for the plain loss.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from imbalance_doctor.sources.plans._static import Scope, Script, UnreadableError, class_of, quoted

_ROWS_WEIGHTED = "its rows are weighted by code that is not read"
_MEAN_WEIGHTED = "its mean is weighted by code that is not read"
_REDUCERS = ("mean", "sum")
_SAME_ROWS = frozenset({"detach", "float", "view", "reshape", "flatten", "squeeze", "cpu", "clone", "to"})
_CLAMPS = frozenset({"clamp", "clip", "clamp_min", "clamp_max", "clamp_"})


@dataclass(frozen=True)
class _Factor:
    """``(1 - p) ** gamma``."""

    node: ast.expr
    base: ast.expr
    exponent: ast.expr


@dataclass(kw_only=True)
class RowLoss:
    """What became of the losses of rows.

    Attributes
    ----------
    reason
        Why the loss cannot be read; empty where it can.
    focal
        It is a focal loss; the attributes below are those of this loss.
    name
        Of the class or function that holds it.
    gamma
        The exponent, to be read in `scope`.
    alpha
        Weight of the positives, -1 where both classes weigh the same.
    alpha_reason
        Why `alpha` cannot be read.
    stabilised
        The factor is kept away from zero.
    reduction
        ``mean`` or ``sum``, empty where it cannot be told.
    """

    reason: str = ""
    focal: bool = False
    name: str = ""
    scope: Scope
    gamma: ast.expr | None = None
    alpha: float = -1.0
    alpha_node: ast.expr | None = None
    alpha_reason: str = ""
    stabilised: bool = False
    reduction: str = ""


@dataclass
class _Body:
    """The expressions of one function, not of those inside it."""

    nodes: list[ast.AST]
    parents: dict[int, ast.AST]
    factors: list[_Factor] = field(default_factory=list)


class RowLosses:
    """Reads what follows the losses of one script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._bodies: dict[int, _Body] = {}

    def read(self, results: list[tuple[ast.Call, Scope]], *, per_row: bool) -> RowLoss | None:
        """Return what the script does with the results of a loss; None where it is left as it is.

        Parameters
        ----------
        results
            The calls that give losses.
        per_row
            The loss does not reduce them itself.
        """
        found = [self._one(call, scope, per_row=per_row) for call, scope in results]
        told = [one for one in found if one is not None]
        if not told:
            return RowLoss(reason=_ROWS_WEIGHTED, scope=self._script.module) if per_row else None
        return next((one for one in told if one.reason), told[0])

    def _one(self, call: ast.Call, scope: Scope, *, per_row: bool) -> RowLoss | None:
        body = self._body(scope)
        if not per_row and not body.factors:
            return None
        rows = self._touched(body, [call])
        for factor in body.factors:
            focused = self._touched(body, [factor.node])
            if not any(_multiplied(node, rows, focused) for node in body.nodes):
                continue
            if not per_row:
                return RowLoss(reason=_MEAN_WEIGHTED, scope=scope)
            return self._focal(factor, body, scope, rows, focused)
        return self._plain(body, scope, call) if per_row else None

    # A focal loss ---------------------------------------------------------------------------------

    def _focal(
        self, factor: _Factor, body: _Body, scope: Scope, rows: set[int], focused: set[int]
    ) -> RowLoss:
        owner = class_of(scope)
        found = RowLoss(focal=True, scope=scope, gamma=factor.exponent)
        found.name = owner.name if owner is not None else scope.name
        found.stabilised = self._kept_from_zero(factor.base, scope)
        self._weights(found, body, rows, focused)
        kinds = {
            kind
            for node in body.nodes
            for kind, reduced, whole in [self._reduction(node, scope)]
            if kind and whole and id(reduced) in focused
        }
        found.reduction = kinds.pop() if len(kinds) == 1 else ""
        return found

    def _weights(self, found: RowLoss, body: _Body, rows: set[int], focused: set[int]) -> None:
        """Read the other factors of the product: alpha per class, or a number that scales all."""
        for node in body.nodes:
            chain: list[ast.expr] = []
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
                above = body.parents.get(id(node))
                inner = isinstance(above, ast.BinOp) and isinstance(above.op, ast.Mult)
                chain = [] if inner else list(_factors(node))
            elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Mult):
                chain = [node.target, *_factors(node.value)]
            if not any(id(one) in focused for one in chain):
                continue
            for one in chain:
                if id(one) in focused or id(one) in rows:
                    continue
                self._weight(found, one)

    def _weight(self, found: RowLoss, node: ast.expr) -> None:
        made = self._script.origin(node, found.scope) or node
        alpha = self._per_class(made, found.scope)
        try:
            value = self._script.value(alpha if alpha is not None else node, found.scope)
        except UnreadableError as error:
            found.alpha_reason = str(error) if alpha is not None else f"{quoted(node)} weighs the rows"
            return
        if not isinstance(value, int | float) or isinstance(value, bool):
            found.alpha_reason = f"{quoted(node)} weighs the rows"
        elif alpha is not None:
            found.alpha = float(value)
            found.alpha_node = alpha

    def _per_class(self, node: ast.expr, scope: Scope) -> ast.expr | None:
        """Return a of ``a * y + (1 - a) * (1 - y)`` and of ``torch.where(y == 1, a, 1 - a)``."""
        if isinstance(node, ast.Call) and len(node.args) == 3:  # noqa: PLR2004  condition and two values
            if "torch.where" not in self._script.names(node.func, scope):
                return None
            condition, first, second = node.args
            if not (_complements(first, second) or _complements(second, first)):
                return None
            zero = (
                isinstance(condition, ast.Compare)
                and isinstance(condition.ops[0], ast.Eq)
                and isinstance(condition.comparators[0], ast.Constant)
                and condition.comparators[0].value == 0
            )
            return second if zero else first
        if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)):
            return None
        for positives, negatives in ((node.left, node.right), (node.right, node.left)):
            for one in _factors(positives):
                rest = [other for other in _factors(positives) if other is not one]
                against = list(_factors(negatives))
                if len(rest) != 1 or len(against) != 2:  # noqa: PLR2004  a weight and a label
                    continue
                for weight, label in (against, reversed(against)):
                    if _complements(one, weight) and _complements(rest[0], label):
                        return self._alpha_of(one, rest[0], scope)
        return None

    def _alpha_of(self, one: ast.expr, other: ast.expr, scope: Scope) -> ast.expr:
        """Of the two factors of the positives, return the weight: the one whose value can be read."""
        for node in (one, other):
            try:
                self._script.value(node, scope)
            except UnreadableError:
                continue
            return node
        return one if "alpha" in ast.dump(one).lower() else other

    def _kept_from_zero(self, base: ast.expr, scope: Scope) -> bool:
        """Whether a small number is added, or the probability clamped, so that the factor is never 0."""
        parts = list(ast.walk(base))
        for name in [part for part in parts if isinstance(part, ast.Name)]:
            made = self._script.origin(name, scope)
            parts += list(ast.walk(made)) if made is not None else []
        for node in parts:
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and _small(node.right):
                return True
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
                inside = any(_small(part) for arg in given for part in ast.walk(arg))
                if called in _CLAMPS and inside:
                    return True
        return False

    # A plain one ----------------------------------------------------------------------------------

    def _plain(self, body: _Body, scope: Scope, call: ast.Call) -> RowLoss:
        """Accept losses of rows that are only averaged or added up."""
        kinds = set()
        waiting: list[ast.AST] = [call]
        while waiting:
            node = waiting.pop()
            above = body.parents.get(id(node))
            while isinstance(above, ast.Attribute) and above.attr in _SAME_ROWS:
                node = body.parents.get(id(above), above)
                above = body.parents.get(id(node))
            reducing = body.parents.get(id(above)) if isinstance(above, ast.Attribute) else above
            kind, reduced, whole = self._reduction(reducing, scope)
            if kind and whole and reduced is node:
                kinds.add(kind)
            elif isinstance(above, ast.Assign) and all(isinstance(t, ast.Name) for t in above.targets):
                waiting += [use for target in above.targets for use in _uses(body, target)]
            elif not isinstance(above, ast.Expr | None):
                return RowLoss(reason=_ROWS_WEIGHTED, scope=scope)
        if len(kinds) != 1:
            return RowLoss(reason=_ROWS_WEIGHTED, scope=scope)
        return RowLoss(scope=scope, reduction=kinds.pop())

    def _reduction(self, node: ast.AST | None, scope: Scope) -> tuple[str, ast.expr | None, bool]:
        """Return the word, what is reduced, and whether all of it is, of ``x.mean()``, ``torch.sum(x)``."""
        if not isinstance(node, ast.Call):
            return "", None, False
        if isinstance(node.func, ast.Attribute) and node.func.attr in _REDUCERS:
            names = self._script.names(node.func, scope)
            if f"torch.{node.func.attr}" in names and node.args:
                return node.func.attr, node.args[0], len(node.args) == 1 and not node.keywords
            return node.func.attr, node.func.value, not node.args and not node.keywords
        return "", None, False

    # The function around --------------------------------------------------------------------------

    def _body(self, scope: Scope) -> _Body:
        known = self._bodies.get(id(scope))
        if known is not None:
            return known
        parents: dict[int, ast.AST] = {}
        nodes: list[ast.AST] = []
        stack: list[ast.AST] = [] if scope.node is None else list(ast.iter_child_nodes(scope.node))
        while stack:
            node = stack.pop()
            nodes.append(node)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
                continue
            for child in ast.iter_child_nodes(node):
                parents[id(child)] = node
                stack.append(child)
        body = _Body(nodes, parents)
        body.factors = [
            _Factor(node, base, exponent)
            for node in nodes
            for base, exponent in [self._power(node, scope)]
            if isinstance(node, ast.expr) and base is not None and exponent is not None
            if self._complement(base, scope)
        ]
        return self._bodies.setdefault(id(scope), body)

    def _power(self, node: ast.AST, scope: Scope) -> tuple[ast.expr | None, ast.expr | None]:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            return node.left, node.right
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "pow":
            if "torch.pow" in self._script.names(node.func, scope):
                return (node.args[0], node.args[1]) if len(node.args) == 2 else (None, None)  # noqa: PLR2004
            return (node.func.value, node.args[0]) if len(node.args) == 1 else (None, None)
        return None, None

    def _complement(self, node: ast.expr, scope: Scope) -> bool:
        """Whether this is ``1 - p``, also with a small number added, clamped, or under a name."""
        made = self._script.origin(node, scope) if isinstance(node, ast.Name) else node
        if isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute) and made.func.attr in _CLAMPS:
            of_torch = f"torch.{made.func.attr}" in self._script.names(made.func, scope)
            made = made.args[0] if of_torch and made.args else made.func.value
        if isinstance(made, ast.BinOp) and isinstance(made.op, ast.Add):
            made = made.right if _small(made.left) else made.left
        return (
            isinstance(made, ast.BinOp)
            and isinstance(made.op, ast.Sub)
            and isinstance(made.left, ast.Constant)
            and made.left.value == 1
        )

    def _touched(self, body: _Body, sources: list[ast.expr]) -> set[int]:
        """Return the ids of all expressions that a value flows into, by way of names too."""
        touched: set[int] = set()
        names: set[str] = set()
        waiting: list[ast.AST] = list(sources)
        while waiting:
            node: ast.AST | None = waiting.pop()
            while node is not None and id(node) not in touched:
                touched.add(id(node))
                targets: list[ast.expr] = []
                if isinstance(node, ast.Assign):
                    targets = node.targets
                elif isinstance(node, ast.AnnAssign | ast.AugAssign):
                    targets = [node.target]
                fresh = {target.id for target in targets if isinstance(target, ast.Name)} - names
                names |= fresh
                waiting += [one for one in body.nodes if isinstance(one, ast.Name) and one.id in fresh]
                node = body.parents.get(id(node)) if not isinstance(node, ast.stmt) else None
        return touched


def _uses(body: _Body, target: ast.expr) -> Iterator[ast.Name]:
    """Yield where a name is read after it was set here and before it is set again."""
    same = [node for node in body.nodes if isinstance(node, ast.Name) and node.id == target.id]  # type: ignore[attr-defined]
    later = [n.lineno for n in same if isinstance(n.ctx, ast.Store) and n.lineno > target.lineno]
    end = min(later, default=None)
    for node in same:
        if (
            isinstance(node.ctx, ast.Load)
            and node.lineno > target.lineno
            and (end is None or node.lineno <= end)
        ):
            yield node


def _multiplied(node: ast.AST, rows: set[int], focused: set[int]) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        sides = (node.left, node.right), (node.right, node.left)
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Mult):
        sides = (node.target, node.value), (node.value, node.target)
    elif isinstance(node, ast.Call) and len(node.args) == 2:  # noqa: PLR2004  torch.mul(a, b)
        if not (isinstance(node.func, ast.Attribute) and node.func.attr in ("mul", "multiply")):
            return False
        sides = (node.args[0], node.args[1]), (node.args[1], node.args[0])
    else:
        return False
    return any(id(one) in focused and id(other) in rows for one, other in sides)


def _factors(node: ast.expr) -> Iterator[ast.expr]:
    """Yield the factors of a product, from left to right."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Mult):
            waiting += [one.right, one.left]
        elif isinstance(one, ast.UnaryOp) and isinstance(one.op, ast.USub):
            waiting.append(one.operand)
        else:
            yield one


def _complements(one: ast.expr, other: ast.expr) -> bool:
    """Whether `other` is one minus `one`."""
    return (
        isinstance(other, ast.BinOp)
        and isinstance(other.op, ast.Sub)
        and isinstance(other.left, ast.Constant)
        and other.left.value == 1
        and ast.dump(other.right) == ast.dump(one)
    )


def _small(node: ast.AST) -> bool:
    """Whether this is a number between 0 and 1, or named as one."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float) and 0 < node.value < 1
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return "eps" in name.lower() or name.lower() == "smooth"
