"""A score dump, one class against the rest at a time, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from imbalance_doctor.evidence import ScoreBlock, ScoreDump, ScoreScale
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
    dumped
        The scores as dumped. float64 [n].
    scale
        What they are.
    odds
        Of a multi-class model that gives logits, the log-odds of the class against all others, [n].
    answered
        Of a multi-class model, whether the class is its answer, the first of equals, bool [n].
    step
        int64 [n], or None.
    """

    positive: NDArray[np.bool_]
    dumped: NDArray[np.float64]
    scale: ScoreScale
    odds: NDArray[np.float64] | None
    answered: NDArray[np.bool_] | None
    step: NDArray[np.int64] | None

    @property
    def ranked(self) -> NDArray[np.float64]:
        """What rows are ranked by: log-odds of a multi-class model, else the scores as dumped."""
        return self.dumped if self.odds is None else self.odds

    @cached_property
    def raw(self) -> NDArray[np.float64]:
        """Scores in logits, as a ranking loss sees them; a probability counts with its log-odds."""
        return self.dumped if self.scale == "logits" else log_odds(self.dumped)

    @property
    def margin(self) -> NDArray[np.float64]:
        """Log-odds of the class."""
        return self.raw if self.odds is None else self.odds

    @cached_property
    def probability(self) -> NDArray[np.float64]:
        """Probability of the class."""
        return sigmoid(self.margin) if self.scale == "logits" else self.dumped

    @property
    def called(self) -> NDArray[np.bool_]:
        """Whether the model answers with the class: as `answered`, else from `THRESHOLD` on."""
        return self.probability >= THRESHOLD if self.answered is None else self.answered

    def mirrored(self) -> Part:
        """Return the same rows of a binary dump seen from the negative class."""
        logits = self.scale == "logits"
        return Part(
            positive=~self.positive,
            dumped=-self.dumped if logits else 1 - self.dumped,
            scale=self.scale,
            odds=None,
            answered=~self.called,
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
    """The rows of a block that have a label and finite scores.

    Attributes
    ----------
    scores
        As dumped, float64 [n, C].
    targets
        int64 [n], or int8 [n, C] for multi-label dumps.
    odds
        Of a multi-class model that gives logits, see `against_rest`; [n, C].
    """

    dump: ScoreDump
    scores: NDArray[np.float64]
    targets: NDArray[np.int64]
    odds: NDArray[np.float64] | None
    step: NDArray[np.int64] | None

    @classmethod
    def of(cls, dump: ScoreDump, block: ScoreBlock) -> Rows:
        """Leave out the other rows."""
        import numpy as np

        kept = counted_rows(dump, block) & np.isfinite(block.scores).all(axis=1)
        scores = block.scores[kept].astype(np.float64)
        exclusive = dump.kind == "multiclass" and dump.classes > 1 and dump.scale == "logits"
        return cls(
            dump=dump,
            scores=scores,
            targets=block.targets[kept],
            odds=against_rest(scores) if exclusive else None,
            step=None if block.step is None else block.step[kept],
        )

    def part(self, column: int) -> Part:
        """Cut out one class; of a multi-label dump the rows whose label counts there."""
        import numpy as np

        keep: Any = slice(None)
        answered = None
        if self.dump.kind == "multilabel":
            labels = self.targets.reshape(len(self.targets), -1)[:, column]
            keep = labels != self.dump.ignore_index
            positive = labels[keep] == 1
        elif self.dump.kind == "multiclass":
            positive = self.targets == column
            answered = np.asarray(self.scores.argmax(axis=1) == column)
        else:
            positive = self.targets == 1
        return Part(
            positive=positive,
            dumped=self.scores[keep, column],
            scale=self.dump.scale,
            odds=None if self.odds is None else self.odds[:, column],
            answered=answered,
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
                    held[column].append(rows.part(column))
            for column in here:
                joined = _joined(dump, held.pop(column))
                yield Column(column, lambda joined=joined: iter((joined,)))  # type: ignore[misc]
        else:
            yield Column(start, lambda: _streamed(dump, start))  # noqa: B023  used before the next turn


def column(dump: ScoreDump, index: int, limit: int = LIMIT) -> Column:
    """Return one class, held where it fits in `limit` rows."""
    if dump.rows > limit:
        return Column(index, lambda: _streamed(dump, index))
    joined = _joined(dump, list(_streamed(dump, index)))
    return Column(index, lambda: iter((joined,)))


def _streamed(dump: ScoreDump, index: int) -> Iterator[Part]:
    for block in dump.blocks():
        yield Rows.of(dump, block).part(index)


def _joined(dump: ScoreDump, parts: list[Part]) -> Part:
    import numpy as np

    def every(name: str, kind: type) -> Any:
        members = [getattr(part, name) for part in parts]
        if any(member is None for member in members):
            return None
        return np.concatenate(members) if members else np.empty(0, dtype=kind)

    return Part(
        positive=every("positive", bool),
        dumped=every("dumped", float),
        scale=dump.scale,
        odds=every("odds", float) if dump.kind == "multiclass" else None,
        answered=every("answered", bool) if dump.kind == "multiclass" else None,
        step=every("step", int) if dump.has_steps else None,
    )


def true_margins(dump: ScoreDump, index: int) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Yield the log-odds of the true answer, and the answer: the class of a row, or yes (1) or no (0).

    Of a multi-label dump only the class `index` is looked at.
    """
    import numpy as np

    for block in dump.blocks():
        rows = Rows.of(dump, block)
        if dump.kind == "multiclass":
            inside = (rows.targets >= 0) & (rows.targets < dump.classes)
            label = rows.targets[inside].astype(np.int64)
            place = np.arange(len(label)), label
            if rows.odds is not None:
                yield rows.odds[inside][place], label
            else:
                scores = rows.scores[inside][place]
                yield scores if dump.scale == "logits" else log_odds(scores), label
        else:
            part = rows.part(index)
            yield np.where(part.positive, part.margin, -part.margin), part.positive.astype(np.int64)
