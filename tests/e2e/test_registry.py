# SPDX-License-Identifier: Apache-2.0
"""Versions: what was live when and why, what people say of them, what tells them apart, what goes, and how they travel."""
import concurrent.futures
import hashlib
import hmac
import http.server
import json
import random
import socket
import struct
import threading

import pytest
from conftest import Server, Tidemill
from made_data import churn_rows, csv_text, request_row
from signer import places, sign_bundle
from waits import PATIENCE_S, wait_until

SECRET = b"a secret of both"


def train(tm, name="churn", trees=5, rows=600, seed=1, at=None):
    tm.write("data.csv", csv_text(churn_rows(rows, seed=seed)))
    env = {"TIDEMILL_NOW": at} if at else None
    return tm.ok("train", "data.csv", "--target", "churned", "--name", name, "--learner", "gbdt", "--param", f"gbdt.n_trees={trees}",
                 "--json", env=env).json


def test_what_was_live_at_a_moment_and_why(tm):
    train(tm, trees=5, at="2026-05-01T08:00:00Z")
    train(tm, trees=9, at="2026-05-02T08:00:00Z")
    tm.ok("model", "promote", "churn@2", "--reason", "better on May", env={"TIDEMILL_NOW": "2026-05-03T14:00:00Z"})
    tm.ok("model", "rollback", "churn", "--reason", "scores fell", env={"TIDEMILL_NOW": "2026-05-04T09:00:00Z"})

    def live(at):
        return tm.ok("model", "ls", "--at", at, "--json").json["models"]

    assert live("2026-05-01T07:59:59Z") == []
    assert [m["champion"] for m in map(lambda at: live(at)[0], ("2026-05-01T08:00:00Z", "2026-05-03T13:59:59Z", "2026-05-03T14:00:00Z",
                                                               "2026-05-04T08:59:59Z", "2026-05-04T09:00:00Z", "0s"))] == [1, 1, 2, 2, 1, 1]
    then = live("2026-05-03T14:05:00Z")[0]
    assert (then["reason"], then["from"], then["event"], then["since"]) == ("better on May", 1, "promoted", "2026-05-03T14:00:00Z")
    assert then["actor"].startswith("cli:") and then["evidence"]["metric"] == "logloss" and then["evidence"]["score"] > 0
    assert then["evidence"]["gate"] is None and then["evidence"]["forced"] is False
    assert "better on May" in tm.ok("model", "ls", "--at", "2026-05-03T14:05:00Z").out
    clock = tm.ok("model", "ls", "--at", "14:05", "--json", env={"TIDEMILL_NOW": "2026-05-04T08:00:00Z"}).json  # yesterday's
    assert clock["at"] == "2026-05-03T14:05:00Z" and clock["models"][0]["champion"] == 2
    assert tm("model", "ls", "--at", "soon").code == 2


def test_tags_notes_and_lineage(tm):
    train(tm, trees=5)
    train(tm, trees=9)
    tm.ok("model", "tag", "churn@2", "stage=trial", "ticket=OPS-17", "--note", "checked by hand")
    told = tm.ok("model", "tag", "churn@2", "--remove", "ticket", "--json").json
    assert told["tags"] == {"stage": "trial"} and told["notes"][0]["text"] == "checked by hand"
    for words, code in ((("stage",), 2), (("=x",), 2), (("a=1", "a=2"), 2), (("--remove", "none"), 3), (("a b=1",), 2)):
        assert tm("model", "tag", "churn@2", *words).code == code, words
    shown = tm.ok("model", "show", "churn@2", "--json").json
    lineage = shown["lineage"]
    assert shown["tags"] == {"stage": "trial"} and lineage["parent"] == 1 and lineage["snapshot"] == shown["snapshot"]
    assert lineage["code"] and len(lineage["recipe_hash"]) == 64 and lineage["seed"] == 0 and lineage["source"]["path"] == "data.csv"
    assert lineage["parity"] == {"rows": 256, "golden": False}  # proven before it was published
    assert "tag stage = trial" in tm.ok("model", "show", "churn@2").out
    events = [e["event"] for e in tm.ok("model", "history", "churn", "--json").json["history"]]
    assert events[-3:] == ["tagged", "noted", "tagged"]


def test_what_tells_two_versions_apart(tm):
    train(tm, trees=5)
    tm.write("data.csv", csv_text(churn_rows(600, seed=2)))
    tm.ok("train", "data.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=9", "--drop", "city")
    diff = tm.ok("model", "diff", "churn@1", "churn@2", "--json").json
    assert (diff["a"]["version"], diff["b"]["version"]) == (1, 2)
    assert diff["data"]["columns"]["removed"] == ["city"] and diff["data"]["snapshot"][0] != diff["data"]["snapshot"][1]
    assert any(f["input"] == "city" for f in diff["features"]["removed"])
    assert {"key": "params.n_trees", "a": 5, "b": 9} in diff["params"]
    assert "drop" in [d["key"] for d in diff["recipe"]]
    answers = diff["predictions"]
    assert answers["rows"] > 50 and answers["max"] >= answers["p99"] >= answers["p50"] > 0
    assert all(s["gain"]["low"] <= s["gain"]["high"] for s in diff["same_rows"]["list"] if "gain" in s)
    same = tm.ok("model", "diff", "churn@1", "churn@1", "data.csv", "--json").json
    assert same["predictions"]["same"] == same["predictions"]["rows"] == 600 and same["params"] == same["recipe"] == []
    assert "features removed: city" in tm.ok("model", "diff", "churn@1", "churn@2").out
    assert tm("model", "diff", "churn@1", "churn@9").code == 3


def test_files_that_nothing_reaches_go(tm):
    for trees in range(3, 9):
        train(tm, trees=trees, seed=trees)
    bundles, snapshots = tm.folder / ".tidemill" / "bundles", tm.folder / ".tidemill" / "snapshots"
    tm.ok("model", "promote", "churn@4")
    tm.ok("model", "tag", "churn@2", "keep=yes")
    before = len(list(bundles.iterdir())), len(list(snapshots.iterdir()))
    assert tm.ok("model", "gc", "--json").json["files"] == []  # all are young
    dry = tm.ok("model", "gc", "--dry-run", "--keep", "1", "--older-than", "0s", "--json").json
    assert [v["version"] for v in dry["versions"]] == [3, 5] and dry["dry_run"]
    assert (len(list(bundles.iterdir())), len(list(snapshots.iterdir()))) == before
    done = tm.ok("model", "gc", "--keep", "1", "--older-than", "0s", "--json").json
    assert done["versions"] == dry["versions"] and done["bytes"] == dry["bytes"] > 0
    assert (len(list(bundles.iterdir())), len(list(snapshots.iterdir()))) == (before[0] - 2, before[1] - 2)
    states = {v["version"]: v["state"] for v in tm.ok("model", "show", "churn", "--json").json["versions"]}
    assert states == {1: "ready", 2: "ready", 3: "collected", 4: "ready", 5: "collected", 6: "ready"}
    refused = tm("model", "promote", "churn@3", "--force")
    assert refused.code == 3 and "collected" in refused.err
    tm.ok("model", "verify")
    tm.ok("model", "rollback", "churn")
    tm.ok("backup", "home.tar.zst")


def test_one_of_two_promotions_wins_and_the_other_says_why(tm):
    train(tm, trees=5)
    train(tm, trees=9)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: tm("model", "promote", "churn@2"), range(8)))
    assert sorted(r.code for r in results) == [0] + [5] * 7
    assert all("is its champion already" in r.err for r in results if r.code == 5)
    events = [e["event"] for e in tm.ok("model", "history", "churn", "--json").json["history"]]
    assert events.count("promoted") == 2  # the first version's, and one
    tm.ok("model", "verify")


# ---- Webhooks ----

class Hook(http.server.BaseHTTPRequestHandler):
    got = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Hook.got.append((dict(self.headers), body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        """Nothing is printed."""


def test_each_move_is_told_signed_and_in_order(tm):
    Hook.got = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    train(tm, trees=5)
    train(tm, trees=9)
    tm.write("hook.secret", SECRET.decode() + "\n")
    yaml = ("models:\n  churn:\n    from: data.csv\n    target: churned\n    webhooks:\n"
            f"      - {{name: ops, webhook: 'http://127.0.0.1:{server.server_port}/moves', secret_file: hook.secret}}\n")
    tm.write("tidemill.yaml", yaml)
    tm.ok("apply")
    tm.ok("model", "promote", "churn@2", "--reason", "better")
    tm.ok("model", "tag", "churn@2", "stage=live")
    tm.ok("model", "rollback", "churn")
    assert tm.ok("monitor", "deliver", "--json").json["sent"] == 4
    bodies = [json.loads(body) for _, body in Hook.got]
    assert [b["event"] for b in bodies] == ["recipe.set", "promoted", "tagged", "rolled_back"]
    assert (bodies[1]["model"], bodies[1]["version"], bodies[1]["from"], bodies[1]["reason"]) == ("churn", 2, 1, "better")
    assert bodies[0]["details"] is None and bodies[2]["details"] == {"stage": "live"}
    for headers, body in Hook.got:
        want = hmac.new(SECRET, headers["X-Tidemill-Timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
        assert headers["X-Tidemill-Signature"] == "v1=" + want
    assert tm.ok("monitor", "deliver", "--json").json["sent"] == 0
    # `tidemill run` tells by itself; the champion's receivers stay through a promotion.
    daemon = Server(tm, command="run")
    tm.ok("model", "promote", "churn@2")
    wait_until(lambda: len(Hook.got) == 5)
    assert json.loads(Hook.got[4][1])["event"] == "promoted"
    assert daemon.stop() == 0
    server.shutdown()
    for bad in (yaml.replace("webhook:", "alertmanager:").replace(", secret_file: hook.secret", ""), yaml.replace("hook.secret}", "hook.secret, to: x}")):
        tm.write("tidemill.yaml", bad)
        assert tm("check").code == 7


def is_open(connection):
    """Whether the other side still waits for an answer."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_who_is_behind_is_told_and_one_that_hangs_delays_nobody(tm):
    Hook.got = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    silent, hanging = socket.create_server(("127.0.0.1", 0)), []  # it takes connections and says nothing
    silent.settimeout(PATIENCE_S)
    train(tm, trees=5)
    tm.write("hook.secret", SECRET.decode() + "\n")
    tm.write("tidemill.yaml", "models:\n  churn:\n    from: data.csv\n    target: churned\n    webhooks:\n"
             f"      - {{name: hangs, webhook: 'http://127.0.0.1:{silent.getsockname()[1]}/', secret_file: hook.secret}}\n"
             f"      - {{name: ops, webhook: 'http://127.0.0.1:{server.server_port}/moves', secret_file: hook.secret}}\n")
    assert tm.ok("model", "receivers", "--json").json["receivers"] == []
    tm.ok("apply")
    told = {r["receiver"]: r for r in tm.ok("model", "receivers", "churn", "--json").json["receivers"]}
    assert {name: (r["behind"], r["tries"], r["error"], r["next"]) for name, r in told.items()} == {"hangs": (1, 0, None, None), "ops": (1, 0, None, None)}
    daemon = Server(tm, command="run")
    for k in range(4):
        tm.ok("model", "tag", "churn@1", f"k={k}")
    wait_until(lambda: len(Hook.got) == 5)
    hanging.append(silent.accept()[0])
    for k in range(4, 24):  # while the other one has not had its ten seconds: on a slow machine not each time
        told = len(Hook.got)
        hanging.append(hanging.pop() if is_open(hanging[-1]) else silent.accept()[0])
        tm.ok("model", "tag", "churn@1", f"k={k}")
        wait_until(lambda n=told: len(Hook.got) > n)
        if is_open(hanging[-1]):
            break
    assert is_open(hanging[-1])
    n_behind = len(Hook.got)
    metrics = daemon.request("GET", "/metrics")[2]
    text = metrics if isinstance(metrics, str) else metrics.decode()
    assert f'tidemill_receiver_behind{{model="churn",receiver="hangs"}} {n_behind}' in text
    assert daemon.request("GET", "/v1/models/churn/receivers")[2]["receivers"][0]["behind"] == n_behind
    assert daemon.stop() == 0
    assert tm("model", "receivers", "none").code == 3
    server.shutdown()
    for connection in (silent, *hanging):
        connection.close()


# ---- The same over HTTP ----

def test_what_the_command_line_knows_is_told_over_http(tm):
    train(tm, trees=5, at="2026-05-01T08:00:00Z")
    train(tm, trees=9)
    key = {"X-Api-Key": tm.ok("key", "create", "--role", "admin", "--json").json["key"]}
    server = Server(tm)

    def call(method, path, body=None, status=200):
        code, _, value = server.request(method, path, body, {**key, **({"Content-Type": "application/json"} if body is not None else {})})
        assert code == status, value
        return value

    assert call("POST", "/v1/models/churn/versions/2:tag", {"tags": {"stage": "trial"}, "note": "checked"}) == {"model": "churn", "version": 2}
    assert call("GET", "/v1/models/churn/versions/2")["tags"] == {"stage": "trial"}
    shown = tm.ok("model", "show", "churn@2", "--json").json
    assert shown.pop("schema") == "tidemill.model.show/1" and call("GET", "/v1/models/churn/versions/2") == shown
    assert call("GET", "/v1/models?at=0s")["models"] == tm.ok("model", "ls", "--at", "0s", "--json").json["models"]
    assert call("GET", "/v1/models?at=2026-04-30")["models"] == []
    for query, words in (("event=tagged", ("--event", "tagged")), ("version=2", ()), ("since=1h&newest=2", ("--since", "1h", "--newest", "2"))):
        name = "churn@2" if query == "version=2" else "churn"
        want = tm.ok("model", "history", name, *words, "--json").json["history"]
        assert call("GET", "/v1/models/churn/history?" + query)["history"] == want and want, query
    rows = [request_row(r) for r in churn_rows(5, seed=9)]
    for row in rows:
        call("POST", "/v1/routes/churn/predict", {"rows": [row]})
    diff = wait_until(lambda: (now := call("GET", "/v1/models/churn:diff?a=1&b=2"))["predictions"]["rows"] == 5 and now)
    told = tm.ok("model", "diff", "churn@1", "churn@2", "--json").json
    assert diff["predictions"]["rows"] == 5 and diff["predictions"]["same"] < 5 and diff["params"] == told["params"] and diff["scores"] == told["scores"]
    dry = tm.ok("model", "gc", "--dry-run", "--json").json
    assert {k: dry[k] for k in ("versions", "files", "bytes", "kept")} == call("GET", "/v1/garbage")
    signer = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    call("POST", "/v1/trust", {"action": "add", "key": signer, "name": "training"})
    assert call("GET", "/v1/trust")["signers"] == tm.ok("trust", "ls", "--json").json["signers"] != []
    call("POST", "/v1/trust", {"action": "remove", "key": signer})
    assert tm.ok("trust", "ls", "--json").json["signers"] == []
    assert server.stop() == 0


# ---- Before a version is visible ----

def test_a_version_that_cannot_answer_what_is_asked_stays_away(tm):
    train(tm, trees=5)
    first = churn_rows(600, seed=1)
    tm.write("wide.csv", csv_text([dict(r, extra=i % 7) for i, r in enumerate(first)]))
    tm.ok("train", "wide.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=5")
    train(tm, trees=9)
    asked = "models:\n  churn:\n    from: data.csv\n    target: churned\n    columns: {extra: {missing: refuse}}\n"  # or it would be optional
    tm.write("tidemill.yaml", asked)
    tm.ok("apply")
    key = {"X-Api-Key": tm.ok("key", "create", "--role", "admin", "--json").json["key"], "Content-Type": "application/json"}
    server = Server(tm)

    def ask(row):
        return server.request("POST", "/v1/routes/churn/predict", {"rows": [row]}, key)

    row = request_row(churn_rows(1, seed=5)[0])
    assert ask(row)[2]["version"] == 1
    wait_until(lambda: server.request("GET", "/v1/models/churn:diff?a=1&b=3", None, key)[2]["predictions"]["rows"] > 0)  # it is in the log
    status, _, value = server.request("POST", "/v1/models/churn:promote", {"version": 2}, key)
    assert status == 409 and "'extra'" in value["detail"] and "newest requests" in value["detail"], value
    assert ask(row)[2]["version"] == 1 and tm.ok("model", "ls", "--json").json["models"][0]["champion"] == 1
    # The command line moves the registry; the server keeps what it has, and says why.
    tm.ok("model", "promote", "churn@2")
    why = wait_until(lambda: (now := tm.ok("status", "--json").json["models"][0])["problem"] and now)
    assert "'extra'" in why["problem"] and why["health"] == "bad" and ask(row)[2]["version"] == 1
    tm.ok("model", "rollback", "churn")
    assert server.request("POST", "/v1/models/churn:promote", {"version": 3}, key)[0] == 200 and ask(row)[2]["version"] == 3
    # Whoever says so goes on without being asked.
    tm.write("tidemill.yaml", asked + "    warm_up: 0\n")
    tm.ok("apply")
    assert server.request("POST", "/v1/models/churn:promote", {"version": 2}, key)[0] == 200
    assert ask(row)[0] == 400 and ask(dict(row, extra=1))[2]["version"] == 2
    # And a rollback is never held up.
    assert server.request("POST", "/v1/models/churn:rollback", {}, key)[0] == 200 and ask(row)[2]["version"] == 3
    assert server.stop() == 0
    tm.write("tidemill.yaml", "models:\n  churn:\n    from: data.csv\n    target: churned\n    warm_up: many\n")
    assert tm("check").code == 7


# ---- From one home to another ----

@pytest.fixture(name="pair")
def fixture_pair(tmp_path):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    return Tidemill(tmp_path / "here"), Tidemill(tmp_path / "there")


def test_a_version_travels_signed_and_answers_the_same(pair):
    here, there = pair
    train(here, trees=7)
    told = here.ok("model", "export", "churn@1", "churn.tmb", "--json").json
    key = here.ok("trust", "key", "--json").json["key"]
    assert told["signer"] == key and here("model", "export", "churn@1", "churn.tmb").code == 5
    file = here.folder / "churn.tmb"
    refused = there("model", "import", file)
    assert refused.code == 4 and "not trusted" in refused.err and key in refused.err
    there.ok("trust", "add", key, "--name", "training")
    assert there("trust", "add", key).code == 5 and there("trust", "add", "ed25519:00").code == 2
    assert [s["name"] for s in there.ok("trust", "ls", "--json").json["signers"]] == ["training"]
    come = there.ok("model", "import", file, "--json").json
    assert (come["model"], come["version"], come["bundle_hash"], come["signer"]) == ("churn", 1, told["bundle_hash"], key)
    assert come["parity"]["rows"] == 16
    assert there.ok("model", "show", "churn@1", "--json").json["lineage"]["signer"] == key
    for tm in pair:
        tm.ok("predict", "churn", here.folder / "data.csv", "-o", "out.csv")
    assert (here.folder / "out.csv").read_bytes() == (there.folder / "out.csv").read_bytes()
    server = Server(there)
    assert server.request("POST", "/v1/routes/churn/predict", {"rows": [request_row(churn_rows(1)[0])]})[0] == 200
    assert server.stop() == 0
    there.ok("trust", "rm", key, "--reason", "lost")
    assert there("model", "import", file).code == 4 and there("trust", "rm", key).code == 3
    plain = next((here.folder / ".tidemill" / "bundles").iterdir())
    unsigned = there("model", "import", plain)
    assert unsigned.code == 4 and "not signed" in unsigned.err


def test_the_gate_of_the_home_is_asked_again(pair):
    here, there = pair
    train(there, trees=9)
    train(here, trees=3)
    there.write("tidemill.yaml", "models:\n  churn:\n    from: data.csv\n    target: churned\n    gate: {min: {auc: 0.9999}}\n")
    there.ok("apply")
    here.ok("model", "export", "churn", "churn.tmb")
    there.ok("trust", "add", here.ok("trust", "key").out.strip())
    refused = there("model", "import", here.folder / "churn.tmb")
    assert refused.code == 1 and "below the floor" in refused.err
    versions = there.ok("model", "show", "churn", "--json").json["versions"]
    assert [(v["version"], v["state"], v["aliases"]) for v in versions] == [(2, "refused", "challenger"), (1, "ready", "champion")]
    assert there("model", "promote", "churn@2").code == 1
    there.ok("model", "promote", "churn@2", "--force")
    recipe = (there.folder / "tidemill.yaml").read_text(encoding="utf-8")
    assert "data.csv" in recipe and "churn" in there.ok("check").out + "churn"  # the home's own recipe stays


def test_a_first_version_must_meet_the_gate_of_the_project_file(pair):
    here, there = pair
    train(here, trees=7)
    here.ok("model", "export", "churn", "churn.tmb")
    file = here.folder / "churn.tmb"
    there.ok("trust", "add", here.ok("trust", "key").out.strip())
    yaml = "models:\n  churn:\n    from: data.csv\n    target: churned\n    gate: %s\n"
    cases = [("{min: {auc: 0.9999}}", "below the floor"), ("{memory: 1000}", "over the 1000 asked"), ("{min: {auc: 0.6}, sure: true}", "cannot be held against"),
             ("{load: {rows_per_second: 100, p99: 1us, seconds: 0.1}}", "at most 1 asked")]
    for gate, says in cases:
        there.write("tidemill.yaml", yaml % gate)
        refused = there("model", "import", file)
        assert refused.code == 1 and "first version" in refused.err and says in refused.err, (gate, refused.err)
        assert there.ok("model", "ls", "--json").json["models"] == []  # it would answer at once, so it is not there
    there.write("other.yaml", yaml % "{better_than: champion, min: {auc: 0.6}, memory: 1G, load: {rows_per_second: 0.1, seconds: 0.5}}")
    come = there.ok("model", "import", file, "--project", "other.yaml", "--json").json
    assert come["gate"]["open"] and [c["check"] for c in come["gate"]["checks"]] == ["min auc", "bytes", "load"]
    evidence = there.ok("model", "ls", "--at", "0s", "--json").json["models"][0]["evidence"]
    assert evidence["gate"]["open"] and evidence["gate"]["checks"] == come["gate"]["checks"]
    again = there("model", "import", file)  # a second version is held to the gate that the model has now, and to the champion
    assert again.code in (0, 1) and len(there.ok("model", "show", "churn", "--json").json["versions"]) == 2
    assert there("model", "import", file, "--name", "fresh", "--project", "none.yaml").code == 3
    there.ok("model", "import", file, "--name", "fresh")  # the file says nothing of this one


def crafted(whole, number):
    """One of the ways to break a file: bits, cuts, lengths, swaps, words of other sections, sums put right or not."""
    rng = random.Random(number)
    data = bytearray(whole)
    kind = number % 8
    if kind == 0:
        for _ in range(rng.choice((1, 2, 16))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del data[rng.randrange(8, len(data)):]
    elif kind == 2:
        at = rng.randrange(64, 64 + 32 * 6)
        data[at:at + 8] = struct.pack("<Q", rng.choice((0, 1, 2 ** 31, 2 ** 63, 2 ** 64 - 1, len(data), rng.randrange(2 ** 64))))
    elif kind == 3:
        a, b = sorted(rng.sample(range(64, len(data)), 2))
        data[a:b] = data[a:b][::-1]
    elif kind == 4:
        data += bytes(rng.randrange(256) for _ in range(rng.choice((1, 64, 4096))))
    elif kind == 5:
        at = rng.randrange(64, len(data) - 64)
        data[at:at + 64] = bytes(64)
    elif kind == 6:
        at, to = rng.randrange(64, len(data) - 64), rng.randrange(64, len(data) - 64)
        data[to:to + 64] = data[at:at + 64]
    else:
        data[12:16] = struct.pack("<I", rng.choice((0, 1, 63, 64, 255, 2 ** 32 - 1)))
    return bytes(data)


def test_200_crafted_bundles_never_serve_a_request(pair):
    here, there = pair
    train(there, trees=5)
    train(here, trees=3)
    here.ok("model", "export", "churn", "churn.tmb")
    there.ok("trust", "add", here.ok("trust", "key").out.strip())
    whole = (here.folder / "churn.tmb").read_bytes()
    server = Server(there)
    champion = next((there.folder / ".tidemill" / "bundles").iterdir())
    good = champion.read_bytes()
    n_made = 0
    for number in range(200):
        bad = crafted(whole, number)
        if bad == whole:
            continue
        n_made += 1
        path = there.folder / "bad.tmb"
        path.write_bytes(bad)
        result = there("model", "import", path, "--name", "churn")
        assert result.code in (2, 4, 7, 8), (number, result.code, result.err)
        assert "fault" not in result.err
    assert n_made >= 195
    assert len(there.ok("model", "show", "churn", "--json").json["versions"]) == 1
    status, _, answer = server.request("POST", "/v1/routes/churn/predict", {"rows": [request_row(churn_rows(1)[0])]})
    assert status == 200 and answer["version"] == 1
    assert server.stop() == 0
    # A version whose file is changed under it is not promoted, by force neither, and a server does not begin with it.
    there.ok("model", "import", here.folder / "churn.tmb")
    second = next(p for p in (there.folder / ".tidemill" / "bundles").iterdir() if p != champion)
    kept = second.read_bytes()
    for number in range(0, 200, 10):
        bad = crafted(kept, number)
        second.write_bytes(bad)
        assert bad == kept or there("model", "promote", "churn@2", "--force").code in (2, 8), number
    second.write_bytes(kept)
    assert champion.read_bytes() == good
    there.ok("model", "verify")


def test_crafted_bundles_of_a_trusted_signer_never_serve_a_request(pair):
    """Whoever has the key can sign anything: what is not whole inside, or answers otherwise than it says, is not taken; what is taken is not promoted by that."""
    here, there = pair
    train(there, trees=5)
    train(here, trees=3)
    here.ok("model", "export", "churn", "churn.tmb")
    there.ok("trust", "add", here.ok("trust", "key").out.strip())
    whole = (here.folder / "churn.tmb").read_bytes()
    seed = bytes.fromhex((here.folder / ".tidemill" / "signing.secret").read_text(encoding="ascii").strip())
    assert sign_bundle(seed, whole) == whole  # the signature is ours, to the byte
    server = Server(there)
    at, path, ends = places(whole), there.folder / "bad.tmb", {}
    for number in range(200):
        rng = random.Random(number)
        start, size = at[rng.choice([k for k in at if k not in (5, 6)])]
        data = bytearray(whole)
        for _ in range(rng.choice((1, 1, 4, 64))):
            data[start + rng.randrange(size)] = rng.randrange(256) if number % 3 else rng.choice((0, 1, 0x7F, 0x80, 0xFF))
        path.write_bytes(sign_bundle(seed, data))
        result = there("model", "import", path, "--name", "churn", "--json")
        ends[result.code] = ends.get(result.code, 0) + 1
        assert result.code in (0, 2, 7, 8), (number, result.code, result.err)
    assert ends.get(8, 0) + ends.get(7, 0) > 100, ends
    status, _, answer = server.request("POST", "/v1/routes/churn/predict", {"rows": [request_row(churn_rows(1)[0])]})
    assert status == 200 and answer["version"] == 1 and there.ok("model", "ls", "--json").json["models"][0]["champion"] == 1
    assert server.stop() == 0


def test_what_to_do_next_of_a_champion_is_not_to_promote_it(tm):
    train(tm)
    train(tm, trees=6, seed=2)
    assert "next: tidemill model promote churn@2" in tm.ok("model", "show", "churn@2").err
    tm.ok("model", "promote", "churn@2")
    shown = tm.ok("model", "show", "churn@2").err
    assert "next: tidemill serve" in shown and "promote" not in shown
