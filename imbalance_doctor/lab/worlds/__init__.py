"""The data that the lab trains on: made up from a seed, of the R collections, and files of the user."""

from __future__ import annotations

from pathlib import Path

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.lab.worlds.base import Task, World
from imbalance_doctor.lab.worlds.collections import COLLECTED, collected
from imbalance_doctor.lab.worlds.files import read_worlds
from imbalance_doctor.lab.worlds.made_up import MADE_UP as _MADE_UP
from imbalance_doctor.lab.worlds.made_up import clouds, many_classes, many_labels, sequences

__all__ = [
    "COLLECTIONS",
    "HELD_OUT",
    "MADE_UP",
    "Task",
    "World",
    "clouds",
    "many_classes",
    "many_labels",
    "read_worlds",
    "sequences",
    "world_named",
]

MADE_UP = tuple(_MADE_UP)
"""Names of the worlds that need no files."""

COLLECTIONS = tuple(COLLECTED)
"""Names of the real data sets that come with the extra ``lab-data``."""

HELD_OUT = (
    *("ames_central_air", "email_spam", "flchain_mgus", "mlc_churn", "nass_deaths"),
    *("counts", "defects", "drifting-waves", "islands", "linked-labels", "ordered-classes"),
)
"""Worlds on which no threshold was set, and whose runs were never looked at one by one: the figures that are
stored come from these."""


def world_named(name: str, seed: int, folder: Path | str | None = None) -> World:
    """Return one world: made up from the seed, of the R collections, or of the folder of data sets.

    A file of the folder goes before a data set of the collections.

    Raises
    ------
    InputError
        There is none of that name, or what reads it is not installed.
    """
    if name in _MADE_UP:
        return _MADE_UP[name](seed)
    if name in COLLECTED and not (folder and (Path(folder) / f"{name}.npz").is_file()):
        return collected(name)
    if folder is None:
        known = (*MADE_UP, *COLLECTIONS)
        raise InputError(
            f"expected a world that needs no --data ({', '.join(known)}), but got '{name}'",
            hint=did_you_mean(name, known) or "give the folder of its .npz file as --data",
        )
    return next(read_worlds(folder, [name]))
