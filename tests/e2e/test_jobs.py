# SPDX-License-Identifier: Apache-2.0
"""A retraining that `tidemill run` has under way is cancelled: nothing comes of it, the history says who, and the others go on."""
from conftest import Server
from made_data import churn_rows, csv_text
from test_triggers import history
from waits import wait_until

LONG = "{from: people, target: churned, drop: [customer], learner: gbdt, param: [gbdt.n_trees=100000, gbdt.max_leaves=200, gbdt.min_rows_in_leaf=1, gbdt.learning_rate=0.001, gbdt.early_stopping=0], retrain: {new_rows: 200, cool_down: 1h}}"
SHORT = "{from: data.csv, target: churned, drop: [customer], learner: baseline, retrain: {every: 1s}}"


def jobs(tm, *words):
    return tm.ok("job", "ls", *words, "--json").json["jobs"]


def turn(tm):
    return tm.ok("retrain", "churn", "--turns", "--json").json["turns"][0]


def write(tm, n):
    tm.write("data.csv", csv_text([{"customer": f"c{i}", **r} for i, r in enumerate(churn_rows(n))]))


def begin(tm):
    """A server at work on a training that takes minutes."""
    write(tm, 400)
    tm.ok("data", "add", "people", "--files", "data.csv", "--every", "1s", "--key", "customer")
    tm.ok("train", "--source", "people", "--target", "churned", "--name", "churn", "--learner", "baseline", "--drop", "customer")
    tm.ok("train", "data.csv", "--target", "churned", "--name", "other", "--learner", "baseline", "--drop", "customer")
    tm.write("tidemill.yaml", f"models:\n  churn: {LONG}\n  other: {SHORT}\n")
    tm.ok("apply")
    server = Server(tm, command="run")
    try:
        write(tm, 800)
        job = wait_until(lambda: next((j for j in jobs(tm, "churn") if j["state"] == "running"), None))
        wait_until(lambda: history(tm, "retrain.started"))
    except AssertionError:
        server.stop()
        raise
    return server, job["id"]


def check_gone(tm, job, by):
    assert turn(tm)["outcome"] == "stopped" and turn(tm)["reason"] == f"cancelled by {by}: the source is wrong"
    wait_until(lambda: jobs(tm, "churn")[0]["state"] == "cancelled")
    record, = history(tm, "retrain.cancelled")
    assert record["actor"] == by and record["reason"] == "the source is wrong" and record["details"] == {"job": job, "turn": 1}
    cancelled = jobs(tm, "churn")[0]
    wait_until(lambda: jobs(tm, "other") and jobs(tm, "other")[0]["started"] > cancelled["ended"])  # the queue goes on
    assert len(jobs(tm, "churn")) == 1 and not history(tm, "registered")[1:] and not history(tm, "retrain.failed")
    assert not list((tm.folder / ".tidemill" / "jobs").glob("training.*"))
    tm.ok("model", "verify")


def test_a_retraining_is_cancelled_on_the_command_line(tm):
    server, job = begin(tm)
    try:
        assert "running" in tm.ok("job", "ls", "churn").out
        said = tm.ok("job", "cancel", job, "--reason", "the source is wrong")
        assert said.out == f"job {job} is cancelled\n"
        check_gone(tm, job, history(tm, "retrain.cancelled")[0]["actor"])
        assert tm("job", "cancel", job).code == 5
        missing = tm("job", "cancel", "nothing")
        assert missing.code == 3 and "tidemill job ls" in missing.err
    finally:
        assert server.stop() == 0
    tm.write("tidemill.yaml", "models:\n  churn: {from: people, target: churned, drop: [customer], learner: baseline}\n")
    tm.ok("apply")
    tm("retrain", "churn")  # by hand, whenever one likes
    assert turn(tm)["turn"] == 2 and turn(tm)["outcome"] in ("promoted", "refused")


def test_a_retraining_is_cancelled_by_who_may_train(tm):
    keys = {role: tm.ok("key", "create", "--role", role, "--name", role, "--json").json["key"] for role in ("deployer", "trainer")}
    other = tm.ok("key", "create", "--role", "trainer", "--model", "other", "--json").json["key"]
    server, job = begin(tm)
    path, body = f"/v1/jobs/{job}:cancel", {"reason": "the source is wrong"}

    def ask(key):
        return server.request("POST", path, body, headers={"Authorization": f"Bearer {key}"})

    try:
        assert ask(keys["deployer"])[0] == 403
        assert ask(other)[0] == 404  # for a key of another model it is not there
        status, _, told = ask(keys["trainer"])
        assert (status, told) == (200, {"job": job})
        assert ask(keys["trainer"])[0] == 409
        check_gone(tm, job, history(tm, "retrain.cancelled")[0]["actor"])
        assert history(tm, "retrain.cancelled")[0]["actor"].startswith("key:")
    finally:
        assert server.stop() == 0


def test_a_retraining_that_could_not_begin_says_why_everywhere(tm):
    write(tm, 400)
    tm.ok("train", "data.csv", "--target", "churned", "--name", "other", "--learner", "baseline", "--drop", "customer")
    tm.write("tidemill.yaml", f"models:\n  other: {SHORT}\n")
    tm.ok("apply")
    (tm.folder / "data.csv").rename(tm.folder / "moved.csv")
    server = Server(tm, command="run")
    try:
        wait_until(lambda: any(j["state"] == "failed" for j in jobs(tm, "other")))
    finally:
        server.stop()
    assert "data.csv" in [line for line in tm.ok("job", "ls", "other").out.splitlines() if " failed " in line][0]
    assert '"event":"retrain.failed","model":"other"' in server.said() and "data.csv" in server.said()
    problem = [p for p in tm("status", "--json").json["models"][0]["reasons"] if p["word"] == "retrain"][0]["text"]
    assert "data.csv" in problem and problem.endswith("tidemill job ls other")
