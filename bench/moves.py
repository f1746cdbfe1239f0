#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Moves of a version under traffic: from the command to the last answer of the version that it takes away, and the server's memory over many reloads.

usage: bench/moves.py [RELOADS]     10,000 reloads when nothing is said, and a tenth as many swaps under load

Four connections ask without a pause and note the version of each answer with the time at which it came. A move's time is from the moment at which its
command is started (or its request sent) to the last answer of the old version. Cold is a version that is not resident and whose file is not in the page cache.
"""
import http.client
import itertools
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

from common import PROGRAM, free_port, report, run

N_RUNS = 21
N_ASKERS = 4
COLD_BYTES = 100 * 10 ** 6
FOREST_TREES = 125
REST_S = 6


def make_rows(path, n, n_columns):
    rng = random.Random(1)
    with open(path, "w", encoding="utf-8") as out:
        out.write(",".join(f"x{i}" for i in range(n_columns)) + ",y\n")
        for _ in range(n):
            row = [rng.random() for _ in range(n_columns)]
            out.write(",".join(f"{x:.5f}" for x in row) + f",{sum(row) + rng.gauss(0, 1):.5f}\n")


def train(folder, name, learner, *params):
    words = [w for p in params for w in ("--param", p)]
    run(PROGRAM, "train", "data.csv", "--target", "y", "--name", name, "--learner", learner, *words, "-q", cwd=folder)


class Server:
    def __init__(self, folder):
        self.port = free_port()
        self.process = subprocess.Popen([PROGRAM, "serve", "--listen", f"127.0.0.1:{self.port}", "-q"], cwd=folder, stderr=subprocess.DEVNULL)
        self.key = json.loads(run(PROGRAM, "key", "create", "--role", "admin", "--json", cwd=folder))["key"]
        while True:
            try:
                if self.call("GET", "/readyz")[0] == 200 and self.call("GET", "/v1/models")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def call(self, method, path, body=None, connection=None):
        connection = connection or self.connect()
        connection.request(method, path, None if body is None else json.dumps(body), {"X-Api-Key": self.key, "Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")

    def resident(self):
        """Bytes that the process holds; pages of files that it maps are not counted."""
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as f:
            return next(int(line.split()[1]) * 1024 for line in f if line.startswith("RssAnon"))

    def stop(self):
        self.process.terminate()
        assert self.process.wait() == 0


class Traffic:
    """Answers of a route as they come: (time, version)."""

    def __init__(self, server, model, row):
        self.server, self.model, self.row = server, model, row
        self.ends, self.failed, self.last = False, 0, {}
        self.threads = [threading.Thread(target=self.ask) for _ in range(N_ASKERS)]
        for t in self.threads:
            t.start()

    def ask(self):
        connection = self.server.connect()
        while not self.ends:
            status, value = self.server.call("POST", f"/v1/routes/{self.model}/predict", {"rows": [self.row]}, connection)
            if status == 200:
                self.last[value["version"]] = time.perf_counter()
            else:
                self.failed += 1

    def move(self, start, old, new):
        """Milliseconds from the start to the last answer of the old version, once the new one answers alone."""
        begun = time.perf_counter()
        start()
        while self.last.get(new, 0) < begun or time.perf_counter() - self.last[old] < 0.3:
            time.sleep(0.01)
            assert time.perf_counter() - begun < 30, "the new version does not answer"
        return 1000 * max(0.0, self.last[old] - begun)

    def stop(self):
        self.ends = True
        for t in self.threads:
            t.join()
        assert self.failed == 0, f"{self.failed} requests failed"


def bench_resident(folder, server, row):
    traffic = Traffic(server, "small", row)
    while 1 not in traffic.last:
        time.sleep(0.01)
    for how, back in (("over HTTP", lambda: server.call("POST", "/v1/models/small:rollback", {})),
                      ("by the command line", lambda: run(PROGRAM, "model", "rollback", "small", cwd=folder))):
        values = []
        for _ in range(N_RUNS):
            traffic.move(lambda: server.call("POST", "/v1/models/small:promote", {"version": 2}), 1, 2)
            values.append(traffic.move(back, 2, 1))
        report(f"rollback to a resident version, {how}", "ms", values, 1)
    traffic.stop()


def forget(folder):
    """Take the files of versions out of the page cache."""
    for path in (folder / ".tidemill" / "bundles").iterdir():
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def bench_cold(folder, row):
    """Of six versions the server has four at most, so each move in turn is to one that it has not. All were champion before, as those of rollbacks are."""
    for version in (2, 3, 4, 5, 6, 1):
        run(PROGRAM, "model", "promote", f"large@{version}", cwd=folder)
    server = Server(folder)
    traffic = Traffic(server, "large", row)
    while not traffic.last:
        time.sleep(0.01)
    for how, move in (("over HTTP", lambda v: server.call("POST", "/v1/models/large:promote", {"version": v})),
                      ("by the command line", lambda v: run(PROGRAM, "model", "promote", f"large@{v}", cwd=folder))):
        values = []
        for i in range(7):
            old = max(traffic.last, key=traffic.last.get)
            new = old % 6 + 1
            time.sleep(REST_S)  # what the server keeps ready besides is opened after a move
            forget(folder)
            values.append(traffic.move(lambda v=new: move(v), old, new))
        report(f"move to a cold version of {COLD_BYTES / 1e6:.0f} MB, {how}", "ms", values, 0)
    traffic.stop()
    server.stop()


def bench_swaps(folder, server, n, row):
    """Moves of every kind in turn, one after the other, while all ask: no request may fail, and none be answered by a version that was never live."""
    shadows = itertools.cycle((3, None))
    kinds = (lambda: server.call("POST", "/v1/models/small:promote", {"version": 2}), lambda: server.call("POST", "/v1/routes/small:shadow", {"version": next(shadows)}),
             lambda: server.call("POST", "/v1/routes/small:split", {"weights": {"2": 50, "4": 50}}), lambda: server.call("POST", "/v1/routes/small:split", {"weights": {"1": 80, "4": 20}}),
             lambda: server.call("POST", "/v1/models/small:rollback", {}), lambda: server.call("POST", "/v1/models/small:rollback", {}),
             lambda: (run(PROGRAM, "route", "rollout", "small@3", "--steps", "50,100", "--hold", "1h", "--rows", "1", cwd=folder), run(PROGRAM, "route", "rollout", "small", "--stop", cwd=folder)))
    n_files = lambda: len(os.listdir(f"/proc/{server.process.pid}/fd"))
    traffic = Traffic(server, "small", row)
    begun, marks = time.perf_counter(), {}
    for i in range(1, n + 1):
        answer = kinds[i % len(kinds) - 1]()
        assert i % len(kinds) == 0 or answer[0] == 200, answer
        if i in (max(1, n // 10), n):
            time.sleep(1.5)
            marks[i] = n_files()
    traffic.stop()  # none failed
    assert set(traffic.last) <= {1, 2, 3, 4}, traffic.last
    print(f"{n} swaps under load in {time.perf_counter() - begun:.0f} s: 0 failed, answered by {sorted(traffic.last)}; open files: "
          + ", ".join(f"{v} after {k}" for k, v in marks.items()), flush=True)


def bench_reloads(server, n, row):
    """Each of six versions in turn: four are resident at most, so each move loads one anew."""
    for _ in range(300):
        assert server.call("POST", "/v1/routes/small/predict", {"rows": [row]})[0] == 200
    time.sleep(1)
    connection = server.connect()
    marks = {}
    begun = time.perf_counter()
    for i in range(1, n + 1):
        status, value = server.call("POST", "/v1/models/small:promote", {"version": i % 6 + 1}, connection)
        assert status == 200, value
        if i in (max(1, n // 10), n // 2, n):
            time.sleep(1.5)  # what was replaced is let go once a second
            marks[i] = server.resident()
    took = time.perf_counter() - begun - 1.5 * len(marks)
    print(f"{n} reloads with 256 requests each, {1000 * took / n:.1f} ms each: " + ", ".join(f"{b / 1e6:.1f} MB after {i}" for i, b in marks.items()), flush=True)
    print(f"{'growth from a tenth of the reloads to all':<64} {'KB':<8} {(marks[n] - marks[max(1, n // 10)]) / 1e3:12.0f}", flush=True)


def main():
    n_reloads = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        make_rows(folder / "data.csv", 400, 4)
        for trees in range(5, 11):
            train(folder, "small", "gbdt", f"gbdt.n_trees={trees}")
        row = {f"x{i}": 0.5 for i in range(4)}
        server = Server(folder)
        bench_resident(folder, server, row)
        bench_swaps(folder, server, max(7, n_reloads // 10), row)
        bench_reloads(server, n_reloads, row)
        server.stop()
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        make_rows(folder / "data.csv", 40000, 4)
        for k in range(6):  # trees whose leaves are a few rows each
            train(folder, "large", "forest", f"forest.n_trees={FOREST_TREES + k}", "forest.min_rows_in_leaf=1", "forest.max_leaves=1000000")
        sizes = [p.stat().st_size for p in (folder / ".tidemill" / "bundles").iterdir()]
        print(f"six versions of {min(sizes) / 1e6:.0f} to {max(sizes) / 1e6:.0f} MB", flush=True)
        bench_cold(folder, row)


if __name__ == "__main__":
    main()
