# SPDX-License-Identifier: Apache-2.0
"""Labels of a sender that are not what came true are found and kept out of training and judging, until somebody trusts them."""
import pytest

from made_data import churn_rows, csv_text

FLIP = {"yes": "no", "no": "yes"}


@pytest.fixture(name="fed")
def fixture_fed(tm, serve):
    """Answers labelled by three senders; the third's labels, five in a hundred of all, are flipped."""
    tm.write("data.csv", csv_text(churn_rows(400)))
    tm.ok("train", "data.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--seed", "1")
    made = [tm.ok("key", "create", "--role", "client", "--json").json for _ in range(3)]
    server = serve()
    rows = churn_rows(4000, seed=9)
    for first in range(0, len(rows), 400):
        part = rows[first:first + 400]
        given = [{k: v for k, v in r.items() if k != "churned" and v != ""} for r in part]
        status, _, told = server.request("POST", "/v1/routes/churn/predict", {"rows": given}, {"Authorization": f"Bearer {made[0]['key']}"})
        assert status == 200
        labels = [[], [], []]
        for i, (answer, row) in enumerate(zip(told["predictions"], part)):
            sender = 2 if i % 20 == 19 else i % 2
            labels[sender].append({"prediction_id": answer["id"], "label": FLIP[row["churned"]] if sender == 2 else row["churned"]})
        for key, some in zip(made, labels):
            status, _, told = server.request("POST", "/v1/labels", {"labels": some}, {"Authorization": f"Bearer {key['key']}"})
            assert status == 200 and told["joined"] == len(some)
    return tm, [f"key:{key['id']}" for key in made]


def test_flips_of_one_sender_are_kept_out_of_the_champion(fed):
    tm, senders = fed
    found = {o["origin"]: o for o in tm.ok("monitor", "origins", "churn", "--json").json["origins"]}
    assert set(found) == set(senders)
    assert found[senders[2]]["verdict"] == "wrong" and found[senders[2]]["labels"] == 200 and found[senders[2]]["wrong"]["low"] > 0.7
    assert found[senders[0]]["verdict"] == found[senders[1]]["verdict"] == "fine"
    told = tm.ok("retrain", "churn", "--json").json
    assert told["quarantined"] == [senders[2]] and told["new_rows"] == 3800
    events = [e for e in tm.ok("model", "history", "churn", "--json").json["history"] if e["event"] == "labels.quarantined"]
    assert len(events) == 1 and events[0]["details"]["origin"] == senders[2] and "do not fit the answers" in events[0]["reason"]
    words = tm.ok("monitor", "origins", "churn").out
    assert "quarantined" in words and "trusted" in words


def test_a_person_has_the_last_word(fed):
    tm, senders = fed
    missing = tm("monitor", "origins", "churn", "--quarantine", "key:NOBODY0")
    assert missing.code == 3 and "no label of 'churn' is of origin 'key:NOBODY0'" in missing.err
    tm.ok("monitor", "origins", "churn", "--trust", senders[2], "--reason", "it was the clock")
    assert "quarantined" not in tm.ok("retrain", "churn", "--json").json
    tm.ok("monitor", "origins", "churn", "--quarantine", senders[0])
    again = tm("monitor", "origins", "churn", "--quarantine", senders[0])
    assert again.code == 5 and "quarantined already" in again.err
    states = {o["origin"]: o["state"] for o in tm.ok("monitor", "origins", "churn", "--json").json["origins"]}
    assert states == {senders[0]: "quarantined", senders[1]: "trusted", senders[2]: "trusted"}


def test_labels_that_repeat_the_answers_are_told(tm, serve):
    tm.write("data.csv", csv_text(churn_rows(400)))
    tm.ok("train", "data.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--seed", "1")
    server = serve()
    given = [{k: v for k, v in r.items() if k != "churned" and v != ""} for r in churn_rows(600, seed=9)]
    told = server.request("POST", "/v1/routes/churn/predict", {"rows": given})[2]
    labels = [{"prediction_id": p["id"], "label": p["prediction"]} for p in told["predictions"] if p["prediction"] == "yes"]
    assert server.request("POST", "/v1/labels", {"labels": labels})[2]["joined"] == len(labels) > 100
    said = tm.ok("monitor", "origins", "churn", "--json").json
    assert said["origins"][0]["verdict"] == "copies"
    words = tm.ok("monitor", "origins", "churn").out
    assert "it would learn its own mistakes" in words and "Of answers 'no' 0.0 % get a label" in words
    told = tm.ok("retrain", "churn", "--json").json["feedback"]
    assert told["copies"] == [said["origins"][0]["origin"]] and told["hidden"]["decision"] == "no" and told["hidden"]["share"] == 0
    assert "feedback labels that repeat its answers; answers 'no' hardly ever get a label" in tm.ok("retrain", "churn", "--turns").out
