"""The compiled losses against the forms that need no numba."""

import subprocess
import sys
import threading

import pytest

pytest.importorskip("torch")
pytest.importorskip("numba")

import numpy as np
import torch

from imbalance_doctor.losses import PAUCAtBudgetLoss, RecallAtQuantileLoss, _compiled, _host
from imbalance_doctor.losses.pauc_at_budget import pauc_at_budget
from imbalance_doctor.losses.recall_at_quantile import recall_at_quantile
from imbalance_doctor.losses.sigmoid_focal import sigmoid_focal
from imbalance_doctor.losses.smooth_ap import smooth_ap


@pytest.fixture
def hide(monkeypatch):
    """Return a function after which numba cannot be imported."""

    def hidden():
        for name in [name for name in sys.modules if name.startswith("imbalance_doctor.losses._compiled_")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "numba", None)
        _compiled.kernels.cache_clear()

    yield hidden
    _compiled.kernels.cache_clear()


def both(hide, loss, scores):
    """Values and gradients with the kernels, and without."""

    def once():
        leaf = scores.clone().requires_grad_()
        value = loss(leaf)
        value.sum().backward()
        return value.detach(), leaf.grad

    assert _compiled.kernels("pairs") is not None
    compiled = once()
    hide()
    assert _compiled.kernels("pairs") is None
    return compiled, once()


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
@pytest.mark.parametrize("rows", [30, 700, 6000])
@pytest.mark.parametrize("temperature", [1e-5, 0.01, 1.0])
def test_smooth_ap_needs_no_numba(hide, kind, rows, temperature):
    generator = torch.Generator().manual_seed(rows)
    scores = torch.randn(rows, 3, generator=generator, dtype=kind)
    positive = torch.rand(rows, 3, generator=generator) < torch.tensor([0.1, 0.5, 0.9])
    weight, pool_weight = torch.rand(2, rows, generator=generator, dtype=kind)

    def loss(leaf):
        plain = smooth_ap(leaf, positive, temperature=temperature)[0]
        weighed = smooth_ap(
            leaf, positive, temperature=temperature, live=rows // 2, weight=weight, pool_weight=pool_weight
        )[0]
        return torch.cat([plain, weighed])

    (value, gradient), (wanted, wanted_gradient) = both(hide, loss, scores)
    exact = 1e-10 if kind == torch.float64 else 1e-6
    assert torch.allclose(value, wanted, rtol=exact, atol=exact)
    assert torch.allclose(
        gradient, wanted_gradient, rtol=0, atol=exact * max(1e-3, float(wanted_gradient.abs().max()))
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 3.7])
@pytest.mark.parametrize("alpha", [-1, 0.0, 0.25])
def test_sigmoid_focal_needs_no_numba(hide, gamma, alpha):
    scores = torch.cat([torch.linspace(-1e4, 1e4, 501), torch.linspace(-30, 30, 9000)])
    labels = (torch.arange(len(scores)) % 3 == 0).float()

    def loss(leaf):
        return sigmoid_focal(leaf, labels, gamma=gamma, alpha=alpha)

    (value, gradient), (wanted, wanted_gradient) = both(hide, loss, scores)
    assert value.item() == pytest.approx(wanted.item(), rel=1e-5)  # single precision sums
    assert gradient.isfinite().all()
    assert torch.allclose(gradient, wanted_gradient, rtol=2e-5, atol=1e-11)


@pytest.mark.parametrize("strange", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("label", [0.0, 0.3, 1.0])
def test_odd_logits_and_soft_labels_are_left_to_the_other_form(hide, strange, label):
    scores, labels = torch.tensor([0.5, strange, -2.0]), torch.tensor([1.0, label, 0.0])

    def loss(leaf):
        return sigmoid_focal(leaf, labels, reduction="sum")

    for compiled, wanted in zip(*both(hide, loss, scores), strict=True):
        assert torch.equal(compiled.isnan(), wanted.isnan())
        assert torch.allclose(compiled, wanted, equal_nan=True)


@pytest.mark.parametrize("kind", [RecallAtQuantileLoss, PAUCAtBudgetLoss])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("classes", [1, 20])
def test_threshold_losses_need_no_numba(hide, kind, dtype, classes):
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 25, (3000,), generator=generator).clamp_(max=max(1, classes - 1))
    if classes == 1:
        labels = 1 - labels
    scores = torch.randn(3000, classes, generator=generator, dtype=dtype)
    loss = kind(classes, queue_size=0, temperature=0.3, quantile_interpolation="linear", reduction="none")
    (value, gradient), (wanted, wanted_gradient) = both(hide, lambda leaf: loss(leaf, labels), scores)
    assert torch.allclose(value, wanted, rtol=1e-6 if dtype == torch.float32 else 1e-12)
    assert torch.allclose(
        gradient, wanted_gradient, rtol=1e-4, atol=1e-6 * float(wanted_gradient.abs().max())
    )
    assert abs(float(gradient.sum())) < 1e-5


RULES = ["linear", "lower", "higher", "nearest", "midpoint"]
BUDGETS = [
    {"surrogate": "trapezoid", "n_knots": 4, "alpha": 0.01, "beta": 0.2},
    {"surrogate": "trapezoid", "tau_scale": "band", "anchor": False},
    {"surrogate": "trapezoid", "budget_basis": "population", "pos_numerator": "live"},
    {"surrogate": "pairwise", "alpha": 0.02, "beta": 0.1, "tau_scale": "none"},
    {"surrogate": "pairwise", "budget_basis": "population", "beta": 0.7},
]


@pytest.mark.parametrize("form", [{"quantile": 0.01}, {"quantile": 0.3, "anchor": False}, *BUDGETS])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("live", [3001, 1200])
def test_a_class_alone_needs_no_numba(hide, form, rule, live):
    """Weights, rows without gradient, every interpolation; rows that do not fill the last word."""
    generator = torch.Generator().manual_seed(5)
    positive = torch.rand(3001, 1, generator=generator) < 0.1
    scores = torch.randn(3001, 1, generator=generator) + positive
    weight = torch.rand(3001, generator=generator)
    loss = recall_at_quantile if "quantile" in form else pauc_at_budget

    def weighed(leaf):
        value, valid = loss(
            leaf, positive, temperature=0.3, interpolation=rule, live=live, weight=weight, **form
        )
        assert valid.all()
        return value

    (value, gradient), (wanted, wanted_gradient) = both(hide, weighed, scores)
    assert torch.allclose(value, wanted, rtol=2e-6)
    assert not gradient[live:].any()
    assert torch.allclose(
        gradient, wanted_gradient, rtol=1e-4, atol=2e-6 * float(wanted_gradient.abs().max())
    )


@pytest.mark.parametrize("kind", [RecallAtQuantileLoss, PAUCAtBudgetLoss])
@pytest.mark.parametrize("place", [0, 1500, 3000])
@pytest.mark.parametrize("queue_size", [0, 100])
def test_labels_of_a_class_alone_are_looked_at(kind, place, queue_size):
    """Odd ones are refused wherever they stand, ignored rows left out, and the step after is sound."""
    generator = torch.Generator().manual_seed(6)
    labels = (torch.rand(3001, generator=generator) < 0.1).long()
    scores = torch.randn(3001, 1, generator=generator) + labels[:, None]
    loss = kind(1, queue_size=queue_size, temperature=0.3).eval()
    wanted = loss(scores, labels)
    for odd in (2, -1, 2**40, -(2**63), -100):
        wrong = labels.clone()
        wrong[place] = odd
        if odd == -100:
            known = torch.arange(3001) != place
            assert loss(scores, wrong) == loss(scores[known], labels[known])
            wrong[-place - 1 if place != 1500 else 7] = 3
            odd = 3  # noqa: PLW2901  beside an ignored row
        with pytest.raises(ValueError, match=f"but got {odd}"):
            loss(scores, wrong)
        assert loss(scores, labels) == wanted


def test_sorting_and_picking_are_exact():
    """Ties, outliers, extremes, zeros of either sign, both types; lists too short for cells, and longer."""
    order, generator = _compiled.kernels("order"), np.random.default_rng(7)
    for kind in (np.float32, np.float64):
        for count in (1, 2, 300, 3000):
            normal = generator.standard_normal(count)
            ends = np.append(normal, [-np.inf, 0.0, -0.0, np.inf])
            tiny, huge = normal * np.finfo(kind).tiny / 1e5, normal / 10 * np.finfo(kind).max
            flat = np.full(count, 2.5)
            for values in (normal, normal.round(), np.append(normal, 1e30), ends, flat, tiny, huge):
                x = values.astype(kind)
                ordered = np.sort(x)
                sample = x.copy()
                order.in_order(sample)
                assert np.array_equal(sample, ordered)
                for lower in {0, x.size // 3, x.size - 1}:
                    for upper in (lower, min(lower + 1, x.size - 1)):
                        assert order.pick(x, lower, upper) == (ordered[lower], ordered[upper])


@pytest.mark.parametrize("strange", [None, 31, 0])
@pytest.mark.parametrize("classes", [1, 3, 40])
@pytest.mark.parametrize("quantile", [0.003, 0.5])
def test_compiled_thresholds_are_exact(hide, strange, classes, quantile):
    """Ties that leave no room, infinities, samples that mislead; rows that do not fill the last word."""
    scores = torch.randn(5003, classes, generator=torch.Generator().manual_seed(2)).round()
    scores[::1000], scores[1::100] = torch.inf, -torch.inf
    if strange is not None:
        scores[strange::32] = 9.0
        scores[::32] -= 20.0 * (strange == 31)
    positive = torch.rand(scores.shape, generator=torch.Generator().manual_seed(3)) < 0.1

    def hard(leaf):
        return recall_at_quantile(leaf, positive, quantile=quantile, temperature=1e-6, anchor=False)[0]

    (value, _), (wanted, _) = both(hide, hard, scores)
    finite = wanted.isfinite()
    assert torch.equal(value.isfinite(), finite)
    assert torch.allclose(value[finite], wanted[finite], rtol=1e-6)
    scores[77, -1] = torch.nan
    _compiled.kernels.cache_clear()
    assert recall_at_quantile(scores, positive, quantile=quantile)[0][-1].isnan()


@pytest.mark.parametrize("strange", [None, 31, 0])
def test_compiled_order_statistics_are_exact(strange):
    """Ties and infinities; with `strange`, the scores that are sampled are all the highest or the lowest."""
    values = np.random.default_rng(0).standard_normal(5000).round(1)
    values[::100], values[1::100] = np.inf, -np.inf
    if strange is not None:
        values[strange::32] = 9.0
        values[::32] -= 20.0 * (strange == 31)
    levels = [0.0, 0.003, 0.25, 0.5, 0.99, 1.0]
    assert _compiled.kernels("order") is not None
    found = _host.quantiles(values, levels, "lower")
    assert found == [np.sort(values)[int(level * 4999)] for level in levels]
    values[77] = np.nan
    assert np.isnan(_host.quantiles(values, levels, "lower")).all()


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path):
    """Compiling falls back to memory."""
    code = (
        "from numba.core import caching\n"
        "caching.CacheImpl._locator_classes = []\n"
        "from imbalance_doctor.losses import _compiled_math\n"
        "assert abs(_compiled_math.exp(1.0) - 2.718281828459045) < 1e-15\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_numba_waits_for_the_first_loss():
    code = "import sys, imbalance_doctor.losses; assert 'numba' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_pieces_are_done_once_and_failures_raised(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    done, lock = [], threading.Lock()

    def work(piece):
        with lock:
            done.append(piece)

    _compiled.in_turns(work, range(20))
    assert sorted(done) == list(range(20))

    def fail(piece):
        raise LookupError(piece)

    with pytest.raises(LookupError):
        _compiled.in_turns(fail, [1, 2, 3])
