"""``.stb``: what the recorder writes, one file per process, block after block."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, cast, get_args

from imbalance_doctor.errors import InputError
from imbalance_doctor.evidence import ScoreKind, ScoreScale
from imbalance_doctor.sources.labels.base import LabelFile
from imbalance_doctor.sources.labels.safetensors import read_header
from imbalance_doctor.sources.scores._names import Roles
from imbalance_doctor.sources.scores._parts import COLUMNS, NothingRecordedError, Options, Piece, Source
from imbalance_doctor.sources.scores.base import Reader
from imbalance_doctor.sources.scores.safetensors import located_end, tensors

if TYPE_CHECKING:
    from imbalance_doctor.sources.scores._stored import Stored

_FORMAT, _VERSION = "imbalance-doctor scores", "1"
_LENGTH = 8
_LONGEST_HEADER = 2**20
_METADATA = "__metadata__"
_CHUNK = 2**20
_NUMBER = re.compile(r"-?[0-9]{1,18}")


class Recorded(Reader):
    """A file of the recorder. Its last block may be torn: the process was killed while it wrote."""

    title = "a file of the recorder (.stb)"
    suffixes = (".stb",)
    rank = -1  # each block looks like a safetensors file

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Tell by the name of the format in the header of the first block."""
        return head[_LENGTH : _LENGTH + 1] == b"{" and _FORMAT.encode() in head

    @staticmethod
    def open(file: LabelFile, options: Options) -> Source:  # noqa: ARG004  the file says it all
        """Walk the blocks once, checking their sums."""
        path = file.need_path(Recorded.title)
        walk = _walk(file, path)
        if walk is None:
            raise NothingRecordedError("expected recorded scores, but no block is complete", where=path)
        first, common, end = walk.first, walk.columns, walk.end
        told = []
        if end < (file.size or 0):
            told.append(
                f"the last block of {path} is incomplete and left out: the process ended while writing it"
            )
        if walk.varied:
            told.append(f"columns that only some blocks of {path} have are left out")

        def pieces(most: int) -> Iterator[Piece]:
            import numpy as np

            from imbalance_doctor.sources.scores._stored import pieces as pieces_of

            with file.open() as stream:
                for block in _blocks(stream, path, end):
                    for piece in pieces_of(block.arrays, _roles(common), block.rows, most):
                        rank = np.full(len(piece.scores), first.number("rank"))
                        yield replace(piece, columns={**piece.columns, "rank": rank})

        return Source(
            where=path,
            width=first.width,
            target_width=first.target_width,
            columns=common | {"rank"},
            pieces=pieces,
            scale=first.scale,
            kind=first.kind,
            ignore_index=first.number("ignore_index"),
            assumptions=tuple(told),
        )


@dataclass(frozen=True, kw_only=True)
class _Block:
    """One block, checked against the format.

    Attributes
    ----------
    start, data, end
        Where it, its data, and the next block begin.
    """

    where: str
    start: int
    data: int
    end: int
    metadata: Mapping[str, str]
    arrays: Mapping[str, Stored]
    rows: int
    width: int
    target_width: int

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(self.arrays) & frozenset(COLUMNS)

    @property
    def layout(self) -> tuple[object, ...]:
        """What all blocks of a file must share."""
        said = (self.scale, self.kind, self.number("rank"), self.number("ignore_index"))
        return (self.width, self.target_width, *said)

    @property
    def scale(self) -> ScoreScale:
        return cast("ScoreScale", self._one_of("scores_are", get_args(ScoreScale)))

    @property
    def kind(self) -> ScoreKind:
        return cast("ScoreKind", self._one_of("kind", get_args(ScoreKind)))

    def _one_of(self, name: str, known: tuple[str, ...]) -> str:
        value = self.metadata.get(name, "")
        if value not in known:
            raise InputError(
                f"expected {name} {' or '.join(known)} in the block at byte {self.start:,}, but got "
                f"'{value[:40]}'",
                where=self.where,
            )
        return value

    def number(self, name: str) -> int:
        """Return a whole number of the metadata."""
        value = self.metadata.get(name, "")
        if not _NUMBER.fullmatch(value):
            raise InputError(
                f"expected a whole number as {name} in the block at byte {self.start:,}, but got "
                f"'{value[:40]}'",
                where=self.where,
            )
        return int(value)


@dataclass(frozen=True, kw_only=True)
class _Walk:
    """What the blocks of a file have in common, and where the last whole one ends."""

    first: _Block
    columns: frozenset[str]
    varied: bool
    end: int


def _walk(file: LabelFile, path: str) -> _Walk | None:
    """Check every block; return None where not even the first is whole."""
    walk: _Walk | None = None
    with file.open() as stream:
        for block in _blocks(stream, path, file.size or 0):
            if not _is_sound(stream, block):
                if block.end == file.size:
                    break  # the last block reached the disk in part
                raise InputError(
                    f"expected data of the checksum {block.metadata.get('crc32', '')[:20]} in the block at "
                    f"byte {block.start:,}, but got others",
                    where=path,
                    hint="the file is damaged",
                )
            first = walk.first if walk else block
            if block.layout != first.layout:
                raise InputError(
                    f"expected blocks of one kind, but the one at byte {block.start:,} differs from the "
                    "first in kind, scale, rank or number of classes",
                    where=path,
                )
            common = block.columns & walk.columns if walk else block.columns
            varied = walk is not None and (walk.varied or common != walk.columns or block.columns != common)
            walk = _Walk(first=first, columns=common, varied=varied, end=block.end)
    return walk


def _roles(columns: frozenset[str]) -> Roles:
    return Roles(
        scores=("scores",), targets=("targets",), columns={name: name for name in sorted(columns)}, scale=None
    )


def _blocks(stream: BinaryIO, path: str, size: int) -> Iterator[_Block]:
    """Yield the blocks up to byte `size`, or up to one that is torn."""
    from imbalance_doctor.sources.scores._stored import check

    start = 0
    while size - start > _LENGTH:
        stream.seek(start)
        length = int.from_bytes(stream.read(_LENGTH), "little")
        if not length or start + _LENGTH + length > size:
            return
        if length > _LONGEST_HEADER:
            raise InputError(
                f"expected a header of at most 1 MiB at byte {start:,}, but got {length:,} bytes",
                where=path,
                hint="the file is damaged",
            )
        stream.seek(start)
        header, data = read_header(stream, path, size)
        metadata = header.get(_METADATA)
        if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
            raise InputError(f"expected metadata in the block at byte {start:,}, but got none", where=path)
        said = (metadata.get("format", ""), metadata.get("version", ""))
        if said != (_FORMAT, _VERSION):
            raise InputError(
                f"expected the format '{_FORMAT}' version {_VERSION} at byte {start:,}, but got "
                f"'{said[0][:40]}' version {said[1][:10]}",
                where=path,
                hint="a newer version of this program may have written it" if said[0] == _FORMAT else "",
            )
        end = max(
            (located_end(entry, data) for name, entry in header.items() if name != _METADATA), default=0
        )
        if end > size:
            return
        for name in ("scores", "targets", "step"):
            if name not in header:
                raise InputError(f"expected {name} in the block at byte {start:,}, but got none", where=path)
        columns = [name for name in COLUMNS if name in header and name != "rank"]
        arrays = tensors(header, ("scores", "targets", *columns), data, path, size)
        rows, width, target_width = check(arrays, _roles(frozenset(columns)))
        yield _Block(
            where=path,
            start=start,
            data=data,
            end=end,
            metadata=metadata,
            arrays=arrays,
            rows=rows,
            width=width,
            target_width=target_width,
        )
        start = end


def _is_sound(stream: BinaryIO, block: _Block) -> bool:
    stream.seek(block.data)
    crc, left = 0, block.end - block.data
    while left and (chunk := stream.read(min(left, _CHUNK))):
        crc = zlib.crc32(chunk, crc)
        left -= len(chunk)
    return str(crc) == block.metadata.get("crc32")
