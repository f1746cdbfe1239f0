# SPDX-License-Identifier: Apache-2.0
"""The wheel once around: train, serve, log, labels, retrain, gate, promote, roll back."""
import json

import made_data
from waits import wait_until


def train(tm, rows, *words, name="churn"):
    tm.write("customers.csv", made_data.csv_text(rows))
    return tm.ok("train", "customers.csv", "--target", "churned", "--name", name, "--work", "20000000", "--seed", "1", "--json",
                 *words).json


def answer_and_label(server, rows):
    """Send rows as traffic, then their labels; the ids."""
    ids = []
    for at in range(0, len(rows), 100):
        part = rows[at:at + 100]
        status, _, body = server.request("POST", "/v1/routes/churn/predict", {"rows": [made_data.request_row(r) for r in part]})
        assert status == 200, body
        ids += [p["id"] for p in body["predictions"]]
        labels = [{"prediction_id": p["id"], "label": r["churned"]} for p, r in zip(body["predictions"], part)]
        status, _, body = server.request("POST", "/v1/labels", {"labels": labels})
        assert status == 200, body
    return ids


def champion(server):
    status, headers, _ = server.request("POST", "/v1/routes/churn/predict", {"rows": [made_data.request_row(
        made_data.churn_rows(1)[0])]})
    assert status == 200
    return int(headers["X-Tidemill-Version"])


def wait_champion(server, version):
    wait_until(lambda: champion(server) == version, lambda: f"the server still answers with version {champion(server)}")


def test_the_wheel_turns_once(tm, serve):
    rows = made_data.churn_rows(3000)
    report = train(tm, rows)
    assert report["version"] == 1 and report["aliases"] == "champion"
    assert report["test"]["auc"] > 0.8
    server = serve()
    assert champion(server) == 1

    ids = answer_and_label(server, made_data.churn_rows(2000, seed=2))
    assert len(set(ids)) == 2000
    live = server.request("GET", "/v1/status")[2]["routes"][0]["live"]
    assert live["labelled"] == 2000
    assert live["scores"]["auc"] > 0.8
    explained = tm.ok("explain", "churn", ids[0], "--json").json
    assert abs(explained["base"] + sum(r["contribution"] for r in explained["reasons"]) - explained["raw"]) < 1e-9

    tm.write("tidemill.yaml", "models:\n  churn:\n    from: customers.csv\n    target: churned\n"
                              "    gate: {min: {auc: 0.7}}\n")
    assert "applied" in tm.ok("apply").out
    assert "as the file says" in tm.ok("apply", "--dry-run").out
    story = tm.ok("retrain", "churn", "--work", "20000000", "--json").json
    assert story["version"] == 2 and story["is_open"] and story["promoted"]
    wait_champion(server, 2)

    tm.write("tidemill.yaml", "models:\n  churn:\n    from: customers.csv\n    target: churned\n"
                              "    gate: {better_than: champion, min: {auc: 0.7}}\n")
    assert "gate differs" in tm.ok("apply").out

    # A poisoned version: what the plans mean is swapped. The gate refuses, force overrides, rollback undoes.
    poisoned = train(tm, made_data.churn_rows(3000, seed=3, swap=True))
    assert poisoned["version"] == 3 and not poisoned["gate"]["open"]
    refused = tm("model", "promote", "churn@3")
    assert refused.code == 1 and "gate" in refused.err
    assert champion(server) == 2
    tm.ok("model", "promote", "churn@3", "--force", "--reason", "a test")
    wait_champion(server, 3)
    tm.ok("model", "rollback", "churn", "--reason", "plans were swapped")
    wait_champion(server, 2)

    history = tm.ok("model", "history", "churn", "--json").json["history"]
    events = [e["event"] for e in history]
    for event in ("gate.opened", "gate.refused"):
        assert event in events, events
    assert [e["reason"] for e in history if "rolled" in e["event"] or "rollback" in e["event"]] == ["plans were swapped"]
    tm.ok("model", "verify")
    assert server.stop() == 0


def test_retraining_without_anything_new_is_refused(tm):
    train(tm, made_data.churn_rows(600))
    result = tm("retrain", "churn")
    assert result.code == 1
    assert "new" in result.err


def test_a_changed_model_file_is_found(tm):
    report = train(tm, made_data.churn_rows(600))
    path = tm.folder / ".tidemill" / "bundles" / f"{report['bundle_hash']}.tmb"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    result = tm("model", "verify", "--json")
    assert result.code == 8
    assert json.loads(result.out)["models"]["churn"][0]["ok"] is False
    assert "version 1" in result.err
