# SPDX-License-Identifier: Apache-2.0
"""Clients that push keyed rows whatever happens to the server, and what must be there afterwards."""
import collections
import contextlib
import http.client
import json
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time

import conftest
import recorded
from waits import PATIENCE_S, wait_until


KILL_BAD = 3  # bad rows in each push that has an idempotency key
Kills = collections.namedtuple("Kills", "server compactions retries runs")


class Pushers:
    """Threads that push ranges of ids until each was acknowledged."""

    def __init__(self, server, key, n_rows, size, seed, n_threads=4):
        self.server, self.port, self.key, self.n_rows, self.size = server, server.port, key, n_rows, size
        self.left = list(range(0, n_rows, size))
        random.Random(seed).shuffle(self.left)
        self.lock, self.failures, self.retries, self.must_stop = threading.Lock(), [], 0, threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(n_threads)]
        for thread in self.threads:
            thread.start()

    def take(self):
        with self.lock:
            return self.left.pop() if self.left else None

    def is_marked(self, start):
        """Whether a push has an idempotency key and bad rows; the other ones go by the keys of their rows alone."""
        return start // self.size % 2 == 1

    def n_bad(self):
        """Bad rows of all pushes."""
        return sum(KILL_BAD for start in range(0, self.n_rows, self.size) if self.is_marked(start))

    def push(self, start):
        """(status, answer), or None when there was none."""
        body = "".join(f'{{"id":{i},"x":{i % 97},"s":"row {i}"}}\n' for i in range(start, min(start + self.size, self.n_rows)))
        headers = {"X-Api-Key": self.key, "Content-Type": "application/x-ndjson"}
        if self.is_marked(start):
            headers["Idempotency-Key"] = f"push-{start}"
            body += "".join(f'{{"id":{start + i},"x":"bad","s":"bad row {i}"}}\n' for i in range(KILL_BAD))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("POST", "/v1/sources/orders/rows", body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()

    def run(self):
        while not self.must_stop.is_set() and (start := self.take()) is not None:
            while ((answer := self.push(start)) is None or answer[0] == 503) and not self.must_stop.is_set():
                with self.lock:
                    self.retries += 1
                time.sleep(0.02)
            size, bad = min(self.size, self.n_rows - start), KILL_BAD if self.is_marked(start) else 0
            if answer is None or answer[0] != 200 or answer[1]["accepted"] + answer[1]["duplicates"] != size or answer[1]["quarantined"] != bad:
                self.failures.append((start, answer))
                return

    def join(self):
        for thread in self.threads:
            thread.join()


def kill_compaction(tm, rng):
    """Start making a segment and kill it; whether it was still at work."""
    process = tm.popen([str(tm.program), "data", "compact"], cwd=tm.folder, env=tm.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    time.sleep(rng.uniform(0, 0.1))
    process.kill()
    return process.wait() == -signal.SIGKILL  # else it ended before


def kill_servers(tm, pushers, n_kills, rng):
    """Kill the server so often while rows are pushed, some times a compaction too; (kills, compactions killed)."""
    n_killed = n_compactions = 0
    server = pushers.server
    n_pushes = len(pushers.left)
    for kill in range(n_kills):
        goal = n_pushes * (n_kills - kill) / (n_kills + 1)
        while len(pushers.left) > goal and not pushers.failures:
            assert server.process.poll() is None, f"the server ended by itself with {server.process.returncode}"
            time.sleep(0.002)
        if kill % 3 == 1:
            n_compactions += kill_compaction(tm, rng)
        time.sleep(rng.uniform(0, 0.02))
        server.process.kill()
        code = server.process.wait()
        assert code == -signal.SIGKILL, f"the server ended by itself with {code}"
        n_killed += 1
        server.log.close()
        if kill % 3 == 2:
            tm.ok("data", "compact")
        server = pushers.server = conftest.Server(tm, port=server.port)
    return n_killed, n_compactions


def check_pushed(tm, n_rows, n_bad):
    """Every row is there once and as it was sent, every bad row once in quarantine."""
    shown = tm.ok("data", "show", "orders", "--json").json
    assert (shown["rows"], shown["quarantined"]) == (n_rows, n_bad), shown
    path = tm.ok("data", "snapshot", "orders", "--json").json["path"]
    tm.ok("data", "add", "counted", "--sql", "SELECT count(*) AS n, count(DISTINCT id) AS d, min(id) AS low, max(id) AS high, "
          f"count(*) FILTER (x = id % 97 AND s = 'row ' || id) AS good FROM '{path}'")
    rows = tm.ok("data", "profile", tm.ok("data", "snapshot", "counted", "--json").json["path"], "--json").json["columns"]
    counted = [(c["name"], int(float(c["min"]))) for c in rows]
    assert counted == [("n", n_rows), ("d", n_rows), ("low", 0), ("high", n_rows - 1), ("good", n_rows)], counted


def push_through_kills(tm, n_rows, n_kills, seed):
    """Push rows while the server is killed so often, check them, and say what was killed; AssertionError when anything is wrong."""
    tm.write("like.csv", "id,x,s\n1,1,row\n")
    tm.ok("data", "add", "orders", "--push", "--key", "id", "--like", "like.csv")
    hold_few_keys(tm, "orders", max(1, n_rows // 40))
    key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    pushers = Pushers(conftest.Server(tm), key, n_rows, 500, seed)
    try:
        n_killed, n_compactions = kill_servers(tm, pushers, n_kills, random.Random(seed))
        pushers.join()
        assert not pushers.failures, pushers.failures
        assert pushers.server.stop() == 0
    finally:
        pushers.must_stop.set()
        pushers.server.process.kill()
        pushers.server.process.wait()
        pushers.join()
    assert n_killed == n_kills
    check_pushed(tm, n_rows, pushers.n_bad())
    runs = list((tm.folder / ".tidemill" / "keys" / "orders").glob("*.keys"))
    assert runs, "no file of keys was made"
    return Kills(n_killed, n_compactions, pushers.retries, len(runs))


# ---- A session whose disk is recorded; tests/crash/intake_points.c knows what its clients send ----

CLIENTS, PUSH_ROWS, PUSH_BAD, CLIENT_IDS, WIDE_FROM = 3, 10, 2, 100_000, 8  # as there
RECENT_KEYS = 25  # keys in memory before they become a file; eight files become one


def recorded_row(client, push, i):
    """Row i of a push; of every third push the last two are bad."""
    number = client * CLIENT_IDS + push * PUSH_ROWS + i
    if push % 3 == 2 and i >= PUSH_ROWS - PUSH_BAD:
        return {"id": number, "x": "bad", "s": f"row {number}"}
    wide = {"wide": number % 5} if push >= WIDE_FROM else {}
    return {"id": number, "x": number % 7, "s": f"row {number}", **wide}


class RecordedClient(threading.Thread):
    """Sends one push after the other and marks each in the trace when it is acknowledged; some it sends again."""

    def __init__(self, session, server, key, number, n_pushes):
        super().__init__()
        self.session, self.server, self.key, self.number, self.n_pushes = session, server, key, number, n_pushes
        self.n_segments, self.failure = 0, None  # segments that were made so far

    def send(self, push):
        """(status, answer) of a push."""
        body = "".join(json.dumps(recorded_row(self.number, push, i), separators=(",", ":")) + "\n" for i in range(PUSH_ROWS))
        headers = {"X-Api-Key": self.key, "Content-Type": "application/x-ndjson"}
        if push % 3:
            headers["Idempotency-Key"] = f"c{self.number}-p{push}"
        status, _, answer = self.server.request("POST", "/v1/sources/orders/rows", body, headers)
        return status, answer

    def run(self):
        try:
            for push in range(self.n_pushes):
                wait_until(lambda least=push // 5: self.n_segments >= least, lambda: "no segment is made")
                bad = PUSH_BAD if push % 3 == 2 else 0
                taken = (200, {"accepted": PUSH_ROWS - bad, "duplicates": 0, "quarantined": bad})
                answer = self.send(push)
                self.session.mark(f"acked {self.number} {push + 1}")
                assert answer == taken, (push, answer)
                again = push // 2  # with an idempotency key the same answer, without one all are duplicates
                if push % 4 == 3:
                    bad = PUSH_BAD if again % 3 == 2 else 0
                    want = {"accepted": PUSH_ROWS - bad, "duplicates": 0, "quarantined": bad} if again % 3 else {
                        "accepted": 0, "duplicates": PUSH_ROWS, "quarantined": 0}
                    answer = self.send(again)
                    assert answer == (200, want), (again, answer)
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.failure = error


def hold_few_keys(tm, source, n):
    """A source that holds at most so many keys in memory, so that a test has files of keys."""
    with contextlib.closing(sqlite3.connect(tm.folder / ".tidemill" / "intake.db")) as base, base:
        base.execute("UPDATE sources SET spec = json_set(spec, '$.recent_keys', ?) WHERE name = ?", (n, source))


def mend(session):
    """Every row in quarantine is mended and given back."""
    path = session.inputs / "bad.jsonl"
    assert session.run("data", "quarantine", "orders", "-o", path).code == 0
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        line["value"]["x"] = line["value"]["id"] % 7
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    session.mark("mending")
    replayed = session.run("data", "replay", "orders", "--file", path, "--json")
    assert replayed.code == 0 and replayed.json["accepted"] == len(lines) > 0, (replayed.out, replayed.err)
    session.mark("mended")


def record(folder, n_pushes=14):
    """
    Clients push beside each other to a server on a recorded disk, while segments and files of keys are made; then bad rows are mended.
    The trace is folder/trace, and folder/start the disk before it.
    """
    trace = folder / "trace"
    session = recorded.Session(folder / "session", TM_DISK_TRACE=str(folder / "unused"))
    assert session.run("data", "add", "orders", "--push", "--key", "id").code == 0
    hold_few_keys(session.tm, "orders", RECENT_KEYS)
    key = session.tm.ok("key", "create", "--role", "client", "--json").json["key"]
    shutil.copytree(session.folder, folder / "start")
    session.tm.env["TM_DISK_TRACE"] = str(trace)
    server = conftest.Server(session.tm)
    try:
        clients = [RecordedClient(session, server, key, number, n_pushes) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        while any(client.is_alive() for client in clients):
            done = session.run("data", "compact", "--json")
            assert done.code == 0, done.err
            for client in clients:
                client.n_segments += sum(source["rows"] > 0 for source in done.json["sources"])
        for client in clients:
            client.join()
            assert client.failure is None, client.failure
        assert session.run("data", "add", "refunds", "--push", "--key", "id").code == 0
        session.mark("added")
    finally:
        server.stop()
    mend(session)
    shown = session.tm.ok("data", "show", "orders", "--json").json
    assert shown["rows"] == CLIENTS * n_pushes * PUSH_ROWS and shown["quarantined"] == 0, shown
    with contextlib.closing(sqlite3.connect(session.folder / ".tidemill" / "intake.db")) as base:
        assert base.execute("SELECT max(level) FROM runs").fetchone()[0] >= 1, "no files of keys became one"
    return trace


Points = collections.namedtuple("Points", "checked disks failed output")


def crash_points(trace, seed, seeds=1, first=1, every=1):
    """Checks after power failures at changes first, first + every, ...: how many, on how many different disks, how many failed."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        env = conftest.Tidemill(pathlib.Path(folder)).env
        env["TIDEMILL_DUCKDB"] = str(conftest.ROOT / "third_party" / "duckdb" / "libduckdb.so")
        words = [recorded.BUILT / "intake_points", trace, trace.parent / "start", folder, seed, seeds, first, every]
        done = subprocess.run(list(map(str, words)), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    summary = re.search(r"^(\d+) points checked on (\d+) different disks, .*: (\d+) failed", done.stdout, re.M)
    assert done.returncode == 0 and summary, f"intake_points ends with {done.returncode}:\n{done.stdout}"
    return Points(*map(int, summary.groups()), done.stdout)
