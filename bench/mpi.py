#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Training over ranks of Open MPI on this machine, and the constants of the cost model of docs/scale.md.

usage: bench/mpi.py [ROWS [TREES [LEAVES [PAIRS]]]] [--program]

Pairs of fits, one rank beside two in the same processes (bench/model_ranks.c): 4 million rows of 28 columns. Target: two ranks learn 1.7 times as fast as one. The least of all pairs counts. Ranks wait
for each other and so for whoever else uses a core: the second figure is that of the processors' time of ranks without their waits, which is what cores that nobody else uses would show; `nice -n -20` before it helps. Then what
messages cost (bench/comm_wire.c) in shared memory and through sockets, what the model makes of it for what was measured, and for more ranks. --program also runs `tidemill train` with one rank and two.
"""
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM, BENCH = ROOT / "build" / "tidemill", ROOT / "build" / "bench"
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none"]
ENV = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
N_COLUMNS, CELLS, FEW_ROWS = 28, 28 * 256, 20000
SOCKETS = ("--mca", "btl", "tcp,self")
NETWORK = {"histogram_us": None, "sum_us": 30.0, "bytes_per_us": 1100.0}  # supposed, not measured: 10 Gbit/s and 30 us a message


def run(*command):
    done = subprocess.run([str(word) for word in command], env=ENV, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return json.loads(done.stdout)


def query(n_rows):
    columns = ", ".join(f"(hash(i * 32 + {c}) % 100003) / 100003.0 AS x{c}" for c in range(N_COLUMNS))
    return f"WITH rows AS (SELECT {columns}, (hash(i * 32 + 31) % 1009) / 1009.0 AS noise FROM range({n_rows}) t(i)) SELECT * EXCLUDE (noise), x0 * x1 + sin(6 * x2) + x3 * noise AS y FROM rows"


def train(folder, n_ranks, n_rows, n_trees, n_leaves):
    command = [PROGRAM, "train", "--sql", query(n_rows), "--home", folder / f"home-{n_ranks}", "--name", "m", "--json", "--threads", "1", "--target", "y", "--split", "mod:20:19",
               "--learner", "gbdt", "--select", "off", "--param", f"gbdt.n_trees={n_trees}", "--param", f"gbdt.max_leaves={n_leaves}", "--param", "gbdt.early_stopping=0"]
    return run(*([*MPIRUN, "-n", n_ranks] if n_ranks > 1 else []), *command)


def tree_traffic(n_rows, n_leaves, p):
    """Bytes and messages of one rank for a tree of one output: what docs/scale.md counts."""
    steps = 2 * math.log2(p) if p > 2 else 1
    sent = 2 * (p - 1) / p * 8 * ((n_leaves - 1) * (CELLS + 1) + 2 * n_leaves) + (p - 1) / p * 32 * n_rows / 4096 + 16
    return sent, steps * n_leaves + (p - 1) + 2


def tree_seconds(one, alone, p, traffic, wire):
    """W / p + S + messages x latency + bytes / bandwidth."""
    return (one - alone) / p + alone + traffic[1] * wire["sum_us"] * 1e-6 + traffic[0] / wire["bytes_per_us"] * 1e-6


def searching(per_row, n_leaves):
    """What a tree takes that its rows do not: of few of them, less what so many of the others took."""
    few = run(*MPIRUN, "-n", 2, BENCH / "model_ranks", FEW_ROWS, 20, n_leaves, 5)
    return max(few["one"]["fit"] / 20 - per_row * FEW_ROWS, 0)


def program(n_rows, n_trees, n_leaves):
    with tempfile.TemporaryDirectory() as name:
        got = [train(pathlib.Path(name), n, n_rows, n_trees, n_leaves) for n in (1, 2)]
    same = "the same bundle" if got[0]["bundle_hash"] == got[1]["bundle_hash"] else "ANOTHER BUNDLE"
    for n, seconds in enumerate((g["seconds"] for g in got), 1):
        print(f"tidemill train, {n} of them: " + ", ".join(f"{what} {value:.1f} s" for what, value in seconds.items()))
    ranks = got[1]["ranks"]
    print(f"{same}; rank 0 sent {ranks['bytes_per_tree'] / 1e6:.2f} MB and {ranks['messages_per_tree']:.0f} messages a tree, and waited {ranks['seconds_waited']:.1f} s")


def main():
    given = [word for word in sys.argv[1:] if word != "--program"]
    n_rows, n_trees, n_leaves, n_pairs = (int(word) for word in (given + ["4000000", "5", "255", "5"][len(given):]))
    subprocess.run(["ninja", "-C", ROOT / "build", "bench/model_ranks", "bench/comm_wire"], check=True, stdout=subprocess.DEVNULL)
    got = run(*MPIRUN, "-n", 2, BENCH / "model_ranks", n_rows, n_trees, n_leaves, n_pairs)
    one, both = got["one"], got["all"]
    print(f"{n_rows} rows, {N_COLUMNS} columns, {n_trees} trees of {n_leaves} leaves; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; "
          f"{'the same model' if got['same'] else 'ANOTHER MODEL'}")
    print(f"{'least of ' + str(n_pairs):<44}{'one rank':>10}{'two':>10}{'times':>8}")
    for what, name in (("bins, s", "bin"), ("trees, s (target 1.7)", "fit"), ("processor of bins and trees, s", "work")):
        print(f"{what:<44}{one[name]:10.2f}{both[name]:10.2f}{one[name] / both[name]:8.2f}")
    wires = {"shared memory": run(*MPIRUN, "-n", 2, BENCH / "comm_wire"), "sockets": run(*MPIRUN, *SOCKETS, "-n", 2, BENCH / "comm_wire")}
    for name, wire in wires.items():
        print(f"{name + ': a message, a histogram, bytes':<44}{wire['sum_us']:8.1f} us{wire['histogram_us']:8.1f} us{wire['bytes_per_us'] / 1e3:6.2f} GB/s")
    tree, most = one["fit"] / n_trees, searching(one["fit"] / n_trees / n_rows, n_leaves)
    by_model = tree_seconds(tree, most, 2, tree_traffic(n_rows, n_leaves, 2), wires["shared memory"])
    print(f"a tree of two ranks: {by_model * 1e3:.0f} ms by the model ({most * 1e3:.0f} ms that every rank does), {both['fit'] / n_trees * 1e3:.0f} ms measured")
    for p in (2, 8, 64, 1024):
        traffic = tree_traffic(n_rows, n_leaves, p)
        row = "".join(f"{tree_seconds(tree, most, p, traffic, wire) * 1e3:11.0f} ms" for wire in (*wires.values(), NETWORK))
        print(f"{p:5} ranks: {traffic[0] / 1e6:6.1f} MB, {traffic[1]:6.0f} messages; in shared memory, by sockets, by 10 Gbit/s and 30 us:{row}")
    if "--program" in sys.argv:
        program(n_rows, n_trees, n_leaves)


if __name__ == "__main__":
    main()
