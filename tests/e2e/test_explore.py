# SPDX-License-Identifier: Apache-2.0
"""A share of requests gets decisions that are drawn: where labels come for one decision alone, these tell how good the model is, and what that costs."""
from made_data import churn_rows, csv_text
from waits import wait_until

PROJECT = "models:\n  churn: {from: data.csv, target: churned, threshold: 0.5, explore: %s}\n"


def ask(server, rows):
    """The decisions, ids and arms of requests of ten rows each."""
    for first in range(0, len(rows), 10):
        part = rows[first:first + 10]
        given = [{k: v for k, v in r.items() if k != "churned" and v != ""} for r in part]
        status, headers, told = server.request("POST", "/v1/routes/churn/predict", {"rows": given})
        assert status == 200
        for row, answer in zip(part, told["predictions"]):
            yield row, answer, headers["X-Tidemill-Arm"]


def test_drawn_decisions_tell_what_chosen_labels_hide(tm, serve):
    tm.write("data.csv", csv_text(churn_rows(400)))
    tm.write("tidemill.yaml", PROJECT % 0.4)
    tm.ok("train", "data.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--seed", "1", "--threshold", "0.5")
    tm.ok("apply")
    server = serve()
    answers = list(ask(server, churn_rows(2000, seed=9, swap=True)))
    drawn = [(row, answer) for row, answer, arm in answers if arm == "explored"]
    assert 0.3 < len(drawn) / len(answers) < 0.5 and {arm for _, _, arm in answers} == {"explored", "champion"}
    decided = [answer["prediction"] == "yes" for _, answer in drawn]
    assert 0.4 < sum(decided) / len(decided) < 0.6
    assert all((a["prediction"] == "yes") == (a["probability"] >= 0.5) for _, a, arm in answers if arm == "champion")

    labels = [{"prediction_id": a["id"], "label": row["churned"]} for row, a, _ in answers if a["prediction"] == "yes"]
    assert server.request("POST", "/v1/labels", {"labels": labels})[2]["joined"] == len(labels)
    found = tm.ok("monitor", "origins", "churn", "--json").json["explored"]
    wrong = sum((a["probability"] >= 0.5) != (row["churned"] == "yes") for row, a, _ in answers) / len(answers)
    assert found["share"] == 0.4 and found["answers"] == len(drawn) and found["labelled"] == sum(decided)
    assert abs(found["wrong"] - wrong) < 0.06 < abs(found["others_wrong"] - wrong)
    assert abs(found["costs"] - 0.4 * (0.5 - found["wrong"])) < 1e-9
    words = tm.ok("monitor", "origins", "churn").out
    assert "which stand for all answers" in words and "more wrong decisions in 1,000" in words and "explore: 0.02" in words
    assert tm.ok("retrain", "churn", "--json").json["new_rows"] == len(labels)

    tm.write("tidemill.yaml", PROJECT % 0)
    tm.ok("apply")
    wait_until(lambda: {arm for _, _, arm in ask(server, churn_rows(200, seed=3))} == {"champion"})


def test_what_is_no_share_is_refused(tm):
    tm.write("tidemill.yaml", PROJECT % 0.6)
    told = tm("check")
    assert told.code != 0 and "0 to 0.5" in told.err + told.out
