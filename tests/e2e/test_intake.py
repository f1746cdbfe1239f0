# SPDX-License-Identifier: Apache-2.0
"""Sources from outside: every accepted row is there exactly once, whatever is killed meanwhile."""
import gzip
import json
import os
import random
import re

import pushers
from waits import wait_until


def make_key(tm):
    return tm.ok("key", "create", "--role", "client", "--json").json["key"]


def push(server, key, source, body, kind="application/json", **headers):
    given = {"X-Api-Key": key, "Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
    status, _, answer = server.request("POST", f"/v1/sources/{source}/rows", body, given)
    return status, answer


def metrics(tm, server):
    """The text for Prometheus, each of its lines well formed, each name described once."""
    key = tm.ok("key", "create", "--role", "viewer", "--json").json["key"]
    text = wait_until(lambda: (told := server.request("GET", "/metrics", headers={"X-Api-Key": key}))[0] == 200 and told[2]).decode()
    for line in text.splitlines():
        assert re.fullmatch(r"# (HELP|TYPE) [a-z_]+ .*|[a-z_]+(\{([a-z_]+=\"[^\"]*\",?)*\})? [-+0-9.eEInfNa]+", line), line
    types = re.findall(r"# TYPE (\S+) ", text)
    assert len(types) == len(set(types))
    return text


def test_a_source_from_add_to_train(tm, serve):
    tm.ok("data", "add", "orders", "--push", "--key", "id")
    again = tm("data", "add", "orders", "--push", "--json")
    assert again.code == 5 and "data show orders" in again.json["error"]["hint"]
    key, server = make_key(tm), serve()
    rng = random.Random(1)
    rows = [{"id": i, "amount": round(rng.uniform(1, 9), 2), "land": rng.choice(["NL", "BE", None])} for i in range(1200)]
    for row in rows:
        row["late"] = "yes" if row["amount"] + (row["land"] == "NL") > 5 else "no"
    assert push(server, key, "orders", {"rows": rows[:400]}) == (200, {"accepted": 400, "duplicates": 0, "quarantined": 0})
    lines = "\n".join(json.dumps(row) for row in rows[300:800])
    answer = {"accepted": 400, "duplicates": 100, "quarantined": 1}
    for _ in range(2):
        assert push(server, key, "orders", gzip.compress((lines + "\n{").encode()), "application/x-ndjson", Content_Encoding="gzip",
                    Idempotency_Key="part-2") == (200, answer)
    names = list(rows[0])
    text = ",".join(names) + "\n" + "".join(",".join("" if row[n] is None else str(row[n]) for n in names) + "\n" for row in rows[800:])
    assert push(server, key, "orders", text, "text/csv") == (200, {"accepted": 400, "duplicates": 0, "quarantined": 0})
    shown = tm.show("orders")
    assert (shown["rows"], shown["duplicates"], shown["quarantined"], shown["pending"]) == (1200, 100, 1, 1200)
    assert shown["lag_seconds"] < 60 and {c["name"]: c["type"] for c in shown["columns"]} == {"id": "int", "amount": "float", "land": "text", "late": "text"}
    assert shown["quarantine"][0]["row"] == 501 and shown["quarantine"][0]["bytes"] == "{" and shown["quarantine"][0]["reason"] == "malformed"
    text = metrics(tm, server)
    for line in ("rows_total{source=\"orders\"} 1200", "duplicates_total{source=\"orders\"} 100", "quarantined_total{source=\"orders\"} 1",
                 "pending_rows{source=\"orders\"} 1200", "failures{source=\"orders\"} 0", "status{source=\"orders\",status=\"ready\",error=\"\"} 1"):
        assert f"tidemill_source_{line}\n" in text, text
    assert 0 <= float(re.search(r'tidemill_source_lag_seconds{source="orders"} (.*)\n', text)[1]) < 60
    before = tm.ok("data", "snapshot", "orders", "--json").json
    left = tm.folder / ".tidemill" / "segments" / "orders" / "left.by.a.crash"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    os.utime(left, (1, 1))
    assert "1 file that no source needs" in tm("doctor").out
    compacted = tm.ok("data", "compact", "--json").json
    assert compacted["sources"] == [{"source": "orders", "rows": 1200, "removed": 0, "held_segments": 0, "blanked": 0}] and compacted["removed"] == {"files": 1, "bytes": 4}
    assert not left.exists()
    assert tm.ok("data", "snapshot", "orders", "--json").json == before
    listed = tm.ok("data", "ls", "--json").json["sources"]
    assert [(s["source"], s["rows"], s["pending"], s["segments"]) for s in listed] == [("orders", 1200, 0, 1)]
    trained = tm.ok("train", "--source", "orders", "--target", "late", "--learner", "linear", "--drop", "id", "--json").json
    assert trained["model"] == "orders" and trained["recipe"]["source"] == {"source": "orders"}
    assert tm.ok("model", "show", "orders@1", "--json").json["snapshot"] == before["snapshot"]
    assert tm("train", "--source", "order", "--target", "late").code == 3
    assert tm("train", "x.csv", "--source", "orders", "--target", "late").code == 2


def test_files_and_queries_are_read_before_add_returns(tm):
    tm.write("a-1.csv", "id,x\n1,1\n2,2\n")
    tm.write("a-2.csv", "id,x\n2,9\n3,3\n,4\n")
    added = tm.ok("data", "add", "a", "--files", "a-*.csv", "--key", "id", "--json").json
    assert (added["rows"], added["duplicates"], added["quarantined"], added["pending"]) == (3, 1, 1, 3)
    pulled = tm.ok("data", "pull", "a", "--json").json
    assert (pulled["schema"], pulled["accepted"], pulled["duplicates"]) == ("tidemill.data.pull/1", 0, 0)
    assert tm.ok("data", "add", "q", "--sql", "SELECT 2 * x AS y FROM 'a-1.csv'", "--json").json["rows"] == 2
    assert tm("data", "add", "b", "--files", "none-*.csv").code == 3
    assert tm("data", "add", "b", "--files", "a-*.csv", "--push").code == 2
    assert tm("data", "add", "b/c", "--push").code == 2
    assert [s["source"] for s in tm.ok("data", "ls", "--json").json["sources"]] == ["a", "q"]
    assert "a-*.csv" in tm.ok("data", "show", "a", "--json").json["from"]


def test_kills_neither_lose_nor_repeat_a_row(tm):
    killed = pushers.push_through_kills(tm, 100_000, 6, seed=1)
    assert killed.server == 6 and killed.retries > 0


def test_power_failures_neither_lose_nor_repeat_a_row(tmp_path):
    trace = pushers.record(tmp_path)
    points = pushers.crash_points(trace, seed=1, every=16)
    assert points.disks > 100 and points.failed == 0, points.output
    assert not re.search(r" 0 files of nobody", points.output), points.output
