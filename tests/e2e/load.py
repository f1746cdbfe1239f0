# SPDX-License-Identifier: Apache-2.0
"""A mixed load on a server and its home, with a book of what was acknowledged.

Clients predict (keep-alive, batches, connections that break off), label, promote, roll back, make and revoke keys, read, train.
Every client stops when it is told to; what surprises one of them ends the test.
"""
import http.client
import json
import random
import socket
import sqlite3
import threading
import time

from answers import read_answers
from conftest import is_overloaded
from made_data import churn_rows, request_row
from waits import PATIENCE_S, wait_until

KEY_HEADER = "X-Api-Key"


class Load:
    """Threads against one server: start(kind, ...) adds one, stop() ends all and raises what any of them met."""

    def __init__(self, tm, server, key, seed=1, model="churn"):
        self.tm, self.server, self.key, self.model, self.seed = tm, server, key, model, seed
        self.rows = [request_row(r) for r in churn_rows(200, seed=seed)]
        self.stopping, self.ending = threading.Event(), threading.Event()
        self.lock = threading.Lock()
        self.threads, self.errors = [], []
        self.answers, self.labels, self.moves, self.keys, self.versions = [], {}, [], {}, []
        self.counts = {}

    def count(self, name, n=1):
        with self.lock:
            self.count_locked(name, n)

    def count_locked(self, name, n=1):
        self.counts[name] = self.counts.get(name, 0) + n

    def start(self, kind, times=1, **options):
        for _ in range(times):
            thread = threading.Thread(target=self.guarded, args=(getattr(self, kind), random.Random(f"{self.seed} {len(self.threads)}")),
                                      kwargs=options, daemon=True)
            self.threads.append(thread)
            thread.start()

    def guarded(self, run, rng, **options):
        try:
            run(rng, **options)
        except (OSError, http.client.HTTPException) as error:
            if not self.ending.is_set():
                self.errors.append(f"{run.__name__}: {type(error).__name__}: {error}")
        except Exception as error:  # pylint: disable=broad-except
            self.errors.append(f"{run.__name__}: {type(error).__name__}: {error}")

    def wait_more(self, *kinds):
        """Until each kind of client has done something that it had not done yet."""
        before = dict(self.counts)
        wait_until(lambda: self.errors or all(self.counts.get(kind, 0) > before.get(kind, 0) for kind in kinds), lambda: self.counts)

    def expect_end(self):
        """From now on the server may end under the clients, who go on: a connection that breaks is no fault then."""
        self.ending.set()

    def stop(self, seconds=PATIENCE_S):
        self.stopping.set()
        end = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0.1, end - time.monotonic()))
            assert not thread.is_alive(), "a client of the load hangs"
        assert not self.errors, self.errors

    def call(self, method, path, body=None, key=None, connection=None):
        own = connection is None
        if own:
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE_S)
        try:
            while True:
                connection.request(method, path, None if body is None else json.dumps(body),
                                   {"Content-Type": "application/json", KEY_HEADER: key or self.key})
                reply = connection.getresponse()
                data = reply.read()
                value = json.loads(data) if data and "json" in (reply.getheader("Content-Type") or "") else data
                if not is_overloaded(reply.status, value):
                    return reply.status, value
                time.sleep(0.05)
        finally:
            if own:
                connection.close()

    def command(self, *words):
        """What a command says; nothing when the others held the tables for so long that it gave up, as it then says."""
        result = self.tm(*words, "--json")
        if result.code == 5 and "meta.db" in result.json["error"]["message"]:
            self.count("held")
            return None
        assert result.code == 0, (words, result.code, result.err)
        return result.json

    # ---- Clients ----

    def predict(self, rng, rows_max=20, pause=0.0):
        """One connection, one request after another; the ids of answers go into the book."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE_S)
        while not self.stopping.is_set():
            rows = rng.sample(self.rows, rng.choice([1, 1, 1, rows_max]))
            status, value = self.call("POST", f"/v1/routes/{self.model}/predict", {"rows": rows}, connection=connection)
            assert status == 200, (status, value)
            assert len(value["predictions"]) == len(rows)
            with self.lock:
                self.answers += [(a["id"], value["version"]) for a in value["predictions"]]
            self.count("predict")
            time.sleep(pause)
        connection.close()

    def break_off(self, rng):
        """Connections that end in the middle of a request or before the reply."""
        body = json.dumps({"rows": self.rows[:20]}).encode()
        head = f"POST /v1/routes/{self.model}/predict HTTP/1.1\r\nHost: localhost\r\n{KEY_HEADER}: {self.key}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        while not self.stopping.is_set():
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE_S) as s:
                data = head + body
                s.sendall(data[:rng.randrange(1, len(data) + 1)])
            self.count("break_off")
            time.sleep(0.002)

    def label(self, rng, batch=10):
        """Labels for answers in the book; those acknowledged go into it."""
        while not self.stopping.is_set():
            with self.lock:
                some = [a for a in self.answers[-400:] if a[0] not in self.labels]
            some = rng.sample(some, min(batch, len(some)))
            if not some:
                time.sleep(0.005)
                continue
            labels = {a[0]: rng.choice(["yes", "no"]) for a in some}
            status, value = self.call("POST", "/v1/labels", {"labels": [{"prediction_id": i, "label": v} for i, v in labels.items()]})
            assert status == 200, (status, value)
            assert len(value["results"]) == len(labels)
            with self.lock:
                for (number, text), result in zip(labels.items(), value["results"]):
                    if result in ("joined", "waiting", "duplicate"):
                        self.count_locked(result)
                        assert self.labels.setdefault(number, text) == text
                    else:
                        self.count_locked("label conflict")
            self.count("label", len(labels))

    def move(self, rng, by="http"):
        """Promote any version, or roll back. A conflict is an answer too."""
        while not self.stopping.is_set():
            if rng.random() < 0.4:
                status, value = self.call("POST", f"/v1/models/{self.model}:rollback", {"reason": "load"})
            else:
                status, value = self.call("POST", f"/v1/models/{self.model}:promote", {"version": rng.choice([1, 2]), "reason": "load"})
            assert status in (200, 409), (status, value)
            if status == 200:
                with self.lock:
                    self.moves.append(value)
            self.count(f"move {status}")
            time.sleep(0.01)
            assert by == "http"

    def make_keys(self, rng):
        """Keys by the command line: made, used at once or a little later, some revoked."""
        while not self.stopping.is_set():
            made = self.command("key", "create", "--role", "viewer")
            if made is None:
                continue
            with self.lock:
                self.keys[made["id"]] = True
            wait_until(lambda key=made["key"]: self.call("GET", "/v1/models", key=key)[0] == 200, lambda: "a new key is not taken")
            if rng.random() < 0.5 and self.command("key", "revoke", made["id"]) is not None:
                with self.lock:
                    self.keys[made["id"]] = False
                wait_until(lambda key=made["key"]: self.call("GET", "/v1/models", key=key)[0] == 401, lambda: "a revoked key is still taken")
            self.count("key")

    def read(self, rng):
        paths = ["/metrics", "/v1/status", "/v1/models", f"/v1/models/{self.model}", f"/v1/models/{self.model}/history", "/readyz"]
        while not self.stopping.is_set():
            path = rng.choice(paths)
            status, value = self.call("GET", path)
            is_stopping = path == "/readyz" and status == 503 and self.ending.is_set()
            assert (status == 200 or is_stopping) and value, (path, status, value)
            self.count("read")
            time.sleep(0.002)

    def train(self, rng, data="data.csv"):
        """Trainings one after another; each gives a version of its own."""
        while not self.stopping.is_set():
            made = self.command("train", data, "--target", "churned", "--name", self.model, "--learner", "gbdt", "--param", "gbdt.n_trees=10",
                                "--seed", rng.randrange(1 << 30), "--threads", "1")
            if made is not None:
                with self.lock:
                    self.versions.append((made["version"], made["bundle_hash"]))
                self.count("train")

    # ---- The book ----

    def book(self):
        """A copy of what is acknowledged up to now."""
        with self.lock:
            return {"labels": dict(self.labels), "moves": len(self.moves), "keys": dict(self.keys), "versions": list(self.versions)}


def home_holds(home, book, model="churn"):
    """Everything in the book is in the home, and nothing in the home is half."""
    log = sqlite3.connect(f"file:{home / 'log.db'}?mode=ro", uri=True)
    meta = sqlite3.connect(f"file:{home / 'meta.db'}?mode=ro", uri=True)
    try:
        answers = read_answers(log)
        labels = {a["id"]: a["label"] for a in answers if a["label"] is not None}
        waiting = dict(log.execute("SELECT prediction_id, value FROM labels WHERE state = 0"))
        for number, text in book["labels"].items():
            assert labels.get(number, waiting.get(number)) == text, f"the label of {number} is lost"
        assert all(a["row"] and a["outputs"] for a in answers)
        half = "SELECT count(*) FROM labels WHERE (state = 1) != (answer_seq IS NOT NULL AND at_us IS NOT NULL AND joined_us IS NOT NULL)"
        assert log.execute(half).fetchone() == (0,)
        written = log.execute("SELECT coalesce(sum(written), 0) FROM lanes").fetchone()
        assert (len(answers),) == written
        versions = {n: h.hex() for n, h in meta.execute("SELECT number, bundle_hash FROM versions")}
        assert sorted(versions) == list(range(1, len(versions) + 1))
        for number, text in book["versions"]:
            assert versions[number] == text
        named = {a["version"] for a in answers}
        assert named <= set(versions), "the log names versions that the registry does not know"
        for (number,) in meta.execute("SELECT number FROM aliases"):
            assert number in versions
        for text in versions.values():
            assert (home / "bundles" / f"{text}.tmb").is_file()
        moves = "SELECT count(*) FROM history WHERE event IN ('promoted', 'rolled_back') AND (reason IS NULL OR reason != 'first version')"
        assert meta.execute(moves).fetchone()[0] >= book["moves"]
        (champion,) = meta.execute("SELECT number FROM aliases WHERE name = 'champion'").fetchone()
        last = meta.execute("SELECT version FROM history WHERE event IN ('promoted', 'rolled_back') AND model = ? ORDER BY seq DESC LIMIT 1", (model,)).fetchone()
        assert last == (champion,), "champion and history differ"
        keys = dict(meta.execute("SELECT id, revoked_us IS NULL FROM keys"))
        for number, is_live in book["keys"].items():
            assert number in keys
            assert is_live or not keys[number], "a revoked key lives again"
        return {"answers": written[0], "labels": len(labels), "versions": len(versions), "moves": meta.execute(moves).fetchone()[0]}
    finally:
        log.close()
        meta.close()
