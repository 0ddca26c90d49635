"""What every report format has in common: one function from a diagnosis to text.

A format is one module beside this one that states its own name as ``FORMAT`` and has a function
``render``. Nothing else lists them.
"""

from __future__ import annotations

import importlib
import pkgutil
import types
from collections.abc import Mapping
from functools import cache
from typing import Protocol

from imbalance_doctor.diagnose import Diagnosis
from imbalance_doctor.errors import InputError, did_you_mean


class Renderer(Protocol):
    """Writes a diagnosis down.

    Parameters
    ----------
    command
        Name of the command that asks, as ``check``; empty when there is none.
    color
        Terminal colours may be used. Only for text; False gives no escape sequence at all.
    width
        Columns to wrap text at.
    verbose
        Say everything: reasons in full, catalogue ids, every unchecked rule.

    Returns
    -------
    str
        Complete, ending in one newline. Everything in it that came from the user is escaped.
    """

    def __call__(
        self,
        diagnosis: Diagnosis,
        *,
        command: str = "",
        color: bool = False,
        width: int = 100,
        verbose: bool = False,
    ) -> str:
        """Write a diagnosis down."""


@cache
def formats() -> Mapping[str, Renderer]:
    """Discover the formats beside this module, by name."""
    package = importlib.import_module("imbalance_doctor.report")
    found: dict[str, Renderer] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            member = importlib.import_module(f"{package.__name__}.{module.name}")
            if hasattr(member, "FORMAT"):
                found[member.FORMAT] = member.render
    return types.MappingProxyType(found)


def renderer(name: str) -> Renderer:
    """Return the renderer of a format.

    Raises
    ------
    InputError
        There is no such format.
    """
    package = importlib.import_module("imbalance_doctor.report")
    if name in {module.name for module in pkgutil.iter_modules(package.__path__)}:
        member = importlib.import_module(
            f"{package.__name__}.{name}"
        )  # only what is asked for: starts faster
        if getattr(member, "FORMAT", None) == name:
            render: Renderer = member.render
            return render
    known = formats()
    raise InputError(
        f"expected one of {', '.join(known)}, but got '{name}'",
        where="--format",
        hint=did_you_mean(name, known),
    )
