"""Five numbers of the scores by class, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from imbalance_doctor.errors import InputError
from imbalance_doctor.record import scores_by_class


def test_scores_by_class_agree_with_plain_loops():
    g = np.random.default_rng(1)
    scores, labels = g.normal(size=(60, 3)), (g.random((60, 3)) < 0.3).astype(np.int64)
    means, deviations = [], []
    for c in range(3):
        of = [scores[i, c] for i in range(60) if labels[i, c] == 0]
        means.append(sum(of) / len(of))
        deviations.append(math.sqrt(sum((x - means[-1]) ** 2 for x in of) / len(of)))
    found = scores_by_class(scores, labels)
    assert found["score_mean_negative"] == pytest.approx(sum(means) / 3)
    assert found["score_std_negative"] == pytest.approx(sum(deviations) / 3)
    assert found["positives"] == labels.sum()


@pytest.mark.parametrize(
    ("scores", "labels"), [([1.0, 2.0], [0, 0]), ([1.0, 2.0], [1, 1]), ([math.inf, 2.0], [1, 0])]
)
def test_scores_without_both_classes_or_not_finite_have_no_spread_by_class(scores, labels):
    assert scores_by_class(np.array(scores), np.array(labels)) == {}


def test_class_ids_are_each_class_against_the_rest():
    g = np.random.default_rng(2)
    scores, ids = g.normal(size=(50, 3)), g.integers(0, 3, 50)
    assert scores_by_class(scores, ids) == scores_by_class(scores, np.eye(3, dtype=int)[ids])


def test_ignored_rows_may_hold_anything():
    scores, targets = [3.0, 1.0, 0.0, math.nan], [1, 1, 0, -100]
    assert scores_by_class(scores, targets) == scores_by_class(scores[:3], targets[:3]) != {}


def test_tensors_of_half_precision_with_gradient():
    torch = pytest.importorskip("torch")
    scores = torch.tensor([3.0, 1.0, 0.0, 0.5], dtype=torch.bfloat16, requires_grad=True)
    targets = torch.tensor([1, 1, 0, 0])
    found = scores_by_class(scores, targets, "val_")
    assert found == scores_by_class([3.0, 1.0, 0.0, 0.5], [1, 1, 0, 0], "val_")
    assert found["val_score_mean_negative"] == 0.25
    assert found["val_positives"] == 2


@pytest.mark.parametrize(
    ("scores", "targets"),
    [
        ([1.0, 2.0], [1]),
        ([[1.0, 2.0]], [[1, 0, 0]]),
        ([1.0, 2.0], [[1, 0], [0, 1]]),
        (np.ones((2, 3, 2)), [1, 0]),
    ],
)
def test_shapes_that_do_not_fit_are_told(scores, targets):
    with pytest.raises(InputError, match="expected targets"):
        scores_by_class(scores, targets)
