"""What all readers of score dumps have in common: finding the files, choosing a reader, joining the shards.

A reader is one module with one class of the same name. It maps or streams its file; whether the scores are
logits or probabilities is declared by the user or by the file (our recorder writes it), or plain where a
score lies outside [0, 1]; where it is neither, the dump is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

from imbalance_doctor.evidence import ScoreDump

__all__ = ["read_scores"]


def read_scores(
    paths: Sequence[str],
    *,
    scores_are: str | None = None,
    targets: str | None = None,
    ignore_index: int | None = None,
) -> ScoreDump:
    """Read one dump from a file, a folder of the recorder's files, or several shards of equal shape.

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
    raise NotImplementedError
