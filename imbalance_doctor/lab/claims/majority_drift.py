"""How much of a rare class plain cross-entropy finds at a probability of one half."""

from __future__ import annotations

from imbalance_doctor.lab.claims._stats import mean
from imbalance_doctor.lab.claims._trained import bank, paired
from imbalance_doctor.lab.claims.base import (
    CONFIRMED,
    CONTRADICTED,
    OPEN,
    Claim,
    Draw,
    Figures,
    Verdict,
    above,
    below,
    settle,
)

__all__ = ["CLAIM"]

_RARE = 0.05


def _measure(draw: Draw) -> Figures:
    worlds = bank(draw)

    def rare(w: object) -> bool:
        return draw.smoke or getattr(w, "prevalence", 1.0) <= _RARE

    plain = [w for w in worlds if rare(w)]
    return {
        **mean("accuracy", [w.arms["bce"].accuracy for w in plain]),
        **mean("recall", [w.arms["bce"].recall for w in plain]),
        **mean("recovered", paired(worlds, "wbce", "bce", lambda o, _: o.recall, rare)),
        **mean("gain", paired(worlds, "wbce", "bce", lambda o, _: o.precision, rare)),
        "worlds": len(plain),
    }


def _judge(f: Figures) -> Verdict:
    return settle(
        (CONFIRMED, (below(f, "recall", 0.1),)), (CONTRADICTED, (above(f, "recall", 0.1),)), otherwise=OPEN
    )


CLAIM = Claim(
    covers=("SL-11",),
    document=(
        "Plain cross-entropy under skew drifts to the majority: high accuracy, near-zero precision and "
        "recall."
    ),
    measure=_measure,
    tell=(
        "With at most 5 % positives ({worlds:.0f} worlds) it has an accuracy of {accuracy:.2f} and a "
        "recall of {recall:.2f} [{recall_low:.2f}, {recall_high:.2f}] at one half; weights add "
        "{recovered:+.2f} recall there and {gain:+.3f} [{gain_low:+.3f}, {gain_high:+.3f}] AP: it is the "
        "threshold."
    ),
    judge=_judge,
)
