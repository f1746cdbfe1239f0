#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Log and sketches of a server: what they add to the CPU of an answer, rows a second, memory, what is dropped.

usage: bench/monitor_log.py [--seconds S] [--rounds N] [--rate ROWS] [--policy POLICY] [--model small|large] [--only NAME]

A server with one thread answers made rows of 30 columns. `small` are 100 trees of 31 leaves, `large` 500 of 255. Loads are requests of one row as fast as they are answered (8 connections),
and of 20 rows, so fast too and at --rate rows a second (default 50,000). The other server is build/bench/bare/tidemill_bare: the same objects, in which three functions do nothing (append a
record, hand records to the log, count a row; bench/bare/bare.c). CPU is what the kernel charged to all threads of a server, the log's writer with them, by the rows that were answered; both
servers take turns, and what is added is the median over the rounds of with / without - 1. Of the CPU the writer is a thread of its own.
"""
import argparse
import json
import pathlib
import random
import re
import signal
import subprocess
import tempfile
import time
import urllib.request

from common import PROGRAM, free_port, report, run

BARE = PROGRAM.parent / "bench" / "bare" / "tidemill_bare"
MODELS = {"small": (100, 31), "large": (500, 255)}
LOADS = {"1 row a request": (1, False), "20 rows a request": (20, False), "20 rows a request, by a clock": (20, True)}


def make_home(folder, model, fields=30):
    rng = random.Random(1)
    names = [f"field_{i:02d}" for i in range(fields)]
    with open(folder / "data.csv", "w", encoding="utf-8") as out:
        out.write(",".join(names) + ",y\n")
        for _ in range(20000):
            row = [rng.gauss(0, 1) for _ in names]
            out.write(",".join(f"{v:.5f}" for v in row) + f",{int(row[0] * row[1] + row[2] + 0.5 * rng.gauss(0, 1) > 0)}\n")
    n_trees, max_leaves = MODELS[model]
    run(PROGRAM, "train", "data.csv", "--target", "y", "--name", "mill", "--learner", "gbdt", "--param", f"gbdt.n_trees={n_trees}", "--param", f"gbdt.max_leaves={max_leaves}",
        "--param", "gbdt.early_stopping=0", "-q", cwd=folder)


class Server:
    def __init__(self, program, folder, home, policy):
        self.port, self.folder = free_port(), folder
        words = [program, "serve", "--home", home, "--listen", f"127.0.0.1:{self.port}", "--threads", "1", "--log-policy", policy, "-q"]
        self.popen = subprocess.Popen([str(w) for w in words], cwd=folder)
        end = time.monotonic() + 20
        while True:
            try:
                self.get("/readyz")
                return
            except OSError:
                assert time.monotonic() < end and self.popen.poll() is None
                time.sleep(0.01)

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as reply:
            return reply.read().decode()

    def cpu(self):
        """Seconds of all threads, and of the writer of the log."""
        total = writer = 0
        for thread in pathlib.Path(f"/proc/{self.popen.pid}/task").iterdir():
            ns = int((thread / "schedstat").read_text().split()[0])
            total += ns
            writer += ns if (thread / "comm").read_text().strip() == "log-writer" else 0
        return total * 1e-9, writer * 1e-9

    def log(self):
        return json.loads(self.get("/v1/status"))["log"]

    def rss_mib(self):
        return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{self.popen.pid}/status").read_text())[1]) / 1024

    def measure(self, rows, rate, seconds):
        """What one load costs: microseconds a row, in all and of the writer, and rows a second."""
        before = self.cpu()
        words = ["bench", "serve", "mill", "data.csv", "--drop", "y", "--server", f"127.0.0.1:{self.port}", "--connections", 8, "--rows", rows, "--seconds", seconds, "--json"]
        told = json.loads(run(PROGRAM, *words, *(["--rate", rate / rows] if rate else []), cwd=self.folder))
        time.sleep(0.3)  # the writer is some milliseconds behind
        after, n = self.cpu(), told["ok"] * rows
        return {"rate": told["rows_per_second"], "cpu": 1e6 * (after[0] - before[0]) / n, "writer": 1e6 * (after[1] - before[1]) / n}

    def stop(self):
        self.popen.send_signal(signal.SIGTERM)
        assert self.popen.wait(timeout=60) == 0


def show(name, pairs, dropped):
    report(f"{name}: rows answered, logged and counted a second", "rows/s", [full["rate"] for full, _ in pairs], 0)
    report(f"{name}: CPU of a row with log and sketches", "us", [full["cpu"] for full, _ in pairs])
    report(f"{name}: of it the writer of the log", "us", [full["writer"] for full, _ in pairs])
    report(f"{name}: CPU of a row without", "us", [bare["cpu"] for _, bare in pairs])
    report(f"{name}: added by log and sketches", "%", [100 * (full["cpu"] / bare["cpu"] - 1) for full, bare in pairs], 1)
    report(f"{name}: dropped", "rows", [dropped], 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=50000)
    parser.add_argument("--policy", default="drop")
    parser.add_argument("--model", choices=list(MODELS), action="append")
    parser.add_argument("--only", help="loads whose name has this")
    options = parser.parse_args()
    assert BARE.exists(), f"{BARE} is missing: ninja -C build bench/bare/tidemill_bare"
    for model in options.model or MODELS:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            make_home(folder, model)
            run("cp", "-r", ".tidemill", "bare", cwd=folder)
            full, bare = Server(PROGRAM, folder, ".tidemill", options.policy), Server(BARE, folder, "bare", options.policy)
            try:
                for title, (rows, is_timed) in LOADS.items():
                    if options.only and options.only not in title:
                        continue
                    rate, before = options.rate if is_timed else 0, full.log()["dropped"]
                    pairs = [(full.measure(rows, rate, options.seconds), bare.measure(rows, rate, options.seconds)) for _ in range(options.rounds)]
                    show(f"{model} model, {title}", pairs, full.log()["dropped"] - before)
                report(f"{model} model: most memory", "MiB", [full.rss_mib()], 1)
                log = full.log()
                assert log["accepted"] == sum(log[k] for k in ("written", "spilled", "queued", "sampled_out", "dropped")), log
                assert bare.log()["accepted"] == 0
            finally:
                full.stop()
                bare.stop()


if __name__ == "__main__":
    main()
