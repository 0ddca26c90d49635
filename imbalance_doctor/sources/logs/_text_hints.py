# ruff: noqa: E501 - patterns are easier to read whole
"""What a text log states beside its curves: class counts, planned length, how it ended."""

from __future__ import annotations

import re

__all__ = ["ClassCounts", "find_crash", "find_hints"]

_COUNT = r"([\d,]*\d)"
_POSITIVES = re.compile(
    rf"\b(?:number of |num[_ ]|n[_ ])?pos(?:i?tives?)?(?:[_ ](?:samples?|examples?|count|cases|labels))?\s*(?:[:=]|\bis\b)\s*{_COUNT}(?![\d.%])",
    re.IGNORECASE,
)
_NEGATIVES = re.compile(
    rf"\b(?:number of |num[_ ]|n[_ ])?neg(?:atives?)?(?:[_ ](?:samples?|examples?|count|cases|labels))?\s*(?:[:=]|\bis\b)\s*{_COUNT}(?![\d.%])",
    re.IGNORECASE,
)
_SAID_POSITIVES = re.compile(rf"(?<![\w.,]){_COUNT}\s+(?:positives?)\b(?! rate)", re.IGNORECASE)
_SAID_NEGATIVES = re.compile(rf"(?<![\w.,]){_COUNT}\s+(?:negatives?)\b(?! rate)", re.IGNORECASE)
_RATE = re.compile(
    r"\b(?:base rate|prevalence|positive (?:rate|ratio|share|fraction)|pos[_ ]rate)\s*(?:of|is|[:=])?\s*(\d+\.?\d*|\.\d+)\s*(%?)",
    re.IGNORECASE,
)
_ROWS = re.compile(
    rf"(?<![\w.,]){_COUNT}\s+(?:\w+ )?(?:records|rows|samples|examples|images|instances|data points)\b",
    re.IGNORECASE,
)
_CLASSES = re.compile(
    r"\b(?:num[_ ]classes|n_classes|number of classes|nc|num[_ ]class)['\"]?\s*[:=]\s*(\d{1,6})\b",
    re.IGNORECASE,
)
_SAID_CLASSES = re.compile(
    r"\b(?:belonging to|with|across|found|into)\s+(\d{1,6})\s+classes\b", re.IGNORECASE
)
_BATCH = re.compile(r"(?<![a-z_])(?:train[_ ])?batch[_ -]?size['\"]?\s*[:=]\s*(\d{1,7})\b", re.IGNORECASE)
_EPOCHS = re.compile(
    r"(?<![a-z_])(?:(?:max|num|n|total|train)[_ ])?(?:epochs|max_epoch|num_epoch|num train epochs)['\"]?\s*[:=]\s*(\d{1,7})\b"
    r"|\btraining (?:for )?(\d{1,7}) epochs\b",
    re.IGNORECASE,
)
_STEPS = re.compile(
    rf"\b(?:max[_ ]steps|max[_ ]iters?|total optimization steps|total[_ ]steps)['\"]?\s*[:=]\s*{_COUNT}\b|\b{_COUNT} max iterations",
    re.IGNORECASE,
)
_CLASS_COUNT = re.compile(
    rf"\bclass\s*\[?\s*(\d{{1,4}})\s*\]?[^:=\d]{{0,40}}[:=]\s*{_COUNT}\s*(?:images|samples|examples|instances|files|$)",
    re.IGNORECASE,
)
_INTEREST = re.compile(r"pos|neg|class|batch|epoch|step|iter|rate|prevalence|\bnc\b", re.IGNORECASE)

_EXCEPTION = re.compile(
    r"^(?:[\w.]+\.)?(?:[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Timeout|Killed)|KeyboardInterrupt|floatingPointError)(?::.*)?$"
)
_FATAL = re.compile(
    r"CUDA out of memory|CUDA error|CUBLAS_STATUS|device-side assert|oom-kill|Out of memory: Killed|RESOURCE_EXHAUSTED"
    r"|DUE TO TIME LIMIT|CANCELLED AT|Segmentation fault|Bus error|core dumped|\bSIG(?:KILL|SEGV|TERM|ABRT)\b"
    r"|exit(?:ed with)? code (?:137|139|-9|-11)|Loss is (?:nan|inf)[^.]{0,20}stopping|loss became (?:infinite|nan)"
    r"|terminate called after throwing|^Killed$|^Aborted$",
    re.IGNORECASE,
)
_LONGEST = 300


class ClassCounts:
    """Counts per class collected from lines such as ``Class [06] name: 9 images``."""

    def __init__(self) -> None:
        self._counts: dict[int, float] = {}

    def add(self, text: str) -> None:
        """Take the count that the line states, if it does."""
        found = _CLASS_COUNT.search(text)
        if found and len(self._counts) < 10_000:  # noqa: PLR2004
            self._counts.setdefault(int(found[1]), _whole(found[2]))

    def hints(self) -> dict[str, float]:
        """Return what the counts say together."""
        if len(self._counts) < 2:  # noqa: PLR2004
            return {}
        told: dict[str, float] = {"num_classes": len(self._counts)}
        if sorted(self._counts) == [0, 1]:
            told |= {"negatives": self._counts[0], "positives": self._counts[1]}
        return told


def find_hints(text: str, hints: dict[str, float]) -> None:
    """Add what the line says about data and plan to `hints`; what was said first stays."""
    if not _INTEREST.search(text):
        return
    text = text[:2000]
    for key, patterns in (
        ("positives", (_POSITIVES, _SAID_POSITIVES)),
        ("negatives", (_NEGATIVES, _SAID_NEGATIVES)),
        ("num_classes", (_CLASSES, _SAID_CLASSES)),
        ("batch_size", (_BATCH,)),
        ("planned_epochs", (_EPOCHS,)),
        ("planned_steps", (_STEPS,)),
    ):
        if key in hints:
            continue
        for pattern in patterns:
            found = pattern.search(text)
            if found:
                hints[key] = _whole(next(g for g in found.groups() if g is not None))
                break
    rate = _RATE.search(text)
    if rate and "positives" not in hints and "prevalence" not in hints:
        share = float(rate[1]) / (100 if rate[2] else 1)
        if 0 < share < 1:
            hints["prevalence"] = share
            rows = _ROWS.search(text)
            if rows:
                hints["positives"] = round(share * _whole(rows[1]))
                hints["negatives"] = _whole(rows[1]) - hints["positives"]


def find_crash(text: str) -> str:
    """Return the exception or signal that the line reports, else an empty string."""
    text = text.strip()
    if _EXCEPTION.match(text) or _FATAL.search(text):
        return text[:_LONGEST]
    return ""


def _whole(text: str) -> float:
    return float(text.replace(",", "")[:300])
