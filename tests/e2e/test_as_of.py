# SPDX-License-Identifier: Apache-2.0
"""A source as it was: the rows and columns of a moment are the same whatever came or moved since."""
import time

COLUMNS = "id,x,y\n"


def rows(first, end, x="{}"):
    return COLUMNS + "".join(f"{i},{x.format(i % 10)},{'yes' if i % 10 > 4 else 'no'}\n" for i in range(first, end))


def snapshot(tm, *words):
    return tm.ok("data", "snapshot", "s", "--json", *words).json


def now():
    """This moment, between two accepted batches."""
    time.sleep(0.02)
    seconds, micros = divmod(time.time_ns() // 1000, 1_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{micros:06d}".rstrip("0").rstrip(".") + "Z"
    time.sleep(0.02)
    return text


def test_the_past_stays_what_it_was(tm):
    before = now()
    tm.write("in/a.csv", rows(0, 300))
    tm.ok("data", "add", "s", "--files", "in/*.csv", "--key", "id")
    moments = [(now(), snapshot(tm))]
    tm.write("in/b.csv", rows(300, 400))
    tm.ok("data", "pull", "s")
    moments.append((now(), snapshot(tm)))
    tm.ok("data", "compact", "s")  # two batches, one segment
    tm.write("in/c.csv", rows(400, 500, "{}.5"))  # a column of whole numbers becomes one of numbers
    tm.ok("data", "pull", "s")
    moments.append((now(), snapshot(tm)))
    tm.write("in/d.csv", "id,x,y,more\n900,1,no,a\n")
    tm.ok("data", "pull", "s")
    tm.ok("data", "compact", "s")
    tm.write("in/e.csv", rows(40000, 70000))  # a segment at once
    tm.ok("data", "pull", "s")
    moments.append((now(), snapshot(tm)))
    assert [m["rows"] for _, m in moments] == [300, 400, 500, 30501]
    for at, made in moments:
        assert snapshot(tm, "--as-of", at)["snapshot"] == made["snapshot"]
    result = tm("data", "snapshot", "s", "--as-of", before)
    assert result.code == 7 and "source 's' had no rows at " in result.err
    assert tm("data", "snapshot", "s", "--as-of", "soon").code == 2
    at, made = moments[1]
    tm.ok("train", "--source", "s", "--as-of", at, "--target", "y", "--learner", "linear", "--name", "m")
    shown = tm.ok("model", "show", "m@1", "--json").json
    assert made["snapshot"] in str(shown) and at.rstrip("Z") in str(shown)
    tm.ok("train", "--repeat", "m@1")
    assert tm("train", "in/a.csv", "--as-of", at, "--target", "y").code == 2
