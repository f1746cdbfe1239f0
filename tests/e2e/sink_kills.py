# SPDX-License-Identifier: Apache-2.0
"""Sinks that are killed at random moments: each row is written and logged once, whatever was begun."""
import csv
import random
import sqlite3
import struct
import time

import answers
from kills import Killer

ROWS = "id,day,x,c,y\n"


def row(i):
    """Row i: its values follow from its number."""
    rng = random.Random(i)
    x, c = round(rng.random(), 4), rng.choice("pqr")
    return f"{i},2024-01-{1 + i % 28:02d},{x},{c},{'yes' if x + (c == 'p') * 0.3 > 0.6 else 'no'}\n"


def make(tm, versions=1):
    """A home with the model `late` and the source `rows`, which takes pushes."""
    for version in range(versions):
        tm.write("train.csv", ROWS + "".join(row(-1 - i - 700 * version) for i in range(600)))
        tm.ok("train", "train.csv", "--target", "y", "--name", "late", "--drop", "id", "--time", "day", "--entity", "id", "--learner", "gbdt",
              "--param", "gbdt.n_trees=20", "--seed", "1", "-q")
    tm.ok("data", "add", "rows", "--push", "--key", "id")
    key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    return {"X-Api-Key": key}


def push(server, headers, first, n):
    """Rows first .. first + n - 1 to the source."""
    status, _, answer = server.request("POST", "/v1/sources/rows/rows", ROWS + "".join(row(i) for i in range(first, first + n)),
                                       {**headers, "Content-Type": "text/csv"})
    assert (status, answer["accepted"]) == (200, n), answer


def read_files(folder):
    """The rows of all CSV files of a sink, file by file in the order of their names."""
    found = []
    for path in sorted(folder.glob("*.csv")):
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len({r["version"] for r in rows}) == 1, f"{path.name} holds answers of several versions"
        found += rows
    return found


def count_logged(tm):
    """Answers in the log."""
    with sqlite3.connect(f"file:{tm.folder}/.tidemill/log.db?mode=ro", uri=True) as db:
        return db.execute("SELECT coalesce(sum(n), 0) FROM blocks").fetchone()[0]


def check_rows(rows, n):
    """Each of n rows once, each answer with an id of its own."""
    ids = sorted(int(r["id"]) for r in rows)
    assert ids == list(range(n)), f"{len(ids)} rows, {len(set(ids))} different, of {n}"
    assert len({r["prediction_id"] for r in rows}) == n


def check_answers(tm, rows):
    """The answers are those that `predict` gives for the same rows, bit for bit, by version."""
    for version in sorted({r["version"] for r in rows}):
        mine = sorted((r for r in rows if r["version"] == version), key=lambda r: int(r["id"]))
        tm.write("again.csv", ROWS + "".join(row(int(r["id"])) for r in mine))
        tm.ok("predict", f"late@{version}", "again.csv", "-o", "again-out.csv", "-q")
        with open(tm.folder / "again-out.csv", encoding="utf-8", newline="") as file:
            for mine_row, other in zip(mine, csv.DictReader(file), strict=True):
                assert (mine_row["prediction"], float(mine_row["probability"])) == (other["prediction"], float(other["probability"]))


def kill_some(tm, name, n_kills, seed, before_each=None, longest=None, at_least=1):
    """Runs of a sink that are killed after a random time, n_kills and on until at_least were, then one that ends; how many were killed while they ran."""
    if longest is None:
        started = time.monotonic()
        tm.ok("sink", "run", name)
        longest = time.monotonic() - started
    killer = Killer(tm, seed, longest)
    for i in killer.turns(n_kills, at_least):
        if before_each is not None:
            before_each(i)
        killer.run("sink", "run", name, "-q")
    tm.ok("sink", "run", name)
    return killer.killed


def logged_outputs(tm, prediction_id):
    """The first output of an answer as the log has it."""
    with sqlite3.connect(f"file:{tm.folder}/.tidemill/log.db?mode=ro", uri=True) as db:
        found = db.execute("SELECT b.data FROM spans s JOIN blocks b USING (first_seq) WHERE s.prefix = ? AND s.first_id <= ? AND s.last_id >= ?",
                           (prediction_id[:8], prediction_id, prediction_id)).fetchall()
    for (packed,) in found:
        data, at = answers.unpack(packed), 0
        while at < len(data):
            size, = struct.unpack_from("<I", data, at)
            if data[at + 24:at + 50].decode() == prediction_id:
                return struct.unpack_from("<d", data, at + 60)[0]
            at += size
    raise AssertionError(f"the log has no answer {prediction_id}")
