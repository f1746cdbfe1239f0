# SPDX-License-Identifier: Apache-2.0
"""What a version must meet before it may be promoted: sure floors, groups, calibration, fairness, latency, memory; a refusal keeps its reasons."""
import pytest
from conftest import Server
from made_data import churn_rows, csv_text, request_row


def train(tm, trees, *words):
    return tm.ok("train", "data.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", f"gbdt.n_trees={trees}", "--json", *words).json


def gated(tm, gate):
    tm.write("data.csv", csv_text(churn_rows(12000 if "fairness" in gate else 2000)))
    train(tm, 20)
    tm.write("tidemill.yaml", f"models:\n  churn:\n    from: data.csv\n    target: churned\n    gate: {gate}\n")
    assert tm("check").code == 1
    tm.ok("apply")
    assert tm("check").code == 0 and "gate" not in tm.ok("apply").out
    return train(tm, 30)["gate"]


@pytest.mark.parametrize("gate, is_open, says", [
    ("{min: {auc: 0.6, accuracy: 0.6}, sure: true}", True, "meets the floor of 0.6"),
    ("{min: {auc: 0.6, accuracy: 0.995}}", False, "is below the floor of 0.995"),
    ("{slices: [city], slice_min: {auc: 0.999}}", False, "misses the floor of 0.999"),
    ("{slices: [town], slice_min: {auc: 0.5}}", False, "no column 'town'"),
    ("{calibration_error: 0.3}", True, "within 0.3"),
    ("{calibration_error: 0.0001}", False, "over 0.0001"),
    ("{fairness: {group: city, ratio: 0.001}}", True, "is called positive"),
    ("{fairness: {group: town}}", False, "no column 'town'"),
    ("{latency_us: 100000, memory: 1G}", True, "measured here"),
    ("{latency_us: 0.001}", False, "over the 0.001 asked"),
    ("{memory: 1000}", False, "over the 1000 asked"),
    ("{coverage: {at_least: 0.3, after: 7d}}", False, "how many answers get a label is not known"),
    ("{load: {rows_per_second: 0.1, p99: 60s, seconds: 0.5}}", True, "refused 0 (16 golden rows)"),
    ("{load: {rows_per_second: 200, p99: 1us, seconds: 0.2}}", False, "(at most 1 asked)"),
    ("{load: {rows_per_second: 4900000, seconds: 1}}", False, "of 4.9e+06 rows a second"),
])
def test_what_is_asked_decides(tm, gate, is_open, says):
    verdict = gated(tm, gate)
    assert verdict["open"] is is_open and says in verdict["reason"], verdict
    assert all(c["open"] for c in verdict["checks"]) is is_open
    assert tm("model", "promote", "churn@2").code == (0 if is_open else 1)


def test_a_refusal_keeps_its_reasons(tm):
    verdict = gated(tm, "{min: {auc: 0.99}, calibration_error: 0.0001, latency_us: 0.001}")
    assert not verdict["open"] and [c["open"] for c in verdict["checks"]] == [False] * 3
    refused = next(e for e in tm.ok("model", "history", "churn", "--json").json["history"] if e["event"] == "gate.refused")
    assert refused["details"]["checks"] == verdict["checks"] and refused["reason"] == verdict["reason"]
    for word in ("auc", "calibration error", "latency"):
        assert word in refused["reason"]
    promoted = tm("model", "promote", "churn@2")
    assert promoted.code == 1 and "latency" in promoted.err
    tm.ok("model", "promote", "churn@2", "--force", "--reason", "trial")
    evidence = tm.ok("model", "ls", "--at", "0s", "--json").json["models"][0]["evidence"]
    assert evidence["forced"] and not evidence["gate"]["open"] and evidence["gate"]["checks"] == verdict["checks"]


def test_a_load_is_of_what_was_asked_last(tm):
    verdict = gated(tm, "{load: {rows_per_second: 0.1, seconds: 0.5}}")  # one row, with ten seconds to spare
    assert verdict["open"] and not list((tm.folder / ".tidemill" / "temp").iterdir())
    server = Server(tm)
    for row in churn_rows(3, seed=9):
        assert server.request("POST", "/v1/routes/churn/predict", {"rows": [request_row(row)]})[0] == 200
    assert server.stop() == 0
    told = tm.ok("bench", "version", "churn@2", "--rate", "100", "--seconds", "0.2", "--json").json
    assert told["rows"] == "3 newest requests" and 0 < told["answered"] <= 20 and told["refused"] == 0 and 0 < told["p50_us"] <= told["p99_us"]
    assert "of 20 requests answered" in tm.ok("bench", "version", "churn", "--rate", "100", "--seconds", "0.2").out
    bundle = next((tm.folder / ".tidemill" / "bundles").iterdir())
    assert tm.ok("bench", "version", bundle, "--rate", "50", "--seconds", "0.1", "--json").json["rows"] == "16 golden rows"
    assert tm("bench", "version", "churn@9").code == 3 and tm("bench", "version", "churn", "--rate", "5000000", "--seconds", "60").code == 2


def test_a_retraining_is_held_to_the_load(tm):
    assert gated(tm, "{min: {auc: 0.5}, load: {rows_per_second: 4900000, seconds: 1}}")["open"] is False
    tm.write("data.csv", csv_text(churn_rows(2600)))
    assert tm("retrain", "churn").code == 1
    refused = [e for e in tm.ok("model", "history", "churn", "--event", "gate.refused", "--json").json["history"]]
    assert len(refused) == 2 and all(any(c["check"] == "load" and not c["open"] for c in r["details"]["checks"]) for r in refused)


def test_labels_of_too_few_answers_promote_nothing(tm):
    gated(tm, "{coverage: {at_least: 0.5, after: 1ms}}")
    rows = churn_rows(40, seed=9)
    tm.write("asked.csv", csv_text(rows))
    tm.ok("predict", "churn", "asked.csv", "--log", "-o", "told.csv")
    told = [line.split(",") for line in (tm.folder / "told.csv").read_text(encoding="utf-8").split("\n")[1:] if line]

    def label(some):
        tm.write("labels.csv", "prediction_id,churned\n" + "".join(f"{line[-1]},{line[-3]}\n" for line in some))
        tm.ok("monitor", "labels", "churn", "labels.csv")
        return train(tm, 30 + len(some))["gate"]

    few = label(told[:19])
    assert not few["open"] and "of 40 answers that are older than" in few["reason"] and "47.5 % have a label, below the 50.0 % asked" in few["reason"], few
    enough = label(told[19:21])
    assert enough["open"] and "52.5 % have a label" in enough["reason"], enough


def test_a_gate_that_could_never_open_is_refused_before_anything_is_applied(tm):
    tm.write("data.csv", csv_text(churn_rows(300)))
    for name in ("one", "two"):
        tm.ok("train", "data.csv", "--target", "churned", "--name", name, "--learner", "baseline", "-q")
    models = "models:\n  one: {from: data.csv, target: churned, learner: linear}\n  two: {from: data.csv, target: churned, gate: GATE}\n"
    for gate, told in (("{better_than: champion, metric: rmse}", "asks for 'rmse', and no binary model has that"),
                       ("{min: {ndcg@10: 0.5}}", "asks for 'ndcg@10'"), ("{by: -0.5}", "'by' wants 0 or more")):
        tm.write("tidemill.yaml", models.replace("GATE", gate))
        for command in ("check", "apply"):
            result = tm(command)
            assert result.code not in (0, 70) and told in result.err and "at tidemill.yaml:" in result.err, result.err
        assert not [e for e in tm.ok("model", "history", "one", "--json").json["history"] if e["event"] == "recipe.set"]
    tm.write("tidemill.yaml", models.replace("GATE", "{better_than: champion, metric: auc}"))
    tm.ok("apply")
