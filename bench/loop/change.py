#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""From a planted abrupt change to a promoted better version, in wall time: bench/loop/change.py [--rows N] [--new N] [--runs N] [--clients N] [--seed N]

A model knows --rows rows of 50 towns, and a server answers for it while clients ask. Then a town opens whose people decide the other way around: --new rows
of it are asked for and labelled over HTTP, as fast as they are taken. The clock starts with the first of them. Each run opens one more town. Printed are the
parts of the way, from the story that the turn itself keeps, the accuracy in the new town before and after, and the load of the machine.
"""
import argparse
import contextlib
import datetime
import os
import pathlib
import random
import sqlite3
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "tests" / "e2e"), str(HERE.parent)]
sys.dont_write_bytecode = True
from common import report  # noqa: E402  pylint: disable=wrong-import-position
from conftest import Server, Tidemill  # noqa: E402  pylint: disable=wrong-import-position

PROJECT = """models:
  towns:
    from: data.csv
    target: y
    learner: gbdt
    param: [gbdt.n_trees=50]
    retrain: {new_labels: %d, cool_down: 0s, watch: 0}
"""
COLUMNS = ("town", "age", "income", "visits", "y")


def row_of(town, is_turned, rng):
    age, income, visits = rng.randint(18, 90), round(rng.lognormvariate(10, 0.5)), rng.randint(0, 30)
    is_yes = (income > 22000) + (visits > 15) + (age < 40) >= 2
    return dict(zip(COLUMNS, (f"t{town}", age, income, visits, "yes" if (is_yes != is_turned) != (rng.random() < 0.05) else "no")))


class Bench:
    def __init__(self, folder, options):
        self.tm, self.options, self.town = Tidemill(pathlib.Path(folder)), options, 50
        self.stopping, self.faults, self.n_answers = threading.Event(), [], 0
        rng = random.Random(options.seed)
        with open(self.tm.folder / "data.csv", "w", encoding="utf-8") as file:
            file.write(",".join(COLUMNS) + "\n")
            for _ in range(options.rows):
                file.write(",".join(map(str, row_of(rng.randrange(50), False, rng).values())) + "\n")
        self.tm.write("tidemill.yaml", PROJECT % options.new)
        begun = time.monotonic()
        self.tm.ok("train", "data.csv", "--target", "y", "--name", "towns", "--learner", "gbdt", "--param", "gbdt.n_trees=50", "-q", timeout=3600)
        print(f"{options.rows:,} rows are learned in {time.monotonic() - begun:.1f} s; load {os.getloadavg()[0]:.1f}", flush=True)
        self.tm.ok("apply")
        self.headers = {"X-Api-Key": self.tm.ok("key", "create", "--role", "admin", "--json").json["key"]}
        self.server = Server(self.tm, command="run")
        self.threads = [threading.Thread(target=self.client, args=(random.Random(f"{options.seed} {i}"),), daemon=True) for i in range(options.clients)]
        for thread in self.threads:
            thread.start()

    def client(self, rng):
        while not self.stopping.is_set():
            try:
                self.ask([row_of(rng.randrange(50), False, rng) for _ in range(3)])
            except Exception as error:  # pylint: disable=broad-except
                self.faults.append(f"{type(error).__name__}: {error}"[:300])
            time.sleep(0.02)

    def post(self, path, body):
        status, headers, body = self.server.request("POST", path, body, self.headers, timeout=60)
        assert status == 200, (status, body)
        return headers, body

    def ask(self, rows):
        """The version, and its answers."""
        headers, body = self.post("/v1/routes/towns/predict", {"rows": [{k: v for k, v in row.items() if k != "y"} for row in rows]})
        assert all(p["id"] for p in body["predictions"])
        self.n_answers += len(rows)
        return int(headers["X-Tidemill-Version"]), body["predictions"]

    def right(self, rows):
        _, answers = self.ask(rows)
        return sum((p["probability"] > 0.5) == (r["y"] == "yes") for p, r in zip(answers, rows)) / len(rows)

    def change(self):
        """The world moves; what each part of the way took."""
        rng = random.Random(f"{self.options.seed} {self.town}")
        rows = [row_of(self.town, True, rng) for _ in range(self.options.new)]
        test = [row_of(self.town, True, rng) for _ in range(1000)]
        before, spent = self.right(test), self.child_seconds()
        begun, begun_at = time.monotonic(), time.time()
        for i in range(0, len(rows), 500):
            version, answers = self.ask(rows[i:i + 500])
            labels = [{"prediction_id": p["id"], "label": r["y"]} for p, r in zip(answers, rows[i:i + 500])]
            assert self.post("/v1/labels", {"labels": labels})[1]["joined"] == len(labels)
        sent = time.monotonic() - begun
        while self.ask(test[:1])[0] == version:
            assert time.monotonic() < begun + 600, self.tm("retrain", "towns", "--turns").out[:2000]
            time.sleep(0.02)
        took = time.monotonic() - begun
        self.town += 1
        parts = self.parts(begun_at, begun_at + sent, begun_at + took)
        while self.tm.ok("retrain", "towns", "--turns", "--json").json["turns"][0]["outcome"] is None or self.child_seconds() - spent < 0.05:
            time.sleep(0.1)
        return {"labels are sent": sent, **parts, "the whole": took, "processors' time of the retraining": self.child_seconds() - spent}, before, self.right(test)

    def child_seconds(self):
        """Processors' time of children that ended: of the supervisor, which is the server's child."""
        pid = self.server.process.pid
        supervisor = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()[0]
        fields = pathlib.Path(f"/proc/{supervisor}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def parts(self, begun, sent, answered):
        """What each part took, by the jobs and the history."""
        entries = self.server.request("GET", "/v1/models/towns/history", headers=self.headers)[2]["history"]
        at = {e["event"]: seconds_of(e["at"]) for e in sorted(entries, key=lambda e: e["at"]) if seconds_of(e["at"]) >= begun}
        with contextlib.closing(sqlite3.connect(f"file:{self.tm.folder}/.tidemill/meta.db?mode=ro", uri=True)) as meta:
            started = meta.execute("SELECT max(started_us) / 1e6 FROM jobs WHERE kind = 'retrain'").fetchone()[0]
        ends = {"the change is found": started, "rows are read and saved": at["retrain.started"], "training": at["retrain.trained"],
                "gate and promotion": at["promoted"], "the server takes it": answered}
        parts, last = {}, sent
        for name, end in ends.items():
            parts[name], last = end - last, end
        return parts

    def end(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)
        self.server.stop()


def seconds_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000000)
    parser.add_argument("--new", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(folder, options)
        parts, before, after, loads = {}, [], [], []
        try:
            for _ in range(options.runs):
                took, was, now = bench.change()
                for name, seconds in took.items():
                    parts.setdefault(name, []).append(seconds)
                before.append(was)
                after.append(now)
                loads.append(os.getloadavg()[0])
        finally:
            bench.end()
        for name, values in parts.items():
            report(name, "s", values)
        report("right in the new town, before", "share", before, 3)
        report("right in the new town, after", "share", after, 3)
        report("load of the machine", "runs", loads, 1)
        print(f"{bench.n_answers} answers, {len(bench.faults)} failed or unnamed {bench.faults[:1] or ''}")


if __name__ == "__main__":
    main()
