#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""CPU of a request: Tidemill beside `mlflow models serve`, both with the same LightGBM model (100 trees of 31 leaves, 30 columns).

MLflow and LightGBM are those of PyPI that bench/mlflow/requirements.txt pins, in build/bench/mlflow. MLflow is measured twice: with a model that
has a signature, as its documentation advises, so that columns are checked, and with one that has none. The servers run on core 0, one after the
other, with one worker; wrk on core 1 posts the same body to /invocations, a row of 30 fields, over 32 connections. CPU is what the kernel
charged to the server and its children, over the requests that wrk counted. Tidemill asks for a key and logs its answers. Figures are the
median of the rounds, with the least and the most.
"""
import argparse
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(HERE.parent)]
import pypi  # noqa: E402  pylint: disable=wrong-import-position
import serve  # noqa: E402  pylint: disable=wrong-import-position

FIELDS, CONNECTIONS, TICK = 30, 32, os.sysconf("SC_CLK_TCK")
VENV = ROOT / "build" / "bench" / "mlflow" / "venv"
BAR = 100


def family(pid):
    """A process and all below it."""
    found = [pid]
    for at in found:
        for task in pathlib.Path(f"/proc/{at}/task").iterdir():
            found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found


def cpu_seconds(pid):
    """Of a process and its children, also of their threads that ended."""
    total = 0
    for one in family(pid):
        total += sum(map(int, pathlib.Path(f"/proc/{one}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[11:13]))
    return total / TICK


def post(port, path, body, headers):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=20) as reply:
        return json.load(reply)


class Server:
    """A server on core 0 in a process group of its own; ready when /ping says so."""

    def __init__(self, words, port, cwd):
        self.port = port
        # It starts uvicorn by its name.
        environment = {**os.environ, "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}
        self.log = open(cwd / "server.log", "w", encoding="utf-8")  # pylint: disable=consider-using-with
        self.popen = subprocess.Popen(["taskset", "-c", "0", *map(str, words)], cwd=cwd, stdout=self.log, stderr=self.log, start_new_session=True,
                                      env=environment)
        for _ in range(1200):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5) as reply:
                    if reply.status == 200:
                        return
            except OSError:
                time.sleep(0.1)
            if self.popen.poll() is not None:
                break
        self.stop()
        raise AssertionError((cwd / "server.log").read_text(encoding="utf-8")[-2000:])

    def stop(self):
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGTERM)
            try:
                self.popen.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(self.popen.pid, signal.SIGKILL)
                self.popen.wait()
        self.log.close()


def requests(port, lua, seconds):
    """How many wrk counted; each was answered with 200."""
    out = serve.run("taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "20s", "-s", lua,
                    f"http://127.0.0.1:{port}/invocations")
    assert "Socket errors" not in out and "Non-2xx" not in out, out
    return int(re.search(r"(\d+) requests in", out)[1])


def measure(server, lua, seconds):
    """Microseconds of CPU for a request, requests a second."""
    requests(server.port, lua, 1)
    before, start = cpu_seconds(server.popen.pid), time.monotonic()
    n = requests(server.port, lua, seconds)
    return 1e6 * (cpu_seconds(server.popen.pid) - before) / n, n / (time.monotonic() - start)


def main():
    parser = argparse.ArgumentParser(prog="./run bench mlflow", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=10, help="of each measurement (10)")
    parser.add_argument("--rounds", type=int, default=5, help="each server once (5)")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench mlflow needs two cores: one for the server, one for who asks")
    python = pypi.python_of(HERE / "requirements.txt", VENV)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([python, "-W", "ignore", HERE / "model.py", folder, str(FIELDS)], check=True, stderr=subprocess.DEVNULL)
        told = json.loads((folder / "row.json").read_text(encoding="utf-8"))
        serve.run(serve.PROGRAM, "model", "import", "model.txt", "--name", "small", "-q", cwd=folder)
        key = json.loads(serve.run(serve.PROGRAM, "key", "create", "--role", "client", "--json", cwd=folder))["key"]
        body = {"dataframe_records": [told["row"]]}
        lua = serve.write_lua(folder / "one.lua", key, json.dumps(body))
        bearer = {"Authorization": f"Bearer {key}"}
        of_mlflow = [VENV / "bin" / "mlflow", "models", "serve", "--env-manager", "local", "--host", "127.0.0.1", "--port", "{port}", "--workers", "1"]
        words = {"tidemill": [serve.PROGRAM, "serve", "--threads", "1", "-q", "--listen", "127.0.0.1:{port}"],
                 "mlflow, signature": [*of_mlflow, "-m", folder / "mlflow-signed"], "mlflow, none": [*of_mlflow, "-m", folder / "mlflow"]}
        cpu, rates = {n: [] for n in words}, {n: [] for n in words}
        for _ in range(options.rounds):
            for server_name, command in words.items():
                port = serve.free_port()
                server = Server([str(w).format(port=port) for w in command], port, folder)
                try:
                    if server_name != "tidemill":
                        answer = post(port, "/invocations", body, {})["predictions"][0]
                    else:
                        answer = post(port, "/v1/routes/small/predict", {"rows": [told["row"]]}, bearer)["predictions"][0]["probability"]
                    assert abs(answer - told["probability"]) < 1e-15, f"{server_name}: {answer}, LightGBM has {told['probability']}"
                    spent, rate = measure(server, lua, options.seconds)
                finally:
                    server.stop()
                cpu[server_name].append(spent)
                rates[server_name].append(rate)
    print(f"# a request of {len(json.dumps(body))} bytes with {FIELDS} fields; one worker on one core; {CONNECTIONS} connections")
    for server_name, values in cpu.items():
        serve.report(f"CPU of a request, {server_name}", "us", values)
    for server_name, values in rates.items():
        serve.report(f"requests a second, {server_name}", "1/s", values)
    for server_name in list(words)[1:]:
        ratio = statistics.median(cpu[server_name]) / statistics.median(cpu["tidemill"])
        print(f"{f'CPU of a request, {server_name}, over tidemill':<64} times  {ratio:10.2f}  "
              f"[{min(cpu[server_name]) / max(cpu['tidemill']):.2f} - {max(cpu[server_name]) / min(cpu['tidemill']):.2f}]  {'met' if ratio >= BAR else 'NOT MET'}: {BAR}")


if __name__ == "__main__":
    main()
