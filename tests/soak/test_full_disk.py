"""A disk that fills up while prompts are scored, or a training saves: a real one of some MiB, in its own mount namespace."""

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
TRAIN = (
    f"{sys.executable} -m ufo_rl.cli model=tiny dataset.levels=[2,3] dataset.num_prompts=48 selector=full deepspeed=off "
    "launch.threads_per_rank=1 tracker=off eval.arithmetic.limit=8 train.max_steps=60 train.save_steps=2 "
    "train.per_device_train_batch_size=16"
)
WHOLE = "outputs/runs/dev/*/.work/train-*/checkpoint-*/ufo_rl.json"
TRAINED = f"""
set -u
mount -t tmpfs -o size=40m tmpfs "$1" && cd "$1"
{TRAIN} & job=$!
while ! ls {WHOLE} > /dev/null 2>&1; do sleep 0.1; kill -0 $job || exit 9; done
dd if=/dev/zero of=fill bs=1k count=80000 2> /dev/null
wait $job
echo STATUS $?
find . -name '*.tmp'
ls {WHOLE}
rm fill
{TRAIN}
echo LOG
cat outputs/runs/dev/*/logs/train.log
"""


def in_a_small_disk(script: str, folder: Path) -> str:
    """What a script says of which the first argument is a folder to mount on."""
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", str(folder)],
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0 and "STATUS 1" in done.stdout, done.stdout
    return done.stdout


def test_a_disk_that_is_full_as_a_training_saves_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    said, log = in_a_small_disk(TRAINED, tmp_path).split("LOG\n")
    before, after = said.split("STATUS 1")
    assert re.search(r"the disk of \S+ is full: stage train stopped; free some space", before), before
    assert "Traceback" not in before + after and ".tmp" not in after
    kept = re.findall(r"checkpoint-(\d+)/ufo_rl.json", after)[-1]
    assert "damaged" not in after and f"going on from checkpoint-{kept}" in log, log
    assert "training   60 steps" in after


def test_a_full_disk_is_one_clear_error_and_no_corrupt_chunk(tmp_path: Path) -> None:
    output = in_a_small_disk(SCRIPT, tmp_path)
    before, after = output.split("STATUS 1")
    assert len(re.findall(r"the disk of \S+ is full: stage score stopped; free some space", before)) == 1
    assert "did not complete: stopped in stage score" in before
    assert "Traceback" not in output and ".tmp" not in after
    (kept,) = map(int, re.findall(r"ROWS (\d+)", after))
    assert 0 < kept < 2000 and f"measuring {2000 - kept} of 2000 prompts" in after
