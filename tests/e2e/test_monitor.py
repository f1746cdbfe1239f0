# SPDX-License-Identifier: Apache-2.0
"""Labels by every way, live scores by window, what is expected before labels: of a server, of a file beside it, and of its report."""
import json
import math
import random
import threading

import pytest
from rows import churn, to_csv
from test_model_report import look
from waits import wait_until

ROW_NAMES = ("plan", "months", "tickets", "spend", "note")


@pytest.fixture(name="home")
def fixture_home(tm):
    """A model of customers, whose answers the rest asks for."""
    tm.write("churn.csv", to_csv(churn(1500), without=("id", "since")))
    tm.trained = tm.ok("train", "churn.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=30", "--json").json
    return tm


def ask(server, rows):
    """Ids of the answers for rows."""
    status, _, body = server.request("POST", "/v1/routes/churn/predict", {"rows": [{k: r[k] for k in ROW_NAMES} for r in rows]})
    assert status == 200, body
    return [(p["id"], p["probability"]) for p in body["predictions"]]


def send(server, labels):
    status, _, body = server.request("POST", "/v1/labels", {"labels": labels})
    assert status == 200, body
    return body


def settle(server, n):
    """Until n answers are in the log, which is 50 ms behind on a machine that has nothing else to do."""
    wait_until(lambda: server.request("GET", "/v1/status")[2]["routes"][0]["live"]["answers"] >= n)


def of(scores, name):
    return next(s for s in scores if s["score"] == name)


def auc(pairs):
    """By its definition: the share of pairs in order."""
    ones, zeros = [p for p, y in pairs if y], [p for p, y in pairs if not y]
    return sum((a > b) + (a == b) / 2 for a in ones for b in zeros) / (len(ones) * len(zeros))


def test_labels_are_told_apart_and_join_once_under_retries(home, serve):
    server, rows = serve(), churn(6, seed=2)
    ids = [i for i, _ in ask(server, rows)]
    body = send(server, [{"prediction_id": ids[0], "label": "yes"}, {"prediction_id": ids[0], "label": "yes"}, {"prediction_id": ids[0], "label": "no"},
                         {"prediction_id": "01J0000000000000000000NONE", "label": "no"}])
    assert (body["joined"], body["duplicates"], body["conflict"], body["unknown"]) == (1, 1, 1, 1)
    assert body["results"] == ["joined", "duplicate", "conflict", "waiting"]
    # The same from many at once, again and again: one of them joins each.
    joined = []

    def retry():
        for _ in range(20):
            joined.append(send(server, [{"prediction_id": i, "label": "no"} for i in ids[1:]])["joined"])

    threads = [threading.Thread(target=retry) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(joined) == 5


def test_labels_survive_a_kill_and_come_90_days_late(home, serve):
    home.env["TIDEMILL_NOW"] = "2026-01-01T00:00:00Z"
    server = serve()
    ids = [i for i, _ in ask(server, churn(40, seed=3))]
    assert send(server, [{"prediction_id": i, "label": "yes"} for i in ids[:20]])["joined"] == 20
    server.process.kill()
    server.process.wait()
    home.env["TIDEMILL_NOW"] = "2026-04-01T00:00:00Z"
    server = serve()
    assert send(server, [{"prediction_id": i, "label": "yes"} for i in ids]) | {"results": None} == {
        "joined": 20, "waiting": 0, "duplicate": 20, "conflict": 0, "ambiguous": 0, "unknown": 0, "duplicates": 20, "results": None}
    server.stop()
    # By when they were given they are of January; by when they came, half of them are of April.
    report = home.ok("monitor", "report", "churn", "--since", "2025-12-01", "--window", "1d", "--json").json
    assert [w["labelled"] for w in report["live"]["windows"]] == [40] and report["live"]["windows"][0]["from"].startswith("2026-01-01")
    arrivals = {a["from"][:10]: a["labels"] for a in report["live"]["arrivals"] if a["labels"]}
    assert arrivals == {"2026-01-01": 20, "2026-04-01": 20}
    newest = home.ok("monitor", "report", "churn", "--since", "2026-03-01", "--json").json
    assert newest["coverage"]["answers"] == 0 and sum(a["labels"] for a in newest["live"]["arrivals"]) == 20
    assert any("no answer in this time" in f["text"] for f in newest["findings"])


def test_a_clock_that_goes_back_loses_no_label(home, serve):
    home.env["TIDEMILL_NOW"] = "2026-03-01T00:00:00Z"
    server = serve()
    ids = [i for i, _ in ask(server, churn(10, seed=4))]
    server.stop()
    home.env["TIDEMILL_NOW"] = "2026-02-01T00:00:00Z"
    server = serve()
    assert send(server, [{"prediction_id": i, "label": "no"} for i in ids])["joined"] == 10
    server.stop()
    report = home.ok("monitor", "report", "churn", "--since", "2026-01-01", "--json").json
    # What stamps the labels only grows, so none seems to be known before its answer.
    assert report["coverage"]["labelled"] == 10 and report["coverage"]["before_answer"] == 0
    assert sum(a["labels"] for a in report["live"]["arrivals"]) == 10


def test_a_clock_that_jumps_ahead_and_comes_back_loses_no_label(home, serve):
    times, ids = ("2026-03-01T00:00:00Z", "2027-03-01T00:00:00Z", "2026-03-02T00:00:00Z"), []
    for i, now in enumerate(times):  # answers of each day; those of the day before get their labels
        home.env["TIDEMILL_NOW"] = now
        server = serve()
        ids.append([i for i, _ in ask(server, churn(10, seed=20 + i))])
        if i > 0:
            assert send(server, [{"prediction_id": p, "label": "no"} for p in ids[i - 1]])["joined"] == 10
        server.stop()
    report = home.ok("monitor", "report", "churn", "--since", "2026-01-01", "--until", "2028-01-01", "--json").json
    assert (report["coverage"]["answers"], report["coverage"]["labelled"]) == (30, 20)
    # A stamp that was given in a year is never given again: what came after it seems to have come then.
    assert {a["from"][:4]: a["labels"] for a in report["live"]["arrivals"] if a["labels"]} == {"2027": 20}


def test_a_label_before_its_answer_waits_for_it_and_joins_once(tm, serve):
    tm.write("churn.csv", to_csv(churn(1500), without=("since",)))
    tm.ok("train", "churn.csv", "--target", "churned", "--name", "churn", "--entity", "id", "--learner", "linear", "--work", "3000000", "-q")
    server = serve()
    early = [{"model": "churn", "entity": "c1", "label": "yes"}]
    counts = ("joined", "unknown", "duplicates")
    for wanted in ([0, 1, 0], [0, 0, 1]):
        body = send(server, early)
        assert [body[k] for k in counts] == wanted
    assert send(server, [{**early[0], "label": "no"}])["conflict"] == 1
    row = {k: churn(1)[0][k] for k in ROW_NAMES}
    status, _, body = server.request("POST", "/v1/routes/churn/predict", {"rows": [{**row, "id": "c1"}]})
    assert status == 200, body
    settle(server, 1)
    assert server.request("GET", "/v1/status")[2]["routes"][0]["live"]["labelled"] == 1
    late = send(server, [{"prediction_id": body["predictions"][0]["id"], "label": "yes"}, {"prediction_id": body["predictions"][0]["id"], "label": "no"}])
    assert ([late[k] for k in counts], late["conflict"]) == ([0, 0, 1], 1)
    metrics = server.request("GET", "/metrics")[2].decode()
    assert 'tidemill_log_labels_total{result="joined"} 1' in metrics and "tidemill_log_labels_waiting 0" in metrics


def test_labels_of_a_file_a_query_and_a_source_join_beside_a_server(home, serve):
    server, rows = serve(), churn(300, seed=5)
    ids = [i for i, _ in ask(server, rows)]
    truth = [r["churned"] for r in rows]  # at once: the answers are in the server's queue
    home.write("a.csv", "prediction_id,churned\n" + "".join(f"{i},{y}\n" for i, y in zip(ids[:100], truth[:100])) + "01J0000000000000000000NONE,yes\n,\n")
    result = home.ok("monitor", "labels", "churn", "a.csv", "--json").json
    assert (result["joined"], result["unknown"], result["duplicates"], result["conflicts"]) == (100, 1, 0, 0)
    assert result["without_label"] == 1
    again = home.ok("monitor", "labels", "churn", "a.csv", "--json").json
    assert (again["joined"], again["duplicates"]) == (0, 101)
    home.write("b.csv", "answer,came\n" + "".join(f"{i},{y}\n" for i, y in zip(ids[100:200], truth[100:200])) + f"{ids[0]},{'no' if truth[0] == 'yes' else 'yes'}\n")
    result = home.ok("monitor", "labels", "churn", "--sql", "SELECT answer, came FROM 'b.csv'", "--id", "answer", "--label", "came", "--json").json
    assert (result["joined"], result["conflicts"], result["conflict_rows"]) == (100, 1, [101])
    home.write("c.csv", "prediction_id,churned\n" + "".join(f"{i},{y}\n" for i, y in zip(ids[200:], truth[200:])))
    home.ok("data", "add", "outcomes", "--files", "c.csv")
    assert home.ok("monitor", "labels", "churn", "--source", "outcomes", "--json").json["joined"] == 100
    status, _, body = server.request("GET", "/v1/status")
    assert status == 200 and body["routes"][0]["live"]["labelled"] == 300
    assert "300 of them with a label" in home.ok("monitor", "report", "churn").out


@pytest.mark.parametrize("words,text,wanted", [
    (["--id", "nothing"], None, "no column 'nothing'"),
    (["--label", "nothing"], None, "no column 'nothing'"),
    (["--id", "a", "--entity", "a"], None, "both --id and --entity"),
    (["--time", "a"], None, "for labels by --entity"),
    ([], "prediction_id,churned\n,yes\n", "neither a prediction nor an entity"),
    (["--known-at", "churned"], None, "holds no times"),
])
def test_wrong_labels_are_named(home, words, text, wanted):
    home.write("a.csv", text or "prediction_id,churned\nx,yes\n")
    run = home("monitor", "labels", "churn", "a.csv", *words)
    assert run.code in (2, 7) and wanted in run.err


def test_a_report_is_what_its_definitions_say(home, serve):
    server, rows = serve(), churn(400, seed=6)
    given = ask(server, rows)
    known = [(p, r["churned"] == "yes") for (_, p), r in list(zip(given, rows))[:300]]
    send(server, [{"prediction_id": i, "label": r["churned"]} for (i, _), r in list(zip(given, rows))[:300]])
    server.stop()
    report = home.ok("monitor", "report", "churn", "--json", "-o", "page.html").json
    assert report["schema"] == "tidemill.monitor_report/1" and {"live", "estimated", "coverage", "drift", "alerts"} <= set(report)
    assert (report["coverage"]["answers"], report["coverage"]["labelled"]) == (400, 300) and report["coverage"]["share"] == 0.75
    scores, threshold = report["live"]["scores"], home.trained["threshold"]["value"]
    assert math.isclose(of(scores, "auc")["value"], auc(known), abs_tol=1e-12)
    right = sum((p >= threshold) == y for p, y in known)
    accuracy = of(scores, "accuracy")
    assert math.isclose(accuracy["value"], right / 300) and accuracy["low"] < accuracy["value"] < accuracy["high"]
    assert math.isclose(accuracy["worst"], right / 400) and math.isclose(accuracy["best"], (right + 100) / 400)
    # What is expected: the sum of how sure each answer is, of all 400.
    expected = of(report["estimated"]["scores"], "accuracy")
    assert math.isclose(expected["value"], sum(p if p >= threshold else 1 - p for _, p in given) / 400, abs_tol=1e-12)
    assert expected["realised"] == accuracy["value"]
    assert math.isclose(of(report["estimated"]["scores"], "logloss")["value"],
                        sum(-p * math.log(p) - (1 - p) * math.log(1 - p) for _, p in given) / 400, abs_tol=1e-9)
    # All labels: nothing is open any more.
    server = serve()
    send(server, [{"prediction_id": i, "label": r["churned"]} for (i, _), r in zip(given, rows)])
    whole = home.ok("monitor", "report", "churn", "--json").json
    for score in whole["live"]["scores"]:
        before = of(scores, score["score"])
        if score["worst"] is not None:
            assert math.isclose(score["worst"], score["value"], abs_tol=1e-9) and math.isclose(score["best"], score["value"], abs_tol=1e-9)
            low, high = sorted((before["worst"], before["best"]))
            assert low - 1e-9 <= score["value"] <= high + 1e-9
    page = look((home.folder / "page.html").read_text(encoding="utf-8"))
    assert page.svgs >= 3


def test_a_model_that_went_wrong_is_named_with_its_group(home, serve):
    server, rng = serve(), random.Random(9)
    rows = churn(1200, seed=7)
    for row in rows:  # those of one plan now do as they like
        if row["plan"] == "pro":
            row["churned"] = "yes" if rng.random() < 0.8 else "no"
    ids = [i for i, _ in ask(server, rows)]
    send(server, [{"prediction_id": i, "label": r["churned"]} for i, r in zip(ids, rows)])
    report = home.ok("monitor", "report", "churn", "--json").json
    assert report["findings"][0]["level"] == "bad" and "worse than in the test" in report["findings"][0]["text"]
    assert any(f["level"] == "warn" and "plan = pro" in f["text"] for f in report["findings"])
    assert any("cannot be trusted" in f["text"] for f in report["findings"])
    words = home.ok("monitor", "report", "churn@1").out
    assert words.index("!") < words.index("? ") and "plan = pro" in words


def test_windows_follow_the_rows_own_times(tm, serve):
    lines, rng = ["at,x,late"], random.Random(4)
    for i in range(600):
        x = rng.random()
        lines.append(f"2026-01-{i // 24 % 28 + 1:02d}T{i % 24:02d}:00:00Z,{x:.4f},{'yes' if x + rng.random() > 1 else 'no'}")
    tm.write("a.csv", "\n".join(lines) + "\n")
    tm.ok("train", "a.csv", "--target", "late", "--time", "at", "--name", "late", "--learner", "linear", "-q")
    server = serve()
    tm.ok("replay", "late", "a.csv", "--labels", "late", "--server", server.address, "-q")
    report = tm.ok("monitor", "report", "late", "--by-row", "--window", "7d", "--json").json
    assert report["clock"] == "row" and len(report["live"]["windows"]) == 4 and sum(w["answers"] for w in report["live"]["windows"]) == 600
    assert all(w["coverage"] == 1 for w in report["live"]["windows"])
    run = tm("monitor", "report", "late", "--by-row", "--window", "1s")
    assert run.code == 2 and "wider --window" in run.err
    assert tm("monitor", "report", "late", "--since", "2026-02-01", "--until", "2026-01-01").code == 2


def test_without_a_log_a_report_says_that_there_is_nothing(home):
    report = home.ok("monitor", "report", "churn", "--json").json
    assert report["coverage"]["answers"] == 0 and report["live"]["windows"] == [] and report["live"]["slices"] is None
    assert json.dumps(report["findings"]).count("no answer") == 1
    assert home("monitor", "report", "nobody").code == 3
