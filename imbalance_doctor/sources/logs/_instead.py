"""What a file is when it is no training log: told by its first bytes, or by what reading it has shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

from imbalance_doctor.sources.logs.base import LogFile

__all__ = ["at_sight", "crash_in", "on_reading"]

_MAGICS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself: run `git lfs pull`"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "an image, sound or video file"),
    (b"%PDF", "a PDF document"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"PAR1", "a Parquet table"),
    (b"ARROW1", "an Arrow table"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstandard-compressed data: decompress it first"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"<!DOCTYPE html", "an HTML page"),
    (b"<html", "an HTML page"),
)
_TAR = (257, b"ustar")
_LATEX = re.compile(
    r"^This is (?:pdf|Xe|Lua|e-?)?(?:La)?TeX|^LaTeX2e <|^\*\*\S+\.tex|Document Class: ", re.MULTILINE
)
_BUILD = re.compile(
    r"^-- (?:The \w+ compiler|Check for working|Detecting|Configuring done|Found )|^CMake (?:Error|Warning)"
    r"|Built target|^\[\s*\d+%\] (?:Building|Linking)|^(?:gcc|g\+\+|clang|nvcc|cl\.exe|cc1plus)\b"
    r"|^make(?:\[\d+\])?: |MSBuild version|^Build (?:started|succeeded|FAILED)|error C\d{4}:"
    r"|fatal error: .*: No such file",
    re.MULTILINE,
)
_INSTALL = re.compile(
    r"^(?:Collecting|Requirement already satisfied|Successfully installed|Downloading) ", re.MULTILINE
)
_TRACEBACK = re.compile(r"Traceback \(most recent call last\)")
_EXCEPTION = re.compile(
    r"^[^\w\n]*(?:\[?rank\s?\d+\]?:?\s*)?"
    r"((?:[\w.]+\.)?\w+(?:Error|Exception|Interrupt|Exit)(?::[^\n]{0,300})?)\s*$",
    re.MULTILINE,
)
_FATAL = re.compile(
    r"^.{0,200}?((?:CUDA out of memory|CUDA error|Out of memory: Killed|oom-kill|Segmentation fault"
    r"|RESOURCE_EXHAUSTED|floatingpointerror: |Loss became infinite or NaN|Loss is nan, stopping).{0,200})$",
    re.MULTILINE | re.IGNORECASE,
)
_REPORT = re.compile(r"precision\s+recall\s+f1-score\s+support")
_LAYERS = re.compile(
    r"^\s*(?:\(\w+\): )?(?:Conv2d|Linear|BatchNorm\w*|ReLU|Sequential|MaxPool\w*)\(|^\s*\d+ conv\s",
    re.MULTILINE,
)
_KINDS = (
    (_BUILD, "the output of a compiler or build"),
    (_INSTALL, "the output of an installation"),
    (_REPORT, "a classification report, which shows one moment and no course"),
)
_CELLS = re.compile(r"[,;\t]")
_LONGEST = 160
_FEW_NAMES = 4
_FEW_LINES = 3
_WIDTHS = 0.8


def at_sight(head: bytes, text: str) -> str:
    """Return what the first bytes show the file to be; empty where it may be a log."""
    if not head.strip():
        return "an empty file"
    for magic, what in _MAGICS:
        if head.startswith(magic):
            return what
    if head[_TAR[0] : _TAR[0] + len(_TAR[1])] == _TAR[1]:
        return "a tar archive: unpack it first"
    if _LATEX.search(text[:4000]):
        return "a LaTeX log"
    return ""


def crash_in(text: str) -> str:
    """Return the last exception or fatal message of a text, as it is worded; empty where there is none."""
    fatal = _FATAL.findall(text)
    exceptions = _EXCEPTION.findall(text)
    if exceptions and (_TRACEBACK.search(text) or ":" in exceptions[-1]):
        return " ".join(exceptions[-1].split())[:_LONGEST]
    return " ".join(fatal[-1].split())[:_LONGEST] if fatal else ""


def on_reading(  # noqa: PLR0911  one return per kind of file
    file: LogFile, thin: Mapping[str, int], ignored: tuple[str, ...], crash: str
) -> str:
    """Return what a file is that has no training series.

    Parameters
    ----------
    thin
        Number of values, by key, of what was understood.
    ignored
        Keys that were not.
    crash
        The exception that the log ends with.
    """
    text = file.text
    crash = crash or crash_in(text)
    if crash:
        return f"the output of a program that ended with {crash}"
    if not text:
        return _binary(file.head)
    kind = next((what for pattern, what in _KINDS if pattern.search(text)), "")
    if kind:
        return kind
    if _LAYERS.search(text):
        return "the print of a network's layers"
    if thin:
        told = ", ".join(f"{key} ({count})" for key, count in list(thin.items())[:_FEW_NAMES])
        return f"too short: fewer than 3 values of {told}"
    if ignored:
        return f"numbers under names that are no training metric: {', '.join(ignored[:_FEW_NAMES])}"
    return "a table of data" if _is_table(text) else "text without measurements"


def _binary(head: bytes) -> str:
    if head.startswith(b"PK\x03\x04"):
        if b"data.pkl" in head or b"archive/" in head[:200]:
            return "a PyTorch checkpoint"
        return "a NumPy archive" if b".npy" in head[:200] else "a zip archive"
    if head.startswith(b"\x80"):
        return "a pickle that is no training history"
    return "binary data of an unknown kind"


def _is_table(text: str) -> bool:
    lines = [line for line in text.split("\n")[:50] if line.strip()]
    widths = [len(_CELLS.findall(line)) for line in lines]
    return (
        len(lines) >= _FEW_LINES
        and widths[0] > 0
        and sum(width == widths[0] for width in widths) >= _WIDTHS * len(widths)
    )
