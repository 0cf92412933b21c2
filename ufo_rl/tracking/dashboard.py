"""A W&B workspace and report for comparing arms, built by wandb-workspaces; saving them needs the server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ufo_rl.errors import UserError

ARM = "run.cell_id"  # what the runs share that differ in the seed alone
TRAINING = (
    ("train/reward", "Reward"),
    ("train/frac_reward_zero_std", "Groups without a gradient"),
    ("train/completions/mean_length", "Tokens of a completion"),
    ("train/entropy", "Entropy"),
    ("train/kl", "KL to the untrained model"),
    ("train/grad_norm", "Gradient norm"),
)


def check_installed() -> None:
    """UserError where wandb-workspaces is not there."""
    try:
        import wandb_workspaces  # noqa: F401
    except ImportError:
        raise UserError("dashboard: wandb-workspaces is not installed; pip install 'ufo-rl[dashboard]'") from None


def workspace(entity: str, project: str, benchmarks: Sequence[str], baseline: str | None, group: str | None) -> Any:
    """The workspace: runs grouped by arm, results beside costs, curves with bands, tables, what differs. baseline: the W&B id
    of a run that differences are shown to; group: only the runs of this experiment."""
    import wandb_workspaces.workspaces as ws

    sections = [
        ws.Section(name=name, panels=panels, is_open=number < 3)
        for number, (name, panels) in enumerate(_sections(benchmarks).items())
    ]
    columns = [
        *(f"summary:{one}_final" for one in benchmarks),
        "summary:gpu_hours",
        "summary:n_selected",
        "summary:status",
    ]
    return ws.Workspace(
        entity=entity,
        project=project,
        name="ufo-rl: arms" + (f" of {group}" if group else ""),
        sections=sections,
        settings=ws.WorkspaceSettings(group_by_prefix="first", x_axis="train/global_step"),
        runset_settings=ws.RunsetSettings(
            filters=[ws.Metric("Group") == group] if group else [],
            groupby=[ws.Config(ARM)],
            order=[ws.Ordering(ws.Summary(f"{benchmarks[0]}_final"), ascending=False)] if benchmarks else [],
            pinned_columns=[*columns, "config:selector.name", "config:ratio.value", "config:seed"],
            baseline_run=baseline,
        ),
    )


def report(
    entity: str, project: str, title: str, text: str, benchmarks: Sequence[str], group: str | None = None
) -> Any:
    """A report with the comparison as text and the same panels, of the runs of one experiment (`group`) or of all."""
    import wandb_workspaces.workspaces as ws

    wr = _parts()
    filters = [ws.Metric("Group") == group] if group else []
    runs = [wr.Runset(name=group or "all runs", filters=filters)]  # of the report's own project
    grids = [
        block
        for name, panels in _sections(benchmarks).items()
        for block in (wr.H2(name), wr.PanelGrid(panels=panels, runsets=runs))
    ]
    return wr.Report(
        project=project, entity=entity, title=title[:128], blocks=[wr.H1(title), wr.MarkdownBlock(text), *grids]
    )


def specification(made: Any) -> dict[str, Any]:
    """What would be sent to the server, as plain data. The package has no public way to it."""
    return json.loads(made._to_model().model_dump_json(by_alias=True))


def save(made: Any) -> str:
    """Send it to the server; its address. UserError where W&B refuses."""
    try:
        made.save()
    except Exception as error:  # the network, the key, the project: W&B says what
        raise UserError(
            f"dashboard: W&B did not take it ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from error
    return str(made.url)


def _parts() -> Any:
    import wandb_workspaces.reports.v2

    return wandb_workspaces.reports.v2  # exports more than it lists


def _sections(benchmarks: Sequence[str]) -> dict[str, list[Any]]:
    wr = _parts()

    arm = wr.Config(ARM)
    outcome = [
        panel
        for one in benchmarks
        for panel in (
            wr.BarPlot(
                title=f"{one}: accuracy after training",
                metrics=[wr.SummaryMetric(f"{one}_final")],
                groupby=arm,
                groupby_aggfunc="mean",
                groupby_rangefunc="stderr",
            ),
            wr.ScatterPlot(
                title=f"{one} against cost", x=wr.SummaryMetric("seconds_total"), y=wr.SummaryMetric(f"{one}_final")
            ),
            wr.LinePlot(title=f"{one} on the way", x="train/global_step", y=[f"eval/{one}_accuracy"]),
        )
    ]
    columns = [
        wr.ParallelCoordinatesPlotColumn(metric=wr.Config(key)) for key in ("ratio.value", "selector.name", "seed")
    ]
    columns += [wr.ParallelCoordinatesPlotColumn(metric=wr.SummaryMetric(f"{one}_final")) for one in benchmarks]
    lines = [
        wr.LinePlot(
            title=title, x="train/global_step", y=[key], groupby=arm, groupby_aggfunc="mean", groupby_rangefunc="minmax"
        )
        for key, title in TRAINING
    ]
    costs = [
        wr.BarPlot(title=title, metrics=[wr.SummaryMetric(key)], groupby=arm, groupby_aggfunc="mean")
        for key, title in (
            ("seconds_total", "Seconds"),
            ("generated_tokens", "Tokens generated"),
            ("gpu_hours", "GPU hours"),
        )
    ]
    tables = [
        wr.WeavePanelSummaryTable(table_name=name)
        for name in ("select/prompts", "train/completions", *(f"eval/{one}_questions" for one in benchmarks))
    ]
    return {
        "Outcome": [*outcome, wr.ParallelCoordinatesPlot(title="Arms", columns=columns)],
        "Training": lines,
        "Costs": costs,
        "Prompts and completions": tables,
        "What differs": [wr.RunComparer(diff_only="split")],
    }
