# SPDX-License-Identifier: Apache-2.0
"""A retraining is gone on with wherever it was killed, by whoever comes next, and projects of one machine do not meet."""
import os
import random
import signal
import subprocess

from conftest import Server, Tidemill
from made_data import churn_rows, csv_text
from test_triggers import history, start
from waits import PATIENCE_S, wait_until


def turns(tm):
    return tm.ok("retrain", "churn", "--turns", "--json").json["turns"]


def is_open(tm):
    told = turns(tm)
    return bool(told) and told[0]["outcome"] is None


def prepare(tm, retrain="{every: 7d}"):
    server = start(tm, retrain)
    assert server.stop() == 0
    return churn_rows(400)


def killed(tm, seconds, *words):
    """Whether it was killed before it came to its end."""
    with tm.popen([str(tm.program), *words], cwd=tm.folder, env=tm.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
    assert process.returncode in (0, 1, -signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


def check_record(tm):
    """Each version once, with one verdict; a turn that did not end well says why."""
    told = turns(tm)
    assert all(t["outcome"] in ("promoted", "refused", "failed") for t in told), told
    versions = [t["version"] for t in told if t["version"] is not None]
    assert len(set(versions)) == len(versions)
    for event, n_first in (("registered", 1), ("retrain.trained", 0)):
        assert len(history(tm, event)) == n_first + len(versions), event
    judged = sorted(e["version"] for e in history(tm, "gate.opened") + history(tm, "gate.refused"))
    assert judged == sorted(t["version"] for t in told if "gate" in t)
    promoted = [t["version"] for t in told if t["outcome"] == "promoted"]  # the newest first
    champion = [v["version"] for v in tm.ok("model", "show", "churn", "--json").json["versions"] if "champion" in v["aliases"]]
    assert champion == [promoted[0] if promoted else 1]
    assert all("begun 3 times" in t["reason"] for t in told if t["outcome"] == "failed")
    tm.ok("model", "verify")


def test_a_trainer_killed_at_every_step_leaves_a_turn_that_goes_on_or_ends(tm):
    rows, longest, chance = prepare(tm), 0.3, random.Random(7)
    for _ in range(12):
        if is_open(tm):
            words = ["retrain", "churn", "--resume", "--threads", "1"]
        else:
            rows += churn_rows(60, seed=len(rows))
            tm.write("data.csv", csv_text(rows))
            words = ["retrain", "churn", "--threads", "1"]
        longest *= 1.2 if killed(tm, chance.uniform(0.001, longest), *words) else 0.7
    for _ in range(4):
        if is_open(tm):
            tm("retrain", "churn", "--resume")
    check_record(tm)


def test_a_server_goes_on_with_the_turn_of_one_that_was_killed(tm):
    rows = prepare(tm) + churn_rows(300, seed=5)
    tm.write("data.csv", csv_text(rows))
    seconds = 0.025  # until it is killed behind the begin of its turn
    while killed(tm, seconds, "retrain", "churn", "--threads", "1") and not is_open(tm):
        seconds *= 1.2
        assert seconds < PATIENCE_S
    server = Server(tm, command="run")
    try:
        wait_until(lambda: turns(tm) and not is_open(tm))
        status, _, told = server.request("GET", "/v1/models/churn/turns?newest=1")
        assert status == 200 and told["turns"] == turns(tm)[:1]
        assert {"because", "evidence", "rows", "candidates", "gate", "outcome", "reason"} <= set(told["turns"][0])
        assert [c["chosen"] for c in told["turns"][0]["candidates"]].count(True) == 1
        assert server.request("GET", "/v1/models/none/turns")[0] == 404
    finally:
        assert server.stop() == 0
    check_record(tm)


def test_two_projects_on_one_machine_do_not_meet(tm):
    projects = [Tidemill(tm.folder / name, tm.program) for name in ("a", "b")]
    servers = []
    try:
        for project in projects:
            project.folder.mkdir(exist_ok=True)
            servers.append(start(project, "{every: 1s}"))
        for i, project in enumerate(projects):
            project.write("data.csv", csv_text(churn_rows(400) + churn_rows(300, seed=20 + i)))
        for project in projects:
            wait_until(lambda project=project: history(project, "retrain.trained"))
    finally:
        assert [server.stop() for server in servers] == [0] * len(servers)
    hashes = [{t["bundle_hash"] for t in turns(project) if "bundle_hash" in t} for project in projects]
    assert hashes[0] and hashes[1] and not hashes[0] & hashes[1]
    for project in projects:
        project.ok("model", "verify")
        assert {t["model"] for t in turns(project)} == {"churn"}


def test_a_retraining_that_would_not_fit_waits_says_why_and_goes_on(tm):
    rows = prepare(tm) + churn_rows(300, seed=6)
    tm.write("data.csv", csv_text(rows))
    for words in (["retrain", "churn"], *[["retrain", "churn", "--resume"]] * 3):  # waiting is no try
        refused = tm(*words, "--training-memory", "300K")
        assert refused.code == 7 and "more at the least" in refused.err, refused.err
    told = turns(tm)[0]
    assert told["outcome"] is None and told["waits"]["needs_bytes"] > 300 << 10 and "until" not in told["waits"]
    assert "waits    " in tm.ok("retrain", "churn", "--turns").out
    status = tm("status", "--json").json["models"][0]
    assert status["retrain_waits"] == told["waits"]["reason"]
    server = Server(tm, "--training-memory", "4G", command="run")
    try:
        wait_until(lambda: not is_open(tm))
    finally:
        assert server.stop() == 0
    told = turns(tm)[0]
    assert told["waits"]["until"] >= told["waits"]["since"] and told["plan"]["needs_bytes"] > 300 << 10
    check_record(tm)


def test_one_that_cannot_fit_waits_before_it_reads_its_source(tm):
    """Whether a row was read is seen by a source that was spoilt meanwhile: only who reads it fails."""
    tm.write("data.csv", csv_text([{"customer": f"c{i}", **r} for i, r in enumerate(churn_rows(400))]))
    tm.ok("data", "add", "people", "--files", "data*.csv", "--every", "1m", "--key", "customer")
    tm.ok("train", "--source", "people", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=10", "--drop", "customer")
    tm.write("data2.csv", csv_text([{"customer": f"d{i}", **r} for i, r in enumerate(churn_rows(9000, seed=6))]))
    os.utime(tm.folder / "data2.csv", (1, 1))  # nobody writes it any more
    assert "9,000 rows" in tm.ok("data", "pull", "people").out
    tm.ok("data", "compact")
    segments = tm.folder / ".tidemill" / "segments"
    segments.rename(segments.with_name("aside"))
    for words in (["retrain", "churn", "--window", "all", "--because", "tried"], *[["retrain", "churn", "--resume"]] * 3):
        refused = tm(*words, "--training-memory", "300K")
        assert refused.code == 7 and "more at the least" in refused.err and "before it reads a row" in refused.err, refused.err
    told = turns(tm)[0]
    assert told["outcome"] is None and told["waits"]["needs_bytes"] > 300 << 10 and "rows" not in told, told
    shown = tm.ok("retrain", "churn", "--turns").out
    assert "not read yet" in shown and "waits    " in shown
    assert tm("status", "--json").json["models"][0]["retrain_waits"] == told["waits"]["reason"]
    segments.with_name("aside").rename(segments)
    done = tm.ok("retrain", "churn", "--resume", "--training-memory", "4G", "--json").json
    assert done["rows"] > 7000 and done["because"] == "tried" and done["window"]["asked"] == "all" and done["waits"]["until"], done
    assert len(turns(tm)) == 1
    # What is asked of a source with nothing new ends, and is no failure.
    tm("retrain", "churn", "--training-memory", "300K")
    over = tm("retrain", "churn", "--resume", "--training-memory", "4G")
    assert over.code == 1 and turns(tm)[0]["outcome"] == "stopped" and "nothing is new" in turns(tm)[0]["reason"], (over.err, turns(tm)[0])


def test_a_month_without_rows_and_then_ten_times_as_many_is_one_turn(tm):
    tm.write("data.csv", csv_text(churn_rows(400)))
    train = ["train", "data.csv", "--target", "churned", "--time", "joined", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=10"]
    tm.ok(*train)
    late = [{**r, "joined": f"2031-05-01T{i // 180:02d}:{i // 3 % 60:02d}:00"} for i, r in enumerate(churn_rows(4000, seed=8))]
    tm.write("data.csv", csv_text(churn_rows(400) + late))
    told = tm("retrain", "churn", "--window", "auto", "--json").json
    assert told["new_rows"] == 4000 and told["rows"] > 3000 and told["window"]["kind"] in ("all", "sliding", "weighted", "cut")
    again = tm("retrain", "churn")
    assert again.code == 1 and "nothing is new" in again.err, again.err
    assert len(turns(tm)) == 1


def test_a_new_column_joins_the_next_version_and_clients_without_it_are_served(tm):
    tm.write("data.csv", csv_text(churn_rows(400)))
    tm.ok("train", "data.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=10")
    rows = churn_rows(1200, seed=9)
    told = [{**r, "calls": ""} for r in churn_rows(400)]
    told += [{**r, "calls": 9 if r["churned"] == "yes" and i % 7 else 1} for i, r in enumerate(rows)]
    tm.write("data.csv", csv_text(told))
    assert tm("retrain", "churn", "--json").json["promoted"]
    reads = [str(tm.ok("model", "show", f"churn@{version}", "--json").json["importance"]) for version in (1, 2)]
    assert "'calls'" in reads[1] and "'calls'" not in reads[0]
    tm.write("old.csv", csv_text([{k: v for k, v in r.items() if k != "churned"} for r in rows[:20]]))
    for model in ("churn@1", "churn@2"):
        assert len(tm.ok("predict", model, "old.csv", "--json").out.splitlines()) == 20
