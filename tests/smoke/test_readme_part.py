"""README's own example of a part, run as it is printed."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import Ufo
from ufo_rl.config.compose import compose_one
from ufo_rl.config.load import load
from ufo_rl.experiment.prepare import prepare

pytestmark = pytest.mark.smoke
README = Path(__file__).parents[2] / "README.md"


@pytest.mark.soak
def test_the_printed_part_runs(ufo: Ufo) -> None:
    section = re.search(r"^## Add a part\n(.*?)^## ", README.read_text(), flags=re.M | re.S)
    assert section
    blocks = [
        textwrap.dedent(block) for block in re.findall(r"(?:^(?:    .*)?\n)+", section[1], flags=re.M) if block.strip()
    ]
    files = re.findall(r"`(mylab/\S+|conf/selector/\S+)`", section[1])
    code, yaml, command = blocks
    for name, text in zip(files, (code, yaml), strict=True):
        (ufo.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (ufo.folder / name).write_text(text)
    ufo.from_this_checkout_alone()
    words = shlex.split(command)
    assert words.pop(0) == "ufo-rl"
    ufo.run(*words)
    (folder,) = ufo.folder.glob("outputs/runs/dev/*-longest-*")
    rows = pq.read_table(folder / "scores.parquet").to_pylist()
    pool = prepare(load(compose_one(["dataset.num_prompts=600"], None, None, "test").plain)).pool
    length = {prompt.id: len(prompt.question) for prompt in pool.prompts}
    kept, left = ([length[row["id"]] for row in rows if row["kept"] is is_kept] for is_kept in (True, False))
    assert (len(kept), len(left)) == (60, 540) and min(kept) >= max(left)
