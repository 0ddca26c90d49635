"""No dead fact, no exception, nothing infinite: over all families at once."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor.evidence import PLAN_FIELDS, SERIES, LabelCounts, PlannedRun, TrainingPlan
from imbalance_doctor.facts.base import Evidence, fact_specs, families, measure

FULL = {
    "batch_size": 256,
    "world_size": 2,
    "epochs": 20.0,
    "warmup_epochs": 2.0,
    "learning_rate": 1e-3,
    "score_std": 2.5,
    "score_absmax": 12.0,
    "memory_budget": 2**30,
    "metric_quantile": 0.01,
    "metric_fpr_high": 0.01,
    "gamma": 2.0,
    "implementation": "imbalanced_losses",
}
REALISTIC = (
    {"loss": "smooth-ap", "alpha": 0.25, "quantile": 0.01},
    {"loss": "pauc-at-budget", "alpha": 0.001, "beta": 0.01, "tau_scale": "std"},
    {"loss": "softmax-focal", "class_weights": (0.5, 1.5)},
)


def test_every_fact_has_help_and_a_known_source():
    sources = {"labels", "log", "scores", *(f"plan.{n}" for n in PLAN_FIELDS), *(f"log.{n}" for n in SERIES)}
    for name, spec in fact_specs().items():
        assert spec.help, name
        assert not spec.help.endswith("."), name
        assert spec.needs, name
        assert set(spec.needs) <= sources, name


def test_no_fact_is_dead(counts, measured):
    known = set()
    for plan in REALISTIC:
        known |= set(measured(counts(99_000, 1_000), **FULL, **plan).known())
    apart = (
        "plan.",
        "training.",
        "trace.",
        "separation.",
        "scores.",
        "score_curves.",
    )  # facts of logs and scores have tests of their own
    missing = [name for name in fact_specs() if name not in known and not name.startswith(apart)]
    assert missing == []


def test_families_follow_what_they_need():
    seen = []
    for name, cls in families().items():
        assert set(cls.after) <= set(seen)
        seen.append(name)
    assert set(seen) >= {"labels", "batch", "schedule", "pool", "cost", "chance", "focal", "training"}


def test_labels_are_measured_once(counts, measured):
    first = measured(counts(990, 10), batch_size=64)
    plan, _ = PlannedRun(plan=TrainingPlan(batch_size=128)).completed()
    labels = counts(990, 10)
    again = measure(Evidence(labels=labels, plan=plan), reuse=first)
    assert again.family("labels") is first.family("labels")
    assert again.known() == measure(Evidence(labels=labels, plan=plan)).known()


def _value(name):
    spec = PLAN_FIELDS[name].metadata
    kind = str(PLAN_FIELDS[name].type)
    low = spec["low"] if spec["low"] is not None else -(10**6)
    high = spec["high"] if spec["high"] is not None else 10**6
    if spec["choices"]:
        return st.sampled_from(spec["choices"])
    if "tuple" in kind:
        return st.lists(st.floats(0, 100), max_size=4).map(tuple)
    if "bool" in kind:
        return st.booleans()
    if "int" in kind:
        return st.integers(int(low), int(high))
    bounds = {"exclude_min": spec["low_open"], "exclude_max": spec["high_open"]}
    return st.floats(low, high, **bounds)


PLANS = st.fixed_dictionaries({}, optional={name: _value(name) for name in PLAN_FIELDS})


@st.composite
def label_counts(draw):
    values = draw(st.lists(st.integers(0, 10**5), min_size=1, max_size=6))
    indicator = draw(st.booleans())
    rows = max(values) + draw(st.integers(0, 1000)) if indicator else sum(values)
    two = len(values) == (1 if indicator else 2)
    return LabelCounts(
        classes=tuple(map(str, range(len(values)))),
        counts=np.array(values),
        rows=rows,
        ignored=draw(st.integers(0, 1000)),
        kind="indicator" if indicator else "classes",
        positive=len(values) - 1 if two and draw(st.booleans()) else None,
        rows_per_sample=draw(st.integers(1, 100)),
    )


@settings(max_examples=400, deadline=None)
@given(st.none() | label_counts(), PLANS, st.booleans())
def test_any_gap_in_the_evidence_is_survived(labels, fields, complete):
    plan = TrainingPlan(**fields)
    if complete:
        plan, _ = PlannedRun(plan=plan).completed()
    facts = measure(Evidence(labels=labels, plan=plan))
    for name, value in facts.known().items():
        if name.startswith("plan."):
            continue
        spec = fact_specs()[name]
        numbers = value if spec.kind == "vector" else [value] if spec.kind == "number" else []
        for number in numbers:
            assert math.isfinite(number), (name, value)
            assert isinstance(number, int | float), (name, value)
            assert not isinstance(number, np.generic), (name, value)
            # a share stays between 0 and 1, apart from spreads, which can be larger than the mean
            if spec.unit == "share" and not name.endswith("_spread"):
                assert -1e-12 <= number <= 1 + 1e-12, (name, value)
            elif spec.unit in {"rows", "steps", "bytes", "batches", "operations", "nats"}:
                assert number >= 0, (name, value)
        if spec.choices:
            assert value in spec.choices, (name, value)


@pytest.mark.parametrize("labels", [None, "counts"])
def test_nothing_planned(counts, labels):
    evidence = Evidence(labels=counts(90, 10) if labels else None)
    facts = measure(evidence)
    assert facts.family("pool") is facts.family("cost") is facts.family("focal") is None
    assert (facts.value("batch.prevalence") == 0.1) == bool(labels)


def test_heavy_libraries_stay_out():
    code = (
        "import sys; from imbalance_doctor.facts.base import families; families();"
        "bad = {'numpy', 'scipy', 'torch', 'pandas'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
