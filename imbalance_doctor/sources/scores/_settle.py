"""From the files of a dump to the dump: what they are together, settled by one pass over all rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import itemgetter

import numpy as np

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import ScoreBlock, ScoreDump, ScoreKind, ScoreScale
from imbalance_doctor.sources.labels._values import IGNORE_INDEX
from imbalance_doctor.sources.scores._merge import evened, merged
from imbalance_doctor.sources.scores._parts import Options, Source, rows_per_block
from imbalance_doctor.sources.scores._values import Reading, blocks, outside

_PAIR = 2
_SUM_OFF = 0.01


def settle(sources: Sequence[Source], options: Options, ignore_index: int | None, named: str) -> ScoreDump:
    """Make one dump of the files of one.

    Parameters
    ----------
    named
        How errors and reports call all files together.

    Raises
    ------
    InputError
        The files do not fit each other, a value cannot be what it should be, no row has a target, or it
        is not known whether the scores are logits.
    """
    first = sources[0]
    for source in sources[1:]:
        if (source.width, source.target_width) != (first.width, first.target_width):
            raise InputError(
                f"expected {first.width:,} columns of scores and {first.target_width:,} of targets as in "
                f"{first.where}, but got {source.width:,} and {source.target_width:,}",
                where=source.where,
            )
    kind = _kind(first)
    for source in sources[1:]:
        if _kind(source) != kind:
            raise InputError(
                f"expected {kind} scores as in {first.where}, but got {_kind(source)} ones",
                where=source.where,
            )
    told = [sentence for source in sources for sentence in source.assumptions]
    columns = frozenset.intersection(*(source.columns for source in sources))
    partial = frozenset.union(*(source.columns for source in sources)) - columns
    if partial:
        told.append(f"columns that only some of the files have are left out: {', '.join(sorted(partial))}")
    declared = _declared(sources, options)
    how = Reading(
        kind=kind, scale=declared, ignore_index=_ignore_index(sources, ignore_index), columns=columns
    )
    found = [_survey(source, replace(how, pairs=True)) for source in sources]
    rows = sum(f.rows for f in found)
    if not any(f.kept for f in found):
        raise InputError(
            f"expected targets, but all {rows:,} rows carry the ignore index {how.ignore_index}", where=named
        )
    scale = declared or _evident(found, named)
    told.extend(_assumptions(found, first, kind, scale, options, sources))
    order = _order(sources, found)
    if any(len(group) > 1 for group in order) and len({f.rank for f in found}) < len(found):
        told.append("files whose steps overlap are merged step by step, as those of several workers")
    settled = replace(how, scale=scale)
    classes = 1 if kind == "binary" else first.width
    return ScoreDump(
        rows=rows,
        classes=classes,
        kind=kind,
        scale=scale,
        blocks=lambda: _all_blocks(order, settled),
        ignore_index=how.ignore_index,
        has_steps="step" in columns,
        has_ranks="rank" in columns,
        has_iid="iid" in columns,
        assumptions=tuple(dict.fromkeys(told)),
        source=named,
    )


def _kind(source: Source) -> ScoreKind:
    """Return the kind that the shapes show; what the file says of itself must agree with them."""
    if source.target_width > 1:
        if source.target_width != source.width:
            raise InputError(
                f"expected as many columns of scores as of targets, or one target per row, but got "
                f"{source.width:,} and {source.target_width:,}",
                where=source.where,
            )
        shown: ScoreKind = "multilabel"
    else:
        shown = "binary" if source.width <= _PAIR else "multiclass"
    said = source.kind
    # Two exclusive classes are a binary problem, and so is a single label.
    single = shown == "binary" and said == ("multilabel" if source.width == 1 else "multiclass")
    if said not in {None, shown} and not single:
        raise InputError(
            f"expected {said} scores as the file says, but got {source.width:,} columns of scores and "
            f"{source.target_width:,} of targets",
            where=source.where,
        )
    return shown


def _declared(sources: Sequence[Source], options: Options) -> ScoreScale | None:
    if options.scores_are is not None:
        return options.scores_are
    said = {source.scale: source.where for source in sources if source.scale is not None}
    if len(said) > 1:
        raise InputError(
            f"expected files of one scale, but {said['logits']} holds logits and {said['probabilities']} "
            "probabilities",
            where=said["probabilities"],
        )
    return next(iter(said), None)


def _ignore_index(sources: Sequence[Source], given: int | None) -> int:
    if given is not None:
        return given
    said = {source.ignore_index: source.where for source in sources}
    if len(said) > 1:
        raise InputError(
            f"expected one ignore index, but the files say {' and '.join(map(str, said))}",
            where=sources[0].where,
            hint="give --ignore-index",
        )
    found = sources[0].ignore_index
    return IGNORE_INDEX if found is None else found


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What one pass over a file found.

    Attributes
    ----------
    kept
        Rows that do not carry the ignore index, in multi-label ones cells.
    outside
        A score lies outside [0, 1].
    one_each
        Every row of indicators holds exactly one 1.
    sums_off
        Largest distance from 1 of the sum of a row of two scores.
    lowest, highest
        Step; 0 where there are none.
    rank
        Of the first row; 0 where there is none.
    """

    rows: int
    kept: int
    outside: bool
    one_each: bool
    sums_off: float
    lowest: int
    highest: int
    rank: int


def _survey(source: Source, how: Reading) -> _Found:
    rows = kept = 0
    beyond, one_each, off, rank = False, True, 0.0, 0
    steps: list[int] = []
    for block in blocks(source, how, rows_per_block(source.width)):
        if block.rank is not None and not rows:
            rank = int(block.rank[0])
        rows += len(block)
        kept += int(np.count_nonzero(block.targets != how.ignore_index))
        beyond = beyond or bool(outside(block.scores).any())
        if how.kind == "multilabel":
            one_each = one_each and bool((np.count_nonzero(block.targets == 1, axis=1) == 1).all())
        if source.width == _PAIR and how.kind == "binary":
            with np.errstate(invalid="ignore", over="ignore"):
                sums = np.abs(block.scores.sum(axis=1) - 1)
            off = max(off, float(np.fmax.reduce(sums, initial=0)))
        if block.step is not None:
            steps = [min([*steps[:1], int(block.step.min())]), max([*steps[1:], int(block.step.max())])]
    lowest, highest = steps or (0, 0)
    return _Found(
        rows=rows,
        kept=kept,
        outside=beyond,
        one_each=one_each,
        sums_off=off,
        lowest=lowest,
        highest=highest,
        rank=rank,
    )


def _evident(found: Sequence[_Found], named: str) -> ScoreScale:
    """Return the scale that the values show: outside [0, 1] are only logits, inside may be either."""
    if any(f.outside for f in found):
        return "logits"
    raise InputError(
        "expected to be told whether the scores are logits or probabilities, but got values from 0 to 1 that "
        "may be either",
        where=named,
        hint="declare --scores-are logits or --scores-are probabilities",
    )


def _assumptions(
    found: Sequence[_Found],
    first: Source,
    kind: ScoreKind,
    scale: ScoreScale,
    options: Options,
    sources: Sequence[Source],
) -> Iterator[str]:
    said = {source.scale for source in sources if source.scale is not None}
    if options.scores_are is None and not said:
        yield "the scores are read as logits: some lie outside [0, 1]"
    if said - {scale}:
        yield f"the scores are read as {scale} as declared, though the file calls them otherwise"
    if kind == "binary" and first.width == _PAIR:
        if scale == "logits":
            yield "of two logits per row, that of class 1 less that of class 0 is read"
        else:
            yield "of two probabilities per row, that of class 1 is read" + (
                ", though they do not add up to 1" if max(f.sums_off for f in found) > _SUM_OFF else ""
            )
    if kind == "multilabel" and all(f.one_each for f in found):
        yield (
            "every row holds exactly one 1 and is read as multi-label: where the classes exclude each other, "
            "save class ids as targets"
        )


def _order(sources: Sequence[Source], found: Sequence[_Found]) -> list[list[Source]]:
    """Group the files whose steps overlap, in the order of training; without steps, each alone as given."""
    if not all("step" in source.columns for source in sources):
        return [[source] for source in sources]
    groups: list[list[tuple[int, int, Source]]] = []
    highest = 0
    for given in sorted(range(len(sources)), key=lambda index: found[index].lowest):
        seen = found[given]
        if not groups or seen.lowest > highest:
            groups.append([])
        highest = max(highest, seen.highest) if groups[-1] else seen.highest
        groups[-1].append((seen.rank, given, sources[given]))
    return [[source for *_, source in sorted(group, key=itemgetter(0, 1))] for group in groups]


def _all_blocks(groups: Sequence[Sequence[Source]], how: Reading) -> Iterator[ScoreBlock]:
    most = rows_per_block(groups[0][0].width)

    def group_blocks(group: Sequence[Source]) -> Iterator[ScoreBlock]:
        if len(group) == 1:
            return blocks(group[0], how, most)
        each = rows_per_block(group[0].width, len(group))
        return merged([blocks(source, how, each) for source in group])

    return evened(chain.from_iterable(map(group_blocks, groups)), most)
