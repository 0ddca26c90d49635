"""Generate the labels of the sample patients: ``python sample_data/make.py [FOLDER]``.

Every label set has exact class counts; only the order is random. The same seed gives the same bytes on
every machine: nothing but uniform draws is taken from the generator, dtypes carry their byte order, and
the archive is written without compression and without a date.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SEED = 20240607
HERE = Path(__file__).parent

FRAUD = {"genuine": 119_760, "fraud": 240}
DEFECTS = {
    "scratch": 2310,
    "dent": 1294,
    "stain": 868,
    "pinhole": 574,
    "burr": 377,
    "crack": 244,
    "inclusion": 151,
    "delamination": 86,
    "misprint": 48,
    "warp": 26,
    "blister": 14,
    "corrosion": 8,
}
# Positives of each of 14 findings among 6000 images.
PATHOLOGY = (1074, 712, 645, 338, 309, 284, 251, 181, 150, 124, 90, 83, 67, 12)
IMAGES = 6000
# Tags of a token: 0 is outside, 1-8 are the entity types.
TAGS = (0.9, 0.034, 0.022, 0.0152, 0.0105, 0.0065, 0.0045, 0.004, 0.0033)
SENTENCES, LENGTH, PADDING = 1500, 48, -100
COUNTS = {"background": 4_816_300, "car": 61_420, "pedestrian": 12_950, "cyclist": 2_180, "animal": 310}


def shuffled(rng: np.random.Generator, counts: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the class ids 0..C-1, each as often as `counts` says, in random order."""
    ids = np.repeat(np.arange(len(counts)), counts)
    return ids[np.argsort(rng.random(ids.size), kind="stable")]


def npy(array: NDArray[np.generic]) -> bytes:
    """Return the bytes of a ``.npy`` file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def npz(**arrays: NDArray[np.generic]) -> bytes:
    """Return the bytes of an uncompressed ``.npz`` archive without dates."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.create_system = 3
            archive.writestr(entry, npy(array))
    return buffer.getvalue()


def fraud(rng: np.random.Generator) -> bytes:
    """Card payments, 0.2 % of them fraud. int8, shape [120000]."""
    return npy(shuffled(rng, tuple(FRAUD.values())).astype("i1"))


def defects(rng: np.random.Generator) -> bytes:
    """Photographed parts with one of 12 defects, the commonest about 290 times the rarest."""
    names = list(DEFECTS)
    order = shuffled(rng, tuple(DEFECTS.values()))
    rows = [f"p{number:05d},{names[label]}" for number, label in enumerate(order)]
    return ("\n".join(["part,label", *rows]) + "\n").encode()


def pathology(rng: np.random.Generator) -> bytes:
    """X-ray images with any number of 14 findings. uint8, shape [6000, 14]."""
    columns = [shuffled(rng, (IMAGES - count, count)) for count in PATHOLOGY]
    return npz(y=np.stack(columns, axis=1).astype("u1"))


def tagging(rng: np.random.Generator) -> bytes:
    """Token tags of sentences of different length, padded with -100. int16, shape [1500, 48]."""
    edges = np.cumsum(TAGS)[:-1]
    tags = np.searchsorted(edges, rng.random((SENTENCES, LENGTH)), side="right").astype("<i2")
    lengths = 8 + np.floor(rng.random(SENTENCES) * (LENGTH - 7)).astype(int)
    tags[np.arange(LENGTH) >= lengths[:, None]] = PADDING
    return npy(tags)


def counts(_rng: np.random.Generator) -> bytes:
    """Anchor boxes of a detector, counted per class."""
    return (json.dumps(COUNTS, indent=2) + "\n").encode()


FILES = {
    "fraud/y.npy": fraud,
    "defects/labels.csv": defects,
    "pathology/labels.npz": pathology,
    "tagging/tags.npy": tagging,
    "counts/counts.json": counts,
}


def write(folder: Path) -> None:
    """Write every label file below `folder`."""
    for number, (name, generate) in enumerate(FILES.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generate(np.random.default_rng((SEED, number))))


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
