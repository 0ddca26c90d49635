"""What every reader of plans shares: raw entries in, one validated `PlannedRun` out.

A reader is one module beside this one with a `READER`; it knows one file format and turns it into
entries. What a field may hold is declared once, in `evidence.PLAN_FIELDS`, and checked here.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import Field, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.evidence import (
    FROM_OPTIONS,
    LOSS_DEFAULTS,
    PLAN_FIELDS,
    Location,
    PlannedRun,
    TrainingPlan,
)
from imbalance_doctor.sources.plans._words import ALIASES, CLASS_NAMES, OTHER_NAMES, squash

__all__ = [
    "Entry",
    "PlanReader",
    "assemble",
    "coerce",
    "fail",
    "overlay",
    "plan_from_options",
    "read_plan",
    "read_text",
    "settle",
    "shown",
]

PLAN_BYTES = 1 << 20
"""Largest plan file that is read."""
_LARGEST_INT = 2**63 - 1
_SHOWN = 48


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One key of a plan, as its file spells it.

    Attributes
    ----------
    value
        None, a bool, a number, text, a list of these, or a tuple of entries for a nested mapping.
    where
        Of the value.
    key_where
        Of the key.
    """

    key: str
    value: object
    where: Location
    key_where: Location


@dataclass(frozen=True, kw_only=True)
class PlanReader:
    """One file format.

    Attributes
    ----------
    suffixes
        File endings in lower case, with the dot.
    read
        Turns a path into the runs it plans.
    """

    suffixes: tuple[str, ...]
    read: Callable[[str], list[PlannedRun]]


@cache
def readers() -> Mapping[str, PlanReader]:
    """Discover the readers beside this module, by suffix."""
    package = importlib.import_module("imbalance_doctor.sources.plans")
    found: dict[str, PlanReader] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.name == "base" or module.name.startswith("_"):
            continue
        reader: PlanReader = importlib.import_module(f"{package.__name__}.{module.name}").READER
        found |= dict.fromkeys(reader.suffixes, reader)
    return found


def read_plan(path: str) -> list[PlannedRun]:
    """Read the planned runs of a plan file or of a training script.

    Parameters
    ----------
    path
        ``.yaml``, ``.yml``, ``.json`` or ``.toml`` (one run), ``.py`` or ``.ipynb`` (one run per loss
        call). A file with another ending is read as JSON when it starts with a brace.

    Raises
    ------
    InputError
        When the file cannot be read, or holds something that a plan cannot hold.
    """
    suffix = Path(path).suffix.lower()
    reader = readers().get(suffix)
    if reader is None:
        if not read_text(path, limit=PLAN_BYTES).lstrip().startswith("{"):
            known = ", ".join(sorted(readers()))
            ending = f"the ending '{suffix}'" if suffix else "no ending"
            raise InputError(f"expected a plan or a training script ({known}), but got {ending}", where=path)
        reader = readers()[".json"]
    return reader.read(path)


def read_text(path: str, *, limit: int) -> str:
    """Return the text of a file of at most `limit` bytes; `InputError` where that cannot be done."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise InputError("expected a file, but there is none", where=path) from None
    except IsADirectoryError:
        raise InputError("expected a file, but got a directory", where=path) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot be read: {reason}", where=path) from None
    if len(data) > limit:
        raise InputError(f"expected at most {limit >> 20} MiB, but the file is larger", where=path)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError("expected UTF-8 text, but got other bytes", where=path, line=line) from None


def fail(problem: str, where: Location, hint: str = "") -> InputError:
    """Build the error for one place."""
    return InputError(problem, where=where.path, line=where.line, column=where.column, hint=hint)


def shown(raw: object) -> str:
    """Quote a raw value in a message, shortened.

    >>> shown("many")
    "'many'"
    """
    if isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) > 10**_SHOWN:
        return "a far larger number"
    if isinstance(raw, tuple) and raw and isinstance(raw[0], Entry):
        return "a mapping"
    if isinstance(raw, list | tuple) and len(raw) > 8:  # noqa: PLR2004  enough to recognise it by
        return f"a list of {len(raw)} values"
    text = repr(raw)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


# One value ----------------------------------------------------------------------------------------


def kind_of(spec: Field[Any]) -> str:
    """Return ``int``, ``float``, ``str``, ``bool`` or ``tuple``."""
    return str(spec.type).split("[")[0].split(" ")[0]


def range_text(meta: Mapping[str, Any]) -> str:
    """Say the allowed range in words; empty when there is none.

    >>> range_text(PLAN_FIELDS["quantile"].metadata)
    'above 0 and below 1'
    """
    parts = []
    if meta["low"] is not None:
        parts.append(f"{'above' if meta['low_open'] else 'at least'} {meta['low']}")
    if meta["high"] is not None:
        parts.append(f"{'below' if meta['high_open'] else 'at most'} {meta['high']}")
    return " and ".join(parts)


def coerce(name: str, raw: object, where: Location) -> Any:
    """Turn the raw value of one field into its type, or say why that cannot be done.

    Parameters
    ----------
    name
        A field of `TrainingPlan`.
    raw
        As a file, a command line or a script spells it. None means that nothing was said.

    Returns
    -------
    None, or a value of the field's type within its range.

    Raises
    ------
    InputError
        For a wrong type, an unknown word, or a value out of range.
    """
    if raw is None:
        return None
    spec = PLAN_FIELDS[name]
    kind = kind_of(spec)
    if kind == "str":
        return _word(name, raw, where)
    if kind == "bool":
        return _bool(name, raw, where)
    if kind == "tuple":
        return _numbers(name, raw, where)
    if name == "memory_budget":
        raw = _bytes(raw, where)
    value = _number(name, raw, where, whole=kind == "int")
    return _in_range(name, value, where)


def _word(name: str, raw: object, where: Location) -> str:
    choices: tuple[str, ...] = PLAN_FIELDS[name].metadata["choices"]
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        raise fail(f"expected {name} to be a word, but got {shown(raw)}", where)
    words = {squash(choice): choice for choice in choices} | dict(ALIASES.get(name, {}))
    text = str(raw).strip()
    # A pasted dotted name, as torch.nn.CrossEntropyLoss, means its last part; "0.5" is no such name.
    last = text.rpartition(".")[2] if re.fullmatch(r"[A-Za-z_][\w.]*", text) else text
    meant = words.get(squash(last))
    if meant is not None:
        return meant
    if name == "optimizer" and text:
        return "other"
    names = (*choices, *CLASS_NAMES) if name == "loss" else choices
    problem = f"expected {name} to be one of {', '.join(choices)}, but got {shown(raw)}"
    raise fail(problem, where, did_you_mean(text, names))


def _bool(name: str, raw: object, where: Location) -> bool:
    if isinstance(raw, bool):
        return raw
    text = raw.strip().lower() if isinstance(raw, str) else ""
    if text in ("true", "yes", "on"):
        return True
    if text in ("false", "no", "off"):
        return False
    raise fail(f"expected {name} to be true or false, but got {shown(raw)}", where)


def _number(name: str, raw: object, where: Location, *, whole: bool) -> int | float:
    wanted = "a whole number" if whole else "a number"
    problem = f"expected {name} to be {wanted}, but got {shown(raw)}"
    value: int | float
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise fail(problem, where)
    try:
        value = _parsed(raw) if isinstance(raw, str) else raw
        as_float = float(value)
    except (ValueError, OverflowError):
        raise fail(problem, where, _percent_hint(raw)) from None
    if not math.isfinite(as_float):
        raise fail(f"expected {name} to be finite, but got {shown(raw)}", where)
    if not whole:
        return as_float
    if value != int(value):
        raise fail(problem, where)
    if abs(value) > _LARGEST_INT:
        raise fail(f"expected {name} to be at most {_LARGEST_INT}, but got {shown(raw)}", where)
    return int(value)


def _parsed(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)  # YAML 1.1 reads 1e-3 as text; it means the number


def _percent_hint(raw: object) -> str:
    found = re.fullmatch(r"\s*([\d.]+)\s*%\s*", raw) if isinstance(raw, str) else None
    try:
        return f"write {float(found[1]) / 100:g}" if found else ""
    except ValueError:
        return ""


def _in_range(name: str, value: float, where: Location) -> float:
    meta = PLAN_FIELDS[name].metadata
    low, high = meta["low"], meta["high"]
    below = low is not None and (value <= low if meta["low_open"] else value < low)
    above = high is not None and (value >= high if meta["high_open"] else value > high)
    if below or above:
        raise fail(f"expected {name} to be {range_text(meta)}, but got {shown(value)}", where)
    return value


def _numbers(name: str, raw: object, where: Location) -> tuple[float, ...]:
    if isinstance(raw, str):  # from the command line: "0.2,1,1" or "[0.2, 1, 1]"
        raw = [part for part in re.split(r"[,\s]+", raw.strip().strip("[]")) if part]
    if not isinstance(raw, list | tuple) or (raw and isinstance(raw[0], Entry)):
        raise fail(f"expected {name} to be a list of numbers, but got {shown(raw)}", where)
    if not raw:
        raise fail(f"expected {name} to hold at least one number, but got an empty list", where)
    return tuple(float(_in_range(name, _number(name, item, where, whole=False), where)) for item in raw)


_UNITS = {"": 1, "b": 1} | {
    f"{prefix}{ending}": base**power
    for power, prefix in enumerate("kmgt", start=1)
    for ending, base in (("b", 1000), ("ib", 1024))
}


def _bytes(raw: object, where: Location) -> object:
    if not isinstance(raw, str):
        return raw
    found = re.fullmatch(r"\s*([\d.]+(?:e\+?\d+)?)\s*([a-z]*)\s*", raw.lower())
    try:
        if found:
            return round(float(found[1]) * _UNITS[found[2]])
    except (KeyError, ValueError, OverflowError):
        pass
    raise fail(f"expected memory_budget to be a size as 500MB or 2GiB, but got {shown(raw)}", where)


# All values together ------------------------------------------------------------------------------


def assemble(entries: Iterable[Entry], *, name: str, partial: bool = False) -> PlannedRun:
    """Validate the entries of one plan file or command line and make a run of them.

    Parameters
    ----------
    entries
        In the order of the file. ``loss`` may be a mapping with a ``name`` and fields of the loss,
        ``warmup`` a mapping of warm-up fields.
    name
        How the report calls the run.
    partial
        More is to come from elsewhere: nothing is held to be missing yet.

    Raises
    ------
    InputError
        For an unknown or repeated key, or a value that `coerce` or `settle` refuses.
    """
    given: dict[str, Entry] = {}
    for entry in _flattened(entries):
        before = given.get(entry.key)
        if before is not None:
            at = f" at line {before.key_where.line}" if before.key_where.line else ""
            raise fail(f"expected each key once, but '{entry.key}' was given before{at}", entry.key_where)
        given[entry.key] = entry
    _split_metric(given)
    loss = coerce("loss", given["loss"].value, given["loss"].where) if "loss" in given else None
    if loss == "sigmoid-focal" and "loss" in given and "task" in given:
        short = squash(str(given["loss"].value)) in ("focal", "focalloss")
        if short and coerce("task", given["task"].value, given["task"].where) == "multiclass":
            loss = "softmax-focal"
    _place_alpha(given, loss)
    values = {key: coerce(key, entry.value, entry.where) for key, entry in given.items()}
    if loss is not None:
        values["loss"] = loss
    values = {key: value for key, value in values.items() if value is not None}
    where = {key: given[key].where for key in values}
    elsewhere = set(PLAN_FIELDS) - set(values) if partial else set()
    return PlannedRun(plan=settle(values, where, elsewhere), name=name, where=where)


_GROUP_OF = {"loss": "Loss", "warmup": "Warm-up and temperature"}


def _flattened(entries: Iterable[Entry]) -> Iterable[Entry]:
    for entry in entries:
        nested = entry.value
        if entry.key in _GROUP_OF and isinstance(nested, tuple):
            yield from _members(entry.key, nested, entry.key_where)
        elif entry.key == "warmup":
            problem = f"expected warmup to be a mapping of warm-up fields, but got {shown(nested)}"
            raise fail(problem, entry.where, "give warmup_epochs or warmup_steps")
        else:
            _known(entry, PLAN_FIELDS)
            yield entry


def _members(section: str, nested: Sequence[Entry], where: Location) -> Iterable[Entry]:
    allowed = [name for name, spec in PLAN_FIELDS.items() if spec.metadata["group"] == _GROUP_OF[section]]
    if section == "loss" and not any(entry.key == "name" for entry in nested):
        raise fail("expected loss to be a name or to hold one, but it has no key 'name'", where)
    for entry in nested:
        if entry.key == "name":
            if section == "loss":
                yield Entry(key="loss", value=entry.value, where=entry.where, key_where=entry.key_where)
            continue
        if entry.key in PLAN_FIELDS and entry.key not in allowed:
            problem = f"expected a field of {section}, but got '{entry.key}'"
            raise fail(problem, entry.key_where, "it belongs at the top level of the plan")
        _known(entry, allowed)
        yield entry


def _known(entry: Entry, allowed: Iterable[str]) -> None:
    if entry.key in allowed:
        return
    meant = OTHER_NAMES.get(entry.key)
    hint = f"did you mean '{meant}'?" if meant and meant in allowed else did_you_mean(entry.key, allowed)
    raise fail(f"expected a field of the plan, but got {shown(entry.key)}", entry.key_where, hint)


def _split_metric(given: dict[str, Entry]) -> None:
    """Read ``recall@0.01`` and ``recall@1%`` as the metric and its quantile."""
    entry = given.get("metric")
    if entry is None or not isinstance(entry.value, str):
        return
    found = re.fullmatch(r"\s*recall@(?:q=?)?([\d.eE+-]+)(%?)\s*", entry.value)
    if found is None:
        return
    try:
        quantile = float(found[1]) / (100 if found[2] else 1)
    except ValueError:
        return  # told as an unknown metric
    given["metric"] = Entry(
        key="metric", value="recall_at_quantile", where=entry.where, key_where=entry.key_where
    )
    given.setdefault(
        "metric_quantile",
        Entry(key="metric_quantile", value=quantile, where=entry.where, key_where=entry.key_where),
    )


def _place_alpha(given: dict[str, Entry], loss: str | None) -> None:
    """Read alpha as the reference library does: a list weighs classes, null switches it off."""
    alpha = given.get("alpha")
    if alpha is None:
        return
    if isinstance(alpha.value, list) and loss != "pauc-at-budget":
        if "class_weights" in given:
            raise fail("expected alpha as a list or class_weights, but got both", alpha.key_where)
        given["class_weights"] = given.pop("alpha")
    elif alpha.value is None and loss == "sigmoid-focal":
        given["alpha"] = Entry(key="alpha", value=-1.0, where=alpha.where, key_where=alpha.key_where)


def settle(
    values: Mapping[str, Any],
    where: Mapping[str, Location],
    unreadable: Iterable[str] = (),
) -> TrainingPlan:
    """Make a plan of validated values, after the checks that need more than one of them.

    Cross-entropy with weights is the weighted loss, whichever name it was given.

    Parameters
    ----------
    values
        Field to value, as `coerce` returns them.
    where
        Field to place, for the message.
    unreadable
        Fields that are set to something unknown: checks that would need them are left out.
    """
    values = dict(values)
    if values.get("loss") == "bce" and values.get("pos_weight", 1) != 1:
        values["loss"] = "weighted-bce"
    if values.get("loss") == "ce" and "class_weights" in values:
        values["loss"] = "weighted-ce"
    unknown = frozenset(unreadable)
    for problem, field, hint in _conflicts(values, unknown):
        raise fail(problem, where.get(field, Location(path="")), hint)
    return TrainingPlan(**values)


def _conflicts(values: Mapping[str, Any], unknown: frozenset[str]) -> Iterable[tuple[str, str, str]]:
    """Yield (problem, field to point at, hint) for values that do not go together."""
    loss = values.get("loss")
    yield from _schedule_conflicts(values, unknown)
    if loss == "pauc-at-budget":
        filled = {name: LOSS_DEFAULTS[loss][name] for name in ("alpha", "beta") if name not in unknown}
        alpha, beta = (values.get(name, filled.get(name)) for name in ("alpha", "beta"))
        at = "alpha" if "alpha" in values else "beta"
        if alpha is not None and alpha < 0:
            yield f"expected alpha of pauc-at-budget to be at least 0, but got {alpha:g}", "alpha", ""
        if alpha is not None and beta is not None and alpha >= beta:
            yield f"expected alpha below beta, but got alpha {alpha:g} and beta {beta:g}", at, ""
    if loss == "sigmoid-focal" and -1 < values.get("alpha", 0) < 0:
        problem = f"expected alpha of sigmoid-focal to be from 0 to 1, but got {values['alpha']:g}"
        yield problem, "alpha", "-1 switches it off"
    if loss == "softmax-focal" and "alpha" in values:
        problem = f"expected alpha of softmax-focal to be a list, but got {values['alpha']:g}"
        yield problem, "alpha", "give one weight per class in class_weights"
    if loss not in (None, "softmax-focal") and values.get("reduction") == "mean_positive":
        yield f"expected reduction mean, sum or none for {loss}, but got mean_positive", "reduction", ""
    low, high = values.get("metric_fpr_low"), values.get("metric_fpr_high")
    if low is not None and high is not None and low >= high:
        problem = f"expected metric_fpr_low below metric_fpr_high, but got {low:g} and {high:g}"
        yield problem, "metric_fpr_high", ""
    classes = values.get("num_classes")
    weights = values.get("class_weights")
    if classes is not None and weights is not None and len(weights) != classes:
        problem = f"expected {classes} class weights (num_classes), but got {len(weights)}"
        yield problem, "class_weights", ""
    background = values.get("background_class")
    if classes is not None and background is not None and background >= classes:
        problem = f"expected background_class below num_classes {classes}, but got {background}"
        yield problem, "background_class", ""


def _schedule_conflicts(values: Mapping[str, Any], unknown: frozenset[str]) -> Iterable[tuple[str, str, str]]:
    """As the reference library's wrapper: the schedule counts epochs or steps, not both."""
    in_steps = "warmup_steps" in values
    if in_steps and values.get("warmup_epochs"):
        yield "expected warmup_epochs or warmup_steps, but got both", "warmup_steps", ""
    if in_steps and values.get("blend_epochs"):
        problem = "expected the blend in steps, as the warm-up, but got blend_epochs"
        yield problem, "blend_epochs", "give blend_steps"
    if "blend_steps" in values and not in_steps and "warmup_steps" not in unknown:
        problem = "expected warmup_steps together with blend_steps, but there is none"
        yield problem, "blend_steps", "with warmup_epochs, give blend_epochs"


# Options ------------------------------------------------------------------------------------------


def plan_from_options(values: Mapping[str, object]) -> PlannedRun:
    """Make a run of command line options.

    What one option needs of another is checked by `overlay`, since a file may give it.

    Parameters
    ----------
    values
        Field name to value, typed or as text; None where the option was not given.

    Raises
    ------
    InputError
        That names the option, as ``--queue-size``.
    """
    entries = []
    for key, value in values.items():
        if value is None:
            continue
        place = Location(path="--" + key.replace("_", "-"))
        raw = list(value) if isinstance(value, tuple) else value
        entries.append(Entry(key=key, value=raw, where=place, key_where=place))
    return assemble(entries, name=FROM_OPTIONS, partial=True)


_EITHER_OR = {
    "warmup_epochs": "warmup_steps",
    "warmup_steps": "warmup_epochs",
    "blend_epochs": "blend_steps",
    "blend_steps": "blend_epochs",
}


def overlay(run: PlannedRun, options: PlannedRun) -> PlannedRun:
    """Return the run with the options put on top: an option wins over the file.

    A warm-up given in steps replaces one given in epochs, and the other way round.

    Raises
    ------
    InputError
        Where an option and the file do not go together.
    """
    ours = options.plan.known()
    replaced = set(ours) | {_EITHER_OR[name] for name in ours if name in _EITHER_OR} - set(ours)
    kept = {name: value for name, value in run.plan.known().items() if name not in replaced}
    where = {name: place for name, place in run.where.items() if name not in replaced} | dict(options.where)
    unreadable = {name: reason for name, reason in run.unreadable.items() if name not in replaced} | dict(
        options.unreadable
    )
    return PlannedRun(
        plan=settle(kept | ours, where, unreadable),
        name=run.name or options.name,
        where=where,
        unreadable=unreadable,
        assumed={name: text for name, text in run.assumed.items() if name not in replaced},
    )
