"""Recall at a quantile and partial AUC: quantiles, slow twins, gradients, limits, the anchor."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
reference = pytest.importorskip("imbalanced_losses")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from imbalance_doctor import losses as ours  # noqa: E402
from imbalance_doctor.losses import _host  # noqa: E402
from imbalance_doctor.losses import _thresholds as th  # noqa: E402
from imbalance_doctor.losses import pauc_at_budget as pauc  # noqa: E402
from imbalance_doctor.losses import recall_at_quantile as recall  # noqa: E402

INTERPOLATIONS = ["linear", "lower", "higher", "nearest", "midpoint"]
DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
few = settings(max_examples=40, deadline=None)


def sample(seed, rows=80, classes=1, prevalence=0.25, *, tied=False):
    g = torch.Generator().manual_seed(seed)
    positive = torch.rand(rows, classes, generator=g) < prevalence
    scores = torch.randn(rows, classes, generator=g, dtype=torch.float64) + positive
    return ((4 * scores).round() / 4 if tied else scores), positive


# -- quantiles ---------------------------------------------------------------


@few
@given(
    rows=st.integers(1, 60),
    levels=st.lists(st.floats(0, 1), min_size=1, max_size=9),
    interpolation=st.sampled_from(INTERPOLATIONS),
    tied=st.booleans(),
    seed=st.integers(0, 99),
)
def test_quantiles_are_those_of_torch(rows, levels, interpolation, tied, seed):
    scores, positive = sample(seed, rows, 3, tied=tied)
    wanted = torch.quantile(scores, torch.tensor(levels, dtype=torch.float64), 0, interpolation=interpolation)
    assert torch.allclose(th.column_quantiles(scores, levels, interpolation), wanted, rtol=1e-13)
    for c, row in enumerate(_host.turned(scores.numpy())):
        assert _host.quantiles(row, levels, interpolation) == pytest.approx(wanted[:, c].tolist(), rel=1e-13)
    ones = torch.ones(rows, dtype=torch.float64)
    assert torch.allclose(th.column_quantiles(scores, levels, interpolation, weight=ones), wanted, rtol=1e-12)
    entries = th.entries(positive, None, None, torch.float64)
    some = (~positive).any(0)
    left = th.column_quantiles(scores, levels, interpolation, without=entries)
    weighed = th.column_quantiles(scores, levels, interpolation, without=entries, weight=ones)
    for c in some.nonzero().squeeze(1).tolist():
        kept = scores[~positive[:, c], c]
        wanted = torch.quantile(kept, torch.tensor(levels, dtype=torch.float64), interpolation=interpolation)
        assert torch.allclose(left[:, c], wanted, rtol=1e-13)
        assert torch.allclose(weighed[:, c], wanted, rtol=1e-12)


def test_quantiles_of_long_rows_by_partition():
    values = np.random.default_rng(0).normal(size=20_000)
    levels = [0.0, 0.25, 0.75, 0.995, 0.999, 1.0]
    wanted = np.quantile(values, levels, method="higher").tolist()
    assert _host.quantiles(values.copy(), levels, "higher") == wanted
    assert _host.quantiles(values.astype(np.float32), [0.25], "higher") == [np.float32(wanted[1])]
    values[7] = np.nan
    assert all(map(math.isnan, _host.quantiles(values, levels, "higher")))


def test_an_unrepresentative_sample_is_noticed():
    """Every 32nd score is sampled; here these are the only small ones, or none of them is."""
    for sampled, others in ((0.0, 1.0), (1.0, 0.0)):
        values = others + np.random.default_rng(0).random(20_000)
        values[::32] += sampled - others
        for level in (0.001, 0.02, 0.5, 0.98, 0.999):
            wanted = np.quantile(values, level, method="higher")
            assert _host.quantiles(values, [level], "higher") == [wanted]


@pytest.mark.parametrize("classes", [1, 20])
def test_quantiles_leave_the_scores_alone(classes):
    scores, positive = sample(0, 3000, classes)
    before = scores.clone()
    th.column_quantiles(scores, [0.1, 0.9], "linear", without=th.entries(positive, None, None, scores.dtype))
    assert torch.equal(scores, before)


def test_repeated_rows_and_weights_agree():
    scores, _ = sample(0, 30)
    weight = torch.randint(1, 2, (30,)).double()
    repeated = scores.repeat_interleave(weight.long(), 0)
    for level in (0.2, 0.5, 0.9):
        one = th.column_quantiles(scores, [level], "higher", weight=weight)
        assert one == th.column_quantiles(repeated, [level], "higher")


def test_more_rows_than_torch_sorts():
    """``torch.quantile`` refuses more than 2**24 scores."""
    scores = torch.zeros(2**24 + 2, 1)
    scores[:100] = 1.0
    with pytest.raises(RuntimeError):
        torch.quantile(scores[:, 0], 0.5)
    loss, valid = recall(scores, scores > 0, quantile=1e-5)
    assert valid
    assert loss < 1e-6


# -- slow twins --------------------------------------------------------------


def sigmoid(z):
    return 1 / (1 + math.exp(-z)) if z > -700 else 0.0


def slow_recall(scores, positive, quantile, tau, weight):
    ordered = sorted(scores)
    theta = ordered[math.ceil((1 - quantile) * (len(ordered) - 1))]
    caught = sum(
        w * sigmoid((s - theta) / tau) for s, p, w in zip(scores, positive, weight, strict=True) if p
    )
    return 1 - caught / sum(w for p, w in zip(positive, weight, strict=True) if p)


def slow_pauc(scores, positive, beta, surrogate, knots, temperature, weight):
    negatives = sorted(s for s, p in zip(scores, positive, strict=True) if not p)
    last = len(negatives) - 1

    def at(level):
        return negatives[math.ceil(level * last)]

    tau = temperature * (at(0.75) - at(0.25))
    members = [(s, w) for s, p, w in zip(scores, positive, weight, strict=True) if p]
    total = sum(w for _, w in members)
    if surrogate == "pairwise":
        band = [s for s in negatives if s >= at(1 - beta)]
        return 1 - sum(w * sigmoid((s - t) / tau) for s, w in members for t in band) / total / len(band)
    rates = [
        sum(w * sigmoid((s - at(1 - beta * k / (knots - 1))) / tau) for s, w in members) / total
        for k in range(knots)
    ]
    return 1 - sum((a + b) / 2 for a, b in pairwise(rates)) / (knots - 1)


@pytest.mark.parametrize("seed", range(12))
def test_recall_by_loops(seed):
    scores, positive = sample(seed, 70, 1 + seed % 3, tied=seed % 2 == 0)
    weight = torch.rand(70, dtype=torch.float64)
    loss, valid = recall(scores, positive, quantile=0.2, temperature=0.3, weight=weight)
    assert valid.all()
    for c, value in enumerate(loss.tolist()):
        wanted = slow_recall(scores[:, c].tolist(), positive[:, c].tolist(), 0.2, 0.3, weight.tolist())
        assert value == pytest.approx(wanted, rel=1e-11)


@pytest.mark.parametrize("surrogate", ["trapezoid", "pairwise"])
@pytest.mark.parametrize("seed", range(12))
def test_pauc_by_loops(seed, surrogate):
    scores, positive = sample(seed, 70, 1 + seed % 3)
    weight = torch.rand(70, dtype=torch.float64)
    knots = 2 + seed % 4
    loss, valid = pauc(
        scores, positive, beta=0.3, surrogate=surrogate, n_knots=knots, temperature=0.4, weight=weight
    )
    assert valid.all()
    for c, value in enumerate(loss.tolist()):
        wanted = slow_pauc(
            scores[:, c].tolist(), positive[:, c].tolist(), 0.3, surrogate, knots, 0.4, weight.tolist()
        )
        assert value == pytest.approx(wanted, rel=1e-9)


FORMS = {
    "recall": lambda s, p, **k: recall(s, p, quantile=0.2, temperature=0.3, **k),
    "recall_plain": lambda s, p, **k: recall(s, p, quantile=0.2, temperature=0.3, anchor=False, **k),
    "trapezoid": lambda s, p, **k: pauc(s, p, beta=0.4, n_knots=4, **k),
    "trapezoid_plain": lambda s, p, **k: pauc(s, p, beta=0.4, n_knots=4, anchor=False, **k),
    "pairwise": lambda s, p, **k: pauc(s, p, beta=0.4, surrogate="pairwise", **k),
    "pairwise_alpha": lambda s, p, **k: pauc(s, p, alpha=0.1, beta=0.4, surrogate="pairwise", **k),
}


def solved(form, scores, positive, **given):
    scores = scores.clone().requires_grad_()
    loss, valid = FORMS[form](scores, positive, **given)
    loss.nansum().backward()
    return loss.detach(), valid, scores.grad


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("classes", [1, 4])
def test_the_two_implementations_agree(form, classes):
    """Pool weights of 1 take the general way, no weights the way of the CPU."""
    for seed in range(4):
        scores, positive = sample(seed, 90, classes, tied=seed % 2 == 1)
        if classes > 1:
            positive[:, 0] = False
        weight = torch.rand(90, dtype=torch.float64)
        ones = torch.ones(90, dtype=torch.float64)
        for live in (None, 50, 0):
            one = solved(form, scores, positive, live=live, weight=weight)
            other = solved(form, scores, positive, live=live, weight=weight, pool_weight=ones)
            for mine, yours in zip(one, other, strict=True):
                assert torch.allclose(mine.double(), yours.double(), rtol=1e-9, atol=1e-12, equal_nan=True)
            assert (one[2][live:] == 0).all() if live is not None else True


@pytest.mark.parametrize("form", FORMS)
def test_whole_weights_repeat_rows(form):
    """Thresholds interpolate between rows that stand for several, so the values agree nearly."""
    scores, positive = sample(3, 400)
    twice = torch.full((400,), 2.0, dtype=torch.float64)
    loss, _ = FORMS[form](scores, positive, pool_weight=twice)
    wanted, _ = FORMS[form](scores.repeat_interleave(2, 0), positive.repeat_interleave(2, 0))
    assert loss.item() == pytest.approx(wanted.item(), abs=5e-3)


@few
@given(
    queries=st.integers(1, 80),
    sources=st.integers(1, 60),
    span=st.floats(0, 300),
    shift=st.floats(-400, 400),
    seed=st.integers(0, 99),
)
def test_pairs_on_the_grid_are_the_pairs(queries, sources, span, shift, seed):
    """In units of the temperature; to single precision of the largest."""
    random = np.random.default_rng(seed)
    y = (shift + span * random.random(sources)).astype(np.float32)
    x = (shift + (span + 60) * random.random(queries) - 30).astype(np.float32)
    w = random.random(queries)
    found = _host.near_pairs(0.2 * x, 0.2 * y, 0.2, w)
    if found is None:
        assert (span * 12 + 6) * (2 * span * 12 + 1000) > 1e6
        return
    z = (np.float32(0.2) * x[:, None]).astype(float) / 0.2 - (np.float32(0.2) * y).astype(float) / 0.2
    s = 1 / (1 + np.exp(-z))
    bell = s * (1 - s) / 0.2
    for mine, wanted in zip(found, (s.sum(1), bell.sum(1), -(w @ bell)), strict=True):
        assert np.abs(mine - wanted).max() < 1e-5 * max(1.0, np.abs(wanted).max())


# -- gradients ---------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_class_without_positives_has_no_gradient_and_one_with_nan_nothing_else(form):
    scores, positive = sample(8, 60, 3)
    positive[:, 0] = False
    scores[4, :2] = torch.nan
    loss, valid, gradient = solved(form, scores, positive)
    assert valid.tolist() == [False, True, True]
    assert loss.isnan().tolist() == [True, True, False]
    assert (gradient[:, 0] == 0).all()
    assert gradient[:, 1].isnan().all()
    assert gradient[:, 2].isfinite().all()


@pytest.mark.parametrize("form", ["recall_plain", "trapezoid_plain"])
@pytest.mark.parametrize("classes", [1, 3])
def test_gradcheck_where_the_thresholds_are_constants(form, classes):
    scores, positive = sample(5, 60, classes)
    _, _, gradient = solved(form, scores, positive)
    step = 1e-6
    for row, column in [(int(r), c) for c in range(classes) for r in positive[:, c].nonzero()[:6, 0]]:
        moved = scores.clone()
        moved[row, column] += step
        # A positive is in the reference only of the recall, and there it moves no threshold by itself.
        if form == "recall_plain":
            theta = torch.quantile(scores[:, column], 0.8, interpolation="higher")
            value = ((scores[positive[:, column], column] - theta) / 0.3).sigmoid().mean()
            value_ = ((moved[positive[:, column], column] - theta) / 0.3).sigmoid().mean()
            slope = -(value_ - value) / step
        else:
            slope = (FORMS[form](moved, positive)[0] - FORMS[form](scores, positive)[0])[column] / step
        assert gradient[row, column].item() == pytest.approx(slope.item(), rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("classes", [1, 3])
def test_pairwise_gradient_by_autograd(classes):
    scores, positive = sample(6, 60, classes)
    loss, _, gradient = solved("pairwise", scores, positive)
    free = scores.clone().requires_grad_()
    total = 0
    for c in range(classes):
        negatives = scores[~positive[:, c], c]
        cut = torch.quantile(negatives, 0.6, interpolation="higher")
        spread = torch.quantile(negatives, 0.75, interpolation="higher") - torch.quantile(
            negatives, 0.25, interpolation="higher"
        )
        band = ~positive[:, c] & (scores[:, c] >= cut)
        pairs = free[positive[:, c], c, None] - free[band, c]
        value = 1 - (pairs / (0.1 * spread)).sigmoid().mean()
        assert loss[c].item() == pytest.approx(value.item(), rel=1e-12)
        total = total + value
    total.backward()
    assert torch.allclose(gradient, free.grad, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("form", FORMS)
def test_no_second_derivatives(form):
    scores, positive = sample(0)
    scores.requires_grad_()
    (gradient,) = torch.autograd.grad(FORMS[form](scores, positive)[0].sum(), scores, retain_graph=True)
    assert not gradient.requires_grad
    with pytest.raises(RuntimeError, match="no second derivatives"):
        torch.autograd.grad(FORMS[form](scores, positive)[0].sum(), scores, create_graph=True)


# -- limits and properties ---------------------------------------------------


def test_recall_without_softness_is_recall():
    scores, positive = sample(1, 500)
    loss, _ = recall(scores, positive, quantile=0.1, temperature=1e-9)
    theta = np.quantile(scores.numpy(), 0.9, method="higher")
    above = scores[positive] > theta
    ties = (scores[positive] == theta).double() / 2
    assert loss.item() == pytest.approx(1 - (above + ties).mean().item())


def test_pairwise_over_everything_is_the_auc():
    metrics = pytest.importorskip("sklearn.metrics")
    scores, positive = sample(2, 500)
    loss, _ = pauc(scores, positive, beta=1.0, surrogate="pairwise", temperature=1e-6)
    assert 1 - loss.item() == pytest.approx(metrics.roc_auc_score(positive[:, 0], scores[:, 0]), abs=1e-9)
    # The rest of the band beyond all negatives has rate 0 in the curve and is no pair here.
    loss, _ = pauc(scores, positive, beta=1.0, n_knots=376, temperature=1e-6)
    assert 1 - loss.item() == pytest.approx(metrics.roc_auc_score(positive[:, 0], scores[:, 0]), abs=5e-3)


@few
@given(seed=st.integers(0, 999), scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100))
@pytest.mark.parametrize("form", [name for name in FORMS if name not in {"recall", "recall_plain"}])
def test_pauc_knows_no_unit(form, seed, scale, shift):
    scores, positive = sample(seed, 60)
    if not positive.any():
        return
    one, other = FORMS[form](scores, positive)[0], FORMS[form](scale * scores + shift, positive)[0]
    assert one.item() == pytest.approx(other.item(), rel=1e-5, abs=1e-9)


@few
@given(seed=st.integers(0, 999))
@pytest.mark.parametrize("form", FORMS)
def test_order_of_rows_is_no_matter_and_the_loss_is_a_share(form, seed):
    scores, positive = sample(seed, 50, 2)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(seed))
    loss, valid, gradient = solved(form, scores, positive)
    loss_, valid_, gradient_ = solved(form, scores[order], positive[order])
    assert torch.equal(valid, valid_)
    assert torch.allclose(loss, loss_, rtol=1e-9, equal_nan=True)
    assert torch.allclose(gradient[order], gradient_, rtol=1e-7, atol=1e-10)
    assert ((loss >= -1e-12) & (loss <= 1 + 1e-12))[valid].all()


@pytest.mark.parametrize("form", FORMS)
def test_raising_a_positive_never_hurts(form):
    scores, positive = sample(4, 60)
    gradient = solved(form, scores, positive)[2]
    assert (gradient[positive] <= 1e-12).all()
    assert (gradient[~positive] >= -1e-12).all()


# -- faults of the reference -------------------------------------------------


def test_b18_mined_negatives_above_the_iid_ones_are_pushed_down():
    g = torch.Generator().manual_seed(0)
    x = torch.cat(
        [torch.randn(400, generator=g), 5 + torch.rand(50, generator=g), 5 + torch.randn(30, generator=g)]
    )
    y = (torch.arange(480) >= 450).long()
    iid = torch.arange(480) < 400
    pushed = {}
    for name, library in (("ours", ours), ("theirs", reference)):
        scores = x[:, None].clone().requires_grad_()
        loss = library.PAUCAtBudgetLoss(1, beta=0.01, surrogate="pairwise", queue_size=0, temperature=1.0)
        loss(scores, y, iid).backward()
        pushed[name] = int((scores.grad[400:450] > 0).sum())
    assert pushed["ours"] == 50
    assert pushed["theirs"] < 25


@pytest.mark.parametrize("surrogate", ["trapezoid", "pairwise"])
def test_b19_three_quarters_equal_scores_fall_back_to_the_band(surrogate):
    scores, positive = sample(0, 200)
    scores[:160] = 0.0
    positive[:150] = False
    given = {"beta": 0.1, "surrogate": surrogate, "queue_size": 0}
    mine = ours.PAUCAtBudgetLoss(1, **given)(scores, positive[:, 0])
    band = reference.PAUCAtBudgetLoss(1, tau_scale="band", **given)(scores, positive[:, 0])
    assert mine.item() == pytest.approx(band.item(), rel=1e-12)
    assert reference.PAUCAtBudgetLoss(1, **given)(scores, positive[:, 0]) == 0.0


def test_b19_a_band_of_one_score_falls_back_to_the_spread():
    scores, positive = sample(0, 100)
    given = {"beta": 0.005, "queue_size": 0, "tau_scale": "band"}
    assert reference.PAUCAtBudgetLoss(1, **given)(scores, positive[:, 0]) == 0.0
    mine = ours.PAUCAtBudgetLoss(1, **given)(scores, positive[:, 0])
    assert (
        mine.item() == ours.PAUCAtBudgetLoss(1, beta=0.005, queue_size=0)(scores, positive[:, 0]).item() > 0
    )


@pytest.mark.parametrize("surrogate", ["trapezoid", "pairwise"])
def test_equal_scores_are_said(surrogate):
    loss = ours.PAUCAtBudgetLoss(1, surrogate=surrogate, queue_size=0, reduction="none")
    y = (torch.arange(40) < 9).long()
    with pytest.warns(UserWarning, match="the scores that set its thresholds are all equal"):
        assert loss(torch.ones(40, 1), y).isnan()
    with pytest.warns(UserWarning, match="no negative among the iid rows"):
        loss(torch.randn(40, 1), y, y.bool())


# -- the anchor --------------------------------------------------------------


@pytest.mark.parametrize("classes", [1, 3])
def test_a_common_shift_has_no_gradient(classes):
    scores, positive = sample(7, 100, classes)
    for live in (None, 60):
        total = {
            form: solved(form, scores, positive, live=live)[2].sum(0) for form in ("recall", "recall_plain")
        }
        assert total["recall"].abs().max() < 1e-12
        assert (total["recall_plain"] < -1e-6).all()
    pull = {form: solved(form, scores, positive)[2].sum(0) for form in ("trapezoid", "trapezoid_plain")}
    assert pull["trapezoid"].abs().max() < 1e-12
    assert (pull["trapezoid_plain"] < -1e-6).all()


def _train(name, loss, steps):
    """Train a small network, 300 steps by cross-entropy, then by the loss; what it does on held-out rows."""
    data = np.load(DATA / name)
    order = np.random.default_rng(0).permutation(len(data["y"]))
    x, y = torch.tensor(data["X"][order]), torch.tensor(data["y"][order]).long()
    cut = int(0.6 * len(y))
    x = (x - x[:cut].mean(0)) / (x[:cut].std(0) + 1e-6)
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 64), torch.nn.ReLU(), torch.nn.Linear(64, 1))
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    g = torch.Generator().manual_seed(0)
    found = []
    for step in range(300 + steps):
        rows = torch.randint(0, cut, (256,), generator=g)
        out = net(x[rows])
        if step < 300:
            value = torch.nn.functional.binary_cross_entropy_with_logits(out[:, 0], y[rows].float())
        else:
            value = loss(out, y[rows])
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        if step in {299, 299 + steps}:
            with torch.no_grad():
                scores, held = net(x[cut:])[:, 0], y[cut:]
            negatives = scores[held == 0].sort().values
            cuts = negatives[int(0.98 * len(negatives)) :]
            theta = scores.quantile(0.86)
            found.append(
                {
                    "negatives": scores[held == 0].mean().item(),
                    "recall": (scores[held == 1] > theta).double().mean().item(),
                    "pauc": (scores[held == 1, None] > cuts).double().mean().item(),
                }
            )
    return found


RUNAWAY = {
    "recall": (lambda anchor: ours.RecallAtQuantileLoss(1, 0.14, temperature=0.2, anchor=anchor), "recall"),
    "trapezoid": (lambda anchor: ours.PAUCAtBudgetLoss(1, beta=0.02, temperature=0.2, anchor=anchor), "pauc"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNAWAY)
def test_t7_scores_do_not_run_away_and_the_metric_does_not_fall(name):
    if not (DATA / "htru2.npz").exists():
        pytest.skip("needs ../shared/data/htru2.npz")
    make, metric = RUNAWAY[name]
    before, after = _train("htru2.npz", make(True), 400)
    _, without = _train("htru2.npz", make(False), 400)
    assert after["negatives"] < before["negatives"] + 1
    assert without["negatives"] > before["negatives"] + 3
    assert after[metric] > before[metric] - 0.01
    assert after[metric] > without[metric]
