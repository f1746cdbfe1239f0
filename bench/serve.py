#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The server beside a bare socket, in one run: CPU of a request, latencies, overload, open connections.

usage: bench/serve.py [--seconds S] [--rounds N] [--overload S] [--row-fields N] [--swaps N] [--only PART]

The server and the echo (bench/serve_echo.c: epoll, no parser, no model) answer the same requests with as many bytes, on core 0; wrk asks on
core 1. CPU of a request is what the kernel charged to the process, over the requests that wrk counted. Models are trained here on made data
(30 columns): 100 trees of 31 leaves and 500 of 255. A key is asked for and answers are logged, as in earnest. The part on TLS asks two servers by turns, with
the same load. Each figure is the median of the
rounds, with the smallest and the largest.
"""
import argparse
import http.client
import json
import multiprocessing
import os
import pathlib
import random
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from common import free_port, report, run

BUILD = pathlib.Path(__file__).resolve().parent.parent / "build"
PROGRAM, ECHO = BUILD / "tidemill", BUILD / "bench" / "serve_echo"
MODELS = {"100 x 31": ("small", 100, 31), "500 x 255": ("large", 500, 255)}


def cpu_seconds(pid):
    """What the kernel charged to a process: the sum over its threads."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total * 1e-9


class Process:
    """A server on core 0, ready to answer."""

    def __init__(self, words, port, cwd):
        self.port = port
        self.popen = subprocess.Popen(["taskset", "-c", "0", *map(str, words)], cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(1000):
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1):
                    return
            except OSError:
                time.sleep(0.01)
        self.stop()
        raise AssertionError(f"{words} does not listen")

    def stop(self):
        self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


def make_home(folder, fields):
    """Two models, a key, and a request of one row."""
    rng = random.Random(1)
    names = [f"field_{i:02d}" for i in range(fields)]
    with open(folder / "data.csv", "w", encoding="utf-8") as out:
        out.write(",".join(names) + ",y\n")
        for _ in range(20000):
            row = [rng.gauss(0, 1) for _ in names]
            y = row[0] * row[1] + row[2] + 0.5 * rng.gauss(0, 1) > 0
            out.write(",".join(f"{v:.5f}" for v in row) + f",{int(y)}\n")
    for model, trees, leaves in MODELS.values():
        run(PROGRAM, "train", "data.csv", "--target", "y", "--name", model, "--learner", "gbdt", "--param", f"gbdt.n_trees={trees}", "--param",
            f"gbdt.max_leaves={leaves}", "--param", "gbdt.early_stopping=0", "--param", "gbdt.min_rows_in_leaf=5", "-q", cwd=folder)
    key = json.loads(run(PROGRAM, "key", "create", "--role", "client", "--json", cwd=folder))["key"]
    (folder / "key").write_text(key)
    return key, {name: round(rng.gauss(0, 1), 5) for name in names}


def write_lua(path, key, body):
    path.write_text(f"""wrk.method = "POST"
wrk.body = [==[{body}]==]
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {key}"
""")
    return path


def wrk(port, path, lua, seconds, connections=32, scheme="http"):
    """(requests, p50 ms, p99 ms) of wrk on core 1."""
    out = run("taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", lua, f"{scheme}://127.0.0.1:{port}{path}")
    assert "Socket errors" not in out, out
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    n_refused = int(refused[1]) if refused else 0
    units = {"us": 1e-3, "ms": 1, "s": 1e3}
    points = {k: float(v) * units[u] for k, v, u in re.findall(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)$", out, re.M)}
    n = int(re.search(r"(\d+) requests in", out)[1])
    if n_refused > 0:  # another program has the core: say so, the figures are worth little then
        print(f"# {n_refused} of {n} requests were refused: this machine is not idle", flush=True)
    assert n_refused < n / 20, out
    return n, points["50"], points["99"]


def measure(process, path, lua, seconds, scheme="http"):
    """Microseconds of CPU for a request, requests a second."""
    wrk(process.port, path, lua, 1, scheme=scheme)
    before, start = cpu_seconds(process.popen.pid), time.monotonic()
    n, _, _ = wrk(process.port, path, lua, seconds, scheme=scheme)
    return 1e6 * (cpu_seconds(process.popen.pid) - before) / n, n / (time.monotonic() - start)


def reply_bytes(port, path, key, body):
    request = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
        s.sendall(request.encode())
        reply = b""
        while chunk := s.recv(65536):
            reply += chunk
    assert reply.startswith(b"HTTP/1.1 200"), reply[:200]
    return len(reply)


def serve(folder, *words):
    port = free_port()
    return Process([PROGRAM, "serve", "--listen", f"127.0.0.1:{port}", "--threads", "1", "-q", *words], port, folder)


def bench_cpu(folder, key, row, options):
    body = json.dumps({"rows": [row]})
    lua = write_lua(folder / "one.lua", key, body)
    server = serve(folder)
    path = {name: f"/v1/routes/{model}/predict" for name, (model, _, _) in MODELS.items()}
    echo = None
    seen = {name: [] for name in ["echo", *MODELS]}
    rates = {name: [] for name in seen}
    ratios = {name: [] for name in MODELS}
    try:
        size = reply_bytes(server.port, path["100 x 31"], key, body)
        echo_port = free_port()
        echo = Process([ECHO, echo_port, max(1, size - 90)], echo_port, folder)
        for _ in range(options.rounds):
            cpu, rate = measure(echo, "/", lua, options.seconds)
            seen["echo"].append(cpu)
            rates["echo"].append(rate)
            for name in MODELS:
                cpu, rate = measure(server, path[name], lua, options.seconds)
                seen[name].append(cpu)
                rates[name].append(rate)
                ratios[name].append(cpu / seen["echo"][-1])
    finally:
        if echo is not None:
            echo.stop()
        server.stop()
    print(f"# a request of {len(body)} bytes with {len(row)} fields, a reply of {size}; key and log on; 32 connections", flush=True)
    for name, values in seen.items():
        report(f"CPU of a request, {name}", "us", values)
    for name, values in ratios.items():
        report(f"CPU of a request, {name}, over the echo", "times", values)
    for name, values in rates.items():
        report(f"requests a second on one core, {name}", "1/s", values)
    return statistics.median(rates["100 x 31"])


def bench_tls(folder, key, row, options):
    """The same requests on kept connections, plain and over TLS 1.3: the CPU of one server and of the other, by turns."""
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "1",
        "-subj", "/CN=localhost", cwd=folder)
    lua, path = write_lua(folder / "tls.lua", key, json.dumps({"rows": [row]})), "/v1/routes/small/predict"
    seen, ratios = {"plain": [], "TLS 1.3": []}, []
    for _ in range(options.rounds):
        for name, scheme, words in (("plain", "http", []), ("TLS 1.3", "https", ["--tls-cert", "cert.pem", "--tls-key", "key.pem"])):
            server = serve(folder, *words)  # one has the home at a time
            try:
                seen[name].append(measure(server, path, lua, options.seconds, scheme)[0])
            finally:
                server.stop()
        ratios.append(seen["TLS 1.3"][-1] / seen["plain"][-1])
    for name, values in seen.items():
        report(f"CPU of a request on a kept connection, 100 x 31, {name}", "us", values)
    report("CPU of a request over TLS 1.3, over plain", "times", ratios)


def load(folder, port, model, rows, rate, seconds, connections=64, words=(), data="data.csv"):
    """The report of `tidemill bench serve` on core 1."""
    line = ["taskset", "-c", "1", PROGRAM, "bench", "serve", model, data, "--drop", "y", "--server", f"127.0.0.1:{port}", "--key-file", "key",
             "--rows", rows, "--rate", rate, "--seconds", seconds, "--connections", connections, "--json", *words]
    return json.loads(subprocess.run([str(w) for w in line], cwd=folder, capture_output=True, text=True, check=False).stdout)


def core_gaps(core, seconds):
    os.sched_setaffinity(0, {core})
    worst, lost = 0.0, 0.0
    last = time.perf_counter()
    end = last + seconds
    while last < end:
        now = time.perf_counter()
        if now - last > 0.0005:
            lost += now - last
            worst = max(worst, now - last)
        last = now
    return lost / seconds, worst


def machine_gaps(seconds):
    """Share of time in gaps of over half a millisecond that a process sees while both cores are busy with nothing else, and the longest in ms."""
    with multiprocessing.Pool(2) as pool:
        gaps = pool.starmap(core_gaps, [(0, seconds), (1, seconds)])
    return statistics.mean(g[0] for g in gaps), 1e3 * max(g[1] for g in gaps)


def bench_latency(folder, peak, options):
    share, worst = machine_gaps(options.seconds)
    print(f"# with two busy cores and nothing else, this machine stops a process for {100 * share:.2f} % of the time in gaps of over 0.5 ms, the longest "
          f"{worst:.1f} ms: latencies hold that too", flush=True)
    server = serve(folder)
    try:
        values = [load(folder, server.port, "small", 1, peak / 2, options.seconds) for _ in range(options.rounds)]
    finally:
        server.stop()
    assert not any(v["failed"] or v["lost"] for v in values)
    report("latency p50 at half load, 100 x 31, open loop", "ms", [v["ok_ms"]["p50"] for v in values])
    report("latency p99 at half load, 100 x 31, open loop", "ms", [v["ok_ms"]["p99"] for v in values])


def bench_overload(folder, options):
    """Requests of 100 rows on the large model: the peak by closed loop, then three times that."""
    server = serve(folder)
    try:
        peak = load(folder, server.port, "large", 100, 0, options.seconds, 8)["ok_per_second"]
        over = load(folder, server.port, "large", 100, 3 * peak, max(options.seconds, options.overload), 256)
        time.sleep(1)
        after = load(folder, server.port, "large", 100, 0, options.seconds, 8)["ok_per_second"]
    finally:
        server.stop()
    print(f"# overload: {over['ok']} answered, {over['refused']} refused, {over['failed']} failed, {over['lost']} lost, {over['unsent']} unsent", flush=True)
    report("peak, 100 rows on 500 x 255, closed loop", "1/s", [peak])
    report("goodput at three times that, over the peak", "times", [over["ok_per_second"] / peak])
    report("refused at three times that: p99", "ms", [over["refused_ms"]["p99"]])
    report("answered at three times that: p99", "ms", [over["ok_ms"]["p99"]])
    report("peak a second later, over the peak", "times", [after / peak])


def counters(port, key):
    """Samples of /metrics by name and labels."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        lines = reply.read().decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def answered(before, after, version):
    """Rows that the server counts for a version of the model "small" between two looks."""
    name = f'tidemill_predictions_total{{route="small",version="{version}",arm="champion"}}'
    return after.get(name, 0) - before.get(name, 0)


class Mover:
    """Promotes version 2 and rolls back again, a given number of times, evenly over some seconds; milliseconds of each move."""

    def __init__(self, port, key, n, seconds):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self.n, self.seconds, self.ms = n, seconds, []
        self.failed = []
        self.thread = threading.Thread(target=self.run)

    def run(self):
        start = time.monotonic()
        for i in range(self.n):
            time.sleep(max(0.0, start + (i + 0.5) * self.seconds / self.n - time.monotonic()))
            began = time.monotonic()
            what, body, to = ("promote", {"version": 2}, 2) if i % 2 == 0 else ("rollback", {}, 1)
            self.connection.request("POST", f"/v1/models/small:{what}", json.dumps(body), self.headers)
            reply = self.connection.getresponse()
            said = json.loads(reply.read())
            self.ms.append(1000 * (time.monotonic() - began))
            if reply.status != 200 or said.get("version") != to:
                self.failed.append((reply.status, said))


def bench_swaps(folder, key, options):
    """Two versions change places under an open load of 70 % of what the server can do; every answer is held to the version that it names."""
    run(PROGRAM, "train", "data.csv", "--target", "y", "--name", "small", "--learner", "gbdt", "--param", "gbdt.n_trees=100", "--param", "gbdt.max_leaves=31",
        "--param", "gbdt.early_stopping=0", "--param", "gbdt.min_rows_in_leaf=20", "-q", cwd=folder)
    mover_key = json.loads(run(PROGRAM, "key", "create", "--role", "admin", "--json", cwd=folder))["key"]
    lines = (folder / "data.csv").read_text(encoding="utf-8").splitlines()[:1001]
    (folder / "few.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for version in (1, 2):
        run(PROGRAM, "predict", f"small@{version}", "few.csv", "-o", f"answers{version}.csv", cwd=folder)
    same = sum(a == b for a, b in zip(*((folder / f"answers{v}.csv").read_text().splitlines()[1:] for v in (1, 2))))
    assert same < 100, "the versions answer alike: nothing could be told"
    rounds = max(1, min(5, options.swaps // 50))
    n, seconds = options.swaps // rounds // 2 * 2, max(options.seconds, options.swaps // rounds / 10)  # 10 moves a second
    server = serve(folder)
    words = ["--expect", "1=answers1.csv", "--expect", "2=answers2.csv"]
    plain, moved, ms = [], [], []
    try:
        for _ in range(200):  # until the challenger is ready, so that all moves are alike
            if "2" in {str(v) for v in json.loads(urllib.request.urlopen(urllib.request.Request(
                    f"http://127.0.0.1:{server.port}/v1/status", headers={"Authorization": f"Bearer {mover_key}"}), timeout=10).read())["routes"][-1]["ready"]}:
                break
            time.sleep(0.05)
        rate = 0.7 * statistics.median(load(folder, server.port, "small", 1, 0, options.seconds, data="few.csv")["ok_per_second"] for _ in range(3))
        for _ in range(rounds):
            before = counters(server.port, mover_key)
            plain.append(load(folder, server.port, "small", 1, rate, seconds, words=words, data="few.csv"))
            mover = Mover(server.port, mover_key, n, seconds)
            mover.thread.start()
            moved.append(load(folder, server.port, "small", 1, rate, seconds, words=words, data="few.csv"))
            mover.thread.join()
            after = counters(server.port, mover_key)
            assert not mover.failed, mover.failed[:3]
            ms += mover.ms
            for version in (1, 2):
                asked = sum(v["right"][str(version)] for v in (plain[-1], moved[-1]))
                assert answered(before, after, version) == asked, f"version {version}: the server counts {answered(before, after, version)}, who asked {asked}"
            swaps = after["tidemill_model_swaps_total"] - before["tidemill_model_swaps_total"]
            assert swaps == n, f"{n} moves, {swaps} swaps"
            assert min(moved[-1]["right"].values()) > 0.2 * moved[-1]["ok"], moved[-1]["right"]
    finally:
        server.stop()
    bad = {what: sum(v[what] for v in plain + moved) for what in ("failed", "lost", "refused", "wrong", "unsent")}
    print(f"# swaps: {n * rounds} under {rate:.0f} requests a second; {sum(v['ok'] for v in moved)} answers of two versions, each held to its bits, "
          f"the server's counts by version the same; {', '.join(f'{v} {k}' for k, v in bad.items())}", flush=True)
    report("latency p99 at 70 %, one version", "ms", [v["ok_ms"]["p99"] for v in plain])
    report("latency p99 at 70 %, versions swapped", "ms", [v["ok_ms"]["p99"] for v in moved])
    report("p99 with swaps over without", "times", [b["ok_ms"]["p99"] / a["ok_ms"]["p99"] for a, b in zip(plain, moved)])
    report("latency max at 70 %, one version", "ms", [v["ok_ms"]["max"] for v in plain])
    report("latency max at 70 %, versions swapped", "ms", [v["ok_ms"]["max"] for v in moved])
    report("a move, from its request to its reply", "ms", ms)
    assert not bad["failed"] and not bad["lost"] and not bad["wrong"], bad


def bench_connections(folder, key):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    n = min(10000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100)
    server = serve(folder)
    held = []
    try:
        for _ in range(n):
            s = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            s.sendall(f"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {key}\r\n\r\n".encode())
            assert s.recv(1000).startswith(b"HTTP/1.1 200")
            held.append(s)
        with open(f"/proc/{server.popen.pid}/status", encoding="ascii") as file:
            resident = int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) / 1024
    finally:
        for s in held:
            s.close()
        server.stop()
    report(f"resident with {n} connections that asked once", "MiB", [resident])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement (5)")
    parser.add_argument("--rounds", type=int, default=7, help="of the CPU of a request (7)")
    parser.add_argument("--overload", type=int, default=60, help="seconds of overload (60)")
    parser.add_argument("--swaps", type=int, default=1000, help="moves of a version under load (1000)")
    parser.add_argument("--only", choices=("cpu", "latency", "overload", "swaps", "connections", "tls"), help="one part")
    parser.add_argument("--row-fields", type=int, default=30, help="columns of the made data (30)")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench/serve.py needs two cores: one for the server, one for who asks")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        key, row = make_home(folder, options.row_fields)
        parts = {options.only} if options.only else {"cpu", "latency", "overload", "swaps", "connections", "tls"}
        if parts & {"cpu", "latency"}:
            peak = bench_cpu(folder, key, row, options)
            bench_latency(folder, peak, options)
        if "overload" in parts:
            bench_overload(folder, options)
        if "swaps" in parts:
            bench_swaps(folder, key, options)
        if "tls" in parts:
            bench_tls(folder, key, row, options)
        if "connections" in parts:
            bench_connections(folder, key)


if __name__ == "__main__":
    main()
