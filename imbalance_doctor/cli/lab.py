"""``imbalance-doctor lab``: train runs with a known fault, and measure how right the tool is."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Annotated, Any, Literal

import typer

from imbalance_doctor.cli._options import options
from imbalance_doctor.cli._output import page, progress_bar, write
from imbalance_doctor.errors import InputError

app = typer.Typer(
    help="The truth lab: train runs with one known fault each, and measure how right the tool is.",
    no_args_is_help=True,
)

_DATA = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        show_default=False,
        help="Real data sets, NAME.npz with features X and labels y, beside those made up or of [lab-data].",
    ),
]
_WORKERS = Annotated[int, typer.Option("--workers", "-j", min=1, help="Processes, one thread each.")]
_SMOKE = Annotated[
    bool, typer.Option("--smoke", help="A small version, in seconds: it shows that all works.")
]
_STORE = Annotated[bool, typer.Option("--store", help="Replace the stored results that ship with the tool.")]
_SEEDS = Annotated[int, typer.Option("--seeds", min=1, help="So many seeds, from 0.")]
_FOLDER = Annotated[
    Path,
    typer.Option("--runs", metavar="FOLDER", help="Where the labelled runs are; made where it is not there."),
]


def _lab(module: str) -> ModuleType:
    """Import a module of the lab, or say what it needs."""
    if find_spec("torch") is None:
        raise InputError("the lab needs torch", hint="pip install 'imbalance-doctor[torch]'")
    return importlib.import_module(f"imbalance_doctor.lab.{module}")


def _rules() -> list[Any]:
    from imbalance_doctor.engine.rulebook import load_rules

    return list(load_rules().rules.values())


def _storable(*, store: bool, small: bool) -> None:
    if not store:
        return
    if small:
        raise InputError(
            "expected a whole measurement at full size to be stored", where="--store",
            hint="score stores with --make held-out or tuning, claims without ids, none with --smoke",
        )  # fmt: skip
    if not (_beside_the_rules("").parent / "pyproject.toml").is_file():
        raise InputError(
            "expected a checkout of this project, but it is installed", where="--store",
            hint="stored results ship with the tool; leave --store out to measure for yourself",
        )  # fmt: skip


@contextmanager
def _resumable(runs: Path | None) -> Iterator[None]:
    """Say what a user can do about a folder that cannot be written, and after Ctrl-C."""
    try:
        yield
    except OSError as error:
        where = error.filename or runs
        raise InputError(f"cannot be written: {error.strerror or error}", where=str(where)) from None
    except KeyboardInterrupt:
        if runs is not None:
            sys.stderr.write(f"stopped; what is finished is kept in {runs}: the same command goes on\n")
        raise


def _text(folder: Path | None) -> str | None:
    if folder is not None and not folder.is_dir():
        raise InputError("expected a folder of data sets, but there is none", where=str(folder))
    return None if folder is None else str(folder)


@app.command("list", epilog="Example:\n\n    imbalance-doctor lab list\n")
@options("output")
def list_kinds(output: SimpleNamespace) -> None:
    """List the faults and the healthy kinds of run."""
    base, shown = _lab("base"), _lab("listing")
    kinds = [*base.faults().values(), *base.healthy().values()]
    write(shown.render_kinds(kinds, format=output.format, **page(output.output)), output)


@app.command(
    epilog="Examples:\n\n    imbalance-doctor lab run temperature-below-resolution --runs my_runs\n\n"
    "    imbalance-doctor lab run learning-rate-too-high --world htru2 --data data/ --seeds 3\n\n"
    "    imbalance-doctor diagnose my_runs/runs/temperature-below-resolution__clouds__s0\n"
)
@options("output")
def run(  # noqa: PLR0913, PLR0917  options
    output: SimpleNamespace,
    kind: Annotated[
        list[str], typer.Argument(metavar="FAULT...", help="Faults or healthy kinds, see `lab list`.")
    ],
    runs: _FOLDER = Path("lab_runs"),
    data: _DATA = None,
    world: Annotated[
        list[str] | None,
        typer.Option(
            "--world",
            metavar="NAME",
            show_default=False,
            help="Only on these (made up, of [lab-data], or of --data); else all of --data, or one made up.",
        ),
    ] = None,
    seeds: _SEEDS = 1,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Settings from the parts of the ranges that tuning never saw.")
    ] = False,
    dialect: Annotated[
        str | None,
        typer.Option(
            "--dialect", metavar="NAME", show_default=False, help="How the log is written; default: drawn."
        ),
    ] = None,
    workers: _WORKERS = 1,
    smoke: _SMOKE = False,
) -> None:
    """Train a fault and its healthy twin, and write their logs and scores as a user's run would."""
    experiment, made, shown = _lab("experiment"), _lab("runs"), _lab("listing")
    jobs = experiment.jobs(
        "held-out" if held_out else "tuning", _text(data), kinds=kind, worlds=world or (),
        seeds=range(seeds), dialect=dialect, smoke=smoke,
    )  # fmt: skip
    with _resumable(runs), progress_bar("training", least=2, noun="runs") as progress:
        labels = made.make_all(jobs, runs, workers=workers, progress=progress)
    write(shown.render_runs(labels, runs, format=output.format, **page(output.output)), output)


@app.command(
    epilog="Examples:\n\n    imbalance-doctor lab score --runs my_runs\n\n"
    "    imbalance-doctor lab score --make tuning --each 4 --seeds 3 --data data/ -j 2 --store\n\n"
    "    imbalance-doctor lab score --make held-out --each 4 --data data/ --remedies -j 2 --store\n"
)
@options("output")
def score(  # noqa: PLR0913, PLR0917  options
    output: SimpleNamespace,
    runs: _FOLDER = Path("lab_runs"),
    data: _DATA = None,
    make: Annotated[
        Literal["nothing", "held-out", "tuning"],
        typer.Option(
            "--make", help="First make the runs that are missing, of worlds and settings of this part."
        ),
    ] = "nothing",
    level: Annotated[
        int,
        typer.Option(
            "--level",
            min=0,
            max=3,
            help="What the log shows: 0 loss and validation, 1 gradients and "
            "scores too, 2 pool and temperature too, 3 the plan too.",
        ),
    ] = 2,
    seeds: _SEEDS = 1,
    each: Annotated[
        int | None,
        typer.Option("--each", min=1, show_default=False, help="With --make: so many worlds for each kind."),
    ] = None,
    remedies: Annotated[
        bool,
        typer.Option("--remedies", help="Apply each named remedy, train again, and see what comes back."),
    ] = False,
    workers: _WORKERS = 1,
    smoke: _SMOKE = False,
    store: _STORE = False,
) -> None:
    """Diagnose labelled runs and count: faults noticed, causes right, false alarms, remedies that help.

    With --store, runs of the tuning part write how rules and causes go together (rules/odds.json), and runs
    of the held-out part, which had no say in that, what the diagnosis is worth.
    """
    _storable(store=store, small=smoke or make == "nothing")
    names = None
    experiment, made, results = _lab("experiment"), _lab("runs"), _lab("results")
    rules, folder = _rules(), _text(data)
    began = time.monotonic()
    if make != "nothing" or smoke:
        part = make if make != "nothing" else "tuning"
        jobs = experiment.jobs(part, folder, seeds=range(seeds), each=each, smoke=smoke)
        with _resumable(runs), progress_bar("training", least=2, noun="runs") as progress:
            labels = made.make_all(jobs, runs, workers=workers, progress=progress)
        names = {label.name for label in labels}
    with _resumable(runs), progress_bar("diagnosing", least=2, noun="runs") as progress:
        found, said, by_loss = experiment.score(
            runs, rules, level=level, data=folder, names=names, with_remedies=remedies, workers=workers,
            progress=progress,
        )  # fmt: skip
    about = results.About.now(seed=0, seeds=seeds, seconds=round(time.monotonic() - began))
    if store and make == "held-out":
        results.store("diagnosis", found, about)
        experiment.store_rules(said, rules, about, _beside_the_rules("measured.json"))
    elif store:
        experiment.store_odds([*said, *by_loss], about, _beside_the_rules("odds.json"))
    shown = results.Results(diagnosis=results.Part(about=about, figures=found))
    write(
        _lab("page").render(shown, format=output.format, verbose=output.verbose, **page(output.output)),
        output,
    )


def _beside_the_rules(name: str) -> Path:
    from imbalance_doctor.engine.loader import builtin_root

    return Path(str(builtin_root())) / name


@app.command(
    epilog="Examples:\n\n    imbalance-doctor lab advise --smoke\n\n"
    "    imbalance-doctor lab advise --data data/ --seeds 3 --runs advice_runs --store\n"
)
@options("output")
def advise(
    output: SimpleNamespace,
    data: _DATA = None,
    seeds: _SEEDS = 3,
    runs: Annotated[
        Path | None,
        typer.Option(
            "--runs", metavar="FOLDER", show_default=False, help="Keep finished jobs here, to go on later."
        ),
    ] = None,
    smoke: _SMOKE = False,
    store: _STORE = False,
) -> None:
    """Train what `recommend` chooses beside fixed baselines, and report what its advice cost or gained.

    Real data sets take up to four times as many seeds, where few positives leave the differences uncertain.
    """
    _storable(store=store, small=smoke)
    advice, results = _lab("advice"), _lab("results")
    began = time.monotonic()
    folder = _text(data)
    if smoke:
        worlds, seeds = advice.smoke_worlds(), 1
    else:
        worlds = [*_lab("worlds").read_worlds(folder)] if folder else []
        worlds += _lab("contested").contested_worlds()
    with _resumable(runs), progress_bar("training", least=2, noun="jobs") as progress:
        found = advice.advise(worlds, seeds, runs, smoke=smoke, progress=progress)
    about = results.About.now(seed=0, seconds=round(time.monotonic() - began))
    if store:
        results.store("advice", found, about)
    shown = results.Results(advice=results.Part(about=about, figures=found))
    write(
        _lab("page").render(shown, format=output.format, verbose=output.verbose, **page(output.output)),
        output,
    )


@app.command(
    epilog="Examples:\n\n    imbalance-doctor lab claims loss-at-start\n\n"
    "    imbalance-doctor lab claims --data data/ --store\n"
)
@options("output")
def claims(
    output: SimpleNamespace,
    claim: Annotated[
        list[str] | None, typer.Argument(metavar="[CLAIM...]", help="Ids; all without.", show_default=False)
    ] = None,
    data: _DATA = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn.")] = 0,
    smoke: _SMOKE = False,
    store: _STORE = False,
) -> None:
    """Measure again what the documents claim: document, measurement, verdict."""
    _storable(store=store, small=smoke or bool(claim))
    ledger, results = _lab("claims"), _lab("results")
    began = time.monotonic()
    chosen = list(claim or ledger.claims())
    with progress_bar("measuring", least=2, noun="claims") as progress:
        found = ledger.measure_claims(
            chosen, seed, smoke=smoke, folder=_text(data),
            progress=lambda name: progress(chosen.index(name), len(chosen)),
        )  # fmt: skip
    about = results.About.now(seed=seed, seconds=round(time.monotonic() - began))
    if store:
        stored = _beside_the_rules("claims.json")
        ledger.store(found, stored, seed=seed)
        ledger.write_table(stored, stored.with_name("CLAIMS.md"))
    shown = results.Results(claims=results.Part(about=about, figures=found))
    write(_lab("page").render(shown, format=output.format, verbose=True, **page(output.output)), output)


@app.command(
    epilog="Examples:\n\n    imbalance-doctor lab results\n\n    imbalance-doctor lab results --format json\n"
)
@options("output")
def results(output: SimpleNamespace) -> None:
    """Show the stored results that ship with the tool: figures beside their targets."""
    from imbalance_doctor.lab.page import render
    from imbalance_doctor.lab.results import Results

    stored = Results.load()
    write(render(stored, format=output.format, verbose=output.verbose, **page(output.output)), output)
    raise typer.Exit(0 if stored.parts else 3)
