"""The whole measurement of the diagnosis: which runs are made, scored, and stored."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from imbalance_doctor.engine.loader import Rule
from imbalance_doctor.errors import InputError
from imbalance_doctor.lab import remedies
from imbalance_doctor.lab.base import Kind, faults, find, healthy
from imbalance_doctor.lab.diagnosis import Answer, answers, figures, measured_rules
from imbalance_doctor.lab.dialects import dialect_named
from imbalance_doctor.lab.results import About, store_figures
from imbalance_doctor.lab.runs import Job, Progress, silent
from imbalance_doctor.lab.worlds import HELD_OUT, MADE_UP, world_named

__all__ = ["Part", "jobs", "score", "store_rules", "worlds_of"]

Part = Literal["held-out", "tuning"]
SIGHT, LOSS_ONLY = 2, 0
"""Levels of sight at which the diagnosis is judged: everything but the plan, and loss and validation only."""
_SMOKE = {"kinds": ("learning-rate-too-high", "temperature-below-resolution", "plain"), "steps": 120}


def worlds_of(part: Part, data: str | None) -> tuple[str, ...]:
    """Return the names of the worlds of a part: those on which nothing was tuned, or the others."""
    known = [*MADE_UP, *(sorted(p.stem for p in Path(data).glob("*.npz")) if data else ())]
    return tuple(name for name in known if (name in HELD_OUT) == (part == "held-out"))


def jobs(
    part: Part,
    data: str | None,
    *,
    kinds: Sequence[str] = (),
    worlds: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    each: int | None = None,
    dialect: str | None = None,
    smoke: bool = False,
) -> list[Job]:
    """List the runs of a part: every kind on every world that it can train on, once for each seed.

    Parameters
    ----------
    part
        ``held-out`` takes worlds and settings on which no threshold was set, ``tuning`` the others.
    data
        Folder of real data sets, or None.
    kinds, worlds
        Some of them only.
    each
        Of the worlds of the part, so many for each kind, drawn by its name; None for all.
    smoke
        Three kinds and short runs on one world that is made up.
    """
    held_out = part == "held-out"
    if dialect is not None:
        dialect_named(dialect)
    if smoke:
        return [
            Job(kind=kind, world="clouds", seed=seed, held_out=held_out, steps=_SMOKE["steps"])  # type: ignore[arg-type]
            for kind in kinds or _SMOKE["kinds"]  # type: ignore[attr-defined]
            for seed in seeds
        ]
    chosen: list[Kind] = [find(name) for name in kinds] or [*faults().values(), *healthy().values()]
    places = [world_named(name, seeds[0], data) for name in worlds or worlds_of(part, data)]
    if not places:
        raise InputError("expected at least one world, but got none", hint="give their folder as --data")
    found = []
    for kind in chosen:
        fit = [world.name for world in places if world.task in kind.tasks]
        if each is not None:
            fit = sorted(fit, key=lambda name: zlib.crc32(f"{kind.id}/{name}".encode()))[:each]
        found += [
            Job(kind=kind.id, world=name, seed=seed, held_out=held_out, data=data, dialect=dialect)
            for name in fit
            for seed in seeds
        ]
    if not found:
        raise InputError("expected a kind and a world that go together, but got none")
    return found


def score(
    folder: Path,
    rules: Sequence[Rule],
    *,
    level: int = SIGHT,
    data: str | None = None,
    with_remedies: bool = False,
    workers: int = 1,
    progress: Progress = silent,
) -> tuple[dict[str, Any], list[Answer]]:
    """Diagnose every labelled run of a folder and return the figures and the answers.

    Figures at `level`, and under ``loss_only`` those with loss and validation only; with remedies, also how
    often the named remedy helped.
    """
    said = answers(folder, rules, level, progress=progress)
    found = figures(said)
    found["loss_only"] = figures(answers(folder, rules, LOSS_ONLY, progress=progress))
    if with_remedies:
        found["remedies"] = remedies.figures(remedies.try_all(said, data, workers=workers, progress=progress))
    return found, said


def store_rules(said: Sequence[Answer], rules: Sequence[Rule], about: About, path: Path) -> None:
    """Write each rule's measured figures beside the rules."""
    store_figures(measured_rules(said, rules), about, runs=len(said), path=path)
