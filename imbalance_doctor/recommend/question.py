"""The single answer from the user that would change the advice most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from imbalance_doctor.evidence import TrainingPlan
from imbalance_doctor.recommend.base import Question


@cache
def _questions() -> Sequence[Mapping[str, Any]]:
    import yaml

    path = resources.files("imbalance_doctor.recommend") / "proposals" / "questions.yaml"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loaded: Sequence[Mapping[str, Any]] = yaml.load(
        path.read_text(encoding="utf-8"),
        Loader=loader,  # noqa: S506  a safe loader either way
    )["questions"]
    return loaded


def most_telling_question(
    preferred: Callable[[Mapping[str, Any]], str], fixed: TrainingPlan, chosen: str
) -> Question | None:
    """Return the open question with the most answers that lead to another loss.

    Parameters
    ----------
    preferred
        The loss that would be recommended if the plan fields were answered so.
    fixed
        What the user has said; answered questions are not asked again.
    chosen
        The loss recommended as things stand.
    """
    if fixed.loss is not None:
        return None
    best: Question | None = None
    most = 0.0
    for question in _questions():
        field = question["field"]
        if getattr(fixed, field) is not None:
            continue
        changed: dict[str, list[str]] = {}
        asked: list[str] = []
        for answer in question["answers"]:
            given = answer if isinstance(answer, dict) else {field: answer}
            asked += given
            loss = preferred(given)
            if loss != chosen:
                shown = str(answer).lower() if isinstance(answer, bool) else answer
                text = (
                    " and ".join(f"{k} {v}" for k, v in answer.items())
                    if isinstance(answer, dict)
                    else f"{shown}"
                )
                changed.setdefault(loss, []).append(text)
        weight = sum(map(len, changed.values())) / len(question["answers"])
        if weight > most:
            most = weight
            effect = "; ".join(f"{loss} for {', '.join(a)}" for loss, a in sorted(changed.items()))
            best = Question(
                fields=tuple(dict.fromkeys(asked)),
                text=question["text"],
                effect=f"the loss would become {effect}",
            )
    return best
