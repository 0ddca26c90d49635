"""What all dialects have in common: the drawn names, the printed numbers, and the folder they write to."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from imbalance_doctor.lab.base import Draw
from imbalance_doctor.lab.dialects._names import STYLES, Style, name_columns

__all__ = ["Dialect", "Log", "Row"]

Row = Mapping[str, Any]
_PLACE = ("step", "epoch")
_BEGAN = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
_SECONDS_A_STEP = 0.04
# Printed with all their digits even where the others get a fixed number of decimals.
_SMALL = frozenset(("learning_rate", "temperature", "tau_eff"))


class Log:
    """The rows of one run under the names and with the digits that were drawn for its log.

    Attributes
    ----------
    rows
        What to write.
    names
        Name in the log by column, the columns in the order in which they first come up.
    plan
        Settings to state where the logger has a place for them.
    """

    def __init__(
        self, rows: Sequence[Row], draw: Draw, styles: Sequence[Style], plan: Mapping[str, Any] | None
    ) -> None:
        self.rows = rows
        self.columns = [c for c in dict.fromkeys(key for row in rows for key in row) if c not in _PLACE]
        self.names = name_columns(self.columns, draw, styles)
        self.plan = dict(plan or {})
        self._digits = draw.choice(range(4, 9))
        self._fixed = draw.chance(0.5)

    def named(self, row: Row, phase: str = "") -> dict[str, str]:
        """Return the values of a row as text by their names in the log, those of a phase alone if given."""
        return {
            self.names[key]: self.text(value, key)
            for key, value in row.items()
            if key in self.names and key.startswith(phase)
        }

    def numbers(self, row: Row, phase: str = "") -> dict[str, float]:
        """Return the values of a row with their drawn digits; counts stay whole."""
        return {
            self.names[key]: value if isinstance(value, int) else float(f"{value:.{self._digits}g}")
            for key, value in row.items()
            if key in self.names and key.startswith(phase)
        }

    def text(self, value: float, column: str = "learning_rate") -> str:
        """Return a number as printed: with significant digits, or with decimals where the log has those."""
        if isinstance(value, int) or not math.isfinite(value):
            return str(value)
        fixed = self._fixed and column.partition(".")[2] not in _SMALL
        return f"{value:.{self._digits}{'f' if fixed else 'g'}}"

    @staticmethod
    def at(row: Row) -> datetime:
        """Return when a row was written."""
        return _BEGAN + timedelta(seconds=_SECONDS_A_STEP * row["step"])

    def apart(self) -> Iterator[tuple[Row, dict[str, float], str]]:
        """Yield each row twice, with the numbers of training and then with those of validation."""
        for row in self.rows:
            for phase in ("train", "val"):
                values = self.numbers(row, phase)
                if values:
                    yield row, values, phase


class Dialect(ABC):
    """One way to log.

    Attributes
    ----------
    what
        What writes such a log.
    drops
        What it has no place for, as a reader would word it; empty where everything survives.
    styles
        How its names can state the phase.
    """

    what: ClassVar[str]
    drops: ClassVar[str] = ""
    styles: ClassVar[Sequence[Style]] = STYLES

    @abstractmethod
    def write(self, log: Log, folder: Path, draw: Draw) -> Path:
        """Write the log into a folder that exists; return what to give to the reader."""

    def carries(self, column: str) -> bool:  # noqa: ARG002  part of the interface
        """Tell whether a column, ``train.pool_size``, has a place in it."""
        return True

    @property
    def usable(self) -> bool:
        """Whether what it needs is installed."""
        return True
