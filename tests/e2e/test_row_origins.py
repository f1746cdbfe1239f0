# SPDX-License-Identifier: Apache-2.0
"""Rows of a pushed source that bring their target: one branch whose labels are flipped does not teach the model, until a person says so."""
import random

import pytest

from made_data import churn_rows, csv_text

FLIP = {"yes": "no", "no": "yes"}
PROJECT = """
sources:
  visits: {push: true}
models:
  churn:
    from: visits
    target: churned
    learner: gbdt
    param: [gbdt.n_trees=40]
    drop: [branch]
    labels: {origin: branch}
"""


def rows_of(n, seed, swap=False, flipped=()):
    """Rows of three branches; `east` sends five in a hundred."""
    rows, chance = churn_rows(n, seed=seed, swap=swap), random.Random(seed)
    for row in rows:
        row["branch"] = "east" if chance.random() < 0.05 else chance.choice(["north", "south"])
        if row["branch"] in flipped:
            row["churned"] = FLIP[row["churned"]]
    return rows


@pytest.fixture(name="pushed")
def fixture_pushed(tm):
    tm.write("tidemill.yaml", PROJECT)
    tm.write("first.csv", csv_text(rows_of(800, 1)))
    assert tm("apply").code == 3  # the source is there, the model's first version is not
    tm.ok("data", "push", "visits", "first.csv")
    tm.ok("train", "--source", "visits", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=40", "--drop", "branch")
    tm.ok("apply")
    return tm


def push(tm, rows):
    tm.write("more.csv", csv_text(rows))
    tm.ok("data", "push", "visits", "more.csv")


def states(tm):
    return {o["origin"]: o["state"] for o in tm.ok("monitor", "origins", "churn", "--json").json["origins"]}


def test_flipped_rows_of_one_branch_stay_out_until_a_person_lets_them_in(pushed):
    tm = pushed
    new = rows_of(4000, 2, flipped=("east",))
    n_bad = sum(row["branch"] == "east" for row in new)
    push(tm, new)
    told = tm.ok("retrain", "churn", "--json").json
    n_before = sum(row["branch"] == "east" for row in rows_of(800, 1))
    assert told["quarantined"] == ["branch=east"] and told["quarantined_rows"] == n_bad + n_before
    assert told["new_rows"] == 4000 - n_bad and told["rows"] + told["gate_rows"] == 4800 - n_bad - n_before
    words = tm.ok("retrain", "churn", "--turns").out
    assert "kept out branch=east: labels that do not fit, " in words
    noted, = [e for e in tm.ok("model", "history", "churn", "--json").json["history"] if e["event"] == "labels.quarantined"]
    assert noted["details"]["evidence"]["labels"] == n_bad and noted["details"]["evidence"]["wrong"]["low"] > 0.7
    assert states(tm) == {"branch=east": "quarantined"} and "branch=east" in tm.ok("monitor", "origins", "churn").out

    tm.ok("monitor", "origins", "churn", "--trust", "branch=east", "--reason", "they count otherwise")
    tm.ok("monitor", "origins", "churn", "--quarantine", "branch=south")
    missing = tm("monitor", "origins", "churn", "--quarantine", "region=south")
    assert missing.code == 3 and "no label of 'churn' is of origin 'region=south'" in missing.err
    told = tm.ok("retrain", "churn", "--json").json
    assert told["quarantined"] == ["branch=south"]
    assert told["rows"] + told["gate_rows"] == sum(row["branch"] != "south" for row in new + rows_of(800, 1))


def test_a_world_that_changed_quarantines_nobody(pushed):
    tm = pushed
    push(tm, rows_of(2000, 3, swap=True))
    told = tm.ok("retrain", "churn", "--json").json
    assert "quarantined" not in told and told["new_rows"] == 2000
    assert states(tm) == {} and "kept out" not in tm.ok("retrain", "churn", "--turns").out
