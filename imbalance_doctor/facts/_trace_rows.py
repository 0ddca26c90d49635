"""The rows of a training log as a ranking loss wrote them, and which belong to its main phase."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from imbalance_doctor.evidence import Series, TrainingLog
from imbalance_doctor.facts._curves import beside, finite, median, part, span
from imbalance_doctor.facts.base import Span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imbalance_doctor.facts._curves import Values

MAIN = 2
"""The stage in which the ranking loss trains alone, or with its final weight."""

_RANKING = (
    "temperature", "tau_eff", "main_weight", "pool_size", "pool_positives", "queue_fill", "queue_positives",
    "band_neg_count", "grad_pos_count", "threshold", "rank_loss_std",
)  # fmt: skip
_PAUC = ("tau_eff", "band_neg_count", "grad_pos_count")


@dataclass(frozen=True)
class Rows:
    """The series of one log, and the main phase within them."""

    log: TrainingLog

    def get(self, name: str) -> Series | None:
        """Return a series of the training side: the one of no phase, else that of training."""
        return self.log.get(name, "") or self.log.get(name, "train")

    def either(self, name: str) -> Series | None:
        """Return a series of whatever side logs it, validation first."""
        return self.log.get(name, "val") or self.get(name)

    @cached_property
    def loss(self) -> Series | None:
        """The training loss."""
        return self.log.get("loss", "train") or self.log.get("loss", "")

    @cached_property
    def ranking(self) -> bool:
        """Whether the log holds what only ranking losses write."""
        return any(True for name in _RANKING for _ in self.log.all(name))

    @cached_property
    def phased(self) -> bool:
        """Whether the log tells the main phase from what came before."""
        return self.get("stage") is not None or self.get("main_weight") is not None

    @cached_property
    def pauc(self) -> bool:
        """Whether it holds what only the partial-AUC loss writes."""
        return any(True for name in _PAUC for _ in self.log.all(name))

    @cached_property
    def _known(self) -> dict[bytes, NDArray[np.bool_]]:
        """Answers of `in_main`: most series of a log stand in the same records."""
        return {}

    def in_main(self, order: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which log records lie in the main phase; all, where the log knows of no phase."""
        import numpy as np

        stage, weight = self.get("stage"), self.get("main_weight")
        teller = weight if stage is None else stage
        if teller is None:
            return np.ones(len(order), dtype=bool)
        name = order.tobytes()
        if name not in self._known:
            self._known[name] = (
                beside(teller, order) >= MAIN if stage is not None else beside(teller, order) > 0
            )
        return self._known[name]

    def main(self, name: str) -> Values | None:
        """Return the finite values of a series in the main phase; None where there is none."""
        series = self.loss if name == "loss" else self.get(name)
        return None if series is None else self.of_main(series)

    def of_main(self, series: Series) -> Values | None:
        """Return the finite values of this series in the main phase; None where there is none."""
        values = finite(series.values[self.in_main(series.order)])
        return values if len(values) else None

    def together(self, *names: str) -> tuple[Values, ...] | None:
        """Return series of the main phase row by row, where each of them has a finite value.

        The rows are those of the first; the others keep their last value.
        """
        import numpy as np

        series = [self.loss if name == "loss" else self.get(name) for name in names]
        found = [s for s in series if s is not None]
        if len(found) < len(series):
            return None
        order = found[0].order
        columns = [s.values if np.array_equal(s.order, order) else beside(s, order) for s in found]
        kept = self.in_main(order) & np.isfinite(columns).all(axis=0)
        return tuple(column[kept] for column in columns) if kept.any() else None

    def where(self, *names: str) -> tuple[Span, ...]:
        """Return where the main phase of each series lies."""
        import numpy as np

        spans = []
        for name in names:
            series = self.loss if name == "loss" else self.get(name)
            if series is None:
                continue
            at = np.flatnonzero(self.in_main(series.order))
            if len(at):
                spans.append(span(series, int(at[0]), int(at[-1])))
        return tuple(spans)


def first(values: Values | None) -> float | None:
    """Return the median of the first tenth."""
    return None if values is None else median(part(values, 0.0, 0.1))


def last(values: Values | None) -> float | None:
    """Return the median of the last tenth."""
    return None if values is None else median(part(values, 0.9))
