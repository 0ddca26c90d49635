"""``.pt``: a dict of tensors saved by torch, mapped without torch and without unpickling."""

from __future__ import annotations

from imbalance_doctor.errors import InputError
from imbalance_doctor.sources.labels.base import LabelFile
from imbalance_doctor.sources.labels.torch_file import DTYPES, data_of, describe
from imbalance_doctor.sources.labels.torch_file import TorchFile as LabelTorchFile
from imbalance_doctor.sources.scores._names import assign
from imbalance_doctor.sources.scores._parts import Options, Source
from imbalance_doctor.sources.scores.base import Reader

_HINT = "save the tensors alone: torch.save({'logits': logits, 'targets': targets}, 'run.pt')"


class TorchFile(Reader):
    """A ``.pt`` or ``.pth`` file that holds a dict of names to tensors."""

    title = LabelTorchFile.title
    suffixes = LabelTorchFile.suffixes
    made = "one begins with PK; torch.save({'scores': scores, 'targets': targets}, path) writes it"

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Tell by the first member of the archive, or by the number that old files begin with."""
        return LabelTorchFile.recognises(head)

    @staticmethod
    def open(file: LabelFile, options: Options) -> Source:
        """Find the tensors by their names."""
        import numpy as np

        from imbalance_doctor.sources.labels._zip import MAGIC, open_zip
        from imbalance_doctor.sources.scores._stored import BFLOAT16, Stored, source

        path = file.need_path(TorchFile.title)
        if not file.head.startswith(MAGIC):
            raise InputError(
                "expected a torch file in zip format, but got the format before torch 1.6",
                where=path,
                hint="load it and save it again",
            )
        with open_zip(path) as archive:
            tensors, prefix, order = describe(archive, path, DTYPES | {"BFloat16Storage": BFLOAT16}, _HINT)
            if "" in tensors:
                raise InputError("expected a dict of tensors, but got one tensor", where=path, hint=_HINT)
            roles = assign(list(tensors), options, path, "tensor")
            arrays = {}
            for name in roles.all:
                tensor, where = tensors[name], f"{path}[{name}]"
                bfloat = tensor.dtype == BFLOAT16
                dtype = np.dtype(order + ("u2" if bfloat else tensor.dtype))
                arrays[name] = Stored(
                    where=where,
                    dtype=dtype,
                    shape=tensor.shape,
                    strides=tensor.stride,
                    path=path,
                    offset=data_of(archive, tensor, f"{prefix}data/", dtype.itemsize, where),
                    bfloat=bfloat,
                )
        return source(path, arrays, roles)
