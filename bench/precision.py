"""What half precision does to confidence and to the kept set: the embedded lab, every level alone and all together.

    python bench/precision.py

Writes precision.json: what `ufo-rl doctor` reports, over whole pools of the lab's arithmetic.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path

from ufo_rl.commands.doctor.stability import compare_ways
from ufo_rl.files.environment import hardware, versions

LEVELS = {"all": ("dataset.num_prompts=4000",)} | {
    str(level): (f"dataset.levels=[{level}]", f"dataset.num_prompts={100 if level == 1 else 2000}")
    for level in range(1, 7)
}


def main() -> None:
    results = {}
    for name, overrides in LEVELS.items():
        num_prompts, ways = compare_ways(["model=tiny", "dataset=arithmetic", *overrides], None)
        shown = [{k: v for k, v in asdict(way).items() if v != "" and k != "prompts_per_s"} for way in ways]
        results[name] = {"prompts": num_prompts, "ways": [one for one in shown if not math.isnan(one["jaccard"])]}
        sys.stdout.write(json.dumps({name: results[name]}, indent=1) + "\n")
    packages = {k: v for k, v in versions().items() if k in ("python", "torch", "transformers")}
    record = {"device": f"{hardware()['cpu']}, {hardware()['cpus']} cores", "versions": packages, "levels": results}
    (Path(__file__).parent / "precision.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
