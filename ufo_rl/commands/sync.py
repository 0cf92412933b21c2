"""`ufo-rl sync`: offline W&B runs to the server."""

from __future__ import annotations

import sys
from pathlib import Path

from ufo_rl.commands._parser import Parser
from ufo_rl.errors import UserError
from ufo_rl.files.atomic import read_json

USAGE = "ufo-rl sync [--dry-run]   offline W&B runs to the server, with what they were made from"
OUTPUTS = Path("outputs")


def help() -> str:
    return parser().format_help().rstrip()


def run(arguments: list[str]) -> int:
    asked, problems = parser().read(arguments)
    outputs = Path(asked.outputs)
    if not outputs.is_dir():
        problems.append(
            f"sync: there is no folder {outputs} here; start it where the runs were started, or name it: --outputs DIR"
        )
    if problems:
        raise UserError(*problems)
    from ufo_rl.tracking.upload import inputs_of, upload, waiting

    runs, records = waiting(outputs), _records(outputs)
    for one in runs:
        folder = records.get(one.wandb_id)
        made_from = [artifact["name"] for artifact in inputs_of(folder)] if folder else []
        given = f", made from {', '.join(made_from)}" if made_from else ""
        sys.stdout.write(
            f"{one.wandb_id}  {len(one.folders)} parts  {folder.name if folder else 'of no run here'}{given}\n"
        )
    if asked.dry_run or not runs:
        sys.stdout.write(f"{len(runs)} runs wait\n")
        return 0
    failed = upload(runs, records, lambda text: sys.stdout.write(f"{text}\n"))
    for problem in failed:
        sys.stderr.write(f"ufo-rl: {problem}\n")
    return 1 if failed else 0


def _records(outputs: Path) -> dict[str, Path]:
    """The run folders by W&B id."""
    found = {}
    for path in outputs.glob("*/*/*/run.json"):
        try:
            record = read_json(path)
        except UserError:  # such a run is sent too, only nothing is known of it
            continue
        if isinstance(record, dict) and "wandb_id" in record:
            found[record["wandb_id"]] = path.parent
    return found


def parser() -> Parser:
    made = Parser(
        "sync",
        "ufo-rl sync [--dry-run] [--outputs DIR]",
        "Send the offline W&B runs below outputs/ to the server, all parts of a run that was stopped and went on "
        "under its one id, and "
        "tell it what each was made from.",
        "--dry-run lists what waits, and needs no key.",
    )
    made.add_argument("--dry-run", action="store_true", help="list what waits, send nothing")
    made.add_argument(
        "--outputs", metavar="DIR", default=str(OUTPUTS), help="the folder of the results (default: outputs)"
    )
    return made
