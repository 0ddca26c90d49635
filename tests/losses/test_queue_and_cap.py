"""The queue's order, and the cap: what it keeps and what it preserves."""

import math

import pytest

torch = pytest.importorskip("torch")
reference = pytest.importorskip("imbalanced_losses")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from imbalance_doctor import losses as ours  # noqa: E402
from imbalance_doctor.losses.pool import _shares, quota_sample, weighted_sample  # noqa: E402
from imbalance_doctor.losses.queue import MemoryQueue, Rows  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def rows(targets, weight=None):
    targets = torch.as_tensor(targets)
    logits = targets[:, None].float()
    return Rows(logits, targets, torch.ones_like(targets, dtype=torch.bool), weight)


def test_order_by_hand():
    queue = MemoryQueue(5, 1)
    for first, last, held, pointer in (
        (0, 8, [3, 4, 5, 6, 7], 0),
        (10, 13, [10, 11, 12, 6, 7], 3),
        (20, 23, [22, 11, 12, 20, 21], 1),
    ):
        assert queue.enqueue(rows(range(first, last))) == 0
        assert queue._q_targets.tolist() == held
        assert queue._q_logits[:, 0].tolist() == held
        assert int(queue._q_ptr) == pointer
    queue.reset()
    assert queue._q_targets.tolist() == [-100] * 5
    assert (queue._q_logits == 0).all()
    assert int(queue._q_ptr) == 0


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(0, 7),
    batches=st.lists(st.lists(st.sampled_from([1, 2, 3, -100, math.nan, math.inf]), max_size=10), max_size=5),
)
def test_queue_holds_the_last_usable_rows(size, batches):
    queue, usable = MemoryQueue(size, 1), []
    for batch in batches:
        kept = [int(v) for v in batch if math.isfinite(v) and v != -100]
        targets = torch.tensor([v if math.isfinite(v) else 9 for v in batch], dtype=torch.int64)
        logits = torch.tensor(batch, dtype=torch.float32)[:, None]
        live = Rows(logits, targets, torch.ones(len(batch), dtype=torch.bool), None)
        refused = queue.enqueue(live)
        if size:
            assert refused == sum(not math.isfinite(v) for v in batch)
            usable += kept
            merged = queue.merge(rows([]))
            held = merged.targets[merged.targets != -100].tolist()
            assert sorted(held) == sorted(usable[-size:])
            assert merged.logits.isfinite().all()


def test_queue_forgets_that_it_held_weights():
    queue = MemoryQueue(4, 1)
    queue.enqueue(rows([1, 2], torch.tensor([0.5, 1.0])))
    assert queue.has_weights
    assert queue.merge(rows([7])).weight.tolist() == [1.0, 0.5, 1.0, 1.0, 1.0]
    queue.enqueue(rows([1, 2, 3, 4]))
    assert not queue.has_weights
    assert queue.merge(rows([7])).weight is None


# -- the cap ---------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(counts=st.lists(st.integers(1, 60), min_size=1, max_size=12), size=st.integers(1, 200))
def test_shares_are_as_equal_as_counts_allow(counts, size):
    shares = _shares(counts, size)
    assert sum(shares) == min(size, sum(counts))
    assert all(0 <= share <= count for share, count in zip(shares, counts, strict=True))
    capped = [share for share, count in zip(shares, counts, strict=True) if share < count]
    assert not capped or max(capped) - min(capped) <= 1
    assert not capped or all(
        share <= min(capped) + 1 or share == count for share, count in zip(shares, counts, strict=True)
    )


@settings(max_examples=60, deadline=None)
@given(
    live=st.integers(0, 30),
    stored=st.integers(0, 80),
    classes=st.integers(1, 50),
    size=st.integers(1, 60),
    seed=st.integers(0, 999),
)
def test_weights_restore_the_counts(live, stored, classes, size, seed):
    g = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, classes, (live + stored,), generator=g)
    if live + stored <= size:
        return
    sample = weighted_sample(targets, torch.rand(live + stored, generator=g), live, size, g)
    assert sample.rows.shape == (size,)
    assert (sample.rows.diff() > 0).all()
    assert sample.weight.min() >= 1 - 1e-12
    if live <= size:
        assert sample.rows[:live].tolist() == list(range(live))
        assert (sample.weight[:live] == 1).all()
    total = sample.weight.sum().item()
    assert total == pytest.approx(live if live >= size else live + stored if size > live else live)


def test_every_row_is_as_likely_as_its_weight_says():
    g = torch.Generator().manual_seed(0)
    targets = (torch.arange(200) % 20 == 0).long()
    scores = torch.randn(200, generator=g)
    seen, draws = torch.zeros(200, dtype=torch.float64), 3000
    for _ in range(draws):
        sample = weighted_sample(targets, scores, 20, 60, g)
        seen[sample.rows] += sample.weight
    sd = (seen / draws - 1).abs().max()
    assert sd < 6 * math.sqrt(10 / draws)


def test_quota_draws_what_the_reference_draws():
    from imbalanced_losses._queue import PooledBatch
    from imbalanced_losses._sampling import subsample_pool

    for classes, count, size in ((2, 400, 100), (50, 300, 40), (7, 90, 80)):
        targets = torch.randint(0, classes, (count,))
        torch.manual_seed(3)
        theirs, _ = subsample_pool(PooledBatch(torch.arange(count)[:, None], targets), size)
        torch.manual_seed(3)
        assert quota_sample(targets, size).rows.tolist() == theirs.logits[:, 0].sort().values.tolist()


CAPPED = {
    "smooth_ap": (ours.SmoothAPLoss, reference.SmoothAPLoss, {"temperature": 0.1}),
    "recall": (
        ours.RecallAtQuantileLoss,
        reference.RecallAtQuantileLoss,
        {"quantile": 0.05, "temperature": 0.1},
    ),
    "trapezoid": (ours.PAUCAtBudgetLoss, reference.PAUCAtBudgetLoss, {"beta": 0.1, "n_knots": 5}),
    "pairwise": (ours.PAUCAtBudgetLoss, reference.PAUCAtBudgetLoss, {"beta": 0.1, "surrogate": "pairwise"}),
}


@pytest.mark.parametrize("name", CAPPED)
@pytest.mark.parametrize("size", [900, 600])
def test_b7_the_cap_keeps_the_objective(name, size):
    """Ten pools of 6,000 rows, 2 % positives: the mean error is 0 within its confidence interval.

    Of 900 rows the certain ones reach below the budget; of 600 the threshold lies among rows that stand for
    thirty.
    """
    mine, theirs, options = CAPPED[name]
    errors = []
    for seed in range(10):
        g = torch.Generator().manual_seed(seed)
        y = (torch.rand(6000, generator=g) < 0.02).long()
        x = torch.randn(6000, 1, generator=g, dtype=torch.float64) + 1.5 * y[:, None]
        queue = {"queue_size": 5900, "update_queue_in_eval": False}
        full = mine(1, **queue, **options)
        capped = mine(1, max_pool_size=size, **queue, **options)
        quota = theirs(1, max_pool_size=size, **queue, **options)
        for loss in (full, capped, quota):
            loss(x[:5900], y[:5900])
            loss.eval()
        whole = full(x[5900:], y[5900:]).item()
        torch.manual_seed(seed)
        draws = torch.stack([capped(x[5900:], y[5900:]) for _ in range(25)])
        errors.append((draws.mean().item() - whole, quota(x[5900:], y[5900:]).item() - whole))
    error, error_ = torch.tensor(errors).double().T
    half_width = 2.26 * error.std() / math.sqrt(10)  # Student's t, 9 degrees of freedom, 95 %
    assert error.mean().abs() <= half_width + (1e-5 if size == 900 else 1e-3)
    assert error.abs().max() < (2e-3 if size == 900 else 1e-2)
    assert error_.abs().mean() > 5 * error.abs().mean()


@pytest.mark.parametrize("library", [ours, reference])
def test_b8_live_positives_stay(library):
    g = torch.Generator().manual_seed(0)
    loss = library.SmoothAPLoss(1, queue_size=4096, max_pool_size=512)
    lost = 0
    for step in range(160):
        y = (torch.arange(32) < 2).long()
        x = torch.randn(32, 1, generator=g).requires_grad_()
        torch.manual_seed(step)
        loss(x, y).backward()
        lost += step >= 130 and bool((x.grad[:2] == 0).all())
    assert (lost > 5) == (library is reference)
    assert lost == 0 or library is reference


def test_b9_every_class_stays_when_the_cap_has_room():
    targets = torch.arange(1000) % 50
    assert targets[weighted_sample(targets, torch.rand(1000), 0, 60).rows].unique().numel() == 50
    # With less room than classes the rows are drawn as one class, so that the weights still restore sums.
    sample = weighted_sample(targets, torch.rand(1000), 0, 40)
    assert sample.weight.sum().item() == pytest.approx(1000)
