"""The options that commands share, by group, and how a command takes them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import typer

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.evidence import PLAN_FIELDS

__all__ = ["FACTS", "PAGES", "REPORTS", "options"]

PAGES = ("text", "json", "markdown")
FACTS = (*PAGES, "prometheus")
REPORTS = (*PAGES, "html", "github", "sarif", "junit")
"""Formats of what a command prints."""


def _option(*names: str, panel: str, **settings: Any) -> Any:
    return typer.Option(*names, rich_help_panel=panel, show_default=False, **settings)


# Options by group: name -> (type, default, declaration). Groups are shared by commands through `options`.
_INPUT: dict[str, tuple[Any, Any, Any]] = {
    "labels": (
        list[str] | None,
        None,
        _option(
            "--labels",
            "-l",
            metavar="FILE",
            panel="Input",
            help="Labels: .npy .npz .csv .tsv .parquet .txt .json .yaml .pt .safetensors, a glob, or - for "
            "standard input. Repeat it for shards.",
        ),
    ),
    "key": (
        str | None,
        None,
        _option("--key", panel="Input", metavar="NAME", help="Array inside an archive."),
    ),
    "column": (
        str | None,
        None,
        _option("--column", panel="Input", metavar="NAME", help="Column of a table."),
    ),
    "positive": (
        str | None,
        None,
        _option("--positive", panel="Input", metavar="CLASS", help="Positive class of a binary problem."),
    ),
    "label_kind": (
        str | None,
        None,
        _option(
            "--label-kind",
            panel="Input",
            metavar="KIND",
            help="How to read a 2-D array: classes, indicator (multi-label) or sequence.",
        ),
    ),
    "plan_file": (
        str | None,
        None,
        _option(
            "--plan",
            "-p",
            metavar="FILE",
            panel="Input",
            help="Training plan (.yaml .json .toml) or training script (.py). Options win over it.",
        ),
    ),
    "scores": (
        list[str] | None,
        None,
        _option(
            "--scores",
            metavar="FILE",
            panel="Input",
            help="Scores with their targets: .npz .npy .csv .parquet .pt .safetensors .jsonl, or a recorded "
            "folder. Repeat it for shards.",
        ),
    ),
    "scores_are": (
        str | None,
        None,
        _option(
            "--scores-are", metavar="SCALE", panel="Input", help="What the scores are: logits, probabilities."
        ),
    ),
    "targets": (
        str | None,
        None,
        _option("--targets", metavar="FILE", panel="Input", help="Targets of a bare .npy of scores."),
    ),
}
_READING: dict[str, tuple[Any, Any, Any]] = {
    "map": (
        list[str] | None,
        None,
        _option(
            "--map",
            metavar="KEY=NAME",
            panel="Input",
            help="What a key of the log means, as my_key=val_loss. Repeat it for more.",
        ),
    ),
    "pattern": (
        list[str] | None,
        None,
        _option(
            "--pattern",
            metavar="REGEX",
            panel="Input",
            help="Regular expression for lines of a text log; the names of its groups are the keys.",
        ),
    ),
    "follow": (
        bool,
        False,
        _option(
            "--follow",
            panel="Output",
            help="Watch a growing log; tell each finding once, when it becomes certain. Ctrl-C ends it.",
        ),
    ),
    "interval": (
        float,
        5.0,
        _option(
            "--interval",
            metavar="SECONDS",
            min=0.05,
            panel="Output",
            help="Least time between two looks of --follow (5).",
        ),
    ),
}
_RULES: dict[str, tuple[Any, Any, Any]] = {
    "rules": (
        list[Path] | None,
        None,
        _option("--rules", metavar="DIR", panel="Rules", help="Add the rules of a directory."),
    ),
    "override": (
        list[str] | None,
        None,
        _option("--override", metavar="ID", panel="Rules", help="Let --rules replace this built-in rule."),
    ),
}
_OUTPUT: dict[str, tuple[Any, Any, Any]] = {
    "output": (
        Path | None,
        None,
        _option("--output", "-o", metavar="FILE", panel="Output", help="Write the report there."),
    ),
    "overwrite": (bool, False, _option("--overwrite", panel="Output", help="Replace files that exist.")),
    "verbose": (bool, False, _option("--verbose", "-v", panel="Output", help="Say everything.")),
}
_POLICY: dict[str, tuple[Any, Any, Any]] = {
    "fail_on": (
        str | None,
        None,
        _option(
            "--fail-on",
            metavar="SEVERITY",
            panel="Gate",
            help="Exit 1 at or above: error (default), warning, note, never.",
        ),
    ),
    "strict": (
        bool | None,
        None,
        _option(
            "--strict/--no-strict",
            panel="Gate",
            help="Unknown is a failure: errors and warnings that lack an input. A log without labels, or "
            "without a plan (a loss), is held to the rules that need none.",
        ),
    ),
    "baseline": (
        Path | None,
        None,
        _option("--baseline", metavar="FILE", panel="Gate", help="Fail only on what is not in this file."),
    ),
    "write_baseline": (
        Path | None,
        None,
        _option("--write-baseline", metavar="FILE", panel="Gate", help="Accept what is found today."),
    ),
    "config": (
        Path | None,
        None,
        _option(
            "--config",
            metavar="FILE",
            panel="Gate",
            help="pyproject.toml to read [tool.imbalance-doctor] from, instead of the nearest one.",
        ),
    ),
}


@functools.cache
def _plan_options() -> dict[str, tuple[Any, Any, Any]]:
    """Return one option per plan field, generated from the table in `evidence`."""
    options: dict[str, tuple[Any, Any, Any]] = {}
    for name, spec in PLAN_FIELDS.items():
        dashed = name.replace("_", "-")
        text = str(spec.metadata["help"])
        text = text[0].upper() + text[1:]
        if spec.metadata["choices"]:
            text += ": " + ", ".join(spec.metadata["choices"])
        panel = f"Plan: {spec.metadata['group'].lower()}"
        if "bool" in str(spec.type):
            declared = _option(f"--{dashed}/--no-{dashed}", panel=panel, help=f"{text}.")
            options[name] = (bool | None, None, declared)
        else:
            metavar = spec.metadata["unit"].upper() or "VALUE"
            aliases = ("--memory",) if name == "memory_budget" else ()
            declared = _option(f"--{dashed}", *aliases, panel=panel, metavar=metavar, help=f"{text}.")
            options[name] = (str | None, None, declared)
    return options


_GROUPS = {"inputs": _INPUT, "reading": _READING, "rulebook": _RULES, "output": _OUTPUT, "policy": _POLICY}


def _format(formats: Sequence[str]) -> Any:
    return _option("--format", "-f", panel="Output", metavar="FORMAT", help=f"{', '.join(formats)}.")


def options(
    *groups: str, formats: Sequence[str] = PAGES
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of `groups`; it receives each group as one namespace.

    The output can be in one of `formats`; another one is refused before the command does anything.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        tables = {g: _plan_options() if g == "plan" else _GROUPS[g] for g in groups}
        if "output" in tables:
            tables["output"] = {"format": (str, "text", _format(formats)), **tables["output"]}
        own = [
            p for p in inspect.signature(function, eval_str=True).parameters.values() if p.name not in groups
        ]
        added = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, declared]
            )
            for table in tables.values()
            for name, (kind, default, declared) in table.items()
        ]

        @functools.wraps(function)
        def call(**given: Any) -> None:
            spaces = {g: SimpleNamespace(**{n: given.pop(n) for n in table}) for g, table in tables.items()}
            if "output" in spaces and spaces["output"].format not in formats:
                raise InputError(
                    f"expected one of {', '.join(formats)} here, but got '{spaces['output'].format}'",
                    where="--format",
                    hint=did_you_mean(spaces["output"].format, formats),
                )
            function(**given, **spaces)

        parameters = added + [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        call.__annotations__ = {p.name: p.annotation for p in parameters}
        return call

    return decorate
