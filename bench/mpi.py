#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Training over ranks of Open MPI on this machine: one rank of one thread beside two, and what a tree costs.

usage: bench/mpi.py [ROWS [TREES [LEAVES]]]

The rows (4 million of 28 columns) are made by a query. Target: two ranks learn 1.7 times as fast as one. Each pair is run one after the other, and the best of each counts; the load of the machine
stands beside it, because ranks wait for each other and so for whoever else uses a core.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

PROGRAM = pathlib.Path(__file__).resolve().parent.parent / "build" / "tidemill"
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1"]
ENV = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
N_COLUMNS, REPEATS = 28, 2


def query(n_rows):
    columns = ", ".join(f"(hash(i * 32 + {c}) % 100003) / 100003.0 AS x{c}" for c in range(N_COLUMNS))
    return f"WITH rows AS (SELECT {columns}, (hash(i * 32 + 31) % 1009) / 1009.0 AS noise FROM range({n_rows}) t(i)) SELECT * EXCLUDE (noise), x0 * x1 + sin(6 * x2) + x3 * noise AS y FROM rows"


def train(folder, n_ranks, n_rows, n_trees, n_leaves):
    command = [PROGRAM, "train", "--sql", query(n_rows), "--home", folder / f"home-{n_ranks}", "--name", "m", "--json", "--threads", "1", "--target", "y", "--split", "mod:20:19",
               "--learner", "gbdt", "--select", "off", "--param", f"gbdt.n_trees={n_trees}", "--param", f"gbdt.max_leaves={n_leaves}", "--param", "gbdt.early_stopping=0"]
    start = [*MPIRUN, "-n", str(n_ranks)] if n_ranks > 1 else []
    done = subprocess.run([*start, *command], env=ENV, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return json.loads(done.stdout)


def main():
    n_rows, n_trees, n_leaves = (int(word) for word in (sys.argv[1:] + ["4000000", "20", "255"][len(sys.argv) - 1:]))
    best = {}
    with tempfile.TemporaryDirectory() as name:
        for _ in range(REPEATS):
            for n_ranks in (1, 2):
                got = train(pathlib.Path(name), n_ranks, n_rows, n_trees, n_leaves)
                if n_ranks not in best or got["seconds"]["fit"] < best[n_ranks]["seconds"]["fit"]:
                    best[n_ranks] = got
    one, two = best[1]["seconds"], best[2]["seconds"]
    ranks = best[2]["ranks"]
    same = "the same bundle" if best[1]["bundle_hash"] == best[2]["bundle_hash"] else "ANOTHER BUNDLE"
    print(f"{n_rows} rows, {N_COLUMNS} columns, {n_trees} trees of {n_leaves} leaves; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"one rank: {one['fit']:.1f} s of fitting, {one['total']:.1f} s in all; two: {two['fit']:.1f} s and {two['total']:.1f} s; {same}")
    print(f"two ranks fit {one['fit'] / two['fit']:.2f} times as fast (target 1.7), all in all {one['total'] / two['total']:.2f} times")
    print(f"rank 0 sent {ranks['bytes_per_tree'] / 1e6:.2f} MB and {ranks['messages_per_tree']:.0f} messages a tree, and waited {ranks['seconds_waited']:.1f} s")


if __name__ == "__main__":
    main()
