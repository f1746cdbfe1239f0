#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Log and sketches of a server: rows a second, memory, what is dropped, and their share of the CPU of a prediction.

usage: bench/monitor_log.py [--seconds S] [--rounds N] [--rate ROWS] [--policy POLICY]

A server with one thread answers made rows of 30 columns by 100 trees of 31 leaves, in requests of 20 rows at --rate rows a second (default 50,000), then of one row as fast as it
can. CPU is what the kernel charged to the threads of the server. Of it the log's writer is a thread of its own; what the worker spends on records and sketches is its stage `log`, watched in one
request of 64. Both together are the cost of log and sketches. Each figure is the median of the rounds, with the smallest and the largest.
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


def make_home(folder, fields=30):
    rng = random.Random(1)
    names = [f"field_{i:02d}" for i in range(fields)]
    with open(folder / "data.csv", "w", encoding="utf-8") as out:
        out.write(",".join(names) + ",y\n")
        for _ in range(20000):
            row = [rng.gauss(0, 1) for _ in names]
            out.write(",".join(f"{v:.5f}" for v in row) + f",{int(row[0] * row[1] + row[2] + 0.5 * rng.gauss(0, 1) > 0)}\n")
    run(PROGRAM, "train", "data.csv", "--target", "y", "--name", "mill", "--learner", "gbdt", "--param", "gbdt.n_trees=100", "--param", "gbdt.max_leaves=31",
        "--param", "gbdt.early_stopping=0", "-q", cwd=folder)


class Server:
    def __init__(self, folder, policy):
        self.port = free_port()
        words = [PROGRAM, "serve", "--listen", f"127.0.0.1:{self.port}", "--threads", "1", "--log-policy", policy, "-q"]
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

    def logging(self):
        """Seconds of the stage `log` of the watched requests, and how many were watched."""
        text = self.get("/metrics")
        return [float((re.findall(rf'^tidemill_predict_stage_duration_seconds_{k}{{stage="log"}} (\S+)$', text, re.M) or ["0"])[0]) for k in ("sum", "count")]

    def log(self):
        return json.loads(self.get("/v1/status"))["log"]

    def rss_mib(self):
        return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{self.popen.pid}/status").read_text())[1]) / 1024

    def stop(self):
        self.popen.send_signal(signal.SIGTERM)
        assert self.popen.wait(timeout=60) == 0


def measure(server, folder, rows, rate, seconds):
    """What one load costs."""
    before, watched, log, start = server.cpu(), server.logging(), server.log(), time.monotonic()
    words = ["bench", "serve", "mill", "data.csv", "--drop", "y", "--server", f"127.0.0.1:{server.port}", "--rows", rows, "--seconds", seconds, "--json"]
    run(PROGRAM, *words, *(["--rate", rate / rows] if rate else []), cwd=folder)
    took = time.monotonic() - start
    time.sleep(0.3)  # the writer is 20 ms behind
    after, watched_now, log_now = server.cpu(), server.logging(), server.log()
    n = log_now["accepted"] - log["accepted"]
    cpu, writer = 1e6 * (after[0] - before[0]) / n, 1e6 * (after[1] - before[1]) / n
    worker = 1e6 * (watched_now[0] - watched[0]) / (watched_now[1] - watched[1]) / rows
    return {"rate": n / took, "cpu": cpu, "writer": writer, "worker": worker, "share": 100 * (writer + worker) / cpu, "dropped": log_now["dropped"] - log["dropped"]}


def show(name, rounds):
    report(f"{name}: rows answered, logged and counted a second", "rows/s", [r["rate"] for r in rounds], 0)
    report(f"{name}: CPU of a row, all of the server", "us", [r["cpu"] for r in rounds])
    report(f"{name}: of it the writer of the log", "us", [r["writer"] for r in rounds])
    report(f"{name}: of it records and sketches in the worker", "us", [r["worker"] for r in rounds])
    report(f"{name}: share of log and sketches", "%", [r["share"] for r in rounds], 1)
    report(f"{name}: dropped", "rows", [r["dropped"] for r in rounds], 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=50000)
    parser.add_argument("--policy", default="drop")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        make_home(folder)
        server = Server(folder, options.policy)
        try:
            for title, rows, rate in (("20 rows a request", 20, options.rate), ("1 row a request", 1, 0)):
                show(title, [measure(server, folder, rows, rate, options.seconds) for _ in range(options.rounds)])
            report("most memory", "MiB", [server.rss_mib()], 1)
            log = server.log()
            assert log["accepted"] == sum(log[k] for k in ("written", "spilled", "queued", "sampled_out", "dropped")), log
        finally:
            server.stop()


if __name__ == "__main__":
    main()
