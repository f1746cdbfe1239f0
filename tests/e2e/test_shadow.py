# SPDX-License-Identifier: Apache-2.0
"""A version that sees live requests and answers nobody: logged, labelled, counted, and never in a client's way."""
import threading

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


def metric(server, key, name, version=2, arm="shadow"):
    text = server.request("GET", "/metrics", headers=key)[2].decode()
    start = f'{name}{{route="churn",version="{version}",arm="{arm}"}} '
    return sum(int(line[len(start):]) for line in text.splitlines() if line.startswith(start))


def counted(server, key):
    return server.request("GET", "/v1/status", headers=key)[2]["routes"][0]["shadow"]


def shadow(server, key):
    """Who, and of how much; None without one."""
    now = counted(server, key)
    return now and {name: now[name] for name in ("version", "share")}


def test_a_shadow_answers_every_form_of_request_into_the_log(tm, serve, key):
    server = serve()
    before = server.request("POST", PREDICT, {"rows": [ROW]}, key)[2]["predictions"][0]["prediction"]
    assert tm.ok("route", "shadow", "churn", "2").out == "churn: version 2 sees 100 % of the requests and answers none\n"
    wait_until(lambda: shadow(server, key) == {"version": 2, "share": 100})
    assert tm.ok("route", "ls", "--json").json["routes"][0]["shadow"] == {"version": 2, "share": 100.0}
    assert "2: 100 %" in tm.ok("route", "ls").out
    ids = []
    for i in range(20):
        status, headers, body = server.request("POST", PREDICT, {"rows": [ROW, dict(ROW, months=i)]}, key)
        assert (status, headers["X-Tidemill-Version"], body["version"], body["arm"]) == (200, "1", 1, "champion")
        assert body["predictions"][0]["prediction"] == before
        ids += [p["id"] for p in body["predictions"]]
    line = ",".join(f'"{name}":"{value}"' if isinstance(value, str) else f'"{name}":{value}' for name, value in ROW.items())
    csv = ",".join(ROW) + "\n" + ",".join(str(v) for v in ROW.values()) + "\n"
    for path, body, kind in ((PREDICT, ("{" + line + "}\n") * 3, "application/x-ndjson"), (PREDICT, csv, "text/csv"),
                             ("/invocations", '{"instances": [{' + line.replace("basic", "b\\u0061sic") + "}]}", "application/json"),
                             (PREDICT + "?explain=true&interval=0.9", '{"rows": [{' + line + "}]}", "application/json"),
                             (PREDICT, '{"rows": [' + ",".join(["{" + line + "}"] * 3000) + "]}", "application/json")):
        assert server.request("POST", path, body.encode(), dict(key, **{"Content-Type": kind}))[0] == 200, path
    wait_until(lambda: metric(server, key, "tidemill_predictions_total") == 40 + 3 + 1 + 1 + 1 + 3000)
    # Not seen: a request that was refused, and one that named its version.
    assert server.request("POST", PREDICT, {"rows": [dict(ROW, nothing=1)]}, key)[0] == 400
    assert server.request("POST", PREDICT + "?version=2", {"rows": [ROW]}, key)[0] == 200
    assert server.request("POST", PREDICT, {"rows": [ROW]}, key)[0] == 200
    wait_until(lambda: metric(server, key, "tidemill_predictions_total") == 3047)
    assert metric(server, key, "tidemill_predict_failed_total") == metric(server, key, "tidemill_shadow_dropped_total") == 0
    # Labels of the client's answers are labels of the shadow's too, and are counted once.
    labels = [{"prediction_id": name, "label": "yes" if i % 3 else "no"} for i, name in enumerate(ids)]
    wait_until(lambda: (log := server.request("GET", "/v1/status", headers=key)[2]["log"])["queued"] + log["spilled"] == 0)
    status, _, body = server.request("POST", "/v1/labels", {"labels": labels}, key)
    assert status == 200 and body["joined"] == 40, body
    live = {v: tm.ok("monitor", "report", f"churn@{v}", "--json").json["coverage"]["labelled"] for v in (1, 2)}
    assert live == {1: 40, 2: 40}
    assert tm.ok("monitor", "report", "churn", "--json").json["coverage"]["labelled"] == 40
    # It ends by an order, and by its promotion.
    assert tm.ok("route", "shadow", "churn", "--off", "--reason", "seen enough").out == "churn: no shadow\n"
    wait_until(lambda: shadow(server, key) is None)
    status, _, body = server.request("POST", "/v1/routes/churn:shadow", {"version": 2, "share": 25}, key)
    assert (status, body) == (200, {"route": "churn", "shadow": {"version": 2, "share": 25}})
    tm.ok("model", "promote", "churn@2")
    wait_until(lambda: shadow(server, key) is None)
    assert [e["event"] for e in tm.ok("model", "history", "churn", "--json").json["history"] if e["event"].startswith("shadow")] == [
        "shadow", "shadow.ended", "shadow"]


def test_how_often_a_shadow_answers_otherwise_is_told_everywhere(tm, serve, key):
    flipped = [dict(row, churned={"yes": "no", "no": "yes"}.get(row["churned"], row["churned"])) for row in made_data.churn_rows(300)]
    tm.write("c.csv", made_data.csv_text(flipped))
    tm.ok("train", "c.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=8", "-q")
    server = serve()
    asked = [{k: r[k] for k in ROW} for r in made_data.churn_rows(300)]
    found = {}
    for version in (2, 3):
        tm.ok("route", "shadow", "churn", version)
        wait_until(lambda v=version: (shadow(server, key) or {}).get("version") == v)
        answers = server.request("POST", PREDICT, {"rows": asked}, key)[2]["predictions"]
        others = server.request("POST", PREDICT + f"?version={version}", {"rows": asked}, key)[2]["predictions"]
        wait_until(lambda: counted(server, key)["compared"] == 300)
        found[version] = sum(a["prediction"] != b["prediction"] for a, b in zip(answers, others))
        assert counted(server, key)["differed"] == found[version], found
        assert metric(server, key, "tidemill_shadow_compared_total", version) == 300
        assert metric(server, key, "tidemill_shadow_differed_total", version) == found[version]
        one = server.request("GET", "/v1/routes/churn", headers=key)[2]
        assert (one["champion"], one["shadow"]["compared"], one["shadow"]["differed"], one["rollout"]) == (1, 300, found[version], None)
        wait_until(lambda v=version: f"version {v} answers otherwise for" in str(tm.ok("status", "--json").json["models"][0]["reasons"]))
    assert found[2] < 100 < found[3]  # the one that learned the contrary stands out
    status = tm.ok("status", "--json").json["models"][0]["shadow"]
    assert (status["version"], status["compared"], status["differed"]) == (3, 300, found[3])


def test_rows_of_several_units_are_held_against_who_answered_each(tm, serve, key):
    rows = [dict(row, id=f"c{i}") for i, row in enumerate(made_data.churn_rows(300))]
    flipped = [dict(row, churned={"yes": "no", "no": "yes"}.get(row["churned"], row["churned"])) for row in rows]
    for i, data in enumerate((rows, flipped)):
        tm.write(f"u{i}.csv", made_data.csv_text(data))
        tm.ok("train", f"u{i}.csv", "--target", "churned", "--name", "units", "--entity", "id", "--learner", "gbdt", "--param", "gbdt.n_trees=8", "-q")
    tm.ok("route", "split", "units", "1=50", "2=50")
    tm.ok("route", "shadow", "units", "2")
    server, path = serve(), PREDICT.replace("churn", "units")
    asked = [{k: r[k] for k in (*ROW, "id")} for r in rows]
    body = server.request("POST", path, {"rows": asked}, key)[2]
    by = [p.get("version", body["version"]) for p in body["predictions"]]
    others = server.request("POST", path + "?version=2", {"rows": asked}, key)[2]["predictions"]
    differ = [p["prediction"] != o["prediction"] for p, o in zip(body["predictions"], others)]
    assert set(by) == {1, 2} and not any(d for d, v in zip(differ, by) if v == 2) and sum(differ) > 50

    def now():
        return server.request("GET", "/v1/routes/units", headers=key)[2]["shadow"]

    wait_until(lambda: now()["compared"] == 300)
    assert now()["differed"] == sum(differ)


def test_what_a_shadow_cannot_do_is_counted_and_told_to_nobody(tm, serve, key):
    # A version that reads a column which clients do not send.
    rows = [dict(row, score=i % 7) for i, row in enumerate(made_data.churn_rows(300))]
    tm.write("b.csv", made_data.csv_text(rows))
    tm.write("tidemill.yaml", "models:\n  churn:\n    from: b.csv\n    target: churned\n    columns: {score: {missing: refuse}}\n")
    tm.ok("apply")
    tm.ok("train", "b.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=5", "-q")
    server = serve()
    tm.ok("route", "shadow", "churn", "3", "--share", "50")
    wait_until(lambda: shadow(server, key) == {"version": 3, "share": 50})
    for _ in range(200):
        assert server.request("POST", PREDICT, {"rows": [ROW]}, key)[0] == 200
    wait_until(lambda: 60 < metric(server, key, "tidemill_predict_failed_total", 3) < 140)
    assert metric(server, key, "tidemill_predictions_total", 3) == 0


def test_overflow_is_counted_exactly_and_delays_nobody(tm, serve, key):
    server = serve()
    tm.ok("route", "shadow", "churn", "2")
    wait_until(lambda: shadow(server, key) is not None)
    body = ('{"rows": [' + ",".join(['{"plan":"basic","months":3,"spend":20.5,"city":"Oslo","joined":"2024-01-05T10:00:00"}'] * 9000) + "]}").encode()
    statuses = []

    def ask():
        for _ in range(25):
            statuses.append(server.request("POST", PREDICT, body, dict(key, **{"Content-Type": "application/json"}))[0])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    n = statuses.count(200) * 9000
    assert n > 0 and set(statuses) <= {200, 503}
    wait_until(lambda: metric(server, key, "tidemill_predictions_total") + metric(server, key, "tidemill_shadow_dropped_total") * 9000
         + metric(server, key, "tidemill_predict_failed_total") * 9000 == n)


def test_what_is_refused(tm, serve, key):
    for words, code, says in (
            (("churn",), 2, "name a version, or --off"), (("churn", "2", "--off"), 2, "name a version, or --off"),
            (("churn", "1"), 5, "is its champion"), (("churn", "9"), 3, "9"), (("churn", "--off"), 5, "has no shadow"),
            (("churn", "2", "--share", "0"), 2, "--share"), (("churn", "2", "--share", "101"), 2, "--share"), (("nobody", "2"), 3, "nobody")):
        result = tm("route", "shadow", *words)
        assert result.code == code and says in result.err, (words, result.err)
    server = serve()
    for body in ({}, {"version": "2"}, {"version": 0}, {"version": 2, "share": 0}, {"version": None, "share": 5}, {"version": 2, "of": 1}):
        assert server.request("POST", "/v1/routes/churn:shadow", body, key)[0] == 400, body
    assert server.request("POST", "/v1/routes/churn:shadow", {"version": 1}, key)[0] == 409
    assert server.request("POST", "/v1/routes/churn:shadow", {"version": 9}, key)[0] == 404
    tm.ok("route", "shadow", "churn", "2")
    assert tm("route", "shadow", "churn", "2").code == 5
    assert tm.ok("model", "gc", "--dry-run", "--keep", "1", "--older-than", "0s", "--json").json["files"] == []
