# SPDX-License-Identifier: Apache-2.0
"""Online features from outside: what a server fills rows with, what it refuses, and what kills leave."""
import csv
import json
import os
import random
import signal
import sqlite3
import struct
import time

import answers
import pytest
import test_windows
from waits import wait_until

COLUMNS = ("id", "leaves", "origin", "arrives", "late")
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def plain(tm):
    """A model without features over windows, and a source."""
    tm.write("data.csv", "id,x,y\n" + "".join(f"{i},{i % 7},{'yes' if i % 3 else 'no'}\n" for i in range(60)))
    tm.ok("train", "data.csv", "--target", "y", "--name", "plain", "--learner", "baseline", "-q")
    tm.ok("data", "add", "rows", "--push")
    return tm


@pytest.fixture
def flights(tm):
    """2,500 flights in the source 'log', and the model 'flights' with features over windows of them."""
    tm.ok("data", "add", "log", "--push", "--key", "id")
    push(tm, 0, 2500)
    tm.ok("train", "--source", "log", "--target", "late", "--time", "leaves", "--name", "flights", "--drop", "id", *test_windows.WINDOWS,
          "--feature", "busy = count() by origin", *test_windows.SMALL)
    return tm


def push(tm, first, n):
    rows = tm.write(f"push{first}.csv", test_windows.text(test_windows.flights(n, first), COLUMNS))
    tm.ok("data", "push", "log", rows)


def is_up_to(tm, n):
    views = tm.ok("online", "ls", "--json").json["views"]
    return all(v["next"] == n and v["problem"] is None for v in views) and len(views) > 0


def is_filled(tm, server, n):
    """The store has all rows, and the server uses it."""
    return is_up_to(tm, n) and predict(server, at_once(1, n))[0] == 200


def predict(server, rows, path="/v1/routes/flights/predict"):
    return server.request("POST", path, {"rows": rows}, JSON)


def at_once(n, first):
    """Rows of one moment, which so say nothing to one another, two hours after a flight: an hour before the last one arrived."""
    moment = (test_windows.START + test_windows.datetime.timedelta(minutes=2 * first + 120)).isoformat()
    return [{"leaves": moment, "origin": ["AMS", "BRU", "CDG", "DUB", "nowhere"][i % 5]} for i in range(n)]


def offline(tm, rows, n_events):
    tm.write("asked.csv", "leaves,origin\n" + "".join(f"{r['leaves']},{r['origin']}\n" for r in rows))
    history = tm.write("history.csv", test_windows.text(test_windows.flights(n_events), COLUMNS))
    scored = tm.ok("predict", "flights", "asked.csv", "--history", history).out
    return [float(r["probability"]) for r in csv.DictReader(scored.splitlines())]


def test_without_windows_there_is_nothing_to_keep(plain):
    assert plain.ok("online", "ls").out == "no version has features over windows of events\n"
    assert plain.ok("online", "ls", "--json").json == {"schema": "tidemill.online.ls/1", "views": []}
    shown = plain("online", "show", "plain", "id=1")
    assert shown.code == 2 and "'plain' has no features over windows" in shown.err
    assert plain("online", "show", "nobody", "id=1").code == 3
    assert plain("online", "show", "plain").code == 2
    assert plain.ok("online", "update", "--json").json == {"schema": "tidemill.online.update/1", "rows": 0, "anew": True, "views": []}
    assert plain.ok("online", "update", "--json").json["anew"] is False
    assert plain.ok("online", "check").out == "the online store is whole: 1 values\n"
    assert plain.ok("online", "rebuild", "--json").json["anew"] is True
    assert sorted(p.name for p in (plain.folder / ".tidemill" / "online").iterdir()) == ["2"]


def test_a_store_of_nonsense_is_made_anew(plain):
    plain.ok("online", "update")
    data = plain.folder / ".tidemill" / "online" / "1" / "data.mdb"
    data.write_bytes(b"no database" * 1000)
    assert plain("online", "check").code == 8
    assert plain.ok("online", "update", "--json").json["anew"] is True
    assert not data.exists()


def test_rows_that_name_only_their_keys_are_answered_as_offline(flights, serve):
    server = serve(command="run")
    wait_until(lambda: is_filled(flights, server, 2500))
    push(flights, 2500, 300)
    wait_until(lambda: is_up_to(flights, 2800))
    rows = at_once(200, 2800)
    want = offline(flights, rows, 2800)
    status, _, answer = predict(server, rows)
    assert status == 200, answer
    assert [p["probability"] for p in answer["predictions"]] == want
    assert len(set(want)) > 2
    first, unknown = answer["predictions"][0]["online"], answer["predictions"][4]["online"]
    assert 0 <= first["lag_seconds"] < 30 and first["age_seconds"] > 0 and "absent" not in first
    assert unknown["absent"] is True and unknown["age_seconds"] is None
    # One row, plainly written, goes another way through the decoder.
    for row, probability in zip(rows[:5], want):
        assert predict(server, [row])[2]["predictions"][0]["probability"] == probability
    # CSV, lines, tensors, and a batch that several threads share.
    body = "leaves,origin\n" + "".join(f"{r['leaves']},{r['origin']}\n" for r in rows)
    status, _, text = server.request("POST", "/v1/routes/flights/predict", body, {"Content-Type": "text/csv"})
    scored = list(csv.DictReader(text.decode().splitlines()))
    assert [float(r["probability"]) for r in scored] == want and float(scored[0]["online_age_seconds"]) > 0
    status, _, answer = predict(server, rows * 20)
    assert status == 200 and [p["probability"] for p in answer["predictions"]] == want * 20
    tensors = [{"name": k, "datatype": "BYTES", "shape": [len(rows)], "data": [r[k] for r in rows]} for k in ("leaves", "origin")]
    status, _, answer = server.request("POST", "/v2/models/flights/infer", {"inputs": tensors}, JSON)
    assert status == 200 and answer["parameters"]["online_rows"] == 200, answer
    assert next(o for o in answer["outputs"] if o["name"] == "probability")["data"] == want
    metrics = server.request("GET", "/metrics")[2].decode()
    filled = next(line for line in metrics.splitlines() if line.startswith('tidemill_online_rows_total{route="flights",version="1"'))
    assert int(filled.split()[1]) >= 4605
    assert 'tidemill_online_lag_seconds{source="log"}' in metrics
    shown = flights.ok("online", "show", "flights", "origin=AMS", "--at", rows[0]["leaves"], "--json").json
    assert set(shown["features"]) == {"late_3h", "left", "busy"}
    # What was used stands in the log: who asks why is told of it.
    status, _, answer = predict(server, rows[:1])
    given = {**rows[0], **shown["features"]}
    assert predict(server, [given])[2]["predictions"][0]["probability"] == answer["predictions"][0]["probability"]


def logged(tm, prediction_id):
    """The columns of an answer as the log has them: docs/formats/home.md."""
    with sqlite3.connect(f"file:{tm.folder}/.tidemill/log.db?mode=ro", uri=True) as db:
        blocks = db.execute("SELECT b.data, s.columns FROM blocks b JOIN streams s ON s.id = b.stream").fetchall()
    for packed, columns in blocks:
        data, at = answers.unpack(packed), 0
        while at < len(data):
            size, n_outputs, n_entity = struct.unpack_from("<I", data, at)[0], *struct.unpack_from("<II", data, at + 52)
            if data[at + 24:at + 50].decode() == prediction_id:
                place, values = at + 60 + 8 * n_outputs + (0 if n_entity == 0xFFFFFFFF else n_entity), []
                for _ in json.loads(columns):
                    kind, place = data[place], place + 1
                    if kind == 4:
                        n = struct.unpack_from("<I", data, place)[0]
                        values.append(data[place + 4:place + 4 + n].decode())
                        place += 4 + n
                    else:
                        form = {0: "", 1: "B", 3: "d"}.get(kind, "q")
                        values.append(struct.unpack_from("<" + form, data, place)[0] if form else None)
                        place += struct.calcsize("<" + form)
                return dict(zip(json.loads(columns), values))
            at += size
    return None


def test_features_that_are_new_to_a_version_are_asked_of_no_client(tm, serve):
    """Where the source is known the store fills them, and before it is there they are missing, as where it is not; who sends them is believed."""
    tm.ok("data", "add", "log", "--push", "--key", "id")
    push(tm, 0, 2500)
    for name, where in (("flights", ["--source", "log"]), ("filed", ["push0.csv"])):
        words = ["train", *where, "--target", "late", "--time", "leaves", "--name", name, "--drop", "id", *test_windows.SMALL]
        tm.ok(*words, "--drop", "arrives")
        tm.ok(*words, *test_windows.WINDOWS, "--feature", "busy = count() by origin")
        tm.ok("model", "promote", f"{name}@2")
        assert {"late_3h", "left", "busy"} == set(tm.ok("model", "show", f"{name}@2", "--json").json["optional"])
    old = at_once(3, 2500)
    new = [{**r, "late_3h": 0.9, "left": 3, "busy": 700} for r in old]
    server = serve(command="run")
    answers_of = {}
    for name in ("flights", "filed"):
        status, _, answer = predict(server, old + new, f"/v1/routes/{name}/predict")
        assert status == 200 and answer["version"] == 2, answer
        answers_of[name] = [p["probability"] for p in answer["predictions"]]
    assert answers_of["filed"][3:] == answers_of["flights"][3:] != answers_of["filed"][:3]
    wait_until(lambda: "stale" not in predict(server, old)[2]["predictions"][0]["online"]
             and any(v.get("next") == 2500 for v in tm.ok("online", "ls", "--json").json["views"]))
    assert [p["probability"] for p in predict(server, old + new)[2]["predictions"]] == offline(tm, old, 2500) + answers_of["flights"][3:]


def test_the_values_that_were_used_are_logged(flights, serve):
    server = serve(command="run")
    wait_until(lambda: is_filled(flights, server, 2500))
    row = at_once(1, 2500)[0]
    prediction = predict(server, [row])[2]["predictions"][0]
    shown = flights.ok("online", "show", "flights", "origin=AMS", "--at", row["leaves"], "--json").json["features"]
    wait_until(lambda: logged(flights, prediction["id"]) is not None)
    answer = logged(flights, prediction["id"])
    assert {k: answer[k] for k in shown} == shown and answer["origin"] == "AMS"


def test_what_a_row_gives_wins(flights, serve):
    server = serve(command="run")
    wait_until(lambda: is_filled(flights, server, 2500))
    row = at_once(1, 2500)[0]
    given = {**row, "late_3h": 0.25, "left": 3, "busy": 7}
    answer = predict(server, [given])[2]["predictions"][0]
    assert "online" not in answer
    part = predict(server, [{**row, "late_3h": None}])[2]["predictions"][0]
    assert part["online"]["age_seconds"] > 0
    shown = flights.ok("online", "show", "flights", "origin=AMS", "--at", row["leaves"], "--json").json["features"]
    same = predict(server, [{**row, **shown, "late_3h": None}])[2]["predictions"][0]
    assert part["probability"] == same["probability"]


def test_what_cannot_be_filled_is_refused(flights, serve):
    server = serve(command="run")
    wait_until(lambda: is_filled(flights, server, 2500))
    early = {"leaves": test_windows.START.isoformat(), "origin": "AMS"}
    status, _, problem = predict(server, [at_once(1, 2500)[0], early])
    assert status == 400 and "rows[1]: its time lies further back" in problem["detail"], problem
    status, _, problem = predict(server, [{**early, "leaves": "sometime"}])
    assert status == 400 and "sometime" not in str(problem)
    now = predict(server, [{"origin": "AMS", "leaves": None}])[2]["predictions"][0]
    assert now["online"]["age_seconds"] > 86400


def test_a_row_without_its_moment_is_asked_about_now(flights, serve):
    server = serve(command="run")
    wait_until(lambda: is_filled(flights, server, 2500))
    before = time.time()
    answer = predict(server, [{"origin": "AMS"}])[2]["predictions"][0]
    assert answer["online"]["age_seconds"] > 86400
    wait_until(lambda: logged(flights, answer["id"]) is not None)
    moment = logged(flights, answer["id"])["leaves"]
    assert before <= moment / 1e6 <= time.time()
    leaves = test_windows.datetime.datetime.fromtimestamp(0, test_windows.datetime.timezone.utc) + test_windows.datetime.timedelta(microseconds=moment)
    same = predict(server, [{"origin": "AMS", "leaves": leaves.isoformat()}])[2]["predictions"][0]
    assert same["probability"] == answer["probability"]


def declare(tm, words):
    tm.write("tidemill.yaml", "models:\n  flights:\n    from: log\n    target: late\n    time: leaves\n    drop: [id]\n    features:\n"
             + "".join(f"      - {w}\n" for w in (test_windows.LATE, test_windows.LEFT, "busy = count() by origin"))
             + f"    known: late=arrives\n    online: {words}\n")
    tm.ok("apply")


def test_stale_and_absent_are_answered_as_declared(flights, serve):
    rows = at_once(5, 2500)
    flights.ok("online", "update")
    declare(flights, "{max_lag: 1s}")
    server = serve()  # nobody keeps the store
    time.sleep(1.2)
    wait_until(lambda: "behind its source" in predict(server, rows)[2].get("detail", ""))
    status, headers, problem = predict(server, rows)
    assert status == 503 and "seconds behind its source" in problem["detail"] and headers["Retry-After"] == "1", problem
    declare(flights, "{max_lag: 1s, stale: missing}")
    wait_until(lambda: predict(server, rows)[0] == 200)
    answer = predict(server, rows)[2]["predictions"][0]
    assert answer["online"]["stale"] is True
    nothing = {"late_3h": None, "left": None, "busy": None}
    assert answer["probability"] == predict(server, [{**rows[0], **nothing}])[2]["predictions"][0]["probability"]
    declare(flights, "{max_lag: 1h, absent: refuse}")
    wait_until(lambda: predict(server, rows[:4])[0] == 200 and "stale" not in predict(server, rows[:1])[2]["predictions"][0]["online"])
    status, _, problem = predict(server, rows)
    assert status == 400 and "rows[4]: the online store knows no such entity" in problem["detail"], problem
    assert "nowhere" not in str(problem)


def test_a_rebuild_takes_the_place_of_the_store_under_a_server(flights, serve):
    flights.ok("online", "update")
    server = serve()
    rows = at_once(10, 2500)
    wait_until(lambda: predict(server, rows)[0] == 200)
    want = [p["probability"] for p in predict(server, rows)[2]["predictions"]]
    for generation in (2, 3):
        assert flights.ok("online", "rebuild", "--json").json["rows"] == 2500
        assert os.listdir(flights.folder / ".tidemill" / "online") == [str(generation)]
        for _ in range(20):
            status, _, answer = predict(server, rows)
            assert status == 200 and [p["probability"] for p in answer["predictions"]] == want, answer
            time.sleep(0.05)


def states(tm):
    """Features of all airports as the store has them, and what the views counted."""
    moment = at_once(1, 4000)[0]["leaves"]
    shown = [tm.ok("online", "show", "flights", f"origin={o}", "--at", moment, "--json").json["features"] for o in ("AMS", "BRU", "CDG", "DUB")]
    views = tm.ok("online", "ls", "--json").json["views"]
    return shown, [(v["next"], v["events"], v["entities"]) for v in views]


def test_kills_leave_each_row_counted_once(flights):
    rng = random.Random(7)
    pushed = 2500
    for _ in range(12):
        wait_until(lambda: flights("online", "update").code == 0)  # the one that was killed takes a moment to be gone
        child = flights.popen([str(flights.program), "online", "update", "--follow"], cwd=flights.folder, env=flights.env)
        for _ in range(rng.randrange(1, 4)):
            push(flights, pushed, 50)
            pushed += 50
            time.sleep(rng.random() * 0.15)
        child.send_signal(signal.SIGKILL)
        child.wait()
    wait_until(lambda: flights("online", "update").code == 0)
    after = states(flights)
    assert all(view[0] == pushed for view in after[1])
    flights.ok("online", "rebuild")
    assert states(flights) == after


def test_a_store_that_is_damaged_under_its_keeper_comes_back(flights, serve):
    server = serve(command="run")
    wait_until(lambda: is_up_to(flights, 2500))
    server.stop()
    data = flights.folder / ".tidemill" / "online" / "1" / "data.mdb"
    with open(data, "r+b") as file:  # the pages behind the two heads
        file.seek(2 * 4096)
        for _ in range(data.stat().st_size // 4096 - 2):
            file.write(struct.pack("<Q", 0xFFFFFFFFFFFFFFFF) * 512)
    for words in (["check"], ["ls"], ["show", "flights", "origin=AMS"]):
        told = flights("online", *words)
        assert told.code == 8 and "the online store is damaged" in told.err, told.err
    server = serve(command="run")
    wait_until(lambda: predict(server, at_once(3, 2500))[0] == 200)
    assert is_up_to(flights, 2500)
