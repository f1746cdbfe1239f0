#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Erasing a subject with 1,000 rows of a source and 1,000 logged answers, and 1,000 subjects at once, from exec to the certificate, without the training of what is fitted anew."""
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


def erase(cwd, words, seconds, cpu):
    """One erasure in a copy of the home; what its certificate found."""
    shutil.copytree(cwd / ".tidemill", cwd / "home")
    start, before = time.monotonic(), cpu_seconds()
    common.run(common.PROGRAM, "--home", "home", "subject", "erase", *words, "--certificate", "c.json", "--models", "list", cwd=cwd)
    seconds.append(time.monotonic() - start)
    cpu.append(cpu_seconds() - before)
    shutil.rmtree(cwd / "home")
    return json.loads((cwd / "c.json").read_text(encoding="utf-8"))["certificate"]["found"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        cwd = pathlib.Path(folder)
        table(cwd / "rows.csv", ROWS, ("id", "event", "age", "city", "late"))
        table(cwd / "asked.csv", ANSWERS, ("id", "age", "city"))
        (cwd / "tidemill.yaml").write_text("sources:\n  rows: {read: rows.csv, key: [event], columns: {id: {role: entity}}}\n", encoding="utf-8")
        common.run(common.PROGRAM, "apply", cwd=cwd)
        common.run(common.PROGRAM, "train", "rows.csv", "--target", "late", "--entity", "id", "--drop", "event", "--name", "late", "--learner", "baseline", cwd=cwd)
        common.run(common.PROGRAM, "predict", "late", "asked.csv", "--log", "-o", "answers.csv", cwd=cwd)
        (cwd / "ids.txt").write_text("".join(f"P{i:05d}\n" for i in range(1000)), encoding="utf-8")
        seconds, cpu = ([], []), ([], [])
        for _ in range(N_RUNS):
            found = erase(cwd, [SUBJECT], seconds[0], cpu[0])
            assert found["sources"][0]["n"] == 1000 and found["answers"][0]["n"] == 1000
            assert erase(cwd, ["--from", "ids.txt"], seconds[1], cpu[1])["sources"][0]["n"] > 15000
        for i, what in enumerate(("erase 1,000 rows of 100,000 and 1,000 answers of 20,000", "erase 1,000 subjects at once, a fifth of both")):
            common.report(what, "s", seconds[i])
            common.report("the same, whatever else the machine does", "CPU s", cpu[i])


if __name__ == "__main__":
    main()
