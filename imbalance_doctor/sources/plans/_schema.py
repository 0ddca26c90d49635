"""The plan file explained: a schema and one example per loss, both made from the fields themselves."""

from __future__ import annotations

from dataclasses import Field
from typing import Any

from imbalance_doctor.evidence import PLAN_FIELDS, Location
from imbalance_doctor.sources.plans.base import coerce, kind_of, range_text

_COLUMN = 24
"""Widest value after which the comments are still lined up."""
_KINDS = {
    "int": "whole number",
    "float": "number",
    "str": "word",
    "bool": "true or false",
    "tuple": "list of numbers",
}
_RANKING = {"queue_size": "4096", "max_pool_size": "8192", "reduction": "mean", "ignore_index": "-100"}
_WARMUP = {
    "warmup_epochs": "2",
    "blend_epochs": "1",
    "temp_decay_steps": "3000",
    "final_main_weight": "1.0",
    "reset_queue_each_epoch": "false",
    "step_hook_wired": "true",
}
_BINARY = {"implementation": "imbalanced_losses", "num_classes": "1"}
_EXAMPLES: dict[str, dict[str, str]] = {
    "bce": {"implementation": "torch", "reduction": "mean"},
    "weighted-bce": {"implementation": "torch", "pos_weight": "30.0", "reduction": "mean"},
    "ce": {"implementation": "torch", "num_classes": "3", "label_smoothing": "0.0", "reduction": "mean"},
    "weighted-ce": {
        "implementation": "torch",
        "num_classes": "3",
        "class_weights": "[0.2, 1.0, 1.0]",
        "reduction": "mean",
    },
    "sigmoid-focal": {**_BINARY, "alpha": "0.75", "gamma": "2.0", "reduction": "mean"},
    "softmax-focal": {
        "implementation": "imbalanced_losses",
        "num_classes": "3",
        "class_weights": "[0.2, 1.0, 1.0]",
        "gamma": "2.0",
        "reduction": "mean",
    },
    "smooth-ap": {
        **_BINARY,
        **_RANKING,
        "temperature": "0.05",
        **_WARMUP,
        "temp_start": "0.5",
        "temp_end": "0.05",
        "metric": "average_precision",
    },
    "recall-at-quantile": {
        **_BINARY,
        **_RANKING,
        "temperature": "0.05",
        "quantile": "0.01",
        "quantile_interpolation": "higher",
        **_WARMUP,
        "final_main_weight": "0.75",  # this loss pushes positives only: some BCE must stay
        "temp_start": "0.5",
        "temp_end": "0.05",
        "metric": "recall_at_quantile",
        "metric_quantile": "0.01",
    },
    "pauc-at-budget": {
        **_BINARY,
        **_RANKING,
        "temperature": "0.1",
        "alpha": "0.0",
        "beta": "0.005",
        "surrogate": "pairwise",
        "tau_scale": "iqr",
        **_WARMUP,
        "temp_start": "0.3",
        "temp_end": "0.1",
        "metric": "partial_auc",
        "metric_fpr_low": "0.0",
        "metric_fpr_high": "0.005",
    },
}
_TRAINING = {
    "batch_size": "256",
    "world_size": "1",
    "epochs": "20",
    "optimizer": "adamw",
    "learning_rate": "0.001",
    "precision": "fp32",
    "sampler": "shuffle",
    "probabilities_used": "false",
}


def plan_schema() -> str:
    """Return the documentation of every field, in groups: kind, range or words, unit, and an example."""
    parts = [
        "A plan is a flat mapping in YAML, JSON or TOML. Every field may be left out: what is not given is",
        "unknown. `loss` may also be a mapping with `name` and the fields of the loss, `warmup` a mapping of",
        "warm-up fields.",
    ]
    group = ""
    for name, spec in PLAN_FIELDS.items():
        if spec.metadata["group"] != group:
            group = spec.metadata["group"]
            parts += ["", group]
        parts.append(f"  {name}: {spec.metadata['help']}")
        parts.append(f"      {_allowed(spec)}; as {spec.metadata['example']}")
    return "\n".join(parts) + "\n"


def _allowed(spec: Field[Any]) -> str:
    meta = spec.metadata
    if meta["choices"]:
        return "one of " + ", ".join(meta["choices"])
    unit = f", in {meta['unit']}" if meta["unit"] else ""
    limits = range_text(meta)
    return _KINDS[kind_of(spec)] + unit + (f", {limits}" if limits else "")


def example_plan(loss: str) -> str:
    """Return a commented plan for one loss, in YAML, that `read_plan` reads.

    Parameters
    ----------
    loss
        Any name of a loss that a plan may hold.

    Raises
    ------
    InputError
        When there is no such loss.
    """
    name = coerce("loss", loss, Location(path=""))
    return render({"loss": name, **_TRAINING, **_EXAMPLES[name]}, header=f"A training plan with {name}.")


def render(values: dict[str, str], *, header: str) -> str:
    """Lay out field texts as a YAML plan: grouped, in the order of declaration, each with its help."""
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    width = max((len(f"{name}: {text}") for name, text in values.items() if len(text) <= _COLUMN), default=0)
    group = ""
    for name, spec in PLAN_FIELDS.items():
        if name not in values:
            continue
        if spec.metadata["group"] != group:
            group = spec.metadata["group"]
            lines += ["", f"# {group}"]
        lines.append(f"{name}: {values[name]}".ljust(width) + f"  # {spec.metadata['help']}")
    return "\n".join(lines).lstrip("\n") + "\n"
