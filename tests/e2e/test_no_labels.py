# SPDX-License-Identifier: Apache-2.0
"""Labels that never come, with a server that retrains: nothing is promoted, who looks is told since when, and answers are still judged by what they let expect."""

from conftest import Server
from made_data import churn_rows, csv_text, request_row
from waits import wait_until

PROJECT = """models:
  churn:
    from: data.csv
    target: churned
    learner: gbdt
    param: [gbdt.n_trees=10]
    gate: {coverage: {at_least: 0.3, after: 1ms}}
    retrain: {every: 1s}
"""


def test_without_labels_nothing_is_promoted_and_who_looks_is_told(tm):
    tm.write("data.csv", csv_text(churn_rows(600)))
    tm.write("tidemill.yaml", PROJECT)
    tm.ok("train", "data.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=10")
    tm.ok("apply")
    server = Server(tm, command="run")

    def status():
        return tm.ok("status", "--json").json["models"][0]

    def until(find):
        wait_until(find, status)

    try:
        rows = [request_row(r) for r in churn_rows(400, seed=5)]
        assert len(server.request("POST", "/v1/routes/churn/predict", {"rows": rows})[2]["predictions"]) == 400
        until(lambda: status()["answers"] == 400)
        model = status()  # before any retraining was tried
        reasons = [r["text"] for r in model["reasons"] if r["word"] == "labels"]
        assert model["labels_too_few"]["since"] is None and "the next version would be refused: of 400 answers" in reasons[0], model
        assert model["labels_awaited"] == ["gate.coverage"] and model["health"] == "warn"
        tm.write("data.csv", csv_text(churn_rows(900)))
        doctor = [c for c in tm("doctor", "--json").json["checks"] if c["name"] == "labels"]
        assert doctor[0]["state"] == "warn" and "'churn': label coverage too low" in doctor[0]["found"] and "of 400 answers" in doctor[0]["found"], doctor
        until(lambda: (status()["labels_too_few"] or {}).get("since"))
        model = status()
        reasons = [r["text"] for r in model["reasons"] if r["word"] == "labels"]
        assert model["champion"] == 1 and model["health"] == "warn" and model["labels_too_few"]["since"].startswith("20"), model
        assert "label coverage too low, nothing is promoted since 20" in reasons[0] and "of 400 answers" in reasons[0] and "0.0 % have a label" in reasons[0]
        assert model["labelled"] == 0 and model["value"] is None and 0 < model["estimate"]["value"] < 1, model
        text = server.request("GET", "/metrics")[2].decode()
        assert 'tidemill_labelled_answers{route="churn",version="1"} 0\n' in text
        turn = tm.ok("retrain", "churn", "--turns", "--json").json["turns"][0]
        assert turn["outcome"] == "refused" and "have a label" in turn["gate"]["reason"], turn
        assert server.request("POST", "/v1/routes/churn/predict", {"rows": rows[:1]})[2]["version"] == 1
    finally:
        assert server.stop() == 0
