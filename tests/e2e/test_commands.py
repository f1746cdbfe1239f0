# SPDX-License-Identifier: Apache-2.0
"""Commands over rows: profile, check, evaluate, replay, status. What they say is counted again here."""
import csv

import made_data
import pytest
from waits import wait_until


@pytest.fixture(name="churn")
def fixture_churn(tm):
    """A folder with a model that learned from a.csv, and b.csv with 400 other rows; each tenth of these has no label."""
    rows = made_data.churn_rows(400, seed=3)
    for row in rows[::10]:
        row["churned"] = ""
    tm.write("a.csv", made_data.csv_text(made_data.churn_rows(1500)))
    tm.write("b.csv", made_data.csv_text(rows))
    tm.ok("train", "a.csv", "--target", "churned", "--name", "churn", "--learner", "linear", "-q")
    tm.rows = rows
    return tm


def test_a_profile_counts_every_cell(tm):
    tm.write("p.csv", "id,day,kind,amount,constant,empty,rare\n" + "".join(
        f"k{i:03d},2024-02-{1 + i % 29:02d},{'ab'[i % 2]},{'' if i % 3 == 0 else i / 4},7,,{i if i < 20 else ''}\n" for i in range(60)))
    result = tm.ok("data", "profile", "p.csv", "--json").json
    assert result["rows"] == 60
    columns = {c["name"]: c for c in result["columns"]}
    assert columns["id"].items() >= {"name": "id", "type": "text", "missing": 0, "distinct": 60, "min": "", "max": "", "note": "every value differs: an id?"}.items()
    assert columns["day"].items() >= {"name": "day", "type": "date", "missing": 0, "distinct": 29, "min": "2024-02-01", "max": "2024-02-29", "note": ""}.items()
    assert (columns["kind"]["distinct"], columns["kind"]["note"]) == (2, "")
    assert columns["amount"].items() >= {"name": "amount", "type": "float", "missing": 20, "distinct": 40, "min": "0.25", "max": "14.75", "note": ""}.items()
    assert (columns["constant"]["distinct"], columns["constant"]["note"]) == (1, "always the same")
    assert (columns["empty"]["missing"], columns["empty"]["note"]) == (60, "always missing")
    assert (columns["rare"]["missing"], columns["rare"]["note"]) == (40, "mostly missing")
    text = tm.ok("data", "profile", "--sql", "SELECT * FROM 'p.csv' WHERE id < 'k010'").out
    assert text.startswith("10 rows, 7 columns\n") and "2024-02-10" in text


def test_a_check_names_the_columns_that_differ(churn):
    assert churn.ok("data", "check", "churn", "b.csv").out == "every column is as the model expects it\n"
    rows = [dict(r) for r in churn.rows]
    for row in rows[:7]:
        row["months"] = 61
    for row in rows[:3]:
        row["plan"] = ""
    churn.write("c.csv", made_data.csv_text(rows, ["plan", "months", "joined", "spend", "churned"]))
    result = churn("data", "check", "churn", "c.csv", "--json")
    assert result.code != 0 and "3 columns are not as the model expects them" in result.err
    assert {f["column"]: f["finding"] for f in result.json["findings"]} == {
        "months": "lies outside the range seen in training in 7 rows", "city": "is not there",
        "plan": "is missing in 3 rows, and never was in training"}
    assert result.json["ok"] is False


def test_an_evaluation_is_what_the_predictions_give(churn):
    result = churn.ok("evaluate", "churn", "b.csv", "--json").json
    churn.ok("predict", "churn", "b.csv", "-o", "scored.csv")
    with open(churn.folder / "scored.csv", encoding="utf-8") as text:
        scored = list(csv.DictReader(text))
    name = next(k for k in scored[0] if "probab" in k or k.endswith("_yes") or k == "score")
    pairs = [(float(s[name]), r["churned"] == "yes") for s, r in zip(scored, churn.rows) if r["churned"]]
    wins = sum((p > q) + (p == q) / 2 for p, is_yes in pairs if is_yes for q, other in pairs if not other)
    n_yes = sum(is_yes for _, is_yes in pairs)
    assert result["scores"]["n_rows"] == len(pairs) == 360
    assert result["scores"]["auc"] == pytest.approx(wins / (n_yes * (360 - n_yes)), abs=1e-12)
    assert result["scores"]["brier"] == pytest.approx(sum((p - is_yes) ** 2 for p, is_yes in pairs) / 360, abs=1e-12)
    assert "360 rows with a target" in churn.ok("evaluate", "churn", "b.csv").out


def test_columns_are_worth_what_the_score_loses_without_them(churn):
    words = ["evaluate", "churn", "b.csv", "--columns"]
    result = churn.ok(*words, "--json").json
    worth = result["worth"]
    assert (worth["rows"], worth["repeats"], worth["seed"]) == (360, 5, 0)
    assert worth["score"] == result["scores"][worth["metric"]]
    assert sum(c["share"] for c in worth["columns"]) == pytest.approx(1)
    losses = [c["loses"] for c in worth["columns"]]
    assert losses == sorted(losses, reverse=True) and losses[0] > 0
    assert churn.ok(*words, "--json", "--threads", "1").json["worth"] == worth
    assert churn.ok(*words, "--json", "--seed", "1").json["worth"] != worth
    auc = churn.ok(*words, "--metric", "auc", "--json").json
    assert auc["worth"]["metric"] == "auc" and auc["worth"]["score"] == auc["scores"]["auc"]
    shown = churn.ok(*words).out
    assert "loses when a column is shuffled among 360 rows, 5 times" in shown and worth["columns"][0]["column"] in shown
    assert churn(*words, "--metric", "rmse").code == 2
    assert churn("evaluate", "churn", "b.csv", "--metric", "auc").code == 2


def settled(tm, n_labels):
    """The model as `status` has it, once the server has told: it does so once a second."""
    model = lambda: tm.ok("status", "--json").json["models"][0]
    return wait_until(lambda: (now := model())["labelled"] == n_labels and now, model)


def test_a_replay_sends_rows_and_their_labels(churn, serve):
    server = serve()
    words = ["replay", "churn", "b.csv", "--server", server.address, "--batch", "64"]
    result = churn.ok(*words, "--labels", "churned", "--label-delay", "50ms", "--json").json
    assert (result["rows"], result["requests"]) == (400, 7)
    assert result["labels"] == 360, "a row without a label has none to send"
    assert 0 < result["latency_ms_p50"] <= result["latency_ms_p99"] <= 1000 * result["seconds"]
    model = settled(churn, 360)
    assert (model["answers"], model["labelled"], model["coverage"]) == (400, 360, 0.9)
    assert model["live"]["auc"] == pytest.approx(churn.ok("evaluate", "churn", "b.csv", "--json").json["scores"]["auc"], abs=1e-12)
    assert "400" in churn.ok("status").out
    # Without labels the target is a column like any other, and is left out by hand.
    churn.write("d.csv", made_data.csv_text(churn.rows[:50], ["plan", "months", "spend", "joined", "city"]))
    said = churn.ok("replay", "churn", "d.csv", "--server", server.address, "--rate", "1000").out
    assert "1 requests of up to 100 rows" in said and "50 rows answered" in said
    server.stop()  # what it had in its queue is written then
    assert churn.ok("status", "--json").json["models"][0]["answers"] == 450


def test_a_replay_that_cannot_begin_says_why(churn, serve):
    result = churn("replay", "churn", "b.csv", "--labels", "gone")
    assert result.code == 2 and "there is no label column 'gone'" in result.err
    server = serve()
    result = churn("replay", "nobody", "b.csv", "--server", server.address, "--labels", "churned")
    assert result.code == 3 and "there is no route of this name" in result.err
    server.stop()
    result = churn("replay", "churn", "b.csv", "--server", server.address, "--labels", "churned")
    assert result.code != 0 and server.address in result.err
