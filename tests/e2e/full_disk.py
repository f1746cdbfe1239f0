# SPDX-License-Identifier: Apache-2.0
"""What the program does on a disk that is full: run by test_full_disk.py in a mount namespace of its own, on a small tmpfs.

Usage: full_disk.py PROGRAM FOLDER. Everything that was acknowledged must be there at the end, and each refusal must be named.
"""
import itertools
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from conftest import Server, Tidemill  # noqa: E402
from waits import wait_until  # noqa: E402

DISK_BYTES = 64 << 20
BATCH = 500  # rows of a push
WORDS = ("the disk is full", "Free some space")


class Disk:
    """A small disk, and what fills it up."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tmpfs", str(folder)], check=True)
        self.ballast = folder / "ballast"

    def fill(self, leave=0):
        """Until not another page fits, or so many bytes are left."""
        with open(self.ballast, "ab") as out:
            for size in (1 << 20, 4096, 1):
                try:
                    while self.free() - leave >= size:
                        os.write(out.fileno(), b"x" * size)
                except OSError:
                    pass

    def free(self):
        state = os.statvfs(self.folder)
        return state.f_bavail * state.f_frsize

    def empty(self):
        self.ballast.unlink(missing_ok=True)


def is_named(text):
    return any(word in text for word in WORDS)


def rows_of(first, n):
    return "id,amount,city,late\n" + "".join(
        f"{i},{i * 37 % 1000 / 10},town{i % 17} {'x' * 60},{'yes' if i * 37 % 1000 > 600 else 'no'}\n" for i in range(first, first + n))


class Pusher:
    """Batches of rows with ids that rise; it knows which were acknowledged."""

    def __init__(self, server, key):
        self.server, self.headers = server, {"Content-Type": "text/csv", "Authorization": f"Bearer {key}"}
        self.acknowledged, self.refused = set(), []

    def push(self, batch, n=BATCH):
        status, _, body = self.server.request("POST", "/v1/sources/orders/rows", rows_of(batch * n, n), self.headers)
        if status == 200:
            self.acknowledged.add(batch)
            return body
        self.refused.append((status, str(body)))
        return None


def stored(tm):
    """Rows of the source, and the least and largest id."""
    out = tm.ok("data", "profile", "orders", "--json").json
    column = next(c for c in out["columns"] if c["name"] == "id")
    return out["rows"], int(column["min"]), int(column["max"])


def pushes(tm, disk, key):
    """Until the disk is full, on it, and when there is room again: rows are there once, and all that were acknowledged."""
    server = Server(tm)
    pusher, batch = Pusher(server, key), 0
    while not pusher.refused:
        pusher.push(batch)
        batch += 1
        assert batch < 2000
    for _ in range(5):
        pusher.push(batch)
        batch += 1
    assert all(status in (503, 507) and is_named(text) for status, text in pusher.refused), pusher.refused[:2]
    before = set(pusher.acknowledged)
    assert len(before) > 20 and server.request("GET", "/livez")[0] == 200
    disk.empty()
    for again in range(batch):  # every batch once more, as a client would that has no answer
        body = pusher.push(again)
        assert body is not None, pusher.refused[-1]
        assert again not in before or body["duplicates"] == BATCH and body["accepted"] == 0, body
    assert server.stop() == 0
    rows = batch * BATCH
    assert stored(tm) == (rows, 0, rows - 1)
    return rows


def fails(tm, *words):
    """The command says that the disk is full, and ends with an error of its own."""
    result = tm(*words)
    assert result.code == 6, (words, result.code, result.err)
    assert is_named(result.err), (words, result.code, result.err)
    return result


def compaction(tm, disk, rows):
    disk.fill()
    fails(tm, "data", "compact")
    assert stored(tm)[0] == rows
    disk.empty()
    tm.ok("data", "compact")
    assert stored(tm) == (rows, 0, rows - 1)
    shown = tm.ok("data", "show", "orders", "--json").json
    assert (shown["rows"], shown["pending"]) == (rows, 0) and shown["segments"] >= 1


def training(tm, disk):
    train = ["train", "--source", "orders", "--target", "late", "--name", "late", "--learner", "linear", "-q"]
    disk.fill()
    fails(tm, *train)
    fails(tm, "model", "ls")  # even a reader needs a page for SQLite's index of the log
    disk.empty()
    assert tm.ok("model", "ls", "--json").json["models"] == []
    tm.ok(*train)
    assert tm.ok("model", "verify", "late").code == 0


def open_turn(tm):
    turns = tm.ok("retrain", "late", "--turns", "--json").json["turns"]
    assert len([t for t in turns if t["outcome"] is None]) <= 1
    return turns[0] if turns and turns[0]["outcome"] is None else None


def retraining(tm, disk, rows):
    """A disk that fills in mid-training stops the turn where it is; with room again it goes on to its end, on the same rows."""
    for room in (100 << 10, *range(240 << 10, 480 << 10, 20 << 10)):  # rows, then the steps behind them
        new = disk.folder / "new.csv"
        new.write_text(rows_of(rows, BATCH), encoding="utf-8")
        rows += BATCH
        tm.ok("data", "push", "orders", new)
        disk.fill(leave=room)
        result = tm("retrain", "late")
        disk.empty()
        assert result.code in (0, 1) or (result.code == 6 and is_named(result.err)), (result.code, result.err)
        turn = open_turn(tm)
        if turn is not None:
            break
        assert tm("retrain", "late").code in (0, 1)  # what was stopped before it began, or has ended, is begun anew
    assert turn is not None, "no turn was stopped by the disk"
    tm("retrain", "late", "--resume")
    ended = tm.ok("retrain", "late", "--turns", "--json").json["turns"][0]
    assert ended["outcome"] in ("promoted", "refused") and (ended["turn"], ended["snapshot"]) == (turn["turn"], turn["snapshot"]), ended
    assert open_turn(tm) is None
    assert tm.ok("model", "verify", "late").code == 0
    return rows


def answers_and_labels(tm, disk, key):
    """Answers are given on a full disk; labels are refused, for they could not be kept."""
    headers = {"Authorization": f"Bearer {key}"}
    server = Server(tm)
    rows = {"rows": [{"id": 1, "amount": 3.5, "city": "town1"}] * 20}
    disk.fill()
    refused, given = 0, []
    for turn in itertools.count():
        if turn >= 40 and refused > 0:
            break
        assert turn < 4000, "nothing is refused"
        status, _, body = server.request("POST", "/v1/routes/late/predict", rows, headers)
        assert status == 200
        given += [p["id"] for p in body["predictions"]]
        status, _, body = server.request("POST", "/v1/labels", {"labels": [{"prediction_id": given[-1], "label": "no"}]}, headers)
        if status != 200:
            assert status == 503 and is_named(str(body)), (status, body)
            refused += 1
            given.pop()
    disk.empty()
    labels = [{"prediction_id": i, "label": "yes"} for i in given[:5]]

    def is_joined():  # the answers that waited are written first
        status, _, body = server.request("POST", "/v1/labels", {"labels": labels}, headers)
        return status == 200 and body["joined"] + body["duplicate"] + body["conflict"] == 5

    wait_until(is_joined)
    assert server.stop() == 0


def sinks(tm, disk, rows):
    """Each row is written once, though the disk was full while it was."""
    tm.ok("sink", "add", "scored", "--model", "late", "--read", "orders", "--to-csv", str(disk.folder / "out"), "--batch-rows", "5000")
    disk.fill(leave=1 << 20)
    fails(tm, "sink", "run", "scored")
    disk.empty()
    tm.ok("sink", "run", "scored")
    ids = []
    for path in sorted((disk.folder / "out").glob("*.csv")):
        lines = path.read_text(encoding="utf-8").split("\n")
        at = lines[0].split(",").index("id")
        ids += [int(line.split(",")[at]) for line in lines[1:] if line]
    assert sorted(ids) == list(range(rows))


def main():
    program, folder = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    disk = Disk(folder / "disk")
    tm = Tidemill(disk.folder, program)
    tm.env["TIDEMILL_DISK_FLOOR"] = "1"
    key = tm.ok("key", "create", "--role", "admin", "--json").json["key"]
    tm.ok("data", "add", "orders", "--push", "--key", "id")
    disk.fill(leave=10 << 20)
    rows = pushes(tm, disk, key)
    compaction(tm, disk, rows)
    training(tm, disk)
    rows = retraining(tm, disk, rows)
    answers_and_labels(tm, disk, key)
    sinks(tm, disk, rows)
    print("nothing was lost")


if __name__ == "__main__":
    main()
