#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What replicas of the server that nobody asks cost their database, and what that is for ten thousand of them.

usage: bench/replicas.py [--seconds N] [--minutes N]

One, two and three `tidemill serve` on the tables of one PostgreSQL: transactions of the database and processors' time of its processes, for a replica and a second. Then the same look by pgbench, as
often as two clients can. docs/scale.md supposes 50 looks a second for each replica. With --minutes the three answer requests for so long, and what they write is counted: transactions that have a number,
and bytes of the log that PostgreSQL writes ahead; then the same of one `tidemill run` that leads and has nothing to do.
"""
import argparse
import http.client
import importlib.machinery
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import time

from common import PROGRAM

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from servers import PASSWORD, POSTGRES_BIN, USER, Postgres  # noqa: E402  pylint: disable=wrong-import-position

LOOKS = 50


def tool(name):
    """A tool without an ending, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, str(ROOT / "tools" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


def spent(process):
    """Processors' seconds of a process and its children."""
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
    ticks = 0
    for pid in children:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return ticks / os.sysconf("SC_CLK_TCK")


def looks(postgres):
    return int(postgres.sql("SELECT xact_commit FROM pg_stat_database WHERE datname = 'mill'"))


def watch(postgres, seconds):
    """Transactions and processors' seconds of so many seconds."""
    time.sleep(1)  # counts are told once a second
    before, cpu, begun = looks(postgres), spent(postgres.process), time.monotonic()
    time.sleep(seconds)
    took, used = time.monotonic() - begun, spent(postgres.process) - cpu
    return (looks(postgres) - before) / took, used / took


def written(postgres):
    """Transactions that wrote something and bytes written ahead, since ever. Asking is neither."""
    xid, lsn = postgres.sql("SELECT pg_snapshot_xmax(pg_current_snapshot())::text || ' ' || (pg_current_wal_lsn() - '0/0'::pg_lsn)").split()
    return int(xid), int(lsn)


def ask_for(ports, row, minutes):
    """Requests to each in turn, some 60 a second; how many were answered."""
    links = [http.client.HTTPConnection("127.0.0.1", port, timeout=20) for port in ports]
    n, end = 0, time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        link = links[n % len(links)]
        link.request("POST", "/v1/routes/x/predict", row, {"Content-Type": "application/json"})
        answer = link.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        n += 1
        time.sleep(0.016)
    for link in links:
        link.close()
    return n


def what_is_written(replicas, home, postgres, minutes):
    """What answers cost the database, and what one that leads does."""
    before, idle = written(postgres), written(postgres)
    time.sleep(20)
    idle = written(postgres)
    print(f"three replicas that nobody asks: {3 * (idle[0] - before[0])} writing transactions a minute, {3 * (idle[1] - before[1]) / 1e3:.1f} kB")
    before, n = written(postgres), ask_for(home.ports, replicas.ROW, minutes)
    after = written(postgres)
    print(f"three replicas, {n} requests in {minutes} minutes: {(after[0] - before[0]) / minutes:.1f} writing transactions a minute, {(after[1] - before[1]) / minutes / 1e3:.1f} kB", flush=True)
    home.stop()
    leaders = tool("leader")
    runner = leaders.Runner(home.folder, PROGRAM, postgres, 9)
    try:
        runner.start()
        leaders.until(lambda: runner.role() == "leader", "it leads")
        time.sleep(2)
        before, seen = written(postgres), looks(postgres)
        time.sleep(20)
        after = written(postgres)
        time.sleep(1)
        print(f"one that leads: {(looks(postgres) - seen) / 21:.1f} transactions a second, {(after[0] - before[0]) / 20:.2f} of them writing, {(after[1] - before[1]) / 20e3:.2f} kB a second", flush=True)
    finally:
        runner.end()


def fastest(postgres, folder, query, seconds):
    """The same query as often as two connections can ask it."""
    script = folder / "look.sql"
    script.write_text(f"SET search_path = mill;\n{query};\n", encoding="utf-8")
    done = subprocess.run([str(POSTGRES_BIN / "pgbench"), "-n", "-f", str(script), "-c", "2", "-j", "1", "-T", str(seconds), "-h", "127.0.0.1", "-p", str(postgres.port), "-U", USER, "mill"],
                          env=dict(os.environ, PGPASSWORD=PASSWORD), capture_output=True, text=True, check=False)
    rate = re.search(r"tps = ([0-9.]+)", done.stdout)
    return float(rate.group(1)) if rate else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--minutes", type=int, default=0)
    options = parser.parse_args()
    seconds = options.seconds
    replicas = tool("replicas")
    postgres = Postgres()
    home = replicas.Home(PROGRAM, postgres)
    try:
        home.train(1)
        rates = [watch(postgres, seconds)]
        for i in range(replicas.N_REPLICAS):
            home.start(i)
            rates.append(watch(postgres, seconds))
            rate, cpu = rates[-1][0] - rates[0][0], rates[-1][1]
            print(f"{i + 1} replicas: {rate / (i + 1):6.1f} transactions a second of each (docs/scale.md: {LOOKS}), {cpu / (i + 1) * 1e3:5.1f} ms of the database's processors a second of each", flush=True)
        query = postgres.sql("SELECT query FROM pg_stat_activity WHERE usename = 'mill' AND pid <> pg_backend_pid() AND query LIKE '%FROM tidemill' ORDER BY query_start DESC LIMIT 1")
        rate = fastest(postgres, home.folder, query, seconds)
        print(f"a look: {query}")
        each = max(rates[-1][1] / replicas.N_REPLICAS, 1e-9)
        print(f"by pgbench: {'not possible' if rate is None else f'{rate:.0f} a second'}")
        print(f"so a core of the database bears {1 / each:.0f} replicas, and 10,000 ask {10000 * LOOKS} times a second and want {10000 * each:.0f} cores; load of the machine {os.getloadavg()[0]:.1f}")
        if options.minutes > 0:
            what_is_written(replicas, home, postgres, options.minutes)
    finally:
        home.remove()
        postgres.stop()


if __name__ == "__main__":
    main()
