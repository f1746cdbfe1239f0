# SPDX-License-Identifier: Apache-2.0
"""What a server logs: lines that a program can read, complete, and without a value of anybody's data."""
import json
import re

from made_data import churn_rows, csv_text, request_row

EVENT = re.compile(r"[a-z_]+(\.[a-z_]+)+")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
SECRET = "Jane-Q-Public"


def check(lines):
    """The lines as objects; each says when, how bad and what."""
    found = [json.loads(line) for line in lines]
    for line in found:
        assert TIME.fullmatch(line["time"]) and line["level"] in ("error", "warn", "info") and EVENT.fullmatch(line["event"]), line
        assert list(line)[:3] == ["time", "level", "event"], line
    return found


def test_lines_are_whole_and_have_no_value(tm, serve):
    tm.write("churn.csv", csv_text(churn_rows(400)))
    for learner in ("linear", "gbdt"):
        tm.ok("train", "churn.csv", "--target", "churned", "--name", "churn", "--entity", "city", "--learner", learner, "--work", "3000000", "-q")
    key = tm.ok("key", "create", "--role", "admin", "--json").json["key"]
    server = serve("-v", "--access-log", "access.log", command="run")
    headers = {"Authorization": f"Bearer {key}"}
    row = {**request_row(churn_rows(1)[0]), "city": SECRET}
    status, replied, body = server.request("POST", "/v1/routes/churn/predict", {"rows": [row]}, headers)
    assert status == 200, body
    bad = [({"rows": [{**row, "months": SECRET}]}, "predict"), ({"rows": [{**row, SECRET: 1}]}, "predict"), ('{"rows": "' + SECRET, "predict")]
    for sent, what in bad:
        assert server.request("POST", f"/v1/routes/churn/{what}", sent, {**headers, "Content-Type": "application/json"})[0] == 400
    labels = [{"prediction_id": body["predictions"][0]["id"], "label": "yes"}, {"model": "churn", "entity": SECRET, "label": "no"}, {"prediction_id": SECRET, "label": SECRET}]
    assert server.request("POST", "/v1/labels", {"labels": labels}, headers)[0] == 200
    assert server.request("GET", f"/v1/models/{SECRET}", headers=headers)[0] == 404
    assert server.request("GET", "/v1/models", headers={"Authorization": f"Bearer {SECRET}"})[0] == 401
    assert server.request("POST", "/v1/models/churn:promote", {"version": 2, "reason": SECRET}, headers)[0] == 200
    bundle = next((tm.folder / ".tidemill" / "bundles").glob("*.tmb"))
    bundle.write_bytes(bundle.read_bytes()[:-1])  # one of both is damaged: a rollback or a reload says so
    server.request("POST", "/v1/models/churn:rollback", {"reason": SECRET}, headers)
    assert server.stop() == 0
    text = next(tm.folder.glob("server-*.log")).read_text(encoding="utf-8")
    lines = check(line for line in text.splitlines() if not line.startswith("tidemill serves on "))  # which is for people
    events = {line["event"] for line in lines}
    assert {"server.started", "server.stopping", "server.stopped", "model.moved", "model.serving"} <= events, events
    moved = next(line for line in lines if line["event"] == "model.moved")
    assert (moved["model"], moved["version"]) == ("churn", 2) and moved["by"].startswith("key:")
    access = (tm.folder / "access.log").read_text(encoding="utf-8")
    requests = check(access.splitlines())
    predicted = next(line for line in requests if line["path"].endswith("/predict") and line["status"] == 200)
    assert predicted["request"] == replied["X-Request-Id"] and (predicted["model"], predicted["version"]) == ("churn", 1)
    assert SECRET not in text + access and key not in text + access and body["predictions"][0]["id"] not in text + access
