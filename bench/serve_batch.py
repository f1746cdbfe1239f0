#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Large batches over HTTP: seconds of one request of many rows on one thread and on two, and what requests of one row wait meanwhile.

usage: bench/serve_batch.py [--rows N] [--rounds N]

Made data of 30 columns, a model of 100 trees of 31 leaves, answers logged. A request is timed from its first byte to the last of the reply.
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import threading
import time

from common import PROGRAM, report, run

BUILD = pathlib.Path(__file__).resolve().parent.parent / "build"
FORMS = {"JSON": "application/json", "lines of JSON": "application/x-ndjson", "CSV": "text/csv"}


def make(folder, n_rows):
    """A home with a model, and the rows of a request in each form."""
    rng = random.Random(1)
    names = [f"field_{i:02d}" for i in range(30)]
    with open(folder / "data.csv", "w", encoding="utf-8") as out:
        out.write(",".join(names) + ",y\n")
        for _ in range(20000):
            row = [rng.gauss(0, 1) for _ in names]
            out.write(",".join(f"{v:.5f}" for v in row) + f",{int(row[0] * row[1] + row[2] + 0.5 * rng.gauss(0, 1) > 0)}\n")
    run(PROGRAM, "train", "data.csv", "--target", "y", "--name", "m", "--learner", "gbdt", "--param", "gbdt.n_trees=100", "--param",
        "gbdt.max_leaves=31", "--param", "gbdt.early_stopping=0", "-q", cwd=folder)
    rows = [[f"{rng.gauss(0, 1):.5f}" for _ in names] for _ in range(n_rows)]
    objects = ["{" + ",".join(f'"{n}":{v}' for n, v in zip(names, row)) + "}" for row in rows]
    lines = [",".join(row) for row in rows]
    with open(folder / "some.csv", "w", encoding="utf-8") as out:
        out.write("\n".join([",".join(names), *lines[:1000]]) + "\n")
    return {"JSON": '{"rows":[' + ",".join(objects) + "]}", "lines of JSON": "\n".join(objects), "CSV": ",".join(names) + "\n" + "\n".join(lines)}


def ask(port, body, media):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    start = time.monotonic()
    connection.request("POST", "/v1/routes/m/predict", body, {"Content-Type": media})
    reply = connection.getresponse()
    answer = reply.read()
    seconds = time.monotonic() - start
    assert reply.status == 200, answer[:300]
    connection.close()
    return seconds, len(answer)


class Server:
    def __init__(self, folder, threads):
        self.popen = subprocess.Popen([PROGRAM, "serve", "--listen", "127.0.0.1:0", "--threads", str(threads)], cwd=folder, stderr=subprocess.PIPE,
                                      stdout=subprocess.DEVNULL, text=True)
        for line in self.popen.stderr:
            if "127.0.0.1:" in line:
                self.port = int("".join(c for c in line.split("127.0.0.1:")[1][:6] if c.isdigit()))
                break
        threading.Thread(target=self.popen.stderr.read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.send_signal(signal.SIGTERM)
        self.popen.wait(timeout=60)


def waits(folder, port, seconds):
    """What bench serve says of requests of one row at 200 a second."""
    return json.loads(run(PROGRAM, "bench", "serve", "m", "some.csv", "--server", f"127.0.0.1:{port}", "--rate", "200", "--seconds", seconds,
                         "--json", cwd=folder))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    print(f"# {options.rows} rows of 30 columns a request, {options.rounds} rounds, {os.cpu_count()} CPUs")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        bodies = make(folder, options.rows)
        best = {}
        for threads in (1, 2):
            with Server(folder, threads) as server:
                for form, media in FORMS.items():
                    times = [ask(server.port, bodies[form], media)[0] for _ in range(options.rounds)]
                    best[form, threads] = min(times)
                    report(f"{options.rows} rows as {form} ({len(bodies[form]) >> 20} MiB), {threads} thread{'s' if threads > 1 else ''}", "s", times, 3)
        for form in FORMS:
            report(f"{form}: two threads over one, best of each", "ratio", [best[form, 2] / best[form, 1]], 3)
        with Server(folder, 2) as server:
            alone = waits(folder, server.port, 3)
            ends = threading.Event()

            def load():
                while not ends.is_set():
                    ask(server.port, bodies["JSON"], FORMS["JSON"])

            thread = threading.Thread(target=load)
            thread.start()
            beside = waits(folder, server.port, 5)
            ends.set()
            thread.join()
        for what, figures in (("alone", alone), ("while batches are scored", beside)):
            for point in ("p50", "p99"):
                report(f"requests of one row at 200 a second, {what}: {point}", "ms", [figures["ok_ms"][point]], 3)


if __name__ == "__main__":
    main()
