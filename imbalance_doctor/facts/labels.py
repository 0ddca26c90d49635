"""What the labels alone say: counts, prevalence with its interval, imbalance.

One class is *in focus*: the positive class of a binary problem, otherwise the rarest class that has
any row. The scalar facts speak of that class, because it is the one a setup fails on first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from imbalance_doctor.evidence import LabelCounts, described
from imbalance_doctor.facts._numbers import ratio, wilson
from imbalance_doctor.facts.base import Evidence, Facts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_L = ("labels",)
_BETA = 0.9999


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Facts of the label counts."""

    after: ClassVar[tuple[str, ...]] = ()

    rows: int | None = described("rows with a label", unit="rows", needs=_L)
    ignored: int | None = described("rows carrying the ignore index", unit="rows", needs=_L)
    ignored_share: float | None = described(
        "share of rows that carry the ignore index", unit="share", needs=_L
    )
    task: str | None = described(
        "kind of problem the labels describe",
        choices=("binary", "multiclass", "multilabel"),
        needs=_L,
    )
    num_classes: int | None = described("classes (1 for a single indicator)", needs=_L)
    classes_absent: int | None = described("classes that have no row at all", needs=_L)
    encoding: str | None = described(
        "how the classes are written",
        choices=("standard", "signed", "shifted", "gaps", "names"),
        needs=_L,
    )
    focus_class: str | None = described(
        "class the scalar facts speak of: the positive one, or the rarest present", needs=_L
    )
    positives: int | None = described("rows of the class in focus", unit="rows", needs=_L)
    negatives: int | None = described("rows of all other classes", unit="rows", needs=_L)
    prevalence: float | None = described("share of rows of the class in focus", unit="share", needs=_L)
    prevalence_low: float | None = described(
        "lower end of the 95 % Wilson interval of the prevalence", unit="share", needs=_L
    )
    prevalence_high: float | None = described(
        "upper end of the 95 % Wilson interval of the prevalence", unit="share", needs=_L
    )
    majority_share: float | None = described(
        "share of the largest class: the accuracy of always answering it (multi-label: the "
        "largest share of negatives of any class)",
        unit="share",
        needs=_L,
    )
    imbalance_ratio: float | None = described(
        "rows of the largest class over rows of the smallest present one (multi-label: negatives "
        "over positives of the rarest class)",
        needs=_L,
    )
    effective_classes: float | None = described(
        "exponential of the entropy of the class shares: how many equally frequent classes would "
        "be as uncertain",
        needs=_L,
    )
    class_counts: tuple[float, ...] | None = described("rows per class", unit="rows", needs=_L)
    class_prevalence: tuple[float, ...] | None = described("share of rows per class", unit="share", needs=_L)
    class_prevalence_low: tuple[float, ...] | None = described(
        "lower end of the 95 % Wilson interval per class", unit="share", needs=_L
    )
    class_prevalence_high: tuple[float, ...] | None = described(
        "upper end of the 95 % Wilson interval per class", unit="share", needs=_L
    )
    balanced_weights: tuple[float, ...] | None = described(
        "class-balanced weight per class by effective number (beta 0.9999, mean 1; 0 for an absent class)",
        needs=_L,
    )

    root_weights: tuple[float, ...] | None = described(
        "weight per class by the inverse square root of its rows (mean 1; 0 for an absent class)",
        needs=_L,
    )

    @classmethod
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:  # noqa: ARG003  first of all families
        """Count what the labels hold; without labels, take the prevalence the plan states."""
        labels = evidence.labels
        if labels is None:
            return cls._stated(evidence)
        import numpy as np

        counts = np.asarray(labels.counts, dtype=np.int64)
        task = _task(labels)
        focus = focus_index(labels)
        positives = None if focus is None else int(counts[focus])
        low, high = wilson(counts, labels.rows)
        known = focus is not None and labels.rows > 0
        every = labels.rows + labels.ignored
        return cls(
            rows=labels.rows,
            ignored=labels.ignored,
            ignored_share=labels.ignored / every if every else None,
            task=task,
            num_classes=len(labels.classes),
            classes_absent=int((counts == 0).sum()),
            encoding=labels.encoding,
            focus_class=None if focus is None else labels.classes[focus],
            positives=positives,
            negatives=None if positives is None else labels.rows - positives,
            prevalence=positives / labels.rows if positives is not None and labels.rows else None,
            prevalence_low=float(low[focus]) if known else None,
            prevalence_high=float(high[focus]) if known else None,
            majority_share=_majority_share(counts, labels, task),
            imbalance_ratio=_imbalance_ratio(counts, labels),
            effective_classes=_effective_classes(counts, labels),
            class_counts=_floats(counts),
            class_prevalence=_floats(counts / labels.rows) if labels.rows else None,
            class_prevalence_low=_floats(low) if labels.rows else None,
            class_prevalence_high=_floats(high) if labels.rows else None,
            balanced_weights=_balanced_weights(counts),
            root_weights=_root_weights(counts),
        )

    @classmethod
    def _stated(cls, evidence: Evidence) -> Self | None:
        """Return the few facts that a prevalence alone gives; it says nothing of how many rows there are."""
        prevalence, task = evidence.plan.prevalence, evidence.plan.task or "binary"
        if prevalence is None or task not in ("binary", "multilabel"):
            return None
        rare = min(prevalence, 1 - prevalence)
        return cls(
            task=task,
            prevalence=prevalence,
            majority_share=1 - rare,
            imbalance_ratio=ratio(1 - rare, rare),
        )


def _floats(values: NDArray[np.float64] | NDArray[np.int64]) -> tuple[float, ...]:
    return tuple(values.astype(float).tolist())


def _task(labels: LabelCounts) -> str:
    if labels.kind == "indicator":
        return "binary" if len(labels.classes) == 1 else "multilabel"
    return "binary" if len(labels.classes) <= 2 else "multiclass"  # noqa: PLR2004  two classes


def focus_index(labels: LabelCounts) -> int | None:
    """Return the index of the class in focus: the positive one, else the rarest that has a row."""
    if labels.positive is not None and len(labels.classes) <= 2:  # noqa: PLR2004  two classes
        return labels.positive
    if labels.kind == "indicator" and len(labels.classes) == 1:
        return 0
    import numpy as np

    present = np.flatnonzero(labels.counts)
    return int(present[np.argmin(labels.counts[present])]) if len(present) else None


def _outcomes(counts: NDArray[np.int64], labels: LabelCounts) -> NDArray[np.int64]:
    """Return the counts of what a row can be; a single indicator is yes or no."""
    import numpy as np

    if labels.kind == "indicator" and len(counts) == 1:
        return np.array([labels.rows - counts[0], counts[0]])
    return counts


def _majority_share(counts: NDArray[np.int64], labels: LabelCounts, task: str) -> float | None:
    if labels.rows == 0 or len(counts) == 0:
        return None
    if task == "multilabel":
        return float((labels.rows - counts).max() / labels.rows)
    return float(_outcomes(counts, labels).max() / labels.rows)


def _imbalance_ratio(counts: NDArray[np.int64], labels: LabelCounts) -> float | None:
    """Return the ratio; None where fewer than two outcomes have a row."""
    present = _outcomes(counts, labels)
    present = present[present > 0]
    if labels.kind == "indicator" and len(counts) > 1:
        return float((labels.rows - present.min()) / present.min()) if len(present) else None
    return float(present.max() / present.min()) if len(present) > 1 else None


def _effective_classes(counts: NDArray[np.int64], labels: LabelCounts) -> float | None:
    import numpy as np

    present = _outcomes(counts, labels)
    present = present[present > 0]
    if len(present) == 0:
        return None
    shares = present / present.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _balanced_weights(counts: NDArray[np.int64]) -> tuple[float, ...] | None:
    """Return ``(1 - beta) / (1 - beta^n)`` per class, scaled to mean 1 over the present classes.

    References
    ----------
    Y. Cui et al., "Class-balanced loss based on effective number of samples", CVPR 2019.
    """
    import numpy as np

    present = counts > 0
    if not present.any():
        return None
    weights = np.zeros(len(counts))
    weights[present] = (1 - _BETA) / -np.expm1(counts[present] * math.log(_BETA))
    return _floats(weights / weights[present].mean())


def _root_weights(counts: NDArray[np.int64]) -> tuple[float, ...] | None:
    import numpy as np

    present = counts > 0
    if not present.any():
        return None
    weights = np.zeros(len(counts))
    weights[present] = counts[present] ** -0.5
    return _floats(weights / weights[present].mean())
