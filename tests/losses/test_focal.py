"""The focal losses: parity with the reference, its faults beside ours, plain loops, and several processes."""

from __future__ import annotations

import inspect
import itertools
import math
import pathlib
import subprocess
import sys
import warnings

import hypothesis.extra.numpy as hnp
import imbalanced_losses as reference
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from imbalance_doctor.losses.sigmoid_focal import SigmoidFocalLoss, sigmoid_focal
from imbalance_doctor.losses.softmax_focal import SoftmaxFocalLoss, softmax_focal

ROOT = pathlib.Path(__file__).parents[2]
FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]
GAMMAS = [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0]
LOGITS = [0.0, 1e-3, 5.0, 8.0, 10.0, 16.7, 20.0, 40.0, 88.0, 90.0, 104.0, 700.0, 1e4]


def value_and_gradient(loss, inputs, *args, **kwargs):
    inputs = inputs.detach().clone().requires_grad_()
    value = loss(inputs, *args, **kwargs)
    (gradient,) = torch.autograd.grad(value, inputs, torch.ones_like(value))
    return value.detach(), gradient


def assert_parity(ours, theirs, tolerance):
    for got, wanted in zip(ours, theirs, strict=True):
        assert got.shape == wanted.shape
        scale = wanted.abs().max().item() if wanted.numel() else 0
        assert torch.allclose(got, wanted.to(got.dtype), rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(SigmoidFocalLoss, reference.SigmoidFocalLoss), (SoftmaxFocalLoss, reference.SoftmaxFocalLoss)],
)
def test_one_import_is_all_there_is_to_change(ours, theirs):
    def describe(f):
        return [(p.name, p.default, p.kind) for p in inspect.signature(f).parameters.values()]

    assert describe(ours) == describe(theirs)
    assert describe(ours.forward) == describe(theirs.forward)


def test_the_state_of_the_reference_loads():
    theirs = reference.SoftmaxFocalLoss(alpha=[1.0, 2.0, 3.0])
    ours = SoftmaxFocalLoss(alpha=[1.0, 1.0, 1.0])
    ours.load_state_dict(theirs.state_dict())
    assert ours.alpha.tolist() == [1, 2, 3]
    assert not SoftmaxFocalLoss().state_dict()


# --- parity -----------------------------------------------------------------------------------------------

SIGMOID_OPTIONS = list(
    itertools.product(
        (0, 1, 1.5, 2, 3),
        ("none", "mean", "sum"),
        (-1, 0, 0.01, 0.25, 0.5, 0.9, 1),
        (0, 1, 2),
        ("hard", "soft", "mixed"),
    )
)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_sigmoid_parity(dtype, tolerance):
    torch.manual_seed(0)
    for gamma, reduction, alpha, weighted, kind in SIGMOID_OPTIONS:
        inputs = 2 * torch.randn(33, 3, 4, dtype=dtype)
        soft = torch.rand(33, 3, 4).to(dtype)
        targets = {"hard": soft.round(), "soft": soft, "mixed": torch.where(soft > 0.5, soft, 0)}[kind]
        weight = [None, torch.rand(33, 1, 4), torch.rand(33, 3, 4)][weighted]
        options = {"alpha": alpha, "gamma": gamma, "reduction": reduction}
        ours = value_and_gradient(SigmoidFocalLoss(**options), inputs, targets, sample_weight=weight)
        theirs = value_and_gradient(
            reference.SigmoidFocalLoss(**options), inputs, targets, sample_weight=weight
        )
        assert_parity(ours, theirs, tolerance)


SOFTMAX_OPTIONS = list(
    itertools.product(
        (0, 1, 1.5, 2, 3), ("none", "mean", "mean_positive", "sum"), (0, 0.1), (False, True), (False, True)
    )
)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("classes", [2, 3, 15, 16, 40])
@pytest.mark.parametrize("place", [(), (5,), (2, 3)])
def test_softmax_parity(classes, place, dtype, tolerance):
    torch.manual_seed(classes)
    for gamma, reduction, smoothing, alpha, weighted in SOFTMAX_OPTIONS:
        inputs = torch.randn(37, classes, *place, dtype=dtype)
        targets = torch.randint(0, classes, (37, *place))
        targets[torch.rand(targets.shape) < 0.2] = -100
        options = {
            "alpha": torch.rand(classes) if alpha else None,
            "gamma": gamma,
            "reduction": reduction,
            "label_smoothing": smoothing,
            "background_class": 1,
        }
        weight = torch.rand(targets.shape) if weighted else None
        ours = value_and_gradient(SoftmaxFocalLoss(**options), inputs, targets, sample_weight=weight)
        theirs = value_and_gradient(
            reference.SoftmaxFocalLoss(**options), inputs, targets, sample_weight=weight
        )
        assert_parity(ours, theirs, tolerance)


def test_softmax_parity_where_nothing_is_a_choice():
    inputs = torch.randn(9, 1, dtype=torch.float64)
    for smoothing in (0, 0.1):
        value, gradient = value_and_gradient(
            SoftmaxFocalLoss(label_smoothing=smoothing), inputs, torch.zeros(9, dtype=int)
        )
        assert value == 0
        assert not gradient.any()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_pieces_fit_together(reduction):
    """More elements than one piece holds, cut along rows and along places, change nothing."""
    torch.manual_seed(1)
    inputs = torch.randn(3 * 32_768 * torch.get_num_threads() + 17, dtype=torch.float64)
    targets = (torch.rand(inputs.shape) < 0.1).double()
    targets[40_000:40_010] = 0.3
    theirs = value_and_gradient(reference.SigmoidFocalLoss(reduction=reduction), inputs, targets)
    assert_parity(value_and_gradient(SigmoidFocalLoss(reduction=reduction), inputs, targets), theirs, 1e-10)
    for shape in [(150_000, 4), (40_000, 40), (2, 3, 100_001), (7, 3, 40_001), (100_001, 3, 2)]:
        inputs = torch.randn(shape, dtype=torch.float64)
        targets = torch.randint(0, shape[1], (shape[0], *shape[2:]))
        targets[-1] = -100
        theirs = value_and_gradient(reference.SoftmaxFocalLoss(reduction=reduction), inputs, targets)
        assert_parity(
            value_and_gradient(SoftmaxFocalLoss(reduction=reduction), inputs, targets), theirs, 1e-10
        )


def test_layouts_do_not_matter():
    inputs = torch.randn(4, 6, 5, 7, dtype=torch.float64)
    targets = torch.randint(0, 6, (4, 5, 7))
    wanted = value_and_gradient(softmax_focal, inputs, targets)
    turned = inputs.to(memory_format=torch.channels_last)
    assert_parity(value_and_gradient(softmax_focal, turned, targets), wanted, 1e-14)
    narrow = targets.to(torch.int8).transpose(1, 2).contiguous().transpose(1, 2)
    assert_parity(value_and_gradient(softmax_focal, inputs, narrow), wanted, 1e-14)
    wanted = value_and_gradient(sigmoid_focal, inputs, (inputs > 1).double(), reduction="none")
    turned = inputs.transpose(0, 3)
    got = value_and_gradient(sigmoid_focal, turned, turned > 1, reduction="none")
    assert_parity([part.transpose(0, 3) for part in got], wanted, 1e-14)


def test_gamma_0_is_cross_entropy():
    torch.manual_seed(2)
    inputs = 30 * torch.randn(500, dtype=torch.float64)
    targets = (torch.rand(500) < 0.3).double()
    ours = value_and_gradient(SigmoidFocalLoss(alpha=-1, gamma=0), inputs, targets)
    assert_parity(
        ours, value_and_gradient(functional.binary_cross_entropy_with_logits, inputs, targets), 1e-15
    )
    soft = torch.rand(500).double()
    ours = value_and_gradient(SigmoidFocalLoss(alpha=-1, gamma=0), inputs, soft)
    assert_parity(ours, value_and_gradient(functional.binary_cross_entropy_with_logits, inputs, soft), 1e-14)
    for classes, smoothing in [(3, 0), (3, 0.2), (50, 0), (50, 0.2)]:
        inputs = 10 * torch.randn(100, classes, dtype=torch.float64)
        targets = torch.randint(0, classes, (100,))
        ours = value_and_gradient(SoftmaxFocalLoss(gamma=0, label_smoothing=smoothing), inputs, targets)
        theirs = value_and_gradient(functional.cross_entropy, inputs, targets, label_smoothing=smoothing)
        assert_parity(ours, theirs, 1e-14)


# --- a slow twin, derivatives, properties -----------------------------------------------------------------


def slow_sigmoid(logit, target, alpha, gamma):
    p = 1 / (1 + math.exp(-logit))
    right = p * target + (1 - p) * (1 - target)
    cross_entropy = -target * math.log(p) - (1 - target) * math.log(1 - p)
    balance = 1 if alpha < 0 else alpha * target + (1 - alpha) * (1 - target)
    return balance * (1 - right) ** gamma * cross_entropy


def slow_softmax(logits, target, gamma, smoothing):
    total = sum(math.exp(logit) for logit in logits)
    p = [math.exp(logit) / total for logit in logits]
    cross_entropy = -(1 - smoothing) * math.log(p[target])
    cross_entropy -= smoothing * sum(math.log(share) for share in p) / len(p)
    return (1 - p[target]) ** gamma * cross_entropy


def test_slow_twin():
    random = np.random.default_rng(3)
    for _ in range(20):
        gamma, alpha = random.uniform(0, 4), random.choice([-1.0, random.uniform()])
        logits, targets = random.normal(0, 3, 9), random.choice([0, 0, 1, random.uniform()], 9)
        wanted = np.mean([slow_sigmoid(*pair, alpha, gamma) for pair in zip(logits, targets, strict=True)])
        got = sigmoid_focal(torch.tensor(logits), torch.tensor(targets), alpha=alpha, gamma=gamma)
        assert got.item() == pytest.approx(wanted, rel=1e-12)
        for classes in (4, 20):
            logits, targets = random.normal(0, 3, (9, classes)), random.integers(0, classes, 9)
            smoothing = random.choice([0, 0.3])
            rows = [slow_softmax(*pair, gamma, smoothing) for pair in zip(logits, targets, strict=True)]
            got = softmax_focal(
                torch.tensor(logits), torch.tensor(targets), gamma=gamma, label_smoothing=smoothing
            )
            assert got.item() == pytest.approx(np.mean(rows), rel=1e-12)


@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2, 3.3])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_gradcheck(gamma, reduction):
    torch.manual_seed(4)
    inputs = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(5, 1)
    for targets in (torch.rand(5, 3).round(), torch.rand(5, 3).double()):
        assert torch.autograd.gradcheck(
            lambda x, y=targets: sigmoid_focal(x, y, gamma=gamma, reduction=reduction, sample_weight=weight),
            inputs,
        )
    for classes, smoothing in [(3, 0.0), (3, 0.1), (17, 0.0)]:
        inputs = torch.randn(5, classes, dtype=torch.float64, requires_grad=True)
        targets = torch.tensor([0, 2, -100, 1, 1])
        for alpha in (None, torch.rand(classes)):
            assert torch.autograd.gradcheck(
                lambda x, t=targets, a=alpha, s=smoothing: softmax_focal(
                    x, t, alpha=a, gamma=gamma, reduction=reduction, label_smoothing=s
                ),
                inputs,
            )


@pytest.mark.parametrize(
    "loss",
    [lambda x: sigmoid_focal(x, torch.ones(4, 3)), lambda x: softmax_focal(x, torch.tensor([0, 1, 2, 0]))],
)
def test_a_second_derivative_is_refused(loss):
    inputs = torch.randn(4, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(inputs), inputs, create_graph=True)
    with pytest.raises(RuntimeError, match="this loss can be differentiated once"):
        gradient.sum().backward()
    with pytest.raises(RuntimeError, match="this loss can be differentiated once"):
        torch.autograd.grad(gradient.sum(), inputs, allow_unused=True)
    # A graph of the gradient that nobody differentiates does no harm.
    (total,) = torch.autograd.grad(loss(inputs) + inputs.square().sum(), inputs, create_graph=True)
    assert torch.equal(total, gradient + 2 * inputs)


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_the_graph_can_be_walked_again_and_gradients_add_up(factor):
    inputs = torch.randn(6, 3, requires_grad=True)
    targets = torch.tensor([0, 1, 2, 0, 1, 2])
    loss = factor * (softmax_focal(inputs, targets) + sigmoid_focal(inputs, inputs.detach() > 0))
    loss.backward(retain_graph=True)
    once = inputs.grad.clone()
    loss.backward()
    assert torch.allclose(inputs.grad, 2 * once)


def test_a_loss_without_gradient_is_the_same():
    inputs, targets = torch.randn(50, 20), torch.randint(0, 20, (50,))
    for loss, labels in ((sigmoid_focal, (inputs > 0).float()), (softmax_focal, targets)):
        value, _ = value_and_gradient(loss, inputs, labels)
        assert loss(inputs, labels) == value
        with torch.no_grad():
            assert loss(inputs.clone().requires_grad_(), labels) == value
    for classes in (3, 20):
        value, _ = value_and_gradient(softmax_focal, inputs[:, :classes], targets % classes, reduction="none")
        assert torch.equal(softmax_focal(inputs[:, :classes], targets % classes, reduction="none"), value)


NUMBERS = st.floats(-1e4, 1e4, width=32)


@settings(deadline=None, max_examples=80)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 20)), elements=NUMBERS),
    st.floats(0, 10),
    st.sampled_from(FLOATS),
    st.integers(0, 2**32 - 1),
)
def test_every_finite_input_gives_a_finite_loss_and_gradient(array, gamma, dtype, seed):
    inputs = torch.tensor(array).to(dtype)
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, inputs.shape[1], inputs.shape[:1], generator=generator)
    soft = torch.rand(inputs.shape, generator=generator)
    results = [
        value_and_gradient(softmax_focal, inputs, targets, gamma=gamma),
        value_and_gradient(softmax_focal, inputs, targets, gamma=gamma, label_smoothing=0.1),
        value_and_gradient(sigmoid_focal, inputs, soft, gamma=gamma),
        value_and_gradient(sigmoid_focal, inputs, soft > 0.5, gamma=gamma),
    ]
    for value, gradient in results:
        assert gradient.dtype == dtype
        assert torch.isfinite(value)
        assert value >= 0
        assert torch.isfinite(gradient).all()
    for _, gradient in results[:2]:  # softmax does not see a common shift of the logits
        size = gradient.float().abs().sum(1)
        assert (gradient.float().sum(1).abs() <= 0.02 * size + 1e-6).all()


@settings(deadline=None, max_examples=50)
@given(
    hnp.arrays(np.float64, (7, 6), elements=st.floats(-30, 30)),
    st.floats(0, 5),
    st.integers(0, 64).map(lambda n: n / 64),
)
def test_properties(array, gamma, alpha):
    inputs = torch.tensor(array)
    labels = inputs.cos() > 0
    each, slope = value_and_gradient(
        sigmoid_focal, inputs, labels, gamma=gamma, alpha=alpha, reduction="none"
    )
    # Swapping the classes, with the logits' signs and alpha, changes nothing.
    mirrored = sigmoid_focal(-inputs, ~labels, gamma=gamma, alpha=1 - alpha, reduction="none")
    assert torch.allclose(each, mirrored, rtol=1e-9, atol=1e-300)
    # A logit that moves to the right side costs less.
    assert (torch.where(labels, slope, -slope) <= 0).all()
    # More focus never costs more, and focusing weighs by at most 1.
    more = sigmoid_focal(inputs, labels, gamma=gamma + 1, alpha=alpha, reduction="none")
    assert (more <= each * (1 + 1e-12)).all()
    # The mean is the sum over the number; order does not matter.
    total = sigmoid_focal(inputs, labels, gamma=gamma, alpha=alpha, reduction="sum")
    assert torch.allclose(total, each.sum())
    # Of two classes, softmax is the sigmoid of the difference.
    pairs, ids = inputs[:, :2], labels[:, 0].long()
    both = softmax_focal(pairs, ids, gamma=gamma, reduction="none")
    one = sigmoid_focal(pairs[:, 1] - pairs[:, 0], ids, alpha=-1, gamma=gamma, reduction="none")
    assert torch.allclose(both, one, rtol=1e-9, atol=1e-300)


# --- faults of the reference ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
def test_b4_gradient_is_finite_for_every_gamma_where_the_reference_gives_nan(dtype):
    inputs, targets = torch.tensor([40.0], dtype=dtype), torch.ones(1, dtype=dtype)
    _, gradient = value_and_gradient(reference.SigmoidFocalLoss(alpha=-1, gamma=0.5), inputs, targets)
    assert gradient.isnan()
    rows, ids = torch.tensor([[50.0, 0, 0]], dtype=dtype), torch.tensor([0])
    _, gradient = value_and_gradient(reference.SoftmaxFocalLoss(gamma=0.5), rows, ids)
    assert gradient.isnan().any()
    for gamma, size, sign in itertools.product(GAMMAS, LOGITS, (1, -1)):
        for target in (0, 1):
            inputs = torch.tensor([sign * size], dtype=dtype)
            for part in value_and_gradient(sigmoid_focal, inputs, torch.tensor([target]), gamma=gamma):
                assert torch.isfinite(part)
            inputs = torch.tensor([sign * size], dtype=dtype)
            for edge in (1e-38, 0.5, 1 - 1e-7):  # labels that are soft, by a hair
                for part in value_and_gradient(sigmoid_focal, inputs, torch.tensor([edge]), gamma=gamma):
                    assert torch.isfinite(part)
        for classes, smoothing in ((2, 0), (2, 0.1), (20, 0), (20, 0.1)):
            inputs = torch.zeros(1, classes, dtype=dtype)
            inputs[0, 0] = sign * size
            options = {"gamma": gamma, "label_smoothing": smoothing}
            for part in value_and_gradient(softmax_focal, inputs, torch.tensor([0]), **options):
                assert torch.isfinite(part).all()


@pytest.mark.parametrize("gamma", [0.25, 0.5, 1, 2, 3.5])
def test_b4_what_is_finite_is_right(gamma):
    """In float32, where 1 - p_t is lost to rounding, against the leading term L = e^(-(gamma+1) x)."""
    for x in (10.0, 17.0, 20.0, 30.0):
        wanted = math.exp(-(gamma + 1) * x)
        if wanted < 1e-37:
            continue
        rows = torch.zeros(1, 2)
        rows[0, 1] = x
        many = torch.full((1, 20), -torch.inf)
        many[0, :2] = rows
        for value, gradient in [
            value_and_gradient(sigmoid_focal, torch.tensor([x]), torch.tensor([1]), alpha=-1, gamma=gamma),
            value_and_gradient(softmax_focal, rows, torch.tensor([1]), gamma=gamma),
            value_and_gradient(softmax_focal, many, torch.tensor([1]), gamma=gamma),
        ]:
            assert value.item() == pytest.approx(wanted, rel=2e-4)
            slope = gradient.flatten()[1 if gradient.numel() > 1 else 0].item()
            assert slope == pytest.approx(-(gamma + 1) * wanted, rel=2e-4)


@pytest.mark.parametrize("hole", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("classes", [3, 20])
def test_b5_ignored_rows_may_hold_anything_where_the_reference_breaks(hole, classes):
    torch.manual_seed(5)
    inputs, targets = torch.randn(6, classes), torch.randint(0, classes, (6,))
    targets[2] = -100
    clean, slope = value_and_gradient(softmax_focal, inputs, targets)
    inputs[2] = hole
    value, gradient = value_and_gradient(reference.SoftmaxFocalLoss(), inputs, targets)
    assert value.isnan() or gradient.isnan().any()
    value, gradient = value_and_gradient(softmax_focal, inputs, targets)
    assert value == clean
    assert torch.equal(gradient, slope)
    assert not gradient[2].any()
    # The same holds for rows of weight 0, and for a saturated row with gamma below 1.
    weight = (targets >= 0).float()
    targets[2] = 0
    value, gradient = value_and_gradient(softmax_focal, inputs, targets, sample_weight=weight)
    assert torch.allclose(value, clean)
    assert not gradient[2].any()
    inputs, targets = torch.tensor([[50.0, 0, 0], [1, 2, 3]]), torch.tensor([-100, 0])
    _, gradient = value_and_gradient(reference.SoftmaxFocalLoss(gamma=0.5), inputs, targets)
    assert gradient.isnan().any()
    _, gradient = value_and_gradient(softmax_focal, inputs, targets, gamma=0.5)
    assert torch.isfinite(gradient).all()
    assert gradient[1].any()


def test_b5_sigmoid_elements_of_weight_0_may_hold_anything():
    inputs, targets = torch.tensor([math.nan, 1.0, -2.0, math.inf]), torch.tensor([1.0, 0, 1, 0.5])
    weight = torch.tensor([0.0, 1, 2, 0])
    value, gradient = value_and_gradient(sigmoid_focal, inputs, targets, sample_weight=weight)
    wanted, slope = value_and_gradient(sigmoid_focal, inputs[1:3], targets[1:3], sample_weight=weight[1:3])
    assert torch.allclose(value, wanted)
    assert torch.allclose(gradient[1:3], slope)
    assert gradient[[0, 3]].tolist() == [0, 0]


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.bool])
def test_b23_integer_targets_are_taken(dtype):
    inputs, targets = torch.randn(8), torch.tensor([0, 1, 1, 0, 0, 0, 1, 0])
    with pytest.raises(RuntimeError):
        reference.SigmoidFocalLoss()(inputs, targets)
    got = value_and_gradient(sigmoid_focal, inputs, targets.to(dtype))
    assert_parity(got, value_and_gradient(reference.SigmoidFocalLoss(), inputs, targets.float()), 1e-6)


def test_b23_an_empty_batch_costs_0():
    inputs = torch.randn(0, 3, requires_grad=True)
    assert reference.SigmoidFocalLoss()(inputs, torch.zeros(0, 3)).isnan()
    for reduction in ("mean", "sum", "none"):
        for loss, targets in ((sigmoid_focal, torch.zeros(0, 3)), (softmax_focal, torch.zeros(0, dtype=int))):
            value = loss(inputs, targets, reduction=reduction)
            assert value.sum() == 0
            (gradient,) = torch.autograd.grad(value.sum(), inputs)
            assert gradient.shape == inputs.shape
    weightless = sigmoid_focal(inputs, torch.zeros(0, 3), sample_weight=torch.zeros(0, 1))
    assert weightless == 0
    inputs = torch.randn(4, 3, requires_grad=True)
    value, gradient = value_and_gradient(softmax_focal, inputs, torch.full((4,), -100))
    assert value == 0
    assert not gradient.any()


@pytest.mark.parametrize("loss", [SigmoidFocalLoss, SoftmaxFocalLoss])
def test_b23_options_are_checked_when_they_are_given(loss):
    theirs = getattr(reference, loss.__name__)
    theirs(gamma=-1, reduction="men")
    for gamma in (-1, -0.001, math.nan, math.inf):
        with pytest.raises(ValueError, match="gamma: expected a finite number of at least 0"):
            loss(gamma=gamma)
    with pytest.raises(ValueError, match=r"reduction: expected one of none, mean, .*but got 'men'"):
        loss(reduction="men")
    loss(gamma=0)


def test_b23_labels_outside_0_to_1_are_refused():
    assert reference.SigmoidFocalLoss()(torch.tensor([-5.0]), torch.tensor([-1.0])) < 0
    inputs = torch.zeros(3)
    for wrong in (
        torch.tensor([-1.0, 0, 0]),
        torch.tensor([0, 1, 2]),
        torch.tensor([0, 1.001, 0.5]),
        torch.tensor([math.nan, 0, 0]),
    ):
        with pytest.raises(ValueError, match=r"targets: expected labels in \[0, 1\]"):
            sigmoid_focal(inputs, wrong)


def test_b26_the_default_alpha_favours_negatives_and_can_be_turned_off():
    inputs, targets = torch.zeros(2), torch.tensor([1.0, 0.0])
    for loss in (SigmoidFocalLoss, reference.SigmoidFocalLoss):
        _, gradient = value_and_gradient(loss(), inputs, targets)
        assert (gradient[0] / gradient[1]).item() == pytest.approx(-1 / 3)
        _, gradient = value_and_gradient(loss(alpha=-1), inputs, targets)
        assert (gradient[0] / gradient[1]).item() == pytest.approx(-1)


@pytest.mark.parametrize("alpha", [1e-6, 1e-3, 0.999, 1 - 2**-20])
def test_a_small_alpha_keeps_its_digits(alpha):
    for target, weight in ((1, alpha), (0, 1 - alpha)):
        value = sigmoid_focal(torch.zeros(1), torch.tensor([target]), alpha=alpha)
        assert value.item() == pytest.approx(weight * 0.25 * math.log(2), rel=1e-6)


# --- refusals ---------------------------------------------------------------------------------------------


def test_refusals_of_the_sigmoid_form():
    inputs = torch.zeros(4, 3)
    for alpha in (-0.5, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"alpha: expected a number in \[0, 1\]"):
            SigmoidFocalLoss(alpha=alpha)
    with pytest.raises(ValueError, match=r"targets: expected \[4, 3\] like inputs, but got \[4\]"):
        sigmoid_focal(inputs, torch.zeros(4))
    with pytest.raises(ValueError, match="inputs: expected floating-point logits"):
        sigmoid_focal(inputs.long(), inputs)
    for weight in (torch.ones(3, 3), torch.ones(4, 2), torch.ones(4), torch.ones(1, 3)):
        with pytest.raises(ValueError, match=r"sample_weight: expected \[4, 3\]"):
            sigmoid_focal(inputs, inputs, sample_weight=weight)
    for wrong in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="sample_weight: expected finite numbers of at least 0"):
            sigmoid_focal(inputs, inputs, sample_weight=torch.tensor([1.0, 1, wrong, 1])[:, None])
    with pytest.warns(UserWarning, match="trains nothing"):
        assert sigmoid_focal(inputs, inputs, sample_weight=torch.zeros(4, 1)) == 0


def test_refusals_of_the_softmax_form():
    inputs, targets = torch.zeros(4, 3), torch.tensor([0, 1, 2, -100])
    # The reference clamps a short alpha to its last entry, and says nothing.
    assert reference.SoftmaxFocalLoss(alpha=[1.0, 1.0])(inputs, targets) > 0
    for length in (2, 4):
        with pytest.raises(
            ValueError, match=f"alpha: expected one weight for each of 3 classes, but got {length}"
        ):
            SoftmaxFocalLoss(alpha=[1.0] * length)(inputs, targets)
    for alpha in ([1.0, -1.0, 1.0], [1.0, math.nan, 1.0], [[1.0, 1.0, 1.0]]):
        with pytest.raises(ValueError, match="alpha: expected"):
            SoftmaxFocalLoss(alpha=alpha)
    for smoothing in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="label_smoothing"):
            SoftmaxFocalLoss(label_smoothing=smoothing)
    for wrong in (-1, 3, 100):
        with pytest.raises(ValueError, match=f"class ids from 0 to 2, or ignore_index, but got {wrong}"):
            softmax_focal(inputs, torch.tensor([0, 1, wrong, -100]))
    assert softmax_focal(inputs, torch.tensor([0, 1, -1, 2]), ignore_index=-1) > 0
    with pytest.raises(ValueError, match="soft labels are not supported"):
        softmax_focal(inputs, torch.full((4, 3), 1 / 3))
    with pytest.raises(ValueError, match=r"targets: expected \[4\]"):
        softmax_focal(inputs, targets[:, None])
    with pytest.raises(ValueError, match=r"inputs: expected logits \[N, C\]"):
        softmax_focal(inputs[0], targets)
    with pytest.raises(ValueError, match=r"sample_weight: expected \[4\]"):
        softmax_focal(inputs, targets, sample_weight=torch.ones(1))


# --- precision, autocast, compiling, devices --------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_as_exact_as_its_logits(dtype):
    torch.manual_seed(6)
    inputs, labels = (3 * torch.randn(3000, 20)).to(dtype), torch.randint(0, 20, (3000,))
    for loss, targets in ((sigmoid_focal, inputs > 2), (softmax_focal, labels)):
        value, gradient = value_and_gradient(loss, inputs, targets, reduction="sum")
        wanted, slope = value_and_gradient(loss, inputs.double(), targets, reduction="sum")
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(wanted.item(), rel=1e-5)
        assert gradient.dtype == dtype
        assert torch.allclose(gradient, slope.to(dtype), rtol=2 * torch.finfo(dtype).eps, atol=1e-7)


def test_autocast_does_not_lower_the_precision():
    inputs, targets = 20 * torch.randn(64, 20), torch.randint(0, 20, (64,))
    for loss, labels in ((SigmoidFocalLoss(gamma=0.5), inputs > 0), (SoftmaxFocalLoss(gamma=0.5), targets)):
        wanted = value_and_gradient(loss, inputs, labels)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            got = value_and_gradient(loss, inputs, labels)
        assert_parity(got, wanted, 0)


def test_compiling_changes_nothing():
    model = torch.nn.Linear(4, 3)
    focal, softmax = SigmoidFocalLoss(), SoftmaxFocalLoss(alpha=[1.0, 2.0, 3.0])
    inputs, labels, ids = torch.randn(8, 4), torch.rand(8, 3).round(), torch.randint(0, 3, (8,))

    def step(inputs, labels, ids):
        logits = model(inputs)
        return 2 * focal(logits, labels) + softmax(logits, ids)

    step(inputs, labels, ids).backward()
    wanted = model.weight.grad.clone()
    model.zero_grad()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own
        compiled = torch.compile(step, backend="eager")(inputs, labels, ids)
        compiled.backward()
    assert torch.allclose(compiled, step(inputs, labels, ids))
    assert torch.allclose(model.weight.grad, wanted)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", FLOATS)
def test_cuda_gives_what_the_cpu_gives(dtype):
    inputs = (5 * torch.randn(300, 20)).to(dtype)
    ids = torch.randint(0, 20, (300,))
    ids[7] = -100
    for loss, targets, options in [
        (sigmoid_focal, inputs > 1, {}),
        (sigmoid_focal, torch.rand(300, 20), {"gamma": 0.5, "sample_weight": torch.rand(300, 1)}),
        (softmax_focal, ids, {"alpha": torch.rand(20)}),
        (softmax_focal, ids, {"label_smoothing": 0.1, "gamma": 0.5}),
    ]:
        wanted = value_and_gradient(loss, inputs, targets, **options)
        on_device = {k: v.cuda() if isinstance(v, torch.Tensor) else v for k, v in options.items()}
        got = value_and_gradient(loss, inputs.cuda(), targets.cuda(), **on_device)
        tolerance = 1e-9 if dtype == torch.float64 else 4 * torch.finfo(dtype).eps
        assert_parity(
            [part.cpu() for part in got], wanted, max(tolerance, 1e-6 if dtype != torch.float64 else 0)
        )


# --- several processes ------------------------------------------------------------------------------------

SCRIPT = '''
import os, sys, torch
import torch.distributed as dist
from imbalance_doctor.losses.sigmoid_focal import SigmoidFocalLoss
from imbalance_doctor.losses.softmax_focal import SoftmaxFocalLoss
from imbalance_doctor.losses.weighted import ClassBalancedBCELoss, WeightedCELoss
import imbalanced_losses as reference

rank, world, file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
used_before = SigmoidFocalLoss(gather_distributed=True)
used_before(torch.zeros(2), torch.zeros(2))  # a call before the processes meet decides nothing
dist.init_process_group("gloo", init_method="file://" + file, rank=rank, world_size=world)

def data(total):
    torch.manual_seed(7)
    x = torch.randn(total, 6, dtype=torch.float64)
    ids = torch.randint(0, 4, (total,))
    ids[::5] = -100
    ids[: total // 3] = 0
    return x, ids, (torch.rand(total, 4) < 0.2).double(), torch.rand(total).double()

CASES = {
    "sigmoid mean": (SigmoidFocalLoss(), "labels", False),
    "sigmoid called before": (used_before, "labels", False),
    "sigmoid sum": (SigmoidFocalLoss(reduction="sum", gather_distributed=True), "labels", False),
    "sigmoid weighted": (SigmoidFocalLoss(alpha=-1, gamma=0.5), "labels", True),
    "softmax mean": (SoftmaxFocalLoss(), "ids", False),
    "mean_positive": (SoftmaxFocalLoss(reduction="mean_positive", alpha=[1.0, 2, 3, 4]), "ids", False),
    "softmax weighted": (SoftmaxFocalLoss(label_smoothing=0.1), "ids", True),
    "softmax sum": (SoftmaxFocalLoss(reduction="sum"), "ids", False),
    "weighted ce": (WeightedCELoss([1.0, 2, 3, 4]), "ids", True),
    "balanced bce": (ClassBalancedBCELoss([3, 4, 5, 6], [90, 90, 90, 90]), "labels", True),
}

def averaged_gradient(loss, kind, weighted, rows):
    """Train one step on the rows of each process, averaging gradients; two processes use the real thing."""
    torch.manual_seed(8)
    layer = torch.nn.Linear(6, 4).double()
    model = layer
    if world == 2:
        from torch.nn.parallel import DistributedDataParallel  # slow to import
        model = DistributedDataParallel(layer)
    value = run(model, loss, kind, weighted, rows)
    value.backward()
    if world > 2:
        dist.all_reduce(layer.weight.grad)
        layer.weight.grad /= world
    return value, layer.weight.grad

def run(model, loss, kind, weighted, rows):
    x, ids, labels, weight = data(total)
    targets = ids[rows] if kind == "ids" else labels[rows]
    w = None
    if weighted:
        w = weight[rows] if kind == "ids" else weight[rows][:, None]
    return loss(model(x[rows]), targets, sample_weight=w)

for sizes in ([6] * world, [9] + [3] * (world - 1), [11] + [0] * (world - 1)):
    total = sum(sizes)
    start = sum(sizes[:rank])
    mine, everything = slice(start, start + sizes[rank]), slice(0, total)
    for name, (loss, kind, weighted) in CASES.items():
        torch.manual_seed(8)
        alone = torch.nn.Linear(6, 4).double()
        loss.gather_distributed = False
        whole = run(alone, loss, kind, weighted, everything)
        whole.backward()
        loss.gather_distributed = None
        value, gradient = averaged_gradient(loss, kind, weighted, mine)
        error = (gradient - alone.weight.grad).norm() / alone.weight.grad.norm()
        assert error < 1e-12, (name, sizes, error)
        assert abs(value - whole) < 1e-12 * whole, (name, sizes, value, whole)
    # "none" is of this process; the reference's gradient is that of the whole batch over the processes.
    assert run(alone, SigmoidFocalLoss(reduction="none"), "labels", False, mine).shape == (sizes[rank], 4)
    makers = (reference.SigmoidFocalLoss, SigmoidFocalLoss)
    theirs, ours = (averaged_gradient(make(), "labels", False, mine)[1] for make in makers)
    assert torch.allclose(theirs * world, ours), (sizes, "b1")
dist.destroy_process_group()
print("done")
'''


@pytest.mark.parametrize("world", [2, 4])
def test_b1_the_gradient_of_several_processes_is_that_of_the_whole_batch(world, tmp_path):
    """Equal shares, unequal shares, and processes with no row; the reference divides by their number."""
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), str(world), str(tmp_path / "meet")],
            env={"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]
    try:
        for process in processes:
            output, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
            assert "done" in output
    finally:
        for process in processes:
            process.kill()
