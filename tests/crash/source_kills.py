#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon with sources of four kinds, killed at any moment while writers go on: each row accepted once, each bad row counted once.

usage: ./run campaign sources [--kills N] [--seed N]

`tidemill run` reads a watched folder, a file of SQLite and a table of PostgreSQL, both by a cursor, and takes pushes of rows with keys, which
their clients repeat until they are acknowledged. A kill takes the daemon, the process that starts its children (then the daemon ends by itself), or
one of the children, which the daemon starts again.
"""
import argparse
import collections
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import conftest  # noqa: E402  pylint: disable=wrong-import-position
from duck import Duck  # noqa: E402  pylint: disable=wrong-import-position
from servers import Postgres  # noqa: E402  pylint: disable=wrong-import-position

BAD_EVERY = 50  # of files, pushes and SQLite: every row with such an id has a value that is no number; of PostgreSQL, one against a rule


def is_bad(i):
    """Whether row i of a source goes to quarantine."""
    return i > 0 and i % BAD_EVERY == 7


def start_time(pid):
    """When a process began, which with its id tells it from all others, and its state; (None, "") when it is gone."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return None, ""
    return fields[19], fields[0]


def kill_alive(pid):
    """Kill a process that is at work; False when it had ended before. It is stopped first: what is stopped has not ended and cannot end."""
    began, state = start_time(pid)
    if began is None or state in "ZX":
        return False
    try:
        os.kill(pid, signal.SIGSTOP)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            again, state = start_time(pid)
            if again != began or state in "ZX":
                return False
            if state == "T":
                os.kill(pid, signal.SIGKILL)
                return True
            time.sleep(0.0005)
    except ProcessLookupError:
        return False
    raise AssertionError(f"process {pid} does not stop")


def csv_rows(first, n):
    """Lines of a file."""
    return "id,v,w\n" + "".join(f"{i},{'bad' if is_bad(i) else i % 97},row {i}\n" for i in range(first, first + n))


def json_rows(first, n):
    """Lines of a push."""
    return "".join(json.dumps({"id": i, "v": "bad" if is_bad(i) else i % 97, "w": f"row {i}"}) + "\n" for i in range(first, first + n))


class Writer(threading.Thread):
    """Calls write(first, n) again and again until it is told to stop; n_rows were written then."""

    def __init__(self, write, seed, pause):
        super().__init__()
        self.write, self.rng, self.pause = write, random.Random(seed), pause
        self.n_rows, self.failure, self.must_stop = 0, None, threading.Event()

    def run(self):
        try:
            while not self.must_stop.is_set():
                n = self.rng.randrange(1, 400)
                self.write(self.n_rows, n)
                self.n_rows += n
                time.sleep(self.rng.uniform(0, self.pause))
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.failure = error


class Case:
    """A home with the four sources, and the daemon."""

    def __init__(self, folder, postgres):
        self.tm, self.postgres = conftest.Tidemill(folder), postgres
        self.killed, self.retries = collections.Counter(), 0
        self.base = sqlite3.connect(folder / "rows.db", check_same_thread=False)
        self.base.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, v INTEGER, w TEXT)")
        self.postgres.sql("CREATE TABLE t(id bigint PRIMARY KEY, at bigint NOT NULL, v bigint, w text)")
        self.tm.write("like.csv", "id,v,w\n" + "".join(f"{-i},{i},row {i}\n" for i in range(1, 100)))
        self.write_sqlite(-100, 100)
        self.write_postgres(-100, 100)
        (folder / "in").mkdir()
        self.write_file(-100, 100)
        self.tm.write("pg.dsn", postgres.dsn()).chmod(0o600)
        time.sleep(2.1)  # a file that stood still for that long is taken
        self.tm.ok("data", "add", "folder", "--watch", "in", "--key", "id", "--every", "1s", "--policy", "unit_change=accept")
        self.tm.ok("data", "add", "sqlite", "--sqlite", "rows.db", "--query", "t", "--cursor", "at", "--every", "1s")
        self.tm.ok("data", "add", "postgres", "--postgres", "pg.dsn", "--query", "t", "--cursor", "at", "--every", "1s",
                   "--expect", "sound: v >= 0")
        self.tm.ok("data", "add", "pushed", "--push", "--key", "id", "--like", "like.csv", "--policy", "unit_change=accept")  # a push may have few rows
        self.key = self.tm.ok("key", "create", "--role", "client", "--json").json["key"]
        self.server = conftest.Server(self.tm, command="run")
        self.writers = {}

    def write_file(self, first, n):
        """A file under another name, then renamed."""
        path = self.tm.write(f"in/{first + 1000:09}.csv.part", csv_rows(first, n))
        path.rename(path.with_suffix(""))

    def write_sqlite(self, first, n):
        """Rows in one transaction; some share the value of the cursor with those that came before."""
        with self.base:
            self.base.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", ((i, i // 300, "bad" if is_bad(i) else i % 97, f"row {i}") for i in range(first, first + n)))

    def write_postgres(self, first, n):
        """The same in PostgreSQL, whose columns hold no other types: a bad row is one against a rule."""
        self.postgres.sql(f"INSERT INTO t SELECT i, floor(i / 300.0), CASE WHEN i > 0 AND i % {BAD_EVERY} = 7 THEN -1 ELSE ((i % 97) + 97) % 97 END, "
                          f"'row ' || i FROM generate_series({first}, {first + n - 1}) i")

    def push(self, first, n):
        """Push until it is acknowledged."""
        headers = {"X-Api-Key": self.key, "Content-Type": "application/x-ndjson", "Idempotency-Key": f"push-{first}"}
        for _ in range(10_000):
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
            try:
                connection.request("POST", "/v1/sources/pushed/rows", json_rows(first, n), headers)
                answer = connection.getresponse()
                status, text = answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                status = 503
            finally:
                connection.close()
            if status != 503:
                assert status == 200, (status, text)
                return
            self.retries += 1
            time.sleep(0.02)
        raise AssertionError("the daemon takes no push")

    def children(self):
        """(supervisor, its children) of the daemon: process ids."""
        def of(pid):
            try:
                return list(map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()))
            except OSError:
                return []
        found = of(self.server.process.pid)
        return (found[0], of(found[0])) if found else (None, [])

    def log(self):
        """The end of what the daemon said."""
        return (self.tm.folder / f"server-{self.server.port}.log").read_text(encoding="utf-8")[-2000:]

    def restart(self):
        """The daemon again, at its old port."""
        self.server.log.close()
        self.server = conftest.Server(self.tm, command="run", port=self.server.port)

    def kill(self, rng):
        """One kill at a random moment."""
        time.sleep(rng.uniform(0, 1.2))
        what = rng.choice(("daemon", "child", "child", "starter"))
        supervisor, children = self.children()
        end = time.monotonic() + 10
        while what == "child" and not children and time.monotonic() < end:
            time.sleep(0.001)
            supervisor, children = self.children()
        if what == "child":
            time.sleep(rng.uniform(0, 0.05))
            if not children or not kill_alive(rng.choice(children)):
                return  # it ended before
        elif what == "starter":
            assert supervisor is not None and kill_alive(supervisor), f"the daemon has no starter: {self.log()}"
            code = self.server.process.wait(timeout=15)
            assert code == 6, f"a daemon without its starter ends with {code}"
            self.restart()
        else:
            self.server.process.kill()
            code = self.server.process.wait()
            assert code == -signal.SIGKILL, f"the daemon ended by itself with {code}: {self.log()}"
            self.restart()
        self.killed[what] += 1

    def run(self, n_kills, seed):
        """Kill that often while rows come, then let all rows come."""
        rng = random.Random(seed)
        writes = {"folder": (self.write_file, 0.5), "sqlite": (self.write_sqlite, 0.3), "postgres": (self.write_postgres, 0.3),
                  "pushed": (self.push, 0.1)}
        self.writers = {name: Writer(write, seed + i, pause) for i, (name, (write, pause)) in enumerate(writes.items())}
        for writer in self.writers.values():
            writer.start()
        try:
            while sum(self.killed.values()) < n_kills and not any(w.failure for w in self.writers.values()):
                self.kill(rng)
        finally:
            for writer in self.writers.values():
                writer.must_stop.set()
            for writer in self.writers.values():
                writer.join()
        for name, writer in self.writers.items():
            assert writer.failure is None, f"the writer of {name}: {writer.failure}"

    def wanted(self, name):
        """(rows, quarantined) that a source must have in the end."""
        first, last = (0 if name == "pushed" else -100), self.writers[name].n_rows
        n_bad = sum(map(is_bad, range(first, last)))
        return last - first - n_bad, n_bad

    def shown(self, name):
        """(rows, quarantined) that it has."""
        shown = self.tm.ok("data", "show", name, "--json").json
        return shown["rows"], shown["quarantined"]

    def check(self, seconds=30):
        """What is wrong in the end, a line each."""
        end, found = time.monotonic() + seconds, []
        while time.monotonic() < end and any(self.shown(name) != self.wanted(name) for name in self.writers):
            time.sleep(0.5)
        assert self.server.stop() == 0
        for name in self.writers:
            want, have = self.wanted(name), self.shown(name)
            if want != have:
                found.append(f"{name}: (rows, quarantined) are {have}, not {want}: {self.tm.ok('data', 'show', name).out}")
            path = self.tm.folder / self.tm.ok("data", "snapshot", name, "--json").json["path"]
            with Duck() as duck:
                n_good = duck.query(f"SELECT count(DISTINCT id) FROM '{path}' WHERE v = (id % 97 + 97) % 97 AND w = 'row ' || id")
                n_rows = duck.query(f"SELECT count(*) FROM '{path}'")
            if (n_good, n_rows) != (want[0], want[0]):
                found.append(f"{name}: {n_rows:.0f} rows, {n_good:.0f} right and different, of {want[0]}")
        return found

    def end(self):
        """Leave nothing behind."""
        self.base.close()
        if self.server.process.poll() is None:
            self.server.process.kill()
            self.server.process.wait()


def main():
    """Run it; a finding ends with an error."""
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    options = parser.parse_args()
    begin, postgres, folder = time.monotonic(), Postgres(), pathlib.Path(tempfile.mkdtemp(prefix="tidemill-sources-"))
    try:
        case = Case(folder, postgres)
        try:
            case.run(options.kills, options.seed)
            found = case.check()
        except (AssertionError, subprocess.TimeoutExpired) as error:
            found = [str(error)]
        finally:
            case.end()
    finally:
        postgres.remove()
    killed = ", ".join(f"{n} of a {what}" for what, n in sorted(case.killed.items()))
    rows = ", ".join(f"{name} {writer.n_rows}" for name, writer in case.writers.items())
    print(f"sources: kills: {killed}; rows: {rows}; {case.retries} pushes repeated, {time.monotonic() - begin:.0f} s, {len(found)} findings, "
          f"seed {options.seed}", flush=True)
    for line in found:
        print(f"FINDING {line}")
    if found:
        print(f"    its home is kept: {folder}\n    ./run campaign sources --kills {options.kills} --seed {options.seed}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
