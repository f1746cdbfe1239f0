# SPDX-License-Identifier: Apache-2.0
"""`train --checkpoint`: killed at any moment and run again, a training ends in the bytes of one that was never stopped."""
import random
import signal
import subprocess
import time

import made_data
import pytest

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
    folder = tm.folder / ".tidemill" / "checkpoints"
    return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []


def stop(tm, number, after_s, *command):
    """Start a command, send it a signal after some seconds; its exit code."""
    process = tm.popen([str(tm.program), *command], cwd=tm.folder, env=tm.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after_s)
    process.send_signal(number)
    return process.wait(timeout=60)


@pytest.mark.parametrize("options", [FIT, SEARCH], ids=["one fit", "search"])
def test_killed_at_random_moments_it_ends_in_the_same_bytes(home, options):
    began = time.monotonic()
    want = home.ok(*words(options, "--home", "other")).json
    whole_s = time.monotonic() - began
    dice = random.Random(7)
    n_killed, resumed = 0, None
    for turn in range(12):
        # Threads differ from turn to turn: a state of one is a state of all.
        command = words(options, "--checkpoint", "0s", "--threads", str(1 + turn % 3))
        code = stop(home, signal.SIGKILL, dice.uniform(0.1, 1) * whole_s, *command)
        if code == 0:
            break  # it came to its end before the kill
        assert code == -signal.SIGKILL
        n_killed += 1
    if code != 0:
        last = home.ok(*words(options, "--checkpoint", "0s")).json
        resumed = last["fits_resumed"]
        assert last["bundle_hash"] == want["bundle_hash"]
    shown = home.ok("model", "show", "c", "--json").json
    assert [v["bundle_hash"] for v in shown["versions"]] == [want["bundle_hash"]]
    assert n_killed > 0 and (resumed is None or resumed > 0)
    assert files(home) == []
    assert list((home.folder / ".tidemill" / "bundles").iterdir()) == [
        home.folder / ".tidemill" / "bundles" / (want["bundle_hash"] + ".tmb")]


def test_a_polite_stop_keeps_the_last_round_whatever_the_time_between(home):
    want = home.ok(*words(FIT, "--home", "other")).json
    after_s = 0.3
    for _ in range(8):
        code = stop(home, signal.SIGTERM, after_s, *words(FIT, "--checkpoint", "1h"))
        if code == 143 and files(home):
            break
        after_s *= 1.3 if code == 143 else 0.6  # too early, or it was done
    names = files(home)
    assert code == 143 and names[0].endswith(".1") and names[-1].endswith(".lock")
    last = home.ok(*words(FIT, "--checkpoint", "1h")).json
    assert last["bundle_hash"] == want["bundle_hash"] and last["fits_resumed"] >= 1
    assert files(home) == []


def test_other_options_and_other_rows_have_checkpoints_of_their_own(home):
    stop(home, signal.SIGKILL, 0.6, *words(FIT, "--checkpoint", "0s"))
    before = files(home)
    other = home.ok(*words(FIT, "--checkpoint", "0s", "--seed", "5")).json
    assert other["fits_resumed"] == 0
    home.write("c.csv", made_data.csv_text(made_data.churn_rows(4000, seed=9)))
    assert home.ok(*words(FIT, "--checkpoint", "0s")).json["fits_resumed"] == 0
    assert files(home) == before


def test_a_clock_cannot_be_taken_up_again(home):
    result = home(*words(FIT, "--checkpoint", "1s", "--budget", "5s"))
    assert result.code == 2 and "--checkpoint and --budget cannot stand together" in result.out + result.err
