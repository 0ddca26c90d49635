"""The whole measurement of the diagnosis: which runs are made, scored, and stored."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from imbalance_doctor.engine.loader import Rule
from imbalance_doctor.engine.odds import Odds
from imbalance_doctor.errors import InputError
from imbalance_doctor.lab import remedies
from imbalance_doctor.lab.base import Kind, faults, find, healthy
from imbalance_doctor.lab.diagnosis import Answer, answers, counted_odds, figures, measured_rules
from imbalance_doctor.lab.dialects import dialect_named
from imbalance_doctor.lab.results import About, store_figures
from imbalance_doctor.lab.runs import Job, Labelled, Progress, silent
from imbalance_doctor.lab.worlds import COLLECTIONS, HELD_OUT, MADE_UP, read_worlds, world_named

__all__ = ["Part", "jobs", "score", "store_odds", "store_rules", "worlds_of"]

Part = Literal["held-out", "tuning"]
SIGHT, LOSS_ONLY = 2, 0
"""Levels of sight at which the diagnosis is judged: everything but the plan, and loss and validation only."""
_SMOKE_KINDS, _SMOKE_STEPS = ("learning-rate-too-high", "temperature-below-resolution", "plain"), 120
_FIRST = ("clouds", "many-classes", "many-labels")
"""Where a kind that is asked for by name trains unless told otherwise: the first that it can train on."""


def worlds_of(part: Part, data: str | None) -> tuple[str, ...]:
    """Return the names of the worlds of a part: those on which nothing was tuned, or the others."""
    files = sorted(path.stem for path in Path(data).glob("*.npz")) if data else ()
    known = dict.fromkeys((*MADE_UP, *COLLECTIONS, *files))
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
        Folder of further real data sets, or None.
    kinds, worlds
        Some of them only.
    each
        Of the worlds of the part, so many for each kind, drawn by its name; None for all.
    smoke
        Short runs; of three kinds where none is named.

    Raises
    ------
    InputError
        A name is unknown, a kind that was asked for cannot train on any of the worlds, or what reads the
        real data sets of the part is not installed.
    """
    if dialect is not None and not dialect_named(dialect).usable:
        raise InputError(f"{dialect}: what writes it is not installed", where="--dialect")
    if data is not None:
        next(read_worlds(data))  # a folder without data sets is told before anything is trained
    named, steps = bool(kinds), 0
    if smoke:
        kinds, steps = kinds or _SMOKE_KINDS, _SMOKE_STEPS
    chosen: list[Kind] = [find(name) for name in kinds] or [*faults().values(), *healthy().values()]
    if worlds:
        names = tuple(worlds)
    elif smoke or (named and data is None):
        names, each = _FIRST, 1
    elif named and data is not None:
        names = tuple(sorted(path.stem for path in Path(data).glob("*.npz")))
    else:
        names = worlds_of(part, data)
    places = [world_named(name, seeds[0], data) for name in names]
    found = []
    for kind in chosen:
        fit = [world.name for world in places if world.task in kind.tasks]
        if named and not fit:
            raise InputError(
                f"expected a world that is {' or '.join(kind.tasks)} for {kind.id}, "
                f"but got {', '.join(names)}"
            )
        if each is not None and names != _FIRST:
            fit = sorted(fit, key=lambda name: zlib.crc32(f"{kind.id}/{name}".encode()))
        found += [
            Job(
                kind=kind.id, world=name, seed=seed, held_out=part == "held-out", data=data,
                dialect=dialect, steps=steps if smoke else None,
            )
            for name in fit[:each]
            for seed in seeds
        ]  # fmt: skip
    return found


def score(
    folder: Path,
    rules: Sequence[Rule],
    *,
    level: int = SIGHT,
    data: str | None = None,
    names: Collection[str] | None = None,
    with_remedies: bool = False,
    workers: int = 1,
    progress: Progress = silent,
) -> tuple[dict[str, Any], list[Answer], list[Answer]]:
    """Diagnose the labelled runs of a folder, all or those named.

    Returns
    -------
    tuple
        Figures at `level`, and under ``loss_only`` those with loss and validation only; with remedies, also
        how often the named remedy helped. Then the answers at `level`, and those by loss and validation.
    """

    def wanted(label: Labelled) -> bool:
        return names is None or label.name in names

    said = answers(folder, rules, level, only=wanted, progress=progress)
    found = figures(said)
    by_loss = answers(folder, rules, LOSS_ONLY, only=wanted, progress=progress)
    found["loss_only"] = figures(by_loss)
    if with_remedies:
        found["remedies"] = remedies.figures(remedies.try_all(said, data, workers=workers, progress=progress))
    return found, said, by_loss


def store_rules(said: Sequence[Answer], rules: Sequence[Rule], about: About, path: Path) -> None:
    """Write each rule's measured figures beside the rules."""
    store_figures(measured_rules(said, rules), about, runs=len(said), path=path)


def store_odds(said: Sequence[Answer], about: About, path: Path) -> None:
    """Write beside the rules how far the firing of each shifts the odds of each cause."""
    runs = len({answer.label.name for answer in said})
    odds = counted_odds(said, {**asdict(about), "runs": runs})
    path.write_text(Odds.of(json.loads(odds.text())).text(), encoding="utf-8")
