# SPDX-License-Identifier: Apache-2.0
"""A champion whose file is damaged when a server starts: the one before answers, and says so."""
import hashlib

import made_data
from test_bad_bundles import Unready
from waits import wait_until

PREDICT = "/v1/routes/churn/predict"
ROW = {"plan": "basic", "months": 3, "spend": 20.5, "city": "Oslo", "joined": "2024-01-05T10:00:00"}


def damage(tm, name):
    bundle = tm.ok("model", "show", name, "--json").json["bundle_hash"]
    path = tm.folder / ".tidemill" / "bundles" / f"{bundle}.tmb"
    whole = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])


def test_an_older_champion_answers_when_the_one_before_cannot_be_loaded_either(tm, serve):
    tm.write("a.csv", made_data.csv_text(made_data.churn_rows(300)))
    for n_trees in (4, 5, 6, 7, 8):
        tm.ok("train", "a.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", f"gbdt.n_trees={n_trees}", "-q")
    for version in (2, 3, 5):  # 4 never answered
        tm.ok("model", "promote", f"churn@{version}")
    for version in (3, 5):
        damage(tm, f"churn@{version}")
    server = serve()
    status, headers, body = server.request("POST", PREDICT, {"rows": [ROW]})
    assert (status, headers["X-Tidemill-Version"], headers["X-Tidemill-Arm"]) == (200, "2", "fallback"), body
    # An alert says so, once for as long as it lasts, and status is bad.
    wait_until(lambda: tm.ok("monitor", "alerts", "--json").json["alerts"])
    alert, = tm.ok("monitor", "alerts", "--json").json["alerts"]
    assert (alert["model"], alert["version"], alert["kind"], alert["severity"]) == ("churn", 5, "fallback", "critical")
    assert alert["summary"].startswith("version 5 cannot be served, version 2 answers: ")
    assert alert["detail"]["serving"] == 2 and "next" in alert["detail"]
    wait_until(lambda: "fallback" in tm("status", "--json").out)


def test_the_champion_before_answers_for_one_that_cannot_be_loaded(tm, serve):
    tm.write("a.csv", made_data.csv_text(made_data.churn_rows(300)))
    for n_trees in (5, 8):
        tm.ok("train", "a.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", f"gbdt.n_trees={n_trees}", "-q")
    tm.ok("model", "promote", "churn@2")
    bundle = tm.ok("model", "show", "churn@2", "--json").json["bundle_hash"]
    assert len(bundle) == hashlib.blake2b(digest_size=32).digest_size * 2
    path = tm.folder / ".tidemill" / "bundles" / f"{bundle}.tmb"
    whole = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
    server = serve()
    for _ in range(3):
        status, headers, body = server.request("POST", PREDICT, {"rows": [ROW]})
        assert (status, headers["X-Tidemill-Version"], headers["X-Tidemill-Arm"]) == (200, "1", "fallback"), body
    status = server.request("GET", "/v1/status")[2]["routes"][0]
    assert status["is_stale"] and status["version"] == 1
    assert 'tidemill_predictions_total{route="churn",version="1",arm="fallback"} 3' in server.request("GET", "/metrics")[2].decode()
    # A champion that can be served again ends it.
    tm.ok("model", "rollback", "churn")
    body = wait_until(lambda: (said := server.request("POST", PREDICT, {"rows": [ROW]})[2])["arm"] == "champion" and said)
    assert body["version"] == 1


def test_a_route_that_nothing_can_answer_says_so_and_lives(tm):
    tm.write("a.csv", made_data.csv_text(made_data.churn_rows(300)))
    for name, n_trees in (("churn", 5), ("churn", 6), ("other", 7)):
        tm.ok("train", "a.csv", "--target", "churned", "--name", name, "--learner", "gbdt", "--param", f"gbdt.n_trees={n_trees}", "-q")
    tm.ok("model", "promote", "churn@2", "--force")
    for version in (1, 2):
        damage(tm, f"churn@{version}")
    server = Unready(tm)
    try:
        assert_nothing_answers(tm, server)
    finally:
        server.stop()


def assert_nothing_answers(tm, server):
    assert server.request("GET", "/readyz")[0] == 503
    for path, kind, body in ((PREDICT, "application/json", b'{"rows": [{}]}'), (PREDICT, "text/csv", b"plan\\nbasic\\n"), ("/v2/models/churn/infer", "application/json", b'{"inputs": []}'),
                             (PREDICT + "?version=1", "application/json", b'{"rows": [{}]}')):
        status, headers, body = server.request("POST", path, body, {"Content-Type": kind})
        assert status == 503 and headers["Retry-After"] == "5", (path, body)
        if path.startswith("/v1"):
            assert body["type"].endswith("model-broken") and "cannot be loaded" in body["detail"] and body["hint"]
    assert server.request("POST", "/v1/routes/other/predict", {"rows": [ROW]})[0] == 200  # each route by itself
    route = next(r for r in server.request("GET", "/v1/status")[2]["routes"] if r["route"] == "churn")
    assert route["is_stale"] and not route["is_loaded"]
    wait_until(lambda: tm.ok("monitor", "alerts", "--json").json["alerts"])
    alert = tm.ok("monitor", "alerts", "--json").json["alerts"][0]
    assert alert["kind"] == "fallback" and "nothing answers" in alert["summary"] and alert["detail"]["serving"] is None
