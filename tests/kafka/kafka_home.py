# SPDX-License-Identifier: Apache-2.0
"""The program beside a broker of Kafka: a home, messages that are sent while it reads, and what came of them."""
import json
import pathlib
import signal
import subprocess
import threading
import time

from broker import kill_group, write_settings
from conftest import Tidemill
from duck import Duck


class Home(Tidemill):
    """The program in a folder of its own; what runs longer is in a session of its own and ends with the home."""

    def __init__(self, folder, name, broker, **settings):
        super().__init__(folder / name)
        self.folder.mkdir()
        self.running = []
        write_settings(self.folder, broker, **settings)

    def begin(self, *words):
        """Start a command that goes on."""
        log = open(self.folder / "running.log", "ab")  # pylint: disable=consider-using-with
        process = subprocess.Popen([str(self.program), *words], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log, start_new_session=True)
        log.close()
        self.running.append(process)
        return process

    def log(self):
        """What commands that went on said."""
        path = self.folder / "running.log"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    @staticmethod
    def adding(topic, *words):
        """How a source of ids that only grow is added, with the name of its topic."""
        return "data", "add", topic, "--kafka", "kafka.conf", "--topic", topic, "--policy", "unit_change=accept", *words

    def add(self, topic, *words):
        """Add it and read what is there."""
        return self(*self.adding(topic, *words))

    def shown(self, name):
        """What is known of a source."""
        return self.ok("data", "show", name, "--json").json

    def n_rows(self, name):
        """Rows of a source; one that is not there yet has none."""
        result = self("data", "show", name, "--json")
        return result.json["rows"] if result.code == 0 else 0

    def rows(self, name):
        """What a query can read."""
        return f"'{self.ok('data', 'snapshot', name, '--json').json['path']}'"

    def end(self):
        """Kill what still runs."""
        for process in self.running:
            kill_group(process)


def stop(process):
    """Ask a program to end; its exit code."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(timeout=180)
    except subprocess.TimeoutExpired:
        return "none"


def ask(sql):
    """The first value of an answer."""
    with Duck() as base:
        return base.query(sql)


def has_each_once(rows, n):
    """Whether rows have the ids 0 to n - 1, each once."""
    return ask(f"SELECT (count(*) = {n} AND count(DISTINCT id) = {n} AND min(id) = 0 AND max(id) = {n - 1})::int FROM {rows}") == 1


def messages(first, end, partitions=1):
    """Messages of the ids [first, end)."""
    return [json.dumps({"id": i, "p": i % partitions, "amount": i % 1000 / 2, "land": "NL" if i // 7 % 3 else None}) for i in range(first, end)]


class Sender(threading.Thread):
    """Sends ids to four partitions until it is told to stop, each once also when the broker goes away."""

    def __init__(self, broker, topic, first=0):
        super().__init__(daemon=True)
        self.producer, self.topic, self.n, self.is_over, self.failed = broker.producer(enable_idempotence="true"), topic, first, False, []
        self.start()

    def run(self):
        while not self.is_over:
            for i in range(self.n, self.n + 200):
                self.producer.produce(self.topic, messages(i, i + 1, 4)[0], partition=i % 4, on_delivery=lambda e, _: self.failed.append(e) if e else None)
            self.n += 200
            self.producer.poll(0)
            time.sleep(0.05)
            while len(self.producer) > 20_000 and not self.is_over:  # the broker is away
                self.producer.poll(0.1)

    def finish(self):
        """How many were sent, all of them there."""
        self.is_over = True
        self.join()
        assert self.producer.flush(180) == 0 and not self.failed, self.failed
        return self.n


def readers(process):
    """Ids of the processes that a daemon's supervisor started."""
    below = lambda pid: [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]  # noqa: E731
    return [reader for supervisor in below(process.pid) for reader in below(supervisor)]
