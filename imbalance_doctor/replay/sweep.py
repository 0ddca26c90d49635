"""Several replays of one dump: which settings, and the few figures that tell them apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.evidence import PLAN_FIELDS, TrainingLog
from imbalance_doctor.replay.settings import SETTINGS, ReplaySettings

__all__ = ["MOST_POINTS", "Axis", "Point", "axis", "figures", "points"]

MOST_POINTS = 64
"""Replays of one sweep."""

_RANGE = 7
_LATE = 0.8  # of the steps, from where on a loss counts as late


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A setting and the values it takes."""

    name: str
    values: tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One replay of a sweep.

    Attributes
    ----------
    settings
        What differs from the replay that the sweep starts from.
    figures
        As `figures` returns them.
    findings
        Severity by id of the rule.
    """

    settings: Mapping[str, object]
    figures: Mapping[str, float | None]
    findings: Mapping[str, str]


def axis(text: str) -> Axis:
    """Read one axis: ``temperature=1e-3..1``, seven values in equal ratios, or ``queue_size=0,1024``.

    Raises
    ------
    InputError
        No such setting, or a value it cannot take.
    """
    name, equals, told = text.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or not told.strip():
        raise InputError(f"expected NAME=LOW..HIGH or NAME=VALUE,VALUE, but got '{text}'", where="--sweep")
    if name not in SETTINGS:
        raise InputError(
            f"expected a setting of a replay, but got '{name}'",
            where="--sweep",
            hint=did_you_mean(name, SETTINGS),
        )
    low, dots, high = told.partition("..")
    if not dots:
        return Axis(name=name, values=tuple(dict.fromkeys(_value(name, v) for v in told.split(","))))
    first, last = _value(name, low), _value(name, high)
    if not (_number(first) and _number(last) and 0 < first < last):  # type: ignore[operator]
        raise InputError(f"expected 0 < LOW < HIGH, but got '{told}'", where=f"--sweep {name}")
    ratio = (last / first) ** (1 / (_RANGE - 1))  # type: ignore[operator]
    values = [first, *(first * ratio**k for k in range(1, _RANGE - 1)), last]
    whole = isinstance(first, int)
    values = [round(v) if whole else float(f"{v:.4g}") for v in values]
    return Axis(name=name, values=tuple(dict.fromkeys(values)))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _value(name: str, text: str) -> object:
    from imbalance_doctor.sources.plans import plan_from_options

    given = text.strip()
    if not given:
        raise InputError("expected a value, but got none", where=f"--sweep {name}")
    if "bool" in str(PLAN_FIELDS[name].type) and given in {"true", "false"}:
        return given == "true"
    found: object = getattr(plan_from_options({name: given}).plan, name)
    return found


def points(axes: Sequence[Axis], start: ReplaySettings) -> list[dict[str, object]]:
    """Return every combination of the values.

    Raises
    ------
    InputError
        There are more than `MOST_POINTS`, an axis comes twice, or says nothing about the loss.
    """
    names = [axis.name for axis in axes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"expected each setting once, but got {twice} again", where="--sweep")
    unused = next((n for n in names if n != "loss" and "loss" not in names and not start.takes(n)), None)
    if unused is not None:
        raise InputError(f"expected a setting of {start.loss}, but got {unused}", where="--sweep")
    count = math.prod(len(axis.values) for axis in axes)
    if count > MOST_POINTS:
        raise InputError(
            f"expected at most {MOST_POINTS} combinations, but got {count}",
            where="--sweep",
            hint="give fewer values",
        )
    return [dict(zip(names, values, strict=True)) for values in product(*(axis.values for axis in axes))]


def figures(log: TrainingLog) -> dict[str, float | None]:
    """Return what tells replays apart; None where the log does not say.

    Returns
    -------
    dict
        ``loss`` and ``chance_level``, medians of the last fifth; ``gradient_norm``, its median, and
        ``gradient_peak``, its maximum over that; ``gradient_share_positive``, a median;
        ``positives_with_gradient``, a mean; ``zero_loss_share`` of the steps.
    """
    import numpy as np

    def known(name: str, start: float = 0.0) -> np.ndarray | None:
        series = log.get(name)
        if series is None:
            return None
        values = series.values[int(start * len(series)) :]
        values = values[np.isfinite(values)]
        return values if len(values) else None

    def middle(values: np.ndarray | None) -> float | None:
        return None if values is None else float(np.median(values))

    norm = known("gradient_norm")
    peaks = known("gradient_norm_max")
    typical = middle(norm)
    peak = norm if peaks is None else peaks
    loss, living = known("loss"), known("positives_with_gradient")
    return {
        "loss": middle(known("loss", _LATE)),
        "chance_level": middle(known("chance_level", _LATE)),
        "gradient_norm": typical,
        "gradient_peak": float(peak.max()) / typical if typical and peak is not None else None,
        "gradient_share_positive": middle(known("gradient_share_positive")),
        "positives_with_gradient": None if living is None else float(living.mean()),
        "zero_loss_share": None if loss is None else float((loss == 0).mean()),
    }
