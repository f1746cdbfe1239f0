#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Rows a second from a topic of Kafka into a source, with the broker on the same cores, beside a reader that others would write.

usage: bench/kafka.py [--rows N] [--rounds N] [--partitions N] [--event-time]

A message is JSON of 10 columns. The peer is Confluent's client for Python: it parses the same messages and inserts them and the offsets behind
them into SQLite, 50,000 rows a transaction, so that each is there once whatever is killed. Each round takes both, in turn. CPU is that of the
reader alone, and of its children; ratios are peer by program: above 1 the program is faster, or cheaper.
"""
import argparse
import json
import os
import pathlib
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time

from common import PROGRAM, report

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "kafka"))
from broker import Broker, Consumer, TopicPartition, write_settings  # noqa: E402  pylint: disable=wrong-import-position

TOPIC, BATCH = "clicks", 50_000
COLUMNS = ("id", "at", "user", "item", "price", "amount", "land", "is_new", "agent", "score")
LANDS, AGENTS = ("NL", "BE", "DE", "FR", "DK"), ("Firefox on Linux", "Safari on a telephone", "Chrome on Windows")


def message(i):
    """Row i as JSON."""
    x = i * 2654435761 % 4294967296
    return (f'{{"id": {i}, "at": "2026-05-{1 + i // 86400 % 28:02d}T{i // 3600 % 24:02d}:{i // 60 % 60:02d}:{i % 60:02d}Z", "user": "u{x % 50021}", "item": {x % 9973}, '
            f'"price": {x % 20000 / 100}, "amount": {1 + x % 7}, "land": "{LANDS[x % 5]}", "is_new": {"true" if x % 11 == 0 else "false"}, '
            f'"agent": "{AGENTS[x % 3]}", "score": {x % 1000003 / 1000003:.6f}}}')


def timed(words, folder):
    """Seconds, and CPU seconds of a program and of its children."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([str(word) for word in words], cwd=folder, capture_output=True, text=True, check=False)
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr + done.stdout
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def run_program(broker, options):
    """The program in a new home: what it takes until all rows are durable."""
    with tempfile.TemporaryDirectory() as name:
        write_settings(pathlib.Path(name), broker)
        seconds, cpu, out = timed([PROGRAM, "data", "add", TOPIC, "--kafka", "kafka.conf", "--topic", TOPIC, "--policy", "unit_change=accept", *options.more, "--json"], name)
        added = json.loads(out)
        assert (added["rows"], added["quarantined"]) == (options.rows, 0), added
    return seconds, cpu


def run_peer(broker, options):
    """The peer with a new database."""
    with tempfile.TemporaryDirectory() as name:
        seconds, cpu, out = timed([sys.executable, __file__, "--peer", broker.bootstrap, "--partitions", options.partitions], name)
        assert int(out) == options.rows, out
    return seconds, cpu


def be_peer(options):
    """Read all partitions to their ends into SQLite; print how many rows there are."""
    base = sqlite3.connect("peer.db", isolation_level=None)
    base.executescript(f"PRAGMA journal_mode = wal; PRAGMA synchronous = normal; CREATE TABLE rows({', '.join(COLUMNS)}); "
                       "CREATE TABLE offsets(part INTEGER PRIMARY KEY, next INTEGER)")
    insert = f"INSERT INTO rows VALUES({', '.join('?' * len(COLUMNS))})"
    reader = Consumer({"bootstrap.servers": options.peer, "group.id": "peer", "enable.auto.commit": False, "log_level": 0})
    ends = {k: reader.get_watermark_offsets(TopicPartition(TOPIC, k), 10)[1] for k in range(options.partitions)}
    reader.assign([TopicPartition(TOPIC, k, 0) for k in ends])
    n, n_all, rows, offsets = 0, sum(ends.values()), [], {}
    while n < n_all:
        for one in reader.consume(5000, 0.1):
            value = json.loads(one.value())
            rows.append(tuple(value[column] for column in COLUMNS))
            offsets[one.partition()] = one.offset() + 1
            n += 1
        if len(rows) >= BATCH or n == n_all:
            base.execute("BEGIN IMMEDIATE")
            base.executemany(insert, rows)
            base.executemany("INSERT OR REPLACE INTO offsets VALUES(?, ?)", offsets.items())
            base.execute("COMMIT")
            rows.clear()
    reader.close()
    print(base.execute("SELECT count(*) FROM rows").fetchone()[0])
    base.close()


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--event-time", dest="more", action="store_const", const=["--event-time", "at", "--lateness", "1d"], default=[], help="with a watermark")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        be_peer(options)
        return
    broker = Broker()
    try:
        broker.create(TOPIC, options.partitions)
        broker.send(TOPIC, map(message, range(options.rows)), options.partitions)
        rounds = [(run_program(broker, options), run_peer(broker, options)) for _ in range(options.rounds)]
    finally:
        broker.remove()
    million = options.rows / 1e6
    title = f"{options.rows} messages of 10 columns"
    report(f"kafka: {title}, rows a second", "rows/s", [options.rows / ours[0] for ours, _ in rounds], 0)
    report(f"kafka: {title}, rows a second of Confluent's client", "rows/s", [options.rows / peer[0] for _, peer in rounds], 0)
    report("kafka: ratio of speeds", "x", [peer[0] / ours[0] for ours, peer in rounds])
    report("kafka: CPU of a million messages", "s", [ours[1] / million for ours, _ in rounds])
    report("kafka: CPU of a million messages of Confluent's client", "s", [peer[1] / million for _, peer in rounds])
    report("kafka: ratio of CPU", "x", [peer[1] / ours[1] for ours, peer in rounds])


if __name__ == "__main__":
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    main()
