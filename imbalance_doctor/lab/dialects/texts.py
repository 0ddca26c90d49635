"""Logs to be read by people: printed lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from imbalance_doctor.lab.base import Draw
from imbalance_doctor.lab.dialects._names import EVAL
from imbalance_doctor.lab.dialects.base import Dialect, Log
from imbalance_doctor.sources.logs._keys import canonical

__all__ = ["HfConsole", "KeyValue", "ProgressBar", "PythonLogging"]


def _states_phase(name: str) -> bool:
    named = canonical(name)
    return named is not None and named.phase != ""


class KeyValue(Dialect):
    """Lines of ``key=value``."""

    what = "print of key=value pairs"

    def write(self, log: Log, folder: Path, draw: Draw) -> Path:
        """Write it."""
        path = folder / str(draw.choice(["train.log", "log.txt", "output.txt"]))
        equals, gap = draw.choice(["=", ": ", "=", " = "]), draw.choice([" ", ", ", " | "])
        equals = "=" if gap == " " else equals
        with path.open("w", encoding="utf-8") as file:
            if log.plan:
                file.write(f"Config({', '.join(f'{k}={v!r}' for k, v in log.plan.items())})\n")
            for row in log.rows:
                values = {"step": str(row["step"])} | log.named(row)
                file.write(gap.join(f"{key}{equals}{value}" for key, value in values.items()) + "\n")
        return path


class PythonLogging(Dialect):
    """The logging module: a time, a level, and training and validation on lines of their own."""

    what = "the logging module, with times"

    def write(self, log: Log, folder: Path, draw: Draw) -> Path:
        """Write it."""
        path = folder / str(draw.choice(["train.log", "run.log", "stdout.txt"]))
        front = draw.choice(
            ["{} - INFO - trainer - ", "[{}] [INFO] ", "{} INFO train.py:118 ", "{} | INFO | "]
        )
        place = draw.choice(["step {} ", "[step {}] ", "Iter {}: ", "step: {} | "])
        gap = draw.choice([" | ", ", ", "  "])
        with path.open("w", encoding="utf-8") as file:
            begun = front.format(self._clock(log.at(log.rows[0])))
            file.write(f"{begun}config: {log.plan}\n" if log.plan else f"{begun}training begins\n")
            for row in log.rows:
                for phase in ("train", "val"):
                    values = log.named(row, phase)
                    if values:
                        said = gap.join(f"{key}: {value}" for key, value in values.items())
                        line = front.format(self._clock(log.at(row))) + place.format(row["step"]) + said
                        file.write(line + "\n")
        return path

    @staticmethod
    def _clock(time: Any) -> str:
        return f"{time:%Y-%m-%d %H:%M:%S},{time.microsecond // 1000:03d}"


class ProgressBar(Dialect):
    """A bar of tqdm that overwrites itself, caught in a file."""

    what = "tqdm with a postfix, its carriage returns caught in a file"
    drops = "all but losses, validation metrics, gradient norm, learning rate and temperature: a bar is short"
    _SHOWN: ClassVar = frozenset(
        ("train.loss", "train.gradient_norm", "train.learning_rate", "train.temperature")
    )

    def carries(self, column: str) -> bool:
        """Tell whether it is among the few that a bar shows."""
        return column in self._SHOWN or (column.startswith("val.") and "share" not in column)

    def write(self, log: Log, folder: Path, draw: Draw) -> Path:
        """Write it."""
        path = folder / str(draw.choice(["nohup.out", "stderr.log", "train.out"]))
        title, total = draw.choice(["", "Steps: ", "Training: "]), log.rows[-1]["step"]
        if any(c.startswith("val.") and not _states_phase(log.names[c]) for c in log.columns):
            title = ""  # "AP" in a bar called Training would be that of training
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(f"{title}  0%|{' ' * 10}| 0/{total} [00:00<?, ?it/s]")
            for row in log.rows:
                step, named = row["step"], log.named(row)
                done = step / total
                bar = ("█" * int(10 * done)).ljust(10)
                clock = f"{int(step * 0.04) // 60:02d}:{int(step * 0.04) % 60:02d}<00:10, 25.31it/s"
                shown = ", ".join(f"{key}={value}" for key, value in named.items())
                file.write(f"\r{title}{done:4.0%}|{bar}| {step}/{total} [{clock}, {shown}]")
            file.write("\n")
        return path


class HfConsole(Dialect):
    """What the Trainer of Transformers prints: one dict for training, one for validation."""

    what = "the printed dicts of the Trainer of Transformers"
    drops = "the step: rows are placed by their epoch"
    styles: ClassVar = (EVAL,)

    def write(self, log: Log, folder: Path, draw: Draw) -> Path:
        """Write it; newer versions print the numbers as text."""
        path = folder / str(draw.choice(["slurm-1203.out", "console.log"]))
        quoted = draw.chance(0.3)
        # two decimals where they tell the rows apart, as older versions do
        rounded = [round(row["epoch"], 2) for row in log.rows]
        digits = 2 if len(set(rounded)) == len(rounded) else 9
        with path.open("w", encoding="utf-8") as file:
            for row, values, _ in log.apart():
                shown = {**values, "epoch": round(row["epoch"], digits)}
                file.write(f"{ {k: str(v) for k, v in shown.items()} if quoted else shown }\n")
        return path
