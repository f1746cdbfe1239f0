#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Time from exec: `tidemill --help`, and a server with a model of 500 trees until it has answered a prediction."""
import http.client
import os
import pathlib
import random
import socket
import statistics
import subprocess
import tempfile
import time

PROGRAM = pathlib.Path(__file__).resolve().parent.parent / "build" / "tidemill"
N_RUNS = 21


def report(name, seconds):
    ms = sorted(1000 * s for s in seconds)
    print(f"{name:<32} ms {statistics.median(ms):8.2f}   min {ms[0]:.2f}   max {ms[-1]:.2f}   ({len(ms)} runs)", flush=True)


def time_help():
    start = time.perf_counter()
    subprocess.run([PROGRAM, "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def time_server(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    body = '{"rows": [{"a": 0.5, "b": 0.25, "c": 0.125}]}'
    start = time.perf_counter()
    server = subprocess.Popen([PROGRAM, "serve", "--listen", f"127.0.0.1:{port}", "-q"], cwd=folder, stderr=subprocess.DEVNULL)
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("POST", "/v1/routes/m/predict", body, {"Content-Type": "application/json"})
            status = connection.getresponse().status
            seconds = time.perf_counter() - start
            assert status == 200
            break
        except ConnectionRefusedError:
            time.sleep(0.0005)
    server.terminate()
    server.wait()
    return seconds


def main():
    with tempfile.TemporaryDirectory() as folder:
        rng = random.Random(1)
        with open(os.path.join(folder, "m.csv"), "w", encoding="utf-8") as out:
            out.write("a,b,c,y\n")
            for _ in range(20000):
                a, b, c = rng.random(), rng.random(), rng.random()
                out.write(f"{a:.6f},{b:.6f},{c:.6f},{a * b + 0.3 * c + 0.1 * rng.random():.6f}\n")
        words = ["m.csv", "--target", "y", "--learner", "gbdt", "--param", "gbdt.n_trees=500", "--param", "gbdt.max_leaves=255",
                 "--param", "gbdt.early_stopping=0", "-q"]
        subprocess.run([PROGRAM, "train", *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        report("tidemill --help", [time_help() for _ in range(N_RUNS)])
        report("first answer of 500 trees x 255", [time_server(folder) for _ in range(N_RUNS)])


main()
