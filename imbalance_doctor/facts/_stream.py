"""How rows reach the loss: which share carries a label, which share is positive, how they are drawn.

Rows are taken as placed independently of one another, also where one sample gives several rows; rows
of one sequence are usually more alike than that, which makes batches without a positive more frequent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from imbalance_doctor.evidence import LabelCounts, TrainingPlan
from imbalance_doctor.facts._tails import (
    fewer_drawn,
    fewer_even,
    fewer_independent,
    log_none_binomial,
    log_none_drawn,
)


def rows_per_sample(plan: TrainingPlan, labels: LabelCounts | None) -> int:
    """Return the rows one sample gives to the loss: as planned, else as labelled, else 1."""
    return plan.rows_per_sample or (labels.rows_per_sample if labels is not None else 1)


def labelled_share(labels: LabelCounts | None) -> float:
    """Return the share of rows that do not carry the ignore index; 1 without labels."""
    if labels is None or not labels.ignored:
        return 1.0
    return labels.rows / (labels.rows + labels.ignored)


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The rows that a loss is shown, for the class in focus.

    Attributes
    ----------
    prevalence
        Share of positives among the labelled rows.
    labelled
        Share of rows that carry a label.
    population, positives
        Rows of the data (ignored ones included) and positives among them, where an epoch shows each
        row once; None where rows are drawn with replacement or only a prevalence is known.
    evenly
        A stratified sampler gives each batch its share, rounded up or down.
    ordered
        Rows come in the order of the file, which nothing is known of: averages hold, no probability
        of a batch does.
    """

    prevalence: float
    labelled: float
    population: int | None = None
    positives: int = 0
    evenly: bool = False
    ordered: bool = False

    def expected(self, rows: float) -> float:
        """Return the positives among `rows` rows, on average; ignored rows are counted in `rows`."""
        return rows * self.labelled * self.prevalence

    def log_none(self, rows: int) -> float | None:
        """Return the log probability that `rows` rows hold no positive.

        -inf when they always hold one, None when their order is that of a file.
        """
        if self.ordered:
            return None
        if self.evenly:
            missing = 1 - self.expected(rows)
            return math.log(missing) if missing > 0 else -math.inf
        if self.population:
            passes, remainder = divmod(rows, self.population)
            if passes and self.positives:
                return -math.inf
            return log_none_drawn(self.population, self.positives, remainder)
        return log_none_binomial(self.labelled * self.prevalence, rows)

    def fewer_than(self, rows: int, limits: Sequence[int]) -> tuple[float, ...] | None:
        """Return the probability that `rows` rows hold fewer positives than each limit, None if ordered.

        A queue longer than the data holds whole passes, each with every positive, and a remainder
        drawn without replacement. Where a pool spans the border of two shuffles its spread is a
        little larger than that of one draw; this is left out.
        """
        if self.ordered:
            return None
        if self.evenly:
            return fewer_even(self.expected(rows), limits)
        if self.population:
            passes, remainder = divmod(rows, self.population)
            certain = passes * self.positives
            open_limits = [max(0, limit - certain) for limit in limits]
            return fewer_drawn(self.population, self.positives, remainder, open_limits)
        return fewer_independent(self.labelled * self.prevalence, rows, limits)


def prevalence_seen(plan: TrainingPlan, positives: int | None, rows: int | None) -> float | None:
    """Return the prevalence in the batches: of the sampler where set, else labels, else plan.

    A weighted sampler without a stated prevalence leaves it unknown: class-balanced weights are
    usual, but nothing says that these are.
    """
    if plan.sampler_prevalence is not None:
        return plan.sampler_prevalence
    if plan.sampler == "weighted":
        return None
    if positives is not None and rows:
        return positives / rows
    return plan.prevalence if rows is None else None


def stream(plan: TrainingPlan, labels: LabelCounts | None, positives: int | None) -> Stream | None:
    """Describe how rows reach the loss; None when the prevalence in the batches is unknown.

    Parameters
    ----------
    positives
        Rows of the class in focus, None without labels.
    """
    rows = None if labels is None else labels.rows
    prevalence = prevalence_seen(plan, positives, rows)
    if prevalence is None:
        return None
    labelled = labelled_share(labels)
    once = plan.sampler_prevalence is None and labels is not None and positives is not None
    return Stream(
        prevalence=prevalence,
        labelled=labelled,
        population=labels.rows + labels.ignored if once and labels is not None else None,
        positives=positives or 0,
        evenly=plan.sampler == "stratified",
        ordered=plan.sampler == "sequential" and plan.sampler_prevalence is None,
    )
