# SPDX-License-Identifier: Apache-2.0
"""Sinks from outside: what they write, on a schedule and by hand, and what kills leave."""
import random

import sink_kills
from waits import wait_until


def test_a_sink_from_add_to_rm(tm, serve):
    headers = sink_kills.make(tm)
    server = serve()
    assert tm("sink", "add", "scored", "--model", "late", "--read", "rows").code == 2
    assert tm("sink", "add", "scored", "--model", "late", "--read", "rows", "--to-csv", "a", "--to-parquet", "b").code == 2
    assert tm("sink", "add", "scored", "--model", "lat", "--read", "rows", "--to-csv", "a").code == 3
    assert "'late'" in tm("sink", "add", "scored", "--model", "lat", "--read", "rows", "--to-csv", "a").err
    added = tm.ok("sink", "add", "scored", "--model", "late", "--read", "rows", "--to-csv", "scored", "--batch-rows", "100", "--json").json
    assert (added["sink"], added["rows"], added["waiting"], added["next_at"]) == ("scored", 0, 0, None)
    assert tm("sink", "add", "scored", "--model", "late", "--read", "rows", "--to-csv", "a").code == 5
    sink_kills.push(server, headers, 0, 250)
    assert [(s["sink"], s["waiting"], s["status"]) for s in tm.ok("sink", "ls", "--json").json["sinks"]] == [("scored", 250, "ready")]
    assert tm.ok("sink", "run", "scored", "--json").json == {"schema": "tidemill.sink.run/1", "sink": "scored", "rows": 250, "batches": 3, "missed": 0}
    rows = sink_kills.read_files(tm.folder / "scored")
    assert list(rows[0]) == ["id", "prediction", "probability", "prediction_id", "model", "version", "scored_at"]
    sink_kills.check_rows(rows, 250)
    sink_kills.check_answers(tm, rows)
    assert sink_kills.count_logged(tm) == 250
    # The same rows to Parquet, whose answers are answers of their own.
    tm.ok("sink", "add", "columns", "--model", "late@champion", "--read", "rows", "--to-parquet", "columns", "--key", "id,c")
    assert tm.ok("sink", "run", "columns", "--json").json["rows"] == 250
    assert [p.suffix for p in (tm.folder / "columns").iterdir()] == [".parquet"]
    assert sink_kills.count_logged(tm) == 500
    shown = tm.ok("sink", "show", "scored", "--json").json
    assert (shown["rows"], shown["batches"], shown["waiting"], shown["batch"], shown["error"]) == (250, 3, 0, None, None)
    assert "250 rows in 3 batches" in tm.ok("sink", "show", "scored").out and "scored" in tm.ok("sink", "ls").out
    tm.ok("sink", "rm", "scored")
    assert tm("sink", "run", "scored").code == 3 and len(list((tm.folder / "scored").iterdir())) == 3


def test_labels_join_what_a_sink_wrote(tm, serve):
    headers = sink_kills.make(tm)
    server = serve()
    tm.ok("sink", "add", "scored", "--model", "late", "--read", "rows", "--to-csv", "scored", "--batch-rows", "30")
    sink_kills.push(server, headers, 0, 60)
    early = [{"model": "late", "entity": "7", "time": "2024-01-08", "label": "yes"}]
    assert server.request("POST", "/v1/labels", {"labels": early}, headers)[2]["waiting"] == 1
    tm.ok("sink", "run", "scored")
    rows = sink_kills.read_files(tm.folder / "scored")
    labels = [{"prediction_id": r["prediction_id"], "label": "no"} for r in rows if int(r["id"]) >= 20]
    labels += [{"model": "late", "entity": "9", "time": "2024-01-10", "label": "no"}]
    status, _, answer = server.request("POST", "/v1/labels", {"labels": labels}, headers)
    assert (status, answer["joined"]) == (200, 41), answer
    server.stop()  # it tells of what others wrote once a second
    models = tm.ok("status", "--json").json["models"]
    assert [(m["answers"], m["labelled"]) for m in models] == [(60, 42)], models


def test_kills_neither_lose_nor_repeat_a_row(tm, serve):
    headers = sink_kills.make(tm, versions=2)
    server = serve()
    tm.ok("sink", "add", "scored", "--model", "late", "--read", "rows", "--to-csv", "scored", "--batch-rows", "150")
    rng = random.Random(3)
    n = 600
    sink_kills.push(server, headers, 0, n)

    def before_each(i):
        nonlocal n
        sink_kills.push(server, headers, n, 300)
        n += 300
        if rng.random() < 0.3 or i == 0:
            tm("model", "promote", f"late@{2 - i % 2}", "-q")  # the second one first, for the first has answered
        if rng.random() < 0.3:
            tm.ok("data", "compact", "-q")

    sink_kills.kill_some(tm, "scored", 20, seed=3, at_least=5, before_each=before_each)
    rows = sink_kills.read_files(tm.folder / "scored")
    sink_kills.check_rows(rows, n)
    sink_kills.check_answers(tm, rows)
    assert len({r["version"] for r in rows}) == 2
    assert sink_kills.count_logged(tm) == n
    assert tm.ok("sink", "show", "scored", "--json").json["rows"] == n


def test_the_daemon_runs_sinks_on_their_schedule(tm, serve):
    headers = sink_kills.make(tm)
    tm.write("tidemill.yaml", "sinks:\n  scored: {model: late, read: rows, write: {csv: scored}, every: 1s}\n")
    assert tm("check").code == 1 and "scored: new sink, applied" in tm.ok("apply").out and tm.ok("check")
    server = serve(command="run")
    sink_kills.push(server, headers, 0, 40)
    wait_until(lambda: tm.ok("sink", "show", "scored", "--json").json["rows"] == 40)
    server.process.kill()
    server.process.wait()
    server = serve(command="run")
    sink_kills.push(server, headers, 40, 30)
    show = lambda: tm.ok("sink", "show", "scored", "--json").json
    shown = wait_until(lambda: (now := show())["rows"] == 70 and now["next_at"] > now["last_run_at"] and now, show)  # its run has ended, too
    assert (shown["status"], shown["waiting"], shown["every_seconds"]) == ("ready", 0, 1)
    sink_kills.check_rows(sink_kills.read_files(tm.folder / "scored"), 70)


def test_a_sink_that_cannot_go_on_says_why(tm, serve):
    headers = sink_kills.make(tm)
    server = serve()
    sink_kills.push(server, headers, 0, 10)
    tm.write("blocked", "a file where the folder should be")
    tm.ok("sink", "add", "scored", "--model", "late", "--read", "rows", "--to-csv", "blocked")
    failed = tm("sink", "run", "scored")
    assert failed.code not in (0, 70) and "blocked" in failed.err
    shown = tm.ok("sink", "show", "scored", "--json").json
    assert shown["status"] == "stopped" and "blocked" in shown["error"]["message"] and shown["waiting"] == 10
    (tm.folder / "blocked").unlink()
    assert tm.ok("sink", "run", "scored", "--json").json["rows"] == 10
    assert tm.ok("sink", "show", "scored", "--json").json["status"] == "ready"
