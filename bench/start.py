#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Start, size and memory of the program: exec to exit, exec to the first answer of a server, bytes of the files, memory of servers."""
import contextlib
import http.client
import os
import pathlib
import random
import re
import socket
import statistics
import subprocess
import tempfile
import time

BUILD = pathlib.Path(__file__).resolve().parent.parent / "build"
PROGRAM, LIBRARY = BUILD / "tidemill", BUILD / "libtidemill.so"
N_RUNS = 41
ROW = '{"rows": [{"a": 0.5, "b": 0.25, "c": 0.125}]}'


def report(name, unit, values):
    values = sorted(values)
    print(f"{name:<44} {unit:<6} {statistics.median(values):10.2f}  [{values[0]:.2f} - {values[-1]:.2f}]", flush=True)


def one(name, unit, value):
    print(f"{name:<44} {unit:<6} {value:10}", flush=True)


def time_exit(*words):
    """Milliseconds from exec to exit."""
    start = time.perf_counter()
    pid = os.posix_spawn(words[0], [str(w) for w in words], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
    _, status = os.waitpid(pid, 0)
    assert status == 0
    return 1000 * (time.perf_counter() - start)


@contextlib.contextmanager
def serving(folder):
    """A server of a folder: (process, port)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([PROGRAM, "serve", "--listen", f"127.0.0.1:{port}", "-q"], cwd=folder, stderr=subprocess.DEVNULL)
    try:
        yield server, port
    finally:
        server.terminate()
        server.wait()


def ask(port, method, path, body=None):
    """Status of the first answer, however long the server takes to listen."""
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request(method, path, body, {"Content-Type": "application/json"})
            return connection.getresponse().status
        except ConnectionRefusedError:
            time.sleep(0.0005)


def time_server(folder):
    """Milliseconds from exec to the first prediction."""
    start = time.perf_counter()
    with serving(folder) as (_, port):
        assert ask(port, "POST", "/v1/routes/m/predict", ROW) == 200
        return 1000 * (time.perf_counter() - start)


def report_memory(name, folder, path, body=None):
    """Memory of a server and its supervisor after its first answer; shared pages count by their share in PSS."""
    with serving(folder) as (server, port):
        assert ask(port, "POST" if body else "GET", path, body) == 200
        with open(f"/proc/{server.pid}/task/{server.pid}/children", encoding="ascii") as children:
            pids = [server.pid, *map(int, children.read().split())]
        for kind in ("Rss", "Pss"):
            total = 0
            for pid in pids:
                with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as maps:
                    total += int(re.search(rf"^{kind}:\s+(\d+) kB", maps.read(), re.M).group(1))
            one(f"{name}, {kind.upper()}", "KiB", total)


def report_files():
    for path in (PROGRAM, LIBRARY):
        with tempfile.NamedTemporaryFile() as bare:
            subprocess.run(["strip", "-o", bare.name, path], check=True)
            one(f"{path.name}, stripped", "KiB", os.path.getsize(bare.name) // 1024)
        one(f"{path.name}, with debug information", "KiB", os.path.getsize(path) // 1024)
    dynamic = subprocess.run(["readelf", "-dW", PROGRAM], stdout=subprocess.PIPE, text=True, check=True).stdout
    one("shared libraries that the program names", "", dynamic.count("(NEEDED)"))
    relocations = subprocess.run(["readelf", "-rW", PROGRAM], stdout=subprocess.PIPE, text=True, check=True).stdout
    one("relocations of the program", "", sum(int(n) for n in re.findall(r"contains (\d+) entr", relocations)))


def main():
    report("tidemill version", "ms", [time_exit(PROGRAM, "version") for _ in range(N_RUNS)])
    report("tidemill --help", "ms", [time_exit(PROGRAM, "--help") for _ in range(N_RUNS)])
    report("/bin/true, for comparison", "ms", [time_exit("/bin/true") for _ in range(N_RUNS)])
    report_files()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([PROGRAM, "init", "-q"], cwd=folder, stdout=subprocess.DEVNULL, check=True)
        report_memory("server without a model", folder, "/livez")
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
        one("model of 500 trees x 255 leaves", "KiB", max(p.stat().st_size for p in pathlib.Path(folder, ".tidemill", "bundles").iterdir()) // 1024)
        report("server with it, exec to the first answer", "ms", [time_server(folder) for _ in range(N_RUNS)])
        report_memory("server with it", folder, "/v1/routes/m/predict", ROW)


main()
