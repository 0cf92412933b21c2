"""From what to what: dataset -> scores -> selection -> policy -> evaluation, in lineage.json and as W&B artifacts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ufo_rl.files.atomic import write_json
from ufo_rl.tracking.sink import Tracker

BLOCK = 1 << 20


class Lineage:
    """Of the run in `folder`, whose configuration names model and dataset. Every step is named once, by who it is."""

    def __init__(self, folder: Path, plain: Mapping[str, Any], tracker: Tracker) -> None:
        self.folder, self.tracker = folder, tracker
        self.what = f"{plain['model']['name']}-{plain['dataset'].get('name', 'custom')}"
        self.dataset_name, self.found = str(plain["dataset"].get("name", "custom")), list[dict[str, Any]]()

    def dataset(self, key: str) -> None:
        """The pool: what became of its rows, and the key of their contents; no copy of the data."""
        self._add(
            f"{self.dataset_name}-{key[:8]}", "dataset", [self.folder / "pool.json"], [], {"key": key}, is_input=True
        )

    def scores(self) -> None:
        path = self.folder / "scores.parquet"
        self._add(f"scores-{self.what}-{_digest([path])[:8]}", "scores", [path], ["dataset"], {})

    def selection(self, about: Mapping[str, Any]) -> None:
        self._add(f"selection-{self.folder.name}", "selection", [self.folder / "selection.json"], ["scores"], about)

    def policy(self, manifest: Mapping[str, Any], upload: bool) -> None:
        """Its manifest, and the weights where that is asked for: they fill the storage of an account."""
        folder = self.folder / "train"
        files = [folder / "manifest.json", *(sorted((folder / "policy").iterdir()) if upload else [])]
        about = {name: manifest[name] for name in ("steps", "epochs", "key") if name in manifest}
        self._add(
            f"policy-{self.folder.name}", "model", files, ["selection"], {**about, "place": str(folder / "policy")}
        )

    def evaluation(self, benchmark: str, accuracy: float) -> None:
        folder = self.folder / "eval" / benchmark
        files = [folder / "questions.parquet", folder / "manifest.json"]
        self._add(f"evaluation-{benchmark}-{self.folder.name}", "evaluation", files, ["model"], {"accuracy": accuracy})

    def _add(
        self,
        name: str,
        kind: str,
        files: Sequence[Path],
        made_from: Sequence[str],
        about: Mapping[str, Any],
        is_input: bool = False,
    ) -> None:
        inputs = [
            {key: one[key] for key in ("name", "type", "digest")} for one in self.found if one["type"] in made_from
        ]
        name = re.sub(r"[^\w.-]", "_", name)[:128]
        one = {"name": name, "type": kind, "digest": _digest(files), "inputs": inputs, "is_input": is_input}
        self.found.append(one)
        write_json(self.folder / "lineage.json", self.found)
        self.tracker.artifact(one, files, about)


def _digest(files: Sequence[Path]) -> str:
    """Of the contents of files, in their order."""
    found = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                found.update(block)
    return found.hexdigest()[:16]
