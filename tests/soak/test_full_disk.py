"""A disk that fills up while prompts are scored: a real one of two MiB, in a mount namespace of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import ufo_rl

pytestmark = pytest.mark.soak
ROOT = Path(ufo_rl.__file__).resolve().parents[1]
SCORE = (
    f"{sys.executable} -m ufo_rl.cli model=tiny dataset.levels=[2,3,4,5,6] dataset.num_prompts=2000 template=r1 "
    "signal.confidence.batch_size=1 launch.threads_per_rank=1 tracker=off eval.arithmetic.limit=8 train.max_steps=1 "
    "ratio.value=0.05 train.per_device_train_batch_size=16"
)
COUNT = (
    f"{sys.executable} -c \"import glob, pyarrow.parquet as p; print('ROWS',"
    " sum(p.read_table(c).num_rows for c in glob.glob('outputs/cache/signals/*/chunk*')))\""
)
SCRIPT = f"""
set -u
mount -t tmpfs -o size=2m tmpfs "$1" && cd "$1"
{SCORE} & job=$!
while ! ls outputs/cache/signals/*/chunk* > /dev/null 2>&1; do sleep 0.1; kill -0 $job || exit 9; done
dd if=/dev/zero of=fill bs=1k count=4000 2> /dev/null
wait $job
echo STATUS $?
find . -name '*.tmp'
{COUNT}
rm fill
mount -o remount,size=200m "$1"
{SCORE}
"""


def test_a_full_disk_is_one_clear_error_and_no_corrupt_chunk(tmp_path: Path) -> None:
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", SCRIPT, "sh", str(tmp_path)],
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    output = done.stdout
    assert done.returncode == 0 and "STATUS 1" in output, output
    before, after = output.split("STATUS 1")
    assert len(re.findall(r"the disk of \S+ is full: stage score stopped; free some space", before)) == 1
    assert "did not complete: stopped in stage score" in before
    assert "Traceback" not in output and ".tmp" not in after
    (kept,) = map(int, re.findall(r"ROWS (\d+)", after))
    assert 0 < kept < 2000 and f"measuring {2000 - kept} of 2000 prompts" in after
