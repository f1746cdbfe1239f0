#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A registry with a long history: seconds that questions to it take as whole commands.

usage: bench/registry.py [EVENTS] [MODELS]     1,000,000 events over 20 models when nothing is said

The records are written as docs/formats/home.md says, and `model verify` checks their chain at the end.
"""
import csv
import hashlib
import pathlib
import random
import sqlite3
import struct
import sys
import tempfile
import time

from common import PROGRAM, report, run

N_RUNS = 21
DAY_US = 86400 * 10 ** 6


def make_rows(path, n=400):
    rng = random.Random(1)
    with open(path, "w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["x", "y"])
        for _ in range(n):
            x = rng.random()
            rows.writerow([round(x, 4), "yes" if x + rng.gauss(0, 0.2) > 0.5 else "no"])


def text(value):
    if value is None:
        return struct.pack("<I", 0xFFFFFFFF)
    data = value.encode()
    return struct.pack("<I", len(data)) + data


class Chain:
    """The history of a home, to be gone on with."""

    def __init__(self, database):
        self.database = database
        self.n, self.hash = database.execute("SELECT n, hash FROM chain").fetchone()

    def record(self, at_us, model, event, version, before, reason):
        seq = self.n + 1
        data = (self.hash + text("tidemill.history/1") + struct.pack("<qq", seq, at_us) + text(model) + text(event)
                + struct.pack("<qq", version, -1 if before is None else before) + text("bench") + text(reason) + text(None))
        prev, self.hash, self.n = self.hash, hashlib.blake2b(data, digest_size=32).digest(), seq
        return seq, at_us, model, event, version, before, "bench", reason, None, prev, self.hash

    def add(self, records):
        self.database.executemany("INSERT INTO history(seq, at_us, model, event, version, from_version, actor, reason, details, prev, hash)"
                                  " VALUES(?,?,?,?,?,?,?,?,?,?,?)", records)
        self.database.execute("UPDATE chain SET n = ?, hash = ?", (self.n, self.hash))
        self.database.commit()


def fill(home, names, n_events):
    """Promotions, verdicts and notes in turn, from a year ago to now."""
    database = sqlite3.connect(home / "meta.db")
    chain = Chain(database)
    now = int(time.time() * 1e6)
    first = chain.n

    def records():
        live = {name: 1 for name in names}
        for i in range(n_events - first):
            at = now - 365 * DAY_US + 365 * DAY_US * i // n_events
            name, kind = names[i % len(names)], i // len(names) % 4
            if kind == 0:
                before, live[name] = live[name], 3 - live[name]
                yield chain.record(at, name, "promoted", live[name], before, "better")
            else:
                yield chain.record(at, name, ("gate.opened", "noted", "tagged")[kind - 1], 3 - live[name], None, "as measured")

    chain.add(records())
    for name, version in ((n, chain_live(database, n)) for n in names):
        database.execute("UPDATE aliases SET number = ? WHERE name = 'champion' AND model_id = (SELECT id FROM models WHERE name = ?)", (version, name))
        database.execute("UPDATE aliases SET number = ? WHERE name = 'challenger' AND model_id = (SELECT id FROM models WHERE name = ?)",
                         (3 - version, name))
    database.commit()
    database.close()


def chain_live(database, name):
    return database.execute("SELECT version FROM history WHERE model = ? AND event = 'promoted' ORDER BY seq DESC LIMIT 1", (name,)).fetchone()[0]


def measure(what, folder, *words):
    values = []
    for _ in range(N_RUNS):
        start = time.perf_counter()
        run(PROGRAM, *words, cwd=folder)
        values.append(1000 * (time.perf_counter() - start))
    report(what, "ms", values)


def main():
    n_events = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000
    n_models = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    names = [f"model-{i}" for i in range(n_models)]
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        make_rows(folder / "data.csv")
        for name in names:
            for trees in ("5", "9"):
                run(PROGRAM, "train", "data.csv", "--target", "y", "--name", name, "--learner", "gbdt", "--param", f"gbdt.n_trees={trees}", "-q", cwd=folder)
        fill(folder / ".tidemill", names, n_events)
        print(f"{n_events} events of {n_models} models, meta.db {(folder / '.tidemill' / 'meta.db').stat().st_size / 1e6:.0f} MB")
        measure("model ls", folder, "model", "ls", "--json")
        for ago in ("1h", "30d", "364d"):
            measure(f"model ls --at {ago}", folder, "model", "ls", "--at", ago, "--json")
        measure("model show of a version, with lineage", folder, "model", "show", f"{names[0]}@2", "--json")
        measure("model promote", folder, "model", "promote", f"{names[0]}@challenger", "--force")
        start = time.perf_counter()
        run(PROGRAM, "model", "verify", cwd=folder)
        print(f"{'model verify: the whole chain':<64} {'s':<8} {time.perf_counter() - start:12.2f}")


if __name__ == "__main__":
    main()
