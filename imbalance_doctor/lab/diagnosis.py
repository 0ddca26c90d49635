"""How right the diagnosis is on labelled runs: detection, causes, false alarms, and each rule's figures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from imbalance_doctor.causes import catalogue
from imbalance_doctor.diagnose import TrainedRun, diagnose
from imbalance_doctor.engine.loader import Rule
from imbalance_doctor.engine.odds import Odds, RuleOdds
from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import Series, TrainingLog
from imbalance_doctor.facts._numbers import wilson
from imbalance_doctor.lab.runs import Labelled, Progress, read_labels, silent
from imbalance_doctor.sources.logs import read_logs
from imbalance_doctor.sources.plans import read_plan

__all__ = ["LEVELS", "Answer", "answers", "at_level", "counted_odds", "figures", "measured_rules"]

LEVELS = (
    "loss and validation",
    "and gradients, scores, positives per batch",
    "and queue, pool, temperature",
    "and the plan",
)
"""Levels of sight, each with what the ones before it show."""

_OF_CLASSES = frozenset(
    (
        *("score_mean_negative", "score_mean_positive", "score_std_negative", "score_std_positive"),
        "positives",
    )
)
_OF_SCORES = _OF_CLASSES | frozenset(
    (
        *("gradient_norm", "gradient_norm_max", "gradient_norm_median", "learning_rate"),
        *("loss_mean", "loss_std", "loss_zero_share", "predicted_positive_share"),
        *("positives_in_batch", "batch_without_positives_share", "prevalence"),
        *("score_mean", "score_std", "score_absmax"),
    )
)
_SLACK = 0.1
"""Share of the run by which the named steps may miss the onset."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the tool says of one run."""

    label: Labelled
    verdict: str
    causes: tuple[str, ...]
    fired: Mapping[str, str]
    """Severity, by id of each rule that fired on the log."""
    led: frozenset[str] = frozenset()
    """Those of them that no other finding explains."""
    named: tuple[str, ...] = ()
    """Rules that speak for the first cause."""
    remedy: Mapping[str, Any] | None = None
    """Plan values that are suggested for the first cause."""
    on_time: bool = False
    """Whether the steps named for the first cause hold the onset."""

    @property
    def alarm(self) -> bool:
        """Whether the run is called faulty."""
        return self.verdict == "faulty"

    def right(self, places: int) -> bool:
        """Whether a right cause is among the first ones named."""
        return self.alarm and bool(set(self.causes[:places]) & set(self.label.causes))


def at_level(log: TrainingLog, level: int) -> TrainingLog:
    """Return the log with only the series of a level of sight."""

    def kept(series: Series) -> bool:
        if level >= 2:  # noqa: PLR2004  the third level holds everything
            return True
        if series.phase == "val":
            return level == 1 or series.name not in _OF_CLASSES
        return (series.name == "loss" and not series.part) or (level == 1 and series.name in _OF_SCORES)

    return replace(log, series=tuple(s for s in log.series if kept(s)))


def answers(
    folder: Path,
    rules: Sequence[Rule],
    level: int,
    *,
    only: Callable[[Labelled], bool] | None = None,
    progress: Progress = silent,
) -> list[Answer]:
    """Read and diagnose every labelled run of a folder at a level of sight, 0 to 3.

    A log that the tool cannot read as one run is an answer too: 'cannot tell'.
    """
    labels = [label for label in read_labels(folder) if only is None or only(label)]
    found = []
    for done, label in enumerate(labels, 1):
        found.append(_answer(folder / "runs" / label.name, label, rules, level))
        progress(done, len(labels))
    return found


def _answer(run: Path, label: Labelled, rules: Sequence[Rule], level: int) -> Answer:
    if not run.is_dir():
        raise InputError(
            "expected the folder of a labelled run, but there is none", where=str(run),
            hint=f"delete its label, or make it again with `lab run {label.kind}`",
        )  # fmt: skip
    paths = sorted(p for p in run.iterdir() if p.name not in {"plan.yaml", "val.scores"})
    logs = [log for reading in read_logs([str(p) for p in paths]) for log in reading.runs]
    if len(logs) != 1:
        return Answer(label=label, verdict="cannot tell", causes=(), fired={})
    plans = read_plan(str(run / "plan.yaml")) if level == 3 else ()  # noqa: PLR2004  the level with the plan
    trained = diagnose(rules, logs=[at_level(logs[0], level)], runs=plans).trained[0]
    first = trained.causes[0] if trained.causes else None
    return Answer(
        label=label,
        verdict=trained.verdict,
        causes=tuple(cause.id for cause in trained.causes),
        fired={f.rule: f.severity for f in trained.findings if f.from_log},
        led=frozenset(f.rule for f in trained.findings if f.rule not in trained.explained),
        named=tuple(f.rule for f in first.findings) if first else (),
        remedy=first.suggest or None if first else None,
        on_time=_on_time(trained, label),
    )


def _on_time(trained: TrainedRun, label: Labelled) -> bool:
    """Whether the steps that speak for the first cause hold the onset of the fault."""
    if not trained.causes:
        return False
    slack = _SLACK * label.steps
    spans = [span for finding in trained.causes[0].findings for span in finding.seen]
    if not spans:
        return False
    # A log by epochs names epochs; its axis is brought to steps by its length.
    series = [s for s in trained.log.series if len(s)]
    end = max((float(s.steps[-1]) for s in series), default=0.0)
    scale = label.steps / end if end else 1.0
    return any(
        span.first * scale - slack <= label.onset <= span.last * scale + slack
        or (label.onset <= slack and span.first * scale <= label.steps)
        for span in spans
    )


def figures(said: Iterable[Answer]) -> dict[str, Any]:
    """Return the figures of merit: shares, each with its 95 % interval and counts."""
    said = list(said)
    harmed = [a for a in said if a.label.harmed]
    clean = [a for a in said if a.label.clean]
    healthy = [a for a in clean if not a.label.causes]
    named = [a for a in harmed if a.right(1)]
    by_cause: dict[str, list[Answer]] = defaultdict(list)
    for answer in harmed:
        by_cause[answer.label.causes[0]].append(answer)
    return {
        **_told(harmed),
        "severe": _told([a for a in harmed if a.label.harm == "severe"]),
        **_share("false_alarms", sum(a.alarm for a in clean), len(clean)),
        **_share("false_alarms_on_healthy", sum(a.alarm for a in healthy), len(healthy)),
        **_share("evidence_on_time", sum(a.on_time for a in named), len(named)),
        **_share("cannot_tell", sum(a.verdict == "cannot tell" for a in said), len(said)),
        **_share("noted_on_healthy", sum(bool(a.fired) for a in healthy), len(healthy)),
        "faulty_runs": len(harmed),
        "clean_runs": len(clean),
        "healthy_runs": len(healthy),
        "unsure_runs": len(said) - len(harmed) - len(clean),
        "by_cause": {
            cause: {
                "runs": len(group),
                "detected": sum(a.alarm for a in group),
                "top1": sum(a.right(1) for a in group),
                "top3": sum(a.right(3) for a in group),
                "named_instead": dict(
                    Counter(a.causes[0] if a.causes else "none" for a in group if not a.right(1))
                ),
            }
            for cause, group in sorted(by_cause.items())
        },
    }


def _told(harmed: Sequence[Answer]) -> dict[str, Any]:
    """Return how many of some harmed runs were noticed, and how many of their causes were named."""
    return {
        **_share("detection", sum(a.alarm for a in harmed), len(harmed)),
        **_share("top1", sum(a.right(1) for a in harmed), len(harmed)),
        **_share("top3", sum(a.right(3) for a in harmed), len(harmed)),
    }


def _share(name: str, hits: int, total: int) -> dict[str, Any]:
    """Return a share with its 95 % interval and its counts; None where there is nothing to count."""
    low, high = wilson(hits, total) if total else (None, None)
    share = hits / total if total else None
    return {name: share, f"{name}_low": low, f"{name}_high": high, f"{name}_of": [hits, total]}


def measured_rules(said: Iterable[Answer], rules: Iterable[Rule]) -> dict[str, dict[str, int]]:
    """Return each rule's figures: how often it fires where its cause is right, and where nothing is wrong.

    Counted over runs that were harmed or are clean; those whose harm is unsure are left out.
    """
    said = [a for a in said if a.label.harmed or a.label.clean]
    clean = [a for a in said if a.label.clean]
    found = {}
    for rule in rules:
        if rule.cause not in catalogue() or "log" not in rule.inputs:
            continue
        own = [a for a in said if a.label.harmed and rule.cause in a.label.causes]
        found[rule.id] = {
            "fires_right": sum(rule.id in a.fired for a in own),
            "right": len(own),
            "fires_clean": sum(rule.id in a.fired for a in clean),
            "clean": len(clean),
            "fires": sum(rule.id in a.fired for a in said),
            "leads": len(leads := [a for a in said if rule.id in a.fired and rule.id in a.led]),
            "leads_right": sum(
                rule.cause in a.label.causes and (a.label.harmed or rule.severity == "note") for a in leads
            ),
            "fires_harmless": sum(rule.id in a.fired and rule.cause in a.label.causes for a in clean),
        }
    return found


def counted_odds(said: Iterable[Answer], about: Mapping[str, Any]) -> Odds:
    """Count on how many harmed runs of each cause each rule fired; `said` may hold several levels."""
    harmed = [a for a in said if a.label.harmed]
    by_rule: dict[str, list[Answer]] = defaultdict(list)
    for answer in harmed:
        for rule in answer.fired:
            by_rule[rule].append(answer)

    def causes(group: Iterable[Answer]) -> dict[str, int]:
        return dict(sorted(Counter(cause for a in group for cause in a.label.causes).items()))

    return Odds(
        about=about,
        harmed=len(harmed),
        causes=causes(harmed),
        rules={
            rule: RuleOdds(fires=len(group), causes=causes(group)) for rule, group in sorted(by_rule.items())
        },
    )
