"""Is the advice worth following? The recommended loss against fixed ones, on the same data and starts.

A user who asks for advice has labels and, when the question of the loss comes up at all, the scores of a
tuned baseline. So here: BCE with its learning rate tuned and stopped early, then the recommendation, then the
recommended plan and the fixed losses trained side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from imbalance_doctor.engine.loader import Rule
from imbalance_doctor.engine.rulebook import load_rules
from imbalance_doctor.lab.advice.jobs import Job, Size, run_job
from imbalance_doctor.lab.advice.results import half_width, results
from imbalance_doctor.lab.contested import contested_worlds, is_contested
from imbalance_doctor.lab.worlds import World, clouds

__all__ = ["advise", "smoke_worlds"]

_SMOKE = Size(steps=30, rates=(1e-2,))
_MORE = 4
_KNOWN = 0.02


def advise(
    worlds: Sequence[World],
    seeds: int = 3,
    folder: Path | str | None = None,
    *,
    smoke: bool = False,
    progress: Callable[[int, int], None] = lambda *_: None,
    rules: Sequence[Rule] | None = None,
) -> dict[str, Any]:
    """Measure the advice for binary worlds.

    Parameters
    ----------
    worlds
        Data sets; names must differ.
    seeds
        From 0; each draws a split, a start and batches. Where differences between arms are not known to
        within 0.02 after so many, up to four times as many are taken: with few positives in the test part,
        three seeds say little. Worlds of a contested top keep to `seeds`, for a job there takes minutes:
        another world tells more than another seed.
    folder
        Where trained runs are kept, so that a later call goes on where this one ended.
    smoke
        Train for a moment only, to see that everything works: the figures then say nothing.
    progress
        Is told after each job how many are done, and how many there are as far as is known.
    rules
        By which the advice is given; the built-in ones by default.

    Returns
    -------
    dict
        As :func:`imbalance_doctor.lab.advice.results.results` says, of plain values for storage.
    """
    judged = tuple(load_rules().rules.values()) if rules is None else rules
    kept = None if folder is None else Path(folder)
    size = _SMOKE if smoke else Size()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # small networks: a second thread costs more than it brings
    jobs: list[Job] = []
    try:
        for number, world in enumerate(worlds):
            most = seeds if smoke or is_contested(world.name) else _MORE * seeds
            mine: list[Job] = []
            while len(mine) < seeds or (len(mine) < most and half_width(mine) > _KNOWN):
                mine.append(run_job(world, len(mine), judged, kept, size))
                done = len(jobs) + len(mine)
                progress(done, done + max(0, seeds - len(mine)) + seeds * (len(worlds) - number - 1))
            jobs += mine
    finally:
        torch.set_num_threads(threads)
    return results(jobs)


def smoke_worlds() -> tuple[World, ...]:
    """Return two small worlds, one ordinary and one with a contested top, for `advise(smoke=True)`."""
    return clouds(0), *contested_worlds(1, rows=8_000)
