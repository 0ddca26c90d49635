"""Records what a LightningModule's ``training_step`` returns. Needs lightning or pytorch_lightning.

::

    class Model(LightningModule):
        def training_step(self, batch, batch_idx):
            x, y = batch
            logits = self(x)
            return {"loss": loss(logits, y), "logits": logits, "targets": y}

    Trainer(callbacks=[ScoreRecorderCallback("run.scores")])

The step has to return a mapping, since a loss alone tells no scores. Lightning detaches what is beside the
loss.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.record.recorder import ScoreRecorder

__all__ = ["ScoreRecorderCallback"]


def _callback() -> Any:
    """Return the base class of the package that trains: both may be installed."""
    names = ["lightning.pytorch", "pytorch_lightning"]
    for name in sorted(names, key=lambda name: name not in sys.modules):
        try:
            return import_module(name).Callback
        except ModuleNotFoundError:
            continue
    raise ImportError("the callback needs lightning: pip install lightning")


class ScoreRecorderCallback(_callback()):  # type: ignore[misc]
    """Record logits and targets of every training batch.

    ``step`` is the trainer's ``global_step`` when the batch began, so the batches of one accumulated update
    share it. Validation is not recorded.

    Parameters
    ----------
    folder
        Where to write, as in `ScoreRecorder`.
    logits
        Key of the scores in what ``training_step`` returns.
    targets, sample, iid
        Keys in what ``training_step`` returns or, where that has none, in a batch that is a mapping; or the
        place in a batch that is a tuple or list. None for none.
    **options
        Of `ScoreRecorder`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        logits: str = "logits",
        targets: str | int = "targets",
        sample: str | int | None = None,
        iid: str | int | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self._folder = folder
        self._logits = logits
        self._columns = {"targets": targets, "sample": sample, "iid": iid}
        self._options = options
        self._recorder: ScoreRecorder | None = None
        self._step = 0

    def on_train_start(self, *_: Any) -> None:
        """Open the file: only now is the rank known."""
        self._recorder = ScoreRecorder(self._folder, **self._options)

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        """Note the step before the optimizer advances it."""
        self._step = trainer.global_step

    def on_train_batch_end(self, trainer: Any, _module: Any, outputs: Any, batch: Any, *_: Any) -> None:
        """Record the batch, unless ``training_step`` skipped it.

        Raises
        ------
        InputError
            What ``training_step`` returned lacks a key.
        """
        if self._recorder is None or outputs is None or (isinstance(outputs, Mapping) and not outputs):
            return
        scores = _found(self._logits, outputs, None)
        columns = {
            name: _found(key, outputs, batch) for name, key in self._columns.items() if key is not None
        }
        self._recorder(scores, **columns, step=self._step, epoch=trainer.current_epoch)

    def on_train_end(self, *_: Any) -> None:
        """Close the file."""
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None

    def on_exception(self, *_: Any) -> None:
        """Close the file."""
        self.on_train_end()


def _found(key: str | int, outputs: Any, batch: Any) -> Any:
    """Return a column from what the step returned or got."""
    if isinstance(key, int):
        if isinstance(batch, (tuple, list)) and -len(batch) <= key < len(batch):
            return batch[key]
    else:
        for place in (outputs, batch):
            if isinstance(place, Mapping) and key in place:
                return place[key]
    returned = (
        f"keys {', '.join(map(str, outputs))}" if isinstance(outputs, Mapping) else type(outputs).__name__
    )
    raise InputError(
        f"expected {key!r} from training_step, but got {returned}",
        where="ScoreRecorderCallback",
        hint='return {"loss": loss, "logits": logits, "targets": targets}',
    )
