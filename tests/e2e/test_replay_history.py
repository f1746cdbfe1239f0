# SPDX-License-Identifier: Apache-2.0
"""`tidemill replay --target`: static, schedule, policy and trivial rules over the same rows."""
import random


def write(tm, n=4000, change=2000, name="s.csv", labels=True):
    rng = random.Random(3)
    with open(tm.folder / name, "w", encoding="utf-8") as file:
        file.write("at,x,z,y\n")
        for i in range(n):
            x, z = rng.random(), rng.random()
            y = (x > 0.5) != (i >= change)
            file.write(f"2026-01-{1 + i * 28 // n:02} {i * 24 * 28 // n % 24:02}:00:00,{x:.4f},{z:.4f},{('yes' if y else 'no') if labels else ''}\n")


def test_the_policy_follows_a_change_that_a_static_model_does_not(tm):
    write(tm)
    words = ("replay", "s.csv", "--target", "y", "--time", "order", "--drop", "at", "--delay", "100")
    found = tm.ok(*words, "--json", "--report", "page.html").json
    assert found["schema"] == "tidemill.replay.history/1"
    for name in ("static", "schedule", "policy", "trivial"):
        assert {"score", "retrains", "train_seconds"} <= set(found[name])
        assert len(found["curve"][name]) == len(found["curve"]["row"])
    assert found["static"]["score"] < 0.5 < 0.8 < found["policy"]["score"]
    assert found["policy"]["score"] >= found["schedule"]["score"]
    assert found["trivial"]["score"] < 0.6 and len(found["schedule"]["all"]) == 8
    page = (tm.folder / "page.html").read_text(encoding="utf-8")
    assert "<svg" in page and "Retrainings" in page
    said = tm.ok(*words).out
    assert "policy" in said and "P policy" in said
    one = tm.ok(*words, "--threads", "1", "--json").json
    assert [one[k]["score"] for k in ("static", "schedule", "policy")] == [found[k]["score"] for k in ("static", "schedule", "policy")]
    assert one["policy"]["turns"] == found["policy"]["turns"]


def test_labels_come_a_day_later(tm):
    write(tm)
    found = tm.ok("replay", "s.csv", "--target", "y", "--time", "at", "--delay", "1d", "--json").json
    assert found["delay_seconds"] == 86400 and not found["sorted"]
    assert found["policy"]["score"] > found["static"]["score"]


def test_rows_of_a_query(tm):
    write(tm)
    found = tm.ok("replay", "--sql", "SELECT x, z, y FROM 's.csv'", "--target", "y", "--delay", "10", "--json").json
    assert found["rows"] == 4000


def test_what_cannot_be_replayed(tm):
    write(tm)
    assert tm("replay").code == 2
    assert "--time is of a replay without a server" in tm("replay", "m", "s.csv", "--time", "at").err
    assert tm("replay", "s.csv", "--target", "gone").code == 2
    assert tm("replay", "s.csv", "--target", "y", "--delay", "soon").code == 2
    assert tm("replay", "s.csv", "--target", "y", "--delay", "1d").code == 2
    assert tm("replay", "s.csv", "--target", "y", "--delay", "4000").code == 7
    assert tm("replay", "m", "s.csv", "--target", "y").code == 2
    result = tm("replay", "s.csv", "--target", "y", "--drop", "x,y")
    assert result.code == 2 and "'y' is the target and dropped" in result.err and "hint: " in result.err, result.err
    write(tm, name="none.csv", labels=False)
    assert tm("replay", "none.csv", "--target", "y").code == 7
