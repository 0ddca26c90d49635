"""Logs with one row a step: JSON lines, and columns between commas or tabs."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from imbalance_doctor.lab.base import Draw
from imbalance_doctor.lab.dialects._names import KERAS, SLASHES, Style
from imbalance_doctor.lab.dialects.base import Dialect, Log

__all__ = ["Csv", "JsonLines", "KerasCsv", "LightningCsv", "Tsv"]

_STEPS = ("step", "step", "global_step", "iteration", "iter")


def _write(path: Path, names: Iterable[str], rows: Iterable[Mapping[str, Any]], delimiter: str = ",") -> None:
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(names), delimiter=delimiter, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


class JsonLines(Dialect):
    """One object a line."""

    what = "json.dumps of a dict a line"

    def write(self, log: Log, folder: Path, draw: Draw) -> Path:
        """Write it, the settings first; not-a-number as the json module or as text."""
        path = folder / str(draw.choice(["metrics.jsonl", "log.jsonl", "train_log.json"]))
        step, spelt, split = draw.choice(_STEPS), draw.chance(0.5), draw.chance(0.3)
        with path.open("w", encoding="utf-8") as file:
            if log.plan:
                file.write(json.dumps({"config": log.plan}) + "\n")
            for row in log.rows:
                place = {step: row["step"], "epoch": round(row["epoch"], 3)}
                for phase in ("train", "val") if split else ("",):
                    values = log.numbers(row, phase)
                    if values:
                        written = {k: self._value(v, spelt=spelt) for k, v in values.items()}
                        file.write(json.dumps(place | written) + "\n")
        return path

    @staticmethod
    def _value(value: float, *, spelt: bool) -> float | str:
        return value if math.isfinite(value) or not spelt else str(value)


class Csv(Dialect):
    """Columns between commas."""

    what = "csv.DictWriter"

    def write(self, log: Log, folder: Path, draw: Draw) -> Path:
        """Write it."""
        path = folder / str(draw.choice(["metrics.csv", "log.csv", "history.csv"]))
        step = draw.choice(_STEPS)
        rows = ({step: r["step"], "epoch": int(r["epoch"])} | log.named(r) for r in log.rows)
        _write(path, [step, "epoch", *log.names.values()], rows)
        return path


class Tsv(Dialect):
    """Columns between tabs under a comment."""

    what = "columns between tabs under a line of comment"

    def write(self, log: Log, folder: Path, draw: Draw) -> Path:
        """Write it, the settings as a comment."""
        path = folder / str(draw.choice(["train.tsv", "metrics.tsv"]))
        said = ", ".join(f"{key}={value}" for key, value in log.plan.items()) or "baseline"
        path.write_text(f"# run: {said}\n", encoding="utf-8")
        step = draw.choice(_STEPS)
        rows = ({step: r["step"]} | log.named(r) for r in log.rows)
        _write(path, [step, *log.names.values()], rows, "\t")
        return path


class KerasCsv(Dialect):
    """Keras CSVLogger."""

    what = "Keras CSVLogger, an epoch being the steps between two rows"
    drops = "the step: rows count as epochs"
    styles: ClassVar = (KERAS,)

    def write(self, log: Log, folder: Path, draw: Draw) -> Path:  # noqa: ARG002  part of the interface
        """Write it, the columns in alphabetical order as Keras does."""
        path = folder / "training_log.csv"
        rows = ({"epoch": i} | log.named(row) for i, row in enumerate(log.rows))
        _write(path, ["epoch", *sorted(log.names.values())], rows)
        return path


class LightningCsv(Dialect):
    """Lightning's CSVLogger: training and validation in rows of their own, with blanks."""

    what = "Lightning CSVLogger"
    styles: ClassVar = (Style("train_{}", "val_{}"), SLASHES, Style("train_{}", "valid_{}"))

    def write(self, log: Log, folder: Path, draw: Draw) -> Path:
        """Write it; the learning rate as LearningRateMonitor names it."""
        if "train.learning_rate" in log.names:
            log.names["train.learning_rate"] = draw.choice(["lr-Adam", "lr-AdamW", "lr-SGD"])
        path = folder / "metrics.csv"
        rows = (
            {"step": row["step"] - 1, "epoch": int(row["epoch"])} | log.named(row, phase)
            for row in log.rows
            for phase in ("val", "train")
            if log.named(row, phase)
        )
        _write(path, sorted(["step", "epoch", *log.names.values()]), rows)
        return path
