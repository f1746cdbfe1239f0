#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Labels that come for one decision alone, and a share of them by lot: is learning by inverse propensity better than learning them as they are?

    bench/loop/explored.py --program build/tidemill [--worlds 6]

A champion of 600 rows decides over 8,000 of a world that changed where it refuses; labels come of rows that were let in, by its own decision or by
lot. Versions that learned these with several bounds of the weights answer 8,000 fresh rows.
"""
import argparse
import itertools
import math
import pathlib
import random
import statistics
import subprocess
import tempfile

BOUNDS = {"as they are": 1, "weights to 5": 5, "weights to 20": 20, "all weights": math.inf}


def world(n, draw, is_changed):
    """Rows (a, b, c, truth): a curved world, in which b means less where a is small once it has changed."""
    rows = []
    for _ in range(n):
        a, b, c = (draw.gauss(0, 1) for _ in range(3))
        z = 1.5 * a + b + 1.2 * a * b - (1.5 * b if is_changed and a < 0 else 0)
        rows.append((a, b, c, int(draw.random() < 1 / (1 + math.exp(-z)))))
    return rows


class Bench:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        (folder / ".tidemill").mkdir()

    def run(self, *words):
        subprocess.run([self.program, *words], cwd=self.folder, capture_output=True, check=True)

    def train(self, name, learner, rows, weights):
        lines = [f"{a:.5f},{b:.5f},{c:.5f},{w:.4f},{y}" for (a, b, c, y), w in zip(rows, weights)]
        (self.folder / "t.csv").write_text("\n".join(["a,b,c,w,y", *lines]) + "\n", encoding="utf-8")
        trees = ["--param", "gbdt.n_trees=100"] if learner == "gbdt" else []
        self.run("train", "t.csv", "--target", "y", "--weight", "w", "--learner", learner, "--name", name, "--threads", "1", "-q", *trees)

    def answers(self, name, rows):
        lines = [f"{a:.5f},{b:.5f},{c:.5f}" for a, b, c, _ in rows]
        (self.folder / "p.csv").write_text("\n".join(["a,b,c", *lines]) + "\n", encoding="utf-8")
        self.run("predict", name, "p.csv", "-o", "o.csv")
        told = (self.folder / "o.csv").read_text(encoding="utf-8").split("\n")
        place = told[0].split(",").index("probability")
        return [float(line.split(",")[place]) for line in told[1:] if line]


def log_loss(rows, answers):
    return -sum(math.log(max(p if r[3] else 1 - p, 1e-9)) for r, p in zip(rows, answers)) / len(rows)


def one_world(bench, learner, share, seed):
    """Log-loss on fresh rows by each bound."""
    draw = random.Random(seed)
    first = world(600, draw, False)
    bench.train("c", learner, first, [1] * len(first))
    live, got, weights = world(8000, draw, True), [], []
    for row, answer in zip(live, bench.answers("c", live)):
        is_let_in = draw.random() < 0.5 if draw.random() < share else answer >= 0.5
        if is_let_in:
            got.append(row)
            weights.append(1 / ((1 - share if answer >= 0.5 else 0) + share / 2))
    fresh, losses = world(8000, draw, True), []
    for number, bound in enumerate(BOUNDS.values()):
        bench.train(f"m{number}", learner, got, [1 if bound == 1 else min(w, bound) for w in weights])
        losses.append(log_loss(fresh, bench.answers(f"m{number}", fresh)))
    return losses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/tidemill")
    parser.add_argument("--worlds", type=int, default=6)
    options = parser.parse_args()
    program = str(pathlib.Path(options.program).resolve())
    print("| learner | share | " + " | ".join(BOUNDS) + " |\n" + "|---" * (2 + len(BOUNDS)) + "|")
    for learner, share in itertools.product(("gbdt", "linear"), (0.02, 0.1)):
        table = []
        for seed in range(options.worlds):
            with tempfile.TemporaryDirectory() as folder:
                table.append(one_world(Bench(program, pathlib.Path(folder)), learner, share, seed))
        cells = []
        for i in range(len(BOUNDS)):
            gaps = [row[i] - row[0] for row in table]
            error = statistics.stdev(gaps) / math.sqrt(len(gaps)) if i > 0 and len(gaps) > 1 else 0
            mean = statistics.mean(row[i] for row in table)
            cells.append(f"{mean:.4f}" if i == 0 else f"{mean:.4f} ({statistics.mean(gaps):+.4f} ± {error:.4f})")
        print(f"| {learner} | {share} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
