"""The rules that judge a plan's pool, ranking loss, workers, precision and memory, on measured facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbalance_doctor import engine
from imbalance_doctor.evidence import LabelCounts, PlannedRun, TrainingPlan
from imbalance_doctor.facts.base import Evidence, measure

if TYPE_CHECKING:
    from imbalance_doctor.engine.base import Finding

FAMILIES = ("pool", "ranking", "batch", "distributed", "precision", "cost")
RULES = {rule.id: rule for rule in engine.load_rules().rules.values() if rule.family in FAMILIES}

# One condition, split by severity: at most one of a group may speak about a plan.
LADDERS = (
    ("pool-starved-of-positives", "pool-often-short-of-positives", "pool-holds-few-positives"),
    ("quantile-below-one-row", "quantile-rests-on-few-rows"),
    ("quantile-far-below-prevalence", "quantile-below-prevalence", "cap-lifts-prevalence-past-the-quantile"),
    ("fpr-band-below-one-negative", "fpr-band-rests-on-few-negatives", "band-start-rests-on-few-negatives"),
    ("band-start-below-one-negative", "band-start-rests-on-few-negatives"),
    ("nearly-all-batches-lack-positives", "most-batches-lack-positives", "live-positives-rare"),
    (
        "temperature-below-score-spacing",
        "temperature-too-low-for-the-pool",
        "temperature-rather-low-for-the-pool",
    ),
    ("temperature-erases-the-order", "temperature-above-score-spread"),
    ("quantile-kernel-dead", "quantile-kernel-mostly-dead"),
    ("pauc-kernel-saturated", "pauc-temperature-in-logits"),
    ("shards-ranked-alone", "shards-ranked-apart"),
    ("memory-over-budget", "memory-near-budget", "memory-without-a-budget"),
)


def labels(rows: int, prevalence: float) -> LabelCounts:
    positives = max(1, round(rows * prevalence))
    counts = np.array([rows - positives, positives])
    return LabelCounts(classes=("0", "1"), counts=counts, rows=rows, positive=1)


def findings(plan: TrainingPlan, counts: LabelCounts | None) -> dict[str, Finding]:
    completed, _ = PlannedRun(plan=plan).completed()
    facts = measure(Evidence(labels=counts, plan=completed))
    return {found.rule: found for found in engine.judge(RULES.values(), facts).findings}


def loud(plan: TrainingPlan, counts: LabelCounts | None) -> set[str]:
    return {rule for rule, found in findings(plan, counts).items() if found.severity != "note"}


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_rule_keeps_its_own_examples_and_they_catch_its_mutants(rule: str) -> None:
    tested = engine.check_rule(RULES[rule])
    assert not [r for r in tested.results if not r.passed]
    assert tested.gaps == ()
    assert tested.survivors == ()


@pytest.mark.parametrize(
    "plan",
    [
        TrainingPlan(loss="smooth-ap", batch_size=256, queue_size=4096, temperature=0.1),
        TrainingPlan(loss="smooth-ap", batch_size=256, queue_size=4096, temperature=0.1, score_std=2.5),
        TrainingPlan(
            loss="smooth-ap", batch_size=64, world_size=8, queue_size=4096, implementation="imbalance_doctor"
        ),
        TrainingPlan(
            loss="pauc-at-budget", surrogate="pairwise", beta=0.005, batch_size=256, queue_size=8192
        ),
        TrainingPlan(
            loss="recall-at-quantile",
            quantile=0.015,
            batch_size=512,
            queue_size=2048,
            final_main_weight=0.5,
            temperature=0.5,
            score_std=2.5,
        ),
        TrainingPlan(loss="bce", batch_size=256),
        TrainingPlan(loss="sigmoid-focal", batch_size=256, precision="bf16"),
    ],
    ids=lambda plan: f"{plan.loss}-{plan.world_size or 1}-{plan.score_std}",
)
def test_a_healthy_plan_gives_no_error_and_no_warning(plan: TrainingPlan) -> None:
    assert loud(plan, labels(100_000, 0.01)) == set()


@given(
    batch=st.integers(1, 2048),
    queue=st.integers(0, 20_000),
    quantile=st.floats(0.0005, 0.2),
)
@settings(max_examples=60, deadline=None)
def test_too_few_rows_above_the_quantile_are_always_heard(batch: int, queue: int, quantile: float) -> None:
    plan = TrainingPlan(loss="recall-at-quantile", batch_size=batch, queue_size=queue, quantile=quantile)
    found = findings(plan, labels(1_000_000, 0.0005))
    heard = {f.severity for f in found.values() if "RQ-8" in f.covers} - {"note"}
    rows = (batch + queue) * quantile
    assert heard == ({"error"} if rows < 1 else {"warning"} if rows < 10 else set())


@given(
    batch=st.integers(1, 2048),
    queue=st.integers(0, 20_000),
    beta=st.floats(0.001, 0.2),
    start=st.just(0.0) | st.floats(1e-6, 0.9),
)
@settings(max_examples=60, deadline=None)
def test_too_few_negatives_in_or_above_the_band_are_always_heard(
    batch: int, queue: int, beta: float, start: float
) -> None:
    plan = TrainingPlan(
        loss="pauc-at-budget", batch_size=batch, queue_size=queue, beta=beta, alpha=start * beta
    )
    counts = labels(1_000_000, 0.01)
    found = findings(plan, counts)
    heard = {f.severity for f in found.values() if "PA-3" in f.covers} - {"note"}
    negatives = (batch + queue) * 0.99
    edges = [negatives * beta] + [negatives * start * beta] * (start > 0)
    least = min(edges)
    # clear of the thresholds, where a rounding of the expected count may decide either way
    if all(abs(edge - limit) > 1e-6 for edge in edges for limit in (1, 10)):
        assert ("error" in heard) == (least < 1)
        assert bool(heard) == (least < 10)


@given(
    loss=st.sampled_from(("smooth-ap", "recall-at-quantile", "pauc-at-budget")),
    surrogate=st.sampled_from((None, "trapezoid", "pairwise")),
    prevalence=st.floats(0.0005, 0.4),
    batch=st.integers(4, 1024),
    queue=st.integers(0, 8192),
    cap=st.none() | st.integers(16, 4096),
    workers=st.integers(1, 8),
    gather=st.none() | st.booleans(),
    quantile=st.floats(0.001, 0.5),
    alpha=st.just(0.0) | st.floats(0.0, 0.01),
    temperature=st.floats(1e-4, 300),
    spread=st.none() | st.floats(0.05, 50),
    budget=st.none() | st.integers(10_000, 10**10),
)
@settings(max_examples=150, deadline=None)
def test_one_condition_is_told_once(  # noqa: PLR0917
    loss: str,
    surrogate: str | None,
    prevalence: float,
    batch: int,
    queue: int,
    cap: int | None,
    workers: int,
    gather: bool | None,
    quantile: float,
    alpha: float,
    temperature: float,
    spread: float | None,
    budget: int | None,
) -> None:
    plan = TrainingPlan(
        loss=loss,
        surrogate=surrogate,
        batch_size=batch,
        queue_size=queue,
        max_pool_size=cap,
        world_size=workers,
        gather_distributed=gather,
        quantile=quantile,
        alpha=alpha,
        beta=0.02,
        temperature=temperature,
        score_std=spread,
        memory_budget=budget,
    )
    found = findings(plan, labels(100_000, prevalence))
    for ladder in LADDERS:
        assert len(found.keys() & set(ladder)) <= 1, ladder
    for finding in found.values():
        assert "?" not in finding.message, finding.message


@pytest.mark.parametrize(
    ("plan", "prevalence", "rule"),
    [
        (TrainingPlan(loss="smooth-ap", batch_size=64), 0.002, "pool-starved-of-positives"),
        (TrainingPlan(loss="smooth-ap", batch_size=256), 0.01, "pool-often-short-of-positives"),
        (
            TrainingPlan(loss="pauc-at-budget", surrogate="pairwise", batch_size=64),
            0.001,
            "class-missing-from-the-pool",
        ),
        (
            TrainingPlan(loss="recall-at-quantile", batch_size=64, queue_size=0),
            0.001,
            "quantile-below-one-row",
        ),
        (TrainingPlan(loss="recall-at-quantile", batch_size=64), 0.001, "quantile-rests-on-few-rows"),
        (TrainingPlan(loss="recall-at-quantile", batch_size=64), 0.02, "quantile-far-below-prevalence"),
        (TrainingPlan(loss="recall-at-quantile", batch_size=64), 0.007, "quantile-below-prevalence"),
        (
            TrainingPlan(
                loss="recall-at-quantile",
                batch_size=1024,
                queue_size=14336,
                quantile=0.01,
                max_pool_size=4096,
            ),
            0.005,
            "cap-lifts-prevalence-past-the-quantile",
        ),
        (
            TrainingPlan(loss="pauc-at-budget", batch_size=64, queue_size=0),
            0.01,
            "fpr-band-below-one-negative",
        ),
        (TrainingPlan(loss="pauc-at-budget", batch_size=256), 0.01, "fpr-band-rests-on-few-negatives"),
        (
            TrainingPlan(loss="pauc-at-budget", batch_size=256, alpha=0.0005, beta=0.05),
            0.01,
            "band-start-below-one-negative",
        ),
        (
            TrainingPlan(loss="pauc-at-budget", batch_size=256, alpha=0.002, beta=0.05),
            0.01,
            "band-start-rests-on-few-negatives",
        ),
        (
            TrainingPlan(loss="pauc-at-budget", batch_size=256, queue_size=4096, alpha=0.004),
            0.01,
            "fpr-band-too-thin",
        ),
        (
            TrainingPlan(loss="recall-at-quantile", batch_size=64, quantile=0.05),
            0.01,
            "positives-only-loss-alone",
        ),
        (
            TrainingPlan(loss="pauc-at-budget", batch_size=256, temperature=0.01),
            0.01,
            "pauc-temperature-in-logits",
        ),
        (
            TrainingPlan(loss="pauc-at-budget", batch_size=256, warmup_epochs=1, temperature=0.1),
            0.01,
            "pauc-kernel-saturated",
        ),
        (
            TrainingPlan(loss="smooth-ap", batch_size=256, score_std=2.5),
            0.05,
            "temperature-too-low-for-the-pool",
        ),
        (
            TrainingPlan(loss="smooth-ap", batch_size=256, score_std=50.0),
            0.05,
            "temperature-below-score-spacing",
        ),
        (
            TrainingPlan(loss="recall-at-quantile", batch_size=256, score_std=2.5),
            0.05,
            "quantile-kernel-dead",
        ),
        (TrainingPlan(loss="recall-at-quantile", batch_size=8), 0.01, "nearly-all-batches-lack-positives"),
        (TrainingPlan(loss="recall-at-quantile", batch_size=32), 0.01, "most-batches-lack-positives"),
        (
            TrainingPlan(loss="smooth-ap", batch_size=64, world_size=8, gather_distributed=False),
            0.05,
            "shards-ranked-alone",
        ),
        (
            TrainingPlan(
                loss="pauc-at-budget", batch_size=64, precision="fp16", implementation="imbalanced_losses"
            ),
            0.05,
            "quantile-in-half-precision",
        ),
        (
            TrainingPlan(loss="pauc-at-budget", batch_size=64, hard_example_mining=True),
            0.05,
            "mined-negatives-counted-as-iid",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_following_the_suggestion_silences_the_rule(plan: TrainingPlan, prevalence: float, rule: str) -> None:
    counts = labels(1_000_000, prevalence)
    found = findings(plan, counts)
    assert rule in found
    suggestion = dict(found[rule].suggest)
    assert suggestion
    if "temperature" in suggestion and plan.warmup_epochs is not None:
        suggestion |= {"temp_start": suggestion["temperature"], "temp_end": suggestion["temperature"]}
    assert rule not in findings(plan.replace(**suggestion), counts)


def test_without_labels_a_pool_rule_is_unknown_and_names_what_is_missing() -> None:
    plan, _ = PlannedRun(plan=TrainingPlan(loss="smooth-ap", batch_size=64)).completed()
    judged = engine.judge([RULES["pool-starved-of-positives"]], measure(Evidence(plan=plan)))
    assert [u.missing for u in judged.unknown] == [("labels",)]


@given(
    loss=st.sampled_from(("smooth-ap", "recall-at-quantile", "pauc-at-budget")),
    surrogate=st.sampled_from(("trapezoid", "pairwise")),
    rows=st.integers(200, 50_000),
    prevalence=st.floats(0.0001, 0.4),
    batch=st.integers(4, 256),
    queue=st.integers(0, 100_000),
    quantile=st.floats(0.0001, 0.5),
    alpha=st.just(0.0) | st.floats(1e-4, 0.004),
    rate=st.none() | st.floats(1e-4, 1),
)
@settings(max_examples=100, deadline=None)
def test_no_queue_is_suggested_that_is_longer_than_the_data(  # noqa: PLR0917
    loss: str,
    surrogate: str,
    rows: int,
    prevalence: float,
    batch: int,
    queue: int,
    quantile: float,
    alpha: float,
    rate: float | None,
) -> None:
    plan = TrainingPlan(
        loss=loss,
        surrogate=surrogate,
        batch_size=batch,
        queue_size=queue,
        quantile=quantile,
        alpha=alpha,
        beta=0.005,
        learning_rate=rate,
    )
    for found in findings(plan, labels(rows, prevalence)).values():
        assert found.suggest.get("queue_size", 0) <= rows
        if found.suggest.get("queue_size") == rows and found.rule != "queue-repeats-the-data":
            assert "cannot show what the data do not hold" in found.remedy or "Shorten" in found.remedy


def test_without_labels_the_suggested_queue_has_no_limit() -> None:
    plan = TrainingPlan(loss="smooth-ap", batch_size=64, queue_size=0, prevalence=0.00025)
    assert findings(plan, None)["pool-starved-of-positives"].suggest["queue_size"] == 80_000 - 64
