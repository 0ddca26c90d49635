"""What all readers of score dumps have in common: finding the files, choosing a reader, joining the shards.

A reader is one module with one class of the same name. It maps or streams its file; whether the scores are
logits or probabilities is declared by the user or by the file (our recorder writes it), or plain where a
score lies outside [0, 1]; where it is neither, the dump is refused.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import cast, get_args

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.evidence import ScoreDump, ScoreScale
from imbalance_doctor.sources.labels.base import (
    STDIN,
    Format,
    LabelFile,
    choose_reader,
    discover,
    expand,
    look,
    reading,
    refuse_twice,
)
from imbalance_doctor.sources.scores._names import target_siblings
from imbalance_doctor.sources.scores._parts import NothingRecordedError, Options, Source

__all__ = ["Reader", "read_scores", "readers"]

_RECORDED, _NPY = ".stb", ".npy"
_NAMED_FILES = 3


class Reader(Format):
    """Reads the score dumps of one file format."""

    @staticmethod
    @abstractmethod
    def open(file: LabelFile, options: Options) -> Source:
        """Look at what a file holds, without reading all of it.

        Raises
        ------
        InputError
            The file is not what it should be.
        """


@cache
def readers() -> Mapping[str, type[Reader]]:
    """Discover the readers beside this module, in the order in which they look at content."""
    return MappingProxyType(discover("imbalance_doctor.sources.scores"))


def read_scores(
    paths: Sequence[str],
    *,
    scores_are: str | None = None,
    targets: str | None = None,
    ignore_index: int | None = None,
) -> ScoreDump:
    """Read one dump from a file, a folder of the recorder's files, or several shards of equal shape.

    All rows are read once to check them; after that they are read anew as often as they are asked for, in
    blocks of at most 262,144 rows and 32 MiB. Files that have steps are joined by step, then rank, others
    in the order given.

    Parameters
    ----------
    paths
        Files, folders or globs; ``-`` is not taken, since a dump is read more than once.
    scores_are
        ``logits`` or ``probabilities``.
    targets
        File of the targets where `paths` is a bare ``.npy`` of scores.
    ignore_index
        Target that marks a row as left out; -100 unless the dump says otherwise.

    Raises
    ------
    InputError
        A file is missing, of no known format, or its columns do not fit each other.
    """
    scales = get_args(ScoreScale)
    if scores_are is not None and scores_are not in scales:
        raise InputError(
            f"expected {' or '.join(scales)}, but got '{scores_are}'",
            where="--scores-are",
            hint=did_you_mean(scores_are, scales),
        )
    from imbalance_doctor.sources.scores._settle import settle

    options = Options(scores_are=cast("ScoreScale | None", scores_are), targets=targets)
    told: list[str] = []
    files = _files(paths, targets)
    named = (
        ", ".join(paths) if len(paths) <= _NAMED_FILES else f"{paths[0]} ... {paths[-1]} ({len(paths)} paths)"
    )
    sources: list[Source] = []
    for file, reader in files:
        with reading(file.name):
            try:
                sources.append(reader.open(file, options))
            except NothingRecordedError:
                if len(files) == 1:
                    raise
                told.append(f"{file.name} is left out: no block of it is complete")
    if not sources:
        raise InputError("expected recorded scores, but no file holds a complete block", where=named)
    dump = settle(sources, options, ignore_index, named)
    return replace(dump, assumptions=(*told, *dump.assumptions))


def _files(paths: Sequence[str], targets: str | None) -> list[tuple[LabelFile, type[Reader]]]:
    """Return the files of the dump, each with its reader."""
    if STDIN in paths:
        raise InputError("expected a file, since a dump is read more than once, but got a pipe", where=STDIN)
    names: list[str] = []
    recorded: set[str] = set()
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112  as typed
            found = _in_folder(path)
            recorded.update(found)
            names.extend(found)
        else:
            names.extend(expand([path], "score"))
    if not names:
        raise InputError("expected at least one score file, but got none")
    refuse_twice(names)
    names = _without_targets(names, targets)
    files = [look(name, "score") for name in names]
    for file in files:
        file.need_path("a score dump")
    # In the recorder's folder even a file that was only begun is one of its files.
    chosen = [
        readers()["recorded"] if file.name in recorded else choose_reader(file, readers(), "score")
        for file in files
    ]
    _check_targets(files, chosen, targets)
    return list(zip(files, chosen, strict=True))


def _in_folder(path: str) -> list[str]:
    with os.scandir(path) as entries:
        found = sorted(entry.path for entry in entries if entry.name.endswith(_RECORDED) and entry.is_file())
    if not found:
        raise InputError(
            f"expected a folder of the recorder, but it holds no {_RECORDED} files",
            where=path,
            hint=f"give '{path.rstrip(os.sep)}/*.npz' for all files of another format in it",
        )
    return found


def _without_targets(names: Sequence[str], targets: str | None) -> list[str]:
    """Leave out the targets of other files: a pattern such as ``run/*.npy`` matches both."""
    arrays = [name for name in names if name.lower().endswith(_NPY)]
    taken = {os.path.realpath(sibling) for name in arrays for sibling in target_siblings(name)}
    if targets is not None:
        taken.add(os.path.realpath(targets))
    return [name for name in names if os.path.realpath(name) not in taken] if len(arrays) > 1 else list(names)


def _check_targets(files: Sequence[LabelFile], chosen: Sequence[type[Reader]], targets: str | None) -> None:
    if targets is None:
        return
    if len(files) > 1 or chosen[0] is not readers()["npy"]:
        got = f"{len(files)} files" if len(files) > 1 else f"{chosen[0].title}, which holds its targets"
        raise InputError(
            f"expected one .npy file of scores, but got {got}",
            where="--targets",
            hint="keep targets.npy beside each scores.npy" if len(files) > 1 else "leave --targets out",
        )
