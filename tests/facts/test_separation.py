"""Facts of the scores by class, against logs made for them and a plain twin."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from imbalance_doctor.evidence import Series, TrainingLog
from imbalance_doctor.facts.base import Evidence, fact_specs, measure

N = 30


def log(**series):
    """A log whose names carry their phase: ``val__score_mean_positive``."""
    made = []
    for key, given in series.items():
        phase, _, name = key.rpartition("__")
        values = np.broadcast_to(np.asarray(given, dtype=float), (N,)).copy()
        at = np.arange(N)
        made.append(
            Series(key=key, name=name, phase=phase, steps=at * 10.0, values=values, order=at, lines=at)
        )
    return TrainingLog(series=tuple(made))


def side(phase, positive, negative=0.0, spread=1.0, own=2.0, count=25):
    return {
        f"{phase}__score_mean_positive": positive,
        f"{phase}__score_mean_negative": negative,
        f"{phase}__score_std_negative": spread,
        f"{phase}__score_std_positive": own,
        f"{phase}__positives": count,
    }


def separation(**series):
    return measure(Evidence(log=log(**series))).family("separation")


def test_nothing_without_a_log():
    assert measure(Evidence()).family("separation") is None


def test_a_log_without_scores_by_class_leaves_all_unknown():
    found = separation(train__loss=1.0)
    declared = [name for name in fact_specs() if name.startswith("separation.")]
    assert declared
    assert all(getattr(found, name.partition(".")[2]) is None for name in declared)


def test_levels_and_gaps_at_the_end():
    rising = np.linspace(0, 8, N)
    found = separation(**side("train", rising, -1.0, spread=2.0, own=3.0, count=40), **side("val", 3.0, 1.0))
    late = statistics.median(rising[-3:])
    assert found.gap_trained == pytest.approx((late + 1) / 2)
    assert found.gap == pytest.approx(2)
    assert (found.positives_trained, found.positives_validated) == (40, 25)
    assert found.overfit_ratio == pytest.approx((late + 1) / 2 / 2)


def test_errors_of_the_difference_of_two_gaps_agree_with_a_plain_loop():
    g = np.random.default_rng(0)
    ours, theirs = g.normal(2, 1, N), g.normal(2, 1, N)
    found = separation(**side("train", ours, own=1.5, count=50), **side("val", theirs, own=2.5, count=10))
    error = math.sqrt(1.5**2 / 50 + 2.5**2 / 10)
    excess = [(theirs[i] - ours[i]) / error for i in range(N)]
    middle = [statistics.median(excess[i : i + 3]) for i in range(N - 2)]
    assert found.unfit_errors == pytest.approx(max(middle))
    top = middle.index(max(middle))
    assert found.unfit_ratio == pytest.approx(
        statistics.median(theirs[i] / ours[i] for i in range(top, top + 3))
    )
    assert found.unfit_share == pytest.approx(sum(m >= 2 for m in middle) / len(middle))
    assert found.overfit_errors == pytest.approx(-statistics.median(excess[-3:]))


def test_positives_per_batch_stand_in_for_a_count_of_training_positives():
    rows = side("train", 2.0)
    del rows["train__positives"]
    assert separation(**rows, **side("val", 3.0)).unfit_errors is None
    found = separation(**rows, **side("val", 3.0), train__positives_in_batch=4.0)
    assert found.unfit_errors == pytest.approx(1 / math.sqrt(2**2 / 4 + 2**2 / 25))


def test_positives_of_a_batch_are_not_those_of_the_training_rows():
    found = separation(**side("train", 2.0, count=5 + np.arange(N) % 2), **side("val", 3.0))
    assert (found.positives_trained, found.positives_compared) == (None, 3 * 5.5)
    same = side("train", 2.0, count=8)
    found = separation(**same, **side("val", 3.0))
    assert (found.positives_trained, found.positives_compared) == (8, 8)
    assert separation(**same, **side("val", 3.0), train__positives_in_batch=8).positives_trained is None


@pytest.mark.parametrize("phase", ["train", ""])
def test_prevalence_of_training_over_that_of_validation(phase):
    found = separation(**{f"{phase}__prevalence": 0.1, "val__prevalence": 0.02})
    assert found.prevalence_ratio == pytest.approx(5)


def test_values_that_are_not_finite_leave_the_rest():
    ours = np.full(N, 1.0)
    ours[:5] = np.nan
    found = separation(**side("train", ours), **side("val", 2.0))
    assert found.unfit_errors == pytest.approx(1 / math.sqrt(2 * 2**2 / 25))
    assert separation(**side("train", np.nan), **side("val", 2.0)).unfit_errors is None


def test_steps_that_only_one_side_logged_are_left_out():
    both = log(**side("train", np.arange(N)), **side("val", 100.0))
    thinned = tuple(
        Series(
            key=s.key, name=s.name, phase=s.phase, steps=s.steps[k::3], values=s.values[k::3],
            order=s.order[k::3], lines=s.lines[k::3],
        )
        for s in both.series
        for k in [0 if s.phase == "train" else 1]
    )  # fmt: skip
    found = measure(Evidence(log=TrainingLog(series=thinned))).family("separation")
    assert found.unfit_errors is None
    assert found.gap == pytest.approx(100)
