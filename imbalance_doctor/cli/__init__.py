"""The command line: parse, call, print, exit code. No arithmetic and no wording of findings."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imbalance_doctor import __version__
from imbalance_doctor.cli import lab
from imbalance_doctor.cli._options import FACTS, REPORTS, options
from imbalance_doctor.cli._output import page, progress_bar, write
from imbalance_doctor.errors import DoctorError, InputError

if TYPE_CHECKING:
    from imbalance_doctor.diagnose import Diagnosis
    from imbalance_doctor.engine.rulebook import RuleBook
    from imbalance_doctor.evidence import LabelCounts, PlannedRun, ScoreDump, TrainingLog
    from imbalance_doctor.replay.settings import ReplaySettings
    from imbalance_doctor.sources.config import Config

app = typer.Typer(
    name="imbalance-doctor",
    help="Tells whether an imbalanced-classification setup can work, before and after training.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
rules_app = typer.Typer(help="Every rule: what it says, why, and its tests.", no_args_is_help=True)
plan_app = typer.Typer(help="The training plan: its fields, and an example per loss.", no_args_is_help=True)
app.add_typer(rules_app, name="rules")
app.add_typer(plan_app, name="plan")
app.add_typer(lab.app, name="lab")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"imbalance-doctor {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Tells whether an imbalanced-classification setup can work, before and after training."""


_RECOMMEND_EXAMPLES = """
Examples:

    imbalance-doctor recommend --labels y.npy

    imbalance-doctor recommend --labels data.csv --column label --metric roc_auc

    imbalance-doctor recommend --labels 'shards/*.npy' --loss smooth-ap --batch-size 256 --world-size 8

    imbalance-doctor recommend --labels y.npy --plan-out train.yaml
"""


@app.command(epilog=_RECOMMEND_EXAMPLES)
@options("inputs", "output", "policy", "rulebook", "plan", formats=REPORTS)
def recommend(
    inputs: SimpleNamespace,
    plan: SimpleNamespace,
    rulebook: SimpleNamespace,
    output: SimpleNamespace,
    policy: SimpleNamespace,
    plan_out: Annotated[
        Path | None,
        typer.Option(
            "--plan-out",
            metavar="FILE",
            rich_help_panel="Output",
            help="Write the recommended plan; `check --plan FILE` reads it.",
        ),
    ] = None,
) -> None:
    """Recommend a loss, `queue_size`, `max_pool_size` and everything around them."""
    from imbalance_doctor.diagnose import diagnose
    from imbalance_doctor.recommend.advise import recommend as advise

    config, book = _setting(policy, rulebook)
    labels = _labels(inputs, plan)
    runs = _runs(inputs, (), plan)
    if len(runs) > 1:
        names = ", ".join(run.name for run in runs)
        raise InputError(
            f"expected one plan to start from, but got {len(runs)} ({names})", where=inputs.plan_file
        )
    from imbalance_doctor.evidence import PlannedRun, TrainingPlan

    start = runs[0] if runs else PlannedRun(plan=TrainingPlan())
    advice = advise(tuple(book.rules.values()), start, labels=labels)
    judged = diagnose(
        book.rules.values(),
        labels=labels,
        runs=[replace(start, plan=advice.plan)],
        scores=_scores(inputs, plan),
    )
    if plan_out is not None and advice.feasible:
        from imbalance_doctor.sources.plans import write_plan

        write_plan(
            advice.plan, plan_out, overwrite=output.overwrite, header="Recommended by imbalance-doctor."
        )
    diagnosis = replace(judged, recommendation=advice, assumptions=labels.assumptions if labels else ())
    _finish(diagnosis, policy, config, output, command="recommend")


_CHECK_EXAMPLES = """
Examples:

    imbalance-doctor check --plan train.yaml --labels y.npy

    imbalance-doctor check train.py --labels y.npy --format github

    imbalance-doctor check --loss smooth-ap --batch-size 64 --queue-size 256 --labels y.npy --fail-on warning
"""


@app.command(epilog=_CHECK_EXAMPLES)
@options("inputs", "output", "policy", "rulebook", "plan", formats=REPORTS)
def check(
    inputs: SimpleNamespace,
    plan: SimpleNamespace,
    rulebook: SimpleNamespace,
    output: SimpleNamespace,
    policy: SimpleNamespace,
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PLAN]...", help="Plans or training scripts.", show_default=False),
    ] = None,
) -> None:
    """Judge a training plan or script against the labels, before training: the CI gate."""
    from imbalance_doctor.diagnose import diagnose

    config, book = _setting(policy, rulebook)
    labels = _labels(inputs, plan)
    runs = _runs(inputs, paths or (), plan)
    scores = _scores(inputs, plan)
    if labels is None and scores is None and not runs:
        raise InputError(
            "expected something to check, but got nothing",
            hint="give a plan or script, --labels FILE, or plan options such as --loss",
        )
    diagnosis = diagnose(book.rules.values(), labels=labels, runs=runs, scores=scores)
    _finish(diagnosis, policy, config, output, command="check")


_DIAGNOSE_EXAMPLES = """
Examples:

    imbalance-doctor diagnose run.log

    imbalance-doctor diagnose lightning_logs/version_3 --plan train.yaml --labels y.npy

    imbalance-doctor diagnose run.log --map my_score=val_average_precision --format html -o report.html

    imbalance-doctor diagnose run.log --scores run.npz --scores-are logits

    imbalance-doctor diagnose run.log --follow
"""


@app.command(epilog=_DIAGNOSE_EXAMPLES)
@options("inputs", "reading", "output", "policy", "rulebook", "plan", formats=REPORTS)
def diagnose(
    inputs: SimpleNamespace,
    reading: SimpleNamespace,
    plan: SimpleNamespace,
    rulebook: SimpleNamespace,
    output: SimpleNamespace,
    policy: SimpleNamespace,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="LOG...", help="Training logs or run folders, - for standard input.", show_default=False
        ),
    ] = None,
) -> None:
    """Say what is wrong with a training run, why, how sure that is, and what to do."""
    from imbalance_doctor.sources.logs import Options

    paths = paths or []
    if not paths and (not inputs.scores or reading.follow):
        raise InputError("expected a training log, but got none", hint="give LOG, or --scores FILE")
    config, book = _setting(policy, rulebook)
    labels = _labels(inputs, plan)
    runs = _runs(inputs, (), plan)
    if len(runs) > 1:
        names = ", ".join(run.name for run in runs)
        raise InputError(
            f"expected one plan for the logs, but got {len(runs)} ({names})", where=inputs.plan_file
        )
    scores = _scores(inputs, plan)
    with progress_bar("reading logs") as progress:
        read = Options(
            keys=_mapped(reading.map or ()), patterns=tuple(reading.pattern or ()), progress=progress
        )
        look = functools.partial(_look, paths, read, book, labels, runs, scores)
        if reading.follow and "-" in paths:
            raise InputError("expected a file to follow, but got standard input", where="--follow")
        diagnosis = _follow(paths, look, reading.interval) if reading.follow else look()
    _finish(diagnosis, policy, config, output, command="diagnose")


def _mapped(pairs: Sequence[str]) -> dict[str, str]:
    keys = {}
    for pair in pairs:
        key, equals, name = pair.rpartition("=")
        if not (key and equals and name):
            raise InputError(f"expected KEY=NAME, but got '{pair}'", where="--map")
        keys[key] = name
    return keys


def _look(
    paths: Sequence[str],
    read: Any,
    book: RuleBook,
    labels: LabelCounts | None,
    runs: Sequence[PlannedRun],
    scores: ScoreDump | None,
) -> Diagnosis:
    from imbalance_doctor.diagnose import diagnose as judge
    from imbalance_doctor.sources.logs import read_logs

    readings = tuple(read_logs(paths, read)) if paths else ()
    logs = [log for reading in readings for log in reading.runs]
    if not logs and scores is None:
        subject = tuple(reading.source for reading in readings)
        return replace(
            judge((), labels=labels, runs=runs), readings=readings, subject=subject, assumptions=()
        )
    judged = judge(book.rules.values(), labels=labels, runs=runs, logs=logs, scores=scores)
    return replace(judged, readings=readings)


def _follow(paths: Sequence[str], look: Callable[[], Diagnosis], interval: float) -> Diagnosis:
    """Tell findings on standard error as they become certain; an interrupt ends it with the last look."""
    from imbalance_doctor.follow import follow
    from imbalance_doctor.report._followed import told

    last = None
    try:
        for diagnosis, certain in follow(paths, look, interval=interval):
            last = diagnosis
            for finding in certain:
                sys.stderr.write(told(finding, **page()))
                sys.stderr.flush()
    except KeyboardInterrupt:
        if last is None:
            raise
    assert last is not None  # noqa: S101  only an interrupt ends the loop
    return last


@app.command(
    epilog="Examples:\n\n    imbalance-doctor facts --labels y.npy\n\n"
    "    imbalance-doctor facts --labels y.npy --loss smooth-ap --batch-size 256 --format json\n\n"
    "    imbalance-doctor facts --log run.log\n\n"
    "    imbalance-doctor facts --scores run.npz --scores-are logits --format prometheus\n"
)
@options("inputs", "output", "plan", formats=FACTS)
def facts(
    inputs: SimpleNamespace,
    plan: SimpleNamespace,
    output: SimpleNamespace,
    log: Annotated[
        str | None,
        typer.Option(
            "--log",
            metavar="FILE",
            rich_help_panel="Input",
            show_default=False,
            help="Training log of one run.",
        ),
    ] = None,
) -> None:
    """Print every fact of labels, plan, log and scores, with its unit and what provides it."""
    from imbalance_doctor.diagnose import diagnose
    from imbalance_doctor.report.facts_table import render

    labels = _labels(inputs, plan)
    runs = _runs(inputs, (), plan)
    logs = _one_log(log) if log is not None else ()
    scores = _scores(inputs, plan)
    if labels is None and scores is not None:
        from imbalance_doctor.sources.scores import labels_of

        labels = labels_of(scores)
    if labels is None and scores is None and not runs and not logs:
        raise InputError(
            "expected labels, a plan, a log or scores, but got nothing",
            hint="give --labels, --plan, --log or --scores FILE",
        )
    diagnosis = diagnose((), labels=labels, runs=runs, logs=logs, scores=scores)
    write(
        render(diagnosis, format=output.format, verbose=output.verbose, **page(output.output)), output.output
    )


def _one_log(path: str) -> Sequence[TrainingLog]:
    from imbalance_doctor.sources.logs import read_logs

    readings = read_logs([path])
    runs = [run for reading in readings for run in reading.runs]
    if len(runs) != 1:
        found = f"{len(runs)} runs" if runs else "; ".join(r.instead for r in readings if r.instead) or "none"
        raise InputError(f"expected the log of one run, but got {found}", where=path)
    return runs


_REPLAY_EXAMPLES = """
Examples:

    imbalance-doctor replay run.npz --scores-are logits --loss smooth-ap --batch-size 256 --queue-size 1024

    imbalance-doctor replay run.scores --loss smooth-ap --world-size 8 --no-gather-distributed

    imbalance-doctor replay run.scores --loss smooth-ap --sweep temperature=1e-3..1 queue_size=0,1024,8192

    imbalance-doctor replay run.scores --loss pauc-at-budget --trace-out trace.jsonl
"""


@app.command(epilog=_REPLAY_EXAMPLES)
@options("inputs", "output", "policy", "rulebook", "plan", formats=REPORTS)
def replay(
    inputs: SimpleNamespace,
    plan: SimpleNamespace,
    rulebook: SimpleNamespace,
    output: SimpleNamespace,
    policy: SimpleNamespace,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DUMP...", help="Recorded scores with their labels, as for --scores.", show_default=False
        ),
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep",
            metavar="NAME=VALUES",
            rich_help_panel="Output",
            show_default=False,
            help="Replay with other settings too: temperature=1e-3..1 (seven values) or queue_size=0,1024. "
            "More of them may follow; at most 64 combinations.",
        ),
    ] = None,
    trace_out: Annotated[
        Path | None,
        typer.Option(
            "--trace-out",
            metavar="FILE",
            rich_help_panel="Output",
            help="Write what each step showed, as JSON lines; `diagnose FILE` reads it.",
        ),
    ] = None,
) -> None:
    """Feed recorded scores through a loss, judge what it does, and try the remedies on the same scores."""
    from imbalance_doctor.engine.base import SEVERITIES
    from imbalance_doctor.replay.remedy import Trial, check_remedy, suggested
    from imbalance_doctor.replay.settings import IMPLEMENTATIONS, SETTINGS, ReplaySettings
    from imbalance_doctor.replay.sweep import Point, axis, figures, points
    from imbalance_doctor.report.replay import render

    config, book = _setting(policy, rulebook)
    plan.implementation = IMPLEMENTATIONS.get(plan.implementation, plan.implementation)
    beside = [p for p in paths or () if sweep and p.partition("=")[0].replace("-", "_") in SETTINGS]
    inputs.scores = [*(inputs.scores or ()), *(p for p in paths or () if p not in beside)]
    runs = _runs(inputs, (), plan)
    if len(runs) != 1:
        got = f"{len(runs)} plans" if runs else "none"
        raise InputError(f"expected one loss to replay, but got {got}", where="--loss")
    settings = ReplaySettings.of(runs[0].plan)
    axes = [axis(text) for text in (*(sweep or ()), *beside)]
    combinations = points(axes, settings) if axes else []
    labels = _labels(inputs, plan)
    dump = _scores(inputs, plan)
    if dump is None:
        raise InputError("expected recorded scores, but got none", hint="give DUMP")
    look = functools.partial(_replayed, dump, runs[0], book, labels)
    diagnosis, trace = look(settings, scores=dump)
    if trace_out is not None:
        from imbalance_doctor.replay.trace_file import as_lines

        write(as_lines(trace), SimpleNamespace(output=trace_out, overwrite=output.overwrite))

    def trial(changed: ReplaySettings, scores: ScoreDump | None = dump) -> Trial:
        judged, log = look(changed, scores=scores)
        return Trial(figures=figures(log), findings=_severities(judged))

    ordered = sorted(diagnosis.findings, key=lambda f: (not f.from_log, SEVERITIES.index(f.severity)))
    changes = suggested((f.suggest for f in ordered), settings)
    remedy = None
    if changes:
        before = Trial(figures=figures(trace), findings=_severities(diagnosis))
        remedy = check_remedy(settings, changes, before, dump.rows, trial)
    tried = []
    for changed in combinations:
        found = trial(replace(settings, **changed), scores=None)  # type: ignore[arg-type]
        tried.append(Point(settings=changed, figures=found.figures, findings=found.findings))
    shown = functools.partial(render, format=output.format, remedy=remedy, axes=axes, points=tried)
    _finish(diagnosis, policy, config, output, command="replay", render=shown)


# A replay has no validation, so that none is missing.
_NOT_OF_REPLAYS = frozenset(("rare-class-not-logged",))


def _severities(diagnosis: Diagnosis) -> dict[str, str]:
    return {finding.rule: finding.severity for finding in reversed(diagnosis.findings)}


def _replayed(
    dump: ScoreDump,
    run: PlannedRun,
    book: RuleBook,
    labels: LabelCounts | None,
    settings: ReplaySettings,
    scores: ScoreDump | None,
) -> tuple[Diagnosis, TrainingLog]:
    """Replay with these settings, and judge the log together with the plan that they make."""
    from imbalance_doctor.diagnose import diagnose
    from imbalance_doctor.replay import replay
    from imbalance_doctor.replay.settings import SETTINGS
    from imbalance_doctor.sources.logs.base import LogReading

    with progress_bar("replaying", least=200_000) as progress:
        trace = replay(dump, settings, progress=progress)
    assumed = run.assumed
    known = {name: value for name in SETTINGS if (value := getattr(settings, name)) is not None}
    if "batch_size" not in known:
        known["batch_size"] = int(trace.hints["batch_size"])
        assumed = {**assumed, "batch_size": "rows of a recorded step"}
    planned = replace(run, plan=run.plan.replace(**known), assumed=assumed)
    rules = [rule for rule in book.rules.values() if rule.id not in _NOT_OF_REPLAYS]
    judged = diagnose(rules, labels=labels, runs=[planned], logs=[trace], scores=scores)
    reading = LogReading(
        source=trace.source, format=trace.format, runs=(trace,), keys={s.key: s.name for s in trace.series}
    )
    return replace(judged, readings=(reading,)), trace


_REPRODUCE_EXAMPLES = """
Examples:

    imbalance-doctor reproduce --list

    imbalance-doctor reproduce focal-gradient-not-finite

    imbalance-doctor reproduce saturated-scores-foretell-nan --scores run.npz --scores-are logits

    imbalance-doctor reproduce loss-at-chance-level --without-cause
"""


@app.command(epilog=_REPRODUCE_EXAMPLES)
@options("output")
def reproduce(
    output: SimpleNamespace,
    symptom: Annotated[
        str | None, typer.Argument(metavar="[SYMPTOM]", help="Id of a symptom.", show_default=False)
    ] = None,
    known: Annotated[bool, typer.Option("--list", help="List the symptoms.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Reproduce every symptom.")] = False,
    scores: Annotated[
        list[str] | None,
        typer.Option(
            "--scores", metavar="FILE", show_default=False, help="Show it on these scores, not on its own."
        ),
    ] = None,
    scores_are: Annotated[
        str | None,
        typer.Option(
            "--scores-are",
            metavar="SCALE",
            show_default=False,
            help="What the scores are: logits, probabilities.",
        ),
    ] = None,
    without_cause: Annotated[
        bool, typer.Option("--without-cause", help="Take the cause away: the symptom must not appear.")
    ] = False,
) -> None:
    """Show a failure mode happening: what was expected and what was seen.

    Exit code 1: the symptom does not appear. 3: it was skipped.
    """
    if known + everything + (symptom is not None) != 1:
        raise InputError("expected SYMPTOM, --list or --all", hint="see imbalance-doctor reproduce --list")
    if scores_are is not None and not scores:
        raise InputError("expected --scores with --scores-are, but got none", where="--scores-are")
    if scores and symptom is None:
        raise InputError("expected one symptom to show on scores, but got none", where="--scores")
    from imbalance_doctor.replay import symptoms
    from imbalance_doctor.report.reproductions import render_list, render_results

    wanted = {"format": output.format, **page(output.output)}
    if known:
        write(render_list(symptoms.symptoms(), **wanted), output)
        return
    dump = None
    if symptom is not None:
        symptoms.find(symptom)  # a wrong id is told before scores are read
        if scores:
            from imbalance_doctor.sources.scores import read_scores

            dump = read_scores(scores, scores_are=scores_are)
    names = list(symptoms.symptoms()) if symptom is None else [symptom]
    results = [symptoms.reproduce(name, dump, with_cause=not without_cause) for name in names]
    write(render_results(results, **wanted), output)
    endings = {result.appears for result in results}
    raise typer.Exit(1 if False in endings else 3 if None in endings else 0)


@rules_app.command("list", epilog="Example:\n\n    imbalance-doctor rules list --covers AP-3\n")
@options("rulebook", "output")
def rules_list(
    rulebook: SimpleNamespace,
    output: SimpleNamespace,
    covers: Annotated[
        str | None, typer.Option("--covers", metavar="ID", help="Only rules that carry this catalogue id.")
    ] = None,
) -> None:
    """List the rules."""
    from imbalance_doctor.report.rule_page import render_list

    found = [r for r in _book(rulebook, None).rules.values() if covers is None or covers in r.covers]
    if not found:
        raise InputError(f"expected a catalogue id that a rule covers, but got '{covers}'", where="--covers")
    write(
        render_list(found, format=output.format, verbose=output.verbose, **page(output.output)),
        output.output,
    )


@rules_app.command("explain", epilog="Example:\n\n    imbalance-doctor rules explain unstable-gamma\n")
@options("rulebook", "output")
def rules_explain(
    rulebook: SimpleNamespace,
    output: SimpleNamespace,
    rule: Annotated[
        str, typer.Argument(metavar="ID", help="Id of a rule, or of a cause.", show_default=False)
    ],
) -> None:
    """Explain one rule: when it fires, why, what to do, and when it is wrong; or a cause."""
    from imbalance_doctor.causes import catalogue
    from imbalance_doctor.report.cause_page import render_cause
    from imbalance_doctor.report.rule_page import render_rule

    book = _book(rulebook, None)
    wanted = {"format": output.format, **page(output.output)}
    if rule in catalogue() and rule not in book.rules:
        from imbalance_doctor.lab.results import Results

        diagnosis = Results.load().diagnosis
        measured = diagnosis.figures["by_cause"].get(rule) if diagnosis is not None else None
        text = render_cause(rule, book, measured, **wanted)
    else:
        text = render_rule(book.get(rule, beside=catalogue()), verbose=output.verbose, **wanted)
    write(text, output.output)


@rules_app.command("test", epilog="Examples:\n\n    imbalance-doctor rules test my_rules/\n")
def rules_test(
    directory: Annotated[
        str | None,
        typer.Argument(
            metavar="[DIR]", help="Rules to test; the built-in ones without it.", show_default=False
        ),
    ] = None,
) -> None:
    """Run the examples inside rule files, and check that each threshold is guarded by one."""
    from imbalance_doctor.engine.examples import check_rule, test_directory
    from imbalance_doctor.engine.rulebook import load_rules
    from imbalance_doctor.report.rule_page import render_tests

    if directory is None:
        tests = tuple(check_rule(rule) for rule in load_rules().rules.values())
    else:
        tests = test_directory(directory)
    write(render_tests(tests, **page()))
    raise typer.Exit(0 if all(test.passed for test in tests) else 1)


@plan_app.command("schema")
def plan_schema_command() -> None:
    """Print every field of a training plan with its unit, range and meaning."""
    from imbalance_doctor.sources.plans import plan_schema

    write(plan_schema())


@plan_app.command("example", epilog="Example:\n\n    imbalance-doctor plan example smooth-ap > train.yaml\n")
def plan_example_command(
    loss: Annotated[str, typer.Argument(metavar="LOSS", help="Name of a loss.", show_default=False)],
) -> None:
    """Print a plan to start from."""
    from imbalance_doctor.sources.plans import example_plan

    write(example_plan(loss))


def _labels(inputs: SimpleNamespace, plan: SimpleNamespace) -> LabelCounts | None:
    if not inputs.labels:
        for name in ("key", "column", "positive", "label_kind"):
            if getattr(inputs, name) is not None:
                option = f"--{name.replace('_', '-')}"
                raise InputError(f"expected --labels with {option}, but got none", where=option)
        return None
    from imbalance_doctor.sources.labels import read_labels

    ignore_index = _ignore_index(plan)
    with progress_bar("reading labels") as progress:
        return read_labels(
            inputs.labels,
            column=inputs.column,
            key=inputs.key,
            ignore_index=ignore_index,
            positive=inputs.positive,
            kind=inputs.label_kind,
            progress=progress,
        )


def _ignore_index(plan: SimpleNamespace) -> int | None:
    if plan.ignore_index is None:
        return None
    from imbalance_doctor.sources.plans import plan_from_options

    return plan_from_options({"ignore_index": plan.ignore_index}).plan.ignore_index


def _scores(inputs: SimpleNamespace, plan: SimpleNamespace) -> ScoreDump | None:
    if not inputs.scores:
        for name in ("scores_are", "targets"):
            if getattr(inputs, name) is not None:
                option = f"--{name.replace('_', '-')}"
                raise InputError(f"expected --scores with {option}, but got none", where=option)
        return None
    from imbalance_doctor.sources.scores import read_scores

    return read_scores(
        inputs.scores,
        scores_are=inputs.scores_are,
        targets=inputs.targets,
        ignore_index=_ignore_index(plan),
    )


def _runs(inputs: SimpleNamespace, paths: Sequence[str], plan: SimpleNamespace) -> list[PlannedRun]:
    given = {name: value for name, value in vars(plan).items() if value is not None}
    if not given and not inputs.plan_file and not paths:
        return []
    from imbalance_doctor.evidence import PlannedRun, TrainingPlan
    from imbalance_doctor.sources.plans import overlay, plan_from_options, read_plan

    stated = plan_from_options(given)
    files = [*([inputs.plan_file] if inputs.plan_file else []), *paths]
    if not files:
        return [overlay(PlannedRun(plan=TrainingPlan()), stated)]
    return [overlay(run, stated) for file in files for run in read_plan(file)]


def _setting(policy: SimpleNamespace, rulebook: SimpleNamespace) -> tuple[Config, RuleBook]:
    from imbalance_doctor.sources.config import read_config

    config = read_config(Path.cwd(), policy.config)
    book = _book(rulebook, config)
    config.check_rules(book.rules)
    return config, book


def _book(rulebook: SimpleNamespace, config: Config | None) -> RuleBook:
    from imbalance_doctor.engine.rulebook import load_rules

    extra = [*(config.rules if config else ()), *(rulebook.rules or ())]
    override = [*(config.override if config else ()), *(rulebook.override or ())]
    return load_rules(extra=extra, override=override)


def _finish(
    diagnosis: Diagnosis,
    policy: SimpleNamespace,
    config: Config,
    output: SimpleNamespace,
    *,
    command: str,
    render: Callable[..., str] | None = None,
) -> None:
    from datetime import UTC, datetime

    from imbalance_doctor import gate
    from imbalance_doctor.report.base import renderer

    render = render or renderer(output.format)
    rules = gate.policy(config, fail_on=policy.fail_on, strict=policy.strict)
    judge = functools.partial(gate.apply, diagnosis, rules, today=datetime.now(UTC).date())
    baseline = policy.baseline or config.baseline
    if policy.write_baseline is not None and baseline is not None and not baseline.exists():
        baseline = None  # about to be written for the first time
    diagnosis = judge(baseline=gate.read_baseline(baseline) if baseline else None)
    if policy.write_baseline is not None:
        _accept(diagnosis, policy.write_baseline, overwrite=output.overwrite)
        diagnosis = judge(baseline=gate.read_baseline(policy.write_baseline))
    text = render(diagnosis, command=command, verbose=output.verbose, **page(output.output))
    write(text, output)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if output.format == "github" and summary:
        _append(renderer("markdown")(diagnosis, command=command), Path(summary))
    raise typer.Exit(diagnosis.exit.code)


def _accept(diagnosis: Diagnosis, path: Path, *, overwrite: bool) -> None:
    """Write what was found to a baseline, and say how much that is."""
    from imbalance_doctor import gate

    if path.exists() and not overwrite:
        raise InputError(
            "expected a new file, but it exists", where=path, hint="add --overwrite to replace it"
        )
    accepted = gate.write_baseline(diagnosis, path, overwrite=overwrite)
    noun = "finding" if accepted == 1 else "findings"
    sys.stderr.write(f"accepted {accepted} {noun} in {path}\n")


def _append(text: str, path: Path) -> None:
    """Add to the job summary, which GitHub Actions gathers from all steps."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where="GITHUB_STEP_SUMMARY") from None


def _help_of(error: Any) -> str:
    context = getattr(error, "ctx", None)
    return f"see {context.command_path} --help" if context is not None else ""


def main() -> None:
    """Run the command line; every ending has its exit code and at most one line on standard error."""
    gc.set_threshold(200_000)  # a short run makes little garbage; looking for it costs a tenth of the start
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except DoctorError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    except Exception as error:
        if hasattr(error, "format_message"):  # a wrong option or command, which the parser has words for
            if type(error).__name__ == "NoArgsIsHelpError":  # its help has been printed
                sys.exit(DoctorError.exit_code)
            told = DoctorError(error.format_message(), hint=_help_of(error))
            sys.stderr.write(f"error: {told}\n")
            sys.exit(told.exit_code)
        if os.environ.get("IMBALANCE_DOCTOR_DEBUG"):
            raise
        message = " ".join(str(error).split())
        sys.stderr.write(
            f"internal error: {type(error).__name__}: {message}; "
            "please report it, with the output under IMBALANCE_DOCTOR_DEBUG=1\n"
        )
        sys.exit(70)
