"""``python -m imbalance_doctor.engine`` writes ``rules/prepared.jsonl`` anew after rules were changed."""

from imbalance_doctor.engine.loader import builtin_root
from imbalance_doctor.engine.prepared import FILE_NAME, prepare

root = builtin_root()
files = {f"{path.parent.name}/{path.name}": path.read_bytes() for path in root.glob("*/*.yaml")}
(root / FILE_NAME).write_text(prepare(files), encoding="utf-8")
