#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Durable pushes of rows of 30 columns to a running server: rows a second, and how long an acknowledgement takes at half of that
and at a steady rate.

usage: bench/intake.py [--seconds S] [--rounds N] [--push-rows N] [--connections N] [--disk DIR]

The client is this program, on the same cores; its bodies are made beforehand. Each round is a home of its own (in DIR, else the system's
temporary folder), pushed to as fast as replies come for S seconds over some connections, then paced for as long at half the rate reached,
and at a rate that does not depend on the machine: 50,000 rows a second, 25,000 with a key.
Each figure is the median of the rounds, with the smallest and the largest. Beside it: the disk's own sync of as many bytes.
"""
import argparse
import json
import os
import random
import socket
import subprocess
import tempfile
import threading
import time

from common import PROGRAM, free_port, report, run

COLUMNS = 30


def cells(rng):
    """29 values: numbers, whole numbers, codes, a date, some missing."""
    for i in range(COLUMNS - 1):
        if rng.random() < 0.05:
            yield None
        elif i % 4 == 0:
            yield rng.randrange(100000)
        elif i % 4 == 1:
            yield round(rng.uniform(-100, 100), 3)
        elif i % 4 == 2:
            yield rng.choice(["red", "green", "blue", "a longer word"])
        else:
            yield f"2024-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}" if i % 8 == 3 else rng.random() < 0.5


class Bodies:
    """Pushes of rows with ids that never come twice: the values behind the id are taken from some made rows."""

    def __init__(self, kind, n_rows, seed):
        rng = random.Random(seed)
        self.kind, self.n_rows, self.next, self.lock = kind, n_rows, 0, threading.Lock()
        rows = [list(cells(rng)) for _ in range(n_rows)]
        self.names = ["id"] + [f"column_{i}" for i in range(1, COLUMNS)]
        if kind == "csv":
            tails = ["," + ",".join("" if v is None else str(v).lower() if isinstance(v, bool) else str(v) for v in row) + "\n" for row in rows]
            head, before = ",".join(self.names) + "\n", ""
        else:
            tails = [", " + json.dumps(dict(zip(self.names[1:], row)))[1:] + "\n" for row in rows]
            head, before = "", '{"id": '
        self.head, self.before, self.tails = head, before, tails

    def make(self):
        with self.lock:
            start = self.next
            self.next += self.n_rows
        return (self.head + "".join(f"{self.before}{start + i}{tail}" for i, tail in enumerate(self.tails))).encode()


class Client:
    def __init__(self, port, key, source, kind):
        self.head = (f"POST /v1/sources/{source}/rows HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {key}\r\n"
                     f"Content-Type: {'text/csv' if kind == 'csv' else 'application/x-ndjson'}\r\nContent-Length: %d\r\n\r\n")
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def push(self, body, n_rows):
        """Seconds until the acknowledgement."""
        start = time.monotonic()
        self.socket.sendall((self.head % len(body)).encode() + body)
        reply = b""
        while b"\r\n\r\n" not in reply or not reply.endswith(b"}"):
            piece = self.socket.recv(65536)
            assert piece, reply
            reply += piece
        assert reply.startswith(b"HTTP/1.1 200") and b'"accepted":%d,' % n_rows in reply, reply
        return time.monotonic() - start


def pushed(port, key, source, kind, bodies, n_rows, n_connections, rate):
    """(rows a second, seconds of each acknowledgement); rate None: as fast as replies come."""
    times, lock, at, start = [], threading.Lock(), iter(enumerate(bodies)), time.monotonic()

    def work():
        client = Client(port, key, source, kind)
        while True:
            with lock:
                i, body = next(at, (0, None))
            if body is None:
                return
            if rate is not None:
                time.sleep(max(0.0, start + i * n_rows / rate - time.monotonic()))
            seconds = client.push(body, n_rows)
            with lock:
                times.append(seconds)

    threads = [threading.Thread(target=work) for _ in range(n_connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(bodies) * n_rows / (time.monotonic() - start), times


def one(options, kind, is_keyed, number):
    with tempfile.TemporaryDirectory(dir=options.disk) as folder:
        run(PROGRAM, "data", "add", "rows", "--push", *(["--key", "id"] if is_keyed else []), cwd=folder)
        key = json.loads(run(PROGRAM, "key", "create", "--role", "client", "--json", cwd=folder))["key"]
        port = free_port()
        server = subprocess.Popen([PROGRAM, "serve", "--listen", f"127.0.0.1:{port}", "-q"], cwd=folder)
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.02)
            made = Bodies(kind, options.push_rows, number)
            Client(port, key, "rows", kind).push(made.make(), options.push_rows)  # its columns are made
            bodies = [made.make() for _ in range(max(8, int(20000 * options.seconds / options.push_rows)))]
            rate, _ = pushed(port, key, "rows", kind, bodies, options.push_rows, options.connections, None)
            bodies = [made.make() for _ in range(max(8, int(rate * options.seconds / options.push_rows)))]
            rate, _ = pushed(port, key, "rows", kind, bodies, options.push_rows, options.connections, None)
            bodies = [made.make() for _ in range(max(8, int(rate / 2 * options.seconds / options.push_rows)))]
            _, times = pushed(port, key, "rows", kind, bodies, options.push_rows, options.connections, rate / 2)
            steady = 25000 if is_keyed else 50000
            bodies = [made.make() for _ in range(max(8, int(steady * options.seconds / options.push_rows)))]
            _, steady_times = pushed(port, key, "rows", kind, bodies, options.push_rows, options.connections, steady)
            with open(f"/proc/{server.pid}/status", encoding="ascii") as status:
                peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
        finally:
            server.terminate()
            server.wait()
        shown = json.loads(run(PROGRAM, "data", "show", "rows", "--json", cwd=folder))
        assert shown["rows"] == made.next and shown["quarantined"] == 0, shown
        return rate, *median_and_p99(times), *median_and_p99(steady_times), peak


def median_and_p99(seconds):
    seconds = sorted(seconds)
    return 1000 * seconds[len(seconds) // 2], 1000 * seconds[min(len(seconds) - 1, len(seconds) * 99 // 100)]


def sync_ms(folder, n_bytes):
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        times = []
        for _ in range(50):
            os.write(file.fileno(), b"x" * n_bytes)
            start = time.monotonic()
            os.fdatasync(file.fileno())
            times.append(1000 * (time.monotonic() - start))
    return times


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--push-rows", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--disk")
    options = parser.parse_args()
    report("the disk's sync of 300 kB", "ms", sync_ms(options.disk, 300000))
    for kind in ("lines of JSON", "csv"):
        for is_keyed in (False, True):
            results = [one(options, kind, is_keyed, number) for number in range(options.rounds)]
            name = f"pushes of {options.push_rows} rows x {COLUMNS}, {kind}, {'a key' if is_keyed else 'no key'}"
            for (what, unit), values in zip((("", "rows/s"), (": median ack at half", "ms"), (": p99 ack at half", "ms"),
                                             (f": median ack at {25 if is_keyed else 50},000/s", "ms"), (f": p99 ack at {25 if is_keyed else 50},000/s", "ms"),
                                             (": memory", "MiB")), zip(*results)):
                report(name + what, unit, values)


if __name__ == "__main__":
    main()
