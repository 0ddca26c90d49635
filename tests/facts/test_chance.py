"""Chance levels against the real losses and random scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from imbalanced_losses import PAUCAtBudgetLoss, RecallAtQuantileLoss, SmoothAPLoss, SoftmaxFocalLoss
from scipy import stats
from sklearn.metrics import average_precision_score

from imbalance_doctor.facts.chance import average_precision


@pytest.mark.parametrize(("size", "positives", "loss"), [
    (256, 128, 0.49805), (1280, 64, 0.94926), (1280, 13, 0.98907), (1280, 1, 0.99844)
])  # fmt: skip
def test_smooth_ap_measured(counts, measured, size, positives, loss):
    plan = {"loss": "smooth-ap", "batch_size": size, "queue_size": 0}
    facts = measured(counts(1000 * (size - positives), 1000 * positives), **plan)
    assert facts.value("chance.smooth_ap") == pytest.approx(loss, abs=2e-5)


def test_losses_at_equal_scores(counts, measured):
    plan = {"loss": "smooth-ap", "batch_size": 200, "queue_size": 0}
    facts = measured(counts(1900, 100), **plan)
    scores, targets = torch.zeros(200, 1, dtype=torch.float64), torch.zeros(200, dtype=torch.long)
    targets[:10] = 1
    for name, loss in (
        ("smooth_ap", SmoothAPLoss(1, queue_size=0)),
        ("recall_at_quantile", RecallAtQuantileLoss(1, queue_size=0)),
    ):
        assert facts.value(f"chance.{name}") == pytest.approx(float(loss(scores, targets)), abs=1e-9)
    with pytest.warns(UserWarning, match="dispersion|IQR|scale|degenerate"):
        skipped = PAUCAtBudgetLoss(1, queue_size=0)(scores, targets)
    assert facts.value("chance.pauc_at_budget") == float(skipped) == 0


def test_pointwise(counts, measured):
    facts = measured(counts(700, 200, 100), loss="softmax-focal", gamma=2.0)
    chance = facts.family("chance")
    assert chance.cross_entropy == pytest.approx(stats.entropy([0.7, 0.2, 0.1]))
    assert chance.cross_entropy_untrained == pytest.approx(math.log(3))
    assert chance.bce == pytest.approx(stats.entropy([0.9, 0.1]))
    assert chance.bce_untrained == pytest.approx(0.693147, abs=1e-6)
    flat = SoftmaxFocalLoss(gamma=2.0)(torch.zeros(4, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 2]))
    assert chance.softmax_focal_untrained == pytest.approx(float(flat))


def test_sigmoid_focal_without_focus_is_the_entropy(counts, measured):
    facts = measured(counts(990, 10), loss="sigmoid-focal", gamma=0.0, alpha=-1.0)
    assert facts.value("chance.sigmoid_focal") == pytest.approx(facts.value("chance.bce"))


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_sigmoid_focal_that_ignores_a_side(counts, measured, alpha):
    assert measured(counts(990, 10), loss="sigmoid-focal", alpha=alpha).value("chance.sigmoid_focal") == 0


def test_losses_follow_the_sampler_and_metrics_the_labels(counts, measured):
    chance = measured(counts(600, 300, 100), sampler="weighted", sampler_prevalence=0.4).family("chance")
    assert chance.cross_entropy == pytest.approx(stats.entropy([0.4, 0.2, 0.4]))
    assert chance.bce == pytest.approx(stats.entropy([0.4, 0.6]))
    assert chance.accuracy == 0.6


def test_several_indicators_have_no_cross_entropy(counts, measured):
    chance = measured(counts(10, 20, rows=100), gamma=2.0).family("chance")
    assert chance.cross_entropy is chance.cross_entropy_untrained is chance.softmax_focal_untrained is None
    assert chance.bce == pytest.approx(stats.entropy([0.1, 0.9]))


def test_metrics(counts, measured):
    chance = measured(counts(99, 1), metric_quantile=0.02, metric_fpr_low=0.01, metric_fpr_high=0.05).family(
        "chance"
    )
    assert (chance.roc_auc, chance.recall_at_quantile_metric) == (0.5, 0.02)
    assert chance.partial_auc_metric == pytest.approx(0.03)
    assert measured(counts(99, 1), metric_fpr_high=0.05).value("chance.partial_auc_metric") == 0.025
    empty = measured(counts(99, 1), metric_fpr_low=0.05, metric_fpr_high=0.05)
    assert empty.value("chance.partial_auc_metric") is None


@pytest.mark.parametrize(("positives", "rows"), [(1, 40), (5, 300), (100, 250)])
def test_average_precision_of_random_orders(positives, rows):
    rng = np.random.default_rng(0)
    targets = np.r_[np.ones(positives), np.zeros(rows - positives)]
    orders = rng.permuted(np.tile(targets, (1500, 1)), axis=1)
    precision = orders.cumsum(axis=1) / np.arange(1, rows + 1)
    found = (precision * orders).sum(axis=1) / positives
    assert found[0] == pytest.approx(average_precision_score(orders[0], -np.arange(rows)))
    expected = average_precision(positives, rows)
    assert expected == pytest.approx(np.mean(found), abs=4.5 * np.std(found) / 1500**0.5)


def test_average_precision_measured():
    assert 1 - average_precision(64, 1280) == pytest.approx(0.945, abs=0.002)


@given(st.integers(1, 10**7), st.integers(0, 10**7))
def test_average_precision_is_above_the_prevalence(positives, negatives):
    value = average_precision(positives, positives + negatives)
    assert positives / (positives + negatives) * (1 - 1e-6) <= value <= 1 + 1e-9


def test_needs_labels(counts, measured):
    assert measured(prevalence=0.1, loss="smooth-ap", batch_size=9).family("chance") is None
    assert measured(counts(9, 0)).value("chance.average_precision") is None
