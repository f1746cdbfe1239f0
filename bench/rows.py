#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Rows in process, from cells to the score: 100 trees of 31 leaves and 500 of 255, one row and batches of 1000, on one thread.

usage: bench/rows.py

Beside each figure stands the target, and what other engines need for rows of 28 physics columns with LightGBM's model of that shape, on a Xeon of this kind at
2.1 to 2.7 GHz (raw scores, inputs as arrays of doubles, no feature program): LightGBM's and XGBoost's C API, ONNX Runtime, trees compiled by gcc.
The models here are trained on made data of 30 columns.
"""
import pathlib
import random
import subprocess
import tempfile

BUILD = pathlib.Path(__file__).resolve().parent.parent / "build"
PEERS = {
    (100, 31): {"us": "target 1.2; LightGBM 5.6, ONNX Runtime 5.7, compiled 2.1", "krows/s": "LightGBM 180, XGBoost 571, ONNX Runtime 275, compiled 419"},
    (500, 255): {"us": "target 7; LightGBM 38, ONNX Runtime 22, compiled 19", "krows/s": "target 170; LightGBM 20, XGBoost 59, ONNX Runtime 48, compiled 49"},
}


def main():
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        names = [f"c{i}" for i in range(30)]
        with open(folder / "data.csv", "w", encoding="ascii") as out:
            out.write(",".join(names) + ",y\n")
            for _ in range(20000):
                row = [rng.gauss(0, 1) for _ in names]
                y = row[0] * row[1] + row[2] + 0.5 * rng.gauss(0, 1) > 0
                out.write(",".join(f"{v:.5f}" for v in row) + f",{int(y)}\n")
        for (trees, leaves), peers in PEERS.items():
            subprocess.run([BUILD / "tidemill", "--home", f"home-{trees}", "train", "data.csv", "--target", "y", "--name", "m", "--learner", "gbdt",
                            "--param", f"gbdt.n_trees={trees}", "--param", f"gbdt.max_leaves={leaves}", "--param", "gbdt.early_stopping=0",
                            "--param", "gbdt.min_rows_in_leaf=5", "-q"], cwd=folder, check=True, capture_output=True)
            bundle, = (folder / f"home-{trees}" / "bundles").glob("*.tmb")
            lines = subprocess.run([BUILD / "bench" / "rows", bundle], check=True, capture_output=True, text=True).stdout.splitlines()
            for line in lines:
                unit = next((u for u in peers if f" {u} " in line), None)
                print(f"{trees} x {leaves}, {line}" + (f"   ({peers[unit]})" if unit else ""), flush=True)


if __name__ == "__main__":
    main()
