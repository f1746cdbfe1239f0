# SPDX-License-Identifier: Apache-2.0
"""Data sets as files that every program of the comparison reads the same way.

A folder holds {train,test}_x.f32 (rows of float32, a missing value is NaN, a category its code), {train,test}_y.f32 and meta.json:
task, n_classes, n_columns, n_train, n_test, levels {column: how many}, sha256 of the training rows, for generated sets bayes_auc.
"""
import hashlib
import json
import os
import shutil

import made_sets
import numpy as np
import scores


def write_part(folder, name, parts):
    """Write (x, y) pairs one after the other; rows written and the hash of their bytes."""
    digest, n = hashlib.sha256(), 0
    with open(os.path.join(folder, f"{name}_x.f32"), "wb") as x_out, open(os.path.join(folder, f"{name}_y.f32"), "wb") as y_out:
        for x, y in parts:
            for values, out in ((x, x_out), (y, y_out)):
                data = np.ascontiguousarray(values, dtype="<f4").tobytes()
                out.write(data)
                digest.update(data)
            n += len(y)
    return n, digest.hexdigest()


def publish(folder, fill):
    """Fill a fresh folder and give it its name when it is whole."""
    part = f"{folder}.part"
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(part)
    meta = fill(part)
    with open(os.path.join(part, "meta.json"), "w", encoding="utf-8") as out:
        json.dump(meta, out, indent=1)
    os.rename(part, folder)


def make_generated(folder, name, n_rows, seed, n_test=None):
    def fill(part):
        _, _, _, _, _, n_test_most, levels = made_sets.SETS[name]
        logits, labels = [], []

        def keep(blocks):
            for x, y, logit in blocks:
                logits.append(logit)
                labels.append(y)
                yield x, y
        n_train, digest = write_part(part, "train", ((x, y) for x, y, _ in made_sets.blocks(name, n_rows, seed, made_sets.TRAIN)))
        n, _ = write_part(part, "test", keep(made_sets.blocks(name, n_test or n_test_most, seed, made_sets.TEST)))
        n_columns = os.path.getsize(os.path.join(part, "test_x.f32")) // (4 * n)
        return {"task": "binary", "n_classes": 2, "n_columns": n_columns, "n_train": n_train, "n_test": n, "levels": levels, "sha256": digest,
                "bayes_auc": scores.auc(np.concatenate(labels), np.concatenate(logits))}
    publish(folder, fill)


class Set:
    """A folder of a set as arrays."""

    def __init__(self, folder):
        with open(os.path.join(folder, "meta.json"), encoding="utf-8") as meta:
            self.meta = json.load(meta)
        self.task, self.n_classes = self.meta["task"], self.meta["n_classes"]
        self.levels = {int(c): n for c, n in self.meta["levels"].items()}
        self.folder = folder

    def part(self, name):
        """(x [rows x columns], y) as float32."""
        x = np.fromfile(os.path.join(self.folder, f"{name}_x.f32"), dtype="<f4").reshape(-1, self.meta["n_columns"])
        return x, np.fromfile(os.path.join(self.folder, f"{name}_y.f32"), dtype="<f4")

    @property
    def y_test(self):
        return np.fromfile(os.path.join(self.folder, "test_y.f32"), dtype="<f4")


def write_csv(folder):
    """train.csv and test.csv of a set as a user has them: c0, c1, ..., y with a header; categories are text."""
    import pyarrow
    from pyarrow import csv
    rows = Set(folder)
    for name in ("train", "test"):
        x, y = rows.part(name)
        columns = {}
        for c in range(x.shape[1]):
            n = rows.levels.get(c)
            columns[f"c{c}"] = pyarrow.array(x[:, c] if n is None else np.array([f"v{level}" for level in range(n)])[x[:, c].astype(int)])
        columns["y"] = pyarrow.array(y.astype(np.int8))
        path = os.path.join(folder, f"{name}.csv")
        csv.write_csv(pyarrow.table(columns), f"{path}.part")
        os.rename(f"{path}.part", path)
