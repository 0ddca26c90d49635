"""Writes the scores a model gives while it trains, for `facts --scores` and `replay` to look at.

::

    recorder = ScoreRecorder("run.scores")
    ...
    recorder(logits, targets, step=step, epoch=epoch)       # in the training loop
    recorder.close()                                        # or at the end of the process, or of `with`

`record.lightning.ScoreRecorderCallback` and `record.transformers.ScoreRecorderCallback` do it for trainers;
`record_scores` writes arrays that are already there. `scores_by_class` sums scores up in five numbers for an
ordinary log. numpy arrays need no torch.

The format
----------
``run.scores/`` is a folder with one file per process: ``rank-00000.stb``, ``rank-00001.stb``, ... (at least
five digits). A file is a sequence of blocks with nothing between, before or after them. Each block is a
complete payload as in a ``.safetensors`` file:

- 8 bytes: length H of the header, little-endian, unsigned;
- H bytes: the header, JSON in UTF-8, padded with spaces to a multiple of 8. It maps each column to
  ``{"dtype": ..., "shape": [...], "data_offsets": [begin, end]}``, offsets counted from the end of the
  header, and ``__metadata__`` to texts;
- the columns' values, little-endian, row-major, one column after the other without gaps.

The columns have the same number n of rows, at least 1:

========  ===============  =================================================================================
column    dtype            meaning
========  ===============  =================================================================================
scores    F32 or F64       [n, C], as the model gave them; half precision is widened to F32
targets   I8 to I64        [n]: class index, 0 or 1 where C is 1; or [n, C]: 0 or 1 of each class. The
                           ignore index stands in either
step      I64              [n]
epoch     F64              [n], optional
sample    I64              [n], optional: which row of the data set it was
iid       BOOL             [n], optional: whether the row was drawn at its natural rate
========  ===============  =================================================================================

The metadata, the same in every block but for the checksum::

    "format": "imbalance-doctor scores"    "version": "1"
    "scores_are": "logits" or "probabilities"
    "kind": "binary" (C is 1), "multiclass" (C is 2 or more, targets [n]) or "multilabel" (targets [n, C])
    "rank": "0"                            the process, as in the file's name
    "ignore_index": "-100"
    "crc32": "3735928559"                  CRC-32 of the block's values, decimal

All blocks of a folder have the same columns, dtypes, C, kind and scale. Rows stand in the order of training;
a reader merges ranks by step, then rank. A process that is killed leaves at most one torn block, the last
one: a reader drops it. Unknown columns and metadata are to be skipped.
"""

from imbalance_doctor.record.by_class import scores_by_class
from imbalance_doctor.record.recorder import ScoreRecorder, record_scores

__all__ = ["ScoreRecorder", "record_scores", "scores_by_class"]
