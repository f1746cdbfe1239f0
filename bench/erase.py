#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Erasing a subject with 1,000 rows of a source and 1,000 logged answers, from exec to the certificate, without the training of what is fitted anew."""
import json
import pathlib
import resource
import shutil
import tempfile
import time

import common

N_RUNS = 7
ROWS, ANSWERS = 100_000, 20_000  # of all subjects; 1,000 of each are one's
SUBJECT = "SUBJECT-0001"


def table(path, n, columns):
    with open(path, "w", encoding="utf-8") as file:
        file.write(",".join(columns) + "\n")
        for i in range(n):
            who = SUBJECT if i % (n // 1000) == 0 else f"P{i % 5000:05d}"
            values = {"id": who, "event": i, "age": 20 + i * 7 % 50, "city": "ab"[i % 2], "late": "yes" if i * 7 % 50 > 25 else "no"}
            file.write(",".join(str(values[name]) for name in columns) + "\n")


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main():
    with tempfile.TemporaryDirectory() as folder:
        cwd = pathlib.Path(folder)
        table(cwd / "rows.csv", ROWS, ("id", "event", "age", "city", "late"))
        table(cwd / "asked.csv", ANSWERS, ("id", "age", "city"))
        (cwd / "tidemill.yaml").write_text("sources:\n  rows: {read: rows.csv, key: [event], columns: {id: {role: entity}}}\n", encoding="utf-8")
        common.run(common.PROGRAM, "apply", cwd=cwd)
        common.run(common.PROGRAM, "train", "rows.csv", "--target", "late", "--entity", "id", "--drop", "event", "--name", "late", "--learner", "baseline", cwd=cwd)
        common.run(common.PROGRAM, "predict", "late", "asked.csv", "--log", "-o", "answers.csv", cwd=cwd)
        seconds, cpu = [], []
        for i in range(N_RUNS):
            shutil.copytree(cwd / ".tidemill", cwd / "home")
            start, before = time.monotonic(), cpu_seconds()
            common.run(common.PROGRAM, "--home", "home", "subject", "erase", SUBJECT, "--certificate", f"c{i}.json", "--models", "list", cwd=cwd)
            seconds.append(time.monotonic() - start)
            cpu.append(cpu_seconds() - before)
            found = json.loads((cwd / f"c{i}.json").read_text(encoding="utf-8"))["certificate"]["found"]
            assert found["sources"][0]["n"] == 1000 and found["answers"][0]["n"] == 1000
            shutil.rmtree(cwd / "home")
        common.report("erase 1,000 rows of 100,000 and 1,000 answers of 20,000", "s", seconds)
        common.report("the same, whatever else the machine does", "CPU s", cpu)


if __name__ == "__main__":
    main()
