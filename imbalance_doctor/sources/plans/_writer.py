"""Plans to YAML files that read back to the same plan."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import TrainingPlan
from imbalance_doctor.sources.plans import yaml_file
from imbalance_doctor.sources.plans._schema import render
from imbalance_doctor.sources.plans.base import assemble


def write_plan(plan: TrainingPlan, path: Path, *, header: str = "", overwrite: bool = False) -> None:
    """Write what a plan knows as YAML.

    The file appears complete or not at all.

    Parameters
    ----------
    header
        Comment at the top, any number of lines.
    overwrite
        Replace a file that is there.

    Raises
    ------
    InputError
        When a file is there already, or cannot be written.
    ValueError
        When the plan is empty or not valid, so that reading would not give it back.
    """
    values = {name: _text(value) for name, value in plan.known().items()}
    text = render(values, header="".join(c if c.isprintable() or c == "\n" else " " for c in header))
    try:
        back = assemble(yaml_file.parse(text, str(path)), name="").plan
    except InputError as error:
        raise ValueError(str(error)) from None
    if back != plan:
        changed = sorted(set(back.known().items()) ^ set(plan.known().items()))
        raise ValueError(f"the plan would not read back: {changed}")
    _write(text, path, overwrite=overwrite)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = repr(float(value))  # without the type that a NumPy number shows
        # Other readers of YAML 1.1 take 1e-05 for text; 1.0e-05 is a number to all.
        return text if "e" not in text or "." in text else text.replace("e", ".0e")
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(value)


def _write(text: str, path: Path, *, overwrite: bool) -> None:
    try:
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        with draft.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
        try:
            if overwrite:
                draft.replace(path)
            else:
                _place_new(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError:
        raise InputError("the file exists and is not overwritten", where=path) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot be written: {reason}", where=path) from None


def _place_new(draft: Path, path: Path) -> None:
    """Give the draft its name, unless that is taken: a link refuses what a rename would replace."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise FileExistsError from None
        draft.replace(path)
