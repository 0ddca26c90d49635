"""Names under which dumps keep scores, targets and the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import ScoreScale
from imbalance_doctor.sources.labels._values import USUAL_NAMES
from imbalance_doctor.sources.scores._parts import MOST_CLASSES, Options

_LISTED = 20
_LOGITS = frozenset(("logit", "logits", "y_logit", "y_logits"))
_PROBABILITIES = frozenset(
    (
        *("prob", "probs", "proba", "probas", "probability", "probabilities"),
        *("y_prob", "y_probs", "y_proba", "y_probas", "y_probability"),
    )
)
_SCORES = frozenset(("score", "scores", "y_score", "y_scores", "output", "outputs"))
_ALL_SCORES = _LOGITS | _PROBABILITIES | _SCORES
_TARGETS = ("targets", "target", "labels", "label", "y_true", "y", "ground_truth")
_COLUMNS = {
    "step": ("step", "steps", "global_step", "iteration", "iter"),
    "epoch": ("epoch", "epochs"),
    "rank": ("rank", "ranks"),
    "sample": ("sample", "samples", "sample_id", "sample_ids"),
    "iid": ("iid", "is_iid"),
}
_KNOWN = _ALL_SCORES | USUAL_NAMES | {*_TARGETS, *(name for names in _COLUMNS.values() for name in names)}
_NUMBERED = re.compile(r"(.*?)[_.\[ -]?(\d{1,6})\]?")
_SCORE_WORD = re.compile(
    r"(?<![a-z0-9])(" + "|".join(sorted(_ALL_SCORES, key=len, reverse=True)) + r")(?![a-z0-9])"
)


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Which array or column is what.

    Attributes
    ----------
    scores, targets
        One name, or one per class in the order of the classes.
    columns
        Name by role.
    scale
        What the name says the scores are.
    """

    scores: tuple[str, ...]
    targets: tuple[str, ...]
    columns: Mapping[str, str]
    scale: ScoreScale | None

    @property
    def all(self) -> tuple[str, ...]:
        """Every name that is read."""
        return (*self.scores, *self.targets, *self.columns.values())


def assign(names: Sequence[str], options: Options, where: str, noun: str) -> Roles:
    """Tell by their names which arrays or columns hold the scores, the targets and the rest.

    Parameters
    ----------
    noun
        What the names are names of, for errors: ``array``, ``column``.

    Raises
    ------
    InputError
        Scores or targets are not there, or more than one could be meant.
    """
    listed = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
    groups = _groups(names, where)
    scores = [g for g in groups if g in _ALL_SCORES]
    if len(scores) > 1:
        # Logits are what a model gives; probabilities beside them are the same, rounded.
        preferred = _PROBABILITIES if options.scores_are == "probabilities" else _LOGITS
        scores = [g for g in scores if g in preferred] or scores
    targets = [g for g in groups if g in _TARGETS] or [g for g in groups if g in USUAL_NAMES]
    for found, what, usual in (
        (scores, "scores", "logits, probabilities, scores"),
        (targets, "targets", "targets, labels, y"),
    ):
        if len(found) != 1:
            got = f"found several: {', '.join(found)}" if found else f"found: {listed or 'none'}"
            raise InputError(
                f"expected one {noun} of {what} ({usual}), but {got}",
                where=where,
                hint="name it so, or leave the others out",
            )
    columns = {}
    for role, usual_names in _COLUMNS.items():
        name = next((groups[n][0] for n in usual_names if n in groups and len(groups[n]) == 1), None)
        if name is not None:
            columns[role] = name
    return Roles(
        scores=groups[scores[0]], targets=groups[targets[0]], columns=columns, scale=scale_of(scores[0])
    )


def scale_of(word: str) -> ScoreScale | None:
    """Return what a name says that the scores are.

    >>> scale_of("logits"), scale_of("probs"), scale_of("scores")
    ('logits', 'probabilities', None)
    """
    if word in _LOGITS:
        return "logits"
    return "probabilities" if word in _PROBABILITIES else None


def score_word(path: str) -> str:
    """Return the word in a file's name that says it holds scores, or nothing."""
    found = _SCORE_WORD.search(Path(path).stem.lower())
    return found[1] if found else ""


def target_siblings(path: str) -> list[str]:
    """Return the files beside a file of scores that have its name with a word for targets in it.

    ``val_scores.npy`` has ``val_targets.npy``, ``val_labels.npy``, ``val_y.npy`` ...
    """
    file = Path(path)
    found = _SCORE_WORD.search(file.stem.lower())
    if found is None:
        return []
    before, after = file.stem[: found.start()], file.stem[found.end() :]
    candidates = [file.with_name(f"{before}{word}{after}{file.suffix}") for word in _TARGETS]
    return [str(candidate) for candidate in candidates if candidate.is_file()]


def _groups(names: Sequence[str], where: str) -> dict[str, tuple[str, ...]]:
    """Return the names by their lower-case form; ``logit_0``, ``logit_1`` ... together as ``logit``."""
    found: dict[str, tuple[str, ...]] = {}
    numbered: dict[str, dict[int, str]] = {}
    for name in names:
        plain = name.strip().lower()
        match = _NUMBERED.fullmatch(plain)
        if match and (match[1] in _ALL_SCORES or match[1] in _TARGETS):
            members, key = numbered.setdefault(match[1], {}), int(match[2])
            twice = key in members
            members[key] = name
        else:
            twice = plain in found and plain in _KNOWN
            found[plain] = (name,)
        if twice:
            raise InputError(f"expected every name once, but got '{name}' twice", where=where)
    for word, members in numbered.items():
        ordered = sorted(members)
        if ordered != list(range(len(ordered))) or len(ordered) > MOST_CLASSES:
            raise InputError(
                f"expected '{word}' numbered from 0 without gaps, but got {len(ordered):,} up to "
                f"{ordered[-1]:,}",
                where=where,
            )
        if word in found:
            raise InputError(f"expected either '{word}' or '{word}_0' ..., but got both", where=where)
        found[word] = tuple(members[i] for i in ordered)
    return found
