"""Measured claims as a file and as a table, beside the rules that they bear on; needs no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from imbalance_doctor.errors import InputError

__all__ = ["UNTESTED", "claims_table", "read_claims", "rules_that_differ", "store", "write_table"]

UNTESTED: Mapping[str, str] = {
    "G-10": "depends on how the miner is written: mining is no part of the loss",
    "G-12": "asks for telemetry, which is a demand and no fact: the tool says what a log lacks",
    "G-20": "a definition: a regression target has no classes to weigh",
    "M-1": "90 % recall is a target that follows from the costs of a use",
    "M-2": "75 % precision is a target that follows from the costs of a use",
    "M-7": "a definition, false positives over predictions; the level follows from costs and threshold",
    "M-8": "a definition, false negatives over events; the level follows from costs and threshold",
}
"""Ids of the catalogue that no measurement can confirm or contradict, with the reason."""

_VERDICTS = ("confirmed", "sharpened", "contradicted", "open", None)
_FIELDS = {
    "id": str, "document": str, "measured": str, "covers": list, "figures": dict, "seconds": (int, float),
}  # fmt: skip
_MOST_BYTES = 2**22
_HEAD = """\
# What the documents claim, measured again

Generated from `claims.json`; do not edit. {count} claims, measured {date} with seed {seed}, torch {torch} and
numpy {numpy}: **{verdicts}**.

A verdict is computed from the figures: *confirmed*; *sharpened*, where what is claimed holds with a condition
or a number that the documents lack; *contradicted*; *open*, where the figures are too uncertain to tell.
Intervals, in brackets, are of 95 %. C1 to C23 are the claims of an earlier study.

Small networks on small data: evidence, not laws.

| Claim | Covers | The documents say | Measured | Verdict |
|---|---|---|---|---|
"""
_TAIL = """
## Not measured

| Covers | Why |
|---|---|
"""


class _Rule(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def verdict(self) -> str | None: ...
    @property
    def covers(self) -> Sequence[str]: ...


def store(results: Sequence[Mapping[str, Any]], path: str | Path, *, seed: int = 0) -> None:
    """Write measured claims as JSON, with the date and the versions they were measured with.

    Parameters
    ----------
    results
        As of :func:`measure_claims`.
    path
        Where to.
    seed
        With which they were measured.
    """
    document = {
        "date": datetime.now(UTC).date().isoformat(),
        "seed": seed,
        "versions": {name: version(name) for name in ("torch", "numpy")},
        "claims": [dict(r) for r in results],
    }
    Path(path).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_claims(path: str | Path) -> dict[str, Any]:
    """Read what :func:`store` wrote.

    Raises
    ------
    InputError
        The file is missing, too large or something else.
    """
    where = str(path)
    try:
        if Path(path).stat().st_size > _MOST_BYTES:
            raise InputError(f"expected at most {_MOST_BYTES} bytes", where=where)
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"expected stored claims, but got: {error}", where=where) from None
    if not isinstance(document, dict) or not isinstance(document.get("claims"), list):
        raise InputError("expected an object with a list of claims", where=where)
    for claim in document["claims"]:
        if (
            not isinstance(claim, dict)
            or any(not isinstance(claim.get(name), kind) for name, kind in _FIELDS.items())  # type: ignore[arg-type]
            or claim.get("verdict") not in _VERDICTS
        ):
            raise InputError("expected claims as `lab claims` writes them", where=where)
    return document


def claims_table(document: Mapping[str, Any]) -> str:
    """Return stored claims as a Markdown page."""
    found = document["claims"]
    told = ", ".join(
        f"{count} {name or 'not measured'}"
        for name in _VERDICTS
        if (count := sum(claim["verdict"] == name for claim in found))
    )
    head = _HEAD.format(
        count=len(found), date=document["date"], seed=document["seed"], verdicts=told, **document["versions"]
    )
    rows = "".join(
        f"| {claim['id']} | {', '.join(claim['covers'])} | {_cell(claim['document'])} "
        f"| {_cell(claim['measured'])} | {claim['verdict'] or '-'} |\n"
        for claim in found
    )
    return head + rows + _TAIL + "".join(f"| {name} | {_cell(why)} |\n" for name, why in UNTESTED.items())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def write_table(source: str | Path, path: str | Path) -> None:
    """Write the page of the claims that are stored in `source`."""
    Path(path).write_text(claims_table(read_claims(source)), encoding="utf-8")


def rules_that_differ(document: Mapping[str, Any], rules: Iterable[_Rule]) -> list[str]:
    """Return the ids of rules whose verdict no measured claim about what they cover came to.

    A catalogue entry may hold several claims with different verdicts; a rule speaks of one of them. A rule
    that sharpens a claim agrees with one that was confirmed. Where all claims about an entry that the rule
    covers are open, or none was measured, nothing speaks against the rule.
    """
    measured: dict[str, set[str]] = {}
    for claim in document["claims"]:
        if claim["verdict"] not in (None, "open"):
            for name in claim["covers"]:
                measured.setdefault(name, set()).add(claim["verdict"])
    differ = []
    for rule in rules:
        known = set().union(*(measured.get(name, set()) for name in rule.covers))
        if "confirmed" in known:
            known.add("sharpened")
        decided = rule.covers and all(name in measured for name in rule.covers)
        if rule.verdict and decided and rule.verdict not in known:
            differ.append(rule.id)
    return differ
