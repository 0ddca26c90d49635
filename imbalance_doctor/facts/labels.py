"""What the labels alone say: counts, prevalence with its interval, imbalance.

One class is *in focus*: the positive class of a binary problem, otherwise the rarest class that has
any row. The scalar facts speak of that class, because it is the one a setup fails on first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from imbalance_doctor.evidence import described
from imbalance_doctor.facts.base import Evidence, Facts

_L = ("labels",)


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

    @classmethod
    def measure(cls, evidence: Evidence, facts: Facts) -> Self | None:
        """Count what the labels hold; None without labels."""
        raise NotImplementedError
