"""The comparison of planted run folders, whose numbers are worked out by hand."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.planted import plant
from ufo_rl.errors import UserError
from ufo_rl.report import compare, summary
from ufo_rl.report.disk.run_folders import load_run


def line_of(text: str, *beginning: str) -> str:
    """The only line whose words begin so."""
    (line,) = [line for line in text.splitlines() if tuple(line.split()[: len(beginning)]) == beginning]
    return line


# Full: questions 0..399 right, 80.0 %. Wilson, 400 of 500: 0.7626 to 0.8327.


def test_planted_five_point_gap_is_flagged(tmp_path):
    # ufo: 0..374 right, 75.0 %. Lost 25, gained 0: adjusted (1 - 26)/502 = -0.0498,
    # half width 1.96 * sqrt((27/502 - 0.0498^2)/502) = 0.01981 -> -7.0 to -3.0
    plant(tmp_path, "full", range(400, 500))
    plant(tmp_path, "ufo", range(375, 500), signals={"confidence": 1.4})
    text = compare([tmp_path / "sweeps" / "demo"])
    assert "60.0 -> 80.0 [76.3, 83.3]" in line_of(text, "full", "1", "60.0") and "500 questions" in text
    assert line_of(text, "full", "1", "60.0").endswith("baseline")
    row = line_of(text, "ufo", "10%", "1", "60.0")
    assert "60.0 -> 75.0" in row and "-5.0 [-7.0, -3.0]" in row and row.endswith("worse (one seed)")
    assert "- ufo 10%: worse than full on math500 (one seed): -5.0 [-7.0, -3.0] points" in text


def test_planted_two_question_gap_is_not(tmp_path):
    # ufo: 0..397 right. Lost 2: adjusted (1 - 3)/502 = -0.00398,
    # half width 1.96 * sqrt((4/502 - 0.00398^2)/502) = 0.0078 -> -1.2 to +0.4
    plant(tmp_path, "full", range(400, 500))
    plant(tmp_path, "ufo", range(398, 500))
    text = compare([tmp_path])
    row = line_of(text, "ufo", "10%", "1", "60.0")
    assert "-0.4 [-1.2, +0.4]" in row and row.endswith("no detectable difference (one seed, only 2 answers")
    assert "Warnings: none." in text


def test_costs_budgets_and_correlation_are_stated(tmp_path):
    plant(tmp_path, "full", range(400, 500))
    spearman = {"rho": 0.6234, "ci_low": 0.58, "ci_high": 0.66, "n": 2000}
    plant(tmp_path, "ufo", range(400, 500), signals={"confidence": 1.4}, spearman=spearman)
    plant(tmp_path, "accuracy", range(400, 500), signals={"pass_rate": 201.0})
    text = compare([tmp_path])
    assert "Budgets: step-matched, 30 steps in every arm" in text
    assert "With equal budgets selection saves no training time" in text
    words = " ".join(text.split())
    assert "confidence 1.4 s for 2,000 prompts" in words and "pass_rate 201 s for 2,000 prompts" in words
    # of measuring: 200 s against 0.4 s; with the start of the stages, 1 s each, it would be 144
    assert "confidence 1.4 s for 2,000 prompts (start-up 1.0, measuring 0.4)" in words
    assert "A prompt costs 500 times as much to sample as to score in one forward pass (measuring alone)." in text
    assert "Spearman correlation of confidence and pass rate: 0.62 [0.58, 0.66], n = 2,000 prompts." in text
    # arm, runs, prompts, steps, tokens, score, train, total, signals; 20 points of accuracy by 61.4 s and by 9,000
    # tokens; equal
    # budgets save nothing
    row = line_of(text, "ufo", "10%", "1", "200").split()[3:]
    assert row[:7] == ["200", "30", "9", "k", "0.0", "60.0", "90.0"]
    assert row[7:] == ["1.4", "1,173", "2,222", "never"]
    assert "cost more than it saved" not in text
    assert max(len(line) for line in text.splitlines()) <= 120


def test_what_an_earlier_version_measured_has_no_ratio(tmp_path):
    """Its seconds hold the start of the stage, which is most of a small pool's: unknown is told, and is no 0."""
    signals = {"confidence": 13.0, "pass_rate": 51.0}
    folder = plant(tmp_path, "ufo", range(400, 500), signals=signals)
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["phases"]
    for name in ("cost_startup_seconds", "cost_measuring_seconds", "cost_measuring_device_seconds"):
        del metrics["signals"]["confidence"][name]  # as the file of that version
        metrics["signals"]["pass_rate"][name] = None  # as today's of a store of that version
    (folder / "metrics.json").write_text(json.dumps(metrics))
    for text in (compare([tmp_path]), summary(folder)):
        words = " ".join(text.split())
        assert "confidence 13.0 s for 2,000 prompts (start-up and measuring not told apart)" in words
        assert "is not known: an earlier version measured one of the two" in words
        assert "times as much" not in words
    assert line_of(compare([tmp_path]), "ufo", "10%", "1", "200").split()[-4] == "64.0"  # signals


def test_selection_that_costs_more_than_it_saves(tmp_path):
    plant(tmp_path, "full", range(400, 500), steps=300, train_seconds=600.0)
    settings = {"train": {"max_steps": 300}}  # the same settings: the budget is in epochs
    # 450 + 60 = 510 < 600 saves time; 550 + 60 = 610 > 600 does not
    plant(tmp_path, "ufo", range(400, 500), signals={"confidence": 450.0}, config=settings)
    plant(tmp_path, "accuracy", range(400, 500), signals={"pass_rate": 550.0}, config=settings)
    text = compare([tmp_path])
    assert text.count("cost more than it saved") == 1
    warning = "- accuracy 10% seed 0: selection cost more than it saved: signals 550 s and training 60.0 s"
    assert f"{warning} against 600 s of training on everything" in " ".join(text.split())
    assert "Budgets: epoch-matched, 2.50 epochs in every arm" in text


def test_budgets_that_do_not_match_are_said_to_differ(tmp_path):
    plant(tmp_path, "full", range(400, 500), steps=300, epochs=1.0)
    plant(tmp_path, "ufo", range(400, 500), steps=30, epochs=2.0)
    text = compare([tmp_path])
    assert "Budgets: NOT matched" in text
    assert "ufo 10% max_steps=30" in text  # max_steps sets it apart, and the pairing says so
    assert "whose settings differ" in text


def test_another_signal_setting_labels_the_arm_but_needs_no_other_full_run(tmp_path):
    plant(tmp_path, "full", range(400, 500), config={"signal": {"confidence": {"target": "answer"}}})
    plant(tmp_path, "ufo", range(400, 500), config={"signal": {"confidence": {"target": "solution"}}})
    text = compare([tmp_path])
    assert "ufo 10% target=solution" in text and "Notes" not in text


def test_the_full_run_of_the_same_settings_is_the_baseline(tmp_path):
    plant(tmp_path, "full", range(300, 500), steps=30)
    plant(tmp_path, "full", range(400, 500), steps=60)
    plant(tmp_path, "ufo", range(400, 500), steps=60)
    text = compare([tmp_path])
    assert "+0.0 [-0.6, +0.6]" in line_of(text, "ufo", "10%", "1", "60.0") and "settings differ" not in text


def test_a_speed_knob_makes_no_other_experiment(tmp_path):
    plant(tmp_path, "full", range(400, 500), config={"engine": {"name": "hf", "batch_tokens": 8}})
    plant(tmp_path, "ufo", range(400, 500), config={"engine": {"name": "hf", "batch_tokens": 64}})
    text = compare([tmp_path])
    assert "batch_tokens" not in text and "Notes" not in text


def test_seeds_have_their_rows_and_a_mean(tmp_path):
    for seed, wrong_full, wrong_ufo in [(0, 100, 105), (1, 110, 100)]:
        plant(tmp_path, "full", range(500 - wrong_full, 500), seed=seed)
        plant(tmp_path, "ufo", range(500 - wrong_ufo, 500), seed=seed)
    text = compare([tmp_path], each_seed=True)
    seeds = [line for line in text.splitlines() if line.startswith("  seed ")]
    assert "-1.0" in seeds[2] and "+2.0" in seeds[3] and "  seed " not in compare([tmp_path])
    # means: (79 + 80) / 2 = 79.5 and (-1 + 2) / 2 = +0.5; s = 0.707 and 2.121, t(0.975, 1) = 12.706: +- 6.35 and +- 19.06
    row = line_of(text, "ufo", "10%", "2", "60.0")
    assert "60.0 -> 79.5 [73.1, 85.9]" in row and "+0.5 [-18.6, +19.6]" in row and "(only 15 answers differ)" in row


def test_failed_and_unfinished_runs_are_listed(tmp_path):
    plant(tmp_path, "full", range(400, 500))
    failed = {"state": "failed", "stage": "train", "error": "CUDA out of memory"}
    plant(tmp_path, "ufo", range(400, 500), status=failed)
    running = {
        "state": "running",
        "stage": "score",
        "updated": "2026-11-23T08:00:00",
        "error": None,
    }  # and nobody holds it
    plant(tmp_path, "random", range(400, 500), status=running)
    text = compare([tmp_path])
    assert "Not in the tables, 2 of 3 runs:" in text
    assert "- tiny-ufo-0.1-0-30: failed at train: CUDA out of memory" in text
    assert "- tiny-random-0.1-0-30: stopped without a word at score" in text


def test_only_failed_runs_and_bare_folders_do_not_crash(tmp_path):
    folder = plant(tmp_path, "ufo", range(1), status={"state": "failed", "stage": "score", "error": "x"})
    for file in folder.rglob("*"):
        if file.is_file() and file.name not in ("run.json", "config.yaml"):
            file.unlink()
    text = compare([tmp_path])
    assert "No complete run to compare." in text and "no status.json" in text
    assert "not started" in summary(folder)


def test_training_on_everything_has_no_ratio_to_be_compared_at(tmp_path):
    for ratio in (0.1, 0.2):
        plant(tmp_path, "random", range(400, 500), ratio=ratio)
    plant(tmp_path, "full", range(390, 500), ratio=1.0)
    text = compare([tmp_path], "random")
    assert "full: compared with none of random 10%, random 20%; --baseline ARM names one" in text
    assert line_of(text, "full", "1", "60.0").split()[-2:] == ["-", "-"]
    assert "(one seed, only 10" in line_of(compare([tmp_path], "random 20%"), "full", "1", "60.0")


def test_arms_without_a_full_run_or_with_other_questions_are_noted(tmp_path):
    plant(tmp_path, "ufo", range(400, 500), seed=7)
    assert "minus" not in compare([tmp_path])
    plant(tmp_path, "ufo", range(400, 500), seed=7, ratio=0.2)
    assert "Neither full nor random is here to compare with; --baseline ARM" in compare([tmp_path])
    plant(tmp_path, "full", range(400, 500), seed=3)
    assert "- seed 7: no complete full run to compare with" in compare([tmp_path])
    full = plant(tmp_path, "full", range(400, 500), seed=7)
    other = pa.table({"id": [f"other {i}" for i in range(5)], "correct": [True, True, True, True, False]})
    pq.write_table(other, full / "eval" / "math500" / "questions.parquet")
    assert "not paired with full on math500" in compare([tmp_path])


def test_paths_may_be_run_folders_sweeps_and_globs(tmp_path):
    first = plant(tmp_path, "full", range(400, 500))
    plant(tmp_path, "ufo", range(400, 500))
    whole = compare([tmp_path])
    assert compare([tmp_path / "sweeps" / "demo" / "tiny-*"]) == whole
    assert compare([first, tmp_path / "sweeps", str(tmp_path / "sweeps" / "*")]) == whole  # each run once
    assert "ufo" not in compare([first])
    with pytest.raises(UserError, match=r"missing: no run in or below it"):
        compare([tmp_path / "missing"])


def test_models_and_datasets_are_not_mixed(tmp_path):
    plant(tmp_path, "full", range(400, 500))
    plant(tmp_path, "ufo", range(300, 500), config={"dataset": {"name": "gsm8k"}})
    text = compare([tmp_path])
    assert "model tiny, dataset arithmetic, template short" in text
    assert "model tiny, dataset gsm8k, template short" in text
    assert "worse" not in text


@pytest.mark.parametrize(
    "name, content",
    [
        ("metrics.json", '{"schema": 2'),
        ("metrics.json", '{"schema": 2, "eval": {"math500": {"base": null}}}'),
        ("metrics.json", '{"schema": 2, "eval": {"math500": {"base": null, "final": {"n": 0}}}}'),
        ("metrics.json", '{"schema": 3}'),
        ("metrics.json", '{"math500_final": 0.5}'),
        ("metrics.json", "[1]"),
        ("status.json", "completed"),
        ("run.json", "{}"),
        ("config.yaml", "a: [1"),
        ("config.yaml", "seed: 0"),
        ("eval/math500/questions.parquet", "not parquet"),
    ],
)
def test_a_broken_file_is_named(tmp_path, name, content):
    plant(tmp_path, "full", range(400, 500))
    folder = plant(tmp_path, "ufo", range(400, 500))
    (folder / name).write_text(content)
    text = compare([tmp_path])
    assert "Not in the tables, 1 of 2 runs:" in text and f"- {folder.name}: " in " ".join(text.split())
    assert str(folder / name) in text and line_of(text, "full", "1", "60.0")  # the others are compared


def test_long_labels_stay_within_120_columns(tmp_path):
    plant(tmp_path, "full", range(400, 500), seed=10, steps=12345)
    name = "a_selector_with_a_name_of_some_length"
    config = {"selector": {"_target_": "x", "name": name, "center": 0.123456789}}
    plant(tmp_path, name, range(300, 500), seed=10, config=config)
    text = compare([tmp_path])
    assert max(len(line) for line in text.splitlines() if "->" in line or "--" in line) <= 120


def test_unstable_training_reaches_the_comparison(tmp_path):
    rewards = [0.6] * 5 + [0.5] * 5 + [0.4] * 5
    plant(tmp_path, "full", range(400, 500))
    folder = plant(tmp_path, "ufo", range(400, 500), rewards=rewards)
    assert "- ufo 10% seed 0: unstable: reward fell from 0.600" in compare([tmp_path])
    assert "Warning: unstable: reward fell" in summary(folder)


def test_summary_of_one_run(tmp_path):
    # base 0..299 right, now 0..399: gained 100, adjusted (101 - 1)/502 = 0.1992,
    # half width 1.96 * sqrt((102/502 - 0.1992^2)/502) = 0.0354
    folder = plant(tmp_path, "ufo", range(400, 500), signals={"confidence": 1.4, "pass_rate": 201.0})
    text = summary(folder)
    assert text.startswith("tiny-ufo-0.1-0-30: completed")
    assert "2,000 prompts of 2,010 rows; dropped: 8 duplicate, 2 too_long" in text
    assert (
        "200 of 2,000 prompts kept by ufo 10%; ties decided 25.0 % of the kept; 12 could change sides within 1e-5"
        in text
    )
    assert "30 steps, 2.50 epochs over 200 prompts (steps=30)" in text
    assert "60.0 [55.6, 64.2] -> 80.0 % [76.3, 83.3] of 500 questions" in text
    assert "change +20.0 [+16.4, +23.5] points, paired by question" in text
    assert "A prompt costs 500 times" in text and "train 60.0" in text
    assert "start-up score 0.0, train 9.5" in text and "waiting  score 0.0, train 0.5" in text
    assert max(len(line) for line in text.splitlines() if "ufo-rl compare" not in line) <= 120


def test_summary_of_a_failed_run_says_where_it_stopped(tmp_path):
    status = {"state": "failed", "stage": "train", "error": "CUDA out of memory"}
    text = summary(plant(tmp_path, "ufo", range(400, 500), status=status))
    assert "stopped at train: CUDA out of memory" in text and "200 of 2,000 prompts kept" in text


def test_a_moved_outputs_folder_keeps_its_pairs(tmp_path):
    folder = plant(tmp_path / "here", "ufo", range(400, 500))
    (tmp_path / "here").rename(tmp_path / "there")
    moved = tmp_path / "there" / folder.relative_to(tmp_path / "here")
    assert load_run(moved).correct_before("math500") is not None


def test_a_run_folder_copied_alone_loses_only_its_pairs(tmp_path):
    folder = plant(tmp_path / "outputs", "ufo", range(400, 500))
    folder.rename(tmp_path / "alone")
    assert "not paired: a table of questions is missing" in summary(tmp_path / "alone")


def test_options_that_tell_arms_apart_are_called_by_their_names(tmp_path):
    """What follows from the choice of an option is not spelt out beside it; what was changed in one is."""
    recipes = {"lab": {"name": "lab", "beta": 0.0}, "dapo": {"name": "dapo", "beta": 0.1, "epsilon": 0.3}}
    for name, train in recipes.items():
        plant(tmp_path / name, "ufo", range(400, 500), config={"train": train})
    text = compare([tmp_path])
    assert "ufo 10% train=dapo" in text and "beta" not in text and "#1" not in text
    plant(tmp_path / "more", "ufo", range(390, 500), config={"train": {**recipes["dapo"], "beta": 0.2}})
    text = compare([tmp_path])
    assert "ufo 10% train=dapo beta=0.2" in text and "ufo 10% train=dapo beta=0.1" in text and "epsilon" not in text
