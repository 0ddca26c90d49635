"""Claims that a reproduction shows: how often its symptom appears with its cause and without, over draws."""

from __future__ import annotations

from functools import partial

import torch

from imbalance_doctor.lab.claims._stats import proportion
from imbalance_doctor.lab.claims.base import Claim, Draw, Figures, Verdict, above, below, settle
from imbalance_doctor.replay.symptoms import find

__all__ = ["shown"]

_DRAWS = 6
"""Fewest for which the interval of 'always' stays above one half and that of 'never' below."""


def shown(
    name: str,
    *,
    covers: tuple[str, ...],
    document: str,
    when: Verdict,
    otherwise: Verdict,
    draws: int = _DRAWS,
) -> Claim:
    """Return a claim that rests on a reproduction.

    Parameters
    ----------
    name
        Id of the symptom.
    covers, document
        As of :class:`Claim`.
    when
        The verdict where the symptom appears with its cause, and does not without.
    otherwise
        The verdict where it does not.
    draws
        How many times.
    """
    symptom = find(name)

    def measure(draw: Draw) -> Figures:
        number = draw.size(draws, 1)
        seen = {True: 0, False: 0}
        for i in range(number):
            rows = symptom.rows
            if isinstance(rows, partial):
                given = rows(seed=1000 * draw.seed + i)
            else:
                given = rows()
                given = given.take(torch.randperm(len(given), generator=draw.generator(i))) if i else given
            for cause in (True, False):
                torch.manual_seed(1000 * draw.seed + i)
                seen[cause] += symptom.show(given, cause).appears
        return {
            **proportion("with_cause", seen[True], number),
            **proportion("without", seen[False], number),
            "draws": number,
        }

    def judge(figures: Figures) -> Verdict:
        return settle(
            (when, (above(figures, "with_cause", 0.5), below(figures, "without", 0.5))), otherwise=otherwise
        )

    said = symptom.claim.replace("{", "{{").replace("}", "}}")
    return Claim(
        covers=covers,
        document=document,
        measure=measure,
        tell=f"{said} Seen in {{with_cause:.0%}} of {{draws:.0f}} draws, {{without:.0%}} without its cause.",
        judge=judge,
        reference=symptom.reference,
    )
