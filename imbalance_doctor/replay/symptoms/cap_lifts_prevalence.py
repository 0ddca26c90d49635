"""A capped pool holds more positives in the hundred than the data, and the loss answers another question."""

from __future__ import annotations

from imbalance_doctor.replay.symptoms._parts import library, made, slope
from imbalance_doctor.replay.symptoms.base import Rows, Shown, Symptom

__all__ = ["SYMPTOM"]

_SIZE, _PER_PREVALENCE = 1024, 2.5
_WORSE = 0.2


def _show(rows: Rows, cause: bool) -> Shown:
    prevalence = len(rows.positives) / len(rows)
    quantile = min(_PER_PREVALENCE * prevalence, 0.5)
    temperature = 0.1 * rows.scores.std().item()

    def cost(size: int | None) -> float:
        loss = library().RecallAtQuantileLoss(
            1, quantile, queue_size=0, temperature=temperature, max_pool_size=size
        )
        return slope(loss, rows)[0]

    whole, capped = cost(None), cost(_SIZE if cause else None)
    return Shown(
        f"a recall loss at least {_WORSE} above that of the whole pool, for max_pool_size {_SIZE}",
        f"{capped:.3f} against {whole:.3f}, with q = {quantile:.3g} at a prevalence of {prevalence:.3g}",
        capped > whole + _WORSE,
    )


SYMPTOM = Symptom(
    covers=("B7", "AP-7", "AP-8", "RQ-5"),
    claim=(
        "max_pool_size of imbalanced-losses keeps the same number of each class, so the capped pool holds"
        " up to a quarter positives, and a quantile above the prevalence of the data lies below that of"
        " the pool."
    ),
    show=_show,
    rows=made(20_000, 0.02),
    takes_scores=True,
    reference=True,
)
