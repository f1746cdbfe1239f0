# SPDX-License-Identifier: Apache-2.0
"""Requests of a route split between versions: by unit, the same each time, told in replies, metrics and history."""
import collections
import time

import made_data
import pytest

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


def wait(what, seconds=10):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def arms(server, key):
    return [(a["version"], a["weight"], a["ready"]) for a in server.request("GET", "/v1/status", headers=key)[2]["routes"][0]["arms"]]


def test_units_are_split_by_command_and_stay(tm, serve, key):
    server = serve()
    assert tm.ok("route", "ls", "--json").json["routes"] == [
        {"route": "churn", "model": "churn", "champion": 1, "arms": [{"version": 1, "weight": 100.0}], "shadow": None, "rollout": None}]
    assert "churn: 1: 70 %, 2: 30 %" in tm.ok("route", "split", "churn", "champion=70", "2=30", "--reason", "a look").out
    wait(lambda: arms(server, key) == [(1, 70, True), (2, 30, True)])
    came = {unit: ask(server, key, unit) for unit in map(str, range(400))}
    counts = collections.Counter((body["version"], body["arm"]) for body in came.values())
    assert set(counts) == {(1, "champion"), (2, "challenger")} and 70 < counts[2, "challenger"] < 170
    assert all(ask(server, key, unit)["version"] == came[unit]["version"] for unit in list(came)[:50])
    # More weight: whoever is there stays there.
    tm.ok("route", "split", "churn", "1=20", "2=80")
    wait(lambda: arms(server, key) == [(1, 20, True), (2, 80, True)])
    assert all(ask(server, key, unit)["version"] == 2 for unit, body in list(came.items())[:100] if body["version"] == 2)
    metrics = server.request("GET", "/metrics", headers=key)[2].decode()
    assert 'tidemill_predictions_total{route="churn",version="2",arm="challenger"}' in metrics
    # A named version is no arm.
    assert server.request("POST", PREDICT + "?version=1", {"rows": [ROW]}, key)[2]["arm"] == "champion"
    # A rollback ends the split and nothing else.
    assert "version 1 is the champion" in tm.ok("model", "rollback", "churn").out
    wait(lambda: arms(server, key) == [])
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
    wait(lambda: len(arms(server, {})) == 2)
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
