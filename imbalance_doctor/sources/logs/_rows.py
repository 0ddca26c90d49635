"""Rows of named values to records: which key is the position, the phase, the run, and what is a number."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

from imbalance_doctor.evidence import Phase
from imbalance_doctor.sources.logs._keys import canonical
from imbalance_doctor.sources.logs.base import Parsed, Record

__all__ = [
    "Clock",
    "Rows",
    "flatten",
    "is_log_header",
    "is_metric",
    "normal",
    "number",
    "other_table",
    "phase_of",
    "place",
    "role_of",
    "words",
]

PhaseWord = Literal["train", "val", "test", ""]
Role = Literal["step", "epoch", "total", "phase", "group", "rank", "name", "value", "count", ""]


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


# Best first: where a row has several, the first of them is the step and the others are plain values.
_STEPS = (
    "global_step", "trainer_global_step", "train_global_step", "step", "_step", "steps", "num_updates",
    "current_steps", "current_step", "total_timesteps", "time_total_timesteps", "optimizer_step", "iteration",
    "iterations", "global_iter", "global_iteration", "n_iter", "iter", "iters", "it", "update", "updates",
    "train_step", "train_steps", "num_steps", "step_num", "batch", "batch_idx", "batch_index", "batch_num",
    "minibatch",
)  # fmt: skip
_EPOCHS = (
    "epoch", "ep", "_epoch", "epochs", "epoch_num", "epoch_number", "epoch_no", "epoch_id", "epoch_idx",
    "epoch_index", "current_epoch", "cur_epoch", "train_epoch", "trainer_epoch", "epoca", "époque", "round",
    "rounds", "communication_round", "server_round", "global_round", "boosting_round",
)  # fmt: skip
_TOTALS = {
    "total_steps": "planned_steps", "max_steps": "planned_steps", "total_iters": "planned_steps",
    "max_iters": "planned_steps", "max_iter": "planned_steps", "num_training_steps": "planned_steps",
    "total_epochs": "planned_epochs", "max_epochs": "planned_epochs", "num_epochs": "planned_epochs",
    "max_epoch": "planned_epochs", "num_train_epochs": "planned_epochs", "n_epochs": "planned_epochs",
    "batch_size": "batch_size", "train_batch_size": "batch_size", "num_classes": "num_classes",
    "n_classes": "num_classes",
}  # fmt: skip
_PHASES = words(
    "mode split phase set stage subset partition part dataset dataset_type data_type data dataloader "
    "type _type event kind log_type loop"
)
_GROUPS = words(
    "fold fold_id fold_idx fold_index k_fold kfold cv_fold cv client client_id cid site seed "
    "random_seed trial trial_id trial_number run run_id run_name run_uuid exp exp_name experiment "
    "experiment_name model model_name repeat repetition replicate"
)
_RANKS = words("rank local_rank global_rank node_rank worker worker_id process_index replica_id")
_NAMES = words("name key metric metric_name metric_key tag series variable scalar")
_VALUES = words("value val metric_value scalar_value val_value")
_COUNTS = frozenset(("", "index", "unnamed_0", "#", "no", "row", "row_id"))

_ROLES: tuple[tuple[Role, Container[str]], ...] = (
    ("step", _STEPS), ("epoch", _EPOCHS), ("total", _TOTALS), ("phase", _PHASES), ("group", _GROUPS),
    ("rank", _RANKS), ("name", _NAMES), ("value", _VALUES), ("count", _COUNTS),
)  # fmt: skip
_UNDERSCORED: dict[str, Role] = {"_step": "step", "_type": "phase"}

_TRAIN_WORDS = words("train training tr trn learn learning fit")
_VAL_WORDS = words("val valid validation validate validating eval evaluation evaluate dev vali holdout")
_TEST_WORDS = words("test testing tst")
_PHASE_WORDS: tuple[tuple[PhaseWord, frozenset[str]], ...] = (
    ("train", _TRAIN_WORDS), ("val", _VAL_WORDS), ("test", _TEST_WORDS),
)  # fmt: skip
_STAGES = {
    "warmup": 0.0, "warm_up": 0.0, "warm": 0.0, "blend": 1.0, "ramp": 1.0, "main": 2.0,
}  # fmt: skip
_STAGE_KEY = "phase"  # the key under which the stage of a warm-up schedule is handed on
_CONFIG_TYPES = words(
    "meta metadata config configuration hparams hyperparameters args arguments header env environment params"
)
# Names that say no more than that measurements follow.
_WRAPPERS = words(
    "metrics metric data values scalars logs log history log_history stats results records payload epochs"
)

# What the rows of a table of another kind stand for.
_NOT_STEPS = words(
    "threshold thresholds thr cutoff class class_name class_id label category quantile percentile "
    "confidence conf bin feature importance param params support"
)

_SETTINGS = words(
    "dropout dropout_rate depth max_depth n_estimators num_leaves n_layers num_layers hidden hidden_size "
    "hidden_dim weight_decay min_child_weight subsample colsample_bytree optimizer batch_size gamma alpha "
    "k n_neighbors c reg_lambda reg_alpha"
)
_CURVES = (
    {"fpr", "tpr"}, {"fpr", "tpr", "auc"}, {"precision", "recall"}, {"precision", "recall", "auc"},
)  # fmt: skip

_METRIC = re.compile(
    r"(?:^|_)(?:\w*loss\w*|losses|cost|nll|bce|ce|mse|mae|rmse|objective|elbo|perplexity|ppl|logloss|"
    r"cross_?entropy|acc\w*|accuracy|\w*accuracy|top_?[15]|prec\w*|precision|recall|sens\w*|spec\w*|tpr|tnr|fpr|fnr|ppv|"
    r"f1\w*|f_?score|fbeta|mcc|kappa|m?ap\d*|map_\d+|average_precision|\w*auc\w*|\w*auroc|auprc|aucpr|roc|"
    r"dice\w*|dsc|\w*iou\w*|jaccard|err|error|\w*error|lr\w*|learning_rate|grad_?norm|gnorm|mean_?iou|"
    r"hinge|brier|kl|r2|\w*score|logloss|gm|g_mean|balanced\w*)(?:_|$)"
)
_JOINS = re.compile(r"[\s\-./:@()\[\]]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
_WRAPPED = re.compile(r"(?:[\w.]+\()?\[?\s*([-+]?[\w.]+(?:[eE][-+]?\d+)?)\s*\]?(?:,\s*[\w.]+=.*)?\)?")
_PLACE = re.compile(r"\D{0,20}?(\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?)(?:\s*(?:/|of)\s*(\d+))?\D{0,3}")
_MISSING = frozenset(("", "-", "--", "none", "null", "na", "n/a", "#na#", "#n/a", "<na>", "?", "missing"))
_TELLING = frozenset(("total", "phase", "group", "rank", "name"))
_NESTED = frozenset((dict, list, tuple))
_MOST_KEYS = 4_096
_DEEPEST = 8
_LONGEST_LIST = 64
_LONGEST_NAME = 80
_LONGEST_KEY = 200
_FARTHEST = 1e15
_MOST_RANKS = 65_536
_LOSS = re.compile(r"(?:^|_)loss(?:_|$)")
_LASTING = 3  # values before and nulls after: fewer are an odd first or last row
_MOST_LOST = 10_000


def normal(key: str) -> str:
    """Return a key in lower case with ``_`` between its words."""
    joined = _JOINS.sub("_", _CAMEL.sub("_", key.strip()))
    return joined.lower().strip("_") or joined[:1].lower()


def is_metric(key: str) -> bool:
    """Tell whether a key can name a loss, a metric or a learning rate.

    >>> is_metric("val/box_loss"), is_metric("metrics/mAP50-95(B)"), is_metric("petal width")
    (True, True, False)
    """
    return len(key) <= _LONGEST_KEY and _is_metric(key)


@lru_cache(4_096)
def _is_metric(key: str) -> bool:
    spellings = (normal(key), _JOINS.sub("_", key.lower()))
    return any(_METRIC.search(spelling) for spelling in spellings) or canonical(key) is not None


def role_of(key: str) -> Role:
    """Tell what a key is beside a measurement.

    >>> role_of("Epoch"), role_of("trainer/global_step"), role_of("max_steps"), role_of("val_loss")
    ('epoch', 'step', 'total', '')
    """
    return _role_of(key) if len(key) <= _LONGEST_KEY else ""


@lru_cache(4_096)
def _role_of(key: str) -> Role:
    if key.strip() in _UNDERSCORED:
        return _UNDERSCORED[key.strip()]
    name = normal(key)
    return next((role for role, names in _ROLES if name in names), "")


def is_log_header(keys: Sequence[str]) -> bool:
    """Tell whether columns of these names can follow a training run.

    A table of thresholds, classes or settings holds metrics as well, but its rows are no steps of a run.

    >>> [is_log_header(keys) for keys in (["epoch", "auc"], ["threshold", "recall"], ["depth", "auc"])]
    [True, False, False]
    """
    roles = {role_of(key) for key in keys}
    if roles & {"step", "epoch"} or {"name", "value"} <= roles:
        return True
    if other_table(keys):
        return False
    names = {normal(key) for key in keys}
    measured = [name for name in names if is_metric(name)]
    return (
        any("loss" in name or name in {"cost", "nll", "mse", "mae", "rmse"} for name in measured)
        or any(phase_of(name) in {"val", "test"} and _without_phase(name) in names for name in measured)
        or {"train", "val"} <= {phase_of(name) for name in measured}
        or (bool(measured) and names <= {*measured, *_COUNTS})
    )


def other_table(keys: Sequence[str]) -> str:
    """Tell what a table is whose columns hold metrics, but whose rows are no steps of a run.

    >>> other_table(["fpr", "tpr"])
    'points of a ROC or precision-recall curve'
    >>> other_table(["Threshold", "F1"]), other_table(["epoch", "threshold", "f1"])
    ('metrics by threshold', '')
    >>> other_table(["lr", "dropout", "auc"]), other_table(["loss", "dropout", "auc"])
    ('metrics by setting', '')
    """
    if any(role_of(key) in {"step", "epoch"} for key in keys):
        return ""
    names = {normal(key) for key in keys} - _COUNTS
    by = sorted(names & _NOT_STEPS)
    if by and any(map(is_metric, names - _NOT_STEPS)):
        return f"metrics by {by[0].replace('_', ' ')}"
    if (
        names & _SETTINGS
        and any(map(is_metric, names - _SETTINGS))
        and not any("loss" in name for name in names)
    ):
        return "metrics by setting"
    return "points of a ROC or precision-recall curve" if names in _CURVES else ""


def _without_phase(name: str) -> str:
    return name.partition("_")[2]


def total_of(key: str) -> str:
    """Return the hint that a key of the role ``total`` gives."""
    return _TOTALS[normal(key)]


def preferred(keys: Sequence[str], role: Literal["step", "epoch"]) -> str | None:
    """Return the key that says best where a row stands, of those with this role."""
    order = _STEPS if role == "step" else _EPOCHS
    found = [key for key in keys if role_of(key) == role]
    return min(found, key=lambda key: order.index(normal(key)), default=None)


def number(value: Any, *, decimal_comma: bool = False) -> float | None:
    """Return a value as a number, also from text; None where it is missing or no number.

    NaN and infinities are numbers. A percentage comes as a share.

    >>> number("0.5"), number("78.9%"), number("1,234.5"), number("tensor(0.25, device='cuda:0')")
    (0.5, 0.789, 1234.5, 0.25)
    >>> number("0,5", decimal_comma=True), number("#na#"), number("nan"), number("fast"), number(True)
    (0.5, None, nan, None, None)
    """
    if isinstance(value, str):
        return _from_text(value.strip(), decimal_comma=decimal_comma)
    return _float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _from_text(text: str, *, decimal_comma: bool) -> float | None:
    if text.lower() in _MISSING or len(text) > _LONGEST_NAME:
        return None
    if decimal_comma and _DECIMAL_COMMA.fullmatch(text.removesuffix("%").rstrip()):
        text = text.replace(",", ".")
    elif _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    if text.endswith("%"):
        share = _float(text[:-1])
        return None if share is None else share / 100
    plain = _float(text)
    if plain is None and (found := _WRAPPED.fullmatch(text)):
        return _float(found[1])
    return plain


def _float(value: Any) -> float | None:
    if isinstance(value, str) and "_" in value:  # Python would take 1_000
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def place(value: Any) -> tuple[float | None, float | None]:
    """Return a position and how far the run will go, from a number or text such as ``1/400``.

    >>> place(3), place("7/400"), place("epoch 012"), place("mean")
    ((3.0, None), (7.0, 400.0), (12.0, None), (None, None))
    """
    plain = number(value)
    if plain is not None:
        return (plain, None) if abs(plain) < _FARTHEST else (None, None)
    found = _PLACE.fullmatch(value.strip()) if isinstance(value, str) and len(value) < _LONGEST_NAME else None
    if found is None:
        return None, None
    total = None if found[2] is None else float(found[2])
    return float(found[1].replace(",", "")), total


def phase_of(word: Any) -> PhaseWord:
    """Return the phase that a word such as ``validation`` or ``train_epoch`` names."""
    if not isinstance(word, str) or len(word) > _LONGEST_NAME:
        return ""
    first = normal(word).rstrip("0123456789").split("_")[0]
    return next((phase for phase, known in _PHASE_WORDS if first in known), "")


@dataclass(slots=True)
class Clock:
    """Where rows stand, where the log counts some of them in another way.

    Steps that begin anew with every epoch are counted on; validation rows that count their own batches, or
    the epochs under the name of steps, stand where training stood.
    """

    _offset: float = 0.0
    _top: float | None = None
    _gap: float = 0.0
    _epoch: float | None = None
    _rows: int = 0

    def at(
        self, step: float | None, epoch: float | None, phase: str = ""
    ) -> tuple[float | None, float | None]:
        """Return step and epoch of the next row."""
        if step is None or epoch is None:
            return self._half(step, epoch, phase)
        aside = phase not in {"", "train"}
        if self._top is None or self._epoch is None:
            if not aside:
                self._top, self._epoch, self._rows = step, epoch, 1
            return step, epoch
        if aside:
            ahead = step - self._top
            if ahead < 0 or ahead > self._gap or math.floor(epoch) != math.floor(self._epoch):
                return self._aside(step, epoch)
            return step + self._offset, epoch
        whole, last = math.floor(epoch), math.floor(self._epoch)
        if whole < last:
            self._offset, self._top, self._rows, self._gap = 0.0, step, 1, 0.0
        elif whole > last and (step < self._top or (step == self._top and self._rows == 1)):
            self._offset += self._top
            self._top, self._rows = step, 1
        else:
            self._gap = max(self._gap, step - self._top)
            self._rows = 1 if whole > last else self._rows + 1
            self._top = step
        self._epoch = epoch
        return step + self._offset, epoch

    def _half(self, step: float | None, epoch: float | None, phase: str) -> tuple[float | None, float | None]:
        if step is not None and self._epoch is not None and self._top is not None:
            if step < self._top and phase != "train" and abs(step - math.floor(self._epoch)) <= 1:
                return self._top + self._offset, step
            return step + self._offset, None
        return step, epoch

    def _aside(self, step: float, epoch: float) -> tuple[float | None, float]:
        assert self._top is not None  # noqa: S101  asked before
        assert self._epoch is not None  # noqa: S101
        if math.floor(epoch) < math.floor(self._epoch):  # another pass over the file
            return step, epoch
        return self._top + self._offset, epoch


def flatten(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the leaves of nested dicts under keys joined by ``/``; short lists become ``key[i]``."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, (dict, list, tuple)):
            _spread(str(key), value, flat, 0)
        else:
            flat[str(key)] = value
        if len(flat) > _MOST_KEYS:
            break
    return flat


def _spread(key: str, value: Any, flat: dict[str, Any], depth: int) -> None:
    if len(flat) > _MOST_KEYS or depth > _DEEPEST:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            _spread(str(name) if key.lower() in _WRAPPERS else f"{key}/{name}", inner, flat, depth + 1)
    elif isinstance(value, (list, tuple)):
        if len(value) == 1:
            _spread(key, value[0], flat, depth + 1)
        elif len(value) <= _LONGEST_LIST:
            for i, inner in enumerate(value):
                if not isinstance(inner, (dict, list, tuple)):
                    flat[f"{key}[{i}]"] = inner
    else:
        flat[key] = value


_Told = tuple[PhaseWord, str, str]
_NOTHING: _Told = "", "", ""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the keys of a row mean, for all rows with the same keys."""

    step: str | None
    epoch: str | None
    plain: tuple[str, ...]
    others: tuple[tuple[str, Role], ...]
    long: bool
    losses: tuple[str, ...]


@dataclass(slots=True)
class _Lost:
    """A loss that every row stated until its rows began to say null.

    Attributes
    ----------
    beside
        Keys that stood in the last row with a value of it.
    found
        Number of its values.
    records
        Not finite, one for each row that says null; None once a row broke the pattern.
    """

    beside: frozenset[str] = frozenset()
    found: int = 0
    records: list[Record] | None = field(default_factory=list)


@dataclass(slots=True)
class Rows:
    """Turns rows of named values into records; what they state about the whole run goes into `parsed`."""

    parsed: Parsed
    decimal_comma: bool = False
    count: int = 0
    keys: dict[str, None] = field(default_factory=dict)
    _lost: dict[str, _Lost] = field(default_factory=dict)
    _plans: dict[tuple[Any, ...], _Plan] = field(default_factory=dict)
    _clocks: dict[tuple[str, ...], Clock] = field(default_factory=dict)

    def records(self, rows: Iterator[tuple[int, Mapping[Any, Any]]]) -> Iterator[Record]:
        """Yield a record for every row that holds a measurement."""
        for line, row in rows:
            record = self.record(row, line)
            if record is not None:
                yield record

    def lost(self) -> Iterator[Record]:
        """Yield the losses that were not finite to the end and were written as null, since JSON has no NaN.

        Ask after the last row of JSON. Null also means that a value was not measured: so every row must have
        stated the loss before, and the rows that say null must say nothing that those before did not.
        """
        for lost in self._lost.values():
            if lost.records and min(lost.found, len(lost.records)) >= _LASTING:
                yield from lost.records

    def _watch(
        self, row: Mapping[str, Any], plan: _Plan, values: Mapping[str, float], record: Record
    ) -> None:
        """Remember which losses a row states or leaves null."""
        for key in plan.losses:
            lost = self._lost.setdefault(key, _Lost())
            if lost.records is None:
                continue
            if key in values:
                lost.found += 1
                lost.beside = frozenset(values)
                if lost.records:
                    lost.records = None
            elif row[key] is None and lost.found and lost.beside >= values.keys():
                if len(lost.records) < _MOST_LOST:
                    lost.records.append(replace(record, values={key: math.nan}))
            else:
                lost.records = None

    def record(self, row: Mapping[Any, Any], line: int = 0) -> Record | None:
        """Return a row as a record; None when it measures nothing."""
        if not _NESTED.isdisjoint(map(type, row.values())):
            row = flatten(row)
        plan = self._plans.get(tuple(row)) or self._plan(tuple(row))
        values = self._measured(row, plan)
        told = self._told(row, plan, values) if plan.others else _NOTHING
        if told is None:
            return None
        phase, group, rank = told
        if plan.long:
            values = _named(row, plan, values)
        if phase == "test":
            # Not every log has a validation phase beside it: which of the two it is shows at the end.
            values = {key if phase_of(key) else f"test_{key}": value for key, value in values.items()}
        if not values and not any(key in self._lost for key in plan.losses):
            return None
        step, epoch = self._stand(row, plan, told)
        if len(self.keys) < _MOST_KEYS:
            self.keys.update(dict.fromkeys(values))
        known: Phase = "" if phase == "test" else phase
        record = Record(values=values, line=line, step=step, epoch=epoch, phase=known, group=group, rank=rank)
        if plan.losses and phase != "test":
            self._watch(row, plan, values, record)
        self.count += bool(values)
        return record if values else None

    def _measured(self, row: Mapping[str, Any], plan: _Plan) -> dict[str, float]:
        values: dict[str, float] = {}
        for key in plan.plain:
            value = row[key]
            if type(value) is float:
                values[key] = value
            elif (measured := number(value, decimal_comma=self.decimal_comma)) is not None:
                values[key] = measured
        return values

    def _stand(self, row: Mapping[str, Any], plan: _Plan, told: _Told) -> tuple[float | None, float | None]:
        """Return step and epoch of a row."""
        step = None if plan.step is None else self._place(row[plan.step], "planned_steps")
        epoch = None if plan.epoch is None else self._place(row[plan.epoch], "planned_epochs")
        phase, *run = told
        clock = self._clocks.get(tuple(run))
        if clock is None:
            clock = Clock()
            if len(self._clocks) < _MOST_KEYS:
                self._clocks[tuple(run)] = clock
        return clock.at(step, epoch, phase)

    def _plan(self, keys: tuple[Any, ...]) -> _Plan:
        step, epoch = preferred(keys, "step"), preferred(keys, "epoch")
        roles = {key: role_of(key) for key in keys if key not in {step, epoch}}
        plan = _Plan(
            step=step,
            epoch=epoch,
            plain=tuple(key for key, role in roles.items() if role in {"", "value", "step", "epoch"}),
            others=tuple((key, role) for key, role in roles.items() if role in _TELLING),
            long={"name", "value"} <= set(roles.values()),
            losses=tuple(key for key, role in roles.items() if not role and _LOSS.search(normal(key))),
        )
        if len(self._plans) < _MOST_KEYS:
            self._plans[keys] = plan
        return plan

    def _told(self, row: Mapping[str, Any], plan: _Plan, values: dict[str, float]) -> _Told | None:
        """Return phase, group and rank; None for a row of settings."""
        phase: PhaseWord = ""
        rank = ""
        groups: list[str] = []
        for key, role in plan.others:
            value = row[key]
            if role == "total":
                self._hint(total_of(key), number(value))
            elif role == "phase" and isinstance(value, str) and number(value) is None:  # 2 is a stage
                if normal(value) in _CONFIG_TYPES:
                    return None
                phase = phase or phase_of(value)
                if (stage := _STAGES.get(normal(value))) is not None:
                    values[_STAGE_KEY] = stage
            elif role == "group" and (label := _label(value)):
                groups.append(label if isinstance(value, str) and not label.isdigit() else f"{key} {label}")
            elif role == "rank" and (worker := _rank(value)):
                rank = worker
            elif (measured := number(value, decimal_comma=self.decimal_comma)) is not None:
                values[key] = measured
        return phase, ", ".join(groups), rank

    def _place(self, value: Any, hint: str) -> float | None:
        at, total = place(value)
        self._hint(hint, total)
        return at

    def _hint(self, name: str, value: float | None) -> None:
        if value is not None and math.isfinite(value) and value > 0:
            self.parsed.hints[name] = value


def _named(row: Mapping[str, Any], plan: _Plan, values: dict[str, float]) -> dict[str, float]:
    """Return the one value of a long table under its name."""
    name = next((row[key] for key, role in plan.others if role == "name" and isinstance(row[key], str)), "")
    measured = [value for key, value in values.items() if role_of(key) == "value"]
    return {name.strip()[:_LONGEST_NAME]: measured[0]} if name.strip() and len(measured) == 1 else values


def _label(value: Any) -> str:
    if isinstance(value, str) and value.strip() and len(value) <= _LONGEST_NAME:
        return value.strip()
    whole = number(value)
    return f"{whole:.0f}" if whole is not None and math.isfinite(whole) and whole == int(whole) else ""


def _rank(value: Any) -> str:
    whole = number(value)
    if whole is None or not math.isfinite(whole) or whole != int(whole) or not 0 <= whole < _MOST_RANKS:
        return ""
    return f"{whole:.0f}"
