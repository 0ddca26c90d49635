"""Estimates of memory against tensors that are really alive, and against measured tables."""

from __future__ import annotations

import weakref

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from hypothesis import given
from hypothesis import strategies as st
from imbalanced_losses import (
    PAUCAtBudgetLoss,
    RecallAtQuantileLoss,
    SigmoidFocalLoss,
    SmoothAPLoss,
    SoftmaxFocalLoss,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Alive(TorchDispatchMode):
    """Bytes of the tensors that operations made and that still live."""

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self.sizes = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        given_in = {
            t.untyped_storage()._cdata
            for t in tree_leaves((args, kwargs or {}))
            if isinstance(t, torch.Tensor)
        }
        for tensor in tree_leaves(out):
            if not isinstance(tensor, torch.Tensor):
                continue
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key in self.sizes or key in given_in:
                continue
            self.sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._drop, key)
        return out

    def _drop(self, key):
        self.now -= self.sizes.pop(key, 0)


def peak(function):
    mode = _Alive()
    with mode:
        function().backward()
    return mode.peak


def rows_of(values, dtype=torch.float32):
    torch.manual_seed(0)
    targets = torch.repeat_interleave(torch.arange(len(values)), torch.tensor(values))
    columns = 1 if len(values) == 2 else len(values)
    return torch.randn(len(targets), columns, dtype=dtype, requires_grad=True), targets


@pytest.mark.parametrize("values", [(2000, 48), (1600, 400), (300, 300, 300, 124), (700, 300, 24)])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_dense_smooth_ap(counts, measured, values, precision):
    scores, targets = rows_of(values, torch.float32 if precision == "fp32" else torch.bfloat16)
    loss = SmoothAPLoss(scores.shape[1], queue_size=0)
    plan = {"loss": "smooth-ap", "batch_size": sum(values), "queue_size": 0, "precision": precision}
    expected = measured(counts(*values), **plan).value("cost.bytes_dense")
    assert expected == pytest.approx(peak(lambda: loss(scores, targets)), rel=0.35)


@pytest.mark.parametrize("values", [(3600, 400), (1000, 600, 300, 100)])
@pytest.mark.parametrize(
    ("name", "options", "make"),
    [
        (
            "recall-at-quantile",
            {"quantile": 0.1},
            lambda c: RecallAtQuantileLoss(c, queue_size=0, quantile=0.1),
        ),
        ("pauc-at-budget", {"beta": 0.1}, lambda c: PAUCAtBudgetLoss(c, queue_size=0, beta=0.1)),
        (
            "pauc-at-budget",
            {"beta": 0.2, "surrogate": "pairwise"},
            lambda c: PAUCAtBudgetLoss(c, queue_size=0, beta=0.2, surrogate="pairwise"),
        ),
    ],
)
def test_dense_threshold_losses(counts, measured, values, name, options, make):
    scores, targets = rows_of(values)
    loss = make(scores.shape[1])
    facts = measured(counts(*values), loss=name, batch_size=sum(values), queue_size=0, **options)
    assert facts.value("cost.bytes_dense") == pytest.approx(peak(lambda: loss(scores, targets)), rel=0.35)


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("bce", lambda x, y: F.binary_cross_entropy_with_logits(x, F.one_hot(y, x.shape[1]).float())),
        ("ce", F.cross_entropy),
        ("sigmoid-focal", lambda x, y: SigmoidFocalLoss()(x, F.one_hot(y, x.shape[1]).float())),
        ("softmax-focal", SoftmaxFocalLoss()),
    ],
)
def test_dense_pointwise_losses(measured, classes, name, function):
    logits, targets = torch.randn(5000, classes, requires_grad=True), torch.randint(0, classes, (5000,))
    facts = measured(loss=name, batch_size=5000, num_classes=classes)
    # building the one-hot targets is not part of the loss
    extra = 12 * 5000 * classes if name in {"bce", "sigmoid-focal"} else 0
    found = peak(lambda: function(logits, targets))
    assert found - extra <= facts.value("cost.bytes_dense") * 1.35
    assert facts.value("cost.bytes_dense") <= found * 1.35


MEASURED = [  # rows, share of positives, classes, reference and trial in MB
    (4096, 0.01, 1, 3.5, 0.6),
    (4096, 0.1, 1, 29, 1.8),
    (16384, 0.01, 1, 46, 1.7),
    (16384, 0.1, 1, 360, 2.4),
    (65536, 0.001, 1, 76, 4.3),
    (65536, 0.01, 1, 563, 3.6),
    (65536, 0.1, 1, 5800, 4.6),
    (262144, 0.001, 1, 906, 6),
]


@pytest.mark.parametrize(("size", "share", "classes", "dense", "linear"), MEASURED)
def test_smooth_ap_table(counts, measured, size, share, classes, dense, linear):
    labels = counts(round(1e7 * (1 - share)), round(1e7 * share))
    plan = {"loss": "smooth-ap", "batch_size": size, "queue_size": 0, "num_classes": classes}
    cost = measured(labels, **plan).family("cost")
    assert cost.bytes_dense == pytest.approx(dense * 1e6, rel=0.4)
    factor = cost.bytes_linear / (linear * 1e6)
    assert 1 / 1.8 < factor < (1.8 if size >= 16384 else 2.8)


@pytest.mark.parametrize(("size", "classes", "linear"), [(16384, 10, 8), (16384, 80, 23), (262144, 80, 241)])
def test_linear_smooth_ap_of_many_classes(counts, measured, size, classes, linear):
    plan = {"loss": "smooth-ap", "batch_size": size, "queue_size": 0}
    found = measured(counts(*[10**6] * classes), **plan).value("cost.bytes_linear")
    assert 1 / 1.8 < found / (linear * 1e6) < 1.8


def test_planned_is_that_of_the_implementation(counts, measured):
    plan = {"loss": "smooth-ap", "batch_size": 65536, "memory_budget": 10**8}
    labels = counts(900, 100)
    ours = measured(labels, **plan, implementation="imbalance_doctor").family("cost")
    theirs = measured(labels, **plan, implementation="imbalanced_losses").family("cost")
    unknown = measured(labels, **plan).family("cost")
    assert ours.bytes_planned == ours.bytes_linear < theirs.bytes_planned == theirs.bytes_dense
    assert unknown.bytes_planned == theirs.bytes_planned
    assert ours.budget_share < 1 < ours.dense_budget_share == theirs.budget_share


def test_operations(counts, measured):
    ranking = measured(counts(900, 100), loss="smooth-ap", batch_size=1000, queue_size=9000).family("cost")
    assert ranking.operations_dense == pytest.approx(1000 * 10_000)
    assert ranking.operations_linear == pytest.approx(10_000 * 13.2877, rel=1e-4)
    focal = measured(counts(900, 100), loss="sigmoid-focal", batch_size=1000).family("cost")
    assert focal.operations_dense == focal.operations_linear == 1000


def test_every_row_ranks_where_every_row_has_a_class(counts, measured):
    plan = {"loss": "smooth-ap", "batch_size": 4096, "queue_size": 0}
    facts = measured(counts(500, 300, 200), **plan)
    assert facts.value("cost.operations_dense") == pytest.approx(4096**2)
    both = measured(counts(900, 100), **plan, num_classes=2)
    assert both.value("cost.operations_dense") == pytest.approx(4096**2)


def test_queue_of_the_reference(counts, measured):
    loss = SmoothAPLoss(7, queue_size=500)
    stored = sum(
        b.numel() * b.element_size() for name, b in loss.named_buffers() if not name.endswith("_ptr")
    )
    facts = measured(counts(*[10] * 7), loss="smooth-ap", batch_size=10, queue_size=500)
    assert facts.value("cost.queue_bytes") == stored


def test_pool_of_a_stated_prevalence(measured):
    facts = measured(prevalence=0.01, loss="smooth-ap", batch_size=1000, queue_size=0, num_classes=5)
    assert facts.value("cost.operations_dense") == pytest.approx(1000 * 1000)


def test_absent_and_unknown(counts, measured):
    assert measured(counts(9, 1), batch_size=8).family("cost") is None
    cost = measured(loss="smooth-ap", queue_size=100).family("cost")
    assert cost.bytes_dense is cost.operations_linear is cost.budget_share is None


LOSSES = ["smooth-ap", "recall-at-quantile", "pauc-at-budget", "sigmoid-focal", "softmax-focal", "bce", "ce"]
ROWS = st.integers(1, 10**6)


@given(ROWS, ROWS, st.integers(1, 10**5), st.integers(0, 10**6), st.sampled_from(LOSSES))
def test_linear_never_costs_more(counts, measured, negatives, positives, batch, queue, loss):
    facts = measured(counts(negatives, positives), loss=loss, batch_size=batch, queue_size=queue)
    cost = facts.family("cost")
    assert 0 < cost.bytes_linear <= cost.bytes_dense
    assert 0 < cost.operations_linear <= cost.operations_dense
