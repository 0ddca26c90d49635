"""Curves of score dumps: against plain loops and scikit-learn, whole and in pieces, and without a class."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_curve

from imbalance_doctor.evidence import ScoreBlock, ScoreDump, TrainingPlan
from imbalance_doctor.facts import score_curves as module
from imbalance_doctor.facts.base import Evidence, measure

CURVE = ("false_positive_rate", "recall", "precision")


def dump(scores, targets, kind="binary", scale="logits", *, size=500, names=()):
    scores = np.asarray(scores, dtype=float)
    scores = scores[:, None] if scores.ndim == 1 else scores
    targets = np.asarray(targets)

    def blocks():
        for start in range(0, len(scores), size):
            cut = slice(start, start + size)
            yield ScoreBlock(scores=scores[cut], targets=targets[cut])

    return ScoreDump(
        rows=len(scores), classes=scores.shape[1], kind=kind, scale=scale, blocks=blocks, names=names
    )


def facts(given):
    return measure(Evidence(plan=TrainingPlan(), scores=given))


def curves(given):
    return facts(given).family("score_curves")


def binary(rows=3000, seed=0):
    rng = np.random.default_rng(seed)
    targets = (rng.random(rows) < 0.05).astype(np.int64)
    return np.round(rng.normal(size=rows) + 2 * targets - 2, 2), targets


def on_the_curve(found, scores, targets):
    """Every point of the curve is that of one of the scores, by counting."""
    positives, negatives = scores[targets == 1], scores[targets == 0]
    possible = {}
    for threshold in np.unique(scores):
        hits = sum(1 for score in positives if score >= threshold)
        alarms = sum(1 for score in negatives if score >= threshold)
        possible[alarms / len(negatives), hits / len(positives)] = hits / (hits + alarms)
    for rate, recall, precision in zip(*(getattr(found, name) for name in CURVE), strict=True):
        assert possible[rate, recall] == precision


def test_points_lie_on_the_curve_and_span_it():
    scores, targets = binary()
    found = curves(dump(scores, targets))
    on_the_curve(found, scores, targets)
    assert (found.false_positive_rate[-1], found.recall[-1]) == (1.0, 1.0)
    assert found.precision[-1] == targets.mean()
    assert list(found.recall) == sorted(found.recall)
    assert list(found.false_positive_rate) == sorted(found.false_positive_rate)
    assert np.max(np.diff((0.0, *found.recall))) < 0.06
    assert found.false_positive_rate[0] <= 1 / 1000
    whole = roc_curve(targets, scores)[:2]
    area = np.trapezoid((0, *found.recall), (0, *found.false_positive_rate))
    assert area == pytest.approx(np.trapezoid(whole[1], whole[0]), abs=1e-3)
    assert 50 < len(found.recall) <= 110


def test_histograms_count_every_row_once():
    scores, targets = binary()
    found = curves(dump(scores, targets))
    edges = found.score_edges
    for wanted, flag in ((found.positive_counts, 1), (found.negative_counts, 0)):
        counts = [0] * module.BINS
        for score, target in zip(scores, targets, strict=True):
            if target == flag:
                clipped = min(max(score, edges[0]), edges[-1])
                bins = [b for b in range(module.BINS) if edges[b] <= clipped < edges[b + 1]]
                counts[bins[0] if bins else -1] += 1
        assert wanted == tuple(counts)


def test_reliability_is_counted_in_the_bins_of_the_calibration_error():
    scores, targets = binary()
    given = facts(dump(scores, targets))
    found = given.family("score_curves")
    p = 1 / (1 + np.exp(-scores))
    error = 0.0
    for index, rows in enumerate(found.reliability_rows):
        inside = [i for i in range(len(p)) if min(int(p[i] * 15), 14) == index]
        assert rows == len(inside)
        if not inside:
            assert found.reliability_share[index] is found.reliability_probability[index] is None
            assert found.reliability_low[index] is found.reliability_high[index] is None
            continue
        share = targets[inside].mean()
        assert found.reliability_share[index] == pytest.approx(share)
        assert found.reliability_probability[index] == pytest.approx(p[inside].mean())
        assert found.reliability_low[index] <= share <= found.reliability_high[index]
        error += rows / len(p) * abs(share - p[inside].mean())
    assert given.value("scores.ece") == pytest.approx(error)


@pytest.mark.parametrize("size", [1, 7, 500])
def test_pieces_give_what_the_whole_gives(monkeypatch, size):
    scores, targets = binary(rows=300)
    whole = curves(dump(scores, targets))
    monkeypatch.setattr(module, "LIMIT", 100)
    pieces = curves(dump(scores, targets, size=size))
    for name, value in vars(whole).items():
        assert getattr(pieces, name) == pytest.approx(value), name


def test_a_sample_still_gives_exact_points(monkeypatch):
    scores, targets = binary()
    monkeypatch.setattr(module, "_SAMPLE", 64)
    monkeypatch.setattr(module, "LIMIT", 100)
    found = curves(dump(scores, targets, size=37))
    on_the_curve(found, scores, targets)
    assert sum(found.positive_counts) == targets.sum()
    assert sum(found.negative_counts) == len(targets) - targets.sum()


def test_a_sample_takes_every_kth_row_across_blocks(monkeypatch):
    monkeypatch.setattr(module, "_SAMPLE", 4)
    scores, targets = np.arange(20.0), np.zeros(20, dtype=int)
    one = module.column(dump(scores, targets, size=3), 0, 10)
    positives, negatives = module._samples(one, 0, 20)
    assert negatives[0].tolist() == negatives[1].tolist() == [0.0, 5.0, 10.0, 15.0]
    assert len(positives[0]) == 0


def test_a_far_score_does_not_stretch_the_bins():
    scores, targets = binary(rows=5000)
    near = curves(dump(scores, targets)).score_edges
    scores[7] = 1e6
    found = curves(dump(scores, targets))
    assert found.score_edges[-1] < near[-1] + 5
    assert sum(found.positive_counts) + sum(found.negative_counts) == 5000


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
def test_the_rarest_class_is_drawn(kind):
    rng = np.random.default_rng(2)
    targets = rng.choice(4, size=800, p=[0.6, 0.3, 0.1, 0.0])
    logits = rng.normal(size=(800, 4))
    labels = np.eye(4, dtype=np.int8)[targets] if kind == "multilabel" else targets
    given = facts(dump(logits, labels, kind, names=("a", "b", "c", "d")))
    found = given.family("score_curves")
    assert given.value("scores.focus_class") == "c"
    assert sum(found.positive_counts) == (targets == 2).sum() == given.value("scores.positives")
    ranked = logits[:, 2]
    if kind == "multiclass":
        ranked = ranked - np.log(np.exp(np.delete(logits, 2, axis=1)).sum(axis=1))
    on_the_curve(found, ranked, targets == 2)


@pytest.mark.parametrize("flag", [0, 1])
def test_without_one_class_there_is_a_histogram_but_no_curve(flag):
    found = curves(dump([0.5, 1.5, -1.0], [flag] * 3))
    own, other = found.positive_counts, found.negative_counts
    assert (sum(own), sum(other)) == ((3, 0) if flag else (0, 3))
    assert sum(found.reliability_rows) == 3
    assert [getattr(found, name) for name in CURVE] == [None] * 3


def test_constant_scores_are_one_point():
    found = curves(dump([2.0] * 6, [0, 0, 0, 0, 1, 1]))
    assert [getattr(found, name) for name in CURVE] == [(1.0,), (1.0,), (1 / 3,)]
    assert found.score_edges[0] < 2.0 < found.score_edges[-1]
    assert max(found.positive_counts) == 2
    assert max(found.negative_counts) == 4


def test_one_row():
    found = curves(dump([0.0], [1]))
    assert sum(found.positive_counts) == 1
    assert found.reliability_share[7] == 1.0


@pytest.mark.parametrize("scores", [[], [math.nan, math.inf]])
def test_nothing_to_count_is_unknown(scores):
    found = curves(dump(np.array(scores), np.array([0, 1][: len(scores)], dtype=int)))
    assert set(vars(found).values()) == {None}


def test_no_dump_no_curves():
    assert measure(Evidence()).family("score_curves") is None


def test_rows_without_a_label_or_a_finite_score_are_left_out():
    found = curves(dump([0.0, 1.0, math.nan, 2.0, -math.inf], [0, 1, 1, -100, 0]))
    assert (sum(found.positive_counts), sum(found.negative_counts)) == (1, 1)


def test_curves_wait_until_they_are_asked_for():
    read = []
    whole = dump(*binary(rows=200))

    def blocks():
        read.append(1)
        return whole.blocks()

    given = facts(ScoreDump(rows=200, classes=1, kind="binary", scale="logits", blocks=blocks))
    given.family("scores")
    before = len(read)
    given.family("scores")
    assert len(read) == before
    given.family("score_curves")
    assert len(read) > before


@given(
    arrays(np.float32, st.integers(1, 60), elements=st.floats(-1e4, 1e4, width=32)), st.integers(0, 2**60 - 1)
)
def test_any_dump_gives_shares_and_whole_counts(scores, bits):
    targets = np.array([bits >> k & 1 for k in range(len(scores))])
    found = curves(dump(scores, targets))
    assert sum(found.positive_counts) == targets.sum()
    assert sum(found.negative_counts) == len(targets) - targets.sum()
    assert sum(found.reliability_rows) == len(targets)
    assert list(found.score_edges) == sorted(found.score_edges)
    if 0 < targets.sum() < len(targets):
        on_the_curve(found, scores, targets)
