# SPDX-License-Identifier: Apache-2.0
"""Versions side by side in one server: made ready aside, within a memory limit, answered by name; and what cannot be served is refused."""
import json
import os
import struct
import subprocess
import threading
import time

import bundle_reader
import made_data
import pytest
from waits import wait_until

ROW = {"plan": "basic", "months": 3, "spend": 20.5, "city": "Oslo", "joined": "2024-01-05T10:00:00"}
PREDICT = "/v1/routes/churn/predict"


@pytest.fixture(name="home")
def fixture_home(tm):
    """A model with three versions, of which the first is the champion, and a key that may move them."""
    tm.write("a.csv", made_data.csv_text(made_data.churn_rows(300)))
    for n_trees in (5, 8, 11):
        tm.ok("train", "a.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", f"gbdt.n_trees={n_trees}", "-q")
    return {"Authorization": "Bearer " + tm.ok("key", "create", "--role", "admin", "--json").json["key"]}


def bundle_of(tm, version):
    versions = tm.ok("model", "show", "churn", "--json").json["versions"]
    name = next(v["bundle_hash"] for v in versions if v["version"] == version)
    return tm.folder / ".tidemill" / "bundles" / f"{name}.tmb"


def said(server):
    server.log.flush()
    with open(server.log.name, encoding="utf-8") as lines:
        return lines.read()


def ready(server, key):
    return sorted(server.request("GET", "/v1/status", headers=key)[2]["routes"][0]["ready"])


def ask(server, key, version=None):
    """(status, body, headers) of one row."""
    body = {"rows": [ROW]} if version is None else {"rows": [ROW], "options": {"version": version}}
    status, headers, body = server.request("POST", PREDICT, body, key)
    return status, body, headers


def test_a_request_may_name_a_version_that_is_ready(tm, serve, home):
    bits = {}
    for version in (1, 2, 3):
        tm.write("row.csv", ",".join(ROW) + "\n" + ",".join(map(str, ROW.values())) + "\n")
        tm.ok("predict", f"churn@{version}", "row.csv", "-o", "out.csv")
        header, line = (tm.folder / "out.csv").read_text(encoding="utf-8").splitlines()
        bits[version] = float(dict(zip(header.split(","), line.split(",")))["probability"])
    assert len(set(bits.values())) == 3
    server = serve()
    wait_until(lambda: ready(server, home) == [3])  # the challenger
    assert server.request("POST", "/v1/models/churn:promote", {"version": 2}, home)[0] == 200
    wait_until(lambda: ready(server, home) == [1, 3])  # what a rollback brings back, too
    for version, arm in ((2, "champion"), (1, "named"), (3, "named")):
        status, body, headers = ask(server, home, version)
        assert (status, body["version"], body["arm"]) == (200, version, arm)
        assert (headers["X-Tidemill-Version"], headers["X-Tidemill-Arm"]) == (str(version), arm)
        assert body["predictions"][0]["probability"] == bits[version]
        status, _, body = server.request("POST", f"{PREDICT}?version={version}", {"rows": [ROW]}, home)
        assert status == 200 and body["predictions"][0]["probability"] == bits[version]
        tensors = [{"name": name, "shape": [1], "datatype": "FP64" if isinstance(value, float) else "INT64" if isinstance(value, int) else "BYTES", "data": [value]}
                   for name, value in ROW.items()]
        status, headers, body = server.request("POST", f"/v2/models/churn/versions/{version}/infer", {"inputs": tensors}, home)
        assert (status, body["model_version"], headers["X-Tidemill-Arm"]) == (200, str(version), arm)
        assert next(o["data"] for o in body["outputs"] if o["name"] == "probability") == [bits[version]]
        assert server.request("GET", f"/v2/models/churn/versions/{version}/ready", headers=home)[0] == 200
    assert ask(server, home)[1]["version"] == 2
    assert sorted(server.request("GET", "/v2/models/churn", headers=home)[2]["versions"]) == ["1", "2", "3"]
    status, body, _ = ask(server, home, 4)
    assert status == 404 and "version 2 is" in body["detail"] and "/v1/status" in body["hint"]
    assert server.request("POST", "/v2/models/churn/versions/4/infer", {"inputs": tensors}, home)[0] == 404
    metrics = server.request("GET", "/metrics", headers=home)[2].decode()
    assert 'tidemill_predictions_total{route="churn",version="3",arm="named"} 3' in metrics
    assert 'tidemill_predictions_total{route="churn",version="2",arm="champion"} 4' in metrics


def test_a_move_that_does_not_fit_is_refused_with_numbers_and_the_old_goes_on(tm, serve, home):
    probe = serve()
    held = probe.request("GET", "/v1/status", headers=home)[2]["routes"][0]["bytes"]  # with what counts and watches it
    assert probe.stop() == 0
    server = serve("--memory-limit", str(held + held // 4))
    status, _, body = server.request("POST", "/v1/models/churn:promote", {"version": 2}, home)
    assert status == 409 and "MiB beside the" in body["detail"] and "--memory-limit" in body["hint"], body
    assert ask(server, home)[1]["version"] == 1 and ready(server, home) == []
    assert tm.ok("model", "show", "churn", "--json").json["versions"][-1]["aliases"] == "champion"  # nothing was moved
    # Another process moves it all the same: the server says why it does not follow, once.
    tm.ok("model", "promote", "churn@2")
    wait_until(lambda: "model.refused" in said(server))
    assert ask(server, home)[1]["version"] == 1
    tm.ok("model", "promote", "churn@3", "--force")
    tm.ok("model", "rollback", "churn")
    time.sleep(0.2)
    assert said(server).count("model.refused") <= 3 and ask(server, home)[1]["version"] == 1
    status, _, text = server.request("GET", "/readyz?verbose")
    lines = text.decode().splitlines()  # it answers, if not by what the registry wants
    assert status == 200 and "[-]route:1 failed: version 2 cannot be served, the log says why; serving version 1" in lines, lines
    assert lines[-1] == "readyz check passed" and all(line[:3] in ("[+]", "[-]") for line in lines[:-1])
    route = server.request("GET", "/v1/status", headers=home)[2]["routes"][0]
    assert (route["version"], route["is_stale"]) == (1, True)
    assert server.stop() == 0
    for wrong in ("0", "-1", "much"):
        result = tm("serve", "--memory-limit", wrong)
        assert result.code == 2 and "takes a size" in result.err


def test_several_models_share_the_limit(tm, serve, home):
    tm.ok("train", "a.csv", "--target", "churned", "--name", "other", "--learner", "gbdt", "-q")
    server = serve("--memory-limit", "1GiB")
    wait_until(lambda: [r["ready"] for r in server.request("GET", "/v1/status", headers=home)[2]["routes"]] == [[3], []])
    held = [r["bytes"] for r in server.request("GET", "/v1/status", headers=home)[2]["routes"]]
    assert server.stop() == 0
    # Room for both and a little: what is only kept goes first.
    server = serve("--memory-limit", str(sum(held) + 1000))
    time.sleep(0.1)
    routes = server.request("GET", "/v1/status", headers=home)[2]["routes"]
    assert [(r["version"], r["is_loaded"], r["ready"]) for r in routes] == [(1, True, []), (1, True, [])]
    assert server.stop() == 0


def test_a_version_that_answers_its_golden_rows_otherwise_is_not_served(tm, serve, home):
    path = bundle_of(tm, 3)
    data = bytearray(path.read_bytes())
    n = struct.unpack_from("<I", data, 12)[0]
    entries = [struct.unpack_from("<IIQQ", data, 64 + 32 * i) for i in range(n)]
    _, _, start, size = next(entry for entry in entries if entry[0] == 7)
    data[start + size - 8] ^= 1
    path.unlink()
    path.write_bytes(bundle_reader.mend(bytes(data)))
    server = serve()
    first = ask(server, home)
    assert first[1]["version"] == 1
    status, _, body = server.request("POST", "/v1/models/churn:promote", {"version": 3, "force": True}, home)
    assert status == 500 and "golden row 16" not in str(body) and "golden row 16" in said(server)
    assert ask(server, home)[1]["predictions"][0]["probability"] == first[1]["predictions"][0]["probability"]
    tm.ok("model", "promote", "churn@3")
    wait_until(lambda: "model.broken" in said(server))
    assert ask(server, home)[1]["version"] == 1
    assert server.request("POST", "/v1/models/churn:promote", {"version": 2}, home)[0] == 200
    assert ask(server, home)[1]["version"] == 2


def without_golden(data):
    """The same bundle as releases before golden rows wrote it."""
    n = struct.unpack_from("<I", data, 12)[0]
    entries = [list(struct.unpack_from("<IIQQQ", data, 64 + 32 * i)) for i in range(n)]
    kept = [entry for entry in entries if entry[0] != 7]
    assert len(kept) == n - 1
    out = bytearray(data[:64]) + bytearray(32 * len(kept))
    for i, (kind, crc, start, size, zero) in enumerate(kept):
        out += bytearray(bundle_reader.aligned(len(out)) - len(out))
        struct.pack_into("<IIQQQ", out, 64 + 32 * i, kind, crc, len(out), size, zero)
        out += data[start:start + size]
    out += bytearray(bundle_reader.aligned(len(out)) - len(out))
    struct.pack_into("<IQ", out, 12, len(kept), len(out))
    return bundle_reader.mend(bytes(out))


def test_versions_without_golden_rows_are_served_and_swapped(tm, serve, home):
    """As files of earlier releases are."""
    for version in (1, 2):
        path = bundle_of(tm, version)
        data = without_golden(path.read_bytes())
        path.unlink()
        path.write_bytes(data)
        read = bundle_reader.Bundle(data)
        assert read.golden == [] and read.hash == path.stem
    server = serve()
    assert server.request("POST", "/v1/models/churn:promote", {"version": 2}, home)[0] == 200
    assert ask(server, home)[1]["version"] == 2 and ask(server, home, 1)[1]["version"] == 1


def test_moves_under_an_open_load_lose_nothing_and_label_every_answer_rightly(tm, serve, home):
    """Every answer is held to the bits of the version that it names, and the server counts what the client counts."""
    (tm.folder / "key").write_text(home["Authorization"].split()[1], encoding="ascii")
    for version in (1, 2):
        tm.ok("predict", f"churn@{version}", "a.csv", "-o", f"answers{version}.csv")
    server = serve()
    expect = ["--expect", "1=answers1.csv", "--expect", "2=answers2.csv"]
    words = ["bench", "serve", "churn", "a.csv", "--drop", "churned", "--server", server.address, "--key-file", "key", "--json"]
    n, ok, right = 0, 0, {}
    for seconds in ("2", "8", "32"):  # longer, where few moves came
        load = tm.popen([str(tm.program), *words, "--rate", "300", "--seconds", seconds, *expect], cwd=tm.folder, env=tm.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while load.poll() is None:
            what, body = ("promote", {"version": 2}) if n % 2 == 0 else ("rollback", {})
            status, _, reply = server.request("POST", f"/v1/models/churn:{what}", body, home)
            assert status == 200, reply
            n += 1
            time.sleep(0.02)
        out, err = load.communicate()
        assert load.returncode == 0, err
        report = json.loads(out)
        assert all(report[k] == 0 for k in ("failed", "lost", "wrong")) and sum(report["right"].values()) == report["ok"]
        ok += report["ok"]
        right = {version: count + right.get(version, 0) for version, count in report["right"].items()}
        if n > 10 and min(right.values()) > 0:
            break
    assert n > 10 and min(right.values()) > 0
    metrics = server.request("GET", "/metrics", headers=home)[2].decode()
    for version, count in right.items():
        assert f'tidemill_predictions_total{{route="churn",version="{version}",arm="champion"}} {count}\n' in metrics
    watched = int(metrics.split('tidemill_predict_stage_duration_seconds_count{stage="predict"} ')[1].split()[0])
    assert watched >= ok // 64
    assert f"tidemill_model_swaps_total {n}\n" in metrics
    # The check itself sees a wrong label: files changed round.
    result = tm(*words, "--seconds", "0.2", "--expect", "2=answers1.csv", "--expect", "1=answers2.csv")
    assert result.code == 8 and json.loads(result.out)["wrong"] > 0


class Asked:
    """Requests without a pause from several threads; each answer must be of a version that was live while it was under way."""

    def __init__(self, server, key, live):
        self.server, self.key = server, key
        self.lock, self.ends, self.wrong = threading.Lock(), False, []
        self.n, self.seen = 0, {}
        self.live, self.changes = set(live), 0  # versions that may answer now; moves begun or done so far
        self.past = []  # [changes] of live
        self.threads = [threading.Thread(target=self.ask) for _ in range(3)]
        for t in self.threads:
            t.start()

    def ask(self):
        unit = 0
        while not self.ends:
            unit += 1
            with self.lock:
                first = self.changes
            try:
                status, _, body = self.server.request("POST", PREDICT, {"rows": [ROW]}, dict(self.key, **{"X-Tidemill-Unit": str(unit % 97)}))
            except OSError as e:
                status, body = 0, {"version": 0, "error": repr(e)}
            with self.lock:
                may = self.live.union(*self.past[first:])
                self.n += 1
                if status != 200 or body["version"] not in may:
                    self.wrong.append((status, body, may))
                else:
                    self.seen[body["version"], body["arm"]] = self.seen.get((body["version"], body["arm"]), 0) + 1

    def change(self, live):
        with self.lock:
            self.past.append(self.live)
            self.live = set(live)
            self.changes += 1

    def move(self, start, live):
        """From the beginning of a move until it is answered the old and the new may answer; then the new alone."""
        self.change(self.live | set(live))
        before = self.n
        start()
        self.change(live)
        while self.n < before + 6 and not self.wrong:  # each thread had its turn
            time.sleep(0.001)

    def stop(self):
        self.ends = True
        for t in self.threads:
            t.join()


def test_moves_of_every_kind_under_load_fail_nobody(tm, serve, home):
    server = serve()
    wait_until(lambda: ready(server, home) == [2]  or 3 in ready(server, home))

    def post(path, body, want=(200,)):
        status, _, said_ = server.request("POST", path, body, home)
        assert status in want, (path, body, said_)

    def n_files():
        return len(os.listdir(f"/proc/{server.process.pid}/fd"))

    asked = Asked(server, home, {1})
    counts = []
    for i in range(6):
        asked.move(lambda: post("/v1/models/churn:promote", {"version": 2}), {2})
        asked.move(lambda: post("/v1/routes/churn:shadow", {"version": 3}), {2})
        asked.move(lambda: post("/v1/routes/churn:split", {"weights": {"2": 50, "3": 50}}), {2, 3})
        asked.move(lambda: post("/v1/routes/churn:split", {"weights": {"3": 20, "1": 80}}), {1, 3})
        asked.move(lambda: post("/v1/models/churn:rollback", {}), {2})  # ends the split
        asked.move(lambda: post("/v1/models/churn:rollback", {}), {1})
        # Steps: the command writes, the server sees it in its own time; the next answered move is the end of that.
        asked.change({1, 3})
        tm.ok("route", "rollout", "churn@3", "--steps", "50,100", "--hold", "0s", "--rows", "1")
        tm.ok("route", "rollout", "churn", "--look")
        assert tm("route", "rollout", "churn", "--stop").code in (0, 5)  # 5: that look was the last step, it is promoted
        asked.move(lambda: post("/v1/models/churn:promote", {"version": 3}, (200, 409)), {3})
        asked.move(lambda: post("/v1/models/churn:rollback", {}), {1})
        counts.append(i)
        if i == 1:
            before = n_files()
        assert not asked.wrong, asked.wrong[0]
    asked.stop()
    assert not asked.wrong, asked.wrong[0]
    assert {version for version, _ in asked.seen} == {1, 2, 3} and "fallback" not in {arm for _, arm in asked.seen}
    # Nothing is left open: not for moves, nor for versions that went.
    wait_until(lambda: n_files() <= before)
