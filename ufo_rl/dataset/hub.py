"""Published datasets: from the Hugging Face hub, or from a folder of local copies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ufo_rl.dataset.rows import ColumnMapping, to_pool
from ufo_rl.errors import UserError
from ufo_rl.files.cells import PlacedRow
from ufo_rl.files.hub_access import offline_problem
from ufo_rl.files.readers.parquet_file import BATCH_ROWS, table_rows
from ufo_rl.files.rows import read_rows
from ufo_rl.records import Pool


@dataclass(frozen=True)
class HubDataset:
    """One split of a hub dataset.

    path, config_name, split, revision: as `datasets.load_dataset` takes them; config_name and revision may be None.
    local_file: name of the copy that is read instead where a data folder is given.
    columns: keys of `ColumnMapping`, for the rows on the hub. local_columns: the same for the local file, None if equal.
    """

    path: str
    config_name: str | None
    split: str
    revision: str | None
    local_file: str
    columns: Mapping[str, Any]
    local_columns: Mapping[str, Any] | None

    def __post_init__(self) -> None:
        ColumnMapping.read("columns", self.columns)
        if self.local_columns is not None:
            ColumnMapping.read("local_columns", self.local_columns)

    def load(self, data: Path | None = None) -> Pool:
        """The pool of the split. Raises UserError where the folder, the file or the hub fails, or rows are unusable."""
        if data is None:
            rows = table_rows(self._download().with_format("arrow").iter(BATCH_ROWS))
            return to_pool(numbered(rows), ColumnMapping.read("columns", self.columns), self.path)
        if not data.is_dir():
            raise UserError(
                f"paths.data={data}: no such folder; set UFO_RL_DATA to the folder of the local files, "
                f"or unset it to load {self.path} from the hub"
            )
        file = data / self.local_file
        if not file.is_file():
            raise UserError(
                f"paths.data={data} has no {self.local_file}, the copy of {self.path} ({self.split}); put it "
                f"there, or unset UFO_RL_DATA to load it from the hub"
            )
        columns = self.columns if self.local_columns is None else self.local_columns
        mapping = ColumnMapping.read("local_columns", columns)
        return to_pool(read_rows(file, mapping.paths(), with_others=False), mapping, str(file))

    def _download(self) -> Any:
        problem = offline_problem()
        import datasets
        from datasets.exceptions import DatasetsError

        try:
            return datasets.load_dataset(self.path, self.config_name, split=self.split, revision=self.revision)
        # OSError: no network, no such dataset, no access; ValueError: no such config or split; RuntimeError: a dataset that is
        # a script; DatasetsError: files that do not fit.
        except (OSError, ValueError, RuntimeError, DatasetsError) as err:
            own = (str(err).splitlines() or [type(err).__name__])[0]
            reason = problem if problem and isinstance(err, OSError) else own
            raise UserError(
                f"dataset {self.path} ({self.split}) cannot be loaded from the hub: {reason}; without a "
                f"network, set UFO_RL_DATA to a folder that holds {self.local_file}"
            ) from err


def numbered(rows: Iterable[Any]) -> Iterator[PlacedRow]:
    """Mappings with their place, `row 1`, `row 2`, ..."""
    for number, row in enumerate(rows, start=1):
        yield f"row {number}", row
