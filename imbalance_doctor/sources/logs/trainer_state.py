"""``trainer_state.json`` of the Hugging Face Trainer: the rows of its ``log_history``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs._decode import head_text, whole_text
from imbalance_doctor.sources.logs._document import whole_rows
from imbalance_doctor.sources.logs._rows import Rows, number
from imbalance_doctor.sources.logs.base import LogFile, LogReader, Options, Parsed, Record, Template

_LARGEST = 2**27
_MARKS = (
    '"log_history"', '"global_step"', '"best_model_checkpoint"', '"is_hyper_param_search"', '"max_steps"',
    '"is_world_process_zero"', '"total_flos"',
)  # fmt: skip
_ENOUGH_MARKS = 3
_HISTORY = re.compile(r'"log_history"\s*:\s*\[')
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\]\n]')
_HINTS = {
    "max_steps": "planned_steps", "num_train_epochs": "planned_epochs", "train_batch_size": "batch_size",
}  # fmt: skip
# The last row sums up the run; its train_loss is the mean over all steps, not another point.
_SUMMARY = frozenset(("train_runtime", "train_samples_per_second", "train_steps_per_second"))
_LONGEST_SAMPLE = 300


class TrainerState(LogReader):
    """The state that the Trainer saves beside its checkpoints."""

    title = "a trainer_state.json"
    rank = 20

    @staticmethod
    def recognises(file: LogFile) -> bool:
        """Tell by the keys of the state."""
        if file.is_folder or b"{" not in file.head[:64]:
            return False
        text = head_text(file)
        if not text.lstrip().startswith("{"):
            return False
        return _HISTORY.search(text) is not None or sum(mark in text for mark in _MARKS) >= _ENOUGH_MARKS

    @staticmethod
    def read(file: LogFile, options: Options) -> Parsed:  # noqa: ARG004  part of the interface
        """Read the whole state.

        Raises
        ------
        InputError
            It is no JSON object, or too large to be read at once.
        """
        parsed = Parsed(format="Hugging Face trainer_state.json", records=())
        text = whole_text(file, _LARGEST, "a trainer_state.json")
        state, history = _state(text, file.name, parsed)
        for key, name in _HINTS.items():
            value = number(state.get(key))
            if value is not None and 0 < value < float("inf"):
                parsed.hints[name] = value
        parsed.records = _records(history, _lines(text, len(history)), parsed)
        return parsed


def _state(text: str, where: str, parsed: Parsed) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    try:
        state = json.loads(text)
    except RecursionError as error:
        raise InputError("expected a trainer state, but got deeply nested data", where=where) from error
    except ValueError as error:
        rows = whole_rows(text, begin=found.end() if (found := _HISTORY.search(text)) else len(text))
        if not rows:
            line = getattr(error, "lineno", None)
            raise InputError(
                "expected a trainer state in JSON, but got a syntax error", where=where, line=line
            ) from error
        parsed.notes.append("the file is cut short: the rows before the cut are read")
        return {}, rows
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list):
        raise InputError("expected a trainer state, but it has no list 'log_history'", where=where)
    return state, [row for row in history if isinstance(row, dict)]


def _lines(text: str, count: int) -> list[int]:
    """Return the line each row of the history starts in; empty where that cannot be told."""
    found = _HISTORY.search(text)
    if found is None:
        return []
    lines: list[int] = []
    depth, line = 0, text.count("\n", 0, found.end()) + 1
    for token in _TOKENS.finditer(text, found.end()):
        if token[0] == "\n":
            line += 1
        elif token[0] == "{":
            if not depth:
                lines.append(line)
            depth += 1
        elif token[0] == "}":
            depth -= 1
        elif token[0] == "]" and depth <= 0:
            break
    return lines if len(lines) == count else []


def _records(history: list[Mapping[str, Any]], lines: list[int], parsed: Parsed) -> Iterator[Record]:
    rows = Rows(parsed)
    sample = ""
    for i, row in enumerate(history):
        if _SUMMARY & row.keys():
            continue
        record = rows.record(row, lines[i] if lines else 0)
        if record is not None:
            sample = sample or json.dumps(row)[:_LONGEST_SAMPLE]
            yield record
    if rows.count:
        parsed.templates = [Template(sample=sample, count=rows.count, keys=tuple(rows.keys))]
