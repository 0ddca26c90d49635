"""Rows of text formats, gathered into pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.scores._names import Roles
from imbalance_doctor.sources.scores._parts import Piece

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Number = int | float
Row = tuple[int, list[Number]]
"""Line, and numbers in the order scores, targets, other columns."""


def pieces(
    rows: Iterable[Row], roles: Roles, width: int, target_width: int, where: str, most: int
) -> Iterator[Piece]:
    """Yield rows as pieces of at most so many.

    Raises
    ------
    InputError
        A number is a whole one beyond 64 bits.
    """
    import numpy as np

    source = iter(rows)
    while taken := list(islice(source, most)):
        lines = np.array([line for line, _ in taken], np.int64)
        columns = list(zip(*(numbers for _, numbers in taken), strict=True))
        scores = np.empty((len(taken), width))
        for index in range(width):
            scores[:, index] = _floats(columns[index], "scores", where, lines)
        targets = [_array(c, "targets", where, lines) for c in columns[width : width + target_width]]
        rest = zip(roles.columns, columns[width + target_width :], strict=True)
        yield Piece(
            scores=scores,
            targets=targets[0] if target_width == 1 else np.stack(targets, axis=1),
            columns={role: _array(values, role, where, lines) for role, values in rest},
            lines=lines,
        )


def _array(values: Sequence[Number], name: str, where: str, lines: NDArray[np.int64]) -> NDArray[Any]:
    """Return whole numbers as int64, so that none is rounded, and others as float64."""
    import numpy as np

    if all(type(value) is int for value in values):
        try:
            return np.array(values, np.int64)
        except OverflowError as error:
            index = next(i for i, value in enumerate(values) if not -(2**63) <= value < 2**63)
            raise InputError(
                f"expected {name} of at most 64 bits, but got {str(values[index])[:40]}",
                where=where,
                line=int(lines[index]),
            ) from error
    return np.array(_floats(values, name, where, lines))


def _floats(values: Sequence[Number], name: str, where: str, lines: NDArray[np.int64]) -> list[float]:
    try:
        return [float(value) for value in values]
    except OverflowError as error:
        index = next(i for i, value in enumerate(values) if abs(value) > 2**1023 and type(value) is int)
        raise InputError(
            f"expected {name} that a float64 can hold, but got a huge number",
            where=where,
            line=int(lines[index]),
        ) from error
