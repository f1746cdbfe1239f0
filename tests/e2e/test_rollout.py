# SPDX-License-Identifier: Apache-2.0
"""A version comes in steps that go back by themselves: by `run`, with guardrails, restartable, undone by any move by hand."""
import itertools
import random
import time

import made_data
import pytest
from waits import wait_until

PREDICT = "/v1/routes/churn/predict"
ROWS = made_data.churn_rows(300)
INPUTS = ("plan", "months", "spend", "city", "joined")


def train(tm, name, *words, rows=None):
    tm.write(name, made_data.csv_text(rows or ROWS))
    tm.ok("train", name, "--target", "churned", "--name", "churn", "--learner", "gbdt", "-q", *words)


@pytest.fixture(name="home")
def fixture_home(tm):
    """Two versions that answer much alike."""
    for n_trees in (20, 22):
        train(tm, "a.csv", "--param", f"gbdt.n_trees={n_trees}")
    return tm


def ask(server, n, seed=1):
    rng = random.Random(seed)
    failed = 0
    for _ in range(n):
        row = {name: value for name, value in rng.choice(ROWS).items() if name in INPUTS}
        status, _, _ = server.request("POST", PREDICT, {"rows": [row]}, {"X-Tidemill-Unit": str(rng.random())})
        failed += status != 200
    return failed


def events(tm):
    return [e for e in tm.ok("model", "history", "churn", "--json").json["history"] if e["event"].startswith("rollout")]


def route(tm):
    return tm.ok("route", "ls", "--json").json["routes"][0]


def until(server, tm, what, n=40):
    failed, seeds = [], itertools.count(1)
    wait_until(lambda: what() or failed.append(ask(server, n, seed=next(seeds))), lambda: (route(tm), events(tm)[-1:]))
    return sum(failed)


def test_run_takes_the_steps_up_to_the_promotion(home, serve):
    server = serve(command="run")
    out = home.ok("route", "rollout", "churn@2", "--steps", "20,50,100", "--rows", "30", "--drift", "0.5", "--latency", "1000").out
    assert out.startswith("churn: version 2 has 20 % of the requests (step 1 of 3), running")
    assert until(server, home, lambda: route(home)["champion"] == 2) == 0
    story = events(home)
    assert [e["event"] for e in story] == ["rollout.started", "rollout.step", "rollout.done"]
    assert "20 % held for" in story[1]["reason"] and [c["check"] for c in story[2]["details"]["evidence"]["checks"]] == ["errors", "latency", "drift", "metric"]
    assert route(home)["rollout"] is None and route(home)["arms"] == [{"version": 2, "weight": 100.0}]
    assert home.ok("model", "rollback", "churn").code == 0 and route(home)["champion"] == 1


def train_what_asks_for_more(home):
    train(home, "b.csv", "--param", "gbdt.n_trees=5", rows=[dict(row, score=i % 7) for i, row in enumerate(ROWS)])
    home.write("tidemill.yaml", "models:\n  churn:\n    from: b.csv\n    target: churned\n    columns: {score: {missing: refuse}}\n")
    home.ok("apply")


def test_a_version_that_refuses_what_clients_send_goes_back_by_itself(home, serve):
    train_what_asks_for_more(home)
    server = serve(command="run")
    home.ok("route", "rollout", "churn@3", "--steps", "50", "--hold", "1h")
    until(server, home, lambda: route(home)["rollout"] is None)
    last = events(home)[-1]
    assert last["event"] == "rollout.rolled_back" and last["reason"].startswith("errors: ") and "requests failed" in last["reason"]
    assert route(home)["champion"] == 1 and route(home)["arms"] == [{"version": 1, "weight": 100.0}]
    assert ask(server, 50) == 0
    alerts = home.ok("monitor", "alerts", "--json").json["alerts"]
    assert [(a["kind"], a["version"], a["severity"]) for a in alerts if a["kind"] == "rollout"] == [("rollout", 3, "critical")]


def test_a_version_that_answers_otherwise_goes_back(home, serve):
    flipped = [dict(row, churned={"yes": "no", "no": "yes"}.get(row["churned"], row["churned"])) for row in ROWS]
    train(home, "c.csv", "--param", "gbdt.n_trees=20", rows=flipped)
    server = serve(command="serve")
    home.ok("route", "rollout", "churn@3", "--steps", "50", "--hold", "1h")
    wait_until(lambda: len(server.request("GET", "/v1/status")[2]["routes"][0]["arms"]) == 2)
    # `serve` drives nothing: a look by hand does, once the server has told what it answered.
    ask(server, 1200)
    look = lambda: home.ok("route", "rollout", "churn", "--look", "--json").json
    result = wait_until(lambda: (now := look())["action"] == "rolled_back" and now)
    assert result["reason"].startswith("drift: "), result
    assert route(home)["rollout"] is None


def test_moves_by_hand_pauses_and_restarts(home, serve):
    server = serve(command="run")
    home.ok("route", "rollout", "churn@2", "--steps", "30,60", "--rows", "20", "--drift", "0.6", "--latency", "1000", "--hold", "0s")
    home.ok("route", "rollout", "churn", "--pause", "--reason", "lunch")
    ask(server, 150)
    time.sleep(2.5)
    assert route(home)["rollout"]["state"] == "paused" and route(home)["rollout"]["step"] == 1
    server.stop()
    server = serve(command="run")
    home.ok("route", "rollout", "churn", "--resume")
    until(server, home, lambda: route(home)["rollout"] is None or route(home)["rollout"]["step"] == 2)
    server.stop()
    for words, code, says in ((("churn@2",), 5, "rollout already" if route(home)["rollout"] else "champion"), (("churn", "--stop", "--pause"), 2, "more than one"),
                              (("nobody",), 3, "nobody"), (("churn@9",), 3, "9"), (("churn@2", "--steps", "5,x"), 2, "--steps")):
        result = home("route", "rollout", *words)
        assert result.code == code, (words, result.err)
        assert says in result.err, (words, result.err)


def test_a_stop_and_a_split_end_it(home):
    home.ok("route", "rollout", "churn@2")
    assert route(home)["rollout"]["steps"] == [1.0, 10.0, 50.0, 100.0]
    assert "version 2 has 1 %" in home.ok("route", "rollout", "churn").out
    look = home.ok("route", "rollout", "churn", "--look", "--json").json
    assert look["action"] == "wait" and {c["state"] for c in look["checks"]} == {"open"}
    home.ok("route", "rollout", "churn", "--stop", "--reason", "not today")
    assert home("route", "rollout", "churn", "--stop").code == 5
    home.ok("route", "rollout", "churn@2")
    home.ok("route", "split", "churn", "1=40", "2=60")
    assert [e["event"] for e in events(home)] == ["rollout.started", "rollout.stopped", "rollout.started", "rollout.ended"]
    assert home("route", "rollout", "churn@2").code == 5  # beside a split
    assert home.ok("route", "rollout", "churn").out == "churn: no rollout\n"


def test_a_declared_rollout_begins_with_a_shadow(home, serve):
    home.write("tidemill.yaml", "models:\n  churn:\n    from: a.csv\n    target: churned\n"
               "    rollout: {shadow: 100, steps: [40, 100], rows: 30, drift: 0.6}\n")
    assert "recipe differs, applied" in home.ok("apply").out
    assert "churn: as the file says" in home.ok("apply").out
    server = serve(command="run")
    assert home.ok("route", "rollout", "churn@2").out == "churn: version 2 sees 100 % of the requests and answers none, running\n"
    assert (route(home)["shadow"], route(home)["rollout"]["step"]) == ({"version": 2, "share": 100.0}, 0)
    assert until(server, home, lambda: route(home)["champion"] == 2) == 0
    story = events(home)
    assert [e["event"] for e in story] == ["rollout.started", "rollout.step", "rollout.done"]
    assert story[1]["reason"].startswith("the shadow of 100 % held for")
    checks = {c["check"]: c["state"] for c in story[1]["details"]["evidence"]["checks"]}
    assert (checks["errors"], checks["drift"], checks["latency"]) == ("kept", "kept", "open")
    assert route(home)["shadow"] is None


def test_a_shadow_that_refuses_what_clients_send_goes_no_further(home, serve):
    train_what_asks_for_more(home)
    server = serve(command="run")
    home.ok("route", "rollout", "churn@3", "--shadow", "100", "--steps", "50", "--hold", "1h")
    assert until(server, home, lambda: route(home)["rollout"] is None) == 0  # clients notice nothing
    assert events(home)[-1]["event"] == "rollout.rolled_back" and events(home)[-1]["reason"].startswith("errors: ")
    assert route(home)["shadow"] is None and route(home)["champion"] == 1


def test_over_http_and_in_status_and_metrics(home, serve):
    key = {"Authorization": "Bearer " + home.ok("key", "create", "--role", "operator", "--json").json["key"]}
    server = serve()
    order = {"version": 2, "terms": {"steps": [10, 50], "hold_seconds": 3600}, "reason": "better on June"}

    def rollout():
        return server.request("GET", "/v1/routes/churn", headers=key)[2]["rollout"]

    def move(name):
        assert server.request("POST", "/v1/routes/churn:rollout", {"move": name, "reason": "not today"}, key)[::2] == (200, {"route": "churn", "move": name})

    assert server.request("POST", "/v1/routes/churn:rollout", order, key)[::2] == (200, {"route": "churn", "move": "start"})
    body = server.request("GET", "/v1/routes/churn", headers=key)[2]
    assert body["arms"] == [{"version": 1, "weight": 90.0}, {"version": 2, "weight": 10.0}], body
    assert (body["rollout"]["step"], body["rollout"]["percent"], body["rollout"]["state"], body["rollout"]["rows"]) == (1, 10, "running", 100)
    assert body == route(home)
    assert server.request("GET", "/v1/status", headers=key)[2]["routes"][0]["rollout"] == body["rollout"]
    text = server.request("GET", "/metrics", headers=key)[2].decode()
    assert 'tidemill_rollout_step{route="churn",version="2"} 1\n' in text and 'tidemill_rollout_percent{route="churn",version="2"} 10\n' in text
    model = home.ok("status", "--json").json["models"][0]
    assert (model["rollout"], model["health"], model["why"]) == (body["rollout"], "ok", "rollout")
    assert "version 2 has 10 % of the requests (step 1 of 2), running" in model["reasons"][0]["text"]
    assert server.request("POST", "/v1/routes/churn:rollout", order, key)[0] == 409
    move("pause")
    assert rollout()["state"] == "paused"
    move("resume")
    assert rollout()["state"] == "running"
    move("stop")
    assert rollout() is None
    last = events(home)[-1]
    assert (last["event"], last["reason"]) == ("rollout.stopped", "not today") and last["actor"].startswith("key:")
    assert server.request("GET", "/v1/routes/nobody", headers=key)[0] == 404
