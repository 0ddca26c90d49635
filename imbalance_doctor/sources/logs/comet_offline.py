"""Comet's offline experiments: a zip archive, or its folder, with one message per line."""

from __future__ import annotations

from collections.abc import Iterator

from imbalance_doctor.evidence import Phase
from imbalance_doctor.sources.logs._archive import json_lines, members
from imbalance_doctor.sources.logs._curves import Curves, or_instead
from imbalance_doctor.sources.logs._folders import need_path
from imbalance_doctor.sources.logs._numbers import plain
from imbalance_doctor.sources.logs.base import LogFile, LogReader, Options, Parsed, Record

_MESSAGES, _EXPERIMENT = "messages.json", "experiment.json"
_PHASES: dict[str, Phase] = {"train": "train", "validate": "val", "validation": "val"}


class CometOffline(LogReader):
    """A Comet offline experiment."""

    title = "a Comet offline experiment"
    rank = 24

    @staticmethod
    def recognises(file: LogFile) -> bool:
        """Tell by the names in the archive or folder."""
        return {_MESSAGES, _EXPERIMENT} <= members(file)

    @staticmethod
    def read(file: LogFile, options: Options) -> Parsed:  # noqa: ARG004 - keys are renamed elsewhere
        """Read the metric messages.

        Raises
        ------
        InputError
            The archive cannot be opened, is damaged or unpacks to an absurd size.
        """
        parsed = Parsed(format="Comet offline experiment", records=())
        records = _records(file, parsed)
        parsed.records = or_instead(records, parsed, "a Comet offline experiment without metrics")
        return parsed


def _records(file: LogFile, parsed: Parsed) -> Iterator[Record]:
    curves = Curves()
    path = need_path(file, CometOffline.title)
    for number, message in json_lines(path, _MESSAGES, parsed):
        payload = message.get("payload") if isinstance(message, dict) else None
        metric = payload.get("metric") if isinstance(payload, dict) else None
        if not isinstance(metric, dict):
            continue
        name, value = metric.get("metricName"), plain(metric.get("metricValue"))
        if not isinstance(name, str) or value is None:
            continue
        context = str(payload.get("context") or "") if isinstance(payload, dict) else ""
        phase = _PHASES.get(context, "")
        curves.add(
            name if phase or not context else f"{context}/{name}",
            value,
            step=plain(metric.get("step")),
            epoch=plain(metric.get("epoch")),
            order=number,
            phase=phase,
        )
    yield from curves.records()
