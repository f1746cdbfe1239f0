# SPDX-License-Identifier: Apache-2.0
"""Clients that push keyed rows whatever happens to the server, and what must be there afterwards."""
import http.client
import json
import random
import re
import subprocess
import threading
import time

import conftest
import recorded


class Pushers:
    """Threads that push ranges of ids until each was acknowledged."""

    def __init__(self, port, key, n_rows, size, seed, n_threads=4):
        self.port, self.key, self.size = port, key, size
        self.left = list(range(0, n_rows, size))
        random.Random(seed).shuffle(self.left)
        self.lock, self.failures, self.retries = threading.Lock(), [], 0
        self.threads = [threading.Thread(target=self.run) for _ in range(n_threads)]
        for thread in self.threads:
            thread.start()

    def take(self):
        with self.lock:
            return self.left.pop() if self.left else None

    def push(self, start):
        """(status, answer), or None when there was none."""
        body = "".join(f'{{"id":{i},"x":{i % 97},"s":"row {i}"}}\n' for i in range(start, start + self.size))
        headers = {"X-Api-Key": self.key, "Content-Type": "application/x-ndjson"}
        if start // self.size % 2:
            headers["Idempotency-Key"] = f"push-{start}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("POST", "/v1/sources/orders/rows", body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()

    def run(self):
        while (start := self.take()) is not None:
            while (answer := self.push(start)) is None or answer[0] == 503:
                self.retries += 1
                time.sleep(0.02)
            if answer[0] != 200 or answer[1]["accepted"] + answer[1]["duplicates"] != self.size:
                self.failures.append(answer)
                return

    def join(self):
        for thread in self.threads:
            thread.join()


def push_through_kills(tm, n_rows, n_kills, seed):
    """Push rows while the server is killed so often; the number of pushes that were sent again. Every row must be there once."""
    tm.ok("data", "add", "orders", "--push", "--key", "id")
    key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    server = conftest.Server(tm)
    pushers = Pushers(server.port, key, n_rows, 500, seed)
    rng = random.Random(seed)
    for kill in range(n_kills):
        goal = len(pushers.left) * (n_kills - kill) / (n_kills - kill + 1)
        while len(pushers.left) > goal and not pushers.failures:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.02))
        server.process.kill()
        server.process.wait()
        server.log.close()
        if kill % 2:
            tm.ok("data", "compact")
        server = conftest.Server(tm, port=server.port)
    pushers.join()
    server.stop()
    assert not pushers.failures, pushers.failures
    shown = tm.ok("data", "show", "orders", "--json").json
    assert shown["rows"] == n_rows and shown["quarantined"] == 0, shown
    path = tm.ok("data", "snapshot", "orders", "--json").json["path"]
    tm.ok("data", "add", "counted", "--sql", "SELECT count(*) AS n, count(DISTINCT id) AS d, min(id) AS low, max(id) AS high, "
          f"count(*) FILTER (x = id % 97 AND s = 'row ' || id) AS good FROM '{path}'")
    rows = tm.ok("data", "profile", tm.ok("data", "snapshot", "counted", "--json").json["path"], "--json").json["columns"]
    counted = [(c["name"], int(float(c["min"]))) for c in rows]
    assert counted == [("n", n_rows), ("d", n_rows), ("low", 0), ("high", n_rows - 1), ("good", n_rows)], counted
    return pushers.retries


def record(folder, n_groups=12, group=20):
    """A recorded server that takes groups of rows, segments made meanwhile; path of the trace."""
    trace = folder / "trace"
    session = recorded.Session(folder, TM_DISK_TRACE=str(trace))
    assert session.run("data", "add", "orders", "--push", "--key", "id").code == 0
    key = session.tm.ok("key", "create", "--role", "client", "--json").json["key"]
    server = conftest.Server(session.tm)
    try:
        for number in range(n_groups):
            body = "".join(f'{{"id":{i}}}\n' for i in range(number * group, (number + 1) * group))
            headers = {"X-Api-Key": key, "Content-Type": "application/x-ndjson", "Idempotency-Key": f"k{number}"}
            status, _, answer = server.request("POST", "/v1/sources/orders/rows", body, headers)
            assert status == 200 and answer["accepted"] == group, answer
            session.mark(f"rows {(number + 1) * group}")
            if number % 5 == 3:
                assert session.run("data", "compact").code == 0
    finally:
        server.stop()
    return trace


def crash_points(trace, seed, every):
    """(points, failed, output) of the checks after each every-th change."""
    folder = trace.parent / "failed"
    folder.mkdir(exist_ok=True)
    env = recorded.conftest.Tidemill(folder).env
    env["TIDEMILL_DUCKDB"] = str(conftest.ROOT / "third_party" / "duckdb" / "libduckdb.so")
    done = subprocess.run([recorded.BUILT / "intake_points", trace, folder, str(seed), str(every)], env=env, capture_output=True, text=True, check=True)
    points, failed = re.search(r"(\d+) crash points .*: (\d+) failed", done.stdout).groups()
    return int(points), int(failed), done.stdout
