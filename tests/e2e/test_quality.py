# SPDX-License-Identifier: Apache-2.0
"""Scores of trainings on made data are in a file, so that a change of quality shows in a difference.

A training is bound by its work, so it gives the same bytes and the same scores on every machine: the file holds them as they are.
"""
import csv
import os
import pathlib

import made_data
import pytest
import quality_sets

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "quality.csv"
FIELDS = ["set", "task", "metric", "learner", "validation", "test", "baseline"]
SCORES = {"binary": "auc", "multiclass": "logloss", "regression": "rmse"}


def measure(tm, name):
    _, _, target, options = quality_sets.SETS[name]
    tm.write(f"{name}.csv", made_data.csv_text(quality_sets.rows_of(name)))
    made = tm.ok("train", f"{name}.csv", "--target", target, "--name", name, "--work", "100000000", "--seed", "1", "--json", *options).json
    score = SCORES[made["task"]]
    return {"set": name, "task": made["task"], "metric": score, "learner": made["learner"], "validation": f"{made['validation'][score]:.6g}",
            "test": f"{made['test'][score]:.6g}", "baseline": f"{made['baseline'][score]:.6g}" if made.get("baseline") else ""}


def read():
    with open(GOLDEN, encoding="utf-8", newline="") as lines:
        return {row["set"]: row for row in csv.DictReader(lines)}


@pytest.mark.parametrize("name", quality_sets.SETS)
def test_scores_are_those_of_the_file(tm, name):
    got = measure(tm, name)
    if os.environ.get("TM_GOLDEN_UPDATE"):
        kept = {**(read() if GOLDEN.exists() else {}), name: got}
        with open(GOLDEN, "w", encoding="utf-8", newline="") as out:
            table = csv.DictWriter(out, FIELDS, lineterminator="\n")
            table.writeheader()
            table.writerows(kept[n] for n in quality_sets.SETS if n in kept)
    assert got == read()[name], "if it is meant: ./run golden-update, and look at the difference"


def test_a_model_is_better_than_a_constant():
    for row in read().values():
        better = float(row["test"]) > float(row["baseline"]) if row["metric"] == "auc" else float(row["test"]) < float(row["baseline"])
        assert better, row
