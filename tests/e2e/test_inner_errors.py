# SPDX-License-Identifier: Apache-2.0
"""A version that fails inside, at a row that is as good as any: the last good version answers, and everything says so."""
import re

import pytest
from test_modules import build, installed  # noqa: F401: a fixture
from waits import wait_until

PREDICT = "/v1/routes/m/predict"
HUGE = "1000001.5"  # the module of version 2 gives no number there


@pytest.fixture(scope="module")
def failing(installed, tmp_path_factory):  # noqa: F811
    """A learner of a user that fails at some rows, none of which it learned from."""
    change = lambda text: text.replace("    for (uint64_t i = 0; i < rows->n_rows; i++) {\n        for (uint32_t c = 0; c < h->n_cols; c++) {\n            query", "    for (uint64_t i = 0; i < rows->n_rows; i++) {\n        if (rows->cols[0][i] > 1e6) {\n            for (uint32_t k = 0; k < h->n_outputs; k++) {\n                out[i * h->n_outputs + k] = NAN;\n            }\n            continue;\n        }\n        for (uint32_t c = 0; c < h->n_cols; c++) {\n            query")
    return build(installed, "learner", "knn", tmp_path_factory.mktemp("failing"), change=change)


def train(tm, *learners):
    tm.write("d.csv", "a,b,y\n" + "".join(f"{i % 37}.5,{i % 11},{(i % 37) * 10 + i % 11}\n" for i in range(400)))
    for learner in learners:
        tm.ok("train", "d.csv", "--target", "y", "--name", "m", "--learner", learner, *(("--param", "gbdt.n_trees=5") if learner == "gbdt" else ()), "-q")


@pytest.fixture
def home(tm, failing):
    """Versions 1 and 3 of trees, 2 of the module; 1 is the champion."""
    tm.ok("module", "add", failing)
    train(tm, "gbdt", "knn", "gbdt")
    return tm


FORMS = {
    "rows": ("application/json", f'{{"rows":[{{"a":2.5,"b":1}},{{"a":{HUGE},"b":1}}]}}'),
    "escapes": ("application/json", f'{{"rows":[{{"\\u0061":{HUGE},"b":1}}]}}'),  # reading rewrites the name
    "plain": ("application/json", f'{{"rows":[{{"a":{HUGE},"b":1}}]}}'),
    "csv": ("text/csv", f"a,b\n2.5,1\n{HUGE},1\n"),
    "lines": ("application/x-ndjson", f'{{"a":2.5,"b":1}}\n{{"a":{HUGE},"b":1}}\n'),
    "large": ("text/csv", "a,b\n" + "2.5,1\n" * 20000 + f"{HUGE},1\n" + "2.5,1\n" * 100),
}


def ask(server, form, headers=None, path=PREDICT):
    kind, text = FORMS[form]
    status, head, _ = server.request("POST", path, text.encode(), {"Content-Type": kind, **(headers or {})})
    return status, head.get("X-Tidemill-Version"), head.get("X-Tidemill-Arm")


def test_the_champion_before_answers_for_one_that_fails_inside(home, serve):
    server = serve()
    home.ok("model", "promote", "m@2", "--force")
    wait_until(lambda: server.request("POST", PREDICT, {"rows": [{"a": 2.5, "b": 1}]})[2]["version"] == 2)
    for form in FORMS:
        assert ask(server, form) == (200, "1", "fallback"), form
    assert server.request("POST", PREDICT, {"rows": [{"a": 2.5, "b": 1}]})[2]["version"] == 2  # other requests are its own
    _, _, body = server.request("POST", PREDICT, FORMS["plain"][1].encode(), {"Content-Type": "application/json"})
    assert (body["version"], body["arm"]) == (1, "fallback") and isinstance(body["predictions"][0]["prediction"], float)
    # A version that is named answers itself or not at all.
    status, _, body = server.request("POST", PREDICT + "?version=2", FORMS["plain"][1].encode(), {"Content-Type": "application/json"})
    assert status == 500 and body["type"].endswith("model-failed") and "version 2 gives no number" in body["detail"] and body["hint"]
    # So is a bad row: it is the client's, and nobody else is asked.
    assert server.request("POST", PREDICT, {"rows": [{"a": "much", "b": 1}]})[0] == 400
    text = server.request("GET", "/metrics")[2].decode()
    broken = {re.search('version="(\\d)"', line)[1]: int(line.split()[-1]) for line in text.splitlines() if line.startswith("tidemill_predict_broken_total") and 'arm="champion"' in line}
    assert broken["2"] == len(FORMS) + 2  # and the two that followed
    wait_until(lambda: home.ok("monitor", "alerts", "--json").json["alerts"])
    alert = home.ok("monitor", "alerts", "--json").json["alerts"][0]
    assert (alert["version"], alert["kind"], alert["severity"]) == (2, "fallback", "critical") and "failed inside on" in alert["summary"]


def test_the_champion_answers_for_an_arm_that_fails_inside(home, serve):
    server = serve()
    home.ok("route", "split", "m", "1=50", "2=50")
    arms = {}

    def answers(form):
        for i in range(40):
            status, version, arm = ask(server, form, {"X-Tidemill-Unit": f"u{i}"})
            assert status == 200
            arms[arm] = arms.get(arm, 0) + 1
            assert version == "1"
        return "fallback" in arms
    wait_until(lambda: answers("rows"))
    assert answers("csv") and arms["champion"] > 0


def test_without_another_version_it_is_an_error(tm, serve, failing):
    tm.ok("module", "add", failing)
    train(tm, "knn")
    server = serve()
    for form in FORMS:
        assert ask(server, form)[0] == 500, form
    assert server.request("POST", PREDICT, {"rows": [{"a": 2.5, "b": 1}]})[0] == 200
