# SPDX-License-Identifier: Apache-2.0
"""Rows that move away from the training rows: counted while serving, told once, signed, silenced and resolved."""
import hashlib
import hmac
import http.server
import json
import socket
import threading

import pytest
from conftest import Server, Tidemill
from made_data import churn_rows, csv_text, request_row
from waits import PATIENCE_S, wait_until

SECRET = b"a secret of both"


class Hook(http.server.BaseHTTPRequestHandler):
    """A webhook that keeps what it gets; `/hang` never answers."""
    got, hanging, n_hung, released = [], [], 0, threading.Event()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/hang"):
            Hook.hanging.append(self.connection)
            Hook.n_hung += 1
            Hook.released.wait(PATIENCE_S)
            return
        Hook.got.append((self.path, dict(self.headers), body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        """Nothing is printed."""


@pytest.fixture(name="hook")
def fixture_hook():
    Hook.got, Hook.hanging, Hook.n_hung, Hook.released = [], [], 0, threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    Hook.released.set()
    server.shutdown()


def hangs():
    """Whether somebody waits for an answer that does not come."""
    for connection in list(Hook.hanging):
        try:
            if connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b"":
                Hook.hanging.remove(connection)
        except BlockingIOError:
            return True
        except OSError:
            Hook.hanging.remove(connection)
    return False


def make(folder, hook, path="/hook"):
    tm = Tidemill(folder)
    tm.write("data.csv", csv_text(churn_rows(2000)))
    tm.write("hook.secret", SECRET.decode() + "\n")
    tm.write("tidemill.yaml", "models:\n  churn:\n    from: data.csv\n    target: churned\n    work: 20000000\n    monitor:\n"
             "      false_alarms: 1 per month\n      alerts:\n"
             f"        - {{name: ops, webhook: '{hook}{path}', secret_file: hook.secret}}\n        - {{name: am, alertmanager: '{hook}'}}\n")
    tm.ok("train", "data.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--work", "20000000")
    tm.ok("apply")
    return tm


def answer(tm, rows, command="serve"):
    server = Server(tm, command=command)
    for i in range(0, len(rows), 100):
        assert server.request("POST", "/v1/routes/churn/predict", {"rows": [request_row(r) for r in rows[i:i + 100]]})[0] == 200
    return server


def moved_rows(n):
    return [{**r, "months": int(r["months"] or 0) + 35, "city": f"new {i}"} for i, r in enumerate(churn_rows(n, seed=9))]


def column(report, name):
    return next(c for c in report["drift"] if c["column"] == name)


def test_a_shift_is_found_told_signed_and_resolved(tmp_path, hook):
    tm = make(tmp_path, hook)
    assert tm.ok("monitor", "drift", "churn", "--json").json["drift"] == []
    assert tm.ok("monitor", "alerts", "--json").json["alerts"] == []
    assert answer(tm, churn_rows(500, seed=5)).stop() == 0
    quiet = tm.ok("monitor", "drift", "churn", "--json").json
    assert quiet["has_reference"] and not any(c["moved"] for c in quiet["drift"])
    assert all(c["rows"] == 500 for c in quiet["drift"])
    assert "churn@1, 500 rows" in tm.ok("monitor", "drift", "churn").out

    server = answer(tm, moved_rows(600))
    assert server.request("GET", "/v1/drift?model=churn")[0] == 200
    assert server.stop() == 0
    report = tm.ok("monitor", "drift", "churn", "--json").json
    months, city = column(report, "months"), column(report, "city")
    assert months["moved"] and months["psi"] > 0.2 and months["evidence"] > months["evidence_needed"]
    assert city["moved"] and 400 < city["new"]["distinct"] < 900 and "did not have" in city["what"]
    assert months["cost"]["loss"] == "logloss" and months["next"]
    assert report["drift"][0]["moved"]
    assert "months moved since" in tm.ok("monitor", "drift", "churn").out

    alerts = tm.ok("monitor", "alerts", "--json").json["alerts"]
    assert {"months", "city"} <= {a["subject"] for a in alerts} and all(a["state"] == "open" for a in alerts)
    tm.ok("monitor", "deliver")
    path, headers, body = next(g for g in Hook.got if g[0] == "/hook")
    want = hmac.new(SECRET, headers["X-Tidemill-Timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Tidemill-Signature"] == "v1=" + want, path
    assert json.loads(body)["alert"]["model"] == "churn"
    to_manager = [json.loads(g[2])[0] for g in Hook.got if g[0] == "/api/v2/alerts"]
    assert len(to_manager) == len(alerts) and to_manager[0]["labels"]["alertname"] == "TidemillAlert"
    assert not any(f"new {i}" in g[2].decode() for g in Hook.got for i in range(600))  # no value of a row leaves

    number = alerts[0]["id"]
    assert tm.ok("monitor", "alerts", "silence", number, "--for", "2h", "--json").json["state"] == "silenced"
    assert tm("monitor", "alerts", "ls").code == 0
    assert tm.ok("monitor", "alerts", "resolve", number, "--json").json["state"] == "resolved"
    assert tm("monitor", "alerts", "ack", number).code == 5
    assert tm("monitor", "alerts", "ack", 99).code == 3
    for words in (("ack",), ("forget", 1), ("silence", 1), ("ack", "x"), ("ack", 1, "--for", "1h")):
        assert tm("monitor", "alerts", *words).code == 2, words
    assert number not in [a["id"] for a in tm.ok("monitor", "alerts", "--json").json["alerts"]]
    assert number in [a["id"] for a in tm.ok("monitor", "alerts", "--all", "--json").json["alerts"]]


def test_a_receiver_that_hangs_makes_nobody_wait(tmp_path, hook):
    tm = make(tmp_path, hook, "/hang")
    assert answer(tm, moved_rows(600)).stop() == 0
    server = Server(tm, command="run")  # which tells receivers by itself
    n = 0
    while n < 100:  # answers from when one hung to when it still did
        wait_until(hangs)
        assert server.request("POST", "/v1/routes/churn/predict", {"rows": [request_row(churn_rows(1)[0])]})[0] == 200
        n += hangs()
    assert server.stop() == 0


def test_a_receiver_that_hangs_delays_no_other(tmp_path, hook):
    tm = make(tmp_path, hook, "/hang")  # and Alertmanager, which does not
    assert answer(tm, moved_rows(600)).stop() == 0
    n_alerts = len(tm.ok("monitor", "alerts", "--json").json["alerts"])
    server = Server(tm, command="run")
    told = lambda: sum(path == "/api/v2/alerts" for path, _, _ in Hook.got)
    wait_until(lambda: told() >= n_alerts)
    # Each alert is sent to both: one after the other, all would have waited for ten seconds of the other one each, save the first.
    assert n_alerts >= 2 and Hook.n_hung < n_alerts and server.stop() == 0


def test_a_column_that_vanishes_is_told(tmp_path, hook):
    tm = make(tmp_path, hook)
    rows = [{**r, "months": ""} for r in churn_rows(400, seed=6)]
    server = Server(tm)
    status, _, _ = server.request("POST", "/v1/routes/churn/predict", {"rows": [request_row(r) for r in rows]})
    assert status == 200
    assert server.stop() == 0
    months = column(tm.ok("monitor", "drift", "churn", "--json").json, "months")
    assert months["moved"] and months["missing"]["is"] == 1 and "upstream" in months["next"]


def label(server, rows, wrong):
    """Labels of answers to rows: what the model says, but for some of a hundred."""
    _, _, reply = server.request("POST", "/v1/routes/churn/predict", {"rows": [request_row(r) for r in rows]})
    labels = [{"prediction_id": a["id"], "label": a["prediction"] if i * 37 % 100 >= wrong else {"yes": "no", "no": "yes"}[a["prediction"]]}
              for i, a in enumerate(reply["predictions"])]
    assert server.request("POST", "/v1/labels", {"labels": labels})[0] == 200


def test_an_error_that_changed_is_told_with_when_and_by_how_much(tmp_path, hook):
    tm = make(tmp_path, hook)
    assert tm.ok("monitor", "drift", "churn", "--json").json["errors"]["labels"] == 0
    server = Server(tm)
    for wrong in (10, 80):
        label(server, churn_rows(800, seed=5), wrong)
    errors = server.request("GET", "/v1/drift?model=churn")[2]["models"][0]["errors"]
    assert errors["labels"] == 1600 and errors["error"] == "brier"
    assert server.stop() == 0
    for report in (tm.ok("monitor", "drift", "churn", "--json").json, tm.ok("monitor", "report", "churn", "--json").json):
        change = report["errors"]["changes"][0]
        assert change["rose"] and change["is"] > change["was"] + 0.1 and change["since"] <= change["told"] and change["labels"] > 300
    assert "rose with the labels from" in tm.ok("monitor", "drift", "churn").out
    assert "error rose with the labels" in tm.ok("monitor", "report", "churn").out
    alerts = [a for a in tm.ok("monitor", "alerts", "--json").json["alerts"] if a["kind"] == "performance"]
    assert [a["subject"] for a in alerts] == ["errors"] and alerts[0]["detail"]["next"] and "Brier" in alerts[0]["summary"]


def test_fields_that_are_not_as_the_model_reads_them_are_counted(tmp_path, hook):
    tm = make(tmp_path, hook)
    row = request_row(churn_rows(1)[0])
    server = Server(tm)

    def ask(change, wanted, query=""):
        rows = [{k: v for k, v in {**row, **change}.items() if v != "gone"} for _ in range(10)]
        assert server.request("POST", "/v1/routes/churn/predict" + query, {"rows": rows})[0] == wanted

    ask({}, 200)
    ask({"months": str(row["months"] or 3)}, 200)
    ask({"months": "many"}, 400)
    ask({"plan": "gone"}, 400)
    ask({"mounths": 3}, 400)
    ask({"colour": "red"}, 200, "?unknown_columns=ignore")
    fields = server.request("GET", "/v1/drift?model=churn")[2]["models"][0]["fields"]
    assert server.stop() == 0
    assert isinstance(fields, list)
    fields = tm.ok("monitor", "drift", "churn", "--json").json["fields"]
    times = {(f["state"], f["field"]): f["times"] for f in fields}
    assert times[("converted", "months")] == 10 and times[("refused", "months")] == 10 and times[("absent", "plan")] == 10
    assert times[("unknown", "mounths")] == 10 and times[("unknown", "colour")] == 10
    assert "mounths" in tm.ok("monitor", "drift", "churn").out
    assert tm.ok("monitor", "report", "churn", "--json").json["fields"] == fields
    assert not any("many" in str(f) or "red" in str(f) for f in fields)


def resident(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024


def test_a_million_new_categories_take_no_memory(tmp_path, hook):
    tm = make(tmp_path, hook)
    server = Server(tm)
    numbers, row = [], request_row(churn_rows(1)[0])
    for start in range(0, 1000000, 5000):
        body = {"rows": [{**row, "city": f"n{i}"} for i in range(start, start + 5000)]}
        status, _, reply = server.request("POST", "/v1/routes/churn/predict?probabilities=false", body)
        assert status == 200, reply
        numbers.append(resident(server))
    assert server.stop() == 0
    # The queue of the log may fill (and says what it drops); what is counted takes nothing.
    assert max(numbers[100:]) < max(numbers[:100]) + 48, (numbers[::20],)
    assert (tm.folder / ".tidemill" / "watch.db").stat().st_size < 4 << 20
    city = column(tm.ok("monitor", "drift", "churn", "--json").json, "city")
    assert city["rows"] == 1000000 and 600000 < city["new"]["distinct"] < 1400000
