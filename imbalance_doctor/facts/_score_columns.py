"""A score dump, one class against the rest at a time, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imbalance_doctor.evidence import ScoreBlock, ScoreDump
from imbalance_doctor.facts._ranking import LIMIT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

THRESHOLD = 0.5
"""Probability from which a row is called positive."""
_EPS = 2.0**-53  # the nearest to certainty that a double tells from it


@dataclass(frozen=True, eq=False)
class Part:
    """Some rows of one class against the rest: those with a label and a finite score.

    Attributes
    ----------
    positive
        bool [n].
    raw
        The scores as a ranking loss sees them, in logits: a stated probability is turned into its
        log-odds. float64 [n].
    ranked
        What rows are ranked by. For a multi-class model the log-odds of the class against all others,
        which rise with its softmax probability; else the scores as dumped.
    margin
        Log-odds of the class. float64 [n].
    probability
        Of the class. float64 [n].
    called
        Whether the model answers with the class: the most probable of a multi-class model (the first of
        equals), else a probability of at least `THRESHOLD`. bool [n].
    step
        int64 [n], or None.
    """

    positive: NDArray[np.bool_]
    raw: NDArray[np.float64]
    ranked: NDArray[np.float64]
    margin: NDArray[np.float64]
    probability: NDArray[np.float64]
    called: NDArray[np.bool_]
    step: NDArray[np.int64] | None

    def mirrored(self) -> Part:
        """Return the same rows seen from the other of two classes."""
        return Part(
            positive=~self.positive,
            raw=-self.raw,
            ranked=-self.ranked,
            margin=-self.margin,
            probability=1 - self.probability,
            called=~self.called,
            step=self.step,
        )


@dataclass(frozen=True, eq=False)
class Column:
    """One class of a dump; `parts` yields its rows anew on each call, in the order of the dump."""

    index: int
    parts: Callable[[], Iterator[Part]]


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``1 / (1 + exp(-x))`` without overflow."""
    import numpy as np

    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, small) / (1 + small))


def log_odds(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-odds of probabilities; those of 0 and 1 are taken for the nearest ones inside."""
    import numpy as np

    inside = np.clip(p, _EPS, 1 - _EPS)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def against_rest(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log-odds of each class against all others, [N, C], from softmax logits.

    Nothing cancels: the sum over the others is taken anew for the largest logit of a row.
    """
    import numpy as np

    rows = np.arange(len(logits))
    best = logits.argmax(axis=1)
    top = logits[rows, best]
    parts = np.exp(logits - top[:, None])
    others = logits.copy()
    others[rows, best] = -np.inf
    second = others.max(axis=1)
    rest = second + np.log(np.exp(others - second[:, None]).sum(axis=1))
    total = parts.sum(axis=1)
    with np.errstate(divide="ignore"):  # of the largest one, which is set below
        odds = logits - top[:, None] - np.log(total[:, None] - parts)
    odds[rows, best] = top - rest
    return np.asarray(odds)


@dataclass(frozen=True, eq=False)
class Rows:
    """A block with a label and finite scores, ready for cutting; see `Part` for the arrays.

    Attributes
    ----------
    scores, margin, probability
        float64 [n, C]; `scores` in logits.
    dumped
        The scores as dumped, [n, C].
    positive, counted
        bool [n, C]: the row is of the class; its label counts there.
    label
        int64 [n]; None for multi-label dumps.
    """

    scores: NDArray[np.float64]
    dumped: NDArray[np.float64]
    margin: NDArray[np.float64]
    positive: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    label: NDArray[np.int64] | None
    step: NDArray[np.int64] | None

    @classmethod
    def of(cls, dump: ScoreDump, block: ScoreBlock) -> Rows:
        """Leave out what has no label or no finite score."""
        import numpy as np

        kept = counted_rows(dump, block) & np.isfinite(block.scores).all(axis=1)
        dumped = block.scores[kept].astype(np.float64)
        targets = block.targets[kept]
        scores = dumped if dump.scale == "logits" else log_odds(dumped)
        several = dump.kind == "multiclass" and dump.classes > 1
        margin = against_rest(scores) if several and dump.scale == "logits" else scores
        if dump.kind == "multilabel":
            labels = targets.reshape(len(targets), -1)
            positive, counted, label = labels == 1, labels != dump.ignore_index, None
        elif dump.kind == "binary":
            positive, label = (targets == 1)[:, None], targets
            counted = np.ones_like(positive)
        else:
            positive, label = targets[:, None] == np.arange(dump.classes), targets
            counted = np.ones_like(positive)
        return cls(
            scores=scores,
            dumped=dumped,
            margin=margin,
            positive=positive,
            counted=counted,
            label=label,
            step=None if block.step is None else block.step[kept],
        )

    def part(self, dump: ScoreDump, column: int) -> Part:
        """Cut out one class."""
        keep = self.counted[:, column]
        margin, dumped = self.margin[keep, column], self.dumped[keep, column]
        exclusive = dump.kind == "multiclass"
        probability = sigmoid(margin) if dump.scale == "logits" else dumped
        return Part(
            positive=self.positive[keep, column],
            raw=self.scores[keep, column],
            ranked=margin if exclusive and dump.scale == "logits" else dumped,
            margin=margin,
            probability=probability,
            called=self.dumped.argmax(axis=1) == column if exclusive else probability >= THRESHOLD,
            step=None if self.step is None else self.step[keep],
        )


def counted_rows(dump: ScoreDump, block: ScoreBlock) -> NDArray[np.bool_]:
    """Return which rows carry a label, [N]; of a multi-label row one label is enough."""
    import numpy as np

    labelled = block.targets != dump.ignore_index
    return np.asarray(labelled if labelled.ndim == 1 else labelled.any(axis=1))


def columns(dump: ScoreDump, limit: int = LIMIT) -> Iterator[Column]:
    """Yield the classes one after another.

    As many are held at a time as fit in `limit` values; where not even one fits, each is read from the
    dump as often as it is asked for.
    """
    turn = limit // max(dump.rows, 1)
    for start in range(0, dump.classes, max(turn, 1)):
        here = range(start, min(start + max(turn, 1), dump.classes))
        if turn:
            held: dict[int, list[Part]] = {column: [] for column in here}
            for block in dump.blocks():
                rows = Rows.of(dump, block)
                for column in here:
                    held[column].append(rows.part(dump, column))
            for column in here:
                joined = _joined(held.pop(column))
                yield Column(column, lambda joined=joined: iter((joined,)))  # type: ignore[misc]
        else:
            yield Column(start, lambda: _streamed(dump, start))  # noqa: B023  used before the next turn


def column(dump: ScoreDump, index: int, limit: int = LIMIT) -> Column:
    """Return one class, held where it fits in `limit` rows."""
    if dump.rows > limit:
        return Column(index, lambda: _streamed(dump, index))
    joined = _joined(list(_streamed(dump, index)))
    return Column(index, lambda: iter((joined,)))


def _streamed(dump: ScoreDump, index: int) -> Iterator[Part]:
    for block in dump.blocks():
        yield Rows.of(dump, block).part(dump, index)


def _joined(parts: list[Part]) -> Part:
    import numpy as np

    def all_of(name: str) -> NDArray[np.float64]:
        return np.concatenate([getattr(part, name) for part in parts]) if parts else np.empty(0)

    raw, ranked, margin = all_of("raw"), all_of("ranked"), all_of("margin")
    steps = [part.step for part in parts if part.step is not None]
    return Part(
        positive=all_of("positive").astype(bool),
        raw=raw,
        ranked=ranked,
        margin=margin,
        probability=all_of("probability"),
        called=all_of("called").astype(bool),
        step=np.concatenate(steps) if parts and len(steps) == len(parts) else None,
    )


def true_margins(dump: ScoreDump, index: int) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Yield the log-odds of the true answer, and the answer: the class of a row, or yes (1) or no (0).

    Of a multi-label dump only the class `index` is looked at.
    """
    import numpy as np

    for block in dump.blocks():
        rows = Rows.of(dump, block)
        if dump.kind == "multiclass" and rows.label is not None:
            inside = (rows.label >= 0) & (rows.label < dump.classes)
            label = rows.label[inside].astype(np.int64)
            yield rows.margin[inside][np.arange(len(label)), label], label
        else:
            keep = rows.counted[:, index]
            positive = rows.positive[keep, index]
            margin = rows.margin[keep, index]
            yield np.where(positive, margin, -margin), positive.astype(np.int64)
