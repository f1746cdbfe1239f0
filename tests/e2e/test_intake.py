# SPDX-License-Identifier: Apache-2.0
"""Sources from outside: every accepted row is there exactly once, whatever is killed meanwhile."""
import gzip
import http.client
import json
import random
import threading
import time

import pytest

from conftest import Server


def make_key(tm):
    return tm.ok("key", "create", "--role", "client", "--json").json["key"]


def push(server, key, source, body, kind="application/json", **headers):
    given = {"X-Api-Key": key, "Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
    status, _, answer = server.request("POST", f"/v1/sources/{source}/rows", body, given, timeout=30)
    return status, answer


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
    shown = tm.ok("data", "show", "orders", "--quarantine", "5", "--json").json
    assert (shown["rows"], shown["duplicates"], shown["quarantined"], shown["pending"]) == (1200, 100, 1, 1200)
    assert shown["lag_seconds"] < 60 and {c["name"]: c["type"] for c in shown["columns"]} == {"id": "int", "amount": "float", "land": "text", "late": "text"}
    assert shown["quarantine"][0]["row"] == 501 and shown["quarantine"][0]["bytes"] == "{" and shown["quarantine"][0]["reason"] == "malformed"
    before = tm.ok("data", "snapshot", "orders", "--json").json
    assert tm.ok("data", "compact", "--json").json["sources"] == [{"source": "orders", "rows": 1200}]
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
    assert (added["rows"], added["duplicates"], added["quarantined"], added["segments"]) == (3, 1, 1, 1)
    assert tm.ok("data", "add", "q", "--sql", "SELECT 2 * x AS y FROM 'a-1.csv'", "--json").json["rows"] == 2
    assert tm("data", "add", "b", "--files", "none-*.csv").code == 3
    assert tm("data", "add", "b", "--files", "a-*.csv", "--push").code == 2
    assert tm("data", "add", "b/c", "--push").code == 2
    assert [s["source"] for s in tm.ok("data", "ls", "--json").json["sources"]] == ["a", "q"]
    assert "a-*.csv" in tm.ok("data", "show", "a", "--json").json["from"]


class Pushers:
    """Clients that push ranges of ids until each was acknowledged, whatever happens to the server."""

    def __init__(self, port, key, n_rows, size, n_threads=4):
        self.port, self.key, self.size = port, key, size
        self.left = list(range(0, n_rows, size))
        random.Random(7).shuffle(self.left)
        self.lock, self.failures, self.retries = threading.Lock(), [], 0
        self.threads = [threading.Thread(target=self.run) for _ in range(n_threads)]
        for thread in self.threads:
            thread.start()

    def take(self):
        with self.lock:
            return self.left.pop() if self.left else None

    def run(self):
        while (start := self.take()) is not None:
            body = "".join(f'{{"id":{i},"x":{i % 97},"s":"row {i}"}}\n' for i in range(start, start + self.size))
            headers = {"X-Api-Key": self.key, "Content-Type": "application/x-ndjson"}
            if start % (2 * self.size):
                headers["Idempotency-Key"] = f"push-{start}"
            while True:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                try:
                    connection.request("POST", "/v1/sources/orders/rows", body, headers)
                    answer = connection.getresponse()
                    data = json.loads(answer.read())
                except (OSError, http.client.HTTPException, ValueError):
                    self.retries += 1
                    time.sleep(0.02)
                    continue
                finally:
                    connection.close()
                if answer.status == 200 and data["accepted"] + data["duplicates"] == self.size and data["quarantined"] == 0:
                    break
                if answer.status != 503:
                    self.failures.append((answer.status, data))
                    return

    def join(self):
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("n_rows, n_kills", [(100_000, 6)])
def test_kills_neither_lose_nor_repeat_a_row(tm, n_rows, n_kills):
    tm.ok("data", "add", "orders", "--push", "--key", "id")
    key = make_key(tm)
    server = Server(tm)
    pushers = Pushers(server.port, key, n_rows, 500)
    rng = random.Random(n_rows)
    for kill in range(n_kills):
        goal = len(pushers.left) * (n_kills - kill) / (n_kills - kill + 1)
        while len(pushers.left) > goal:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.02))
        server.process.kill()
        server.process.wait()
        server.log.close()
        if kill % 2:
            tm.ok("data", "compact")
        server = Server(tm, port=server.port)
    pushers.join()
    server.stop()
    assert not pushers.failures and pushers.retries > 0
    shown = tm.ok("data", "show", "orders", "--json").json
    assert shown["rows"] == n_rows and shown["quarantined"] == 0
    path = tm.ok("data", "snapshot", "orders", "--json").json["path"]
    counted = tm.ok("data", "add", "counted", "--sql", f"SELECT count(*) AS n, count(DISTINCT id) AS d, min(id) AS low, max(id) AS high, "
                    f"count(*) FILTER (x = id % 97 AND s = 'row ' || id) AS good FROM '{path}'", "--json")
    assert counted.code == 0
    snapshot = tm.ok("data", "snapshot", "counted", "--json").json["path"]
    rows = tm.ok("data", "profile", snapshot, "--json").json["columns"]
    assert [(c["name"], int(float(c["min"]))) for c in rows] == [("n", n_rows), ("d", n_rows), ("low", 0), ("high", n_rows - 1), ("good", n_rows)]
