# SPDX-License-Identifier: Apache-2.0
"""The wheel, around and around on one server: ingest, serve, drift, retrain, promote, under load.

Each loop the world moves to a town that no version knows: rows of it are asked for and labelled, and the loop of the server has to
bring a version that knows it. Clients ask all the while; each answer must come, from a version with a number, under an id of its own.
A second model on the same server learns what is turned around as soon as it is promoted, and has to go back by itself.
"""
import os
import pathlib
import random
import statistics
import threading
import time

from conftest import Server
from waits import PATIENCE_S

PROJECT = """sources:
  events: {push: true, key: id}
models:
  wheel:
    from: data.csv
    target: y
    learner: gbdt
    param: [gbdt.n_trees=30]
    retrain: {every: 1s, watch: 0}
  back:
    from: data.csv
    target: y
    learner: gbdt
    param: [gbdt.n_trees=30]
    retrain: {new_labels: 200, cool_down: 0s, watch: 1000}
"""
LABELS = 300  # a loop
EVENTS = 100


def rows_of(town, share, n, rng):
    """Rows of a town, of which so many are yes; x says nothing."""
    return [{"town": f"t{town}", "x": round(rng.random(), 3), "y": "yes" if rng.random() < share else "no"} for _ in range(n)]


def asked(row):
    return {"town": row["town"], "x": row["x"]}


class Loops:
    def __init__(self, tm, seed=1, clients=2, pause=0.02):
        self.tm, self.rng, self.pause = tm, random.Random(seed), pause
        self.town, self.share, self.first, self.stopping = 0, 0.9, time.monotonic(), threading.Event()
        self.n_answers, self.n_refused, self.n_regrets, self.faults, self.samples = 0, 0, 0, [], []
        self.lock = threading.Lock()
        rows = [row for town, share in ((-2, 0.1), (-1, 0.9)) for row in rows_of(town, share, 200, self.rng)]
        tm.write("data.csv", "town,x,y\n" + "".join(f"{r['town']},{r['x']},{r['y']}\n" for r in rows))
        tm.write("tidemill.yaml", PROJECT)
        for name in ("wheel", "back"):
            tm.ok("train", "data.csv", "--target", "y", "--name", name, "--learner", "gbdt", "--param", "gbdt.n_trees=30")
        tm.ok("apply")
        self.headers = {"X-Api-Key": tm.ok("key", "create", "--role", "admin", "--json").json["key"]}
        self.server = Server(tm, command="run")
        self.threads = [threading.Thread(target=self.client, args=(random.Random(f"{seed} {i}"),), daemon=True) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    # ---- answers ----

    def predict(self, rows, route="wheel"):
        """Answers in order, each checked. Where a machine that does other work has no time for it, it is counted and asked again."""
        status = 503
        for _ in range(PATIENCE_S):
            status, headers, body = self.server.request("POST", f"/v1/routes/{route}/predict", {"rows": [asked(r) for r in rows]}, self.headers)
            if status != 503 or body["type"] != "urn:tidemill:problem:overloaded":
                break
            with self.lock:
                self.n_refused += 1
            time.sleep(1)
        assert status == 200, (status, body)
        ids = [p["id"] for p in body["predictions"]]
        assert len(set(ids)) == len(rows) and all(ids) and int(headers["X-Tidemill-Version"]) >= 1
        with self.lock:
            self.n_answers += len(rows)
        return int(headers["X-Tidemill-Version"]), body["predictions"]

    def client(self, rng):
        while not self.stopping.is_set():
            try:
                self.predict(rows_of(self.town, self.share, 3, rng))
            except Exception as error:  # pylint: disable=broad-except
                with self.lock:
                    self.faults.append(f"{type(error).__name__}: {error}"[:300])
            time.sleep(self.pause)

    # ---- a loop ----

    def champion(self, model="wheel"):
        return self.server.request("GET", f"/v1/models/{model}", headers=self.headers)[2]["champion"]

    def push(self, n):
        rows = "id,town,x\n" + "".join(f"{self.town}-{i},t{self.town},{self.rng.random():.3f}\n" for i in range(n))
        status, _, body = self.server.request("POST", "/v1/sources/events/rows", rows, {"Content-Type": "text/csv", **self.headers})
        assert status == 200 and body["accepted"] == n, (status, body)

    def label(self, n, share=None, route="wheel"):
        rows = rows_of(self.town, self.share if share is None else share, n, self.rng)
        _, given = self.predict(rows, route)
        labels = [{"prediction_id": p["id"], "label": r["y"]} for p, r in zip(given, rows)]
        status, _, body = self.server.request("POST", "/v1/labels", {"labels": labels}, self.headers)
        assert status == 200 and body["joined"] == n, (status, body)

    def turn(self, seconds=900):
        """The world moves, and the wheel goes around once; seconds until a better version answers."""
        begun = time.monotonic()
        self.town += 1
        before, answers = self.predict(rows_of(self.town, 0.5, 20, self.rng))
        while self.champion() != before:  # labels of the loop before brought one more
            assert time.monotonic() < begun + seconds, "the champion does not answer"
            before, answers = self.predict(rows_of(self.town, 0.5, 20, self.rng))
        believed = statistics.mean(p["probability"] for p in answers)
        self.share = 0.1 if believed > 0.5 else 0.9  # not what the champion believes of a town that it does not know
        self.push(EVENTS)
        self.label(LABELS)
        more = begun + 20
        while self.champion() == before:
            if time.monotonic() > more:  # by chance the gate saw no difference; the world goes on
                self.label(LABELS)
                more += 20
            assert time.monotonic() < begun + seconds, self.tm("retrain", "wheel", "--turns").out[:2000]
            assert self.server.process.poll() is None, "the server is gone"
            time.sleep(0.1)
        while self.predict(rows_of(self.town, self.share, 1, self.rng))[0] == before:
            assert time.monotonic() < begun + seconds, "the new champion does not answer"
            time.sleep(0.02)
        took = time.monotonic() - begun
        self.samples.append({"loop": self.town, "seconds": took, **self.look()})
        return took

    def believed(self, route):
        return statistics.mean(p["probability"] for p in self.predict(rows_of(self.town, 0.5, 20, self.rng), route)[1])

    def regret(self, seconds=900):
        """A version is promoted for what it learned of a town, and the town turns around: it goes back by itself, or another one learns of that first."""
        begun, before = time.monotonic(), len(self.rolled_back())
        while len(self.rolled_back()) == before:
            self.town += 1
            share = 0.1 if self.believed("back") > 0.5 else 0.9
            while abs(self.believed("back") - share) > 0.3:  # rows that a gate judged by are learned with the next ones
                self.label(LABELS, share, "back")
                self.wait(lambda: abs(self.believed("back") - share) <= 0.3, begun + seconds)
            promoted = self.champion("back")
            while self.champion("back") == promoted:
                self.label(LABELS, 1 - share, "back")
                self.wait(lambda: self.champion("back") != promoted, begun + seconds)
        self.n_regrets += 1

    def wait(self, is_so, end):
        """Ten seconds at the most."""
        assert time.monotonic() < end, self.tm("retrain", "back", "--turns").out[:2000]
        until = time.monotonic() + 10
        while not is_so() and time.monotonic() < until:
            time.sleep(0.1)

    def rolled_back(self):
        return self.server.request("GET", "/v1/models/back/history?event=rolled_back", headers=self.headers)[2]["history"]

    def collect(self):
        """What an operator has done each night."""
        self.tm.ok("model", "gc", "--keep", "3", "--older-than", "0s", "-q")

    # ---- what is held ----

    def look(self):
        process = pathlib.Path(f"/proc/{self.server.process.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
        home = self.tm.folder / ".tidemill"
        return {"memory_mib": int(status["VmRSS"].split()[0]) / 1024, "descriptors": len(os.listdir(process / "fd")),
                "files": sum(len(names) for _, _, names in os.walk(home)), "threads": int(status["Threads"])}

    def end(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "a client hangs"
        code = self.server.stop()
        assert code == 0, f"the server exits {code}"
        self.tm.ok("model", "verify")

    def check(self):
        """No answer failed or has no name; memory, descriptors and files of the last third are those of the third before it."""
        assert not self.faults, self.faults[:3]
        turns = self.tm.ok("retrain", "wheel", "--turns", "--json").json["turns"]
        assert all(t["outcome"] in ("promoted", "refused", "rolled_back", "stopped") for t in turns if t["outcome"] is not None), turns[0]
        third = len(self.samples) // 3
        if third < 3:
            return
        for name, more in (("memory_mib", 8), ("descriptors", 4), ("files", 12), ("threads", 0)):
            was = statistics.median(s[name] for s in self.samples[third:-third])
            now = statistics.median(s[name] for s in self.samples[-third:])
            assert now <= was * 1.05 + more, f"{name} grew from {was} to {now}"

    def words(self):
        """A line on what came of it."""
        seconds = [s["seconds"] for s in self.samples]
        first, last = self.samples[0], self.samples[-1]
        held = ", ".join(f"{name} {first[name]:.0f} to {last[name]:.0f}" for name in ("memory_mib", "descriptors", "files", "threads"))
        return (f"{len(self.samples)} loops, {self.n_answers} answers, {len(self.faults)} failed or unnamed, {self.n_refused} refused for want of time, "
                f"{self.n_regrets} gone back, "
                f"{time.monotonic() - self.first:.0f} s; from drift to promotion {statistics.median(seconds):.1f} s, at most {max(seconds):.1f} s; {held}")
