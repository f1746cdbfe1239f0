#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Readings of databases, killed at any moment while rows with the last value keep coming: none lost, none twice.

usage: ./run campaign databases [--kills N] [--seed N]
"""
import argparse
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from conftest import Tidemill  # noqa: E402  pylint: disable=wrong-import-position
from duck import Duck  # noqa: E402  pylint: disable=wrong-import-position
from servers import MariaDb, Postgres  # noqa: E402  pylint: disable=wrong-import-position

ROWS = 100_000
MADE = {"postgres": "CREATE TABLE t AS SELECT i AS id, i / 700 AS at, md5(i::text) AS w FROM generate_series(1, {n}) i",
        "odbc": "CREATE TABLE t AS SELECT seq AS id, seq DIV 700 AS at, MD5(seq) AS w FROM seq_1_to_{n}"}
MORE = {"postgres": "INSERT INTO t SELECT {n} + i, (SELECT max(at) FROM t) + i / 60, 'new' FROM generate_series(1, 100) i",
        "odbc": "INSERT INTO t SELECT {n} + seq, (SELECT max(at) FROM t) + seq DIV 60, 'new' FROM seq_1_to_100"}


def has_each_once(tm, name, n):
    """Whether a source has the ids 1 to n and no row more."""
    path = tm.ok("data", "snapshot", name, "--json").json["path"]
    with Duck() as base:
        return base.query(f"SELECT (count(*) = {n} AND count(DISTINCT id) = {n} AND min(id) = 1 AND max(id) = {n})::int FROM '{path}'") == 1


class Case:
    """One kind of database, by a cursor or once."""

    def __init__(self, feed, server, words, rng):
        self.feed, self.server, self.words, self.rng = feed, server, words, rng
        self.n_killed = self.n_wrong = self.n_sources = 0

    def kill_one(self, tm, command, seconds):
        """Start a command and kill it within some seconds."""
        with subprocess.Popen([str(tm.program), "data", *command], cwd=tm.folder, env=tm.env, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            time.sleep(self.rng.uniform(0, seconds))
            process.send_signal(signal.SIGKILL)
        self.n_killed += process.returncode == -signal.SIGKILL

    def run(self, tm, n_kills):
        """Sources until so many readings were killed."""
        path = tm.write(f"{self.feed}.dsn", self.server.dsn())
        path.chmod(0o600)
        while self.n_killed < n_kills:
            self.server.sql("DROP TABLE IF EXISTS t")
            self.server.sql(MADE[self.feed].format(n=ROWS))
            name, n = f"{self.feed}{self.n_sources}", ROWS
            begin = time.monotonic()
            add = ["add", name, f"--{self.feed}", path.name, "--query", "t", *self.words]
            tm.ok("data", "add", f"{name}-whole", *add[2:])
            seconds = time.monotonic() - begin
            command = add
            for _ in range(min(10, n_kills - self.n_killed)):
                self.kill_one(tm, command, seconds)
                if tm("data", "show", name).code == 0:
                    command = ["pull", name]
                    if self.words:
                        self.server.sql(MORE[self.feed].format(n=n))
                        n += 100
            tm.ok("data", *command)
            self.n_sources += 1
            self.n_wrong += not has_each_once(tm, name, n)


def main():
    """Run all cases; a finding ends with an error."""
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    options = parser.parse_args()
    servers = {"postgres": Postgres(), "odbc": MariaDb()}
    n_wrong = 0
    try:
        for feed, server in servers.items():
            for words in (["--cursor", "at"], []):
                case, begin = Case(feed, server, words, random.Random(options.seed)), time.monotonic()
                with tempfile.TemporaryDirectory() as folder:
                    case.run(Tidemill(pathlib.Path(folder)), options.kills)
                print(f"databases {feed} {'by a cursor' if words else 'once'}: {case.n_killed} kills in {case.n_sources} sources, "
                      f"{time.monotonic() - begin:.0f} s, {case.n_wrong} findings, seed {options.seed}", flush=True)
                n_wrong += case.n_wrong
    finally:
        for server in servers.values():
            server.remove()
    sys.exit(1 if n_wrong else 0)


if __name__ == "__main__":
    main()
