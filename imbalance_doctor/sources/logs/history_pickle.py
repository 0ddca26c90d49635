"""A pickled history, such as ``history.history`` of Keras: plain containers and numpy numbers only.

A pickle is a program. It is not run: its opcodes are walked, and what is not plain data is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.logs._decode import whole_bytes
from imbalance_doctor.sources.logs._document import records_of
from imbalance_doctor.sources.logs._rows import words
from imbalance_doctor.sources.logs.base import LogFile, LogReader, Options, Parsed, Record

_LARGEST = 2**25
_NEWEST_PROTOCOL = 5
_OLD_STARTS = re.compile(
    rb"\([dl]p\d+\r?\n|\([dl]\.?\s|c(?:collections|copy_reg|numpy|__builtin__)[\w.]*\r?\n|[\]}]q[\x00\x01]|[\]}]\(U"
)
_CONTAINERS = frozenset(
    f"{module}.{name}"
    for module, names in {
        "collections": ("OrderedDict", "defaultdict"),
        "builtins": ("dict", "list", "tuple", "float"),
        "__builtin__": ("dict", "list", "tuple", "float"),
    }.items()
    for name in names
)
_NUMPY = re.compile(
    r"numpy\.(?:(?:_?core\.)(?:multiarray\.(?:scalar|_reconstruct)|numeric\._frombuffer)|ndarray|dtype)"
)
_ENCODE = "_codecs.encode"
_FORMATS = {
    "b1": "?", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q",
    "f2": "e", "f4": "f", "f8": "d",
}  # fmt: skip
_LARGEST_COPY = 2**22
_DAMAGE = (
    ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError, MemoryError,
)  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = words(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING "
    "BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8"
)


class HistoryPickle(LogReader):
    """A pickled dict of lists."""

    title = "a pickled history"
    rank = 30

    @staticmethod
    def recognises(file: LogFile) -> bool:
        """Tell by the opcodes a pickle of a container begins with."""
        head = file.head
        if file.is_folder or not head:
            return False
        if head[:1] == b"\x80":
            return len(head) > 1 and head[1] <= _NEWEST_PROTOCOL
        return _OLD_STARTS.match(head) is not None

    @staticmethod
    def read(file: LogFile, options: Options) -> Parsed:  # noqa: ARG004  part of the interface
        """Read the whole pickle.

        Raises
        ------
        InputError
            It holds anything but dicts, lists, numbers and text, is damaged, or too large.
        """
        value = _Walk(file.name).run(whole_bytes(file, _LARGEST, "a pickled history"))
        parsed = Parsed(format="pickled history", records=())
        parsed.records = _records(value, file, parsed)
        return parsed


def _records(value: Any, file: LogFile, parsed: Parsed) -> Iterator[Record]:
    yield from records_of(value, parsed, stem=Path(file.name).stem, where=file.name)


class _Mark:
    """Where a container begins on the stack."""


@dataclass(frozen=True, slots=True)
class _Global:
    name: str


@dataclass(slots=True)
class _Dtype:
    code: str
    order: Literal["<", ">"] = "<"


@dataclass(slots=True)
class _Array:
    """An array whose state has not come yet, then its numbers."""

    numbers: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class _Walk:
    """Builds what a pickle describes, as long as it describes nothing but plain data."""

    where: str
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    copied: int = 0

    def run(self, pickle: bytes) -> Any:
        """Walk the opcodes; return the value at the end."""
        import pickletools
        import warnings

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about the escapes in somebody's strings
                for opcode, argument, _ in pickletools.genops(pickle):
                    if opcode.name == "STOP":
                        return _numbers_only(self.stack.pop())
                    self.step(opcode.name, argument)
        except InputError:
            raise
        except _DAMAGE as error:
            raise InputError("expected a complete pickle, but it is damaged", where=self.where) from error
        raise InputError("expected a complete pickle, but it ends early", where=self.where)

    def step(self, name: str, argument: Any) -> None:  # noqa: C901, PLR0912, PLR0915  one branch per opcode
        """Do what one opcode does."""
        stack = self.stack
        match name:
            case "PROTO" | "FRAME":
                pass
            case _ if name in _VALUES:
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append(_CONSTANTS[name])
            case "EMPTY_TUPLE" | "EMPTY_LIST" | "EMPTY_DICT":
                stack.append({"EMPTY_TUPLE": (), "EMPTY_LIST": [], "EMPTY_DICT": {}}[name])
            case "MARK":
                stack.append(_Mark())
            case "TUPLE" | "LIST":
                items = self.to_mark()
                stack.append(tuple(items) if name == "TUPLE" else items)
            case "DICT":
                items = self.to_mark()
                stack.append({})
                self.set_items(items)
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                taken = [stack.pop() for _ in range(int(name[-1]))]
                stack.append(tuple(reversed(taken)))
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memo[argument])
            case "APPEND" | "APPENDS":
                items = self.to_mark() if name == "APPENDS" else [stack.pop()]
                stack[-1].extend(items)
            case "SETITEM" | "SETITEMS":
                items = self.to_mark() if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
                self.set_items(items)
            case "GLOBAL":
                stack.append(self.allowed(argument.replace(" ", ".")))
            case "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                stack.append(self.allowed(f"{module}.{attribute}"))
            case "REDUCE" | "NEWOBJ":
                arguments, function = stack.pop(), stack.pop()
                stack.append(self.call(function, arguments))
            case "BUILD":
                state = stack.pop()
                self.build(stack[-1], state)
            case "POP":
                stack.pop()
            case "POP_MARK":
                self.to_mark()
            case _:
                raise self.refused(f"the opcode {name}")

    def to_mark(self) -> list[Any]:
        items: list[Any] = []
        while not isinstance(item := self.stack.pop(), _Mark):
            items.append(item)
        return items[::-1]

    def set_items(self, items: list[Any]) -> None:
        for name, value in zip(items[::2], items[1::2], strict=True):
            key = name.decode("utf-8", errors="replace") if isinstance(name, bytes) else name
            if not isinstance(key, (str, int, float)):
                raise self.refused("a dict whose keys are neither text nor numbers")
            self.stack[-1][key] = value

    def refused(self, what: str) -> InputError:
        return InputError(
            f"expected dicts, lists and numbers, but got {what[:100]}, which is never unpickled",
            where=self.where,
            hint="save the history as JSON or CSV, or only the dict (history.history)",
        )

    def allowed(self, name: str) -> _Global:
        if name in _CONTAINERS or name == _ENCODE or _NUMPY.fullmatch(name):
            return _Global(name)
        raise self.refused(f"'{name}'")

    def call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, _Global) or not isinstance(arguments, tuple):
            raise self.refused("a call")
        module, _, name = function.name.rpartition(".")
        if name in {"OrderedDict", "dict", "defaultdict", "list", "tuple", "float"}:
            return self.container(name, arguments)
        if function.name == _ENCODE:
            text, encoding = arguments
            if str(encoding).lower() not in {"latin1", "latin-1"}:
                raise self.refused("an encoding other than latin-1")
            self.copy(len(text))
            return text.encode("latin-1")
        if name == "dtype":
            return _Dtype(_code(arguments[0]))
        if name == "scalar":
            dtype, data = arguments
            return self.unpack(dtype, data, 1)[0]
        if name == "_frombuffer":
            data, dtype, shape, order = arguments
            return self.shaped(self.unpack(dtype, data, None), shape, fortran=order == "F")
        if module.startswith("numpy") and name == "_reconstruct":
            return _Array()
        raise self.refused(f"a call of '{function.name}'")

    def container(self, name: str, arguments: tuple[Any, ...]) -> Any:
        inner = arguments[-1] if arguments else ()
        if name == "float" and isinstance(inner, (int, float, str)):
            return float(inner)
        if name == "defaultdict":
            inner = ()
        if not isinstance(inner, (list, tuple, dict)):
            raise self.refused(f"a call of '{name}'")
        self.copy(len(inner))
        return {"list": list, "tuple": tuple}.get(name, dict)(inner)

    def copy(self, count: int) -> None:
        """Count what calls copy: a small file could ask for any amount of memory."""
        self.copied += count
        if self.copied > _LARGEST_COPY:
            raise self.refused("a structure that grows beyond its file")

    def build(self, target: Any, state: Any) -> None:
        if isinstance(target, _Dtype):
            target.order = ">" if state[1] == ">" else "<"
        elif isinstance(target, _Array):
            _, shape, dtype, fortran, data = state
            numbers = data if isinstance(data, list) else self.unpack(dtype, data, None)
            target.numbers = self.shaped(numbers, shape, fortran=bool(fortran)).numbers
        elif not isinstance(target, dict):
            raise self.refused("an object with state")

    def shaped(self, numbers: list[Any], shape: tuple[int, ...], *, fortran: bool) -> _Array:
        """Return an array: a list of numbers, or of rows; deeper ones measure nothing over time."""
        if len(numbers) != math.prod(shape):
            raise self.refused("a malformed array")
        if len(shape) <= 1:
            return _Array(numbers)
        rows, columns, *deeper = shape
        if deeper or not numbers:
            return _Array()
        if fortran:
            return _Array([numbers[i::rows] for i in range(rows)])
        return _Array([numbers[i * columns : (i + 1) * columns] for i in range(rows)])

    def unpack(self, dtype: Any, data: Any, count: int | None) -> list[Any]:
        import struct

        if not isinstance(dtype, _Dtype):
            raise self.refused("a malformed array")
        code = _FORMATS.get(dtype.code)
        if code is None:
            raise self.refused(f"numpy numbers of the type '{dtype.code}'")
        raw = data.encode("latin-1") if isinstance(data, str) else data
        if not isinstance(raw, (bytes, bytearray)):
            raise self.refused("a malformed array")
        size = struct.calcsize(code)
        if count is None:
            count = len(raw) // size
        if count < 0 or len(raw) != count * size:
            raise self.refused("a malformed array")
        self.copy(count)
        return list(struct.unpack(f"{dtype.order}{count}{code}", raw))


def _code(name: Any) -> str:
    text = name.decode("latin-1") if isinstance(name, bytes) else str(name)
    return text.lstrip("<>|=")


def _numbers_only(value: Any) -> Any:
    """Replace arrays by lists, in place; shared parts are visited once."""
    if isinstance(value, _Array):
        return value.numbers
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or not isinstance(part, (dict, list)):
            continue
        seen.add(id(part))
        for key, inner in list(part.items() if isinstance(part, dict) else enumerate(part)):
            if isinstance(inner, _Array):
                part[key] = inner.numbers
            elif isinstance(inner, bytes):
                part[key] = inner.decode("utf-8", errors="replace")
            else:
                waiting.append(inner)
    return value
