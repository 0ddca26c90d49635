"""The losses of a replay, built from its settings, each telling what it saw."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import ScoreKind
from imbalance_doctor.losses.base import Pool
from imbalance_doctor.replay.settings import IMPLEMENTATIONS, ReplaySettings

__all__ = ["Built", "Ranked", "build"]

_RANKING = {
    "smooth-ap": "SmoothAPLoss",
    "recall-at-quantile": "RecallAtQuantileLoss",
    "pauc-at-budget": "PAUCAtBudgetLoss",
}
_RANKING_FIELDS = (
    "queue_size", "max_pool_size", "temperature", "reduction", "quantile", "quantile_interpolation", "alpha",
    "beta", "surrogate", "n_knots", "tau_scale", "pos_numerator", "budget_basis",
)  # fmt: skip
_FOCAL = ("alpha", "gamma", "reduction", "label_smoothing", "background_class")
_WRAPPER = (
    "warmup_epochs", "warmup_steps", "blend_epochs", "blend_steps", "temp_start", "temp_end",
    "temp_decay_steps", "final_main_weight", "reset_queue_each_epoch",
)  # fmt: skip
_SMALLEST = 1e-6  # of a class share whose logit is taken


def _watched(kind: type[nn.Module]) -> type[nn.Module]:
    """Return a ranking loss that remembers the pool of its last step."""

    class Watched(kind):  # type: ignore[misc, valid-type]
        seen: Pool | None = None

        def _score(self, pool: Pool) -> Any:
            self.seen = pool
            return super()._score(pool)

        def _compute_per_class(  # the same seam of the reference library
            self, logits: Tensor, targets: Tensor, is_iid: Tensor, is_live: Tensor, **rest: Any
        ) -> Any:
            self.seen = Pool(
                scores=logits.detach(),
                targets=targets,
                iid=is_iid,
                live=int(is_live.sum()),
                weight=None,
                pool_weight=None,
            )
            return super()._compute_per_class(logits, targets, is_iid, is_live, **rest)

    Watched.__name__ = kind.__name__  # its warnings name the loss
    return Watched


class Ranked(nn.Module):
    """A ranking loss, or for independent labels one for each of them; the mean over those with a loss.

    Attributes
    ----------
    losses
        Each has its queue.
    details
        What the partial-AUC loss tells about its last step, each [classes].
    """

    def __init__(self, make: Callable[[], nn.Module], labels: int, *, pauc: bool, reduction: str) -> None:
        super().__init__()
        self.losses = nn.ModuleList(make() for _ in range(labels))
        self.details: dict[str, Tensor] = {}
        self._pauc, self._sum = pauc, reduction == "sum"

    @property
    def temperature(self) -> float:
        return float(self.losses[0].temperature)  # type: ignore[arg-type]

    @temperature.setter
    def temperature(self, value: float) -> None:
        for loss in self.losses:
            loss.temperature = value  # type: ignore[assignment]

    def reset_queue(self) -> None:
        for loss in self.losses:
            loss.reset_queue()  # type: ignore[operator]

    def pools(self) -> Iterator[Pool]:
        """Yield what each loss ranked in its last step; nothing for one that had no row."""
        for loss in self.losses:
            if loss.seen is not None:
                yield loss.seen  # type: ignore[misc]

    def forward(self, logits: Tensor, targets: Tensor, iid_mask: Tensor | None = None) -> Tensor:
        several = targets.ndim > 1
        total, valid, told = logits.new_zeros(()), 0, []
        for column, loss in enumerate(self.losses):
            loss.seen = None  # type: ignore[assignment]
            x, y = (logits[:, column : column + 1], targets[:, column]) if several else (logits, targets)
            extra: dict[str, Any] = {"return_diagnostics": True} if self._pauc else {}
            if not several:
                found = loss(x, y, iid_mask, **extra)
                found, *rest = found if isinstance(found, tuple) else (found,)
                told += rest
                total = found
                break
            found, _, known, *rest = loss(x, y, iid_mask, return_per_class=True, **extra)
            told += rest
            if bool(known.any()):
                total, valid = total + found, valid + 1
        self.details = {k: torch.cat([t[k].detach() for t in told]) for k in told[0]} if told else {}
        return total if not several or self._sum or not valid else total / valid


class _Pointwise(nn.Module):
    """A loss of single rows, for any kind of targets; ignored rows are left out."""

    def __init__(self, loss: nn.Module, kind: ScoreKind, ignore_index: int, *, softmax: bool) -> None:
        super().__init__()
        self.loss = loss
        self.kind = kind
        self.ignore_index = ignore_index
        self.softmax = softmax

    def forward(self, logits: Tensor, targets: Tensor, **_: Any) -> Any:
        known = targets != self.ignore_index
        if self.kind == "multilabel":
            if bool(known.all()):
                return self.loss(logits, targets.to(logits.dtype))
            logits, targets = logits[known], targets[known]
            return self.loss(logits, targets.to(logits.dtype)) if len(targets) else logits.sum() * 0
        logits, targets = (logits, targets) if bool(known.all()) else (logits[known], targets[known])
        if not len(targets):
            return logits.sum() * 0
        if self.softmax:
            if logits.shape[1] == 1:  # a softmax over 0 and the score is the sigmoid of the score
                logits = torch.cat([torch.zeros_like(logits), logits], 1)
            return self.loss(logits, targets)
        if logits.shape[1] == 1:
            return self.loss(logits, targets[:, None].to(logits.dtype))
        return self.loss(logits, functional.one_hot(targets, logits.shape[1]).to(logits.dtype))

    def at_prior(self, logits: Tensor, targets: Tensor) -> float:
        """Return the loss of answering every row with the shares that the classes have among these rows."""
        known = targets != self.ignore_index
        width = logits.shape[1]
        classes = torch.arange(width) + (width == 1)
        own = targets if targets.ndim > 1 else targets[:, None] == classes
        kept = known if known.ndim > 1 else known[:, None].expand(own.shape)
        share = (own * kept).sum(0).double() / kept.sum(0).clamp(min=1)
        share = share.clamp(_SMALLEST, 1 - _SMALLEST)
        prior = share.log() if self.softmax and width > 1 else share.logit()
        with torch.no_grad():
            return float(self(prior.to(logits.dtype).expand(logits.shape), targets))


class Built(NamedTuple):
    """The loss of one worker.

    Attributes
    ----------
    loss
        What is called: `main`, or the wrapper around it and the warm-up.
    main, warmup
        None where there is no such part.
    """

    loss: nn.Module
    main: Ranked | _Pointwise
    wrapper: Any = None
    warmup: _Pointwise | None = None


def build(settings: ReplaySettings, kind: ScoreKind, classes: int, ignore_index: int) -> Built:
    """Build the loss of one worker.

    Raises
    ------
    InputError
        The loss does not fit the scores, or a setting is out of range.
    """
    library = _library(settings)
    try:
        main = (
            _ranked(library, settings, kind, classes, ignore_index)
            if settings.ranking
            else _pointwise(library, settings, kind, ignore_index)
        )
        if not settings.warmed:
            return Built(main, main)
        softmax = kind == "multiclass"
        plain = nn.CrossEntropyLoss() if softmax else nn.BCEWithLogitsLoss()
        warmup = _Pointwise(plain, kind, ignore_index, softmax=softmax)
        given = {name: value for name in _WRAPPER if (value := getattr(settings, name)) is not None}
        given |= {n: int(given[n]) for n in ("warmup_epochs", "blend_epochs") if n in given}
        if settings.loss == "pauc-at-budget" and isinstance(main, Ranked) and settings.bundled:
            # The temperature is relative here: the wrapper's own defaults are for logits.
            given = {"temp_start": 5 * main.temperature, "temp_end": main.temperature / 2} | given
        wrapper = library.LossWarmupWrapper(warmup, main, **given)
    except ValueError as error:
        raise InputError(str(error), where=settings.loss) from None
    return Built(wrapper, main, wrapper, warmup)


def _library(settings: ReplaySettings) -> Any:
    name = IMPLEMENTATIONS[settings.implementation or "imbalance_doctor"]
    if name == "imbalance_doctor":
        name = "imbalance_doctor.losses"
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(
            f"expected {name} to be installed, but it is not",
            where="--implementation",
            hint=f"pip install {name.replace('_', '-')}",
        ) from None


def _ranked(
    library: Any, settings: ReplaySettings, kind: ScoreKind, classes: int, ignore_index: int
) -> Ranked:
    given = {name: value for name in _RANKING_FIELDS if (value := getattr(settings, name)) is not None}
    given = {name: value for name, value in given.items() if settings.takes(name)}
    columns = 1 if kind == "multilabel" else classes
    watched = _watched(getattr(library, _RANKING[settings.loss]))

    def make() -> nn.Module:
        return watched(num_classes=columns, ignore_index=ignore_index, gather_distributed=False, **given)

    labels = classes if kind == "multilabel" else 1
    pauc = settings.loss == "pauc-at-budget"
    return Ranked(make, labels, pauc=pauc, reduction=settings.reduction or "mean")


def _pointwise(library: Any, settings: ReplaySettings, kind: ScoreKind, ignore_index: int) -> _Pointwise:
    loss, reduction = settings.loss, settings.reduction or "mean"
    softmax = loss in {"ce", "weighted-ce", "softmax-focal"}
    if softmax and kind == "multilabel":
        raise InputError("expected one class per row, but got independent labels", where=f"--loss {loss}")
    needed = {"weighted-bce": "pos_weight", "weighted-ce": "class_weights"}.get(loss)
    if needed is not None and getattr(settings, needed) is None:
        option = f"--{needed.replace('_', '-')}"
        raise InputError(f"expected {option} with {loss}, but got none", where="--loss")
    weights = None if settings.class_weights is None else torch.tensor(settings.class_weights)
    if softmax and weights is not None:
        weights = weights.float()
    found: nn.Module
    if loss in {"bce", "weighted-bce"}:
        weight = None if settings.pos_weight is None else torch.tensor(float(settings.pos_weight))
        found = nn.BCEWithLogitsLoss(pos_weight=weight, reduction=reduction)
    elif loss in {"ce", "weighted-ce"}:
        found = nn.CrossEntropyLoss(
            weight=weights, label_smoothing=settings.label_smoothing or 0.0, reduction=reduction
        )
    else:
        taken = {n: v for n in _FOCAL if settings.takes(n) and (v := getattr(settings, n)) is not None}
        if loss == "softmax-focal":
            found = library.SoftmaxFocalLoss(alpha=weights, **taken)
        else:
            found = library.SigmoidFocalLoss(**taken)
    return _Pointwise(found, kind, ignore_index, softmax=softmax)
