"""The callables that a training script is searched for, as their libraries declare them.

Checked against the installed libraries in the tests; torchvision 0.29, kornia 0.9 and MONAI 1.6 were
read from their sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

_NONE: Mapping[str, object] = MappingProxyType({})
_SAME: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Signature:
    """One callable.

    Attributes
    ----------
    package
        The package it is imported from; any module below it counts.
    name
        Class or function.
    positional, keyword_only
        Parameters in order.
    fields
        Parameter to plan field, where the names differ; the same name otherwise.
    unused
        Parameters that the plan has no field for.
    loss
        What it computes; empty for a callable that is no loss.
    implementation
        As in the plan.
    defaults
        Values of the plan that hold where the call says nothing, and that the plan would otherwise
        fill in differently.
    functional
        A function that is handed logits and targets in its first two arguments.
    """

    package: str
    name: str
    positional: tuple[str, ...]
    keyword_only: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=lambda: _SAME)
    unused: frozenset[str] = frozenset()
    loss: str = ""
    implementation: str = ""
    defaults: Mapping[str, object] = field(default_factory=lambda: _NONE)
    functional: bool = False

    @property
    def parameters(self) -> tuple[str, ...]:
        """All parameters."""
        return self.positional + self.keyword_only

    def field_of(self, parameter: str) -> str | None:
        """Return the plan field of a parameter, or None where there is none."""
        return None if parameter in self.unused else self.fields.get(parameter, parameter)

    def matches(self, dotted: str) -> bool:
        """Whether a dotted name, as ``torch.nn.modules.loss.BCELoss``, is this callable."""
        return dotted.startswith(self.package + ".") and dotted.rpartition(".")[2] == self.name


_QUEUE = ("queue_size", "temperature", "reduction", "ignore_index", "update_queue_in_eval")
_TAIL = ("gather_distributed", "quantile_interpolation", "max_pool_size")
_BAND = ("alpha", "beta", "surrogate", "n_knots", "tau_scale", "pos_numerator", "budget_basis")
_FOCAL = ("gamma", "reduction")
_REFERENCE: Mapping[str, tuple[str, tuple[str, ...], Mapping[str, str]]] = {
    "SmoothAPLoss": (
        "smooth-ap",
        ("num_classes", *_QUEUE, "gather_distributed", "max_pool_size"),
        _SAME,
    ),
    "RecallAtQuantileLoss": ("recall-at-quantile", ("num_classes", "quantile", *_QUEUE, *_TAIL), _SAME),
    "PAUCAtBudgetLoss": ("pauc-at-budget", ("num_classes", *_BAND, *_QUEUE, *_TAIL), _SAME),
    "SigmoidFocalLoss": ("sigmoid-focal", ("alpha", *_FOCAL, "gather_distributed"), _SAME),
    "SoftmaxFocalLoss": (
        "softmax-focal",
        (
            "alpha",
            *_FOCAL,
            "label_smoothing",
            "ignore_index",
            "background_class",
            "gather_distributed",
        ),
        {"alpha": "class_weights"},
    ),
}
_PACKAGES = {
    "imbalanced_losses": ("imbalanced_losses", False),
    "imbalance_doctor.losses": ("imbalance_doctor", True),
}

WRAPPERS = tuple(
    Signature(
        package=package,
        name="LossWarmupWrapper",
        positional=(
            "warmup_loss",
            "main_loss",
            "warmup_epochs",
            "temp_start",
            "temp_end",
            "temp_decay_steps",
        ),
        keyword_only=(
            "blend_epochs",
            "warmup_steps",
            "blend_steps",
            "final_main_weight",
            "reset_queue_each_epoch",
            "gather_distributed",
        ),
        unused=frozenset({"warmup_loss", "main_loss"}),
        implementation=implementation,
    )
    for package, (implementation, _) in _PACKAGES.items()
)

_BCE_UNUSED = frozenset({"weight", "size_average", "reduce", "input", "target"})
_CE_UNUSED = frozenset({"size_average", "reduce", "input", "target"})
_OLD = ("size_average", "reduce")


def _torch(name: str, loss: str, positional: tuple[str, ...], *, functional: bool = False) -> Signature:
    return Signature(
        package="torch.nn.functional" if functional else "torch.nn",
        name=name,
        positional=("input", "target", *positional) if functional else positional,
        fields={"weight": "class_weights"} if loss == "ce" else _SAME,
        unused=_CE_UNUSED if loss == "ce" else _BCE_UNUSED,
        loss=loss,
        implementation="torch",
        functional=functional,
    )


def _kornia(name: str, loss: str, *, functional: bool = False) -> Signature:
    tail = ("weight", "ignore_index")
    positional = ("alpha", *_FOCAL, *(tail if loss == "softmax-focal" else ("pos_weight", *tail)))
    return Signature(
        package="kornia",
        name=name,
        positional=("pred", "target", *positional) if functional else positional,
        keyword_only=("eps",),  # taken, and ignored, before 0.8
        fields={"weight": "class_weights"},
        unused=frozenset({"pred", "target", "eps"}),
        loss=loss,
        implementation="kornia",
        defaults={"alpha": 0.25 if functional and loss == "sigmoid-focal" else None}
        | {"gamma": 2.0, "reduction": "none", "stabilised": True},
        functional=functional,
    )


LOSS_SIGNATURES = (
    *(
        Signature(
            package=package,
            name=name,
            positional=positional,
            fields=renamed,
            loss=loss,
            implementation=implementation,
            defaults={"stabilised": stable} if loss.endswith("focal") else _NONE,
        )
        for package, (implementation, stable) in _PACKAGES.items()
        for name, (loss, positional, renamed) in _REFERENCE.items()
    ),
    Signature(
        package="imbalance_doctor.losses",
        name="MinedBCELoss",
        positional=("pos_weight", "share"),
        unused=frozenset({"share"}),
        loss="weighted-bce",
        implementation="imbalance_doctor",
        defaults={"hard_example_mining": True},
    ),
    Signature(
        package="imbalance_doctor.losses",
        name="mined_bce",
        positional=("logits", "targets"),
        keyword_only=("pos_weight", "share"),
        unused=frozenset({"logits", "targets", "share"}),
        loss="weighted-bce",
        implementation="imbalance_doctor",
        defaults={"hard_example_mining": True},
        functional=True,
    ),
    _torch("BCEWithLogitsLoss", "bce", ("weight", *_OLD, "reduction", "pos_weight")),
    _torch("BCELoss", "bce", ("weight", *_OLD, "reduction")),
    _torch(
        "CrossEntropyLoss",
        "ce",
        ("weight", "size_average", "ignore_index", "reduce", "reduction", "label_smoothing"),
    ),
    _torch(
        "binary_cross_entropy_with_logits",
        "bce",
        ("weight", *_OLD, "reduction", "pos_weight"),
        functional=True,
    ),
    _torch("binary_cross_entropy", "bce", ("weight", *_OLD, "reduction"), functional=True),
    _torch(
        "cross_entropy",
        "ce",
        ("weight", "size_average", "ignore_index", "reduce", "reduction", "label_smoothing"),
        functional=True,
    ),
    Signature(
        package="torchvision.ops",
        name="sigmoid_focal_loss",
        positional=("inputs", "targets", "alpha", *_FOCAL),
        unused=frozenset({"inputs", "targets"}),
        loss="sigmoid-focal",
        implementation="torchvision",
        defaults={"alpha": 0.25, "gamma": 2.0, "reduction": "none", "stabilised": False},
        functional=True,
    ),
    _kornia("FocalLoss", "softmax-focal"),
    _kornia("focal_loss", "softmax-focal", functional=True),
    _kornia("BinaryFocalLossWithLogits", "sigmoid-focal"),
    _kornia("binary_focal_loss_with_logits", "sigmoid-focal", functional=True),
    Signature(
        package="monai",
        name="FocalLoss",
        positional=(
            "include_background",
            "to_onehot_y",
            "gamma",
            "alpha",
            "weight",
            "reduction",
            "use_softmax",
            "ignore_index",
        ),
        fields={"weight": "class_weights"},
        unused=frozenset({"include_background", "to_onehot_y", "use_softmax"}),
        loss="sigmoid-focal",
        implementation="monai",
        defaults={"alpha": None, "gamma": 2.0, "reduction": "mean", "stabilised": True},
    ),
)

LOADER = Signature(
    package="torch.utils.data",
    name="DataLoader",
    positional=(
        *("dataset", "batch_size", "shuffle", "sampler", "batch_sampler"),
        *("num_workers", "collate_fn", "pin_memory", "drop_last"),
    ),
)
_LIGHTNING = {
    "max_epochs": "epochs",
    "max_steps": "steps",
    "precision": "precision",
    "gradient_clip_val": "gradient_clipping",
    "accumulate_grad_batches": "gradient_accumulation",
}
SETTINGS = (
    *(
        Signature(
            package=package,
            name="Trainer",
            positional=(),
            keyword_only=(*_LIGHTNING, "devices", "num_nodes"),
            fields=_LIGHTNING,
            unused=frozenset({"devices", "num_nodes"}),
        )
        for package in ("lightning", "pytorch_lightning")
    ),
    Signature(
        package="accelerate",
        name="Accelerator",
        positional=(),
        keyword_only=("mixed_precision", "gradient_accumulation_steps"),
        fields={"mixed_precision": "precision", "gradient_accumulation_steps": "gradient_accumulation"},
    ),
    Signature(
        package="torch.nn.utils",
        name="clip_grad_norm_",
        positional=("parameters", "max_norm"),
        fields={"max_norm": "gradient_clipping"},
        unused=frozenset({"parameters"}),
    ),
)

OPTIMIZERS: Mapping[str, tuple[str, float | None]] = MappingProxyType(
    {
        "SGD": ("sgd", 1e-3),
        "Adam": ("adam", 1e-3),
        "AdamW": ("adamw", 1e-3),
        "RMSprop": ("rmsprop", 1e-2),
        "Adagrad": ("adagrad", 1e-2),
        **dict.fromkeys(
            ("ASGD", "Adadelta", "Adafactor", "Adamax", "LBFGS", "Muon", "NAdam", "RAdam", "Rprop"),
            ("other", None),
        ),
    }
)
"""Classes of ``torch.optim``: name in the plan, and the default learning rate where it is kept here."""
