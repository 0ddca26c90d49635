"""Smooth-AP against plain loops, the reference library, scikit-learn and its own mathematics."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from imbalance_doctor.losses import _average_precision, _grid
from imbalance_doctor.losses.smooth_ap import smooth_ap

METHODS = ["auto", "dense", "grid", "window"]
SHAPES = {
    "normal": lambda size, kind, g: torch.randn(size, generator=g, dtype=kind),
    "tied": lambda size, kind, g: torch.randn(size, generator=g, dtype=kind).mul(4).round().div(4),
    "shifted": lambda size, kind, g: (
        torch.randn(size, generator=g, dtype=kind) + (1e6 if kind == torch.float64 else 1e3)
    ),
    "heavy-tailed": lambda size, kind, g: torch.empty(size, dtype=kind).cauchy_(generator=g),
    "constant": lambda size, kind, g: torch.full(size, 0.3, dtype=kind),
    "sigmoid": lambda size, kind, g: (3 * torch.randn(size, generator=g, dtype=kind) - 4).sigmoid(),
}


def sigmoid(t):
    return 1 / (1 + math.exp(-t)) if t >= 0 else math.exp(t) / (1 + math.exp(t))


def loops(scores, positive, tau, weight=None, pool_weight=None):
    """The definition for one class, written as plain loops over Python numbers: loss and gradient."""
    m = len(scores)
    w = weight or [1.0] * m
    g = pool_weight or [1.0] * m
    rows = [i for i in range(m) if positive[i]]
    total = sum(w[i] * g[i] for i in rows)
    loss, gradient = 1.0, [0.0] * m
    for i in rows:
        rank = rank_positive = 1.0
        for j in range(m):
            if j != i:
                d = sigmoid((scores[j] - scores[i]) / tau)
                rank += g[j] * d
                rank_positive += g[j] * d if positive[j] else 0.0
        share = w[i] * g[i] / total
        loss -= share * rank_positive / rank
        for j in range(m):
            if j != i:
                d = sigmoid((scores[j] - scores[i]) / tau)
                slope = g[j] * d * (1 - d) / tau
                change = (slope if positive[j] else 0.0) / rank - rank_positive * slope / rank**2
                gradient[j] -= share * change
                gradient[i] += share * change
    return loss, gradient


def solve(scores, positive, **options):
    """Loss, valid and gradient of the summed loss."""
    x = scores.detach().clone().requires_grad_()
    loss, valid = smooth_ap(x, positive, **options)
    loss[valid].sum().backward()
    return loss.detach(), valid, x.grad


def exact(scores, positive, tau):
    """All pairs at once in float64 by autograd: the oracle for larger pools."""
    x = scores.double().detach().requires_grad_()
    losses = []
    for c in range(x.shape[1]):
        at = positive[:, c].nonzero()[:, 0]
        d = torch.sigmoid((x[None, :, c] - x[at, None, c]) / tau) * (torch.arange(len(x)) != at[:, None])
        losses.append(1 - ((1 + d[:, positive[:, c]].sum(1)) / (1 + d.sum(1))).mean())
    loss = torch.stack(losses)
    loss.sum().backward()
    return loss.detach(), x.grad


def reference(scores, positive, tau, weight=None):
    """The reference library's loss of each class, in the scores' own type: loss and gradient."""
    library = pytest.importorskip("imbalanced_losses")
    x = scores.detach().clone().requires_grad_()
    losses = []
    for c in range(x.shape[1]):
        ap, valid = library.SmoothAPLoss._compute_smooth_ap(
            x[:, c], positive[:, c], tau, sample_weight=weight
        )
        assert valid
        losses.append(1 - ap)
    loss = torch.stack(losses)
    loss.sum().backward()
    return loss.detach(), x.grad


def error(got, want):
    return ((got.double() - want.double()).norm() / want.double().norm().clamp(min=1e-30)).item()


def pool(seed, rows, classes=1, share=0.15, shape="normal", kind=torch.float64):
    g = torch.Generator().manual_seed(seed)
    scores = SHAPES[shape]((rows, classes), kind, g)
    positive = torch.rand(rows, classes, generator=g) < share
    positive[0], positive[1] = True, False
    return scores, positive


# -- the definition --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["dense", "grid"])
@pytest.mark.parametrize("live", [0, 37, 90])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_torch_and_numpy_engines_agree(method, live, kind):
    """Other devices than the CPU use the torch engines: here they run on the CPU."""
    scores, positive = pool(6, 90, 4, share=0.2, kind=kind)
    mass = 1 + torch.rand(90, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scale = torch.tensor([0.001, 0.01, 0.1, 1.0], dtype=torch.float64)
    for weight, pool_weight in ((None, None), (mass.flip(0), None), (mass.flip(0), mass)):
        facts = [
            _average_precision.Ranked.of(scores, positive, scale, live, weight, pool_weight) for _ in range(2)
        ]
        numpy, by_torch = (
            _average_precision.solve(fact, method, engines)
            for fact, engines in zip(
                facts, (_average_precision.HOST_ENGINES, _average_precision.ENGINES), strict=True
            )
        )
        tolerance = 1e-6 if kind == torch.float32 else 1e-10
        assert torch.equal(numpy[1], by_torch[1])
        assert (numpy[0] - by_torch[0]).abs().max() < tolerance
        assert live == 0 or error(numpy[2], by_torch[2]) < tolerance


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_plain_loops(method, weighted):
    for seed in range(6):
        scores, positive = pool(seed, 23, shape=list(SHAPES)[seed], share=0.3)
        g = torch.Generator().manual_seed(seed)
        weight = torch.rand(23, generator=g) if weighted else None
        mass = 1 + 3 * torch.rand(23, generator=g) if weighted else None
        tau = [0.01, 0.1, 1.0][seed % 3]
        want, slope = loops(
            scores[:, 0].tolist(),
            positive[:, 0].tolist(),
            tau,
            weight.tolist() if weighted else None,
            mass.tolist() if weighted else None,
        )
        loss, _, gradient = solve(
            scores, positive, temperature=tau, weight=weight, pool_weight=mass, method=method
        )
        assert loss.item() == pytest.approx(want, abs=1e-11)
        assert error(gradient[:, 0], torch.tensor(slope, dtype=torch.float64)) < 1e-9


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tau", [1e-3, 0.03, 1.0])
def test_float64_parity_with_the_reference(method, shape, tau):
    for seed, rows, classes in ((0, 40, 1), (1, 211, 3), (2, 700, 2)):
        scores, positive = pool(seed, rows, classes, shape=shape)
        want, slope = reference(scores, positive, tau)
        loss, valid, gradient = solve(scores, positive, temperature=tau, method=method)
        assert valid.all()
        assert (loss - want).abs().max() < 1e-10
        assert error(gradient, slope) < 1e-10


def test_weighted_parity_with_the_reference():
    for seed in range(20):
        scores, positive = pool(seed, 90, 2)
        weight = torch.rand(90, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        want, slope = reference(scores, positive, 0.05, weight)
        for method in METHODS:
            loss, _, gradient = solve(scores, positive, temperature=0.05, weight=weight, method=method)
            assert (loss - want).abs().max() < 1e-10
            assert error(gradient, slope) < 1e-10


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tau", [1e-3, 0.01, 0.1, 1.0])
def test_float32_is_no_less_exact_than_the_reference(shape, tau):
    scores, positive = pool(5, 2_500, 2, shape=shape, kind=torch.float32)
    want, slope = exact(scores, positive, tau)
    _, theirs = reference(scores, positive, tau)
    for method in ("auto", "dense", "grid"):
        loss, _, ours = solve(scores, positive, temperature=tau, method=method)
        assert loss.dtype == ours.dtype == torch.float32
        assert (loss.double() - want).abs().max() < 1e-7
        assert error(ours, slope) < 1e-6
        assert error(ours, slope) <= max(error(theirs, slope), 6e-8)  # half a unit in the last place


def test_many_points_use_the_fine_low_order_grid_and_stay_exact():
    scores, positive = pool(7, 30_000, 1, share=0.005, kind=torch.float32)
    scores = scores.clamp(-2, 2)
    assert _grid.spline_for(torch.float32, 30_000, 4 / 0.05) is _grid.MANY_POINTS
    want, slope = exact(scores, positive, 0.05)
    loss, _, gradient = solve(scores, positive, temperature=0.05, method="grid")
    assert (loss.double() - want).abs().max() < 1e-7
    assert error(gradient, slope) < 1e-7


def test_one_temperature_for_each_class():
    scores, positive = pool(3, 120, 3)
    taus = torch.tensor([0.01, 0.1, 1.0])
    for method in METHODS:
        loss, _, gradient = solve(scores, positive, temperature=taus, method=method)
        for c, tau in enumerate([0.01, 0.1, 1.0]):
            want, _, slope = solve(
                scores[:, c : c + 1], positive[:, c : c + 1], temperature=tau, method="dense"
            )
            assert loss[c].item() == pytest.approx(want.item(), abs=1e-7)  # the temperatures came as float32
            assert error(gradient[:, c], slope[:, 0]) < 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_gradcheck(method):
    scores, positive = pool(11, 14, 2, share=0.4)
    mass = 1 + torch.rand(14, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    options = {"temperature": 0.4, "pool_weight": mass, "weight": mass.flip(0), "method": method}
    assert torch.autograd.gradcheck(
        lambda x: smooth_ap(x, positive, **options)[0], scores.requires_grad_(), eps=1e-5, atol=1e-6
    )


# -- limits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_cold_limit_is_average_precision(method):
    rng = np.random.default_rng(0)
    for _ in range(5):
        scores = torch.from_numpy(rng.permutation(200) / 10.0)[:, None]
        positive = torch.from_numpy(rng.random(200) < 0.2)[:, None]
        loss, _ = smooth_ap(scores, positive, temperature=1e-3, method=method)
        want = average_precision_score(positive[:, 0].numpy(), scores[:, 0].numpy())
        assert 1 - loss.item() == pytest.approx(want, abs=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_equal_scores(method):
    scores, positive = pool(0, 300, share=0.1, shape="constant")
    p = int(positive.sum())
    loss, _ = smooth_ap(scores, positive, method=method)
    assert loss.item() == pytest.approx(1 - (p + 1) / 301, abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("rows", "count"), [(2, 1), (3, 2), (50, 1), (50, 49), (2_000, 1), (2_000, 1_999)])
def test_extreme_sizes(method, rows, count):
    scores, _ = pool(rows, rows)
    positive = (torch.arange(rows) < count)[:, None]
    want, slope = exact(scores, positive, 0.05)
    loss, valid, gradient = solve(scores, positive, temperature=0.05, method=method)
    assert valid.item()
    assert loss.item() == pytest.approx(want.item(), abs=1e-10)
    assert error(gradient, slope) < 1e-10


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rows", [0, 1, 5, 3_000])
def test_degenerate_classes_are_invalid_with_gradient_exactly_zero(method, rows):
    scores = torch.randn(rows, 3, dtype=torch.float64, requires_grad=True)
    positive = torch.zeros(rows, 3, dtype=torch.bool)
    positive[:, 1] = True
    positive[: rows // 2, 2] = True
    loss, valid = smooth_ap(scores, positive, temperature=1.0, method=method)
    assert valid.tolist() == [False, False, rows > 1]
    assert loss.isnan().tolist() == [True, True, rows <= 1]
    torch.where(valid, loss, 0.0).sum().backward()
    assert (scores.grad[:, :2] == 0).all()
    assert bool((scores.grad[:, 2] != 0).any()) == (rows > 1)


@pytest.mark.parametrize("method", METHODS)
def test_positives_without_weight_are_invalid(method):
    scores, positive = pool(0, 60, 2)
    weight = torch.where(positive[:, 0], 0.0, 1.0)
    assert positive[:, 1].logical_and(weight > 0).any()
    loss, valid, gradient = solve(scores, positive, weight=weight, method=method)
    assert valid.tolist() == [False, True]
    assert loss[0].isnan()
    assert (gradient[:, 0] == 0).all()
    alone = smooth_ap(scores[:, :1], positive[:, :1], weight=weight, method=method)
    assert not alone[1].item()


# -- odd numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_infinite_scores_are_limits_with_finite_gradients(method, kind):
    scores, positive = pool(4, 80, 1, share=0.3, kind=kind)
    at, others = positive[:, 0].nonzero()[:, 0], (~positive[:, 0]).nonzero()[:, 0]
    bad = scores.clone()
    bad[at[0]], bad[at[1]], bad[others[0]], bad[others[1]] = torch.inf, -torch.inf, torch.inf, -torch.inf
    far = bad.clone()
    far[bad == torch.inf], far[bad == -torch.inf] = 1e4, -1e4
    want, slope = exact(far, positive, 0.05)
    slope[bad.isinf()] = 0.0
    loss, valid, gradient = solve(bad, positive, temperature=0.05, method=method)
    assert valid.all()
    assert loss.item() == pytest.approx(want.item(), abs=1e-6 if kind == torch.float32 else 1e-10)
    assert gradient.isfinite().all()
    assert (gradient[bad.isinf()] == 0).all()
    assert error(gradient, slope) < (1e-6 if kind == torch.float32 else 1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_huge_ranges(method):
    scores = torch.tensor([[3e38], [1.0], [1.001], [-3e38], [0.9]])
    positive = torch.tensor([[False], [True], [False], [True], [False]])
    want, slope = exact(scores, positive, 0.01)
    loss, _, gradient = solve(scores, positive, method=method)
    assert loss.item() == pytest.approx(want.item(), abs=1e-6)
    assert error(gradient, slope) < 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_nan_poisons_its_own_class_only(method):
    scores, positive = pool(1, 70, 3)
    clean = solve(scores, positive, method=method)
    scores[5, 1] = torch.nan
    loss, valid, gradient = solve(scores, positive, method=method)
    assert valid.all()
    assert loss.isnan().tolist() == [False, True, False]
    assert gradient[:, 1].isnan().all()
    assert torch.allclose(gradient[:, [0, 2]], clean[2][:, [0, 2]], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_scores_are_summed_in_double(kind):
    scores, positive = pool(2, 400, 2, kind=torch.float32)
    scores = scores.to(kind)
    want, slope = exact(scores, positive, 0.05)
    loss, _, gradient = solve(scores, positive, temperature=0.05)
    assert loss.dtype == torch.float32
    assert gradient.dtype == kind
    assert (loss.double() - want).abs().max() < 1e-6
    assert error(gradient, slope) < 4 * torch.finfo(kind).eps


def test_autocast_changes_nothing():
    scores, positive = pool(2, 400, 2, kind=torch.float32)
    for method in METHODS:
        plain = solve(scores, positive, temperature=0.05, method=method)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, _, gradient = solve(scores, positive, temperature=0.05, method=method)
        assert torch.equal(loss, plain[0])
        assert torch.equal(gradient, plain[2])


# -- gradient bookkeeping --------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("live", [0, 1, 37, 150])
def test_only_live_rows_get_gradient(method, live):
    scores, positive = pool(8, 150, 2)
    loss, _, whole = solve(scores, positive, temperature=0.1, method=method)
    part_loss, _, part = solve(scores, positive, temperature=0.1, live=live, method=method)
    assert torch.allclose(part_loss, loss, atol=1e-12)
    assert torch.allclose(part[:live], whole[:live], rtol=0, atol=1e-11)
    assert (part[live:] == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_saves_only_the_gradient_of_the_live_rows(method):
    scores, positive = pool(8, 500, 2, kind=torch.float32)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.append(t.untyped_storage().nbytes()) or t, lambda t: t
    ):
        smooth_ap(scores.requires_grad_(), positive, live=100, method=method)
    assert sum(kept) == 100 * 2 * 4


def test_upstream_weights_and_a_retained_graph():
    scores, positive = pool(8, 60, 3)
    x = scores.clone().requires_grad_()
    loss, _ = smooth_ap(x, positive)
    (once,) = torch.autograd.grad(loss.sum(), x, retain_graph=True)
    (again,) = torch.autograd.grad((loss * torch.tensor([2.0, 0.0, -1.0])).sum(), x)
    assert torch.allclose(again, once * torch.tensor([2.0, 0.0, -1.0], dtype=torch.float64))


def test_no_gradient_wanted():
    scores, positive = pool(8, 60, 3)
    for method in METHODS:
        loss, _ = smooth_ap(scores, positive, method=method)
        assert not loss.requires_grad
        assert torch.allclose(loss, solve(scores, positive)[0], atol=1e-12)


def test_strided_scores():
    scores, positive = pool(8, 60, 4)
    wide = torch.randn(60, 9, dtype=torch.float64)
    wide[:, 1::2] = scores
    for classes in (1, 4):
        a = solve(wide[:, 1::2][:, :classes], positive[:, :classes])
        b = solve(scores[:, :classes].contiguous(), positive[:, :classes])
        assert torch.equal(a[0], b[0])
        assert torch.equal(a[2], b[2])


def test_survives_torch_compile():
    scores, positive = pool(8, 60, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = torch.compile(lambda x: smooth_ap(x * 2, positive)[0].sum(), backend="eager")
        x = scores.clone().requires_grad_()
        compiled(x).backward()
    want = solve(scores * 2, positive)[2] * 2
    assert torch.allclose(x.grad, want)


# -- the choice of a method ------------------------------------------------------------------------


def plan_of(scores, positive, tau=0.01):
    scale = torch.full((scores.shape[1],), tau, dtype=torch.float64)
    facts = _average_precision.Ranked.of(scores, positive, scale, 0, None, None)
    return {task.method for task in _average_precision._plan(facts, list(range(scores.shape[1])), "auto")}


def test_chooses_by_cost():
    assert plan_of(*pool(0, 500)) == {"dense"}
    assert plan_of(*pool(0, 20_000)) == {"grid"}
    assert plan_of(*pool(0, 20_000, share=0.0001)) == {"dense"}
    assert plan_of(*pool(0, 20_000, shape="heavy-tailed")) == {"far"}
    scores, positive = pool(0, 20_000)
    assert plan_of(scores, positive, 1e-8) == {"window"}


def test_classes_of_unlike_size_and_range_together():
    g = torch.Generator().manual_seed(0)
    scores = torch.randn(3_000, 6, generator=g, dtype=torch.float64) * torch.tensor([0.1, 1, 1, 30, 1, 1e4])
    positive = torch.rand(3_000, 6, generator=g) < torch.tensor([0.3, 0.3, 0.002, 0.3, 0.01, 0.3])
    want, slope = exact(scores, positive, 0.02)
    for method in METHODS:
        loss, _, gradient = solve(scores, positive, temperature=0.02, method=method)
        assert (loss - want).abs().max() < 1e-10
        assert error(gradient, slope) < 1e-10


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(2, 120),
    classes=st.integers(1, 4),
    tau=st.floats(1e-3, 1.0),
    share=st.floats(0.02, 0.98),
    shape=st.sampled_from(list(SHAPES)),
)
def test_methods_agree(seed, rows, classes, tau, share, shape):
    scores, positive = pool(seed, rows, classes, share, shape)
    want = solve(scores, positive, temperature=tau, method="dense")
    for method in ("auto", "grid", "window"):
        loss, valid, gradient = solve(scores, positive, temperature=tau, method=method)
        assert torch.equal(valid, want[1])
        assert torch.allclose(loss, want[0], rtol=0, atol=1e-10)
        assert (gradient - want[2]).norm() <= 1e-9 * want[2].norm() + 1e-12 / tau


# -- properties ------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    method=st.sampled_from(METHODS),
    tau=st.floats(0.01, 1.0),
    by=st.floats(0.0, 3.0),
)
def test_a_better_negative_never_lowers_the_loss(seed, method, tau, by):
    scores, positive = pool(seed, 40)
    before, _ = smooth_ap(scores, positive, temperature=tau, method=method)
    scores[1] += by
    after, _ = smooth_ap(scores, positive, temperature=tau, method=method)
    assert 0 <= before.item() <= 1
    assert after.item() >= before.item() - 1e-11


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), method=st.sampled_from(METHODS))
def test_order_of_rows_does_not_matter(seed, method):
    scores, positive = pool(seed, 50, 2)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(seed))
    a = solve(scores, positive, temperature=0.1, method=method)
    b = solve(scores[order], positive[order], temperature=0.1, method=method)
    assert torch.allclose(a[0], b[0], rtol=0, atol=1e-11)
    assert torch.allclose(a[2][order], b[2], rtol=0, atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    method=st.sampled_from(METHODS),
    factor=st.floats(0.01, 100.0),
    shift=st.floats(-50.0, 50.0),
)
def test_scores_and_temperature_scale_together(seed, method, factor, shift):
    scores, positive = pool(seed, 50, 2)
    a = solve(scores, positive, temperature=0.1, method=method)
    b = solve(scores * factor + shift, positive, temperature=0.1 * factor, method=method)
    assert torch.allclose(a[0], b[0], rtol=0, atol=1e-9)
    assert torch.allclose(a[2], b[2] * factor, rtol=0, atol=1e-8)
    assert b[2].sum(0).abs().max() * factor < 1e-8  # a common shift changes nothing


@pytest.mark.parametrize("method", METHODS)
def test_equal_pool_weights_of_two_are_every_row_twice_without_the_copy_above_itself(method):
    """A row that stands for two: the other rows count twice, the row itself once."""
    scores, positive = pool(3, 30)
    two = torch.full((30,), 2.0)
    loss, _ = smooth_ap(scores, positive, temperature=0.1, pool_weight=two, method=method)
    want, _ = loops(scores[:, 0].tolist(), positive[:, 0].tolist(), 0.1, None, [2.0] * 30)
    ones, _ = smooth_ap(scores, positive, temperature=0.1, pool_weight=two / 2, method=method)
    plain, _ = smooth_ap(scores, positive, temperature=0.1, method=method)
    assert loss.item() == pytest.approx(want, abs=1e-11)
    assert ones.item() == pytest.approx(plain.item(), abs=1e-12)


def test_weighted_sample_of_a_pool_estimates_the_whole_pool():
    """Inverse inclusion probabilities make a capped pool, a quarter of the negatives, speak for the whole."""
    scores, positive = pool(9, 4_000, share=0.05)
    whole, _ = smooth_ap(scores, positive, temperature=0.1)
    naive, weighted = [], []
    for seed in range(40):
        keep = positive[:, 0] | (torch.rand(4_000, generator=torch.Generator().manual_seed(seed)) < 0.25)
        mass = torch.where(positive[keep, 0], 1.0, 4.0)
        weighted.append(smooth_ap(scores[keep], positive[keep], temperature=0.1, pool_weight=mass)[0].item())
        naive.append(smooth_ap(scores[keep], positive[keep], temperature=0.1)[0].item())
    spread = np.std(weighted) / math.sqrt(40)
    assert abs(np.mean(weighted) - whole.item()) < max(4 * spread, 0.003)
    assert abs(np.mean(naive) - whole.item()) > 0.05


# -- wrong use -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scores": torch.zeros(4)}, "scores: expected floating point"),
        ({"scores": torch.zeros(4, 1, dtype=torch.long)}, "scores: expected floating point"),
        ({"positive": torch.zeros(4, 1)}, "positive: expected bool"),
        ({"positive": torch.zeros(4, 2, dtype=torch.bool)}, "positive: expected bool"),
        ({"temperature": 0.0}, "temperature: expected numbers above 0"),
        ({"temperature": float("nan")}, "temperature: expected numbers above 0"),
        ({"temperature": [0.1, 0.1]}, "temperature: expected a number or"),
        ({"weight": torch.ones(3)}, "weight: expected"),
        ({"pool_weight": torch.ones(4, 1)}, "pool_weight: expected"),
        ({"live": 5}, "live: expected 0 to 4"),
        ({"live": -1}, "live: expected 0 to 4"),
        ({"method": "fast"}, "method: expected auto"),
    ],
)
def test_wrong_use_is_told_in_one_line(change, words):
    good = {"scores": torch.zeros(4, 1), "positive": torch.tensor([[True], [False], [False], [False]])}
    arguments = {**good, **change}
    with pytest.raises(ValueError, match=words):
        smooth_ap(arguments.pop("scores"), arguments.pop("positive"), **arguments)


# -- the grid --------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [4, 6, 8])
def test_spline_shares_add_to_one_and_keep_the_centre(order):
    points = _grid.Points(
        torch.full((5,), 20), torch.tensor([-0.5, -0.3, 0.0, 0.2, 0.49], dtype=torch.float64)
    )
    stencil = _grid.Stencil.of(points, _grid.Spline(order=order, kappa=5, cut=32))
    assert torch.allclose(stencil.share.sum(0), torch.ones(5, dtype=torch.float64), atol=1e-13)
    assert (stencil.share > -1e-15).all()
    centre = (stencil.share * stencil.node).sum(0)
    assert torch.allclose(centre, 20.5 + points.offset, atol=1e-12)


@pytest.mark.parametrize("order", [4, 6, 8])
def test_both_ways_of_spreading_and_reading_agree(order):
    spline = _grid.Spline(order=order, kappa=5, cut=32)
    position = torch.rand(1, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 80
    points = _grid.locate(position, 120, spline)
    mass = torch.linspace(0.5, 2, 300, dtype=torch.float64)
    many, few = torch.zeros(2, 120, dtype=torch.float64)
    work = torch.empty(2, order, 120, dtype=torch.float64)
    stencil = _grid.Stencil.of(points, spline)
    for weights in (mass, None):
        _grid.spread(points, weights, spline, many.zero_(), work)
        stencil.spread(weights, few.zero_())
        assert torch.allclose(many, few, atol=1e-12)
    field, out = torch.sin(torch.arange(120, dtype=torch.float64)), torch.empty(300, dtype=torch.float64)
    _grid.read(field, points, spline, 2.0, out, work)
    assert torch.allclose(out, 2 * stencil.read(field), atol=1e-12)


@pytest.mark.parametrize("least", [1, 17, 100, 4_097, 5_000, 70_000])
def test_fft_length(least):
    length = _grid.fft_length(least)
    assert least <= length <= max(32, 1.6 * least)
    assert length % 2 == 0


def test_runs_cover_everything_once():
    pieces = _grid.runs([3, 9, 1, 1, 1, 40, 2], 10)
    assert [i for piece in pieces for i in range(7)[piece]] == list(range(7))
    assert [(piece.start, piece.stop) for piece in pieces] == [(0, 1), (1, 3), (3, 5), (5, 6), (6, 7)]
    assert _grid.runs([], 10) == []


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    queries=st.integers(0, 60),
    sources=st.integers(0, 90),
    tau=st.floats(1e-3, 2.0),
    shape=st.sampled_from(list(SHAPES)),
    weighted=st.booleans(),
    method=st.sampled_from(["auto", "dense", "grid"]),
)
def test_pair_sums_equal_all_pairs(seed, queries, sources, tau, shape, weighted, method):
    g = torch.Generator().manual_seed(seed)
    x, y = SHAPES[shape]((queries,), torch.float64, g), SHAPES[shape]((sources,), torch.float64, g)
    w = torch.rand(queries, generator=g, dtype=torch.float64) if weighted else None
    m = torch.rand(sources, generator=g, dtype=torch.float64) if weighted else None
    found = _grid.pair_sums(x, y, tau, query_weight=w, source_weight=m, method=method)
    d = torch.sigmoid((x[:, None] - y) / tau)
    w_ = torch.ones(queries, dtype=torch.float64) if w is None else w
    m_ = torch.ones(sources, dtype=torch.float64) if m is None else m
    slope = d * (1 - d) / tau
    assert torch.allclose(found.value, d @ m_, rtol=0, atol=1e-9)
    assert torch.allclose(found.query_slope, slope @ m_, rtol=0, atol=1e-9 / tau)
    assert torch.allclose(found.source_slope, -(w_ @ slope) * m_, rtol=0, atol=1e-9 / tau)


def test_pair_sums_choose_by_cost_and_agree_on_large_sets():
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(3_000, generator=g), torch.randn(4_000, generator=g)
    quick, plain = (_grid.pair_sums(x, y, 0.02, method=m) for m in ("auto", "dense"))
    for a, b in zip(quick, plain, strict=True):
        assert not torch.equal(a, b)  # the grid was used
        assert error(a, b) < 1e-7


def test_pair_sums_refuse_wrong_use():
    with pytest.raises(ValueError, match="tau: expected a number above 0"):
        _grid.pair_sums(torch.zeros(2), torch.zeros(2), 0.0)
    with pytest.raises(ValueError, match="method: expected auto"):
        _grid.pair_sums(torch.zeros(2), torch.zeros(2), 1.0, method="window")
