"""Rows of text formats, gathered into pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.scores._names import Roles
from imbalance_doctor.sources.scores._parts import Piece, Source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Number = int | float
Parse = Callable[[Sequence[Any]], Sequence[Number]]

_AT_ONCE = 2**14
_LONGEST = 40


def text_source(
    rows: Callable[[], Iterator[tuple[int, Sequence[Any]]]],
    roles: Roles,
    widths: tuple[int, int],
    where: str,
    parse: Parse,
) -> Source:
    """Make the source of a text file.

    Parameters
    ----------
    rows
        Yields anew the line of each row and its values: scores, targets, other columns.
    widths
        Columns of scores and of targets.
    parse
        Turns the values of one column into numbers; ValueError where one is none.
    """
    width, target_width = widths
    names = (*["scores"] * width, *["targets"] * target_width, *roles.columns)
    if len(roles.scores) == width:
        names = (*roles.scores, *names[width:])
    if len(roles.targets) == target_width:
        names = (*names[:width], *roles.targets, *names[width + target_width :])

    def pieces(most: int) -> Iterator[Piece]:
        import numpy as np

        source = rows()
        while taken := list(islice(source, min(most, _AT_ONCE))):
            lines = np.array([line for line, _ in taken], np.int64)
            columns = [
                _array(values, name, where, lines, parse)
                for name, values in zip(
                    names, zip(*(values for _, values in taken), strict=True), strict=True
                )
            ]
            targets = columns[width : width + target_width]
            yield Piece(
                scores=np.stack(columns[:width], axis=1).astype(np.float64, copy=False),
                targets=targets[0] if target_width == 1 else np.stack(targets, axis=1),
                columns=dict(zip(roles.columns, columns[width + target_width :], strict=True)),
                lines=lines,
            )

    return Source(
        where=where,
        width=width,
        target_width=target_width,
        columns=frozenset(roles.columns),
        pieces=pieces,
        scale=roles.scale,
    )


def _array(
    values: Sequence[Any], name: str, where: str, lines: NDArray[np.int64], parse: Parse
) -> NDArray[Any]:
    """Return whole numbers as int64, so that none is rounded, and others as float64.

    Raises
    ------
    InputError
        A value is no number, or one that 64 bits cannot hold.
    """
    import numpy as np

    try:
        numbers = parse(values)
        kind = np.int64 if all(type(number) is int for number in numbers) else np.float64
        return np.array(numbers, kind)
    except (ValueError, OverflowError) as error:
        raise _error(values, name, where, lines, parse) from error


def _error(
    values: Sequence[Any], name: str, where: str, lines: NDArray[np.int64], parse: Parse
) -> InputError:
    """Find the first value that is no number, or too large a one."""
    for line, value in zip(lines.tolist(), values, strict=True):
        try:
            (number,) = parse([value])
        except ValueError:
            got = "null" if value is None else repr(value)[:_LONGEST]
            hint = (
                "write fractions as 1.5, classes as numbers from 0"
                if value not in ("", None)
                else "leave the row out"
            )
            return InputError(
                f"expected a number as {name}, but got {got or 'nothing'}", where=where, line=line, hint=hint
            )
        if not -(2**63) <= number < 2**63:
            return InputError(
                f"expected {name} of at most 64 bits, but got {str(number)[:_LONGEST]}",
                where=where,
                line=line,
            )
    return InputError(f"expected numbers as {name}, but got others", where=where, line=int(lines[0]))
