# SPDX-License-Identifier: Apache-2.0
"""Parquet in the body of a push: a child reads it, the server stays whole whatever the file is."""
import concurrent.futures
import http.client
import json
import os
import pathlib
import signal
import threading

import duck
import parquet_lies
from waits import wait_until

KIND = "application/vnd.apache.parquet"


def parquet(tm, select, options="FORMAT parquet"):
    path = tm.folder / "made.parquet"
    with duck.Duck() as db:
        db.query(f"COPY ({select}) TO '{path}' ({options})")
    return path.read_bytes()


def start(tm, serve, *key, **options):
    tm.ok("data", "add", "s", "--push", *key)
    token = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    server = serve(**options)

    def push(body, kind=KIND, source="s", **headers):
        given = {"X-Api-Key": token, "Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
        status, _, answer = server.request("POST", f"/v1/sources/{source}/rows", body, given)
        return status, answer
    return server, push


def nothing_left(tm):
    return not list((tm.folder / ".tidemill" / "tmp").glob("push-*")) and not list((tm.folder / ".tidemill").glob("*/push-*"))


def test_rows_go_the_way_of_all_others(tm, serve):
    server, push = start(tm, serve, "--key", "id")
    body = parquet(tm, "SELECT range::BIGINT AS id, range / 4 AS x, 'l' || range % 3 AS land, DATE '2024-01-01' + range::INT AS day FROM range(1000)")
    whole = {"accepted": 1000, "duplicates": 0, "quarantined": 0}
    for _ in range(2):
        assert push(body, Idempotency_Key="one") == (200, whole)
    assert push(body, "application/x-parquet") == (200, {"accepted": 0, "duplicates": 1000, "quarantined": 0})
    other = parquet(tm, "SELECT CASE WHEN range = 3 THEN NULL ELSE range + 999 END AS id, 'x' AS x FROM range(5)")
    status, answer = push(other, Idempotency_Key="one")
    assert status == 409, answer
    assert push(other) == (200, {"accepted": 0, "duplicates": 0, "quarantined": 5})  # a text in a column of numbers
    mixed = parquet(tm, "SELECT CASE WHEN range = 3 THEN NULL ELSE range + 999 END AS id, 0.5::DOUBLE AS x FROM range(5)")
    assert push(mixed) == (200, {"accepted": 3, "duplicates": 1, "quarantined": 1})
    shown = tm.show("s")
    assert shown["rows"] == 1003 and [c["type"] for c in shown["columns"]] == ["int", "float", "text", "date"]
    reasons = sorted((row["row"], row["reason"]) for row in shown["quarantine"])
    assert (4, "null_key") in reasons and all(row["bytes"].startswith("{") for row in shown["quarantine"])
    assert push(body, source="none")[0] == 404
    assert push(body[:-1])[0] == 400 and push(b"PAR1" * 3)[0] == 400 and push(b"")[0] == 400
    assert push(parquet(tm, "SELECT range AS id FROM range(100001)"))[0] == 413
    assert nothing_left(tm) and server.stop() == 0


def test_values_that_no_type_holds_keep_out_their_rows_alone(tm, serve):
    server, push = start(tm, serve)
    body = parquet(tm, "SELECT CASE WHEN range = 3 THEN (-9223372036854775808)::BIGINT ELSE range END AS id, "
                   "CASE WHEN range = 5 THEN repeat('x', 2000000) ELSE 'a' END AS t FROM range(3000)")
    assert push(body) == (200, {"accepted": 2998, "duplicates": 0, "quarantined": 2})
    assert sorted((row["row"], row["reason"]) for row in tm.show("s")["quarantine"]) == [(4, "wrong_type"), (6, "too_large")]
    assert nothing_left(tm) and server.stop() == 0


def test_hostile_files_are_errors_and_the_server_goes_on(tm, serve):
    server, push = start(tm, serve)
    good = parquet(tm, "SELECT range::BIGINT AS a, range % 7 + 0.5 AS b, 'x' || range % 3 AS t FROM range(5000)")
    assert push(good) == (200, {"accepted": 5000, "duplicates": 0, "quarantined": 0})
    want = tm.ok("data", "snapshot", "s", "--json").json["snapshot"]
    n_refused = 0
    for number, (name, change) in enumerate(parquet_lies.LIES.items()):
        tm.ok("data", "add", f"s{number}", "--push")
        status, answer = push(parquet_lies.with_footer(good, change), source=f"s{number}")
        if status == 200:  # a lie that does no harm
            assert tm.ok("data", "snapshot", f"s{number}", "--json").json["snapshot"] == want, name
            continue
        n_refused += 1
        assert status in (400, 413) and answer["hint"] and str(tm.folder) not in json.dumps(answer), (name, answer)
    assert n_refused >= 10
    bomb = parquet(tm, "SELECT repeat('x', 1000000) AS t FROM range(2100)", "FORMAT parquet, COMPRESSION zstd")
    assert len(bomb) < 10_000
    status, answer = push(bomb)
    assert status == 413, answer
    assert push(b"PAR1" + os.urandom(5000) + b"PAR1")[0] == 400
    assert nothing_left(tm)
    assert push(good) == (200, {"accepted": 5000, "duplicates": 0, "quarantined": 0})
    assert tm.show("s")["rows"] == 10000 and server.stop() == 0


def readers(server):
    """Process ids of the children that read Parquet."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"parquet-rows" in words and str(server.tm.folder).encode() in b" ".join(words):
            found.append(int(entry.parent.name))
    return found


def test_a_reader_that_is_killed_and_a_server_that_ends(tm, serve):
    server, push = start(tm, serve)
    server.tm = tm
    slow = parquet(tm, "SELECT repeat('x', 1000000) AS t FROM range(2100)", "FORMAT parquet, COMPRESSION zstd")
    for end in ("reader", "server"):
        answers = []

        def send(answers=answers):
            try:
                answers.append(push(slow))
            except http.client.RemoteDisconnected:  # a server that ends has so much time for what is under way, and no more
                answers.append((0, None))

        thread = threading.Thread(target=send)
        thread.start()
        pids = wait_until(lambda: readers(server))
        if end == "reader":
            os.kill(pids[0], signal.SIGKILL)
            thread.join()
            assert answers[0][0] == 400 and "ended its reader (signal 9)" in answers[0][1]["detail"], answers
            assert push(parquet(tm, "SELECT 'x' AS t"))[0] == 200
        else:
            assert server.stop() == 0
            thread.join()
            assert not readers(server) and nothing_left(tm) and answers[0][0] in (413, 503, 0), answers
    assert tm.show("s")["rows"] == 1


def test_pushes_at_once_are_each_whole_or_asked_to_wait(tm, serve):
    server, push = start(tm, serve, "--key", "id")
    bodies = [parquet(tm, f"SELECT range + {1000 * i} AS id FROM range(2000)") for i in range(8)]

    def until_taken(body):
        def taken():
            status, answer = push(body)
            assert status in (200, 503), answer
            return status == 200 and answer
        return wait_until(taken)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(until_taken, bodies))
    assert sum(a["accepted"] for a in answers) == 9000 and sum(a["duplicates"] for a in answers) == 7000
    assert tm.show("s")["rows"] == 9000 and nothing_left(tm) and server.stop() == 0
