"""Phases of a run and the temperature over them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

LOSS = {"loss": "smooth-ap", "batch_size": 100}


def test_lengths_in_epochs(counts, measured):
    schedule = measured(counts(950, 50), **LOSS, epochs=20, warmup_epochs=2.5).family("schedule")
    assert (schedule.steps, schedule.warmup_steps, schedule.main_steps) == (200, 25, 175)
    assert schedule.warmup_share == 0.125
    assert schedule.positives_in_run == pytest.approx(1000)


def test_steps_overrule_epochs(counts, measured):
    facts = measured(counts(950, 50), **LOSS, epochs=20, steps=77, warmup_epochs=1, warmup_steps=7)
    assert (facts.value("schedule.steps"), facts.value("schedule.main_steps")) == (77, 70)


def test_epochs_need_labels(measured):
    schedule = measured(**LOSS, epochs=20, warmup_epochs=2).family("schedule")
    assert schedule.steps is schedule.warmup_steps is schedule.decay_share is None


def test_unstated_warmup_is_unknown(counts, measured):
    schedule = measured(counts(950, 50), **LOSS, steps=100).family("schedule")
    assert schedule.steps == 100
    assert schedule.warmup_steps is schedule.main_steps is None


def test_schedule_without_warmup_starts_in_the_main_phase(measured):
    schedule = measured(**LOSS, steps=100, temp_start=0.5, temp_end=0.05, temp_decay_steps=50).family(
        "schedule"
    )
    assert (schedule.warmup_steps, schedule.main_steps, schedule.decay_share) == (0, 100, 0.5)


def test_warmup_longer_than_the_run(measured):
    schedule = measured(**LOSS, steps=100, warmup_steps=150).family("schedule")
    assert (schedule.main_steps, schedule.warmup_share, schedule.decay_share) == (0, 1, None)


def test_fixed_temperature(measured):
    schedule = measured(**LOSS, temperature=0.2, score_std=2.0).family("schedule")
    assert (schedule.lowest_temperature, schedule.highest_temperature) == (0.2, 0.2)
    assert schedule.lowest_over_spread == schedule.highest_over_spread == 0.1


def test_finished_decay(measured):
    plan = {"steps": 1000, "warmup_steps": 100, "temp_start": 0.5, "temp_end": 0.05, "score_std": 0.5}
    schedule = measured(**LOSS, **plan, temp_decay_steps=900).family("schedule")
    assert (schedule.decay_share, schedule.temperature_ratio) == (1, 10)
    assert (schedule.lowest_temperature, schedule.highest_temperature) == (0.05, 0.5)
    assert (schedule.lowest_over_spread, schedule.highest_over_spread) == (0.1, 1)


def test_unfinished_decay_by_stepping(measured):
    """The wrapper's own default decays over 10 000 steps."""
    schedule = measured(**LOSS, steps=3000, warmup_steps=500).family("schedule")
    temperature = 0.05
    for _ in range(2500):
        temperature *= (0.005 / 0.05) ** (1 / 10_000)
    assert schedule.decay_share == 4
    assert schedule.lowest_temperature == pytest.approx(temperature)


def test_rising_temperature(measured):
    plan = {"steps": 100, "warmup_steps": 0, "temp_start": 0.1, "temp_end": 0.4, "temp_decay_steps": 200}
    schedule = measured(**LOSS, **plan).family("schedule")
    assert schedule.lowest_temperature == 0.1
    assert schedule.highest_temperature == pytest.approx(0.2)


def test_half_a_schedule_is_unknown():
    from imbalance_doctor.evidence import TrainingPlan
    from imbalance_doctor.facts.base import Evidence, measure

    schedule = measure(Evidence(plan=TrainingPlan(temp_start=0.5, temperature=0.01))).family("schedule")
    assert schedule.lowest_temperature is schedule.highest_temperature is None


@pytest.mark.parametrize(("scale", "over"), [("none", 0.05), ("std", 0.1), ("iqr", None), ("band", None)])
def test_relative_temperatures(measured, scale, over):
    plan = {"loss": "pauc-at-budget", "temperature": 0.1, "score_std": 2.0, "tau_scale": scale}
    assert measured(**plan).value("schedule.lowest_over_spread") == over


@pytest.mark.parametrize("logged", ["score_std", "loss"])
@pytest.mark.parametrize("stated", [None, 2.0])
def test_the_spread_is_known_from_the_plan_or_the_log(logged, stated):
    from imbalance_doctor.evidence import Series, TrainingLog, TrainingPlan
    from imbalance_doctor.facts.base import Evidence, measure

    plan = TrainingPlan(loss="smooth-ap", temperature=0.001, score_std=stated)
    log = TrainingLog(
        source="run.csv",
        format="table",
        axis="step",
        series=(
            Series(
                key=logged,
                name=logged,
                steps=np.arange(2.0),
                values=np.ones(2),
                order=np.arange(2),
                lines=np.zeros(2, dtype=np.int64),
            ),
        ),
    )
    for one in (None, log):
        known = measure(Evidence(plan=plan, log=one)).value("schedule.spread_known")
        assert known is (stated is not None or (one is not None and logged == "score_std"))


def test_nothing_known(measured):
    assert measured().family("schedule") is None


@given(st.floats(0.001, 10), st.floats(0.001, 10), st.integers(1, 10**5), st.integers(1, 10**5))
def test_temperatures_stay_inside_the_schedule(measured, start, end, decay, steps):
    plan = {
        "temp_start": start,
        "temp_end": end,
        "temp_decay_steps": decay,
        "steps": steps,
        "warmup_steps": 0,
    }
    schedule = measured(**LOSS, **plan).family("schedule")
    low, high = schedule.lowest_temperature, schedule.highest_temperature
    assert min(start, end) * (1 - 1e-9) <= low <= high <= max(start, end) * (1 + 1e-9)
    assert start in (low, high)
