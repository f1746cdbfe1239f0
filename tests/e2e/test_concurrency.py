# SPDX-License-Identifier: Apache-2.0
"""Many processes on one home: each command ends well or says why not, and no move is lost."""
import json
import random
import signal
import sqlite3
import subprocess
import threading
import time

import pytest
from answers import read_answers
from conftest import PROGRAM, Server, Tidemill
from load import Load, home_holds
from made_data import churn_rows, csv_text, request_row
from processes import open_files, read
from waits import PATIENCE_S, wait_until


SLEEPS = ("35", "230")  # nanosleep and clock_nanosleep of x86-64


class Many:
    """Commands started together; each gives (code, value, stderr)."""

    def __init__(self, tm):
        self.tm, self.running = tm, []

    def start(self, *words):
        self.running.append(subprocess.Popen([str(PROGRAM), *map(str, words), "--json"], cwd=self.tm.folder, env=self.tm.env,
                                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return self.running[-1]

    def wait(self, seconds=PATIENCE_S):
        ends = []
        for process in self.running:
            out, err = process.communicate(timeout=seconds)
            ends.append((process.returncode, json.loads(out) if out else None, err))
        self.running = []
        return ends


def train_words(model, seed, *more):
    return ["train", "data.csv", "--target", "churned", "--name", model, "--learner", "gbdt", "--param", "gbdt.n_trees=10",
            "--seed", seed, "--threads", "1", *more]


@pytest.fixture(scope="module", name="made")
def fixture_made(tmp_path_factory):
    """A folder with data and a home whose model churn has three versions."""
    tm = Tidemill(tmp_path_factory.mktemp("concurrency"))
    tm.write("data.csv", csv_text(churn_rows(400)))
    for seed in (1, 2, 3):
        tm.ok(*train_words("churn", seed))
    return tm


@pytest.fixture(name="serve_in")
def fixture_serve_in():
    """serve_in(tm, ...) starts a server of a folder; all end with the test."""
    servers = []

    def start(tm, *words, **options):
        servers.append(Server(tm, *words, **options))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.stop()


def history(tm, model="churn", home=".tidemill"):
    return tm.ok("model", "history", model, "--json", "--home", home).json["history"]


def test_trainings_of_one_model_at_once_get_numbers_of_their_own(made):
    for round_ in range(4):
        model = f"twin{round_}"
        many = Many(made)
        for seed in range(3):
            many.start(*train_words(model, seed))
        ends = many.wait()
        assert [code for code, _, _ in ends] == [0, 0, 0], ends
        assert sorted(value["version"] for _, value, _ in ends) == [1, 2, 3]
        versions = made.ok("model", "show", model, "--json").json["versions"]
        assert {v["version"]: v["bundle_hash"] for v in versions} == {value["version"]: value["bundle_hash"] for _, value, _ in ends}
        events = [(e["event"], e["version"]) for e in history(made, model)]
        assert events == [("registered", 1), ("promoted", 1), ("registered", 2), ("registered", 3)]
    made.ok("model", "verify")


def test_promotions_at_once_have_one_order(made):
    rng = random.Random(5)
    conflicts = 0
    for _ in range(12):
        before = history(made)
        champion = made.ok("model", "ls", "--json").json["models"][0]["champion"]
        many = Many(made)
        wanted = rng.choice([[1, 2], [2, 3], [2, 2], [1, 1], [3, 1]])
        for version in wanted:
            many.start("model", "promote", f"churn@{version}")
        ends = many.wait()
        moves = history(made)[len(before):]
        done = [v for v, (code, _, _) in zip(wanted, ends) if code == 0]
        assert sorted(m["version"] for m in moves) == sorted(done)
        for code, value, err in ends:
            assert code in (0, 5), (code, err)
            assert code == 0 or "champion" in value["error"]["message"]
            conflicts += code == 5
        for move in moves:  # one order: each starts where the one before ended
            assert move["event"] == "promoted" and move["from"] == champion and move["version"] != champion
            champion = move["version"]
        assert made.ok("model", "ls", "--json").json["models"][0]["champion"] == champion
        if wanted[0] == wanted[1]:
            assert len(done) < 2
    assert conflicts > 0
    made.ok("model", "verify")


def waits_for_lock(pid):
    """Whether a process that opened the tables sleeps between two looks at their lock."""
    return any(name.endswith("meta.db") for name in open_files(pid).values()) and (read(pid, "syscall").split() or [""])[0] in SLEEPS


def test_of_two_promotions_at_once_one_wins_and_the_other_says_why(made):
    for round_ in range(20):
        champion = made.ok("model", "ls", "--json").json["models"][0]["champion"]
        others = [v for v in (1, 2, 3) if v != champion]
        many = Many(made)
        for version in others:
            many.start("model", "promote", f"churn@{version}", "--reason", f"round {round_}")
        ends = many.wait()
        assert sorted(code for code, _, _ in ends) in ([0, 5], [0, 0]), ends  # both, when one began after the other had ended
        for code, value, _ in ends:
            assert code == 0 or f"{champion}" in value["error"]["message"] and "champion" in value["error"]["message"]
    # And surely at once: both have seen the champion, and wait for who holds the tables.
    champion = made.ok("model", "ls", "--json").json["models"][0]["champion"]
    holder, many = lock_holder(made.folder / ".tidemill"), Many(made)
    for version in (1, 2, 3):
        if version != champion:
            many.start("model", "promote", f"churn@{version}")
    wait_until(lambda: all(waits_for_lock(process.pid) for process in many.running))
    holder.communicate("x")
    ends = many.wait()
    assert sorted(code for code, _, _ in ends) == [0, 5], ends
    made.ok("model", "verify")


def test_promotions_and_rollbacks_at_once_lose_nothing(made):
    for round_ in range(6):
        before = len(history(made))
        many = Many(made)
        for version in (1, 2, 3):
            many.start("model", "promote", f"churn@{version}", "--reason", f"round {round_}")
        for _ in range(3):
            many.start("model", "rollback", "churn", "--reason", f"round {round_}")
        ends = many.wait()
        assert all(code in (0, 5) for code, _, _ in ends), ends
        moves = history(made)[before:]
        assert len(moves) == sum(code == 0 for code, _, _ in ends)
        told = sorted((value["from"], value["champion"]) for code, value, _ in ends if code == 0)
        assert told == sorted((m["from"], m["version"]) for m in moves)
    # Read back: a rollback cancels the last promotion that stands, and goes where that came from.
    standing = []
    for event in history(made):
        if event["event"] == "promoted":
            standing.append((event["from"], event["version"]))
        elif event["event"] == "rolled_back":
            assert (event["version"], event["from"]) == standing.pop()
    made.ok("model", "verify")


@pytest.mark.parametrize("round_", range(3))
def test_sixteen_commands_at_once_make_one_home(tm, round_):
    tm.write("data.csv", csv_text(churn_rows(200)))
    many = Many(tm)
    words = [["key", "create", "--role", "viewer", "--name", f"k{i}"] for i in range(5)]
    words += [train_words("churn", i) for i in range(4)]
    words += [["model", "ls"], ["status"], ["key", "ls"], ["model", "verify"], ["model", "promote", "churn@2"], ["backup", "b.tar.zst"], ["doctor"]]
    random.Random(round_).shuffle(words)
    assert len(words) == 16
    for one in words:
        many.start(*one)
    keys, versions = [], []
    for one, (code, value, err) in zip(words, many.wait()):
        if one[0] == "train":
            assert code == 0, err
            versions.append(value["version"])
        elif one[:2] == ["key", "create"]:
            assert code == 0, err
            keys.append(value["id"])
        elif one[:2] == ["model", "promote"]:
            assert code in (0, 3), (code, err)
        elif one[0] == "doctor":
            assert code in (0, 1), (code, err)
        else:  # there is no home yet, or there is one
            assert code == 0 or (code == 3 and "there is no home" in value["error"]["message"]), (one, code, value, err)
    assert sorted(versions) == [1, 2, 3, 4]
    assert sorted(k["id"] for k in tm.ok("key", "ls", "--json").json["keys"]) == sorted(keys)
    assert [e["event"] for e in history(tm)].count("registered") == 4
    tm.ok("model", "verify")
    assert sorted(p.name for p in (tm.folder / ".tidemill").iterdir() if p.is_dir()) == ["bundles", "jobs", "snapshots", "temp"]


def test_one_server_at_a_time(made):
    servers = [subprocess.Popen([str(PROGRAM), command, "--listen", "127.0.0.1:0"], cwd=made.folder, env=made.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for command in ("serve", "serve", "run", "serve")]
    wait_until(lambda: sum(s.poll() is None for s in servers) <= 1)
    left = [s for s in servers if s.poll() is None]
    assert len(left) == 1
    for s in servers:
        if s is not left[0]:
            assert s.returncode == 5 and "another server" in s.communicate()[1]
    while "serves on" not in left[0].stderr.readline():
        assert left[0].poll() is None
    left[0].send_signal(signal.SIGTERM)
    assert left[0].wait(timeout=PATIENCE_S) == 0
    left[0].communicate()


@pytest.mark.parametrize("command", ["serve", "run"])
def test_a_second_server_takes_no_job_from_the_first(made, serve_in, command):
    """Beginning an epoch makes jobs of the one before lost: only who has the home may do that."""
    home = made.folder / ".tidemill"
    serve_in(made, command="run")
    meta = sqlite3.connect(home / "meta.db", timeout=PATIENCE_S)
    meta.execute("INSERT INTO jobs(id, kind, model, state, epoch, started_us) SELECT ?, 'retrain', 'other', 'running', number, 1 FROM epoch", (f"job-{command}",))
    meta.commit()
    before = meta.execute("SELECT number FROM epoch").fetchone()
    second = made(command, "--listen", "127.0.0.1:0")
    assert second.code == 5 and "another server" in second.err
    assert meta.execute("SELECT state FROM jobs WHERE id = ?", (f"job-{command}",)).fetchone() == ("running",)
    assert meta.execute("SELECT number FROM epoch").fetchone() == before
    meta.close()


def lock_holder(home, name="meta.db"):
    """A process of its own that holds the write lock of a database, as a command stopped in the middle does."""
    code = ("import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE');"
            "c.execute('CREATE TABLE IF NOT EXISTS half(x)'); print('held', flush=True); sys.stdin.read(1)")
    holder = subprocess.Popen(["/usr/bin/python3", "-c", code, str(home / name)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_stopped_writer_makes_others_wait_and_then_is_named(made):
    home = made.folder / ".tidemill"
    server = Server(made)
    holder = lock_holder(home)
    try:
        holder.send_signal(signal.SIGSTOP)
        many = Many(made)
        many.start("key", "create", "--role", "viewer")
        many.start("model", "promote", "churn@1", "--force")
        many.start(*train_words("churn", 9))
        rows = [request_row(r) for r in churn_rows(5, seed=3)]
        for _ in range(20):  # answers and labels go on: they are not in meta.db
            status, _, value = server.request("POST", "/v1/routes/churn/predict", {"rows": rows})
            assert status == 200
            labels = [{"prediction_id": a["id"], "label": "yes"} for a in value["predictions"]]
            assert server.request("POST", "/v1/labels", {"labels": labels})[0] == 200
        for code, value, err in many.wait():
            assert code == 5, (code, value, err)
            assert "meta.db" in value["error"]["message"] and f"process {holder.pid}" in value["error"]["message"], value
    finally:
        holder.kill()
        holder.wait()
        assert server.stop() == 0
    made.ok("key", "create", "--role", "viewer")
    names = sqlite3.connect(home / "meta.db").execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").fetchone()
    assert names == (0,)


def test_commands_stopped_for_a_moment_go_on_where_they_were(made):
    rng = random.Random(17)
    before = len(history(made))
    done = 0
    for _ in range(6):
        many = Many(made)
        for version in (1, 2, 3, 1):
            many.start("model", "promote", f"churn@{version}")
        victims = rng.sample(many.running, 2)
        time.sleep(rng.uniform(0, 0.015))
        for victim in victims:
            victim.send_signal(signal.SIGSTOP)
        time.sleep(0.15)
        for victim in victims:
            victim.send_signal(signal.SIGCONT)
        ends = many.wait()
        assert all(code in (0, 5) for code, _, _ in ends), ends
        done += sum(code == 0 for code, _, _ in ends)
    assert len(history(made)) - before == done > 0
    made.ok("model", "verify")


def test_a_mixed_load_keeps_the_book(made, serve_in):
    key = made.ok("key", "create", "--role", "admin", "--json").json["key"]
    server = serve_in(made)
    load = Load(made, server, key, seed=3)
    for kind in ("predict", "predict", "label", "move", "move", "make_keys", "train", "read", "break_off"):
        load.start(kind)
    for _ in range(3):
        load.wait_more("predict", "label", "move 200", "key", "train", "read", "break_off")
    load.stop()
    assert server.stop() == 0
    counts = home_holds(made.folder / ".tidemill", dict(load.book(), versions=[]))
    assert counts["answers"] >= len(load.answers)
    made.ok("model", "verify")


def test_a_graceful_stop_in_the_middle_of_a_load_loses_no_answer(made, serve_in):
    key = made.ok("key", "create", "--role", "admin", "--json").json["key"]
    for round_ in range(3):
        server = serve_in(made)
        load = Load(made, server, key, seed=round_)
        acked = []

        def ask(load=load, acked=acked):
            try:
                while True:
                    status, value = load.call("POST", "/v1/routes/churn/predict", {"rows": load.rows[:3]})
                    if status == 200:
                        acked.extend(a["id"] for a in value["predictions"])
            except OSError:
                pass

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(acked) > 300)
        assert server.stop() == 0
        for thread in threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        log = sqlite3.connect(made.folder / ".tidemill" / "log.db")
        known = {a["id"] for a in read_answers(log)}
        log.close()
        assert acked and not [i for i in acked if i not in known]


