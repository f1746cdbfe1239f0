#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sinks against kills: each row is written and logged once.

usage: sinks.py [--kills N] [--seed N]

Three sinks, N kills each: rows that are pushed meanwhile to CSV files and to a table of PostgreSQL, a third of the kills taking the server of
the table, and a table that changes meanwhile to a table. Versions are promoted in between.
"""
import argparse
import pathlib
import random
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import conftest  # noqa: E402
import servers  # noqa: E402
import sink_kills  # noqa: E402

COLUMNS = "id, prediction, probability, prediction_id, model, version, scored_at"


def read_table(postgres):
    """The rows of the table of scores."""
    lines = postgres.sql(f"SELECT {COLUMNS} FROM scores").splitlines()
    return [dict(zip(COLUMNS.split(", "), line.split("|"))) for line in lines]


class Pushes:
    """Rows that come before each run, and versions that change places."""

    def __init__(self, tm, server, headers, seed):
        self.tm, self.server, self.headers, self.rng, self.n = tm, server, headers, random.Random(seed), 0

    def more(self, i):
        """Before the i-th run."""
        n = self.rng.randrange(1, 600)
        sink_kills.push(self.server, self.headers, self.n, n)
        self.n += n
        if self.rng.random() < 0.3:
            self.tm("model", "promote", f"late@{1 + i % 2}", "-q")
        if self.rng.random() < 0.2:
            self.tm.ok("data", "compact", "-q")


def to_files(folder, options):
    """A source to files of CSV."""
    tm = conftest.Tidemill(folder)
    headers = sink_kills.make(tm, versions=2)
    server = conftest.Server(tm)
    try:
        tm.ok("sink", "add", "scored", "--model", "late", "--read", "rows", "--to-csv", "scored", "--batch-rows", "150")
        pushes = Pushes(tm, server, headers, options.seed)
        pushes.more(0)
        n_killed = sink_kills.kill_some(tm, "scored", options.kills, options.seed, pushes.more)
    finally:
        server.stop()
    rows = sink_kills.read_files(folder / "scored")
    sink_kills.check_rows(rows, pushes.n)
    sink_kills.check_answers(tm, rows)
    assert sink_kills.count_logged(tm) == pushes.n
    return pushes.n, n_killed


def to_table(folder, options):
    """A source to a table; some kills take the table's server."""
    tm = conftest.Tidemill(folder)
    postgres = servers.Postgres()
    headers = sink_kills.make(tm, versions=2)
    server = conftest.Server(tm)
    try:
        tm.write("dw.dsn", postgres.dsn()).chmod(0o600)
        tm.ok("sink", "add", "scored", "--model", "late", "--read", "rows", "--to-postgres", "dw.dsn", "--table", "scores", "--batch-rows", "150")
        pushes = Pushes(tm, server, headers, options.seed + 1)
        pushes.more(0)
        tm.ok("sink", "run", "scored")
        n_killed = 0
        for i in range(options.kills // 3):
            pushes.more(i)
            killer = threading.Timer(pushes.rng.uniform(0.01, 0.3), postgres.kill)
            killer.start()
            code = tm("sink", "run", "scored").code
            killer.join()
            postgres.start()
            assert code in (0, 6)
            n_killed += code == 6
        n_killed += sink_kills.kill_some(tm, "scored", options.kills - options.kills // 3, options.seed + 1, pushes.more)
        rows = read_table(postgres)
        sink_kills.check_rows(rows, pushes.n)
        sink_kills.check_answers(tm, rows)
        assert sink_kills.count_logged(tm) == pushes.n == int(postgres.sql("SELECT sum(n_rows) FROM tidemill_batches"))
    finally:
        server.stop()
        postgres.remove()
    return pushes.n, n_killed


def from_table(folder, options):
    """A table that changes to a table."""
    tm = conftest.Tidemill(folder)
    postgres = servers.Postgres()
    n = 2000
    try:
        sink_kills.make(tm, versions=2)
        tm.write("dw.dsn", postgres.dsn()).chmod(0o600)
        values = ",".join("({},'{}',{},'{}','{}')".format(*sink_kills.row(i).strip().split(",")) for i in range(n))
        postgres.sql(f"CREATE TABLE rows(id bigint PRIMARY KEY, day date, x float8, c text, y text); INSERT INTO rows VALUES {values}")
        tm.ok("sink", "add", "nightly", "--model", "late", "--read-postgres", "dw.dsn", "--query", "SELECT id, day, x, c FROM rows", "--key", "id",
              "--to-postgres", "dw.dsn", "--table", "scores", "--batch-rows", "200")

        def change(i):
            postgres.sql(f"UPDATE rows SET x = {(i % 100) / 100}")
            if i % 3 == 0:
                tm("model", "promote", f"late@{1 + i % 2}", "-q")

        n_killed = sink_kills.kill_some(tm, "nightly", options.kills, options.seed + 2, change)
        rows = read_table(postgres)
        sink_kills.check_rows(rows, n)
        assert sink_kills.count_logged(tm) == int(postgres.sql("SELECT sum(n_rows) FROM tidemill_batches"))
        for row in rows[::100]:
            assert sink_kills.logged_outputs(tm, row["prediction_id"]) == float(row["probability"])
    finally:
        postgres.remove()
    return n, n_killed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    findings = 0
    for name, prove in (("source to files", to_files), ("source to table", to_table), ("table to table", from_table)):
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                n, n_killed = prove(pathlib.Path(folder), options)
                print(f"sinks {name}: {n} rows, {n_killed} of {options.kills} runs killed, {time.monotonic() - start:.0f} s, 0 findings,"
                      f" seed {options.seed}", flush=True)
            except AssertionError as error:
                findings += 1
                print(f"sinks {name}: {str(error)[:500]}, seed {options.seed}", flush=True)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
