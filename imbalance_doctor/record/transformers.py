"""Records what a model trained by the Hugging Face Trainer puts out. Needs transformers.

::

    Trainer(model, args, train_dataset=data, callbacks=[ScoreRecorderCallback("run.scores")])

A callback of the Trainer is not shown logits, so this one hooks the model: at each forward pass in training
mode it takes ``logits`` from the output and ``labels`` from the arguments. Nothing has to be changed, unless
the labels do not reach the model:

- with ``compute_loss_func``, which gets the labels in the model's stead, wrap it::

      callback = ScoreRecorderCallback("run.scores")
      Trainer(..., compute_loss_func=callback.watching(my_loss), callbacks=[callback])

- with label smoothing, or a ``compute_loss`` that takes the labels out of the inputs, call
  ``callback.record(outputs.logits, labels)`` there and make the callback with ``hook=False``.

Logits [B, C] with labels [B] or [B, C] are recorded as they are; logits [B, T, C] with labels [B, T] (token
classification) as B x T rows. Language models are refused: their labels stand one place further on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.record.recorder import ScoreRecorder

__all__ = ["ScoreRecorderCallback"]


def _callback() -> Any:
    try:
        return import_module("transformers").TrainerCallback
    except ModuleNotFoundError as problem:
        raise ImportError("the callback needs transformers: pip install transformers accelerate") from problem


class ScoreRecorderCallback(_callback()):  # type: ignore[misc]
    """Record logits and labels of every training batch.

    ``step`` is the number of finished updates when the batch began, so the batches of one accumulated update
    share it; ``epoch`` is the Trainer's, a fraction. Evaluation is not recorded.

    Parameters
    ----------
    folder
        Where to write, as in `ScoreRecorder`.
    logits
        Key of the scores in the model's output. Of an output that is a tuple the first member counts, or the
        second where labels were given, since the loss is first then.
    labels
        Name of the labels among the model's arguments.
    hook
        False to record only what is given to `record`.
    **options
        Of `ScoreRecorder`.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        logits: str = "logits",
        labels: str = "labels",
        hook: bool = True,
        **options: Any,
    ) -> None:
        self._folder = folder
        self._logits = logits
        self._labels = labels
        self._hook = hook
        self._options = options
        self._recorder: ScoreRecorder | None = None
        self._handle: Any = None
        self._state: Any = None
        self._model: Any = None

    def on_train_begin(self, _args: Any, state: Any, _control: Any, model: Any = None, **_: Any) -> None:
        """Open the file and hook the model.

        Raises
        ------
        InputError
            The folder holds something already, or the model is a language model.
        """
        self.on_train_end()
        name = type(model).__name__
        if self._hook and name.endswith(("ForCausalLM", "LMHeadModel")):
            raise InputError(f"expected a classifier, but got {name}", where="ScoreRecorderCallback")
        self._recorder = ScoreRecorder(self._folder, **self._options)
        self._state = state
        self._model = model
        if self._hook:
            self._handle = model.register_forward_hook(self._seen, with_kwargs=True)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Let go of the model and close the file."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None

    def _seen(self, model: Any, _args: Any, kwargs: Mapping[str, Any], output: Any) -> None:
        if not model.training:
            return
        labels = kwargs.get(self._labels)
        if labels is None:
            raise InputError(
                f"expected the model to be called with {self._labels}=, but got"
                f" {', '.join(kwargs) or 'no argument by name'}",
                where="ScoreRecorderCallback",
                hint="with compute_loss_func=f give compute_loss_func=callback.watching(f); with label"
                " smoothing or a compute_loss of your own, give hook=False and call callback.record(...)",
            )
        self.record(self._scores(output, with_loss=True), labels)

    def _scores(self, output: Any, *, with_loss: bool) -> Any:
        if isinstance(output, Mapping) and self._logits in output:
            return output[self._logits]
        if isinstance(output, tuple) and len(output) > with_loss:
            return output[int(with_loss)]
        got = f"keys {', '.join(output)}" if isinstance(output, Mapping) else type(output).__name__
        raise InputError(
            f"expected {self._logits!r} in the model's output, but got {got}", where="ScoreRecorderCallback"
        )

    def watching(self, loss: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a ``compute_loss_func``, to record what it is given instead of hooking the model.

        Parameters
        ----------
        loss
            Called with the model's output and the labels.

        Returns
        -------
        Callable
            Gives what `loss` gives.
        """
        self._hook = False

        def watched(outputs: Any, labels: Any, *args: Any, **kwargs: Any) -> Any:
            self.record(self._scores(outputs, with_loss=False), labels)
            return loss(outputs, labels, *args, **kwargs)

        return watched

    def record(self, logits: Any, labels: Any) -> None:
        """Record a batch at the Trainer's present step; does nothing while the model does not train.

        Parameters
        ----------
        logits
            [B, C], or [B, T, C].
        labels
            [B] or [B, C], or [B, T].
        """
        if self._recorder is None or not self._model.training:
            return
        if logits.ndim == labels.ndim + 1 > 2 and logits.shape[:-1] == labels.shape:  # noqa: PLR2004
            logits, labels = logits.flatten(0, -2), labels.flatten()
        self._recorder(logits, labels, step=self._state.global_step, epoch=float(self._state.epoch or 0))
