"""Measure the losses against the reference and write the tables into README.md.

Run ``python tests/benchmarks/readme.py`` on a quiet machine; it takes some minutes. Each benchmark beside
this file prints its own table; the tables go between the ``benchmarks`` marks of README.md, with the date,
the versions and the machine.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parents[1] / "README.md"
BLOCK = re.compile(r"(<!-- benchmarks -->\n).*?(<!-- end of benchmarks -->)", re.DOTALL)
TABLES = {
    "Smooth-AP (from 1e8 pairs on each step starts from a heap without the other's garbage)": (
        "bench_smooth_ap.py"
    ),
    "Threshold losses": "bench_quantile_losses.py",
    "Focal losses": "bench_focal.py",
}


def table(script: str) -> str:
    """Run one benchmark and return the table it prints."""
    done = subprocess.run(
        [sys.executable, str(HERE / script)],
        env=os.environ | {"PYTHONPATH": str(HERE.parents[1])},
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    return "\n".join(line for line in done.stdout.splitlines() if line.startswith("|"))


def measured() -> str:
    """Return all tables with what they were measured on."""
    today = dt.datetime.now(dt.UTC).date()
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "imbalanced-losses"))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, two threads"
    head = f"Forward and backward on {machine}; {versions}; {today}. Medians of paired runs.\n"
    return "\n".join([head, *(f"{title}:\n\n{table(script)}\n" for title, script in TABLES.items())])


if __name__ == "__main__":
    text = README.read_text(encoding="utf-8")
    README.write_text(
        BLOCK.sub(lambda found: f"{found[1]}\n{measured()}\n{found[2]}", text), encoding="utf-8"
    )
