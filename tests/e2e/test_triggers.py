# SPDX-License-Identifier: Apache-2.0
"""`tidemill run` learns again when tidemill.yaml says so, one model at a time, and the history has why."""
import time

from conftest import Server
from made_data import churn_rows, csv_text
from waits import wait_until

PROJECT = """models:
  churn:
    from: data.csv
    target: churned
    learner: gbdt
    param: [gbdt.n_trees=10]
    retrain: {retrain}
"""


def history(tm, event, model="churn"):
    return [e for e in tm.ok("model", "history", model, "--json").json["history"] if e["event"] == event]


def feed(server, n, seed):
    rows = churn_rows(n, seed=seed)
    given = [{k: v for k, v in r.items() if k != "churned" and v != ""} for r in rows]
    told = server.request("POST", "/v1/routes/churn/predict", {"rows": given})[2]
    labels = [{"prediction_id": p["id"], "label": r["churned"]} for p, r in zip(told["predictions"], rows)]
    assert server.request("POST", "/v1/labels", {"labels": labels})[2]["joined"] == n


def start(tm, retrain):
    tm.write("data.csv", csv_text(churn_rows(400)))
    tm.write("tidemill.yaml", PROJECT.replace("{retrain}", retrain))
    tm.ok("train", "data.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=10")
    tm.ok("apply")
    return Server(tm, command="run")


def test_new_labels_start_a_run_and_a_cool_down_holds_the_next(tm):
    server = start(tm, "{new_labels: 200, cool_down: 1h}")
    try:
        feed(server, 150, 2)
        time.sleep(1.5)
        assert history(tm, "retrain.started") == []
        feed(server, 150, 3)
        begun = wait_until(lambda: history(tm, "retrain.started"))
        assert begun[0]["details"]["because"] == "labels: 300 are new" and begun[0]["actor"] == "loop"
        wait_until(lambda: history(tm, "gate.opened") + history(tm, "gate.refused"))
        feed(server, 400, 4)
        time.sleep(2)
        assert len(history(tm, "retrain.started")) == 1
    finally:
        assert server.stop() == 0


def test_a_live_score_below_its_bound_starts_a_run(tm):
    server = start(tm, "{worse_than: 0.1}")  # log-loss: no model of these rows is that good
    try:
        feed(server, 300, 2)
        begun = wait_until(lambda: history(tm, "retrain.started"))
        assert begun[0]["details"]["because"].startswith("score: ") and "over 300 labels" in begun[0]["details"]["because"]
    finally:
        assert server.stop() == 0


def test_models_that_are_due_at_once_run_one_after_the_other(tm):
    tm.write("data.csv", csv_text(churn_rows(400)))
    names = ["a", "b", "c"]
    project = "".join(PROJECT.replace("churn:", f"{n}:").replace("models:\n", "") for n in names).replace("{retrain}", "{every: 1s}")
    tm.write("tidemill.yaml", "models:\n" + project)
    for name in names:
        tm.ok("train", "data.csv", "--target", "churned", "--name", name, "--learner", "gbdt", "--param", "gbdt.n_trees=10")
    tm.ok("apply")
    tm.write("data.csv", csv_text(churn_rows(900)))
    server = Server(tm, command="run")
    try:
        wait_until(lambda: all(history(tm, "retrain.trained", n) for n in names))
    finally:
        assert server.stop() == 0
    spans = []
    for name in names:
        begun, done = history(tm, "retrain.started", name)[0]["at"], history(tm, "retrain.trained", name)[0]["at"]
        spans.append((begun, done))
    spans.sort()
    assert all(spans[i][1] <= spans[i + 1][0] for i in range(len(spans) - 1))
