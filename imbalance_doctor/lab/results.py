"""What the lab measured, stored: how right diagnosis, advice and claims are, with date, seed and versions.

``results.json`` beside this module has one object for each part that was measured, and a part is replaced
without touching the others::

    {"diagnosis": {"about": {"date": "2026-11-21", "seed": 0, "versions": {"torch": "2.13.0"},
                             "seconds": 930},
                   "figures": {...}},
     "advice": {"about": {...}, "figures": {...}}}

Claims of the documents, measured again, lie beside the rules that they bear on, in ``claims.json``.
Figures of a part may hold more than `Results.as_json` prints; what it prints is checked when it is read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, get_args

from imbalance_doctor import __version__
from imbalance_doctor.engine.document import read_document
from imbalance_doctor.engine.figures import Measured
from imbalance_doctor.errors import did_you_mean

__all__ = ["PATH", "TARGETS", "About", "Part", "Results", "Target", "store", "store_figures"]

PATH = Path(__file__).with_name("results.json")
Name = Literal["diagnosis", "advice", "claims"]
NAMES: tuple[Name, ...] = get_args(Name)

_SHARES = ("detection", "top1", "top3", "false_alarms")
_LOSS_ONLY = (*_SHARES, "cannot_tell")
_COUNTS = ("runs", "detected", "top1", "top3")
_REGRETS = ("mean_regret", "worst_regret")
_CLAIM = ("id", "document", "measured", "verdict")


@dataclass(frozen=True, kw_only=True)
class About:
    """How a part was measured.

    Attributes
    ----------
    date
        ISO 8601.
    seed, seeds
        The first seed, and how many.
    versions
        Of this package and what it was measured with, by name.
    seconds
        It took.
    """

    date: str
    seed: int
    versions: Mapping[str, str]
    seconds: float
    seeds: int = 1

    @classmethod
    def now(cls, *, seed: int, seconds: float, seeds: int = 1) -> Self:
        """Return today's date, and the versions of what is installed here."""
        import platform
        from datetime import UTC, datetime
        from importlib.metadata import PackageNotFoundError, version

        versions = {"imbalance-doctor": __version__, "python": platform.python_version()}
        for name in ("numpy", "torch", "imbalanced-losses"):
            try:
                versions[name] = version(name)
            except PackageNotFoundError:
                continue
        today = datetime.now(UTC).date().isoformat()
        return cls(date=today, seed=seed, seeds=seeds, versions=versions, seconds=seconds)

    @classmethod
    def of(cls, value: Any) -> Self:
        """Check what a file holds.

        Raises
        ------
        ValueError
            Saying what is wrong with it.
        """
        keys = ("date", "seed", "versions", "seconds")
        known = _table(value, "about", keys)
        if not isinstance(known["date"], str) or not known["date"]:
            raise ValueError(f"about.date: expected a date, but got {_said(known['date'])}")
        if type(known["seed"]) is not int:
            raise ValueError(f"about.seed: expected a whole number, but got {_said(known['seed'])}")
        seeds = known.get("seeds", 1)
        if type(seeds) is not int or seeds < 1:
            raise ValueError(f"about.seeds: expected a whole number from 1, but got {_said(seeds)}")
        versions = _table(known["versions"], "about.versions")
        for name, text in versions.items():
            if not isinstance(text, str):
                raise ValueError(f"about.versions.{name}: expected text, but got {_said(text)}")  # noqa: TRY004
        _number(known, "about", "seconds")
        return cls(**{key: known[key] for key in keys}, seeds=seeds)

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        seeds = f"seed {self.seed}"
        if self.seeds > 1:
            seeds = f"seeds {self.seed} to {self.seed + self.seeds - 1}"
        return f"{self.date}, {seeds}" + (f", {versions}" if versions else "")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Figures of one part, and how they were measured."""

    about: About
    figures: Any


@dataclass(frozen=True, kw_only=True)
class Results:
    """All that was measured; None for a part that was not."""

    diagnosis: Part | None = None
    advice: Part | None = None
    claims: Part | None = None

    @property
    def parts(self) -> Mapping[Name, Part]:
        """Those that were measured, by name."""
        return {name: part for name in NAMES if (part := getattr(self, name)) is not None}

    @classmethod
    def load(cls, path: Path = PATH) -> Self:
        """Read what is stored, claims from beside the rules; nothing was measured where there is no file.

        Raises
        ------
        InputError
            The file cannot be read, or holds something else.
        """
        found = read_document(path, cls.of, what="results") or cls()
        return replace(found, claims=_claims()) if path == PATH else found

    @classmethod
    def of(cls, document: Any) -> Self:
        """Check a document.

        Raises
        ------
        ValueError
            Saying where it is not as it should be.
        """
        parts = {}
        for name, value in _table(document, "results").items():
            if name not in NAMES:
                hint = did_you_mean(name, NAMES) or f"the parts are {', '.join(NAMES)}"
                raise ValueError(f"unknown part '{name}'; {hint}")
            try:
                body = _table(value, "part", ("about", "figures"))
                _CHECKS[name](body["figures"])
                parts[name] = Part(about=About.of(body["about"]), figures=body["figures"])
            except ValueError as error:
                raise ValueError(f"{name}.{error}") from None
        return cls(**parts)

    def save(self, path: Path = PATH) -> None:
        """Write all parts, after the checks of reading.

        Raises
        ------
        ValueError
            A part is not as it should be, or holds a number that is not finite.
        """
        document = {
            name: asdict(part) for name, part in self.parts.items() if name != "claims" or path != PATH
        }
        text = json.dumps(document, indent=1, allow_nan=False) + "\n"
        self.of(json.loads(text))
        waiting = path.with_suffix(".part")
        waiting.write_text(text, encoding="utf-8")
        waiting.replace(path)

    def as_json(self) -> dict[str, Any]:
        """Return the figures, ready to print; None for a part that was not measured.

        A share ``x`` (0-1) comes with ``x_low`` and ``x_high``, its 95 % interval.
        """
        return {
            "diagnosis": None if self.diagnosis is None else _diagnosis(self.diagnosis.figures),
            "advice": None if self.advice is None else _advice(self.advice.figures),
            "claims": (
                None
                if self.claims is None
                else [{key: claim[key] for key in _CLAIM} for claim in self.claims.figures]
            ),
        }


def _claims() -> Part | None:
    """Return the claims that are stored beside the built-in rules."""
    from imbalance_doctor.engine.loader import builtin_root
    from imbalance_doctor.lab.claims import read_claims

    path = builtin_root() / "claims.json"
    if not isinstance(path, Path) or not path.is_file():  # inside a zip file there is no path
        return None
    known = read_claims(path)
    about = About(
        date=known["date"],
        seed=known["seed"],
        versions=known["versions"],
        seconds=sum(claim["seconds"] for claim in known["claims"]),
    )
    return Part(about=about, figures=known["claims"])


def store(name: Name, figures: Any, about: About, path: Path = PATH) -> Results:
    """Replace one part of what is stored, and return all.

    Raises
    ------
    InputError
        What is stored cannot be read.
    ValueError
        The figures are not as they should be.
    """
    results = replace(Results.load(path), **{name: Part(about=about, figures=figures)})
    results.save(path)
    return results


def store_figures(rules: Mapping[str, Mapping[str, int]], about: About, *, runs: int, path: Path) -> Measured:
    """Write the figures of rules beside them, for `engine.figures` to read.

    Parameters
    ----------
    rules
        Counts by id of the rule.
    runs
        Labelled runs they were counted on.
    path
        ``measured.json`` in the directory of the rules.

    Raises
    ------
    ValueError
        The counts contradict each other.
    """
    measured = Measured.of({"about": {**asdict(about), "runs": runs}, "rules": dict(rules)})
    document = measured.document()
    lines = [f"{json.dumps(rule)}: {json.dumps(counts)}" for rule, counts in document["rules"].items()]
    body = ",\n  ".join(lines)  # a line for each rule, so that a difference shows which one changed
    text = f'{{"about": {json.dumps(document["about"])},\n "rules": {{\n  {body}\n }}}}\n'
    path.write_text(text, encoding="utf-8")
    return measured


# -- targets -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a figure should reach.

    Attributes
    ----------
    figure
        Its place in `Results.as_json`, as ``diagnosis.loss_only.detection``. Beside what is there,
        ``advice.contested_regret`` is the worst regret in worlds of a contested top.
    least, most
        Where it should be at least, or at most; neither where nothing was set out for it.
    what
        The figure in words.
    share
        Whether it is a share, and shown in per cent.
    """

    figure: str
    what: str
    least: float | None = None
    most: float | None = None
    share: bool = True

    @property
    def part(self) -> str:
        """The part that it is about."""
        return self.figure.partition(".")[0]

    def value(self, results: Results, end: str = "") -> float | None:
        """Return the figure, or an end of its interval (``_low``, ``_high``); None where it is not known."""
        found: Any = results.as_json()
        if results.advice is not None:
            found["advice"]["contested_regret"] = _contested(results.advice.figures["by_dataset"])
        for key in (self.figure + end).split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        return None if found is None else float(found)

    def met(self, results: Results) -> bool | None:
        """Return whether the figure reaches it; None where it was not measured, or nothing was set out."""
        value = self.value(results)
        if value is None or self.least is self.most:
            return None
        return value >= self.least if self.least is not None else value <= (self.most or 0.0)


TARGETS = (
    Target(figure="diagnosis.detection", least=0.95, what="harmed runs noticed"),
    Target(figure="diagnosis.top1", least=0.85, what="right cause named first"),
    Target(figure="diagnosis.top3", least=0.95, what="right cause among the first three"),
    Target(figure="diagnosis.false_alarms", most=0.02, what="false alarms on healthy and unharmed runs"),
    Target(
        figure="diagnosis.loss_only.detection",
        least=0.75,
        what="harmed runs noticed by loss and validation alone",
    ),
    Target(
        figure="diagnosis.loss_only.false_alarms",
        most=0.03,
        what="false alarms by loss and validation alone",
    ),
    Target(figure="diagnosis.loss_only.top1", what="right cause named first by loss and validation alone"),
    Target(
        figure="diagnosis.loss_only.cannot_tell", what="verdict 'cannot tell' by loss and validation alone"
    ),
    Target(figure="diagnosis.severe.detection", what="severely harmed runs noticed (0.10 or more lost)"),
    Target(figure="diagnosis.severe.top1", what="right cause named first on these"),
    Target(figure="diagnosis.remedies.recovered", least=0.7, what="remedies that undo half of the harm"),
    Target(figure="advice.mean_regret", most=0.008, share=False, what="mean regret of the advice"),
    Target(figure="advice.worst_regret", most=0.04, share=False, what="worst regret of the advice"),
    Target(
        figure="advice.contested_regret",
        most=0.02,
        share=False,
        what="worst regret in worlds of a contested top",
    ),
    Target(
        figure="advice.interval_coverage", least=0.9, what="stated intervals that hold the gain that came"
    ),
)
"""What was set out to be reached, before anything was measured."""


# -- what is printed ---------------------------------------------------------


def _with_ends(figures: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    keys = (f"{name}{end}" for name in names for end in ("", "_low", "_high"))
    return {key: figures[key] for key in keys if key in figures}


def _diagnosis(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_with_ends(figures, _SHARES),
        "faulty_runs": figures["faulty_runs"],
        "clean_runs": figures["clean_runs"],
        "by_cause": {
            cause: {key: counts[key] for key in _COUNTS} for cause, counts in figures["by_cause"].items()
        },
        "loss_only": _with_ends(figures["loss_only"], _LOSS_ONLY),
        **{
            part: _with_ends(figures[part], names)
            for part, names in (("severe", ("detection", "top1", "top3")), ("remedies", ("recovered",)))
            if part in figures
        },
    }


def _advice(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_with_ends(figures, (*_REGRETS, "interval_coverage")),
        "by_dataset": figures["by_dataset"],
    }


def _contested(by_dataset: Mapping[str, Mapping[str, Any]]) -> float | None:
    """Return the worst regret in worlds of a contested top; None where there is none."""
    regrets = (row["regret"] for name, row in by_dataset.items() if name.startswith("contested"))
    return max(regrets, default=None)


# -- checks ------------------------------------------------------------------


def _check_diagnosis(figures: Any) -> None:
    keys = (*_SHARES, "faulty_runs", "clean_runs", "by_cause", "loss_only")
    known = _table(figures, "figures", keys)
    _shares(known, "figures", _SHARES)
    for name in ("faulty_runs", "clean_runs"):
        _count(known, "figures", name)
    for cause, counts in _table(known["by_cause"], "figures.by_cause").items():
        where = f"figures.by_cause.{cause}"
        _table(counts, where, _COUNTS)
        for name in _COUNTS:
            _count(counts, where, name, most=None if name == "runs" else counts["runs"])
    _shares(_table(known["loss_only"], "figures.loss_only", _LOSS_ONLY), "figures.loss_only", _LOSS_ONLY)


def _check_advice(figures: Any) -> None:
    known = _table(figures, "figures", (*_REGRETS, "interval_coverage", "by_dataset"))
    for name in _REGRETS:
        _number(known, "figures", name)
    _shares(known, "figures", ("interval_coverage",))
    for name, row in _table(known["by_dataset"], "figures.by_dataset").items():
        where = f"figures.by_dataset.{name}"
        _number(_table(row, where, ("regret",)), where, "regret")


def _check_claims(figures: Any) -> None:
    if not isinstance(figures, list):
        raise ValueError(f"figures: expected a list of claims, but got {_said(figures)}")  # noqa: TRY004
    for number, claim in enumerate(figures):
        where = f"figures[{number}]"
        _table(claim, where, _CLAIM)
        for key in _CLAIM:
            if not isinstance(claim[key], str) and not (key == "verdict" and claim[key] is None):
                raise ValueError(f"{where}.{key}: expected text, but got {_said(claim[key])}")


_CHECKS: Mapping[str, Callable[[Any], None]] = {
    "diagnosis": _check_diagnosis,
    "advice": _check_advice,
    "claims": _check_claims,
}


def _shares(figures: Mapping[str, Any], where: str, names: Iterable[str]) -> None:
    """Check shares with the ends of their intervals, all of them None where there was nothing to count."""
    for name in names:
        keys = (f"{name}_low", name, f"{name}_high")
        _table(figures, where, keys)
        low, share, high = values = [figures[key] for key in keys]
        if values != [None] * 3 and not (all(map(_is_number, values)) and 0 <= low <= share <= high <= 1):
            raise ValueError(
                f"{where}.{name}: expected a share from 0 to 1 inside its interval, but got {_said(values)}"
            )


def _count(figures: Mapping[str, Any], where: str, name: str, *, most: int | None = None) -> None:
    value = figures[name]
    if type(value) is not int or value < 0 or (most is not None and value > most):
        limit = "" if most is None else f" up to {most}"
        raise ValueError(f"{where}.{name}: expected a count{limit}, but got {_said(value)}")


def _number(figures: Mapping[str, Any], where: str, name: str) -> None:
    if not _is_number(figures[name]):
        raise ValueError(f"{where}.{name}: expected a number, but got {_said(figures[name])}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _table(value: Any, where: str, keys: Iterable[str] = ()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected a table, but got {_said(value)}")  # noqa: TRY004  a document's mistake
    for key in keys:
        if key not in value:
            raise ValueError(f"{where}: expected the key '{key}', but it is missing")
    return value


def _said(value: Any) -> str:
    return json.dumps(value)[:60]
