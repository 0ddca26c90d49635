"""Message templates: ``{fact}``, ``{param}``, ``{suggest.field}``, each with an optional format.

Checked when the rule is loaded, formatted by this module alone: `str.format` never sees user text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from imbalance_doctor.engine.expression import ExpressionError
from imbalance_doctor.errors import did_you_mean
from imbalance_doctor.facts.base import Facts, fact_specs

__all__ = ["Template", "parse_template"]

MAX_LENGTH = 2000
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_SPEC = re.compile(r"d|,|bytes|\.\d(?:[gf%]|g%)")
_UNKNOWN = "?"
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_KIBI = 1024
_LONGEST_WORD = 60
_MOST_DIGITS = 15  # of a percentage
_EXACT = 1e15  # whole floats below are printed in full


Piece = str | tuple[str, str, str]


class Template:
    """A checked message.

    Parameters
    ----------
    source
        As written.
    pieces
        Literal text, and (``fact``, ``param`` or ``suggest``; name; format). Or a function that returns
        them, for a message that is known to be sound and need not be parsed before its use.
    """

    __slots__ = ("_pieces", "source")

    def __init__(self, source: str, pieces: tuple[Piece, ...] | Callable[[], tuple[Piece, ...]]) -> None:
        self.source = source
        self._pieces = pieces

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What the message is made of."""
        if callable(self._pieces):
            self._pieces = self._pieces()
        return self._pieces

    @property
    def facts(self) -> tuple[str, ...]:
        """Dotted names of the facts it shows, in order of appearance."""
        return tuple(dict.fromkeys(self._names("fact")))

    @property
    def params(self) -> frozenset[str]:
        """Names of the params it shows."""
        return frozenset(self._names("param"))

    def _names(self, kind: str) -> list[str]:
        return [piece[1] for piece in self.pieces if not isinstance(piece, str) and piece[0] == kind]

    def render(self, facts: Facts, params: Mapping[str, float], suggest: Mapping[str, Any]) -> str:
        """Return the message; what is unknown shows as ``?``."""
        read: dict[str, Callable[[str], Any]] = {
            "fact": facts.value,
            "param": params.get,
            "suggest": suggest.get,
        }
        return "".join(
            piece if isinstance(piece, str) else show(read[piece[0]](piece[1]), piece[2])
            for piece in self.pieces
        )

    def __eq__(self, other: object) -> bool:
        return self.pieces == other.pieces if isinstance(other, Template) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.pieces)

    def __str__(self) -> str:
        return self.source


def parse_template(source: str, params: Mapping[str, float], suggest: Mapping[str, str]) -> Template:
    """Parse and check a message.

    Parameters
    ----------
    source
        The text of the rule.
    params
        The rule's params.
    suggest
        Kind (``number``, ``bool``, ``text``) of each suggested plan field.

    Raises
    ------
    ExpressionError
        For unknown names, unknown formats and stray braces.
    """
    if len(source) > MAX_LENGTH:
        raise ExpressionError(f"expected at most {MAX_LENGTH} characters, but got {len(source)}", 0)
    pieces: list[Piece] = []
    end = 0
    for found in _PIECE.finditer(source):
        pieces.append(source[end : found.start()])
        end = found.end()
        if found.group() in {"{{", "}}"}:
            pieces.append(found.group()[0])
        elif found.group(1) is None:
            raise ExpressionError(
                f"unmatched '{found.group()}' in the message", found.start(), "write it twice"
            )
        else:
            pieces.append(_field(found.group(1), found.start() + 1, params, suggest))
    pieces.append(source[end:])
    return Template(source, tuple(p for p in pieces if p))


def _field(
    text: str, offset: int, params: Mapping[str, float], suggest: Mapping[str, str]
) -> tuple[str, str, str]:
    name, colon, spec = text.partition(":")
    family, dot, short = name.partition(".")
    specs = fact_specs()
    if name in params:
        where, kind = "param", "number"
    elif family == "suggest" and short in suggest:
        name, where, kind = short, "suggest", suggest[short]
    elif name in specs:
        where, kind = "fact", specs[name].kind
    else:
        known = [*specs, *params, *(f"suggest.{field}" for field in suggest)]
        what = "fact" if dot else "param"
        raise ExpressionError(f"unknown {what} '{name}' in the message", offset, did_you_mean(name, known))
    if kind == "vector":
        raise ExpressionError(f"'{name}' is one number per class", offset, "a message shows single values")
    if colon and not _SPEC.fullmatch(spec):
        hint = "one of d .2g .2f .1% .2g% , bytes"
        raise ExpressionError(f"unknown format '{spec}' of '{name}'", offset + len(name) + 1, hint)
    if colon and kind != "number":
        raise ExpressionError(f"'{name}' is no number and takes no format", offset)
    return where, name, spec


def show(value: Any, spec: str = "") -> str:
    """Return a value as a message shows it.

    Parameters
    ----------
    value
        Number, bool, text or None.
    spec
        Empty (whole numbers in full, others to four
        significant digits), ``d`` (rounded), ``,``
        (rounded, with thousands separators), ``.Ng``, ``.Nf``, ``bytes``, or ``.N%``
        and ``.Ng%``
        (with more digits where a share would else read 0 % or 100 %).

    Examples
    --------
    >>> show(0.04567, ".1%"), show(0.99998, ".1%"), show(123456.7, ".2g"), show(3 * 2**30, "bytes")
    ('4.6%', '99.998%', '120000', '3 GiB')
    """
    if value is None or value != value:  # noqa: PLR0124  NaN
        return _UNKNOWN
    if isinstance(value, str):
        text = "".join(c if c.isprintable() else " " for c in value)
        return text if len(text) <= _LONGEST_WORD else text[: _LONGEST_WORD - 1] + "…"
    if isinstance(value, bool):
        return "true" if value else "false"
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    return _number(value, spec)


def _number(value: float, spec: str) -> str:
    whole = {"d": "d", ",": ",d"}.get(spec)
    if whole:
        return format(round(value), whole)
    if spec == "bytes":
        return _bytes(float(value))
    if not spec:
        return str(int(value)) if value == int(value) and abs(value) < _EXACT else _significant(value, 4)
    if spec.endswith("%"):
        return _percent(float(value), int(spec[1]), spec[2:-1] or "f")
    if spec.endswith("g"):
        return _significant(float(value), int(spec[1]))
    return format(value, spec)


def _percent(share: float, digits: int, form: str) -> str:
    """Return a percentage, with more digits where a share would else read as none or all of it."""
    from decimal import Decimal

    text = f"{100 * share:.{digits}{form}}"
    while 0 < share < 1 and float(text) in {0, 100} and digits < _MOST_DIGITS:
        digits += 1
        text = f"{100 * share:.{digits}{form}}"
    return f"{Decimal(text):f}%"


def _significant(value: float, digits: int) -> str:
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e+" in text and abs(value) < _EXACT else text


def _bytes(value: float) -> str:
    for unit in _UNITS:
        if abs(value) < _KIBI or unit == _UNITS[-1]:
            break
        value /= _KIBI
    return f"{_significant(value, 3)} {unit}"
