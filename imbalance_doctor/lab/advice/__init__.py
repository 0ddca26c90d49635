"""Is the advice worth following? The recommended loss against fixed ones, on the same data and starts.

A user who asks for advice has labels and, when the question of the loss comes up at all, the scores of a
tuned baseline. So here: BCE with its learning rate tuned and stopped early, then the recommendation, then the
recommended plan and the fixed losses trained side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from imbalance_doctor.engine.loader import Rule
from imbalance_doctor.engine.rulebook import load_rules
from imbalance_doctor.lab.advice.jobs import Size, run_job
from imbalance_doctor.lab.advice.results import results
from imbalance_doctor.lab.contested import contested_worlds
from imbalance_doctor.lab.worlds import World, clouds

__all__ = ["advise", "smoke_worlds"]

_SMOKE = Size(steps=30, rates=(1e-2,))


def advise(
    worlds: Iterable[World],
    seeds: Sequence[int] = (0, 1, 2),
    folder: Path | str | None = None,
    *,
    smoke: bool = False,
    progress: Callable[[str], None] = lambda _: None,
    rules: Sequence[Rule] | None = None,
) -> dict[str, Any]:
    """Measure the advice for binary worlds.

    Parameters
    ----------
    worlds
        Data sets; names must differ.
    seeds
        Each draws a split, a start and batches; two at least, for intervals.
    folder
        Where trained runs are kept, so that a later call goes on where this one ended.
    smoke
        Train for a moment only, to see that everything works: the figures then say nothing.
    progress
        Is told one line for each world and seed that is done.
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
    try:
        jobs = []
        for world in worlds:
            for seed in seeds:
                job = run_job(world, seed, judged, kept, size)
                jobs.append(job)
                gain = job.chosen - job.arms["bce"]
                progress(f"{world.name}, seed {seed}: {job.plan} {gain:+.3f} against plain BCE")
    finally:
        torch.set_num_threads(threads)
    return results(jobs)


def smoke_worlds() -> tuple[World, ...]:
    """Return two small worlds, one ordinary and one with a contested top, for `advise(smoke=True)`."""
    return clouds(0), *contested_worlds(1, rows=8_000)
