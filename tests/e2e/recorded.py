# SPDX-License-Identifier: Apache-2.0
"""Steps of a session on a watched disk: recorded, failing, or killed. Each step returns only when it was acknowledged."""
import contextlib
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import tempfile

import conftest
import made_data

BUILT = conftest.ROOT / "build" / "tests" / "crash"
RECORDED = BUILT / "tidemill-recorded"
LABEL_GROUP = 50  # as in crash_points.c
VIRTUAL_MAGIC, VIRTUAL_MARK = 0x4B534456, 100  # as in virtual_disk.h
PROJECT = ("models:\n  churn:\n    from: ../data/customers.csv\n    target: churned\n    time: joined\n    drop: [city]\n"
           "    gate: {min: {auc: %s}}\n    retrain: {every: 7d}\n")


class Session:
    """A project folder with its home, and a folder of inputs beside it that no crash touches."""

    def __init__(self, folder, program=RECORDED, **env):
        self.folder, self.inputs = folder / "project", folder / "data"
        self.folder.mkdir(exist_ok=True, parents=True)
        self.inputs.mkdir(exist_ok=True)
        self.tm = conftest.Tidemill(self.folder, program)
        self.tm.env.update(TIDEMILL_DUCKDB=str(conftest.ROOT / "third_party" / "duckdb" / "libduckdb.so"),
                           TM_DISK_ROOT=str(self.folder), **env)
        self.n_labels = 0
        self.ends = []  # exit codes of all programs

    def run(self, *words):
        result = self.tm(*words)
        self.ends.append(result.code)
        return result

    def mark(self, text):
        """From here on in the trace, this is acknowledged. Written at once, as a record of tests/crash/virtual_disk.h: what a process that is
        started for it would miss may be the change that makes it true."""
        head = struct.pack("<IIIIQQ", VIRTUAL_MAGIC, VIRTUAL_MARK, len(text), 0, 0, 0)
        record = (head + text.encode("ascii")).ljust((len(head) + len(text) + 7) // 8 * 8, b"\0")
        trace = os.open(self.tm.env["TM_DISK_TRACE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            assert os.write(trace, record) == len(record)
        finally:
            os.close(trace)

    # The steps: each takes the session from one acknowledged state to the next, and says whether it was acknowledged.

    def init(self):
        return self.run("init").code == 0

    def train(self, seed=1):
        rows = made_data.churn_rows(400, seed=seed)
        (self.inputs / "customers.csv").write_text(made_data.csv_text(rows), encoding="utf-8")
        return self.run("train", "../data/customers.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param",
                       "gbdt.n_trees=12", "--seed", seed, "--threads", 1).code == 0

    def promote(self, number=2):
        return self.run("model", "promote", f"churn@{number}", "--force").code == 0

    def rollback(self):
        return self.run("model", "rollback", "churn", "--reason", "a test").code == 0

    def apply(self, floor=0.6):
        (self.inputs / "tidemill.yaml").write_text(PROJECT % floor, encoding="utf-8")
        return self.run("apply", "--file", "../data/tidemill.yaml").code == 0

    def retrain(self):
        return self.run("retrain", "churn", "--threads", 1).code in (0, 1)

    def backup(self, path="copy.tar.zst"):
        return self.run("backup", path).code == 0

    def restore(self):
        return self.run("restore", "../data/earlier.tar.zst", "--home", "other").code == 0

    def label(self, groups=1):
        """A server answers groups of rows and takes their labels; False when it ended before all were acknowledged."""
        try:
            server = conftest.Server(self.tm)
        except AssertionError:
            return False
        try:
            return all(self.label_group(server, group) for group in range(groups))
        except OSError:
            return False
        finally:
            self.ends.append(server.stop())

    def label_group(self, server, seed):
        rows = made_data.churn_rows(LABEL_GROUP, seed=seed)
        status, _, body = server.request("POST", "/v1/routes/churn/predict", {"rows": [made_data.request_row(r) for r in rows]})
        if status != 200:
            return False
        labels = [{"prediction_id": p["id"], "label": r["churned"]} for p, r in zip(body["predictions"], rows)]
        status, _, body = server.request("POST", "/v1/labels", {"labels": labels})
        self.n_labels += LABEL_GROUP if status == 200 else 0
        return status == 200

    # What stands in the home.

    def records(self):
        """Number of history records, read without leaving a trace in the folder; 0 without a home."""
        path = self.folder / ".tidemill" / "meta.db"
        if not path.exists():
            return 0
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return db.execute("SELECT n FROM chain").fetchone()[0]

    def problem(self, program, records, labels):
        """What is wrong with the folder, looked at by a sound program on a sound disk; "" when nothing is."""
        sound = conftest.Tidemill(self.folder, program)
        for path in self.folder.glob("*.tar.zst"):
            if sound("restore", path, "--check").code != 0:
                return f"{path.name} has its name and is not whole"
        if (self.folder / "other").exists() and sound("model", "verify", "--home", "other").code != 0:
            return "a restored home has its name and is not whole"
        if records + labels == 0 and not (self.folder / ".tidemill" / "bundles").exists():
            return ""
        verify = sound("model", "verify", "--json")
        if verify.code != 0:
            return f"model verify exits {verify.code}: {verify.err}"
        if verify.json["history_records"] < records:
            return f"{records} records were acknowledged and {verify.json['history_records']} are there"
        for name in ("meta.db", "log.db"):
            path = self.folder / ".tidemill" / name
            if not path.exists():
                continue
            with contextlib.closing(sqlite3.connect(path)) as db:
                if db.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                    return f"{name} is damaged"
                if name == "log.db":
                    total = db.execute("SELECT count(*) FROM labels").fetchone()[0]
                    joined = db.execute("SELECT count(*) FROM labels JOIN blocks ON answer_seq >= first_seq AND answer_seq < first_seq + n"
                                        " WHERE state = 1").fetchone()[0]
                    if total < labels or total % LABEL_GROUP != 0 or joined != total:
                        return f"{labels} labels were acknowledged; {total} are there and {joined} are joined"
        return ""


# Steps that are broken off, each on a copy of the home that the steps before leave: (name, is the home fresh, what to call).
STEPS = [
    ("init", True, Session.init),
    ("first train", True, Session.train),
    ("train", False, lambda s: s.train(3)),
    ("promote", False, lambda s: s.promote(1)),
    ("rollback", False, Session.rollback),
    ("label", False, Session.label),
    ("retrain", False, Session.retrain),
    ("apply", False, lambda s: s.apply(0.7)),
    ("backup", False, Session.backup),
    ("restore", False, Session.restore),
]


def prepare(folder):
    """A home to break steps on: two versions, the second promoted, two groups of labels, a gate."""
    session = Session(folder)
    assert session.init() and session.train(1) and session.label(2) and session.train(2) and session.promote(2) and session.apply(0.6)
    assert session.backup("../data/earlier.tar.zst")
    return session


def copy_of(base, folder, program=RECORDED, **env):
    """A copy of a session's folders as a session of its own."""
    shutil.copytree(base.folder.parent, folder)
    session = Session(folder, program, **env)
    session.n_labels = base.n_labels
    return session


def record(folder):
    """The whole session once; path of its trace, with marks of what was acknowledged."""
    trace = folder / "trace"
    session = Session(folder, TM_DISK_TRACE=str(trace))

    def acknowledged(is_done):
        assert is_done
        session.mark(f"history {session.records()}")

    assert session.init()
    session.mark("project")
    acknowledged(session.train(1))
    server = conftest.Server(session.tm)
    for group in range(4):
        assert session.label_group(server, group)
        session.mark(f"labels {session.n_labels}")
    assert server.stop() == 0
    acknowledged(session.train(2))
    acknowledged(session.promote(2))
    acknowledged(session.rollback())
    acknowledged(session.apply())
    acknowledged(session.retrain())
    acknowledged(session.promote(1))
    assert session.backup()
    session.mark("backup")
    shutil.copy(session.folder / "copy.tar.zst", session.inputs / "earlier.tar.zst")
    assert session.restore()
    session.mark("restored")
    return trace


def crash_points(trace, seed, every, start=None):
    """(points, failed, all that crash_points printed). The disks after the failures stand in memory."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        done = subprocess.run([str(BUILT / "crash_points"), str(trace), folder, str(seed), str(every)] +
                              ([str(start)] if start else []), stdout=subprocess.PIPE, text=True, check=True)
    summary = re.search(r"^(\d+) crash points over .*: (\d+) failed", done.stdout, re.M)
    return int(summary.group(1)), int(summary.group(2)), done.stdout


def crash_again(trace, folder, at, seed):
    """A failure at change `at`, then failures during the recovery from it; as crash_points()."""
    left = folder / "left" / "project"
    left.mkdir(parents=True)
    done = subprocess.run([str(BUILT / "crash_points"), "--leave", str(trace), str(left), str(seed), str(at)],
                          stdout=subprocess.PIPE, text=True, check=True)
    again = folder / "again-trace"
    session = copy_of(Session(folder / "left"), folder / "recovered", TM_DISK_TRACE=str(again))
    for mark in done.stdout.split("\n"):
        if mark:
            session.mark(mark)
    session.run("model", "ls")
    if (session.folder / ".tidemill" / "bundles").exists():
        session.label(0)  # a server starts and stops
    found = crash_points(again, seed, 1, left)
    shutil.rmtree(folder)
    return found


def broken_disk(base, folder, step, fault):
    """One step on a disk that fails as `fault` (TM_DISK_FAIL, TM_DISK_ERRNO) says; what is wrong afterwards, "" when nothing is."""
    name, is_fresh, run = step
    session = Session(folder, **fault) if is_fresh else copy_of(base, folder, **fault)
    records = session.records()
    labels = session.n_labels
    done = run(session)
    problem = session.problem(conftest.PROGRAM, session.records() if done else records, session.n_labels if done else labels)
    if not problem and any(code < 0 or code == 70 for code in session.ends):
        problem = f"a failing disk is no reason to end with {session.ends}"
    if not problem and not done:
        # The same step, on a sound disk, goes through. A version that an unlucky step registered may stand already.
        again = Session(folder)
        again.n_labels = session.n_labels
        done = run(again)
        problem = "" if done or name in ("init", "promote", "rollback", "backup", "restore") else "the step does not go through afterwards"
        problem = problem or again.problem(conftest.PROGRAM, records, labels)
    shutil.rmtree(folder)
    return problem
