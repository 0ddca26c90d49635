"""What the advice is worth: regret, wins and losses, and whether the stated gain holds the gain that came.

Every figure is a paired difference on test rows that had no say in training, stopping or tuning.

The best of several noisy arms looks better than it is. Regret is therefore cross-fitted: in each seed the
chosen loss is compared with the arm that was best on the mean of the *other* seeds, which is what someone
could have known who tried them all. It can be negative. The regret to the best arm in hindsight stands
beside it as ``plain_regret``; with few seeds much of it is luck.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imbalance_doctor.facts._numbers import wilson
from imbalance_doctor.lab._student import student
from imbalance_doctor.lab.advice.arms import BASELINE, FOCAL, MINED
from imbalance_doctor.lab.advice.jobs import Job
from imbalance_doctor.lab.contested import is_contested

__all__ = ["cross_fitted", "half_width", "interval", "results"]

Values = NDArray[np.float64]
CHOSEN = "chosen"
_ROUNDING = 1e-9
_LEVEL = 0.005
"""Difference of the metric below which two arms are level."""
_Choice = tuple[float, float, str]
_PLAIN: _Choice = (1.0, 0.0, BASELINE)
_LEAST_ROC_AUC = (0.0, 0.8, 0.85, 0.9, 0.95, 0.98)
_MOST_PREVALENCE = (0.01, 0.05, 0.1, 0.15, 0.25, 1.0)


def half_width(jobs: Sequence[Job]) -> float:
    """Return to within what the difference of an arm to the chosen plan is known in one world (95 %).

    The spread is pooled over the arms: that of a single one is small by chance after three seeds, so that
    whoever stops there stops too early. Infinite for a single seed.
    """
    arms, chosen = _arms(jobs)
    if len(jobs) < 2:  # noqa: PLR2004
        return math.inf
    variance = np.mean([(values - chosen).var(ddof=1) for values in arms.values()])
    return student(len(jobs) - 1) * math.sqrt(variance / len(jobs))


def interval(values: Sequence[float] | Values) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean by Student's t; None for fewer than two values.

    >>> interval([1.0, 3.0])
    (-10.7062, 14.7062)
    """
    count = len(values)
    if count < 2:  # noqa: PLR2004
        return None
    half = student(count - 1) * float(np.std(values, ddof=1)) / math.sqrt(count)
    middle = float(np.mean(values))
    return round(middle - half, 12), round(middle + half, 12)


def cross_fitted(arms: Mapping[str, Values], judged: Values) -> Values:
    """Return by how much the arm that was best on the other seeds beats the one that is judged, in each seed.

    Parameters
    ----------
    arms
        Metric by seed of each arm, [S] each.
    judged
        Metric of the loss that is judged, [S].

    Returns
    -------
    ndarray
        [S]; with one seed the plain regret, since there is no other.
    """
    table = np.stack([*arms.values()])
    seeds = table.shape[1]
    if seeds == 1:
        return np.asarray(table.max(0) - judged)
    others = (table.sum(1, keepdims=True) - table) / (seeds - 1)
    return np.asarray(table[others.argmax(0), np.arange(seeds)] - judged)


def results(jobs: Sequence[Job]) -> dict[str, Any]:
    """Put jobs together to what is stored.

    Parameters
    ----------
    jobs
        Of every world as many seeds as it takes, in each the same arms.

    Returns
    -------
    dict
        ``mean_regret`` over data sets with its 95 % interval, ``worst_regret``, ``interval_coverage``,
        ``by_dataset``; ``plain_*`` without the correction; ``always``: the same regrets of fixed
        choices; ``against``: wins, ties and losses; ``left_out``: the regret of the rule of choice that the
        other data sets would have written; ``beyond_the_loss``: what early stopping and the learning rate
        moved.
    """
    worlds: dict[str, list[Job]] = {}
    for job in jobs:
        worlds.setdefault(job.world, []).append(job)
    by_dataset = {name: _row(mine) for name, mine in worlds.items()}
    covered = [row["covered"] for row in by_dataset.values() if row["covered"] is not None]
    told = [
        row["covered"]
        for row in by_dataset.values()
        if row["covered"] is not None and row["chosen"] != BASELINE
    ]
    contested = [row["regret"] for name, row in by_dataset.items() if is_contested(name)]
    return {
        **_mean("mean_regret", [row["regret"] for row in by_dataset.values()]),
        "worst_regret": max(row["regret"] for row in by_dataset.values()),
        **_share("interval_coverage", covered),
        **_share("interval_coverage_other_than_bce", told),
        **_mean("plain_mean_regret", [row["plain_regret"] for row in by_dataset.values()]),
        "plain_worst_regret": max(row["plain_regret"] for row in by_dataset.values()),
        **_mean("mean_gain", [row["came"] for row in by_dataset.values()]),
        "contested_within_0.02": sum(r <= 0.02 for r in contested),  # noqa: PLR2004  the target
        "contested": len(contested),
        "always": {name: _always(worlds, name) for name in jobs[0].arms},
        "against": {name: _against(worlds, name) for name in (BASELINE, FOCAL)},
        "left_out": _left_out(worlds),
        "beyond_the_loss": {
            **_mean("early_stopping", [_average(mine, _stopped) for mine in worlds.values()]),
            **_mean("learning_rate", [_average(mine, _tuned) for mine in worlds.values()]),
        },
        "correction": "cross-fitted: against the arm that was best on the other seeds",
        "seeds": sorted({job.seed for job in jobs}),
        "by_dataset": by_dataset,
    }  # fmt: skip


def _row(jobs: Sequence[Job]) -> dict[str, Any]:
    """Return the figures of one world."""
    arms, chosen = _arms(jobs)
    regrets = cross_fitted({**arms, CHOSEN: chosen}, chosen)
    ends = interval(regrets)
    means = {name: float(values.mean()) for name, values in arms.items()}
    best = max(means, key=means.__getitem__)
    gains = chosen - arms[BASELINE]
    came, came_ends = float(gains.mean()), interval(gains)
    stated = [job.stated for job in jobs if job.stated is not None]
    told = np.mean(stated, axis=0) if stated else None
    return {
        "metric": jobs[0].metric,
        "chosen": Counter(job.plan.split()[0] for job in jobs).most_common(1)[0][0],
        "plans": dict(Counter(job.plan for job in jobs)),
        "regret": float(regrets.mean()),
        "low": None if ends is None else ends[0],
        "high": None if ends is None else ends[1],
        "plain_regret": max(0.0, means[best] - float(chosen.mean())),
        "best": best,
        "stated": "nothing" if told is None else f"{told[0]:+.3f} ({told[1]:+.3f} to {told[2]:+.3f})",
        "stated_value": None if told is None else float(told[0]),
        "stated_low": None if told is None else float(told[1]),
        "stated_high": None if told is None else float(told[2]),
        "came": came,
        "came_low": None if came_ends is None else came_ends[0],
        "came_high": None if came_ends is None else came_ends[1],
        "covered": None if told is None else bool(told[1] - _ROUNDING <= came <= told[2] + _ROUNDING),
        "prevalence": jobs[0].prevalence,
        "rows": jobs[0].rows,
        "seeds": len(jobs),
        "value": float(chosen.mean()),
        "arms": means,
    }


def _arms(jobs: Sequence[Job]) -> tuple[dict[str, Values], Values]:
    """Return the metric by seed of each arm, and of the chosen plan."""
    arms = {name: np.array([job.arms[name] for job in jobs]) for name in jobs[0].arms}
    return arms, np.array([job.chosen for job in jobs])


def _always(worlds: Mapping[str, Sequence[Job]], name: str) -> dict[str, float]:
    """Return the regret of always taking one arm."""
    fitted, plain = [], []
    for jobs in worlds.values():
        arms, chosen = _arms(jobs)
        fitted.append(float(cross_fitted({**arms, CHOSEN: chosen}, arms[name]).mean()))
        plain.append(max(float(values.mean()) for values in arms.values()) - float(arms[name].mean()))
    return {
        "mean_regret": float(np.mean(fitted)),
        "worst_regret": max(fitted),
        "plain_mean_regret": float(np.mean(plain)),
        "plain_worst_regret": max(plain),
    }


def _against(worlds: Mapping[str, Sequence[Job]], name: str) -> dict[str, Any]:
    """Count the data sets that the chosen plan wins and loses against one arm."""
    gains = [_average(jobs, lambda job: job.chosen - job.arms[name]) for jobs in worlds.values()]
    return {
        "wins": sum(gain > _LEVEL for gain in gains),
        "ties": sum(abs(gain) <= _LEVEL for gain in gains),
        "losses": sum(gain < -_LEVEL for gain in gains),
        **_mean("gain", gains),
    }


def _left_out(worlds: Mapping[str, Sequence[Job]]) -> dict[str, Any]:
    """Return what a choice is worth that was learnt on all data sets but the one it is judged on.

    The choice: mined negatives where the baseline's ROC AUC is at least, and the prevalence at most, a limit;
    one arm elsewhere. Limits and arm are those with the best mean gain over the others. Worlds of a
    contested top are made alike: one is judged without all of them.
    """
    gains = {world: _gains_by_choice(jobs) for world, jobs in worlds.items()}
    regrets, taken = [], Counter[str]()
    for world, jobs in worlds.items():
        kin = [
            gain for w, gain in gains.items() if w != world and not (is_contested(w) and is_contested(world))
        ]
        learnt = max(gains[world], key=lambda choice: sum(gain[choice] for gain in kin)) if kin else _PLAIN
        arms, chosen = _arms(jobs)
        regrets.append(float(cross_fitted({**arms, CHOSEN: chosen}, _taken(jobs, learnt)).mean()))
        least, most, other = learnt
        taken[f"{MINED} from ROC AUC {least:g} up to prevalence {most:g}, else {other}"] += 1
    return {**_mean("mean_regret", regrets), "worst_regret": max(regrets), "choices": dict(taken)}


def _gains_by_choice(jobs: Sequence[Job]) -> dict[_Choice, float]:
    """Return the mean gain over plain BCE of every choice."""
    plain = _taken(jobs, _PLAIN)
    return {
        choice: float((_taken(jobs, choice) - plain).mean())
        for choice in itertools.product(_LEAST_ROC_AUC, _MOST_PREVALENCE, jobs[0].arms)
    }


def _taken(jobs: Sequence[Job], choice: _Choice) -> Values:
    """Return the metric by seed of what a choice takes, [S]."""
    least, most, other = choice
    mines = [job.baseline["roc_auc"] >= least and job.prevalence <= most for job in jobs]
    return np.array([job.arms[MINED if mined else other] for job, mined in zip(jobs, mines, strict=True)])


def _average(jobs: Sequence[Job], figure: Callable[[Job], float]) -> float:
    return float(np.mean([figure(job) for job in jobs]))


def _stopped(job: Job) -> float:
    """Return what early stopping brought, mean over arms."""
    return float(np.mean([value - job.final[name] for name, value in job.arms.items()]))


def _tuned(job: Job) -> float:
    """Return what tuning the learning rate of BCE brought over the smallest one tried."""
    return job.arms[BASELINE] - next(iter(job.rates.values()))


def _mean(name: str, values: Sequence[float]) -> dict[str, Any]:
    low, high = interval(values) or (None, None)
    return {name: float(np.mean(values)), f"{name}_low": low, f"{name}_high": high}


def _share(name: str, hits: Sequence[bool]) -> dict[str, Any]:
    if not hits:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    low, high = wilson(sum(hits), len(hits))
    return {name: sum(hits) / len(hits), f"{name}_low": low, f"{name}_high": high}
