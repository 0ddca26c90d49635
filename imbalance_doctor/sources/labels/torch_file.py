"""``.pt``: tensors saved by torch, read without torch and without unpickling.

The file is a zip archive: ``data.pkl`` describes the tensors, ``data/0``, ``data/1``, ... hold their
bytes. The description is a pickle, and a pickle is a program. It is not run: its opcodes are walked,
and only those that build tensors, numbers, text, tuples, lists and dicts are known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import LabelCounts
from imbalance_doctor.sources.labels.base import LabelFile, Options, Reader

if TYPE_CHECKING:
    import zipfile

    from imbalance_doctor.sources.labels._arrays import StoredArray

_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_LARGEST_PICKLE = 16 * 2**20
_LARGEST_COPY = 2**30
DTYPES = {
    "BoolStorage": "b1", "ByteStorage": "u1", "CharStorage": "i1", "ShortStorage": "i2", "IntStorage": "i4",
    "LongStorage": "i8", "HalfStorage": "f2", "FloatStorage": "f4", "DoubleStorage": "f8",
    "UntypedStorage": "u1", "uint16": "u2", "uint32": "u4", "uint64": "u8",
}  # fmt: skip
_REBUILD = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3")
_ORDERED_DICT = "collections.OrderedDict"
_HINT = "save the labels alone: torch.save(y, 'y.pt')"


class TorchFile(Reader):
    """A ``.pt`` or ``.pth`` file that holds a tensor, or a dict of names to tensors."""

    title = "a torch file (.pt)"
    suffixes = (".pt", ".pth")
    made = "one begins with PK; torch.save(y, path) writes it"
    takes = frozenset({"key"})

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Tell by the first member of the archive, or by the number that old files begin with."""
        return (head.startswith(b"PK\x03\x04") and b"data.pkl" in head[:256]) or head.startswith(_LEGACY)

    @staticmethod
    def read(file: LabelFile, options: Options) -> LabelCounts:
        """Count the labels of one tensor."""
        from imbalance_doctor.sources.labels._arrays import choose, count_array, looks_like_labels
        from imbalance_doctor.sources.labels._zip import open_zip

        path = file.need_path(TorchFile.title)
        if file.head.startswith(_LEGACY):
            raise InputError(
                "expected a torch file in zip format, but got the format before torch 1.6",
                where=path,
                hint="load it and save it again",
            )
        with open_zip(path) as archive:
            tensors, prefix, order = describe(archive, path)

            def array(key: str) -> StoredArray:
                where = f"{path}[{key}]" if key else path
                return _locate(archive, tensors[key], f"{prefix}data/", order, path, where)

            key, told = choose(list(tensors), options, path, lambda k: looks_like_labels(array(k)))
            labels = count_array(array(key), options)
        return replace(labels, assumptions=(*told, *labels.assumptions))


@dataclass(frozen=True)
class _Global:
    name: str


@dataclass(frozen=True)
class _Storage:
    dtype: str
    key: str
    size: int


@dataclass(frozen=True)
class Tensor:
    """A tensor as the file describes it: offset and strides count values of its storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str

    @property
    def last(self) -> int:
        """Where in the storage its last value lies."""
        return self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))


class _Mark:
    pass


@dataclass
class _Walk:
    """Builds what a pickle describes, as long as it describes nothing but plain data and tensors."""

    where: str
    dtypes: Mapping[str, str]
    hint: str
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def run(self, pickle: bytes) -> Any:
        """Walk the opcodes; return the value at the end."""
        import pickletools

        try:
            for opcode, argument, _ in pickletools.genops(pickle):
                if opcode.name == "STOP":
                    return self.stack.pop()
                self.step(opcode.name, argument)
        except InputError:
            raise
        except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
            raise InputError("expected a complete data.pkl, but it is damaged", where=self.where) from error
        raise InputError("expected a complete data.pkl, but it ends early", where=self.where)

    def step(self, name: str, argument: Any) -> None:  # noqa: C901, PLR0912  one branch per opcode
        """Do what one opcode does."""
        stack = self.stack
        match name:
            case "PROTO" | "FRAME":
                pass
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE" | "SHORT_BINUNICODE":
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
            case "EMPTY_TUPLE" | "EMPTY_LIST" | "EMPTY_DICT":
                stack.append({"EMPTY_TUPLE": (), "EMPTY_LIST": [], "EMPTY_DICT": {}}[name])
            case "MARK":
                stack.append(_Mark())
            case "TUPLE":
                stack.append(tuple(self.to_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                items = [stack.pop() for _ in range(int(name[-1]))]
                stack.append(tuple(reversed(items)))
            case "BINPUT" | "LONG_BINPUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
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
            case "BINPERSID":
                stack.append(self.storage(stack.pop()))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(self.call(function, arguments))
            case "BUILD":  # the metadata of a state dict
                stack.pop()
                if not isinstance(stack[-1], dict):
                    raise self.refused("an object with state")
            case _:
                raise self.refused(f"the opcode {name}")

    def to_mark(self) -> list[Any]:
        items: list[Any] = []
        while not isinstance(item := self.stack.pop(), _Mark):
            items.append(item)
        return items[::-1]

    def set_items(self, items: Sequence[Any]) -> None:
        for name, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(name, (str, int)):
                raise self.refused("a dict whose keys are neither text nor numbers")
            self.stack[-1][name] = value

    def refused(self, what: str) -> InputError:
        return InputError(
            f"expected a tensor or a dict of tensors, but got {what[:100]}, which is never unpickled",
            where=self.where,
            hint=self.hint,
        )

    def allowed(self, name: str) -> _Global:
        module, _, attribute = name.rpartition(".")
        if name in {*_REBUILD, _ORDERED_DICT} or (
            module in {"torch", "torch.storage"} and attribute in self.dtypes
        ):
            return _Global(name)
        if module == "torch" and attribute.endswith("Storage"):
            raise InputError(
                f"expected integers, bool or whole floats, but got {attribute}",
                where=self.where,
                hint="save class ids as int64",
            )
        raise self.refused(f"'{name}'")

    def storage(self, reference: Any) -> _Storage:
        kind, dtype, key, _, size = reference
        if (
            kind != "storage"
            or not isinstance(dtype, _Global)
            or not isinstance(key, str)
            or type(size) is not int
        ):
            raise self.refused("an unknown reference")
        return _Storage(self.dtypes[dtype.name.rpartition(".")[2]], key, size)

    def call(self, function: Any, arguments: Any) -> Any:
        if function == _Global(_ORDERED_DICT) and arguments == ():
            return {}
        if not isinstance(function, _Global) or function.name not in _REBUILD:
            raise self.refused("a call")
        storage, offset, shape, stride, *rest = arguments
        numbers = (offset, *shape, *stride)
        if (
            not isinstance(storage, _Storage)
            or len(shape) != len(stride)
            or not all(type(n) is int and n >= 0 for n in numbers)
        ):
            raise self.refused("a malformed tensor")
        dtype = storage.dtype
        if function.name == _REBUILD[1]:
            dtype = self.dtypes[rest[2].name.rpartition(".")[2]]
        return Tensor(storage, offset, tuple(shape), tuple(stride), dtype)


def describe(
    archive: zipfile.ZipFile, path: str, dtypes: Mapping[str, str] = DTYPES, hint: str = _HINT
) -> tuple[Mapping[str, Tensor], str, str]:
    """Return the tensors by name, the prefix of all members, and the byte order.

    Parameters
    ----------
    dtypes
        What numpy calls the storages that are allowed.
    hint
        How to save what can be read, for errors.

    Raises
    ------
    InputError
        The description is damaged, or holds other things than tensors and plain data.
    """
    from imbalance_doctor.sources.labels._zip import check_size, reading_zip

    name = next((n for n in archive.namelist() if n == "data.pkl" or n.endswith("/data.pkl")), None)
    if name is None or archive.getinfo(name).file_size > _LARGEST_PICKLE:
        raise InputError("expected a torch file, but found no data.pkl of reasonable size", where=path)
    prefix = name.removesuffix("data.pkl")
    with reading_zip(path):
        check_size(archive.getinfo(name), path)
        value = _Walk(path, dtypes, hint).run(archive.read(name))
        order = "<"
        if f"{prefix}byteorder" in archive.namelist():
            order = ">" if archive.read(f"{prefix}byteorder") == b"big" else "<"
    found = {"": value} if isinstance(value, Tensor) else value
    if not isinstance(found, dict):
        raise InputError(
            "expected a tensor or a dict of tensors, but got another value", where=path, hint=hint
        )
    return {str(k): v for k, v in found.items() if isinstance(v, Tensor)}, prefix, order


def data_of(archive: zipfile.ZipFile, tensor: Tensor, folder: str, itemsize: int, where: str) -> int:
    """Return where in the file the first value of a tensor lies; 0 for an empty one.

    Raises
    ------
    InputError
        The file lacks its data, holds fewer values than the tensor has, or holds them compressed.
    """
    from imbalance_doctor.sources.labels._zip import data_offset

    try:
        info = archive.getinfo(folder + tensor.storage.key)
    except KeyError as error:
        raise InputError("expected the data of the tensor, but the file lacks it", where=where) from error
    size = prod(tensor.shape)
    if not size:
        return 0
    held = info.file_size // itemsize
    if info.compress_type or tensor.last >= held or size > held:
        raise InputError(
            f"expected {size:,} uncompressed values in {info.filename}, but it holds {held:,}",
            where=where,
            hint="save the tensor with torch.save(y.contiguous(), 'y.pt')",
        )
    path = str(archive.filename)
    return data_offset(path, info, where) + tensor.offset * itemsize


def _locate(
    archive: zipfile.ZipFile, tensor: Tensor, folder: str, order: str, path: str, where: str
) -> StoredArray:
    """Find the bytes of a tensor in the file; copy it when its values do not lie next to each other."""
    import numpy as np

    from imbalance_doctor.sources.labels._arrays import StoredArray, in_memory

    dtype = np.dtype(order + tensor.dtype)
    array = StoredArray(where=where, dtype=dtype, shape=tensor.shape, path=path)
    offset = data_of(archive, tensor, folder, dtype.itemsize, where)
    if not array.size:
        return array
    for fortran in (False, True):
        if _is_contiguous(tensor, fortran=fortran):
            return replace(array, offset=offset, fortran=fortran)
    if array.nbytes > _LARGEST_COPY:
        raise InputError(
            "expected a tensor whose values lie next to each other, but got a large strided one",
            where=where,
            hint="save the tensor with .contiguous()",
        )
    flat = np.memmap(path, dtype, "r", offset, shape=(tensor.last - tensor.offset + 1,))
    strides = tuple(step * dtype.itemsize for step in tensor.stride)
    return in_memory(np.lib.stride_tricks.as_strided(flat, tensor.shape, strides, writeable=False), where)


def _is_contiguous(tensor: Tensor, *, fortran: bool) -> bool:
    expected = 1
    axes = list(zip(tensor.shape, tensor.stride, strict=True))
    for size, step in axes if fortran else reversed(axes):
        if size > 1 and step != expected:
            return False
        expected *= size
    return True
