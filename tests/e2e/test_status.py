# SPDX-License-Identifier: Apache-2.0
"""`tidemill status`: forty models on one screen, of a server that runs and of one that does not."""
import fcntl
import os
import pty
import resource
import struct
import termios
import threading

import pytest
from conftest import Server, Tidemill
from made_data import churn_rows, csv_text, request_row
from waits import wait_until

NAMES = [f"model_{i:02d}" for i in range(38)] + ["late_flights_of_the_northern_region", "zz"]
SMALL = ("--learner", "linear", "--work", "1000000", "-q")


def used_s():
    """Seconds of a processor that programs took which have ended."""
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def screen_of(tm, columns, lines):
    """What stands on a terminal of this size: its lines, and the processor's seconds that it took."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    start = used_s()
    with tm.popen([str(tm.program), "status"], cwd=tm.folder, env={**tm.env, "TERM": "xterm"}, stdin=child, stdout=child, stderr=child) as process:
        os.close(child)
        text = b""
        try:
            while piece := os.read(parent, 65536):
                text += piece
        except OSError:  # the other side is closed
            pass
        assert process.wait() == 0, text
    os.close(parent)
    return text.decode().replace("\r\n", "\n").splitlines(), used_s() - start


@pytest.fixture(name="forty", scope="module")
def fixture_forty(tmp_path_factory):
    """A home of forty models, two of them with owners and a schedule."""
    tm = Tidemill(tmp_path_factory.mktemp("forty"))
    tm.rows = churn_rows(300)
    tm.write("churn.csv", csv_text(tm.rows))
    for name in NAMES:
        tm.ok("train", "churn.csv", "--target", "churned", "--name", name, *SMALL)
    tm.write("tidemill.yaml", "models:\n" + "".join(
        f"  {name}: {{from: churn.csv, target: churned, owner: {name}@example.com, retrain: {{every: 1h}}, labels: {{delay: 1d}}}}\n" for name in NAMES[:3]))
    tm.ok("apply")
    return tm


def ask(server, model, rows, right=True):
    """Ask, and label the answers with the truth or its opposite."""
    _, _, body = server.request("POST", f"/v1/routes/{model}/predict", {"rows": [request_row(r) for r in rows]})
    other = {"yes": "no", "no": "yes"}
    labels = [{"prediction_id": p["id"], "label": r["churned"] if right else other[r["churned"]]} for p, r in zip(body["predictions"], rows) if r["churned"]]
    assert server.request("POST", "/v1/labels", {"labels": labels})[2]["joined"] == len(labels)
    return len(labels)


def settle(tm, is_so):
    """What status says once it is so: a server says what it does once a second."""
    status = lambda: tm.ok("status", "--json").json
    return wait_until(lambda: is_so(now := status()) and now, status)


def test_forty_models_are_told_by_what_needs_attention(forty):
    tm = forty
    server = Server(tm)
    try:
        n_labels = {name: ask(server, name, tm.rows, right=name != NAMES[-1]) for name in NAMES[-3:]}
        server.request("POST", f"/v1/routes/{NAMES[0]}/predict", {"rows": [request_row(r) for r in tm.rows[:50]]})  # and no label
        by_name = {}

        def is_told(status):
            by_name.update({m["model"]: m for m in status["models"]})
            return status["server"]["state"] == "running" and by_name[NAMES[-1]]["labelled"] == n_labels[NAMES[-1]] and by_name[NAMES[0]]["answers"] == 50

        status = settle(tm, is_told)
        assert len(status["models"]) == 40 and status["summary"]["models"] == 40 and status["summary"]["bad"] == 1
        worst, well, unlabelled = status["models"][0], by_name[NAMES[-2]], by_name[NAMES[0]]
        assert (worst["model"], worst["health"], worst["why"]) == ("zz", "bad", "worse") and "the test's was" in worst["reasons"][0]["text"]
        assert well["health"] == "ok" and well["low"] < well["value"] < well["high"] and well["coverage"] == n_labels[NAMES[-2]] / 300
        assert well["answers_per_second"] > 0 and well["p99_seconds"] > 0 and well["bytes"] > 1000 and well["cpu_seconds_per_1000"] > 0
        # Without labels there is what its answers let expect.
        assert unlabelled["value"] is None and unlabelled["estimate"]["answers"] == 50 and 0 < unlabelled["estimate"]["value"] < 1
        assert unlabelled["owner"] == "model_00@example.com" and 0 < unlabelled["next_retrain_seconds"] <= 3600
        assert by_name[NAMES[5]]["health"] == "idle" and by_name[NAMES[5]]["owner"] is None
        # A small screen: all that it can hold, and the rest by name.
        lines, seconds = screen_of(tm, 80, 24)
        assert len(lines) <= 23 and max(map(len, lines)) <= 80, "\n".join(lines)
        assert lines[0].startswith("server runs on 127.0.0.1:") and "40 models: 1 bad" in lines[1] and lines[3].startswith("! zz")
        assert all(name in " ".join(lines) for name in NAMES[:-2]) and seconds < 2
        wide, _ = screen_of(tm, 160, 50)
        assert len(wide) <= 49 and max(map(len, wide)) <= 160 and sum(any(f" {n} " in w for w in wide) for n in NAMES) == 40, "\n".join(wide)
        assert "logloss is 3" in wide[3] and "~0." in "\n".join(wide)
        assert tm.ok("status").out.count("\n") >= 43  # a pipe gets a line for each model
    finally:
        server.stop()
    stopped = tm.ok("status", "--json").json
    assert stopped["server"]["state"] == "stopped" and stopped["models"][0]["answers_per_second"] is None
    assert [(m["model"], m["value"], m["labelled"]) for m in stopped["models"]] == [(m["model"], m["value"], m["labelled"]) for m in status["models"]]
    assert "no server runs: the last one stopped" in tm.ok("status").out


def test_without_a_server_labels_count_all_the_same(forty):
    tm = forty
    server = Server(tm)
    _, _, body = server.request("POST", "/v1/routes/model_20/predict", {"rows": [request_row(r) for r in tm.rows[:60]]})
    settle(tm, lambda status: any(m["model"] == "model_20" and m["answers"] == 60 for m in status["models"]))
    server.process.kill()
    server.process.wait()
    tm.write("labels.csv", "prediction_id,churned\n" + "".join(f"{p['id']},{r['churned']}\n" for p, r in zip(body["predictions"], tm.rows) if r["churned"]))
    joined = tm.ok("monitor", "labels", "model_20", "labels.csv", "--json").json["joined"]
    status = settle(tm, lambda status: status["server"]["state"] == "silent")  # five seconds after its last word
    model = next(m for m in status["models"] if m["model"] == "model_20")
    assert (model["answers"], model["labelled"]) == (60, joined) and model["value"] is not None
    assert "no word from the server for" in tm.ok("status").out


def test_status_is_quick_beside_traffic(forty):
    tm = forty
    server = Server(tm)
    errors, end = [], threading.Event()

    def traffic():
        while not end.is_set():
            if server.request("POST", "/v1/routes/model_07/predict", {"rows": [request_row(tm.rows[0])]})[0] != 200:
                errors.append(1)

    thread = threading.Thread(target=traffic)
    thread.start()
    took = []
    for _ in range(30):
        start = used_s()
        assert len(tm.ok("status", "--json").json["models"]) == 40
        took.append(used_s() - start)
    end.set()
    thread.join()
    assert server.stop() == 0 and not errors
    assert sorted(took)[len(took) // 2] < 1, took  # some 30 ms on a machine that has nothing else to do


def test_a_home_without_models_or_server_says_so(tm):
    assert tm("status").code == 3
    tm.write("churn.csv", csv_text(churn_rows(200)))
    tm.ok("train", "churn.csv", "--target", "churned", "--name", "churn", *SMALL)
    status = tm.ok("status", "--json").json
    assert status["server"] == {"state": "none"} and status["models"][0]["health"] == "idle" and status["problems"] == []
    assert "no server has run on this home yet" in tm.ok("status").out
