"""One call of a known callable, its arguments matched to parameters and read."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from imbalance_doctor.errors import did_you_mean
from imbalance_doctor.evidence import Location
from imbalance_doctor.sources.plans._signatures import Signature
from imbalance_doctor.sources.plans._static import Script, Site, Symbol, UnreadableError, quoted
from imbalance_doctor.sources.plans.base import fail

Locate = Callable[[ast.AST], Location]
"""Turns a node into its place in the file."""


@dataclass(kw_only=True)
class Bound:
    """Arguments of one call.

    Attributes
    ----------
    nodes
        Parameter to the expression given for it.
    opaque
        Why parameters that are not in `nodes` may still have been given; empty when they have not.
    """

    signature: Signature
    site: Site
    nodes: dict[str, ast.expr] = field(default_factory=dict)
    opaque: str = ""

    def missing(self, parameter: str) -> bool:
        """Whether the call certainly leaves this parameter at its default."""
        return parameter not in self.nodes and not self.opaque

    def read(self, parameter: str, script: Script) -> object:
        """Return the constant given for a parameter, None when none is.

        Raises
        ------
        UnreadableError
            When it is given, or may be, and only the running script knows it.
        """
        node = self.nodes.get(parameter)
        if node is None:
            if self.opaque:
                raise UnreadableError(self.opaque)
            return None
        return script.value(node, self.site.scope)

    def assumed(self, parameter: str, script: Script, locate: Locate) -> str:
        """Return the default that the value read for a parameter rests on; empty where it rests on none."""
        node = self.nodes.get(parameter)
        return "" if node is None else assumed(script, node, locate)


def assumed(script: Script, node: ast.expr, locate: Locate) -> str:
    """Return the defaults behind a value that was read, as ``default of --bs, train.py:13``."""
    places = [(default.name, locate(default.node)) for default in script.defaults(node)]
    return "; ".join(f"default of {name}, {place.path}:{place.line}" for name, place in places)


def signature_of(names: Iterable[str], known: Iterable[Signature]) -> Signature | None:
    """Return the first of `known` that one of the dotted names stands for."""
    known = tuple(known)
    return next((one for name in names for one in known if one.matches(name)), None)


def bind(site: Site, signature: Signature, locate: Locate, *, strict: bool) -> Bound:
    """Match the arguments of a call to the parameters.

    Parameters
    ----------
    strict
        Refuse arguments that the callable does not take. Settings are read leniently, because only
        some of their parameters are listed.

    Raises
    ------
    InputError
        For an unknown or repeated keyword, or too many arguments.
    """
    bound = Bound(signature=signature, site=site)
    for index, arg in enumerate(site.node.args):
        if isinstance(arg, ast.Starred):
            bound.opaque = f"'*{quoted(arg.value)[1:]} is only known when the script runs"
            break
        if index < len(signature.positional):
            bound.nodes[signature.positional[index]] = arg
        elif strict:
            most = len(signature.positional)
            raise fail(f"expected at most {most} positional arguments of {signature.name}", locate(arg))
    for keyword in site.node.keywords:
        if keyword.arg is None:
            bound.opaque = f"'**{quoted(keyword.value)[1:]} is only known when the script runs"
        elif keyword.arg in bound.nodes:
            problem = f"expected each argument of {signature.name} once, but '{keyword.arg}' is given twice"
            raise fail(problem, locate(keyword))
        elif keyword.arg in signature.parameters or not strict:
            bound.nodes[keyword.arg] = keyword.value
        else:
            problem = f"expected an argument of {signature.name}, but got '{keyword.arg}'"
            hint = did_you_mean(keyword.arg, signature.parameters)
            raise fail(problem, locate(keyword), hint or f"it takes {', '.join(signature.parameters)}")
    return bound


def last_part(value: object) -> object:
    """Return the last part of a library's constant (``torch.bfloat16`` → ``bfloat16``), others unchanged."""
    return value.name.rpartition(".")[2].lower() if isinstance(value, Symbol) else value
