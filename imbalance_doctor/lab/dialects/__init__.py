"""Writes the rows of a run as a user's logger would: a dozen formats, and the names that people use.

What becomes of the columns (``train.loss``, ``train.pool_size``, ``val.average_precision``, ...):

=============  =======================  =====================================================================
dialect        place of a row           columns that are dropped
=============  =======================  =====================================================================
json-lines     step and epoch           none
csv            step and whole epoch     none
tsv            step                     none
key-value      step                     none
logging        step                     none
progress-bar   step                     all but losses, validation metrics (not shares), gradient norm,
                                        learning rate and temperature
trainer-state  step and epoch           none
hf-console     epoch                    none
keras          number of the row        none
lightning      step from 0, epoch       none
mlflow         step                     none
tensorboard    step                     none; values in single precision
=============  =======================  =====================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.lab.base import Draw
from imbalance_doctor.lab.dialects.base import Dialect, Log, Row
from imbalance_doctor.lab.dialects.tables import Csv, JsonLines, KerasCsv, LightningCsv, Tsv
from imbalance_doctor.lab.dialects.texts import HfConsole, KeyValue, ProgressBar, PythonLogging
from imbalance_doctor.lab.dialects.trackers import Mlflow, TensorBoard, TrainerState

__all__ = ["DIALECTS", "Dialect", "dialect_named", "usable", "write_log"]

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "json-lines": JsonLines(),
        "csv": Csv(),
        "tsv": Tsv(),
        "key-value": KeyValue(),
        "logging": PythonLogging(),
        "progress-bar": ProgressBar(),
        "trainer-state": TrainerState(),
        "hf-console": HfConsole(),
        "keras": KerasCsv(),
        "lightning": LightningCsv(),
        "mlflow": Mlflow(),
        "tensorboard": TensorBoard(),
    }
)
"""Every dialect by name."""


def usable() -> tuple[str, ...]:
    """Return the names of the dialects that can be written here."""
    return tuple(name for name, dialect in DIALECTS.items() if dialect.usable)


def dialect_named(name: str) -> Dialect:
    """Return the dialect of this name.

    Raises
    ------
    InputError
        There is none.
    """
    if name not in DIALECTS:
        raise InputError(
            f"expected a dialect of logs, but got '{name}'",
            hint=did_you_mean(name, DIALECTS) or f"there are {', '.join(DIALECTS)}",
        )
    return DIALECTS[name]


def write_log(
    rows: Sequence[Row],
    folder: Path | str,
    dialect: str,
    draw: Draw,
    *,
    plan: Mapping[str, Any] | None = None,
) -> Path:
    """Write the rows of a run.

    Parameters
    ----------
    rows
        At least one. Each has ``step`` and ``epoch``, and values by canonical name with the phase in front:
        ``val.average_precision``. What the dialect does not carry is left out, see `Dialect.drops`.
    folder
        Where to; made if it does not exist, and best empty.
    dialect
        A key of `DIALECTS`.
    draw
        Of names, digits and spellings.
    plan
        Settings that the logger states, where it has a place for them.

    Returns
    -------
    Path
        What to give to `read_logs`: a file, or a folder.

    Raises
    ------
    InputError
        There is no such dialect, no row, or what the dialect needs is not installed.
    """
    writer = dialect_named(dialect)
    if not rows:
        raise InputError("expected at least one row to write, but got none")
    kept = [{k: v for k, v in row.items() if k in {"step", "epoch"} or writer.carries(k)} for row in rows]
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return writer.write(Log(kept, draw, writer.styles, plan), path, draw)
