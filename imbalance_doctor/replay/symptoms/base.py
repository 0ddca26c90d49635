"""What all reproductions have in common: the rows they work on, what they show, how they are found and run.

A symptom is one module beside this one with a `SYMPTOM`; its id is the module's name with dashes. It computes
what it says from rows of scores, and again with its cause taken away, where it must not appear.
"""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from imbalance_doctor.errors import InputError, did_you_mean
from imbalance_doctor.evidence import ScoreDump
from imbalance_doctor.replay._rows import logits
from imbalance_doctor.replay.symptoms._result import Result

__all__ = ["Rows", "Shown", "Symptom", "find", "reproduce", "rows_of", "symptoms"]

_PACKAGE = "imbalance_doctor.replay.symptoms"
_MOST_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Rows:
    """What a symptom is shown on.

    Attributes
    ----------
    scores
        Logits, floating [n], or [n, C] for several classes; for a symptom of training the inputs [n, d].
    targets
        int64 [n]: 0 and 1, or class ids.
    """

    scores: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def positives(self) -> Tensor:
        """Scores of the rows with target 1."""
        return self.scores[self.targets == 1]

    @property
    def negatives(self) -> Tensor:
        """Scores of the rows with target 0."""
        return self.scores[self.targets == 0]

    def take(self, index: Tensor | slice) -> Rows:
        """Pick rows by mask, index or slice."""
        return Rows(self.scores[index], self.targets[index])

    def head(self, count: int) -> Rows:
        """Return the first rows.

        Raises
        ------
        InputError
            There are fewer than `count`.
        """
        if len(self) < count:
            raise InputError(f"expected at least {count} rows for this symptom, but got {len(self)}")
        return self.take(slice(0, count))

    def first(self, positives: int, negatives: int) -> Rows:
        """Return the first rows of each class, positives before negatives.

        Raises
        ------
        InputError
            There are fewer.
        """
        for name, found, wanted in (
            ("positives", len(self.positives), positives),
            ("negatives", len(self.negatives), negatives),
        ):
            if found < wanted:
                raise InputError(f"expected at least {wanted} {name} for this symptom, but got {found}")
        at = [(self.targets == label).nonzero()[:n, 0] for label, n in ((1, positives), (0, negatives))]
        return self.take(torch.cat(at))


@dataclass(frozen=True, slots=True)
class Shown:
    """What a reproduction expected and saw, as text with the numbers, and whether the symptom appeared."""

    expected: str
    seen: str
    appears: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Symptom:
    """One symptom.

    Attributes
    ----------
    covers
        Catalogue ids, and fault ids (B1 to B26) of the reference library.
    claim
        What happens and why, one sentence.
    show
        Computes it on rows, with its cause or without.
    rows
        Makes the rows it ships with, seeded.
    takes_scores
        Whether rows of another dump do as well: binary logits.
    reference
        Whether it needs ``imbalanced_losses``.
    """

    covers: tuple[str, ...]
    claim: str
    show: Callable[[Rows, bool], Shown]
    rows: Callable[[], Rows]
    takes_scores: bool = False
    reference: bool = False


@cache
def symptoms() -> Mapping[str, Symptom]:
    """Discover the symptoms beside this module, by id."""
    package = importlib.import_module(_PACKAGE)
    names = [m.name for m in pkgutil.iter_modules(package.__path__) if m.name != "base" and m.name[0] != "_"]
    return MappingProxyType(
        {n.replace("_", "-"): importlib.import_module(f"{_PACKAGE}.{n}").SYMPTOM for n in sorted(names)}
    )


def find(name: str) -> Symptom:
    """Return a symptom by its id.

    Raises
    ------
    InputError
        There is none.
    """
    known = symptoms()
    if name not in known:
        raise InputError(
            f"expected the id of a symptom, but got '{name}'",
            hint=did_you_mean(name, known) or "see `imbalance-doctor reproduce --list`",
        )
    return known[name]


def reproduce(name: str, dump: ScoreDump | None = None, *, with_cause: bool = True) -> Result:
    """Show a symptom.

    Parameters
    ----------
    name
        Its id.
    dump
        Scores to show it on instead of its own.
    with_cause
        False: take the cause away; the symptom must not appear.

    Raises
    ------
    InputError
        There is no such symptom, or it cannot be shown on the scores.
    """
    symptom = find(name)
    if dump is not None and not symptom.takes_scores:
        raise InputError(
            f"expected a symptom that can be shown on any scores, but got '{name}'",
            where=dump.source,
            hint="it is shown on rows made for it: leave --scores out",
        )
    result = Result(
        id=name,
        covers=symptom.covers,
        claim=symptom.claim,
        with_cause=with_cause,
        source="" if dump is None else dump.source,
    )
    if symptom.reference and find_spec("imbalanced_losses") is None:
        return replace(result, skipped="needs imbalanced-losses")
    rows = symptom.rows() if dump is None else rows_of(dump)
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), _one_thread():
        torch.manual_seed(0)
        warnings.simplefilter("ignore")  # what the losses warn of is what is being shown
        shown = symptom.show(rows, with_cause)
    return replace(result, expected=shown.expected, seen=shown.seen, appears=shown.appears)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Work on one thread: handing out work this small costs more than the work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def rows_of(dump: ScoreDump) -> Rows:
    """Return the first 65,536 rows of a dump as binary logits, the rarest class against the others.

    Raises
    ------
    InputError
        The rows are of one class, all score alike, or hold a score that is not finite.
    """
    scores, targets, found = [], [], 0
    for block in dump.blocks():
        s, t = block.scores[: _MOST_ROWS - found], block.targets[: _MOST_ROWS - found]
        s = s if s.ndim > 1 else s[:, None]
        known = (t != dump.ignore_index).reshape(len(t), -1).all(1)
        scores.append(
            logits(s[known], softmax=dump.kind == "multiclass") if dump.scale != "logits" else s[known]
        )
        targets.append(t[known])
        found += len(t)
        if found >= _MOST_ROWS:
            break
    if not found:
        raise InputError("expected rows, but got none", where=dump.source)
    s, t = np.concatenate(scores), np.concatenate(targets).astype(np.int64)
    if dump.kind != "binary":
        members = t if t.ndim > 1 else t[:, None] == np.arange(dump.classes)
        counts = members.sum(0)
        rare = int(np.where(counts > 0, counts, len(t) + 1).argmin())
        s, t = s[:, rare : rare + 1], members[:, rare].astype(np.int64)
    t = t.reshape(-1)
    if len(np.unique(t)) != 2:  # noqa: PLR2004  two classes
        raise InputError("expected positives and negatives, but got one class", where=dump.source)
    s = np.ascontiguousarray(s[:, 0])
    if not np.isfinite(s).all():
        raise InputError(
            f"expected finite scores, but got {int((~np.isfinite(s)).sum())} that are not", where=dump.source
        )
    if s.min() == s.max():
        raise InputError(f"expected scores that differ, but all are {s[0]:g}", where=dump.source)
    return Rows(torch.from_numpy(s), torch.from_numpy(t))
