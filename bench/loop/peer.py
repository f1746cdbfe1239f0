#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""River's adaptive random forest or Hoeffding adaptive tree over a stream, each label DELAY rows after its answer.

peer.py FILE.csv TARGET DELAY FIRST arf|hat: rows before FIRST only teach. Prints {"score", "seconds", "rows"}; seconds are of learning and
answering alone. Fields that read as numbers are numbers.
"""
import csv
import json
import sys
import time

from river import forest, tree

MODELS = {"arf": lambda: forest.ARFClassifier(seed=1), "hat": lambda: tree.HoeffdingAdaptiveTreeClassifier(seed=1)}


def value(text):
    try:
        return float(text)
    except ValueError:
        return text


def main():
    path, target, delay, first, name = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    with open(path, encoding="utf-8", newline="") as file:
        rows = [({k: value(v) for k, v in row.items() if k != target}, row[target]) for row in csv.DictReader(file)]
    model, right, known = MODELS[name](), 0, 0
    started = time.perf_counter()
    for i, (x, y) in enumerate(rows):
        while known <= i - delay:
            model.learn_one(*rows[known])
            known += 1
        if i >= first:
            right += model.predict_one(x) == y
    seconds = time.perf_counter() - started
    print(json.dumps({"score": right / (len(rows) - first), "seconds": seconds, "rows": len(rows) - first}))


if __name__ == "__main__":
    main()
