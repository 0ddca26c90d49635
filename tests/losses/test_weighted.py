"""Class-weighted and class-balanced losses, against torch's and the published formula."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from imbalance_doctor.losses.weighted import (
    ClassBalancedBCELoss,
    ClassBalancedCELoss,
    MinedBCELoss,
    WeightedBCELoss,
    WeightedCELoss,
    class_balanced_pos_weight,
    class_balanced_weights,
    inverse_frequency_weights,
    mined_bce,
)

COUNTS = st.lists(st.integers(1, 10**7), min_size=1, max_size=20)


def value_and_gradient(loss, inputs, *args, **kwargs):
    inputs = inputs.detach().clone().requires_grad_()
    value = loss(inputs, *args, **kwargs)
    (gradient,) = torch.autograd.grad(value, inputs, torch.ones_like(value))
    return value.detach(), gradient


def assert_same(ours, theirs, tolerance=1e-10):
    for got, wanted in zip(ours, theirs, strict=True):
        assert torch.allclose(got, wanted.to(got.dtype), rtol=tolerance, atol=tolerance)


@settings(deadline=None)
@given(COUNTS, st.sampled_from([0.0, 0.5, 0.9, 0.99, 0.9999]))
def test_weights_follow_the_published_formula(counts, beta):
    """The effective number by its definition, 1 + beta + ... + beta^(n-1), as far as it still grows."""
    effective = []
    for count in counts:
        terms = min(count, 1 if beta == 0 else math.ceil(-40 / math.log(beta)))
        effective.append(math.fsum(beta**k for k in range(terms)) if terms <= 5000 else None)
    if None in effective:
        effective = [(1 - beta**count) / (1 - beta) for count in counts]
    wanted = [1 / number for number in effective]
    scale = len(wanted) / sum(wanted)
    got = class_balanced_weights(counts, beta)
    assert got.dtype == torch.float32
    assert got.tolist() == pytest.approx([scale * weight for weight in wanted], rel=1e-6)


@settings(deadline=None)
@given(COUNTS, st.floats(0, 1), st.floats(0, 3))
def test_rarer_classes_never_weigh_less(counts, beta, power):
    for weights in (class_balanced_weights(counts, beta), inverse_frequency_weights(counts, power)):
        assert weights.mean().item() == pytest.approx(1, rel=1e-5)
        ordered = [weight for _, weight in sorted(zip(counts, weights.tolist(), strict=True))]
        assert all(a >= b * (1 - 1e-6) for a, b in pairwise(ordered))


def test_limits_of_beta_and_power():
    counts = [5, 50, 500_000]
    inverse = torch.tensor([1 / 5, 1 / 50, 1 / 500_000])
    inverse = inverse / inverse.mean()
    assert torch.allclose(class_balanced_weights(counts, 1), inverse)
    assert torch.allclose(class_balanced_weights(counts, 1 - 1e-13), inverse, rtol=1e-5)
    assert torch.allclose(inverse_frequency_weights(counts, 1), inverse)
    assert class_balanced_weights(counts, 0).tolist() == [1, 1, 1]
    assert inverse_frequency_weights(torch.tensor(counts), 0).tolist() == [1, 1, 1]
    root = inverse_frequency_weights([100, 10_000])
    assert (root[0] / root[1]).item() == pytest.approx(10)


def test_pos_weight_is_the_ratio_of_the_two_classes_weights():
    for beta in (0, 0.9, 0.999, 1):
        few, many = class_balanced_weights([30, 4000], beta)
        ratio = class_balanced_pos_weight([30], [4000], beta)
        assert ratio.item() == pytest.approx((few / many).item(), rel=1e-6)


@pytest.mark.parametrize("place", [(), (3,)])
@pytest.mark.parametrize("classes", [4, 20])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_weighted_ce_is_that_of_torch(reduction, classes, place):
    torch.manual_seed(0)
    inputs = torch.randn(50, classes, *place, dtype=torch.float64)
    targets = torch.randint(0, classes, (50, *place))
    targets[::7] = -100
    weight = torch.rand(classes)
    weight[1] = 0
    ours = value_and_gradient(WeightedCELoss(weight, reduction), inputs, targets)
    theirs = value_and_gradient(
        lambda x, y: functional.cross_entropy(x, y, weight.double(), reduction=reduction), inputs, targets
    )
    assert_same(ours, theirs)
    # A weight for each row multiplies that of its class, in the mean's divisor, too.
    rows = torch.rand(targets.shape)
    ours, _ = value_and_gradient(WeightedCELoss(weight, reduction), inputs, targets, sample_weight=rows)
    each = functional.cross_entropy(inputs, targets, weight.double(), reduction="none") * rows
    if reduction == "none":
        assert torch.allclose(ours, each)
    else:
        mass = (weight[targets.clamp(0)] * rows * (targets >= 0)).sum() if reduction == "mean" else 1
        assert ours.item() == pytest.approx((each.sum() / mass).item(), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_weighted_bce_is_that_of_torch(reduction, dtype):
    torch.manual_seed(1)
    inputs, soft = torch.randn(50, 4).to(dtype), torch.rand(50, 4)
    weight = 10 * torch.rand(4)
    rounding = max(2 * torch.finfo(dtype).eps, 1e-6)
    for targets in (soft.to(dtype), soft.round().long(), soft > 0.5):
        ours = value_and_gradient(WeightedBCELoss(weight, reduction), inputs, targets)
        exact = inputs.double()
        theirs = value_and_gradient(
            lambda x, y: functional.binary_cross_entropy_with_logits(
                x, y.double(), pos_weight=weight.double(), reduction=reduction
            ),
            exact,
            targets,
        )
        assert_same(ours[:1], theirs[:1], 1e-10 if dtype == torch.float64 else 1e-5)
        assert_same(ours[1:], theirs[1:], 1e-10 if dtype == torch.float64 else rounding)
    rows = torch.rand(50, 1)
    value = WeightedBCELoss(3.0, reduction)(inputs.double(), targets, sample_weight=rows)
    each = functional.binary_cross_entropy_with_logits(
        inputs.double(), targets.double(), reduction="none", pos_weight=torch.tensor(3.0)
    )
    wanted = {"none": each * rows, "sum": (each * rows).sum(), "mean": (each * rows).sum() / (4 * rows.sum())}
    assert torch.allclose(value, wanted[reduction], rtol=1e-6)


def test_balanced_losses_are_weighted_losses():
    torch.manual_seed(2)
    inputs, ids = torch.randn(30, 3), torch.randint(0, 3, (30,))
    counts = [10, 1000, 100_000]
    balanced, weighted = (
        ClassBalancedCELoss(counts, 0.99),
        WeightedCELoss(class_balanced_weights(counts, 0.99)),
    )
    assert balanced(inputs, ids) == weighted(inputs, ids)
    assert weighted.state_dict().keys() == {"weight"}
    labels = inputs > 1
    balanced = ClassBalancedBCELoss([5, 6, 7], [500, 600, 700], 0.99)
    weighted = WeightedBCELoss(class_balanced_pos_weight([5, 6, 7], [500, 600, 700], 0.99))
    assert balanced(inputs, labels) == weighted(inputs, labels)
    assert weighted.state_dict().keys() == {"pos_weight"}


def test_ignored_rows_may_hold_nan_where_torch_gives_nan_gradients():
    inputs, targets = torch.randn(4, 3), torch.tensor([0, 1, -100, 2])
    inputs[2] = math.nan
    weight = torch.tensor([1.0, 2, 3])
    _, gradient = value_and_gradient(functional.cross_entropy, inputs, targets, weight)
    assert gradient.isnan().any()
    value, gradient = value_and_gradient(WeightedCELoss(weight), inputs, targets)
    assert torch.isfinite(value)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("loss", [WeightedBCELoss(2.0), WeightedCELoss([1.0, 2]), MinedBCELoss(2.0)])
def test_an_empty_batch_costs_0(loss):
    inputs = torch.randn(0, 2, requires_grad=True)
    targets = torch.zeros(0, dtype=int) if isinstance(loss, WeightedCELoss) else torch.zeros(0, 2)
    value = loss(inputs, targets)
    assert value == 0
    value.backward()


def mined_slowly(logits, targets, pos_weight, share):
    """Sort the negatives, keep the first, add up."""
    rows = list(zip(logits.double().flatten().tolist(), targets.flatten().tolist(), strict=True))
    negatives = sorted((x for x, y in rows if not y), reverse=True)
    kept = negatives[: max(1, round(share * len(negatives)))]
    cost = math.fsum(math.log1p(math.exp(x)) for x in kept)
    cost += pos_weight * math.fsum(math.log1p(math.exp(-x)) for x, y in rows if y)
    return cost / max(1, len(kept))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(-30, 30), st.booleans()), max_size=60),
    st.floats(0, 100),
    st.floats(0.01, 1),
    st.sampled_from([torch.bool, torch.int64, torch.float32]),
)
def test_mined_bce_is_that_of_the_slow_twin(rows, weight, share, kind):
    logits = torch.tensor([[x] for x, _ in rows], dtype=torch.float64).reshape(-1, 1)
    targets = torch.tensor([[y] for _, y in rows]).reshape(-1, 1).to(kind)
    got = MinedBCELoss(weight, share)(logits, targets)
    assert got.item() == pytest.approx(mined_slowly(logits, targets, weight, share), rel=1e-8, abs=1e-12)


def test_mined_bce_of_all_negatives_is_weighted_bce():
    torch.manual_seed(3)
    inputs, targets = torch.randn(40, 3, dtype=torch.float64), torch.rand(40, 3) < 0.2
    mined = value_and_gradient(mined_bce, inputs, targets, pos_weight=7.0, share=1.0)
    weighted = value_and_gradient(WeightedBCELoss(7.0, "sum"), inputs, targets)
    negatives = (~targets).sum()
    assert_same(mined, [part / negatives for part in weighted])


@pytest.mark.parametrize("positives", [0, 5, 30])
def test_gradients_of_mined_bce(positives):
    torch.manual_seed(4)
    inputs = torch.randn(30, 1, dtype=torch.float64, requires_grad=True)
    targets = (torch.arange(30) < positives)[:, None]
    assert torch.autograd.gradcheck(lambda x: mined_bce(x, targets, pos_weight=4.0, share=0.2), inputs)
    _, gradient = value_and_gradient(mined_bce, inputs, targets, pos_weight=4.0, share=0.2)
    kept = round(0.2 * (30 - positives))
    assert (gradient[targets] < 0).all()
    assert (gradient[~targets] > 0).sum() == kept
    if kept:  # those above, and no others
        by_score = gradient[~targets][inputs[~targets].argsort(descending=True)]
        assert (by_score[:kept] > 0).all()
        assert (by_score[kept:] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_mined_bce_of_half_precision_is_summed_in_float32(dtype):
    torch.manual_seed(5)
    inputs, targets = (8 * torch.randn(4000, 1)).to(dtype), (torch.arange(4000) % 50 == 0)[:, None]
    value, gradient = value_and_gradient(mined_bce, inputs, targets, pos_weight=4.9)
    exact, slope = value_and_gradient(mined_bce, inputs.double(), targets, pos_weight=4.9)
    assert value.dtype == torch.float32
    assert gradient.dtype == dtype
    assert value.item() == pytest.approx(exact.item(), rel=1e-5)
    # the least float16 can hold is far above the gradients of easy positives
    assert torch.allclose(gradient.double(), slope, rtol=torch.finfo(dtype).eps, atol=1e-7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert mined_bce(inputs.float(), targets, pos_weight=4.9).item() == pytest.approx(exact.item())


def test_mined_bce_tells_of_nan():
    inputs = torch.randn(50, 1)
    inputs[20] = math.nan
    assert mined_bce(inputs, torch.arange(50)[:, None] < 5, pos_weight=1.0).isnan()


def test_mining_refusals():
    x, y = torch.zeros(4, 1), torch.zeros(4, 1)
    for weight in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="pos_weight: expected a finite number"):
            MinedBCELoss(weight)
    for share in (0.0, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"share: expected a number in \(0, 1\]"):
            MinedBCELoss(1.0, share)
    for labels in (y + 0.5, y - 1, y + math.nan):
        with pytest.raises(ValueError, match="targets: expected 0 and 1 only"):
            mined_bce(x, labels, pos_weight=1.0)
    with pytest.raises(ValueError, match="like inputs"):
        mined_bce(x, y[:, 0], pos_weight=1.0)
    with pytest.raises(ValueError, match="floating-point"):
        mined_bce(x.long(), y, pos_weight=1.0)
    assert repr(MinedBCELoss(2.0)) == "MinedBCELoss(pos_weight=2.0, share=0.1)"


def test_refusals():
    for counts in ([3, 0], [3, -1], [3, math.nan], [], [[1, 2]]):
        with pytest.raises(ValueError, match="counts: expected"):
            class_balanced_weights(counts)
    for beta in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="beta: expected"):
            class_balanced_weights([1, 2], beta)
    for power in (-1, math.inf):
        with pytest.raises(ValueError, match="power: expected"):
            inverse_frequency_weights([1, 2], power)
    with pytest.raises(ValueError, match="negatives: expected"):
        class_balanced_pos_weight([1], [1, 2])
    with pytest.raises(ValueError, match="positives: expected counts of at least 1"):
        ClassBalancedBCELoss([0], [100])
    for weight in ([1.0, -1.0], [math.nan], [[1.0]], []):
        with pytest.raises(ValueError, match="weight: expected finite weights"):
            WeightedCELoss(weight)
        with pytest.raises(ValueError, match="pos_weight: expected finite weights"):
            WeightedBCELoss(weight)
    with pytest.raises(ValueError, match="inputs: expected 2 classes, as weight has, but got 3"):
        WeightedCELoss([1.0, 2])(torch.zeros(4, 3), torch.zeros(4, dtype=int))
    with pytest.raises(ValueError, match="class ids from 0 to 1"):
        WeightedCELoss([1.0, 2])(torch.zeros(4, 2), torch.tensor([0, 1, 2, 0]))
    with pytest.raises(ValueError, match="as pos_weight"):
        WeightedBCELoss([1.0, 2])(torch.zeros(4, 3), torch.zeros(4, 3))
    with pytest.raises(ValueError, match=r"labels in \[0, 1\]"):
        WeightedBCELoss(1.0)(torch.zeros(2), torch.tensor([0, -1]))
    for loss in (WeightedBCELoss, WeightedCELoss):
        with pytest.raises(ValueError, match="reduction"):
            loss([1.0, 2], reduction="men")
