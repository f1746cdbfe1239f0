#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A topic that is followed while the reader and the broker are killed at any moment: each message once.

usage: ./run campaign kafka [--kills N] [--messages N] [--seed N]
"""
import argparse
import pathlib
import random
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "kafka"))

from broker import Broker, kill_group  # noqa: E402  pylint: disable=wrong-import-position
from kafka_home import Home, has_each_once, messages  # noqa: E402  pylint: disable=wrong-import-position

PARTITIONS = 6


class Case:
    """One way to be a reader."""

    def __init__(self, broker, folder, name, words, rng):
        self.broker, self.topic, self.rng = broker, name, rng
        self.home = Home(folder, name, broker, session_timeout_ms="6000")
        self.n = self.n_readers = self.n_brokers = 0
        self.failed = []
        self.producer = broker.producer(enable_idempotence="true")
        broker.create(name, PARTITIONS)
        self.send(1000)
        assert self.producer.flush(60) == 0
        added = self.home.add(name, *words)
        assert added.code == 0, added.err

    def send(self, n):
        """Hand over messages; they are sent when the broker is there."""
        for i, value in enumerate(messages(self.n, self.n + n, PARTITIONS), self.n):
            self.producer.produce(self.topic, value, partition=i % PARTITIONS, on_delivery=lambda e, _: self.failed.append(e) if e else None)
        self.n += n
        self.producer.poll(0)

    def run(self, n_kills, n_messages):
        """Kill that often while that many come; whether each is there once."""
        words = ("data", "pull", self.topic, "--follow")
        reader = self.home.begin(*words)
        for _ in range(n_kills):
            self.send(n_messages // n_kills)
            time.sleep(self.rng.uniform(0, 1.5))
            what = self.rng.choice(("reader", "reader", "reader", "broker", "broker in peace", "both"))
            if what in ("reader", "both"):
                kill_group(reader)
                self.n_readers += 1
            if what != "reader":
                self.broker.restart(what != "broker in peace")
                self.n_brokers += 1
            if reader.poll() is not None:  # killed, or the broker was gone for too long: as a daemon does
                reader = self.home.begin(*words)
        assert self.producer.flush(120) == 0 and not self.failed, self.failed
        kill_group(reader)
        pulled = self.home("data", "pull", self.topic)
        return pulled.code == 0 and has_each_once(self.home.rows(self.topic), self.n)


def main():
    """Run both cases; a finding ends with an error."""
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--messages", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    options = parser.parse_args()
    broker, n_wrong = Broker(), 0
    try:
        for name, words in (("all-partitions", []), ("in-a-group", ["--group", "us"])):
            begin = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                case = Case(broker, pathlib.Path(folder), name, words, random.Random(options.seed))
                try:
                    is_good = case.run(options.kills, options.messages)
                finally:
                    case.home.end()
                if not is_good:
                    print(case.home.log(), case.home.shown(name), file=sys.stderr)
                n_wrong += not is_good
            print(f"kafka {name}: {case.n_readers} kills of the reader and {case.n_brokers} ends of the broker during {case.n} messages, "
                  f"{time.monotonic() - begin:.0f} s, {0 if is_good else 1} findings, seed {options.seed}", flush=True)
    finally:
        broker.remove()
    sys.exit(1 if n_wrong else 0)


if __name__ == "__main__":
    main()
