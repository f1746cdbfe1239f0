#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What segments in a bucket cost beside the disk: seconds, requests and bytes to put and to read one, held against the formula of docs/scale.md.

usage: bench/bucket.py [--rows N] [--files N] [--rounds N]

The bucket is the one of the tests, on loopback and in Python: its own seconds are counted apart. A file of N rows becomes a segment.
"""
import argparse
import json
import math
import pathlib
import random
import resource
import shutil
import sys
import tempfile
import threading
import time

import common

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "e2e"))
import s3_server  # noqa: E402  pylint: disable=wrong-import-position

PART = 8 << 20
NAMES = "local", "bucket"


class Timed(s3_server.Handler):
    """Counts the seconds in which a request is answered."""

    seconds, lock = 0.0, threading.Lock()

    def do_GET(self):
        start = time.perf_counter()
        super().do_GET()
        with Timed.lock:
            Timed.seconds += time.perf_counter() - start


def put_requests(size):
    """A list, and the object: whole, or begun, in parts and ended."""
    return 2 if size <= PART else 3 + math.ceil(size / PART)


def get_requests(size):
    return 1 + math.ceil(size / PART)


def timed(bucket, *words, cwd):
    bucket.requests.clear()
    Timed.seconds = 0.0
    start, used = time.perf_counter(), cpu_seconds()
    common.run(common.PROGRAM, *words, cwd=cwd)
    return time.perf_counter() - start, Timed.seconds, list(bucket.requests), cpu_seconds() - used


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def once(cwd, bucket, seen):
    for home in NAMES:
        shutil.rmtree(cwd / home, ignore_errors=True)
    bucket.objects.clear()
    (cwd / "bucket").mkdir()
    (cwd / "bucket" / "bucket.json").write_text(json.dumps({"url": "s3://mill/one", "credentials": str(bucket.credentials(cwd)), "segments": "one"}))
    for home in NAMES:
        seen[f"put, {home}"].append(timed(bucket, "data", "add", "rows", "--files", "in", "--home", home, cwd=cwd))
    sizes = [len(v) for k, v in bucket.objects.items() if k.endswith(".parquet")]
    puts = seen["put, bucket"][-1][2]
    for home in NAMES:
        made = timed(bucket, "data", "snapshot", "rows", "--home", home, cwd=cwd)  # the file that the others find
        if home == "bucket":
            large = next(len(v) for k, v in bucket.objects.items() if "/snapshots/" in k)
            parts = [r for r in made[2] if "snapshots" in r]
            assert len(parts) == put_requests(large), f"{len(parts)} requests for an object of {large} bytes"
        seen[f"read, {home}"].append(timed(bucket, "data", "snapshot", "rows", "--home", home, cwd=cwd))
        if home == "bucket":
            shutil.rmtree(cwd / home / "segments")
            seen["read, fetched"].append(timed(bucket, "data", "snapshot", "rows", "--home", home, cwd=cwd))
    gets = [r for r in seen["read, fetched"][-1][2] if "segments" in r]
    model = sum(put_requests(s) for s in sizes), sum(get_requests(s) for s in sizes)
    owner = [r for r in puts if ".owner" in r]
    return sizes, (len(puts) - len(owner), len(gets)), model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    s3_server.Handler, plain = Timed, s3_server.Handler
    bucket = s3_server.Bucket("mill")
    s3_server.Handler = plain
    seen = {f"{what}, {home}": [] for what in ("put", "read") for home in NAMES} | {"read, fetched": []}
    with tempfile.TemporaryDirectory() as folder:
        cwd, draw = pathlib.Path(folder), random.Random(1)
        (cwd / "in").mkdir()
        for number in range(args.files):
            with open(cwd / "in" / f"{number}.csv", "w", encoding="utf-8") as file:
                file.write("id,a,b,c,city\n")
                file.writelines(f"{number * args.rows + i},{draw.random()},{draw.random()},{i % 97},{'abcd'[i % 4]}\n" for i in range(args.rows))
        for _ in range(args.rounds):
            sizes, asked, model = once(cwd, bucket, seen)
            assert asked == model, f"{asked} requests, {model} by the formula"
    n, megabytes = len(sizes), sum(sizes) / 1e6
    common.report(f"{n} segments of a pull, each", "MB", [s / 1e6 for s in sizes])
    print(f"requests to put and to fetch them: {asked}, by the formula {model}")
    for what, base in (("put, bucket", "put, local"), ("read, fetched", "read, local"), ("read, bucket", "read, local")):
        pairs = list(zip(seen[what], seen[base]))
        common.report(f"{what}: seconds a segment more than of the disk", "s", [(a[0] - b[0]) / n for a, b in pairs], 3)
        common.report(f"{what}: of which the server's", "s", [a[1] / n for a, _ in pairs], 3)
        common.report(f"{what}: seconds of processor a MB more", "s", [(a[3] - b[3]) / megabytes for a, b in pairs], 4)
        common.report(f"{what}: all of the command over the disk's", "ratio", [a[0] / b[0] for a, b in pairs])
    bucket.close()


if __name__ == "__main__":
    main()
