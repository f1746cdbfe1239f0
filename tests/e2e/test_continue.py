# SPDX-License-Identifier: Apache-2.0
"""`train --continue`: more rounds on top of a registered model, on its rows or on others."""
import made_data
import pytest

FIT = ["--learner", "gbdt", "--param", "gbdt.max_leaves=15", "--param", "gbdt.early_stopping=0"]
MORE = ["--param", "gbdt.early_stopping=0"]


@pytest.fixture(name="home")
def fixture_home(tm):
    tm.write("old.csv", made_data.csv_text(made_data.churn_rows(3000)))
    tm.write("new.csv", made_data.csv_text(made_data.churn_rows(3000, seed=5)))
    return tm


def train(tm, *words):
    return tm.ok("train", *words, "--json").json


def answers(tm, model):
    tm.ok("predict", model, "new.csv", "-o", "out.csv")
    return (tm.folder / "out.csv").read_bytes()


def test_some_rounds_and_then_more_answer_as_all_at_once(home):
    train(home, "old.csv", "--target", "churned", "--name", "whole", *FIT, "--param", "gbdt.n_trees=30")
    first = train(home, "old.csv", "--target", "churned", "--name", "parts", *FIT, "--param", "gbdt.n_trees=11")
    second = train(home, "old.csv", "--continue", "parts@1", *MORE, "--param", "gbdt.n_trees=19")
    assert (second["model"], second["version"]) == ("parts", 2)
    assert second["continues"] == {"bundle_hash": first["bundle_hash"], "rounds": 11}
    assert answers(home, "parts@2") == answers(home, "whole@1") != answers(home, "parts@1")
    assert home.ok("train", "--repeat", "parts@2", "--json").json["same"] is True


def test_a_world_that_has_turned_is_learned(home):
    # The world has turned: who left stays, and who stayed leaves.
    rows = [{**row, "churned": "no" if row["churned"] == "yes" else "yes"} for row in made_data.churn_rows(3000, seed=5)]
    home.write("turned.csv", made_data.csv_text(rows))
    first = train(home, "old.csv", "--target", "churned", "--name", "m", *FIT, "--param", "gbdt.n_trees=30")
    before = home.ok("evaluate", "m@1", "turned.csv", "--json").json["scores"]["auc"]
    second = train(home, "turned.csv", "--continue", "m@1", "--param", "gbdt.n_trees=300")
    assert first["test"]["auc"] > 0.6 and before < 0.4 and second["test"]["auc"] > 0.6
    assert home.ok("train", "--repeat", "m@2", "--json").json["same"] is True
    # A retraining is of the kind that the model began with.
    home.write("old.csv", made_data.csv_text(made_data.churn_rows(3500)))
    home.ok("retrain", "m")
    assert home.ok("train", "--repeat", "m@3", "--json").json["same"] is True
    trees = [home.ok("evaluate", f"m@{n}", "old.csv", "--json").json["scores"]["auc"] for n in (1, 2, 3)]
    assert trees[1] < 0.5 < trees[0] and 0.5 < trees[2]


def test_killed_and_taken_up_again_it_goes_on_from_the_same_model(home):
    train(home, "old.csv", "--target", "churned", "--name", "m", *FIT, "--param", "gbdt.n_trees=5")
    words = ["new.csv", "--continue", "m@1", *MORE, "--param", "gbdt.n_trees=20"]
    want = train(home, *words, "--name", "n")
    got = train(home, *words, "--checkpoint", "0s", "--name", "o")
    assert answers(home, "n") == answers(home, "o") and got["continues"] == want["continues"]


def test_what_cannot_be_gone_on_from_is_refused(home):
    train(home, "old.csv", "--target", "churned", "--name", "m", *FIT, "--param", "gbdt.n_trees=5")
    for words in (["--target", "churned"], ["--learner", "gbdt"], ["--seed", "3"], ["--monotone", "months:-1"], ["--drop", "city"]):
        result = home("train", "new.csv", "--continue", "m@1", *words)
        assert result.code == 2 and f"'{words[0]}' and --continue cannot stand together" in result.err, words
    assert home("train", "new.csv", "--continue", "m@7").code == 3
    train(home, "old.csv", "--target", "churned", "--name", "line", "--learner", "linear")
    result = home("train", "new.csv", "--continue", "line")
    assert result.code != 0 and "a model of 'linear' cannot be gone on from" in result.err and "hint: " in result.err
    rows = made_data.churn_rows(300, seed=5)
    rows[5]["churned"] = "perhaps"
    for kind in (rows, [{**row, "churned": "yes"} for row in rows], [{**row, "churned": row["months"]} for row in rows]):
        home.write("third.csv", made_data.csv_text(kind))
        assert home("train", "third.csv", "--continue", "m@1").code in (2, 7)
    rows = [{**row, "churned": "left" if row["churned"] == "yes" else "stayed"} for row in made_data.churn_rows(300, seed=5)]
    home.write("third.csv", made_data.csv_text(rows))
    result = home("train", "third.csv", "--continue", "m@1")
    assert result.code != 0 and "class" in result.err and "hint: " in result.err
