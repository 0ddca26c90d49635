# ruff: noqa: E501, RUF001 - patterns are easier to read whole, and hold the signs that logs hold
"""One line of a text log of unknown dialect: which numbers stand under which names.

Nothing here knows a framework by name. A line is first relieved of what only looks like a measurement
(colours, clocks, rates, sizes) by overwriting it with blanks, so that every position stays what it was; then
the words that place a line (epoch, step, fold, rank, train or validation) are taken off; then each number
left is given the name in front of it.
"""

from __future__ import annotations

import json
import re
from ast import literal_eval
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from imbalance_doctor.evidence import Phase

__all__ = ["Line", "Place", "Slot", "is_metric", "number", "read_line", "relieve", "strip_colours"]

How = Literal["number", "percent", "ratio", "missing", "fixed"]
Span = tuple[int, int]

_LONGEST = 20_000  # characters of one line that are looked at
_LONGEST_HISTORY = 200_000  # ... where it may hold a list of values
_LONGEST_GAP = 120  # characters in front of a number in which its name is sought
_LONGEST_LIST = 100_000
_LONGEST_STATEMENT = 300
_MOST_SLOTS = 500
_SHORT = 60  # characters of a line that is but a heading
_EARLY = 80  # characters in which a line names the class it is about
_PER_CLASS = 200  # a list with more entries states no value per class

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_WHOLE = r"\d{1,3}(?:,\d{3})+|\d+"
_FLOAT = re.compile(
    r"(?<![\w.@/\\#])[-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d,])|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w])"
    r"|(?<![\w/.])[-+]?(?:nan|inf|infinity|n/a)(?![\w/])",
    re.IGNORECASE | re.ASCII,
)
_ITEM = re.compile(rf"(?<![\w.])(?:{NUMBER}|[-+]?(?:nan|inf))(?!\w)", re.IGNORECASE | re.ASCII)

_COLOURS = re.compile(
    r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\x1b"
    # the escape byte is lost where a console was copied or re-encoded
    r"|\[(?:[0-9]|[349][0-7]|10[0-7]|[34]8;[25](?:;\d{1,3}){1,3})(?:;\d{1,3})*m(?=\W|[A-Z]|\d|$)"
)
_UPRIGHT = str.maketrans("│┃", "||")
_BOX = re.compile(r"[\u2500-\u259f\u28ff\ufffd\ufeff]")

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_NOISE = re.compile(
    rf"""
    \d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}(?:[T_\s-]+\d{{1,2}}[:.-]\d{{2}}(?:[:.-]\d{{2}})?(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?
  | (?<!\d)\d{{8}}[_\sT-]\d{{6}}(?!\d)
  | (?<![\d/.])\d{{1,2}}[/-]\d{{1,2}}(?:[/-]\d{{2,4}})?\s+\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?:[.,]\d+)?
  | \b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\s+)?{_MONTH}\s+\d{{1,2}}\s+\d{{1,2}}:\d{{2}}:\d{{2}}(?:\s+[A-Z]{{3,4}})?(?:\s+\d{{4}})?
  | \b(?:eta|elapsed|remaining)\b\W{{0,3}}\d+\s{{0,12}}days?,?
  | (?<![\w.,:])\d+\s{{0,12}}days?,\s{{0,12}}(?=\d)
  | (?<![\w.:])\d{{1,3}}:\d{{2}}(?::\d{{2}})?(?:[.,]\d+)?(?![\d:]*\w)
    # a number with a unit is a time, a rate or a size
  | (?<![\w.,])\d[\d.,]*\s?(?:it/s|s/it|iters?/s\w*|[mu]?s/\w+|samples?/s\w*|imgs?/s\w*|images/s\w*|tok\w*/s\w*
      |steps?/s\w*|batch(?:es)?/s\w*|[kKMGT]i?[Bb](?:/s)?|ms|us|secs?|seconds|mins?|minutes|hours|hrs?|days)(?!\w)
  | (?<![\w.,])\d[\d.,]*(?:[smhdKMGTB]|m\d+s|h\d+m(?:\d+s)?|[a-zA-Z]{{1,3}}/[a-zA-Z]+)(?![\w%])
  | (?<![\w.,])\d[\d.,]*\s(?:s|h)(?![\w%])
    """,
    re.VERBOSE | re.ASCII,
)
_LEVEL = re.compile(r"\b(?:INFO|DEBUG|WARNING|WARN|ERROR|CRITICAL|NOTICE|TRACE)\b")
_LOGGER = re.compile(r"(?<!\S)[A-Za-z_]\w*(?:[.|][\w<>]+)*(?::[\w<>]+)?[:@]\d+\]?(?=[\s:]|$)")
_BAR = re.compile(r"\d+%\|[^|]{0,200}\|\s{0,12}[\d.]+\w?(?:/[\d.]+\w?)?|\d+it(?=\s{0,12}\[)")
_RANGE = re.compile(
    r"(?<=[@_ (\[])\[?(?:IoU=)?(?:\d?\.\d+)(?::(?:\d?\.\d+))+(?:-\d?\.\d+)?\]?|(?<=AP )\.\d+(?=:)"
)

_RANK = re.compile(
    r"^\W{0,3}(?:\[?\s{0,12}(?:global |local )?(?:rank|default|gpu|worker|proc(?:ess)?)[ :_#-]?(\d{1,5})\s{0,12}\]?\s{0,12}[:|\]>]"
    r"|\(\w[\w .:-]*?pid=(\d{1,9})[^)]{0,60}\)|\[(\d{1,4})\]:\s|\w[\w.-]*-\d+:(\d{1,4})\s)",
    re.IGNORECASE,
)
_GROUP = re.compile(
    r"(?<![\w/.])(fold|client|trial|split)(?:\s{0,12}(?:no\.?|number|id|idx))?\s{0,12}[:=#\[(-]{0,2}\s{0,12}(\d{1,5})(?:\s{0,12}(?:/|of)\s{0,12}(\d+))?"
    r"(?!\s{0,12}\.\d|\w)",
    re.IGNORECASE,
)
_PHASES = {
    "train": "train", "training": "train", "trn": "train", "learn": "train", "train_inner": "train",
    "val": "val", "valid": "val", "validation": "val", "validating": "val", "dev": "val", "eval": "val",
    "evaluation": "val", "evaluating": "val", "validate": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_UNPHASED = re.compile(r"(?<![a-z])lr|learning|time|norm|scale", re.IGNORECASE)
_PHASE = re.compile(
    r"(?<![\w./\\'-])(train_inner|train(?:ing)?|trn|learn|val(?:id(?:ation|ating|ate)?)?|dev|eval(?:uati(?:on|ng))?"
    r"|test(?:ing)?)(?=[\s\]\):,|>_*\-=/\d'\"]|$)(?!:\d|\.\w|[-_]?(?:data|set|size|batch|time|loader|samples))",
    re.IGNORECASE,
)
_STATED_PHASE = re.compile(
    r"""(?<![\w])['"]?(?:mode|phase|split|stage|subset|_type)['"]?\s{0,12}[:=,\s]\s{0,12}['"]?(train|val|valid|validation|eval|dev|test)""",
    re.IGNORECASE,
)
_BOXED_PHASE = re.compile(r"[(\[](train|val|valid|validation|eval|dev|test)[)\]]", re.IGNORECASE)
_SECTION = re.compile(
    r"^\W*(train|training|validation|validating|val|valid|eval|evaluation|evaluating|dev|test|testing)"
    r"(?:\s+(?:set|results?|metrics?|phase|performance|stats|statistics|summary|loop|step|scores?))?\W*$",
    re.IGNORECASE,
)
_CLASS = re.compile(
    r"(?<![\w/.])(?<!per )(?<!each )(?:class|label|cls)(?:\s{0,12}(?:id|idx|no\.?|name))?\s{0,12}[:=#]?\s{0,12}"
    r"(?:\[\s{0,12}(?P<boxed>[^\]\[,]{1,40}?)\s{0,12}\]|(?P<number>\d{1,4})(?![\d.])|'(?P<quoted>[^']{1,40})')",
    re.IGNORECASE,
)

_NOT_PLACE = frozenset(
    [
        "best",
        "max",
        "maximum",
        "total",
        "num",
        "number",
        "n",
        "warmup",
        "warm",
        "every",
        "per",
        "for",
        "since",
        "from",
        "save",
        "saving",
        "saved",
        "eval",
        "logging",
        "optimization",
        "accumulation",
        "gradient",
        "restart",
        "resume",
        "resuming",
        "resumed",
        "last",
        "previous",
        "early",
        "patience",
        "nb_of",
    ]
)
_OPEN = r"['\"]?\s{0,12}(?:[:=#]|:\s{0,12}=|-)?\s{0,12}['\"]?[\[(]?\s{0,12}"
_OF = r"(?:\s{0,12}(?:/|of)\s{0,12}(?P<of>\d+))?"
_EPOCH = re.compile(
    r"(?<![\w/\\.-])(?P<word>epochs?|epoche|época|эпоха|ep|cur(?:rent)?_epoch|trainer/epoch|round|轮次|第|回合)"
    r"(?:[_ ](?:no\.?|num(?:ber)?|idx|index|end|id))?\s{0,12}(?:[(\[](?:train|val|valid|eval|test)[)\]])?"
    + _OPEN
    + r"(?P<at>\d+(?:\.\d+)?)(?![\w]|\.\w)"
    + _OF,
    re.IGNORECASE,
)
_STEP = re.compile(
    r"(?<![\w\\.-])(?P<word>(?:trainer/)?global[_ ]?steps?|num_updates|current_steps?|total[_ ]steps?|iterations?|iters?|it|steps?"
    r"|(?:mini-?)?batch(?:es)?|updates?|n_iter|round)(?:[_ ](?:idx|no\.?|index|num|number|id))?"
    + _OPEN
    + rf"(?P<at>{_WHOLE})(?![\w]|\.\d)"
    + _OF,
    re.IGNORECASE,
)
_ABSOLUTE = re.compile(r"global|num_updates|total|current")
_COUNTS_ALL = re.compile(r"global[_ ]?step|num_updates", re.IGNORECASE)
_BATCHES = re.compile(
    r"(?<![\w./])(?P<at>\d+)\s{0,12}/\s{0,12}(?P<of>\d+)\s{0,12}(?:batches|steps|iters?|iterations)\b",
    re.IGNORECASE,
)
_AFTER_EPOCH = re.compile(
    r"\s{0,12}[\])]?\s{0,12}[,:|-]?\s{0,12}(?:[\[(]\s{0,12}(?P<at>\d+)\s{0,12}/\s{0,12}(?P<of>\d+)(?:\s{0,12}\(\s{0,12}\d+\.?\d*%\s{0,12}\))?\s{0,12}[\])]"
    r"|(?<=[:|\s])(?P<at2>\d+)\s{0,12}/\s{0,12}(?P<of2>\d+)(?=\s))"
)
_BOXED = re.compile(
    r"[\[(]\s{0,12}(?P<at>\d+)\s{0,12}/\s{0,12}(?P<of>\d+)(?:\s{0,12}\(\s{0,12}\d+\.?\d*%\s{0,12}\))?\s{0,12}[\])]"
)
_TWO_BOXES = re.compile(
    r"\[\s{0,12}(\d+)\s{0,12}/\s{0,12}(\d+)\s{0,12}\]\s{0,12}\[\s{0,12}(\d+)\s{0,12}/\s{0,12}(\d+)\s{0,12}\]"
)
_NUMBERED_PASS = re.compile(r"(?<![\w.])Train(?:ing)?:?\s+(?P<at>\d{1,6})\s{0,12}(?=\[\s{0,12}\d+/\d+)")
_PAIR = re.compile(
    r"^\W*[\[(]\s{0,12}(\d+)\s{0,12},\s{0,12}(\d+)\s{0,12}[\])]\s{0,12}:?\s{0,12}(?=\w*\s?loss)",
    re.IGNORECASE,
)
_BOOSTING = re.compile(
    r"^\s{0,12}(?:\[(?P<at>\d+)\](?=[\t ])|(?P<at2>\d+):\s(?=\s{0,12}(?:learn|test|train)))"
)
_LEADING_RATIO = re.compile(r"^\W*(?P<at>\d+)\s{0,12}/\s{0,12}(?P<of>\d+)(?=\s)")

_COCO = re.compile(
    r"Average (?:Precision|Recall)\s{0,12}\((?P<kind>A[PR])\)\s{0,12}@\[\s{0,12}IoU=(?P<iou>[\d.:]+)\s{0,12}\|\s{0,12}area=\s{0,12}(?P<area>\w+)\s{0,12}\|"
    r"\s{0,12}maxDets=\s{0,12}(?P<dets>\d+)\s{0,12}\]\s{0,12}=\s{0,12}(?P<at>-?\d+\.?\d*|nan)"
)

_ACCURACY_OF = re.compile(
    rf"(?P<key>accuracy|error|loss) of (?:the )?[\w -]{{1,40}}? on (?:the )?[\d,]+ (?P<phase>test|val\w*|train\w*) \w+\s{{0,12}}[:=]\s{{0,12}}"
    rf"(?P<at>{NUMBER})\s{{0,12}}(?P<percent>%?)",
    re.IGNORECASE,
)
_NAME_BESIDE = re.compile(
    rf"^\W*[|]\s{{0,12}}(?P<key>[^|]*[^\W\d][^|]*?)\s{{0,12}}\|\s{{0,12}}(?P<at>{NUMBER}|nan|inf)\s{{0,12}}\|?\s{{0,12}}$"
)
_TRAIN_AND_VAL = re.compile(
    r"\(?(?<![a-z])(train\w*|tr)\s{0,12}[/|]\s{0,12}(val\w*|test|dev)\)?", re.IGNORECASE
)
_DARKNET = re.compile(
    rf"^\s{{0,12}}(?:\([^()]*\)\s{{0,12}})?(?P<step>\d+)(?:/\d+)?:\s{{0,12}}(?P<loss>{NUMBER}|-?nan),\s{{0,12}}(?P<mean>{NUMBER}|-?nan) avg(?: loss)?,"
    rf"\s{{0,12}}(?P<rate>{NUMBER}) rate"
)

_METRIC = re.compile(
    r"loss|acc|auc|roc|(?<![a-z])m?ap(?![a-z])|prec|recall|f1|f[-_ ]?score|f_?beta|dice|dsc|iou|jaccard|mcc|matthews"
    r"|kappa|err|m[sa]e(?![a-z])|nll|bce|(?<![a-z])ce(?![a-z])|cost|(?<![a-z])lr|learning.?rate|ppl|perplex|bleu|rouge"
    r"|(?<![a-z])[wc]er(?![a-z])|norm|scale|sens|spec|[tf][pn]r(?![a-z])|score|top-?[15]|metric|total|temperature|logit"
    r"|entropy|objective|(?<![a-z])(?:gm|ndcg|mrr|psnr|ssim|elbo|kl|deviance|rmse|r2)(?![a-z])"
    r"|损失|准确|精度|精确|召回|потер|точност",
    re.IGNORECASE,
)
_SETTINGS = re.compile(
    r"\b(?:Namespace|\w*Config|TrainingArguments|Arguments|Trainer|Sequential|ModuleList|Parameter Group \d+|AdamW?|SGD)\("
    r"|\b(?:hyper-?parameters?|args|arguments|config(?:uration)?|options|settings)\s{0,3}[:=]\s{0,3}\{"
    r"|^\s{0,12}\(\w+\): \w+\(|^\W*(?:hyper-?parameters?|args|arguments|config(?:uration)?|options|settings)\W",
    re.IGNORECASE,
)
_OVERFLOW = re.compile(r"overflow", re.IGNORECASE)

_WRAP = re.compile(
    r"(?:[\[(\s'\"]|(?<!\w)(?:tensor|array|(?:np|numpy|torch|jnp)\.\w+|float|DeviceArray|Array)\()*$"
)
_SEPARATOR = re.compile(r"(?:\s*(?::\s*=|[:=]=?|->|=>|→|：|＝)\s*|\s*,\s*|\s+)$")
_QUOTED_KEY = re.compile(r"(?:\"([^\"]{1,80})\"|'([^']{1,80})')$")
_KEY_WORD = r"(?:[^\W\d][^\s:=,;|(){}\[\]\"<>]*(?:\([^()]{0,40}\)|\[[^\[\]]{0,20}\])*)"
_KEY = re.compile(rf"{_KEY_WORD}(?: {{1}}(?:{_KEY_WORD}|\([^()]{{1,20}}\))){{0,4}}$")
_HARD = re.compile(r"[,;|\t{}<>\"，；、。：]|\s{2,}|\s[-–—•*>]+\s|[:=→]\s|[\])](?=\s)|'s?,\s")
_PARENTHESES = re.compile(r"\([^()]*\)")
_ECHO = re.compile(r"\b(?:best|better|improved?|highest|lowest|record|saved?|saving)\b", re.IGNORECASE)
_NESTED = re.compile(r":\s{0,12}\{")
_FILE = re.compile(r"[\\/].*\.\w{1,5}$|\.(?:py|cpp|cc|cu|c|h|so|js)$")
_NO_KEYS = frozenset(
    {"cuda", "v_num", "device", "line", "pid", "port", "errno", "exitcode", "rank", "local_rank", "seed"}
)
_EPOCH_KEYS = frozenset({"epoch", "ep", "epoch_end", "current_epoch", "cur_epoch", "trainer/epoch", "epochs"})
_STEP_KEYS = frozenset(
    {
        "step",
        "global_step",
        "iter",
        "iteration",
        "num_updates",
        "trainer/global_step",
        "n_iter",
        "current_steps",
    }
)


@dataclass(slots=True)
class Slot:
    """A number under a name, and where in the line it stands.

    Attributes
    ----------
    key
        As the log spells it.
    key_span
        Where the key stands; the digits in it belong to the name.
    how
        ``ratio`` is a pair such as ``9816/10000``; ``missing`` a not-a-number; ``fixed`` has no position.
    """

    key: str
    value: float
    how: How
    span: Span
    key_span: Span
    second: Span = (0, 0)


@dataclass(slots=True)
class Place:
    """A counter (epoch, step) in a line: its value, its total if stated, and where they stand."""

    at: float
    span: Span
    of: float | None = None
    of_span: Span = (0, 0)


@dataclass(slots=True)
class Line:
    """What one line states.

    Attributes
    ----------
    inner, absolute
        Whether `step` counts within an epoch, or from the beginning of the run, as far as the line tells.
    header
        Whether the line itself is only a heading: ``Epoch 3/100``, ``Validation:``.
    lists
        Values in brackets, by key: one per class, or a whole history.
    numeric
        Whether it has a decimal number that might be a measurement.
    """

    slots: list[Slot] = field(default_factory=list)
    lists: dict[str, list[float]] = field(default_factory=dict)
    epoch: Place | None = None
    step: Place | None = None
    inner: bool = False
    absolute: bool = False
    phase: Phase = ""
    test: bool = False
    group: str = ""
    group_span: Span = (0, 0)
    rank: str = ""
    rank_span: Span = (0, 0)
    part_span: Span = (0, 0)
    section: Phase = ""
    header: bool = False
    numeric: bool = False
    plain: bool = True
    after_bar: bool = False


def number(text: str) -> float:
    """Return the number a token spells; NaN for ``N/A``."""
    cleaned = text.replace(",", "").lower()
    return float("nan") if cleaned.lstrip("+-") == "n/a" else float(cleaned)


def is_metric(key: str) -> bool:
    """Tell whether a name sounds like something that is measured, not like a word of prose."""
    return _METRIC.search(key) is not None


def strip_colours(text: str) -> str:
    """Return the line with terminal colours and box drawing blanked, every character in its place."""
    if "\x1b" in text or "m" in text:
        text = _COLOURS.sub(_blank, text)
    return text if text.isascii() else _BOX.sub(" ", text.translate(_UPRIGHT))


def relieve(text: str) -> str:
    """Blank clocks, dates, rates, sizes and level names, every other character in its place."""
    text = _NOISE.sub(_blank, text)
    if "%|" in text or "it" in text:
        text = _BAR.sub(_blank, text)
    text = _LEVEL.sub(_blank, text)
    if ":" in text or "@" in text:
        text = _LOGGER.sub(_keep_counter, text, count=2)
    return text


def read_line(text: str) -> Line:
    """Read one line.

    Parameters
    ----------
    text
        Without its line end; colours already blanked (`strip_colours`).
    """
    line = Line()
    if len(text) > _LONGEST:
        text = text[: _LONGEST_HISTORY if "[" in text[:_LONGEST] else _LONGEST]
    coco = _COCO.search(text)
    if coco:
        _read_coco(coco, line)
        return line
    darknet = _DARKNET.match(text)
    if darknet:
        _read_darknet(darknet, line)
        return line
    for pattern in (_ACCURACY_OF, _NAME_BESIDE):
        stated = pattern.search(text) if len(text) < _LONGEST_STATEMENT else None
        if stated:
            _read_stated(stated, line)
            return line
    if _OVERFLOW.search(text) or _SETTINGS.search(text):
        return line
    work = _take_rank(text, line)
    bar_end = _bar_end(work)
    work = relieve(work)
    work = _RANGE.sub(_mask_range, work)
    work = _take_places(work, line)
    work = _take_part(work, line)
    if _NESTED.search(work) and _read_nested(text, line):
        return line
    _read_pairs(text, work, line)
    _take_phase(text, work, line, bar_end)
    if not line.slots and not line.lists:
        _read_heading(text, work, line)
    return line


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _keep_counter(match: re.Match[str]) -> str:
    # "yolox.core.trainer:after_iter:246" names a place in the code, "Iteration:1" and "epoch:3" a place in the run
    word = match[0]
    if "." in word or "|" in word or word.count(":") > 1:
        return " " * len(word)
    return word


def _mask_range(match: re.Match[str]) -> str:
    # the digits of "mAP@.5:.95" belong to the name
    return "_" * len(match[0])


def _erase(text: str, start: int, end: int) -> str:
    return text[:start] + " " * (end - start) + text[end:]


def _bar_end(text: str) -> int:
    """Return where a progress bar with its trailing bracket ends; -1 without a bar."""
    bar = text.find("%|")
    if bar < 0:
        return -1
    end = text.find("]", bar)
    return end if end >= 0 else len(text)


def _read_coco(match: re.Match[str], line: Line) -> None:
    name = match["kind"]
    iou, area = match["iou"], match["area"]
    if name == "AP":
        name += "" if ":" in iou else iou.replace("0.", "").ljust(2, "0")
    else:
        name += f"@{match['dets']}"
    name += "" if area == "all" else f"_{area}"
    span = match.span("at")
    value = number(match["at"])
    line.slots.append(Slot(name, value, "fixed", span, span))
    line.phase = "val"
    line.plain = False


def _read_darknet(match: re.Match[str], line: Line) -> None:
    line.step = Place(int(match["step"]), match.span("step"))
    line.absolute = True
    for group, key in (("loss", "loss"), ("mean", "avg loss"), ("rate", "rate")):
        value = number(match[group])
        line.slots.append(Slot(key, value, _how(value), match.span(group), (0, 0)))


def _read_stated(match: re.Match[str], line: Line) -> None:
    """Take the one value of a line whose whole wording is known."""
    groups = match.groupdict()
    value = number(match["at"])
    percent = bool(groups.get("percent"))
    how: How = "percent" if percent else _how(value)
    key = match["key"]
    line.slots.append(Slot(key, value / 100 if percent else value, how, match.span("at"), match.span("key")))
    phase = _PHASES.get((groups.get("phase") or "").lower(), "")
    line.test = phase == "test"
    if phase in {"train", "val"}:
        line.phase = "train" if phase == "train" else "val"


def _take_rank(text: str, line: Line) -> str:
    found = _RANK.match(text)
    if not found:
        return text
    index = found.lastindex or 1
    line.rank, line.rank_span = found[index], found.span(index)
    return _erase(text, 0, found.end())


def _previous_word(text: str, position: int) -> str:
    words = text[max(0, position - 24) : position].rstrip(" :=_").rsplit(None, 1)
    return words[-1].strip("[(*-_").lower() if words else ""


def _take_places(work: str, line: Line) -> str:
    """Take off epoch, step and group."""
    group = _GROUP.search(work)
    if group:
        line.group = f"{group[1].lower()} {int(group[2])}"
        line.group_span = group.span(2)
        work = _erase(work, *group.span())
    work = _take_epoch(work, line)
    if line.step is None or _COUNTS_ALL.search(work):
        work = _take_step(work, line)
    return work


def _take_epoch(work: str, line: Line) -> str:
    boxes = _TWO_BOXES.search(work, 0, 120)
    if boxes:
        line.epoch = Place(int(boxes[1]), boxes.span(1), int(boxes[2]), boxes.span(2))
        line.step = Place(int(boxes[3]), boxes.span(3), int(boxes[4]), boxes.span(4))
        line.inner = True
        return _erase(work, *boxes.span())
    numbered = _NUMBERED_PASS.search(work, 0, 120)
    if numbered:
        line.epoch = Place(int(numbered["at"]), numbered.span("at"))
        return _erase(work, *numbered.span("at"))
    pair = _PAIR.match(work)
    if pair:
        line.epoch = Place(int(pair[1]), pair.span(1))
        line.step = Place(int(pair[2]), pair.span(2))
        line.inner = True
        return _erase(work, *pair.span())
    for found in _EPOCH.finditer(work):
        plural = found["word"].lower() in {"epochs", "round"} and found["of"] is None
        if _previous_word(work, found.start()) in _NOT_PLACE - {"eval"}:
            continue
        if plural and found["word"].lower() == "epochs":
            continue
        line.epoch = _place(found)
        end = found.end()
        inner = _AFTER_EPOCH.match(work, end)
        if inner:
            which = "" if inner["at"] is not None else "2"
            at, of = int(inner["at" + which]), int(inner["of" + which])
            if at == line.epoch.at and not which and line.epoch.of is None and "[" not in inner[0]:
                # "Epoch 186 (186/300)" repeats itself
                line.epoch.of, line.epoch.of_span = of, inner.span("of")
            else:
                line.step = Place(at, inner.span("at" + which), of, inner.span("of" + which))
                line.inner = True
            end = inner.end()
        return _erase(work, found.start(), end)
    return work


def _place(found: re.Match[str]) -> Place:
    at = float(found["at"].replace(",", ""))
    if found["of"] is None:
        return Place(at, found.span("at"))
    return Place(at, found.span("at"), float(found["of"]), found.span("of"))


def _take_step(work: str, line: Line) -> str:  # noqa: C901
    boosting = _BOOSTING.match(work)
    if boosting:
        which = "at" if boosting["at"] is not None else "at2"
        line.step = Place(int(boosting[which]), boosting.span(which))
        return _erase(work, *boosting.span())
    chosen: re.Match[str] | None = None
    for found in _STEP.finditer(work):
        word = found["word"].lower()
        if _previous_word(work, found.start()) in _NOT_PLACE:
            continue
        if word == "it" and not re.search(r"[:=]", found[0]):
            continue
        if word in {"steps", "iterations", "batches", "updates"} and found["of"] is None:
            continue
        if chosen is None or _ABSOLUTE.search(word):
            chosen = found
    if line.step is not None and (chosen is None or not _ABSOLUTE.search(chosen["word"].lower())):
        return work
    if chosen is None:
        chosen = _BATCHES.search(work) or _BOXED.search(work)
        if chosen is None and line.epoch is None:
            chosen = _LEADING_RATIO.match(work)
    if chosen is None:
        return work
    line.step = _place(chosen)
    if chosen.re is _LEADING_RATIO and line.step.at == line.step.of:
        # "40/40 - 3s - loss: 0.7": all batches of an epoch
        line.step = None
        return _erase(work, *chosen.span())
    named = chosen.re is _STEP
    word = chosen["word"].lower() if named else ""
    line.absolute = _ABSOLUTE.search(word) is not None
    line.inner = chosen["of"] is not None and not line.absolute
    start, end = chosen.span()
    if "/" in chosen[0] or not named:
        trailing = re.compile(r"\s{0,12}[\[(]\s{0,12}\d+\.?\d*\s{0,12}%\s{0,12}[\])]").match(work, end)
        end = trailing.end() if trailing else end
    return _erase(work, start, end)


def _take_part(work: str, line: Line) -> str:
    found = _CLASS.search(work)
    if not found:
        return work
    name = found["boxed"] or found["number"] or found["quoted"]
    which = found.lastgroup or "number"
    if name.strip() and found.start() < _EARLY:
        line.part_span = found.span(which)
        return _erase(work, *found.span())
    return work


def _take_phase(text: str, work: str, line: Line, bar_end: int) -> None:
    """Tell from the words in front of the first value whether the line is about training or validation."""
    first = min((s.key_span[0] for s in line.slots), default=len(work))
    line.after_bar = 0 <= bar_end <= first
    stated = _STATED_PHASE.search(work)
    if stated:
        found = [stated[1].lower()]
    else:
        found = [m[1].lower() for m in _PHASE.finditer(work[: min(first, 300)])]
        # "Epoch(val) [1][20/50]" was taken off together with the epoch; "[VAL]" may close the line
        if not found:
            found = [m[1].lower() for m in _BOXED_PHASE.finditer(text)]
        if not found and "Saving dict for global step" in text:
            found = ["val"]
    phases = [_PHASES.get(word, "val") for word in found]
    if len(line.slots) == 1 and _ECHO.search(text[:first]) and not _ECHO.search(line.slots[0].key):
        # "New best model saved (Dice: 0.81)" repeats a value: no point of its own
        line.slots[0].key = f"best {line.slots[0].key}"
    if _share_out(work, line):
        return
    if not phases:
        return
    if "val" in phases:
        line.phase = "val"
    elif phases[-1] == "test":
        line.test = True
    else:
        line.phase = "train"


def _share_out(work: str, line: Line) -> bool:
    """Give each value the phase named last before it, where one line states several phases."""
    named = [(m.start(), _PHASES.get(m[1].lower(), "val")) for m in _PHASE.finditer(work)]
    if len({phase for _, phase in named}) < 2:  # noqa: PLR2004
        return False
    keys = [s.key for s in line.slots]
    spans = [s.key_span for s in line.slots]
    outside = [(at, phase) for at, phase in named if not any(a <= at < b for a, b in spans)]
    changed = False
    for slot in line.slots:
        own = any(slot.key_span[0] <= at < slot.key_span[1] for at, _ in named)
        events = named if keys.count(slot.key) > 1 else outside
        before = [phase for at, phase in events if at < slot.key_span[0]]
        if own or not before or _UNPHASED.search(slot.key):
            continue
        slot.key = f"{before[-1]}_{slot.key}"
        changed = True
    return changed


def _read_heading(text: str, work: str, line: Line) -> None:
    placed = line.epoch is not None or line.step is not None or bool(line.group)
    line.header = placed and sum(len(word) for word in work.split()) < _SHORT
    section = _SECTION.match(text) if len(text) < _SHORT else None
    if section:
        phase = _PHASES.get(section[1].lower(), "")
        line.section = "val" if phase == "test" else "train" if phase == "train" else "val"
    line.numeric = any("." in m[0] for m in _FLOAT.finditer(work[:2000]))


def _read_pairs(text: str, work: str, line: Line) -> None:
    end = 0
    position = 0
    while len(line.slots) < _MOST_SLOTS:
        found = _FLOAT.search(work, position)
        if not found:
            return
        start = found.start()
        gap_start = max(end, start - _LONGEST_GAP)
        key, key_span, listed = _name_before(text, work, gap_start, start, _follows(work, found.end()))
        position = found.end()
        if not key:
            if found[0][-1].isdigit() or found[0][-1] == ".":
                end = position
            continue
        if listed:
            close = work.find("]", position)
            if close >= 0 and _read_list(text, (start, close), key, key_span, line):
                position = end = close
                continue
        position = end = _read_value(work, found, key, key_span, line)


def _follows(work: str, position: int) -> bool:
    """Tell whether the number that ends here ends its part of the line: nothing, or a separator, comes next."""
    return (
        position >= len(work)
        or work[position] in "\t|,;%)]"
        or work[position : position + 2] in {"  ", " |", " "}
    )


def _name_before(text: str, work: str, start: int, end: int, closed: bool) -> tuple[str, Span, bool]:  # noqa: PLR0911
    """Return the name in front of a number, where it stands, and whether a bracket opens between them."""
    none = ("", (0, 0), False)
    gap = work[start:end]
    wrap = _WRAP.search(gap)
    if wrap is None:
        return none
    opened = wrap[0]
    body = gap[: wrap.start()]
    blanks = len(opened) - len(opened.lstrip())
    separator = _SEPARATOR.search(body + opened[:blanks])
    if separator is None:
        return none
    listed = "[" in opened
    body = body[: min(separator.start(), len(body))]
    kind = separator[0].strip() or " "
    quoted = _QUOTED_KEY.search(body)
    if quoted and kind in {":", "="}:
        which = 1 if quoted[1] is not None else 2
        a, b = quoted.span(which)
        return text[start + a : start + b], (start + a, start + b), listed
    hard = 0
    for m in _HARD.finditer(body):
        hard = m.end()
    # a bracketed part may close the name: "score(a + b)", "AP (M)"
    found = _KEY.search(body, hard) if hard < len(body) else None
    if found is None:
        found = _KEY.search(body)
        if found is None:
            return none
    key = text[start + found.start() : start + found.end()]
    a, b = start + found.start(), start + found.end()
    tail = " ".join(_PARENTHESES.sub("", key).split()[-2:])
    if kind in {",", " "} and not (
        is_metric(tail) or (kind == " " and closed and hard and body[hard - 1] in "|,\t" and " " not in key)
    ):
        return none
    if kind in {",", " "} and opened.lstrip().startswith("(") and not is_metric(key):
        return none
    key, a = _shorten(key, a)
    if not key or key.lower() in _NO_KEYS or _FILE.search(key):
        return none
    return key, (a, b), listed


def _shorten(key: str, start: int) -> tuple[str, int]:
    """Drop the folder of a file name in a key and quotes around it."""
    if "/" in key or "\\" in key:
        dataset = re.search(r"[\\/]([^\\/]*'s \S+)$", key)
        if dataset:
            return dataset[1], start + dataset.start(1)
    stripped = key.lstrip("'\"*#")
    return stripped.rstrip("'\"*"), start + len(key) - len(stripped)


def _read_list(text: str, span: Span, key: str, key_span: Span, line: Line) -> bool:
    inside = text[span[0] : span[1]]
    items = []
    for found in _ITEM.finditer(inside):
        items.append(found)
        if len(items) > _LONGEST_LIST:
            return False
    if len(items) < 2:  # noqa: PLR2004
        return False
    values = [number(m[0]) for m in items]
    line.lists[key] = values
    if len(values) <= _PER_CLASS:
        for index, (value, m) in enumerate(zip(values, items, strict=True)):
            where = (span[0] + m.start(), span[0] + m.end())
            line.slots.append(Slot(f"{key}[{index}]", value, _how(value), where, key_span))
    return True


def _how(value: float) -> How:
    if value != value:  # noqa: PLR0124 - NaN
        return "missing"
    return "fixed" if value in {float("inf"), float("-inf")} else "number"


def _read_value(work: str, found: re.Match[str], key: str, key_span: Span, line: Line) -> int:
    """Store one number under its name; return where the search goes on."""
    value = number(found[0])
    end = found.end()
    lowered = key.lower()
    if lowered in _EPOCH_KEYS and value >= 0:
        line.epoch = line.epoch or Place(value, found.span())
        return end
    if lowered in _STEP_KEYS and value >= 0:
        line.step = line.step or Place(value, found.span())
        return end
    rest = work[end : end + 24]
    if rest.lstrip(" '\"")[:1] == "%":
        line.slots.append(Slot(key, value / 100, "percent", found.span(), key_span))
        return end
    of = re.match(r"\s{0,12}[/|]\s{0,12}(\d[\d,]*(?:\.\d+)?)(?![\w.])", rest)
    if of:
        total = number(of[1])
        both = _TRAIN_AND_VAL.search(key)
        if both:
            rest = _TRAIN_AND_VAL.sub("", key).strip(" :")
            second = (end + of.start(1), end + of.end(1))
            line.slots.append(Slot(f"train {rest}", value, _how(value), found.span(), key_span))
            line.slots.append(Slot(f"val {rest}", total, _how(total), second, key_span))
            return second[1]
        if not (found[0].replace(",", "").isdigit() and of[1].replace(",", "").isdigit()):
            total = 0
        if total > 0 and 0 <= value <= total and is_metric(key):
            second = (end + of.start(1), end + of.end(1))
            line.slots.append(Slot(key, value / total, "ratio", found.span(), key_span, second))
        return end + of.end()
    line.slots.append(Slot(key, value, _how(value), found.span(), key_span))
    return end


def _read_nested(text: str, line: Line) -> bool:
    """Read a JSON object or Python dictionary with others inside it."""
    start, end = text.find("{"), text.rfind("}")
    if not 0 <= start < end or end - start > 50_000:  # noqa: PLR2004
        return False
    body = text[start : end + 1]
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        patched = re.sub(r"(?<![\w'\"])(-?)(nan|inf)(?![\w'\"])", r"'\1\2'", body)
        try:
            found = literal_eval(patched)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return False
    if not isinstance(found, dict):
        return False
    line.plain = False
    for key, value in _flatten(found, ""):
        lowered = key.lower()
        if lowered in _EPOCH_KEYS:
            line.epoch = line.epoch or Place(value, (0, 0))
        elif lowered in _STEP_KEYS:
            line.step = line.step or Place(value, (0, 0))
        else:
            line.slots.append(Slot(key, value, "fixed", (0, 0), (0, 0)))
    _take_phase(text, text, line, -1)
    return bool(line.slots)


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return float("inf")


def _flatten(found: dict[object, object], prefix: str, depth: int = 0) -> Iterator[tuple[str, float]]:
    if depth > 6:  # noqa: PLR2004
        return
    for key, value in list(found.items())[:500]:
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flatten(value, f"{name}/", depth + 1)
        elif isinstance(value, bool) or value is None:
            continue
        elif isinstance(value, int | float):
            yield name, _as_float(value)
        elif isinstance(value, str) and re.fullmatch(
            rf"{NUMBER}|[-+]?(?:nan|inf)", value, re.IGNORECASE | re.ASCII
        ):
            yield name, float(value)
