# SPDX-License-Identifier: Apache-2.0
"""`train --checkpoint`: killed at any moment and run again, a training ends in the bytes of one that was never stopped."""
import datetime
import os
import random
import resource
import shutil
import signal
import subprocess
import time

import made_data
import pytest
from waits import PATIENCE_S, wait_until

FIT = ["--learner", "gbdt", "--param", "gbdt.n_trees=150", "--param", "gbdt.max_leaves=63", "--param", "gbdt.min_rows_in_leaf=5",
       "--param", "gbdt.early_stopping=0"]
SEARCH = ["--work", "8000000"]


@pytest.fixture(name="home")
def fixture_home(tm):
    tm.write("c.csv", made_data.csv_text(made_data.churn_rows(4000)))
    return tm


def words(options, *more):
    return ["train", "c.csv", "--target", "churned", "--json", *options, *more]


def files(tm):
    try:
        return sorted(os.listdir(tm.folder / ".tidemill" / "checkpoints"))
    except FileNotFoundError:  # not there yet, or just replaced
        return []


def start(tm, *command):
    return tm.popen([str(tm.program), *command], cwd=tm.folder, env=tm.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stop(process, number):
    """Send a signal; the exit code."""
    process.send_signal(number)
    return process.wait(timeout=PATIENCE_S)


def changes(tm, process, n):
    """Wait until the checkpoints have changed n times, or the process has ended."""
    folder, seen = tm.folder / ".tidemill" / "checkpoints", None
    while process.poll() is None and n > 0:
        try:
            now = {p.name: p.stat().st_mtime_ns for p in folder.iterdir()}
        except FileNotFoundError:  # not there yet, or just replaced
            continue
        n -= seen is not None and now != seen
        seen = now


def kill_behind_a_round(tm, *command):
    """Kill a training that has a round on disk; whether it was: one that was not seen to have it came to its end."""
    process = start(tm, *command)
    has_round = lambda: any(name.endswith(".1") for name in files(tm))
    wait_until(lambda: has_round() or process.poll() is not None)
    return stop(process, signal.SIGKILL) == -signal.SIGKILL and has_round()


@pytest.mark.parametrize("options", [FIT, SEARCH], ids=["one fit", "search"])
def test_killed_at_random_moments_it_ends_in_the_same_bytes(home, options):
    want = home.ok(*words(options, "--home", "other")).json
    dice = random.Random(7)
    n_killed, resumed, code = 0, None, None
    for turn in range(8):
        # Threads differ from turn to turn: a state of one is a state of all.
        process = start(home, *words(options, "--checkpoint", "0s", "--threads", str(1 + turn % 3)))
        changes(home, process, dice.randint(1, 12))
        code = stop(process, signal.SIGKILL)
        if code == 0 and n_killed > 0:
            break  # it came to its end before the kill
        assert code in (0, -signal.SIGKILL)
        n_killed += code != 0
    if code != 0:
        last = home.ok(*words(options, "--checkpoint", "0s")).json
        resumed = last["fits_resumed"]
        assert last["bundle_hash"] == want["bundle_hash"]
    shown = home.ok("model", "show", "c", "--json").json
    assert {v["bundle_hash"] for v in shown["versions"]} == {want["bundle_hash"]}
    assert n_killed > 0 and (resumed is None or resumed > 0)
    assert files(home) == []
    assert list((home.folder / ".tidemill" / "bundles").iterdir()) == [
        home.folder / ".tidemill" / "bundles" / (want["bundle_hash"] + ".tmb")]


def test_a_polite_stop_keeps_the_last_round_whatever_the_time_between(home):
    want = home.ok(*words(FIT, "--home", "other")).json
    after_s, code, names = 0.1, None, []
    for _ in range(30):
        process = start(home, *words(FIT, "--checkpoint", "1h"))
        while process.poll() is None and not files(home):
            pass  # the lock is made when the rows are read
        time.sleep(after_s)
        code, names = stop(process, signal.SIGTERM), files(home)
        if code == 143 and names[0].endswith(".1"):
            break
        after_s *= 0.6 if code == 0 else 1.4  # it was done, or had no round yet
    assert code == 143 and names[0].endswith(".1") and names[-1].endswith(".lock")
    last = home.ok(*words(FIT, "--checkpoint", "1h")).json
    assert last["bundle_hash"] == want["bundle_hash"] and last["fits_resumed"] >= 1
    assert files(home) == []


def test_other_options_and_other_rows_have_checkpoints_of_their_own(home):
    wait_until(lambda: kill_behind_a_round(home, *words(FIT, "--checkpoint", "0s")))
    before = files(home)
    other = home.ok(*words(FIT, "--checkpoint", "0s", "--seed", "5")).json
    assert other["fits_resumed"] == 0
    home.write("c.csv", made_data.csv_text(made_data.churn_rows(4000, seed=9)))
    assert home.ok(*words(FIT, "--checkpoint", "0s")).json["fits_resumed"] == 0
    assert files(home) == before


def test_a_search_by_the_clock_goes_on_with_what_was_left_of_it(home):
    home.write("c.csv", made_data.csv_text(made_data.churn_rows(12000)))
    for seconds in (4, 16, 64, 256):  # more, where a slow machine has not made four fits in them
        options = ["--budget", f"{seconds}s", "--checkpoint", "0s"]
        process = start(home, *words(options))
        wait_until(lambda child=process: any(name.endswith(".4") for name in files(home)) or child.poll() is not None)
        if stop(process, signal.SIGKILL) == -signal.SIGKILL:
            break
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    begun = used()
    last = home.ok(*words(options, "--threads", "1")).json
    took = used() - begun
    assert last["fits_resumed"] >= 3
    # Time that fits took which are on disk is not there again; reading and features are done anew. By a processor's seconds, of which others take none.
    assert took < seconds * 1.02 - 0.4 + 1.5, took
    assert files(home) == []
    # The answers of both processes' clocks are in one record.
    assert home.ok("train", "--repeat", f"c@{last['version']}", "--threads", "1", "--json").json["same"] is True


def test_a_retraining_that_was_killed_goes_on(home):
    home.ok(*words(["--learner", "baseline", "--name", "m"]))
    home.write("tidemill.yaml", "models:\n  m:\n    from: c.csv\n    target: churned\n    learner: gbdt\n    param: [gbdt.n_trees=150, gbdt.max_leaves=63, "
               "gbdt.min_rows_in_leaf=5, gbdt.early_stopping=0]\n")
    home.ok("apply")
    home.write("c.csv", made_data.csv_text(made_data.churn_rows(5000)))
    shutil.copytree(home.folder / ".tidemill", home.folder / "other")
    want = home.ok("retrain", "m", "--home", "other", "--json").json
    assert kill_behind_a_round(home, "retrain", "m", "--checkpoint", "0s", "--threads", "1")
    stopped = [c for c in home("doctor", "--json").json["checks"] if c["name"] == "checkpoints"]
    assert "1 training running or stopped" in stopped[0]["found"]
    got = home.ok("retrain", "m", "--checkpoint", "0s", "--json").json
    assert got["bundle_hash"] == want["bundle_hash"] and got["fits_resumed"] >= 1
    assert files(home) == []
    home.write("c.csv", made_data.csv_text(made_data.churn_rows(6000)))
    assert home("retrain", "m", "--checkpoint", "0s", "--budget", "2s", "--json").json["fits_resumed"] == 0  # whatever the gate says of two seconds' work


def test_what_nobody_took_up_is_removed_by_the_next_training(home):
    wait_until(lambda: kill_behind_a_round(home, *words(FIT, "--checkpoint", "0s")))
    home.ok(*words(["--learner", "baseline", "--checkpoint", "1h"]))
    assert files(home)  # it is young
    later = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=40)).strftime("%Y-%m-%dT%H:%M:%SZ")
    home.ok(*words(["--learner", "baseline", "--seed", "1", "--checkpoint", "1h"]), env={"TIDEMILL_NOW": later})
    assert files(home) == []
