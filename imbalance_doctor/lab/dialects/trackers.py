"""Logs as trackers and trainers store them: a trainer's state, a store of metrics, event files."""

from __future__ import annotations

import importlib.util
import json
from collections import defaultdict
from pathlib import Path
from typing import ClassVar

from imbalance_doctor.errors import InputError
from imbalance_doctor.lab.base import Draw
from imbalance_doctor.lab.dialects._names import EVAL, STYLES
from imbalance_doctor.lab.dialects.base import Dialect, Log

__all__ = ["Mlflow", "TensorBoard", "TrainerState"]


def _tag(name: str) -> str:
    """Return a name without the signs that stores refuse: ``recall@1.5%``."""
    return name.replace("@", "_at_").replace("%", "pct")


class TrainerState(Dialect):
    """The state of the Trainer of Transformers, training and validation in rows of their own."""

    what = "trainer_state.json of Transformers"
    styles: ClassVar = (EVAL,)

    def write(self, log: Log, folder: Path, draw: Draw) -> Path:  # noqa: ARG002  part of the interface
        """Write it."""
        path = folder / "trainer_state.json"
        history = [{**values, "epoch": row["epoch"], "step": row["step"]} for row, values, _ in log.apart()]
        last = log.rows[-1]
        state = {
            "best_metric": None,
            "best_model_checkpoint": None,
            "epoch": last["epoch"],
            "global_step": last["step"],
            "is_hyper_param_search": False,
            "is_local_process_zero": True,
            "is_world_process_zero": True,
            "log_history": history,
            "max_steps": log.plan.get("steps", last["step"]),
        }
        path.write_text(json.dumps(state, indent=2), encoding="utf-8")
        return path


class Mlflow(Dialect):
    """MLflow's file store: one file a metric."""

    what = "the file store of MLflow"
    # where "ap/val" is a file, "ap" is a folder and can be no metric beside it
    styles: ClassVar = tuple(style for style in STYLES if style.train != "{}/train")

    def write(self, log: Log, folder: Path, draw: Draw) -> Path:  # noqa: ARG002  part of the interface
        """Write one run into an experiment, the settings as its parameters."""
        experiment = folder / "mlruns" / "0"
        run = experiment / "3f2a9c41d07b4e6f8a15c2d9e0b7f364"
        for kind in ("metrics", "params", "tags"):
            (run / kind).mkdir(parents=True)
        (experiment / "meta.yaml").write_text("experiment_id: '0'\nname: Default\n", encoding="utf-8")
        (run / "meta.yaml").write_text(
            "run_id: 3f2a9c41\nrun_name: calm-fox-12\nstatus: 3\n", encoding="utf-8"
        )
        for key, value in log.plan.items():
            (run / "params" / key).write_text(str(value), encoding="utf-8")
        lines: defaultdict[str, list[str]] = defaultdict(list)
        for row in log.rows:
            time = int(log.at(row).timestamp() * 1000)
            for key, value in log.numbers(row).items():
                lines[_tag(key)].append(f"{time} {value} {row['step']}")
        for key, written in lines.items():
            path = run / "metrics" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(written) + "\n", encoding="utf-8")
        return folder / "mlruns"


class TensorBoard(Dialect):
    """Event files."""

    what = "event files of TensorBoard, by tensorboardX"

    @property
    def usable(self) -> bool:
        """Whether tensorboardX is installed."""
        return importlib.util.find_spec("tensorboardX") is not None

    def write(self, log: Log, folder: Path, draw: Draw) -> Path:  # noqa: ARG002  part of the interface
        """Write it.

        Raises
        ------
        InputError
            tensorboardX is missing.
        """
        if not self.usable:
            raise InputError(
                "expected tensorboardX to write event files, but it is not installed",
                hint="pip install tensorboardX, or leave the dialect 'tensorboard' out",
            )
        from tensorboardX import SummaryWriter  # type: ignore[import-untyped]

        with SummaryWriter(str(folder)) as writer:
            for row in log.rows:
                for key, value in log.numbers(row).items():
                    writer.add_scalar(_tag(key), value, row["step"], walltime=log.at(row).timestamp())
        return folder
