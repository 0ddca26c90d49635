"""``.npy``: an array of scores, with the targets in a file of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.labels.base import LabelFile, look
from imbalance_doctor.sources.labels.npy import Npy as LabelNpy
from imbalance_doctor.sources.labels.npy import read_header
from imbalance_doctor.sources.scores._names import Roles, scale_of, score_word, target_siblings
from imbalance_doctor.sources.scores._parts import Options, Source
from imbalance_doctor.sources.scores.base import Reader

if TYPE_CHECKING:
    from imbalance_doctor.sources.labels._arrays import StoredArray

_SCORES, _TARGETS = "scores", "targets"


class Npy(Reader):
    """Scores [N] or [N, C]; the targets named by the user, or in a sibling with a usual name."""

    title = LabelNpy.title
    suffixes = LabelNpy.suffixes
    made = r"one begins with \x93NUMPY; numpy.save(path, scores) writes it"

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Tell by the magic bytes."""
        return LabelNpy.recognises(head)

    @staticmethod
    def open(file: LabelFile, options: Options) -> Source:
        """Map both arrays."""
        from imbalance_doctor.sources.scores._stored import Stored, source, stored

        def array(found: LabelFile) -> Stored:
            return stored(_locate(found))

        path = file.need_path(Npy.title)
        targets = options.targets or _sibling(path)
        told = () if options.targets else (f"the targets are those in '{targets}', beside the scores",)
        targets_file = look(targets, "target")
        if not Npy.recognises(targets_file.head):
            raise InputError(f"expected the targets as {Npy.title}, but got another format", where=targets)
        roles = Roles(scores=(_SCORES,), targets=(_TARGETS,), columns={}, scale=scale_of(score_word(path)))
        arrays = {_SCORES: array(file), _TARGETS: array(targets_file)}
        return source(path, arrays, roles, assumptions=told)


def _sibling(path: str) -> str:
    found = target_siblings(path)
    if len(found) != 1:
        got = f"found {len(found)}: {', '.join(found)}" if found else "found none"
        raise InputError(
            f"expected one file of targets beside the scores, as targets.npy beside scores.npy, but {got}",
            where=path,
            hint="name it with --targets",
        )
    return found[0]


def _locate(file: LabelFile) -> StoredArray:
    from imbalance_doctor.sources.labels._arrays import StoredArray

    with file.open() as stream:
        shape, fortran, dtype = read_header(stream, file.name)
        offset = stream.tell()
    array = StoredArray(
        where=file.name, dtype=dtype, shape=shape, fortran=fortran, path=file.name, offset=offset
    )
    held = (file.size or 0) - offset
    if dtype.kind != "O" and held != array.nbytes:
        raise InputError(
            f"expected {array.nbytes:,} bytes of data ({array.describe()}), but got {held:,}",
            where=file.name,
            hint="the file is truncated" if held < array.nbytes else "",
        )
    return array
