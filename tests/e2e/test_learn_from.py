# SPDX-License-Identifier: Apache-2.0
"""`retrain --window`: the rows that a retraining learns from, said or chosen by a test, on the record of the turn and of the version."""
from made_data import churn_rows, csv_text

PROJECT = "models:\n  churn: {{from: data.csv, target: churned, retrain: {{every: 7d, {0}}}}}\n"


def prepare(tm, retrain="new_rows: 500"):
    tm.write("tidemill.yaml", PROJECT.format(retrain))
    tm.write("data.csv", csv_text(churn_rows(400)))
    tm.ok("train", "data.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=10")
    tm.ok("apply")
    tm.write("data.csv", csv_text(churn_rows(1000)))


def test_a_window_that_is_said_is_told_of_and_repeated(tm):
    prepare(tm)
    bad = tm("retrain", "churn", "--window", "sideways")
    assert bad.code == 2 and "'sideways' is no window of rows" in bad.err and "sliding:5000" in bad.err
    assert tm.ok("retrain", "churn", "--turns", "--json").json["turns"] == []  # none was begun for it
    story = tm("retrain", "churn", "--window", "sliding:300", "--json").json
    assert story["window"] == {"asked": "sliding:300", "kind": "sliding", "rows": 300, "reason": "as asked for"}
    shown = tm.ok("model", "show", "churn@2", "--json").json
    assert shown["rows"] == 300 and shown["window"] == {"kind": "sliding", "rows": 300}
    assert "sliding, the newest 300: as asked for" in tm.ok("retrain", "churn", "--turns").out
    assert tm.ok("train", "--repeat", "churn@2", "--json").json["same"] is True


def test_a_declared_window_is_chosen_by_a_test(tm):
    prepare(tm, "window: auto")
    window = tm("retrain", "churn", "--json").json["window"]
    assert window["asked"] == "auto" and window["kind"] == "all"  # nothing changed
    assert window["tried"][0]["kind"] == "all" and 0 < window["tried"][0]["loss"] < 1
    tm.write("tidemill.yaml", PROJECT.format("window: often"))
    wrong = tm("check")
    assert wrong.code != 0 and "window" in wrong.err and "tidemill.yaml:2" in wrong.err
