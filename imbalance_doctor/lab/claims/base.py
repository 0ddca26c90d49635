"""What all claims have in common: what is drawn, figures, verdicts, how they are found and run.

A claim is one module beside this one with a `CLAIM`; its id is the module's name with dashes. It measures
figures, and judges them against written limits: a figure whose interval reaches over a limit decides nothing.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.replay.symptoms.base import _one_thread

__all__ = [
    "CONFIRMED",
    "CONTRADICTED",
    "OPEN",
    "SHARPENED",
    "Claim",
    "Draw",
    "Figures",
    "Verdict",
    "above",
    "below",
    "claims",
    "measure_claims",
    "settle",
]

Verdict = Literal["confirmed", "sharpened", "contradicted", "open"]
CONFIRMED: Verdict = "confirmed"
SHARPENED: Verdict = "sharpened"
CONTRADICTED: Verdict = "contradicted"
OPEN: Verdict = "open"

Figures = Mapping[str, float]
_PACKAGE = "imbalance_doctor.lab.claims"


@dataclass(frozen=True, slots=True)
class Draw:
    """What one measurement draws from.

    Attributes
    ----------
    seed
        Everything random follows from it.
    smoke
        True: as few and as small as it runs at all, to see that it runs.
    folder
        Folder of published data; None where there is none.
    """

    seed: int = 0
    smoke: bool = False
    folder: Path | None = None

    def size(self, full: int, smoke: int) -> int:
        """Return how many, by whether this is a smoke run."""
        return smoke if self.smoke else full

    def generator(self, stream: int = 0) -> torch.Generator:
        """Return a source of randomness of its own."""
        return torch.Generator().manual_seed(1_000_003 * self.seed + stream)


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One claim.

    Attributes
    ----------
    covers
        Catalogue ids, and ids (C1 to C23) of the ledger of measured claims.
    document
        What the documents say.
    measure
        Computes figures. A figure ``x`` that is uncertain comes with its 95 % interval, ``x_low`` and
        ``x_high``.
    tell
        What was measured, a format string over the figures.
    judge
        Computes the verdict from the figures.
    reference
        Whether it needs ``imbalanced_losses``.
    data
        File in the folder of published data that it needs; empty for none.
    """

    covers: tuple[str, ...]
    document: str
    measure: Callable[[Draw], Figures]
    tell: str
    judge: Callable[[Figures], Verdict]
    reference: bool = False
    data: str = ""


def above(figures: Figures, name: str, limit: float) -> bool | None:
    """Say whether a figure lies above a limit; None where its interval reaches over it."""
    low, high = _bounds(figures, name)
    return True if low > limit else False if high <= limit else None


def below(figures: Figures, name: str, limit: float) -> bool | None:
    """Say whether a figure lies below a limit; None where its interval reaches over it."""
    low, high = _bounds(figures, name)
    return True if high < limit else False if low >= limit else None


def _bounds(figures: Figures, name: str) -> tuple[float, float]:
    value = figures[name]
    return figures.get(f"{name}_low", value), figures.get(f"{name}_high", value)


def settle(*cases: tuple[Verdict, tuple[bool | None, ...]], otherwise: Verdict) -> Verdict:
    """Return the verdict of the first case that holds.

    Parameters
    ----------
    cases
        Verdicts, and what must hold for each; a case that nothing speaks against but that is undecided ends
        the search with ``open``.
    otherwise
        Where every case has a test that fails.
    """
    for verdict, tests in cases:
        if all(tests):
            return verdict
        if False not in tests:
            return OPEN
    return otherwise


@cache
def claims() -> Mapping[str, Claim]:
    """Discover the claims beside this module, by id."""
    package = importlib.import_module(_PACKAGE)
    names = [m.name for m in pkgutil.iter_modules(package.__path__) if m.name != "base" and m.name[0] != "_"]
    return MappingProxyType(
        {n.replace("_", "-"): importlib.import_module(f"{_PACKAGE}.{n}").CLAIM for n in sorted(names)}
    )


def measure_claims(
    ids: Iterable[str] | None = None,
    seed: int = 0,
    *,
    smoke: bool = False,
    folder: str | Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[dict[str, Any]]:
    """Measure claims.

    Parameters
    ----------
    ids
        Which; None for all.
    seed
        Of what is drawn.
    smoke
        As few draws and steps as it runs at all; most verdicts are open then.
    folder
        Of published data, for the claims that are about it.
    progress
        Told the id of each claim before it is measured.

    Returns
    -------
    list of dict
        One for each claim: ``id``, ``document``, ``measured`` (text with numbers), ``verdict`` (confirmed,
        sharpened, contradicted, open, or None where it could not be measured), ``covers``, ``figures`` and
        ``seconds``.

    Raises
    ------
    InputError
        There is no such claim.
    """
    known = claims()
    chosen = list(known) if ids is None else list(ids)
    for name in chosen:
        if name not in known:
            raise InputError(
                f"expected the id of a claim, but got '{name}'", hint=did_you_mean(name, known) or ""
            )
    draw = Draw(seed, smoke, None if folder is None else Path(folder))
    found = []
    for name in chosen:
        if progress is not None:
            progress(name)
        found.append(_measured(name, known[name], draw))
    return found


def _measured(name: str, claim: Claim, draw: Draw) -> dict[str, Any]:
    start = time.perf_counter()
    figures: Figures = {}
    verdict: Verdict | None = None
    if claim.reference and find_spec("imbalanced_losses") is None:
        measured = "not measured: needs imbalanced-losses"
    elif claim.data and (draw.folder is None or not (draw.folder / claim.data).is_file()):
        measured = f"not measured: needs a folder with {claim.data}"
    else:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), _one_thread():
            torch.manual_seed(draw.seed)
            warnings.simplefilter("ignore")  # what the losses warn of is what is being measured
            figures = {key: _rounded(float(value)) for key, value in claim.measure(draw).items()}
        verdict = claim.judge(figures)
        measured = claim.tell.format(**figures)
    return {
        "id": name,
        "document": claim.document,
        "measured": measured,
        "verdict": verdict,
        "covers": list(claim.covers),
        "figures": dict(figures),
        "seconds": round(time.perf_counter() - start, 2),
    }


def _rounded(value: float) -> float:
    if not math.isfinite(value):
        raise ArithmeticError(f"expected a finite figure, but got {value}")
    return float(f"{value:.4g}")
