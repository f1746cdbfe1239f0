# SPDX-License-Identifier: Apache-2.0
"""Requests of a route split between versions: by unit, the same each time, told in replies, metrics and history."""
import collections
import csv
import json

import made_data
import pytest
from waits import wait_until

PREDICT = "/v1/routes/churn/predict"
ROW = {"plan": "basic", "months": 3, "spend": 20.5, "city": "Oslo", "joined": "2024-01-05T10:00:00"}


@pytest.fixture(name="key")
def fixture_key(tm):
    """Two versions of a model, of which the first is the champion, and a key that may move them."""
    tm.write("a.csv", made_data.csv_text(made_data.churn_rows(300)))
    for n_trees in (5, 8):
        tm.ok("train", "a.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", f"gbdt.n_trees={n_trees}", "-q")
    return {"Authorization": "Bearer " + tm.ok("key", "create", "--role", "admin", "--json").json["key"]}


def ask(server, key, unit=None, rows=None, path=PREDICT):
    headers = dict(key, **({"X-Tidemill-Unit": unit} if unit is not None else {}))
    status, headers, body = server.request("POST", path, {"rows": rows or [ROW]}, headers)
    assert status == 200, body
    assert (headers["X-Tidemill-Version"], headers["X-Tidemill-Arm"]) == (str(body["version"]), body["arm"])
    return body


def arms(server, key):
    return [(a["version"], a["weight"], a["ready"]) for a in server.request("GET", "/v1/status", headers=key)[2]["routes"][0]["arms"]]


def test_units_are_split_by_command_and_stay(tm, serve, key):
    server = serve()
    assert tm.ok("route", "ls", "--json").json["routes"] == [
        {"route": "churn", "model": "churn", "champion": 1, "arms": [{"version": 1, "weight": 100.0}], "shadow": None, "rollout": None}]
    assert "churn: 1: 70 %, 2: 30 %" in tm.ok("route", "split", "churn", "champion=70", "2=30", "--reason", "a look").out
    wait_until(lambda: arms(server, key) == [(1, 70, True), (2, 30, True)])
    came = {unit: ask(server, key, unit) for unit in map(str, range(400))}
    counts = collections.Counter((body["version"], body["arm"]) for body in came.values())
    assert set(counts) == {(1, "champion"), (2, "challenger")} and 70 < counts[2, "challenger"] < 170
    assert all(ask(server, key, unit)["version"] == came[unit]["version"] for unit in list(came)[:50])
    # More weight: whoever is there stays there.
    tm.ok("route", "split", "churn", "1=20", "2=80")
    wait_until(lambda: arms(server, key) == [(1, 20, True), (2, 80, True)])
    assert all(ask(server, key, unit)["version"] == 2 for unit, body in list(came.items())[:100] if body["version"] == 2)
    metrics = server.request("GET", "/metrics", headers=key)[2].decode()
    assert 'tidemill_predictions_total{route="churn",version="2",arm="challenger"}' in metrics
    # A named version is no arm.
    assert server.request("POST", PREDICT + "?version=1", {"rows": [ROW]}, key)[2]["arm"] == "champion"
    # A rollback ends the split and nothing else.
    assert "version 1 is the champion" in tm.ok("model", "rollback", "churn").out
    wait_until(lambda: arms(server, key) == [])
    assert {ask(server, key, unit)["version"] for unit in map(str, range(50))} == {1}
    events = [(e["event"], e.get("reason")) for e in tm.ok("model", "history", "churn", "--json").json["history"] if e["event"].startswith("split")]
    assert events == [("split", "a look"), ("split", None), ("split.ended", None)]


def test_a_split_over_http_holds_from_its_reply_on(serve, key):
    server = serve()
    split = "/v1/routes/churn:split"
    status, _, body = server.request("POST", split, {"weights": {"2": 100}, "reason": "all of it"}, key)
    assert (status, body) == (200, {"route": "churn", "weights": {"2": 100}})
    assert {(ask(server, key)["version"], ask(server, key)["arm"]) for _ in range(20)} == {(2, "challenger")}
    for weights in ({"1": 60, "2": 30}, {"1": 60, "7": 40}, {}, {"1": 100.5}, {"x": 100}, {"1": "100"}, {"1": 99.999, "2": 0.001}, [100], {"1": -1, "2": 101}):
        status, _, body = server.request("POST", split, {"weights": weights}, key)
        assert status in (400, 404), (weights, body)
    assert server.request("POST", split, {"weights": {"2": 100}}, key)[0] == 409
    assert arms(server, key) == [(2, 100, True)]
    assert server.request("POST", "/v1/models/churn:promote", {"version": 2}, key)[0] == 200
    assert arms(server, key) == [] and ask(server, key)["arm"] == "champion"


def test_the_entity_of_the_first_row_is_the_unit(tm, serve):
    rows = made_data.churn_rows(300)
    tm.write("a.csv", made_data.csv_text([dict(row, id=f"c{i}") for i, row in enumerate(rows)]))
    for n_trees in (5, 8):
        tm.ok("train", "a.csv", "--target", "churned", "--name", "churn", "--entity", "id", "--learner", "gbdt", "--param", f"gbdt.n_trees={n_trees}", "-q")
    tm.ok("route", "split", "churn", "1=50", "2=50")
    server = serve()
    wait_until(lambda: len(arms(server, {})) == 2)
    came = {}
    for i in range(60):
        unit = f"c{i}"
        came[unit] = ask(server, {}, rows=[dict(ROW, id=unit)])["version"]
        # However the row is written, and whatever stands behind it.
        escaped = f'{{"rows": [{{"id": "\\u0063{i}", "plan": "b\\u0061sic", "months": 3, "spend": 20.5, "city": "Oslo", "joined": "2024-01-05T10:00:00"}}]}}'
        status, _, body = server.request("POST", PREDICT, escaped.encode(), {"Content-Type": "application/json"})
        assert status == 200 and body["version"] == came[unit]
        assert ask(server, {}, rows=[dict(ROW, id=unit), dict(ROW, id="c9")])["version"] == came[unit]
        assert ask(server, {}, unit, rows=[dict(ROW, id="another")])["version"] == came[unit]
    assert set(came.values()) == {1, 2}
    joined = server.request("POST", PREDICT, "".join(f'{{"id": "c{i}", "plan": "basic", "months": 3, "spend": 20.5, "city": "Oslo", "joined": "2024-01-05T10:00:00"}}\n'
                                                     for i in (3, 4)).encode(), {"Content-Type": "application/x-ndjson"})
    assert joined[0] == 200 and int(joined[1]["X-Tidemill-Version"]) == came["c3"]


def test_what_the_command_refuses(tm, key):
    assert key
    for words, code, says in (
            (("1=90",), 2, "sum to 90"),
            (("1=90", "1=10"), 2, "twice"),
            (("1=90", "two=10"), 3, "two"),
            (("1=90", "2"), 2, "'2' is not a version and its percent"),
            (("1=99.999", "2=0.001"), 2, "not a version and its percent"),
            (("1=90", "9=10"), 3, "9")):
        result = tm("route", "split", "churn", *words)
        assert result.code == code and says in result.err, (words, result.err)
    assert tm("route", "split", "nobody", "1=100").code == 3
    assert tm.ok("route", "ls", "--json").json["routes"][0]["arms"] == [{"version": 1, "weight": 100.0}]


def test_an_experiment_takes_its_arms_from_the_split(tm, key):
    assert key
    tm.ok("route", "split", "churn", "1=70", "2=30")
    started = tm.ok("experiment", "start", "churn", "--json").json
    assert (started["versions"], started["share"]) == ([1, 2], 0.3)
    tm.ok("experiment", "stop", "churn")
    tm.ok("route", "split", "churn", "champion=100")
    assert tm.ok("experiment", "start", "churn", "--json").json["share"] == 0.5


@pytest.fixture(name="units")
def fixture_units(tm, serve):
    """A server of a route that is split by the entity `id` between two versions, and the version of each of 60 units with its probability."""
    tm.write("a.csv", made_data.csv_text([dict(row, id=f"c{i}") for i, row in enumerate(made_data.churn_rows(300))]))
    for n_trees in (5, 8):
        tm.ok("train", "a.csv", "--target", "churned", "--name", "churn", "--entity", "id", "--learner", "gbdt", "--param", f"gbdt.n_trees={n_trees}", "-q")
    tm.ok("route", "split", "churn", "1=50", "2=50")
    server = serve()
    wait_until(lambda: len(arms(server, {})) == 2)
    came = {}
    for i in range(60):
        body = ask(server, {}, rows=[row_of(i)])
        came[i] = (body["version"], body["predictions"][0]["probability"])
    assert {version for version, _ in came.values()} == {1, 2}
    return server, came


def row_of(i):
    """An entity with a quote in it would be the same one however it is written."""
    return dict(ROW, id=f"c{i}", months=3 + i % 40)


def arm_of(version):
    return {1: "champion", 2: "challenger"}[version]


def answers_of(body):
    """(version, arm, probability) of each answer: what a prediction does not say itself, the head says."""
    return [(p.get("version", body["version"]), p.get("arm", body["arm"]), p["probability"]) for p in body["predictions"]]


def test_each_row_is_answered_by_the_arm_of_its_own_unit(units):
    server, came = units
    wanted = [(came[i][0], arm_of(came[i][0]), came[i][1]) for i in came]
    before = answered(server)
    body = ask(server, {}, rows=[row_of(i) for i in came])
    assert answers_of(body) == wanted
    # The head names the first row's; who differs says so, and nobody else.
    assert body["version"] == came[0][0]
    assert [("version" in p, "arm" in p) for p in body["predictions"]] == [(v != came[0][0],) * 2 for v, _ in came.values()]
    # Counted for each version by its own rows.
    after = answered(server)
    for version in (1, 2):
        assert after[version] - before[version] == sum(v == version for v, _ in came.values())
    # A header names one unit for all; so does an option a version.
    assert {p[0] for p in answers_of(ask(server, {}, "c3", rows=[row_of(i) for i in came]))} == {came_of(server, "c3")}
    named = ask(server, {}, rows=[row_of(i) for i in came], path=PREDICT + "?version=2")
    assert {(p[0], p[1]) for p in answers_of(named)} == {(2, "named")}


def came_of(server, unit):
    return ask(server, {}, unit)["version"]


def answered(server):
    """Rows by version, from /metrics."""
    counts = {1: 0, 2: 0}
    for line in server.request("GET", "/metrics")[2].decode().splitlines():
        if line.startswith("tidemill_predictions_total{"):
            counts[int(line.split('version="')[1].split('"')[0])] += int(line.split()[-1])
    return counts


def test_rows_of_several_units_in_every_form(units):
    server, came = units
    versions = [v for v, _ in came.values()]
    arms_of = [arm_of(v) for v in versions]
    probabilities = [p for _, p in came.values()]
    rows = [row_of(i) for i in came]
    names = list(rows[0])
    # Lines: each that differs from the head's header says so.
    lines = "".join(json.dumps(row).replace("Oslo", "Osl\\u006f") + "\n" for row in rows)
    status, headers, body = server.request("POST", PREDICT, lines.encode(), {"Content-Type": "application/x-ndjson"})
    said = [json.loads(line) for line in body.decode().splitlines()]
    assert status == 200 and [p["probability"] for p in said] == probabilities
    assert [p.get("version", int(headers["X-Tidemill-Version"])) for p in said] == versions
    # CSV has two columns more.
    text = ",".join(names) + "\n" + "".join(",".join('"' + str(row[n]) + '"' if n == "city" else str(row[n]) for n in names) + "\n" for row in rows)
    status, _, body = server.request("POST", PREDICT, text.encode(), {"Content-Type": "text/csv"})
    said = list(csv.DictReader(body.decode().splitlines()))
    assert status == 200 and [(int(p["version"]), p["arm"], float(p["probability"])) for p in said] == list(zip(versions, arms_of, probabilities))
    # MLflow's forms: rows, and values by column.
    for body in ({"dataframe_split": {"columns": names, "data": [[row[n] for n in names] for row in rows]}}, {"dataframe_records": rows},
                 {"inputs": {n: [row[n] for row in rows] for n in names}}):
        status, headers, said = server.request("POST", "/invocations", dict(body, params={"probabilities": True}), {"X-Tidemill-Route": "churn"})
        assert status == 200 and [p["probability"] for p in said["predictions"]] == probabilities, said
        assert [p.get("version", int(headers["X-Tidemill-Version"])) for p in said["predictions"]] == versions
    # Tensors have two more of answers.
    kinds = {"months": "INT64", "spend": "FP64"}
    inputs = [{"name": n, "shape": [len(rows)], "datatype": kinds.get(n, "BYTES"), "data": [row[n] for row in rows]} for n in names]
    status, _, said = server.request("POST", "/v2/models/churn/infer", {"inputs": inputs})
    outputs = {o["name"]: o["data"] for o in said["outputs"]}
    assert status == 200 and (outputs["version"], outputs["arm"], outputs["probability"]) == (versions, arms_of, probabilities)


def test_a_large_batch_of_several_units(units):
    server, came = units
    order = [(i * 7919) % len(came) for i in range(5000)]
    body = ask(server, {}, rows=[row_of(i) for i in order])
    assert [(v, p) for v, _, p in answers_of(body)] == [came[i] for i in order]
    # One bad row refuses all; it is the fault of who was to answer it.
    rows = [row_of(i) for i in order]
    bad = next(k for k, i in enumerate(order) if k > 3000 and came[i][0] == 2)
    rows[bad] = dict(rows[bad], months="many")
    status, _, problem = server.request("POST", PREDICT, {"rows": rows})
    assert status == 400 and f"rows[{bad}]" in problem["detail"], problem
    metrics = server.request("GET", "/metrics")[2].decode()
    assert 'tidemill_predict_failed_total{route="churn",version="2",arm="challenger"} 1' in metrics
    # Nothing of it was logged, and all of the good one was, by the version that answered.
    wait_until(lambda: answered(server)[1] + answered(server)[2] == 60 + len(order))


def test_rows_without_a_unit_and_rows_that_cannot_be_read(units):
    server, came = units
    bare = {n: v for n, v in row_of(1).items() if n != "id"}
    body = ask(server, {}, rows=[bare, bare, bare])
    assert len({v for v, _, _ in answers_of(body)}) == 1  # of the request, which is one
    mixed = ask(server, {}, rows=[row_of(5), bare, row_of(6)])
    assert [v for v, _, _ in answers_of(mixed)][::2] == [came[5][0], came[6][0]]
    for rows in ([row_of(1), {"id": "c2", "id2": 1}], [row_of(1), 7], [row_of(1), dict(row_of(2), id={})], [dict(row_of(1), months="x"), dict(row_of(2), spend="y")]):
        status, _, problem = server.request("POST", PREDICT, {"rows": rows})
        assert status == 400 and "rows[" in problem["detail"], problem
    short = {n: [row_of(1)[n], row_of(2)[n]] for n in row_of(1)}
    short["months"] = [3, 4, 5]
    status, _, problem = server.request("POST", "/invocations", {"inputs": short}, {"X-Tidemill-Route": "churn"})
    assert status == 400 and "lengths" in str(problem), problem


def test_versions_that_name_other_classes(tm, serve):
    """A form with a column for all rows cannot hold the classes of both: the champion answers all of it, and says that it is not what the arms say. Others hold both."""
    for version, names in enumerate((("low", "mid", "high"), ("low", "mid", "top"))):
        tm.write(f"{version}.csv", "id,x,y\n" + "".join(f"c{i},{i % 30},{names[i % 30 // 10]}\n" for i in range(300)))
        tm.ok("train", f"{version}.csv", "--target", "y", "--name", "size", "--entity", "id", "--learner", "gbdt", "--param", "gbdt.n_trees=5", "-q")
    tm.ok("route", "split", "size", "1=50", "2=50")
    server = serve()
    wait_until(lambda: len(arms(server, {})) == 2)
    path, units = "/v1/routes/size/predict", [f"c{i}" for i in range(40)]

    def csv_of(ids):
        status, headers, body = server.request("POST", path, ("id,x\n" + "".join(f"{unit},25\n" for unit in ids)).encode(), {"Content-Type": "text/csv"})
        return status, (headers["X-Tidemill-Version"], headers["X-Tidemill-Arm"]), list(csv.DictReader(body.decode().splitlines()))

    def tensors_of(ids):
        inputs = [{"name": "id", "shape": [len(ids)], "datatype": "BYTES", "data": ids}, {"name": "x", "shape": [len(ids)], "datatype": "INT64", "data": [25] * len(ids)}]
        status, headers, body = server.request("POST", "/v2/models/size/infer", {"inputs": inputs})
        return status, (headers["X-Tidemill-Version"], headers["X-Tidemill-Arm"]), {o["name"]: o["data"] for o in body["outputs"]}
    # Rows as objects name the class of whoever answered.
    body = server.request("POST", path, {"rows": [{"id": unit, "x": 25} for unit in units]})[2]
    said = [(p.get("version", body["version"]), p["prediction"]) for p in body["predictions"]]
    assert set(said) == {(1, "high"), (2, "top")}
    # All of one unit come to its arm, in its own classes.
    for unit, (version, label) in list(zip(units, said))[:10]:
        who = (str(version), arm_of(version))
        status, head, rows = csv_of([unit, unit])
        assert (status, head) == (200, who) and [row["prediction"] for row in rows] == [label] * 2
        status, head, outputs = tensors_of([unit, unit])
        assert (status, head) == (200, who) and outputs["prediction"] == [label] * 2
    # Several units: one answers for all.
    status, head, rows = csv_of(units)
    assert (status, head) == (200, ("1", "fallback")) and [row["prediction"] for row in rows] == ["high"] * len(units)
    status, head, outputs = tensors_of(units)
    assert (status, head) == (200, ("1", "fallback")) and outputs["prediction"] == ["high"] * len(units)
