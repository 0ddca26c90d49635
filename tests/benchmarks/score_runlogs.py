"""How well `diagnose` judges training runs whose fault is known.

Run ``python tests/benchmarks/score_runlogs.py [FOLDER] [--level 0|1|2] [--dataset NAME] [--wrong]``. FOLDER
(default: the shared run logs) holds files named ``FAULT__DATASET__sSEED.jsonl``, whose first line describes
the run and is never shown to the tool. Each run is diagnosed without a plan at three levels of sight:

    0   the loss and the validation metrics
    1   also gradient norm, score statistics and positives per batch
    2   everything

The lab of this package makes such runs itself and scores them against their own twins; this scores a set that
others made.

Which runs count as harmful is judged by each run's own outcome: its last validation average precision
against the median of the healthy runs with the same loss on the same data. Where that is not lower by more
than 0.02, a warning is a false alarm, whatever was done to the run.
"""

import argparse
import math
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from imbalance_doctor.diagnose import diagnose
from imbalance_doctor.engine import load_rules
from imbalance_doctor.evidence import TrainingLog
from imbalance_doctor.facts._numbers import wilson
from imbalance_doctor.lab.diagnosis import LEVELS, at_level
from imbalance_doctor.sources.logs import read_logs

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "runlogs"
CAUSES = {
    "F01": ("temperature-above-spread",),
    "F02": ("temperature-below-resolution",),
    "F03": ("pool-without-positives", "no-valid-class", "few-live-positives"),
    "F04": ("pool-without-positives",),
    "F05": ("quantile-below-prevalence", "cap-changes-objective"),
    "F06": ("quantile-unresolved", "score-runaway"),
    "F07": ("score-runaway",),
    "F08": ("score-runaway",),
    "F09": ("band-starved",),
    "F10": ("degenerate-dispersion", "no-valid-class"),
    "F11": ("few-live-positives",),
    "F12": ("noisy-positives",),
    "F13": ("noisy-positives",),
    "F14": ("missing-gather",),
    "F15": ("poisoned-queue",),
    "F16": ("temperature-below-resolution", "dead-positives"),
    "F17": ("unstable-gamma",),
    "F18": ("learning-rate-too-high",),
    "F19": ("learning-rate-too-low",),
    "F20": ("not-separable",),
    "F21": ("warmup-too-long",),
    "F22": ("alpha-misconfigured", "majority-collapse"),
    "F23": ("alpha-misconfigured", "majority-collapse"),
    "F24": ("alpha-misconfigured",),
    "F25": ("stale-queue",),
    "F26": ("state-lost-on-resume",),
    "F27": ("cap-changes-objective", "quantile-below-prevalence"),
    "F28": ("evaluation-inverted", "labels-misencoded"),
    "F29": ("no-valid-class",),
    "F30": ("minority-overfit",),
    "F31": ("schedule-not-wired", "temperature-above-spread"),
}
"""Right answers, by fault."""

HARMLESS = {"F09", "F12", "F13", "F14", "F15", "F21", "F25", "F26"}
"""Faults that do no harm on average: they may be named in a note, and not above."""

TWINS = {
    "H_sap_cold_tau1": ("F01", "F02", "F03", "F04", "F14", "F16", "F25", "F29"),
    "H_sap": ("F15", "F21", "F26", "F31"),
    "H_raq_blend": ("F05", "F06", "F07", "F27"),
    "H_pauc_pair": ("F08", "F09", "F10", "F11"),
    "H_focal": ("F12", "F17", "F22", "F23"),
    "H_bce": ("F13", "F18", "F19", "F20", "F28", "F30"),
    "H_wbce": ("F24",),
}
"""Healthy runs with the loss of each fault."""

HARM = 0.02


@dataclass(kw_only=True)
class Run:
    """One labelled run."""

    fault: str
    dataset: str
    seed: str
    log: TrainingLog
    harmful: bool = False
    outcome: float = math.nan

    @property
    def id(self) -> str:
        return self.fault.split("_")[0]

    @property
    def name(self) -> str:
        return f"{self.fault} {self.dataset} {self.seed}"


@dataclass(kw_only=True)
class Answer:
    """What the tool says of one run."""

    run: Run
    verdict: str
    causes: list[str]
    fired: dict[str, str] = field(default_factory=dict)
    """Severity, by id of each rule that reads the log."""

    @property
    def alarm(self) -> bool:
        return self.verdict == "faulty"

    def right(self, places: int) -> bool:
        return bool(set(self.causes[:places]) & set(CAUSES.get(self.run.id, ())))


def runs(folder: Path = FOLDER) -> list[Run]:
    """Read every labelled run, and judge by its outcome whether it was harmed."""
    found = []
    with TemporaryDirectory() as place:
        for path in sorted(folder.glob("*.jsonl")):
            fault, dataset, seed = path.stem.split("__")
            log = _log(path.read_text().splitlines(), Path(place) / "metrics.jsonl")
            found.append(Run(fault=fault, dataset=dataset, seed=seed, log=log))
    for run in found:
        run.outcome = _last(run.log)
    healthy: dict[tuple[str, str], list[float]] = defaultdict(list)
    for run in found:
        healthy[run.fault, run.dataset].append(run.outcome)
    twin = {fault: name for name, faults in TWINS.items() for fault in faults}
    for run in found:
        if run.id in HARMLESS or run.id not in twin:
            continue
        own = 0.0 if math.isnan(run.outcome) else run.outcome
        # An inverted validation spoils the figure that would tell the harm.
        run.harmful = run.id == "F28" or own - statistics.median(healthy[twin[run.id], run.dataset]) <= -HARM
    return found


def _last(log: TrainingLog) -> float:
    """Return the median of the last values of validation average precision."""
    series = log.get("average_precision", "val")
    return math.nan if series is None else statistics.median(series.values[-6:].tolist())


def _log(lines: list[str], path: Path) -> TrainingLog:
    """Read the lines as the tool reads a file, without the first one, which tells the answer."""
    path.write_text("".join(f"{line}\n" for line in lines[1:]))
    (log,) = read_logs([str(path)])[0].runs
    return log


def answers(found: list[Run], level: int) -> list[Answer]:
    """Diagnose every run at a level of sight."""
    rules = load_rules()
    said = []
    for run in found:
        trained = diagnose(rules, logs=[at_level(run.log, level)]).trained[0]
        said.append(
            Answer(
                run=run,
                verdict=trained.verdict,
                causes=[cause.id for cause in trained.causes],
                fired={f.rule: f.severity for f in trained.findings if f.from_log},
            )
        )
    return said


def rates(said: list[Answer]) -> dict[str, tuple[int, int]]:
    """Return hits and total of each figure of merit."""
    harmful = [a for a in said if a.run.harmful]
    harmless = [a for a in said if not a.run.harmful]
    faulty = [a for a in said if a.run.id in CAUSES]
    return {
        "detection": (sum(a.alarm for a in harmful), len(harmful)),
        "detection, by fault": (
            sum(a.alarm for a in faulty if a.run.id not in HARMLESS),
            sum(a.run.id not in HARMLESS for a in faulty),
        ),
        "top-1": (sum(a.right(1) for a in harmful), len(harmful)),
        "top-3": (sum(a.right(3) for a in harmful), len(harmful)),
        "top-1, all faults": (sum(a.right(1) for a in faulty), len(faulty)),
        "false alarms": (sum(a.alarm for a in harmless), len(harmless)),
        "  of healthy": (
            sum(a.alarm for a in harmless if a.run.fault.startswith("H")),
            sum(a.run.fault.startswith("H") for a in harmless),
        ),
        "notes on healthy": (
            sum(bool(a.fired) for a in harmless if a.run.fault.startswith("H")),
            sum(a.run.fault.startswith("H") for a in harmless),
        ),
        "cannot tell": (sum(a.verdict == "cannot tell" for a in said), len(said)),
    }


def _print(said: list[Answer], *, wrong: bool) -> None:
    for name, (hits, total) in rates(said).items():
        low, high = wilson(hits, total)
        print(f"  {name:20} {hits:4} of {total:4}  {hits / max(total, 1):6.1%}  [{low:.1%}, {high:.1%}]")
    print("\n  fault                    harmful alarms right top-3   named first")
    by_fault: dict[str, list[Answer]] = defaultdict(list)
    for answer in said:
        by_fault[answer.run.fault].append(answer)
    for fault, group in by_fault.items():
        first = Counter(a.causes[0] if a.causes else "-" for a in group)
        named = ", ".join(f"{cause} {count}" for cause, count in first.most_common())
        print(
            f"  {fault:24} {sum(a.run.harmful for a in group):4} of {len(group)}"
            f" {sum(a.alarm for a in group):4} {sum(a.right(1) for a in group):5}"
            f" {sum(a.right(3) for a in group):5}   {named}"
        )
    print(
        "\n  rule                                          severity  fires  right  of its faults  on healthy"
    )
    causes = {rule.id: rule.cause for rule in load_rules()}
    for rule in sorted({rule for a in said for rule in a.fired}):
        fired = [a for a in said if rule in a.fired]
        own = [a for a in said if causes[rule] in CAUSES.get(a.run.id, ())]
        hits = sum(a in own for a in fired)
        healthy = sum(a.run.fault.startswith("H") for a in fired)
        print(
            f"  {rule:45} {fired[0].fired[rule]:8} {len(fired):6} {hits:6}"
            f" {hits:8} of {len(own):3} {healthy:8}"
        )
    if not wrong:
        return
    print()
    for a in said:
        if a.alarm != a.run.harmful or (a.run.harmful and not a.right(1)):
            harm = "harmful" if a.run.harmful else "harmless"
            print(f"  {a.run.name} ({harm}, {a.run.outcome:.3f}): {a.verdict}; {a.causes[:3]} {a.fired}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--level", type=int, choices=(0, 1, 2))
    parser.add_argument("--dataset", help="score the runs on one data set alone")
    parser.add_argument("--wrong", action="store_true", help="list every wrong answer")
    given = parser.parse_args()
    found = [run for run in runs(given.folder) if given.dataset in {None, run.dataset}]
    for level in (0, 1, 2) if given.level is None else (given.level,):
        print(f"\nLevel {level}: {LEVELS[level]}")
        _print(answers(found, level), wrong=given.wrong)


if __name__ == "__main__":
    main()
