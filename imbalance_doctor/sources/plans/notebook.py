"""Plans from the code cells of a Jupyter notebook, read as one script."""

from __future__ import annotations

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import PlannedRun
from imbalance_doctor.sources.plans.base import PlanReader, read_text
from imbalance_doctor.sources.plans.training_source import runs_of

NOTEBOOK_BYTES = 50 << 20
"""Largest notebook that is read; most of one is outputs."""


def read(path: str) -> list[PlannedRun]:
    """Read the planned runs of a notebook; places are named by cell, as ``nb.ipynb[cell 3]:2``."""
    import json

    text = read_text(path, limit=NOTEBOOK_BYTES)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError("expected a Jupyter notebook, but it is no JSON", where=path) from None
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list):
        raise InputError("expected a Jupyter notebook, but it has no cells", where=path)
    lines: list[str] = []
    origins: list[tuple[str, int]] = []
    for number, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        for line, source in enumerate(_code(cell.get("source")), start=1):
            lines.append(source)
            origins.append((f"{path}[cell {number}]", line))

    def origin(line: int) -> tuple[str, int]:
        return origins[line - 1] if line <= len(origins) else (path, line)

    return runs_of("\n".join(lines), path, origin)


def _code(source: object) -> list[str]:
    """Return the lines of a cell; magics and shell commands, which are no Python, become blank."""
    text = "".join(map(str, source)) if isinstance(source, list) else str(source or "")
    lines = text.splitlines()
    first = lines[0].lstrip() if lines else ""
    if first.startswith("%%") and not first.startswith(("%%time", "%%capture")):
        return [""] * len(lines)
    return [_without_magic(line) for line in lines]


def _without_magic(line: str) -> str:
    bare = line.lstrip()
    return line[: len(line) - len(bare)] + "pass" if bare.startswith(("%", "!")) else line


READER = PlanReader(suffixes=(".ipynb",), read=read)
