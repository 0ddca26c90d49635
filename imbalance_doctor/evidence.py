"""What travels from the sources to the facts: frozen records, nothing computed.

`LabelCounts` is what the labels say, `TrainingPlan` what the user intends, `TrainingLog` what a run wrote
while it trained, `ScoreDump` what a model answered. All know where they came from. Every field of the plan
carries its own help, unit and range, so that the plan file, the command line and the documentation are one
table and cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

FROM_OPTIONS = "options"
"""Name of a planned run that was given as command-line options alone."""

LabelKind = Literal["classes", "indicator"]
Encoding = Literal["standard", "signed", "shifted", "gaps", "names"]


@dataclass(frozen=True, kw_only=True)
class Location:
    """A place in a file: one-based line and column."""

    path: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        parts = [self.path, *(str(n) for n in (self.line, self.column) if n is not None)]
        return ":".join(parts)


@dataclass(frozen=True, kw_only=True)
class LabelCounts:
    """How many rows each class has.

    Attributes
    ----------
    classes
        Class ids or names, sorted (numerically where they are numbers), one per entry of `counts`.
    counts
        Positive rows per class. int64, shape [C], all >= 0.
    rows
        Rows counted after `ignored` were dropped. Equals ``counts.sum()`` for kind ``classes``.
    ignored
        Rows whose label is the ignore index.
    kind
        ``classes``: every row has exactly one class. ``indicator``: a row has any number of classes.
    positive
        Index of the positive class when there are exactly two classes (or one indicator column),
        else None.
    encoding
        ``standard``: ids 0..C-1 (or 0/1 per indicator); ``signed``: {-1, 1}; ``shifted``: 1..C;
        ``gaps``: other integers; ``names``: strings.
    rows_per_sample
        Labels per sample: 1, or the sequence length T of labels shaped [N, T].
    assumptions
        What the reader had to assume, as sentences for the report.
    source
        File name(s), for the report.
    """

    classes: tuple[str, ...]
    counts: NDArray[np.int64]
    rows: int
    ignored: int = 0
    kind: LabelKind = "classes"
    positive: int | None = None
    encoding: Encoding = "standard"
    rows_per_sample: int = 1
    assumptions: tuple[str, ...] = ()
    source: str = ""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LabelCounts):
            return NotImplemented
        return all(
            tuple(a) == tuple(b) if name == "counts" else a == b
            for name, a, b in ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        )

    def __hash__(self) -> int:
        return hash((self.classes, tuple(self.counts), self.rows, self.ignored, self.kind))


def described(  # noqa: PLR0913  one call declares one fact or plan field completely
    text: str,
    *,
    unit: str = "",
    needs: tuple[str, ...] = (),
    low: float | None = None,
    high: float | None = None,
    low_open: bool = False,
    high_open: bool = False,
    choices: tuple[str, ...] = (),
    group: str = "",
    example: str = "",
    default: Any = None,
) -> Any:
    """Declare a fact or plan field: help, unit, allowed range or choices, and what provides it.

    Parameters
    ----------
    text
        Help, one sentence without the closing full stop.
    unit
        ``rows``, ``steps``, ``bytes``, ``nats``, ``share`` (a ratio 0-1), ``logit``, or empty.
    needs
        For facts: the inputs the fact is computed from, as ``labels`` or ``plan.batch_size``.
    low, high
        Closed bounds, open where ``low_open`` / ``high_open``.
    choices
        Allowed words, for text fields.
    group
        Heading in ``--help`` and in the schema.
    example
        A value for the documentation.
    """
    return field(
        default=default,
        metadata={
            "help": text,
            "unit": unit,
            "needs": needs,
            "low": low,
            "high": high,
            "low_open": low_open,
            "high_open": high_open,
            "choices": choices,
            "group": group,
            "example": example,
        },
    )


LOSSES = (
    "bce",
    "weighted-bce",
    "ce",
    "weighted-ce",
    "sigmoid-focal",
    "softmax-focal",
    "smooth-ap",
    "recall-at-quantile",
    "pauc-at-budget",
)
RANKING_LOSSES = ("smooth-ap", "recall-at-quantile", "pauc-at-budget")
METRICS = (
    "average_precision",
    "recall_at_quantile",
    "partial_auc",
    "roc_auc",
    "f1",
    "calibrated_probability",
)

_LOSS, _TRAIN, _WARM, _DATA, _GOAL = (
    "Loss",
    "Training",
    "Warm-up and temperature",
    "Data and sampling",
    "Goal and limits",
)


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """The planned training run. None means unknown, which is never treated as fine.

    Field names are those of the reference library and of torch, so that a plan can be pasted.
    """

    loss: str | None = described("loss function", group=_LOSS, choices=LOSSES, example="smooth-ap")
    implementation: str | None = described(
        "where the loss comes from",
        group=_LOSS,
        choices=(
            "imbalance_doctor",
            "imbalanced_losses",
            "torch",
            "torchvision",
            "kornia",
            "monai",
            "custom",
        ),
        example="imbalanced_losses",
    )
    num_classes: int | None = described(
        "outputs of the classifier (1 for binary)", group=_LOSS, low=1, example="1"
    )
    queue_size: int | None = described(
        "rows kept in the memory queue", unit="rows", group=_LOSS, low=0, example="4096"
    )
    max_pool_size: int | None = described(
        "cap on the pool of a ranking loss", unit="rows", group=_LOSS, low=1, example="8192"
    )
    temperature: float | None = described(
        "softness of the ranks", unit="logit", group=_LOSS, low=0, low_open=True, example="0.05"
    )
    quantile: float | None = described(
        "review fraction q of recall-at-quantile",
        unit="share",
        group=_LOSS,
        low=0,
        high=1,
        low_open=True,
        high_open=True,
        example="0.01",
    )
    quantile_interpolation: str | None = described(
        "how a quantile between two rows is read",
        group=_LOSS,
        choices=("linear", "lower", "higher", "nearest", "midpoint"),
        example="higher",
    )
    alpha: float | None = described(
        "sigmoid focal: weight of the positives, -1 for none; pAUC: lower edge of the FPR band",
        group=_LOSS,
        low=-1,
        high=1,
        example="0.25",
    )
    beta: float | None = described(
        "upper edge of the FPR band of pAUC",
        unit="share",
        group=_LOSS,
        low=0,
        high=1,
        low_open=True,
        example="0.005",
    )
    gamma: float | None = described("focusing strength of a focal loss", group=_LOSS, low=0, example="2.0")
    stabilised: bool | None = described(
        "the focal loss uses the smoothed form that is finite for 0 < gamma < 1",
        group=_LOSS,
        example="false",
    )
    class_weights: tuple[float, ...] | None = described(
        "weight per class (alpha of softmax focal, weight of cross-entropy)",
        group=_LOSS,
        low=0,
        example="[0.2, 1.0, 1.0]",
    )
    pos_weight: float | None = described("weight of the positives in BCE", group=_LOSS, low=0, example="30.0")
    label_smoothing: float | None = described(
        "label smoothing", unit="share", group=_LOSS, low=0, high=1, example="0.0"
    )
    background_class: int | None = described(
        "class that mean_positive leaves out of its denominator", group=_LOSS, low=0, example="0"
    )
    surrogate: str | None = described(
        "form of partial AUC", group=_LOSS, choices=("trapezoid", "pairwise"), example="pairwise"
    )
    n_knots: int | None = described("knots of the trapezoid", group=_LOSS, low=2, example="2")
    tau_scale: str | None = described(
        "what the temperature is relative to",
        group=_LOSS,
        choices=("none", "iqr", "band", "std"),
        example="iqr",
    )
    pos_numerator: str | None = described(
        "positives averaged in the numerator of pAUC",
        group=_LOSS,
        choices=("pool", "live"),
        example="pool",
    )
    budget_basis: str | None = described(
        "what the band is a fraction of",
        group=_LOSS,
        choices=("fpr", "population"),
        example="fpr",
    )
    iid_mask: bool | None = described(
        "the loss is told which rows are an iid sample", group=_LOSS, example="false"
    )
    reduction: str | None = described(
        "how row or class losses are combined",
        group=_LOSS,
        choices=("mean", "sum", "none", "mean_positive"),
        example="mean",
    )
    ignore_index: int | None = described("label value that is left out", group=_LOSS, example="-100")
    gather_distributed: bool | None = described(
        "the loss sees the rows of all workers", group=_LOSS, example="true"
    )
    gathered_before_loss: bool | None = described(
        "the rows are gathered before the loss is called", group=_LOSS, example="false"
    )
    probabilities_into_logit_loss: bool | None = described(
        "a loss that expects logits is handed probabilities", group=_LOSS, example="false"
    )
    update_queue_in_eval: bool | None = described(
        "evaluation batches enter the queue too", group=_LOSS, example="false"
    )

    batch_size: int | None = described(
        "samples per step and worker", unit="samples", group=_TRAIN, low=1, example="256"
    )
    world_size: int | None = described(
        "data-parallel workers", unit="workers", group=_TRAIN, low=1, example="1"
    )
    gradient_accumulation: int | None = described(
        "batches per optimiser step", unit="batches", group=_TRAIN, low=1, example="1"
    )
    epochs: float | None = described(
        "passes over the data", unit="epochs", group=_TRAIN, low=0, low_open=True, example="20"
    )
    steps: int | None = described(
        "batches in the whole run, per worker", unit="steps", group=_TRAIN, low=1, example="5000"
    )
    optimizer: str | None = described(
        "optimiser",
        group=_TRAIN,
        choices=("sgd", "adam", "adamw", "rmsprop", "adagrad", "lamb", "lion", "other"),
        example="adamw",
    )
    learning_rate: float | None = described(
        "peak learning rate", group=_TRAIN, low=0, low_open=True, example="0.001"
    )
    precision: str | None = described(
        "number format of the logits",
        group=_TRAIN,
        choices=("fp64", "fp32", "bf16", "fp16"),
        example="fp32",
    )
    gradient_clipping: float | None = described(
        "largest gradient norm let through", group=_TRAIN, low=0, low_open=True, example="1.0"
    )
    pretrained: bool | None = described(
        "starts from weights that already order the classes", group=_TRAIN, example="false"
    )
    hard_example_mining: bool | None = described(
        "hard examples are mined on the fly", group=_TRAIN, example="false"
    )
    distribution_shifts: bool | None = described(
        "curriculum, staged unfreezing, learning-rate restarts or checkpoint loads during the run",
        group=_TRAIN,
        example="false",
    )
    reset_queue_on_shift: bool | None = described(
        "the queue is reset after each such shift", group=_TRAIN, example="true"
    )

    warmup_epochs: float | None = described(
        "epochs on the warm-up loss", unit="epochs", group=_WARM, low=0, example="2"
    )
    warmup_steps: int | None = described(
        "steps on the warm-up loss", unit="steps", group=_WARM, low=0, example="1000"
    )
    blend_epochs: float | None = described(
        "epochs of blending into the main loss", unit="epochs", group=_WARM, low=0, example="1"
    )
    blend_steps: int | None = described(
        "steps of blending into the main loss", unit="steps", group=_WARM, low=0, example="500"
    )
    temp_start: float | None = described(
        "temperature at the phase switch",
        unit="logit",
        group=_WARM,
        low=0,
        low_open=True,
        example="0.5",
    )
    temp_end: float | None = described(
        "temperature after the decay",
        unit="logit",
        group=_WARM,
        low=0,
        low_open=True,
        example="0.05",
    )
    temp_decay_steps: int | None = described(
        "steps from temp_start to temp_end", unit="steps", group=_WARM, low=1, example="3000"
    )
    final_main_weight: float | None = described(
        "weight of the main loss after blending",
        unit="share",
        group=_WARM,
        low=0,
        high=1,
        low_open=True,
        example="1.0",
    )
    reset_queue_each_epoch: bool | None = described(
        "the wrapper resets the queue every main epoch", group=_WARM, example="false"
    )
    main_loss_in_warmup: bool | None = described(
        "the main loss is called directly during warm-up", group=_WARM, example="false"
    )
    step_hook_wired: bool | None = described(
        "on_train_batch_start and on_train_epoch_start of the wrapper are called",
        group=_WARM,
        example="true",
    )

    task: str | None = described(
        "kind of problem",
        group=_DATA,
        choices=("binary", "multiclass", "multilabel", "detection", "regression"),
        example="binary",
    )
    prevalence: float | None = described(
        "share of positives in the data, when no labels are given",
        unit="share",
        group=_DATA,
        low=0,
        high=1,
        example="0.002",
    )
    sampler: str | None = described(
        "how batches are drawn",
        group=_DATA,
        choices=("shuffle", "stratified", "weighted", "sequential"),
        example="shuffle",
    )
    drop_last: bool | None = described(
        "the last, incomplete batch of an epoch is left out", group=_DATA, example="false"
    )
    sampler_prevalence: float | None = described(
        "share of positives that the sampler shows to the loss",
        unit="share",
        group=_DATA,
        low=0,
        high=1,
        example="0.1",
    )
    rows_per_sample: int | None = described(
        "rows that one sample gives to the loss (sequence length, anchors)",
        unit="rows",
        group=_DATA,
        low=1,
        example="1",
    )
    label_noise: float | None = described(
        "share of labelled positives that are wrong",
        unit="share",
        group=_DATA,
        low=0,
        high=1,
        example="0.02",
    )
    score_std: float | None = described(
        "spread (standard deviation) of the scores",
        unit="logit",
        group=_DATA,
        low=0,
        example="2.5",
    )
    score_absmax: float | None = described(
        "largest absolute score", unit="logit", group=_DATA, low=0, example="12.0"
    )

    metric: str | None = described(
        "metric that decides", group=_GOAL, choices=METRICS, example="average_precision"
    )
    metric_quantile: float | None = described(
        "share of rows that can be reviewed, for recall_at_quantile",
        unit="share",
        group=_GOAL,
        low=0,
        high=1,
        low_open=True,
        high_open=True,
        example="0.01",
    )
    metric_fpr_low: float | None = described(
        "lower edge of the FPR band, for partial_auc",
        unit="share",
        group=_GOAL,
        low=0,
        high=1,
        high_open=True,
        example="0.0",
    )
    metric_fpr_high: float | None = described(
        "upper edge of the FPR band, for partial_auc",
        unit="share",
        group=_GOAL,
        low=0,
        high=1,
        low_open=True,
        example="0.005",
    )
    probabilities_used: bool | None = described(
        "predicted probabilities are used as such downstream", group=_GOAL, example="false"
    )
    misses_costly: bool | None = described(
        "a missed positive costs far more than a false alarm", group=_GOAL, example="true"
    )
    baseline_roc_auc: float | None = described(
        "ROC AUC of a tuned, early-stopped BCE or focal baseline",
        unit="share",
        group=_GOAL,
        low=0,
        high=1,
        example="0.985",
    )
    baseline_metric: float | None = described(
        "value of the deciding metric for that baseline",
        unit="share",
        group=_GOAL,
        low=0,
        high=1,
        example="0.45",
    )
    memory_budget: int | None = described(
        "memory the loss may use",
        unit="bytes",
        group=_GOAL,
        low=1,
        example="2GiB",
    )

    def replace(self, **changes: object) -> Self:
        """Return a copy with some fields changed; a search makes hundreds, so none is built anew."""
        unknown = changes.keys() - PLAN_FIELDS.keys()
        if unknown:
            raise TypeError(f"a plan has no field {', '.join(sorted(unknown))}")
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__, **changes)
        return copy

    def known(self) -> dict[str, object]:
        """Return the fields that are known, by name."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}


PLAN_FIELDS: Mapping[str, Field[Any]] = MappingProxyType({f.name: f for f in fields(TrainingPlan)})

# Constructor defaults of the reference library: what a plan that names only the loss runs with.
_RANKING_DEFAULTS: dict[str, object] = {
    "queue_size": 1024,
    "temperature": 0.01,
    "reduction": "mean",
    "ignore_index": -100,
}
LOSS_DEFAULTS: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "smooth-ap": _RANKING_DEFAULTS,
        "recall-at-quantile": {
            **_RANKING_DEFAULTS,
            "quantile": 0.005,
            "quantile_interpolation": "higher",
        },
        "pauc-at-budget": {
            **_RANKING_DEFAULTS,
            "temperature": 0.1,
            "alpha": 0.0,
            "beta": 0.005,
            "surrogate": "trapezoid",
            "n_knots": 2,
            "tau_scale": "iqr",
            "pos_numerator": "pool",
            "budget_basis": "fpr",
            "quantile_interpolation": "higher",
        },
        "sigmoid-focal": {"alpha": 0.25, "gamma": 2.0, "reduction": "mean"},
        "softmax-focal": {"gamma": 2.0, "reduction": "mean", "label_smoothing": 0.0},
    }
)
_RANKING_FIELDS = frozenset(
    {
        *("queue_size", "max_pool_size", "temperature", "reduction", "gather_distributed"),
        *("gathered_before_loss", "update_queue_in_eval"),
    }
)
_FOCAL_FIELDS = frozenset(
    {
        *("gamma", "stabilised", "class_weights", "reduction", "gather_distributed"),
        "probabilities_into_logit_loss",
    }
)
_BCE_FIELDS = frozenset({"pos_weight", "reduction", "probabilities_into_logit_loss"})
_CE_FIELDS = frozenset({"class_weights", "label_smoothing", "reduction", "probabilities_into_logit_loss"})
_EVERY_LOSS = frozenset({"loss", "implementation", "num_classes", "ignore_index"})
LOSS_FIELDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "bce": _BCE_FIELDS,
        "weighted-bce": _BCE_FIELDS,
        "ce": _CE_FIELDS,
        "weighted-ce": _CE_FIELDS,
        "sigmoid-focal": _FOCAL_FIELDS | {"alpha", "pos_weight"},
        "softmax-focal": _FOCAL_FIELDS | {"label_smoothing", "background_class"},
        "smooth-ap": _RANKING_FIELDS,
        "recall-at-quantile": _RANKING_FIELDS | {"quantile", "quantile_interpolation", "iid_mask"},
        "pauc-at-budget": _RANKING_FIELDS
        | {"alpha", "beta", "surrogate", "n_knots", "tau_scale", "pos_numerator", "budget_basis"}
        | {"iid_mask", "quantile_interpolation"},
    }
)
"""Fields of the group ``Loss`` that a loss takes, apart from those that every loss takes."""
_METRIC_FIELDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "metric_quantile": ("recall_at_quantile", "recall-at-quantile"),
        "metric_fpr_low": ("partial_auc", "pauc-at-budget"),
        "metric_fpr_high": ("partial_auc", "pauc-at-budget"),
    }
)
"""Field to the metric, and to the loss, that it says something about."""
_OTHERWISE: Mapping[str, str] = MappingProxyType(
    {"warmup_steps": "warmup_epochs", "blend_steps": "blend_epochs", "steps": "epochs"}
    | {"warmup_epochs": "warmup_steps", "blend_epochs": "blend_steps", "epochs": "steps"}
)
"""Lengths can be given in steps or in epochs."""
WRAPPER_DEFAULTS: Mapping[str, object] = MappingProxyType(
    {
        "temp_start": 0.05,
        "temp_end": 0.005,
        "temp_decay_steps": 10_000,
        "final_main_weight": 1.0,
    }
)
RUN_DEFAULTS: Mapping[str, object] = MappingProxyType(
    {"world_size": 1, "gradient_accumulation": 1, "precision": "fp32", "sampler": "shuffle"}
)


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """A plan as read from one place: one file, one set of options, or one loss call in a script.

    Attributes
    ----------
    plan
        What is known, defaults not filled in.
    name
        How the report calls it, as ``train.py:42 SmoothAPLoss``.
    where
        The place each known field was read from.
    unreadable
        Fields that are set but whose value could not be read statically, with the reason. They stay
        unknown: a default must not stand in for them.
    assumed
        Fields whose value is a default that the script declares itself and that its caller can
        change, with its source, as ``default of --bs, train.py:13``.
    """

    plan: TrainingPlan
    name: str = ""
    where: Mapping[str, Location] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    assumed: Mapping[str, str] = field(default_factory=dict)

    @property
    def unused(self) -> tuple[str, ...]:
        """Known fields that say nothing here: the loss does not take them, or the metric is another."""
        plan = self.plan
        taken = LOSS_FIELDS.get(plan.loss) if plan.loss is not None else None
        found = []
        for name in plan.known():
            about = _METRIC_FIELDS.get(name)
            loss_field = PLAN_FIELDS[name].metadata["group"] == _LOSS
            if about is not None:
                silent = plan.metric != about[0] and plan.loss != about[1]
            else:
                silent = loss_field and taken is not None and name not in taken | _EVERY_LOSS
            if silent:
                found.append(name)
        return tuple(found)

    def place(self, name: str) -> Location | None:
        """Return where a field was read; of a length in steps also where it is given in epochs."""
        return self.where.get(name) or self.where.get(_OTHERWISE.get(name, ""))

    def completed(self) -> tuple[TrainingPlan, tuple[str, ...]]:
        """Fill in documented defaults; return the plan and the names of the fields assumed."""
        plan = self.plan
        defaults: dict[str, object] = dict(RUN_DEFAULTS)
        if plan.loss is not None:
            defaults |= LOSS_DEFAULTS.get(plan.loss, {})
        warmed = plan.warmup_epochs is not None or plan.warmup_steps is not None
        if warmed and plan.loss in RANKING_LOSSES:
            defaults |= WRAPPER_DEFAULTS
        distributed = "world_size" in self.unreadable or (plan.world_size or 1) > 1
        if distributed and plan.loss in RANKING_LOSSES:
            defaults["gather_distributed"] = True  # the reference gathers unless told not to
        assumed = {
            name: value
            for name, value in defaults.items()
            if getattr(plan, name) is None and name not in self.unreadable
        }
        completed = plan.replace(**assumed)
        if "sampler" in self.unreadable and plan.sampler is None:
            # Some sampler is set: what it shows the loss is unknown, as it is of a weighted one.
            completed = completed.replace(sampler="weighted")
        return completed, tuple(sorted(assumed))


Phase = Literal["train", "val", ""]
Axis = Literal["step", "epoch", "row"]

SERIES: Mapping[str, str] = MappingProxyType(
    {
        # what the loss and the metrics do
        "loss": "training or validation loss",
        "loss_component": "one term of a sum of losses; `part` names it",
        "bce": "log loss reported as a metric beside the loss",
        "average_precision": "average precision, also mAP",
        "roc_auc": "area under the ROC curve",
        "partial_auc": "partial area under the ROC curve",
        "recall_at_quantile": "recall among the top share q",
        "recall": "recall, sensitivity, true positive rate",
        "precision": "precision, positive predictive value",
        "specificity": "true negative rate",
        "false_positive_rate": "false positive rate",
        "f1": "F1",
        "mcc": "Matthews correlation",
        "accuracy": "accuracy",
        "balanced_accuracy": "mean of the recalls",
        "foreground_accuracy": "accuracy on foreground samples only",
        "dice": "Dice coefficient",
        "iou": "intersection over union",
        "predicted_positive_share": "share of samples predicted positive",
        "prevalence": "share of positives among the samples seen",
        "positives": "positives among the samples that the scores speak of",
        # the optimiser
        "learning_rate": "learning rate",
        "gradient_norm": "norm of the gradient",
        "gradient_norm_max": "largest gradient norm since the last row",
        "gradient_norm_median": "median gradient norm since the last row",
        "loss_scale": "loss scale of mixed precision",
        # one row that sums up several steps
        "loss_mean": "mean loss since the last row",
        "loss_std": "standard deviation of the loss since the last row",
        "loss_zero_share": "share of steps since the last row with a loss of exactly 0",
        "batch_without_positives_share": "share of batches since the last row without a positive",
        "positives_in_batch": "positives per batch",
        # scores
        "score_mean": "mean logit of the live batch",
        "score_mean_negative": "mean logit of the negatives",
        "score_mean_positive": "mean logit of the positives",
        "score_std": "standard deviation of the logits",
        "score_std_negative": "standard deviation of the logits of the negatives",
        "score_std_positive": "standard deviation of the logits of the positives",
        "score_absmax": "largest absolute logit",
        # what ranking losses log
        "stage": "0 warm-up, 1 blend, 2 main",
        "main_weight": "weight of the main loss in a blend",
        "temperature": "temperature of the surrogate",
        "tau_eff": "temperature times the spread it is scaled by",
        "threshold": "score threshold of a quantile or budget loss",
        "pool_size": "rows in the pool",
        "pool_positives": "positives in the pool",
        "queue_fill": "rows in the queue",
        "queue_positives": "positives in the queue",
        "queue_score_mean": "mean logit in the queue",
        "queue_score_std": "standard deviation of the logits in the queue",
        "queue_age": "age of the queue's oldest row in steps",
        "band_neg_count": "negatives in the false-positive-rate band",
        "grad_pos_count": "live positives with a gradient",
        "gradient_share_positive": "share of the gradient by the logits that is on positives",
        "gradient_sign_positive": "direction of that share: 1 raises every positive, -1 lowers every one",
        "positives_with_gradient": "share of the live positives with a gradient",
        "chance_level": "loss of scores without information on the same rows",
        "rank_loss_std": "spread of the loss across workers",
        "rank_loss_min": "smallest loss of any worker",
        "rank_loss_max": "largest loss of any worker",
    }
)
"""Every series the tool understands, by canonical name."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """One curve of a training run.

    Attributes
    ----------
    key
        As the log spells it, for the report: ``val/roc_auc``.
    name
        Canonical, a key of `SERIES`.
    phase
        ``train``, ``val``, or empty where that means nothing (learning rate, temperature) or is unknown.
    part
        What it is a part of the whole for: a class (``9``), a loss component (``cls``), a worker
        (``rank 3``). Empty for the whole.
    steps
        Position on the run's axis, float64 [N], never falling.
    values
        As logged, with errors turned to accuracies and percent to shares; NaN and infinities are kept.
        float64 [N].
    order
        Number of the log record each value stands in, int64 [N], strictly rising: which of two series'
        values came first, whatever the axis.
    lines
        One-based line or row of the file, int64 [N]; 0 where the format has none.
    """

    key: str
    name: str
    phase: Phase = ""
    part: str = ""
    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    order: NDArray[np.int64]
    lines: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingLog:
    """One training run, as its log tells it.

    Attributes
    ----------
    series
        At least one, each with at least one value.
    axis
        What `Series.steps` counts: optimiser steps, epochs, or rows where the log numbers neither.
    name
        What tells it from other runs of the same file: ``run 2``, ``fold 3``; empty for the only one.
    source, format
        File name, and what kind of log it is.
    hints
        Numbers stated in the log beside the curves: ``num_classes``, ``positives``, ``negatives``,
        ``planned_epochs``, ``planned_steps``, ``batch_size``.
    crash
        The exception or signal that ended the run, as the log words it; empty when there is none.
    notes
        What was done to the log in reading, as sentences: ``resumed at epoch 10``.
    """

    series: tuple[Series, ...]
    axis: Axis = "step"
    name: str = ""
    source: str = ""
    format: str = ""
    hints: Mapping[str, float] = field(default_factory=dict)
    crash: str = ""
    notes: tuple[str, ...] = ()

    @property
    def replayed(self) -> bool:
        """Whether it shows recorded scores under a loss, and no training."""
        return self.format.startswith("replay of ")

    def all(self, name: str, phase: Phase | None = None) -> Iterator[Series]:
        """Yield every series of a canonical name, the wholes before the parts."""
        found = [s for s in self.series if s.name == name and phase in {None, s.phase}]
        yield from sorted(found, key=lambda s: s.part != "")

    def get(self, name: str, phase: Phase | None = None) -> Series | None:
        """Return the whole series of a canonical name (not a part); the longest where there are several."""
        found = [s for s in self.all(name, phase) if not s.part]
        return max(found, key=len, default=None)


ScoreKind = Literal["binary", "multiclass", "multilabel"]
ScoreScale = Literal["logits", "probabilities"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreBlock:
    """Some rows of a score dump.

    Attributes
    ----------
    scores
        As dumped: logits or probabilities, float32 or float64, [N, C]; C is 1 for binary problems.
    targets
        Class index, int64 [N] (0 or 1 for binary problems), or one indicator per class, int8 [N, C], for
        multi-label ones; the ignore index is kept.
    step, epoch, rank, sample
        int64 [N] (epoch float64), or None where the dump has no such column. Rows stand in the order of
        training.
    iid
        Whether a row was drawn at its natural rate, bool [N], or None.
    """

    scores: NDArray[Any]
    targets: NDArray[np.int64]
    step: NDArray[np.int64] | None = None
    epoch: NDArray[np.float64] | None = None
    rank: NDArray[np.int64] | None = None
    sample: NDArray[np.int64] | None = None
    iid: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreDump:
    """Scores with their labels, as a model gave them while it trained or when it was evaluated.

    The rows may be more than memory holds: they are read in blocks, as often as they are asked for.

    Attributes
    ----------
    rows, classes
        Rows of all blocks; columns of `ScoreBlock.scores`.
    kind
        ``binary``: one column; ``multiclass``: one class per row; ``multilabel``: any number.
    scale
        Whether the scores are logits or probabilities: declared or plain, never guessed.
    blocks
        Yields all rows anew on each call, in the same order, in blocks of bounded size.
    names
        Of the classes, where the dump has them; empty otherwise.
    ignore_index
        Target that marks a row as left out.
    assumptions
        What the reader had to assume, as sentences for the report.
    """

    rows: int
    classes: int
    kind: ScoreKind
    scale: ScoreScale
    blocks: Callable[[], Iterator[ScoreBlock]]
    names: tuple[str, ...] = ()
    ignore_index: int = -100
    has_steps: bool = False
    has_ranks: bool = False
    has_iid: bool = False
    assumptions: tuple[str, ...] = ()
    source: str = ""
