"""Dumps built by hand, without a reader."""

import numpy as np
import pytest

from imbalance_doctor.evidence import ScoreBlock, ScoreDump


@pytest.fixture
def make_dump():
    """Return a function that wraps arrays as a dump, in blocks of `block` rows."""

    def make(
        scores, targets, *, step=None, epoch=None, iid=None, kind=None, scale="logits", block=100, **rest
    ):
        scores = np.asarray(scores)
        scores = scores[:, None] if scores.ndim == 1 else scores
        targets = np.asarray(targets)
        classes = scores.shape[1]
        kind = kind or ("multilabel" if targets.ndim > 1 else "binary" if classes == 1 else "multiclass")

        def blocks():
            for low in range(0, len(scores), block):
                part = slice(low, low + block)
                yield ScoreBlock(
                    scores=scores[part],
                    targets=targets[part],
                    step=None if step is None else np.asarray(step)[part],
                    epoch=None if epoch is None else np.asarray(epoch, dtype=np.float64)[part],
                    iid=None if iid is None else np.asarray(iid)[part],
                )

        return ScoreDump(
            rows=len(scores),
            classes=classes,
            kind=kind,
            scale=scale,
            blocks=blocks,
            has_steps=step is not None,
            has_iid=iid is not None,
            source="run.npz",
            **rest,
        )

    return make


@pytest.fixture
def rows():
    """Return a function that draws logits and labels of a model that orders them somewhat."""

    def draw(count, prevalence=0.05, seed=0, classes=1, dtype=np.float32):
        rng = np.random.default_rng(seed)
        if classes == 1:
            targets = (rng.random(count) < prevalence).astype(np.int64)
            scores = rng.normal(size=count) + 1.5 * targets - 2
            return scores.astype(dtype), targets
        targets = rng.integers(0, classes, count)
        scores = rng.normal(size=(count, classes)) + 1.5 * (targets[:, None] == np.arange(classes))
        return scores.astype(dtype), targets

    return draw
