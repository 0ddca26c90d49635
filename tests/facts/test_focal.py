"""The focal modulation, against the reference's real gradients, numeric minima and measured anchors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from imbalanced_losses import SigmoidFocalLoss, SoftmaxFocalLoss
from scipy import optimize

from imbalance_doctor.facts import _focal
from imbalance_doctor.facts.focal import gradient_share, positive_pull

DTYPES = {"fp64": torch.float64, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def _finite(loss, logits, target):
    logits.requires_grad_()
    loss(logits, target).sum().backward()
    return bool(torch.isfinite(logits.grad).all())


def _first_nan(precision, classes):
    """Step up by .05 from well below to the first logit with a non-finite gradient."""
    dtype = DTYPES[precision]
    for step in range(80, 900):
        logit = step / 20
        if classes == 1:
            loss = SigmoidFocalLoss(alpha=-1, gamma=0.5, reduction="none")
            fine = _finite(loss, torch.tensor([logit], dtype=dtype), torch.ones(1, dtype=dtype))
        else:
            logits = torch.zeros(1, classes, dtype=dtype)
            logits[0, 0] = logit
            fine = _finite(SoftmaxFocalLoss(gamma=0.5, reduction="none"), logits, torch.tensor([0]))
        if not fine:
            return logit
    return None


@pytest.mark.parametrize("precision", DTYPES)
def test_sigmoid_saturation_is_where_the_gradient_breaks(measured, precision):
    facts = measured(loss="sigmoid-focal", gamma=0.5, precision=precision, score_absmax=5.0)
    first = _first_nan(precision, 1)
    assert facts.value("focal.saturation_logit") == pytest.approx(first, abs=1e-9)
    assert facts.value("focal.saturation_used") == pytest.approx(5 / first)


@pytest.mark.parametrize("precision", DTYPES)
@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_softmax_saturation_is_where_the_gradient_breaks(measured, precision, classes):
    facts = measured(loss="softmax-focal", gamma=0.5, precision=precision, num_classes=classes)
    assert facts.value("focal.saturation_logit") == pytest.approx(_first_nan(precision, classes), abs=1e-9)


@pytest.mark.parametrize(
    ("classes", "between"), [(4, (7.65, 9.85)), (100, (9.85, 14.55)), (5000, (14.5, 14.6))]
)
def test_softmax_saturation_between_measured_class_counts(measured, classes, between):
    value = measured(loss="softmax-focal", precision="fp16", num_classes=classes).value(
        "focal.saturation_logit"
    )
    assert between[0] < value < between[1]


def test_softmax_saturation_needs_the_number_of_classes(counts, measured):
    assert measured(loss="softmax-focal").value("focal.saturation_logit") is None
    assert measured(counts(9, 1), loss="softmax-focal").value("focal.saturation_logit") == 16.65


@pytest.mark.parametrize(
    ("gamma", "alpha", "best"),
    [(1, -1, 0.073), (2, -1, 0.154), (5, -1, 0.305), (2, 0.25, 0.108), (2, 0.95, 0.35)],
)
def test_calibration_anchors(counts, measured, gamma, alpha, best):
    facts = measured(counts(990, 10), loss="sigmoid-focal", gamma=float(gamma), alpha=alpha)
    assert facts.value("focal.calibrated_probability") == pytest.approx(best, abs=0.006)
    assert facts.value("focal.calibration_inflation") == pytest.approx(best / 0.01, rel=0.02)


@given(st.floats(1e-6, 1 - 1e-6), st.floats(0, 8), st.floats(0.01, 0.99))
def test_minimiser_and_risk_by_search(eta, gamma, alpha):
    """Torch's formula in float64, minimised by scipy."""
    positive, negative = eta * alpha, (1 - eta) * (1 - alpha)

    def slow(x):
        p, q = 1 / (1 + math.exp(-x)), 1 / (1 + math.exp(x))
        return -positive * q**gamma * math.log(p) - negative * p**gamma * math.log(q)

    best = _focal.best_logit(positive, negative, gamma)
    found = optimize.minimize_scalar(slow, bounds=(-20, 20), method="bounded", options={"xatol": 1e-10})
    assert _focal.risk(best, positive, negative, gamma) == pytest.approx(slow(best), rel=1e-9)
    assert slow(best) <= found.fun * (1 + 1e-9)


@given(st.floats(1e-9, 1 - 1e-9))
def test_cross_entropy_is_proper(eta):
    assert _focal.sigmoid(_focal.best_logit(eta, 1 - eta, 0.0)) == pytest.approx(eta, rel=1e-9)


@given(st.floats(1e-6, 0.499), st.floats(0, 6), st.floats(0.01, 2))
def test_focusing_moves_towards_one_half(eta, gamma, more):
    less, further = (_focal.sigmoid(_focal.best_logit(eta, 1 - eta, g)) for g in (gamma, gamma + more))
    assert eta * (1 - 1e-9) <= less < further < 0.5


def test_edges():
    assert _focal.best_logit(0.0, 1.0, 2.0) == -math.inf
    assert _focal.best_logit(1.0, 0.0, 2.0) == math.inf
    assert _focal.best_logit(0.0, 0.0, 2.0) is None
    assert _focal.risk(math.inf, 1.0, 0.0, 2.0) == 0
    assert _focal.best_shares((0.0, 0.0, 0.0), 2.0) is None


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("weights", [(0.9, 0.09, 0.01), (0.5, 0.3, 0.15, 0.05), (0.7, 0.0, 0.3)])
def test_softmax_minimiser_by_search(gamma, weights):
    eta = np.array(weights)

    def slow(z):
        p = np.exp(z - z.max())
        p = np.clip(p / p.sum(), 1e-300, 1 - 1e-15)
        return -(eta * (1 - p) ** gamma * np.log(p)).sum()

    best = np.array(_focal.best_shares(weights, gamma))
    found = optimize.minimize(slow, np.log(eta + 1e-3), method="BFGS", options={"gtol": 1e-10}).x
    found = np.exp(found - found.max())
    assert best == pytest.approx(found / found.sum(), abs=2e-3)
    assert best.sum() == pytest.approx(1)


def test_softmax_of_two_classes_is_the_sigmoid(counts, measured):
    soft = measured(counts(990, 10), loss="softmax-focal", gamma=2.0, class_weights=(0.75, 0.25))
    hard = measured(counts(990, 10), loss="sigmoid-focal", gamma=2.0, alpha=0.25)
    name = "focal.calibrated_probability"
    assert soft.value(name) == pytest.approx(hard.value(name))
    pair = _focal.best_shares((0.75 * 0.99, 0.25 * 0.01), 2.0)
    assert pair[1] == pytest.approx(hard.value(name), rel=1e-3)


def test_softmax_calibration_of_several_classes(counts, measured):
    plan = {"loss": "softmax-focal", "gamma": 0.0}
    facts = measured(counts(700, 250, 50), **plan)
    assert facts.value("focal.calibrated_probability") == pytest.approx(0.05, rel=1e-3)
    wrong = measured(counts(700, 250, 50), **plan, class_weights=(1.0, 2.0))
    assert wrong.value("focal.calibrated_probability") is None


@pytest.mark.parametrize(("alpha", "share"), [(-1, 0.010), (0.25, 0.003), (0.75, 0.029), (0.99, 0.492)])
def test_pull_of_positives_measured(alpha, share):
    assert positive_pull(0.01, alpha) == pytest.approx(share, abs=0.009)


@pytest.mark.parametrize("alpha", [-1, 0.25, 0.9])
def test_pull_of_positives_in_the_reference(alpha):
    logits = torch.zeros(1000, dtype=torch.float64, requires_grad=True)
    targets = torch.zeros(1000, dtype=torch.float64)
    targets[:20] = 1
    SigmoidFocalLoss(alpha=alpha, gamma=2.0)(logits, targets).backward()
    pull = logits.grad.abs()
    assert positive_pull(0.02, alpha) == pytest.approx(float(pull[:20].sum() / pull.sum()))


@pytest.mark.parametrize(("p", "share"), [(0.9, 0.029), (0.7, 0.24), (0.5, 0.60)])
def test_gradient_share_measured(p, share):
    assert gradient_share(p, 2.0) == pytest.approx(share, rel=0.02)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_gradient_share_of_an_easy_row_in_the_reference(measured, gamma):
    logit = math.log(9.0)
    logits = torch.tensor([logit], dtype=torch.float64, requires_grad=True)
    SigmoidFocalLoss(alpha=-1, gamma=gamma)(logits, torch.ones(1, dtype=torch.float64)).backward()
    share = measured(loss="sigmoid-focal", gamma=gamma).value("focal.easy_gradient_share")
    assert share == pytest.approx(abs(logits.grad.item()) / 0.1)


def test_weights(measured):
    focal = measured(loss="softmax-focal", class_weights=(0.0, 0.5, 2.0, 1.0)).family("focal")
    assert (focal.class_weight_ratio, focal.zero_class_weights, focal.class_weights_count) == (4, 1, 4)
    zeros = measured(loss="softmax-focal", class_weights=(0.0, 0.0)).family("focal")
    assert (zeros.class_weight_ratio, zeros.zero_class_weights) == (None, 2)


@pytest.mark.parametrize(("alpha", "weight"), [(0.25, 1 / 3), (0.5, 1), (-1.0, 1), (0.0, 0), (1.0, None)])
def test_weight_of_a_positive(measured, alpha, weight):
    assert measured(loss="sigmoid-focal", alpha=alpha).value("focal.positive_weight") == weight


def test_edge_of_a_band_is_no_focal_weight(measured):
    assert measured(loss="pauc-at-budget", alpha=0.001).family("focal") is None
    assert measured(loss="bce").family("focal") is None
    assert measured(loss="smooth-ap", gamma=2.0).family("focal") is not None
