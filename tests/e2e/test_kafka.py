# SPDX-License-Identifier: Apache-2.0
"""A topic of Kafka as a source, from brokers of this process: each message once, whatever happens to the reader or the brokers."""
import datetime
import json
import os
import random
import signal
import subprocess
import time

import pytest

from duck import Duck
from kafka_mock import MockCluster
from waits import PATIENCE_S, wait_until


@pytest.fixture(scope="module", name="cluster")
def fixture_cluster():
    """Brokers for all of these tests; each has a topic of its own."""
    cluster = MockCluster()
    yield cluster
    cluster.close()


def settings(tm, cluster, more=""):
    """The file that reaches the brokers."""
    tm.write("kafka.conf", f"# brokers of this test\nbootstrap.servers = {cluster.bootstrap}\n{more}").chmod(0o600)


def add(tm, name, *words):
    """`data add` of the topic with the source's name."""
    return tm("data", "add", name, "--kafka", "kafka.conf", "--topic", name, *words)


def shown(tm, name):
    """What is known of a source."""
    return tm.ok("data", "show", name, "--json").json


def send(cluster, topic, first, end, partitions=1):
    """Messages of the ids [first, end), in turn to each partition."""
    for i in range(first, end):
        cluster.send(topic, json.dumps({"id": i, "amount": i / 2, "land": "NL" if i % 3 else None}), i % partitions)
    cluster.flush()


def has_each_once(tm, name, n):
    """Whether a source has the ids 0 to n - 1 and no row more."""
    path = tm.ok("data", "snapshot", name, "--json").json["path"]
    with Duck() as base:
        return base.query(f"SELECT (count(*) = {n} AND count(DISTINCT id) = {n} AND min(id) = 0 AND max(id) = {n - 1})::int FROM '{path}'") == 1


def test_messages_of_all_partitions_are_read_once(tm, cluster):
    cluster.create("orders", 3)
    settings(tm, cluster)
    send(cluster, "orders", 0, 1000, 3)
    assert "1,000 rows, 3 columns" in add(tm, "orders").out
    assert tm.ok("data", "pull", "orders").out == "0 rows, 0 duplicates, 0 quarantined\n"
    send(cluster, "orders", 1000, 1500, 3)
    assert tm.ok("data", "pull", "orders").out == "500 rows, 0 duplicates, 0 quarantined\n"
    assert has_each_once(tm, "orders", 1500)
    assert [c["type"] for c in shown(tm, "orders")["columns"]] == ["int", "float", "text"]


def test_poison_goes_to_quarantine_with_its_offset(tm, cluster):
    cluster.create("poison", 2)
    settings(tm, cluster)
    good, bad = '{"id": 1}', ["no JSON", b"\0\0\0\0\1avro", b"\xff\xfe{", "[1, 2]", "{\"id\": 2", '{"id": 3, "note": "a\nb"}', "7"]
    for message in [good, *bad, good]:
        cluster.send("poison", message, 1)
    cluster.send("poison", None, 1, key="gone")
    cluster.send("poison", " ", 1)
    cluster.send("poison", '{"id":\r\n 4,\n "note":\t"x"}\n', 1)
    cluster.flush()
    assert "3 rows" in add(tm, "poison").out
    show = tm.show("poison")
    assert show["quarantined"] == len(bad)
    assert [(b["origin"], b["row"]) for b in show["quarantine"]] == [("poison[1]", n + 1) for n in range(len(bad))]
    assert {b["reason"] for b in show["quarantine"]} == {"malformed"}
    assert show["messages"] == {"read": 12, "empty": 2, "behind": 0}


def test_lines_of_csv(tm, cluster):
    cluster.create("lines")
    settings(tm, cluster)
    for line in ["1,NL,2.5", '2,"a, b",3\n', "3,BE", '4,"two\nlines",5', "5,BE,1\r\n", '6,"open,1', "7,,8"]:
        cluster.send("lines", line, 0)
    cluster.flush()
    add(tm, "lines", "--fields", "id,land,amount")
    show = tm.show("lines")
    assert (show["rows"], [c["name"] for c in show["columns"]]) == (5, ["id", "land", "amount"])
    assert [(b["row"], b["reason"]) for b in show["quarantine"]] == [(2, "malformed"), (5, "malformed")]


def at(minute, i):
    """A message that happened so many minutes after ten."""
    return json.dumps({"id": i, "at": f"2026-03-01T{10 + minute // 60:02d}:{minute % 60:02d}:00Z"})


def test_late_rows_are_counted_or_kept_out(tm, cluster):
    settings(tm, cluster)
    for name, policy in (("counted", "accept"), ("kept", "quarantine")):
        cluster.create(name)
        for i, minute in enumerate([0, 30, 19, 20, 90, 79, 80]):
            cluster.send(name, at(minute, i), 0)
        cluster.send(name, '{"id": 7}', 0)
        cluster.flush()
        assert add(tm, name, "--event-time", "at", "--lateness", "10m", "--late", policy).code == 0
        show = tm.show(name)
        assert (show["late"], show["watermark"], show["messages"]["untimed"]) == (2, "2026-03-01T11:20:00Z", 1)
        assert show["rows"] == (8 if policy == "accept" else 6)
        cluster.send(name, at(79, 8), 0)  # another reading goes on with it
        cluster.flush()
        tm.ok("data", "pull", name)
        assert tm.show(name)["late"] == 3
    bad = tm.show("kept")["quarantine"]
    assert [(b["row"], b["reason"], b["column"], b["origin"]) for b in bad] == [(n, "late", "at", "kept[0]") for n in (2, 5, 8)]
    assert add(tm, "wrong", "--late", "accept").code == 2
    replayed = tm.ok("data", "replay", "kept", "--json").json
    assert replayed["accepted"] == 3 and tm.show("kept")["rows"] == 9


def test_an_idle_partition_holds_up_no_other(tm, cluster):
    cluster.create("idle", 3)
    settings(tm, cluster)
    for partition, minute in ((0, 20), (1, 100)):
        cluster.send("idle", at(minute, partition), partition)
    cluster.flush()
    add(tm, "idle", "--event-time", "at", "--idle", "1h")
    show = tm.show("idle")
    assert (show["watermark"], show["late"]) == ("2026-03-01T10:20:00Z", 0)
    cluster.send("idle", at(110, 2), 1)
    cluster.flush()
    later = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    tm.ok("data", "pull", "idle", env={"TIDEMILL_NOW": later})
    assert tm.show("idle")["watermark"] == "2026-03-01T11:50:00Z"
    cluster.send("idle", at(30, 3), 0)  # it is awake again, and late
    cluster.flush()
    tm.ok("data", "pull", "idle")
    show = tm.show("idle")
    assert (show["watermark"], show["late"], show["rows"]) == ("2026-03-01T11:50:00Z", 1, 4)


def test_a_schema_that_changes_in_mid_stream(tm, cluster):
    cluster.create("grown")
    settings(tm, cluster)
    messages = ['{"id": 1, "x": 2}'] * 300 + ['{"id": 1, "x": 2.5, "new": "a"}'] * 300 + ['{"id": "text", "x": 1}', '{"id": 2}']
    for message in messages[:300]:
        cluster.send("grown", message, 0)
    cluster.flush()
    add(tm, "grown")
    for message in messages[300:]:
        cluster.send("grown", message, 0)
    cluster.flush()
    tm.ok("data", "pull", "grown")
    show = tm.show("grown")
    assert [(c["name"], c["type"]) for c in show["columns"]] == [("id", "int"), ("x", "float"), ("new", "text")]
    assert show["rows"] == 601 and [(b["row"], b["reason"]) for b in show["quarantine"]] == [(600, "wrong_type")]


def test_from_the_end_means_from_when_it_was_added(tm, cluster):
    cluster.create("late", 2)
    settings(tm, cluster)
    send(cluster, "late", 1000, 1010, 2)
    assert "0 rows" in add(tm, "late", "--from", "end").out
    send(cluster, "late", 0, 7, 2)
    tm.ok("data", "pull", "late")
    assert has_each_once(tm, "late", 7)


def test_the_daemon_follows_and_says_how_far_it_is(tm, cluster):
    cluster.create("followed", 2)
    settings(tm, cluster)
    send(cluster, "followed", 0, 100, 2)
    add(tm, "followed")
    with tm.popen([str(tm.program), "run", "--listen", "127.0.0.1:0"], cwd=tm.folder, env=tm.env, stdout=subprocess.PIPE,
                  stderr=subprocess.PIPE) as daemon:
        try:
            for end in (200, 300):
                send(cluster, "followed", end - 100, end, 2)
                wait_until(lambda end=end: shown(tm, "followed")["rows"] == end)
            wait_until(lambda: shown(tm, "followed")["status"] == "ready")
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.communicate(timeout=PATIENCE_S)
    assert daemon.returncode == 0
    assert has_each_once(tm, "followed", 300)


def test_a_reader_that_is_killed_reads_each_message_once(tm, cluster):
    cluster.create("killed", 4)
    settings(tm, cluster)
    send(cluster, "killed", 0, 200, 4)
    add(tm, "killed")
    rng, n = random.Random(5), 200
    for _ in range(8):
        with tm.popen([str(tm.program), "data", "pull", "killed", "--follow"], cwd=tm.folder, env=tm.env, stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL) as reader:
            send(cluster, "killed", n, n + 3000, 4)
            n += 3000
            time.sleep(rng.uniform(0, 0.6))
            reader.kill()
    tm.ok("data", "pull", "killed")
    assert shown(tm, "killed")["rows"] == n and has_each_once(tm, "killed", n)


def test_a_first_reading_that_stops_keeps_what_the_group_gave(tm, cluster):
    cluster.create("half")
    settings(tm, cluster)
    for line in ['1,"a message that\nends a block"', "-2,bad", "3,good"]:
        cluster.send("half", line, 0)
    cluster.flush()
    rule = ("--expect", "good: count(*) FILTER (WHERE id < 0) = 0", "--policy", "good=stop")
    result = add(tm, "half", "--group", "us", "--fields", "id,note", *rule)
    assert result.code == 5
    assert "The source stays with what came: 'tidemill data pull half' goes on." in result.err
    assert (shown(tm, "half")["rows"], shown(tm, "half")["status"]) == (1, "stopped")


def test_brokers_that_are_gone_are_waited_for(tm, cluster):
    cluster.create("gone")
    settings(tm, cluster)
    send(cluster, "gone", 0, 50)
    add(tm, "gone")
    with tm.popen([str(tm.program), "data", "pull", "gone", "--follow", "--json"], cwd=tm.folder, env=tm.env, stdout=subprocess.PIPE,
                  stderr=subprocess.PIPE, text=True) as reader:
        cluster.down()
        time.sleep(1)
        cluster.up()
        send(cluster, "gone", 50, 90)
        wait_until(lambda: shown(tm, "gone")["rows"] == 90)
        reader.send_signal(signal.SIGTERM)
        out, err = reader.communicate(timeout=PATIENCE_S)
    assert (reader.returncode, err) == (0, "")
    assert json.loads(out)["accepted"] == 40


def test_brokers_that_stay_away_are_tried_again_later(tm):
    tm.write("kafka.conf", "bootstrap.servers = 127.0.0.1:1\nsasl.password = hidden-word\n").chmod(0o600)
    result = add(tm, "nobody")
    assert result.code == 6
    assert "Kafka: " in result.err and "kafka.conf" in result.err and "hidden-word" not in result.err


def test_a_topic_that_was_made_anew_stops_the_source(tm, cluster):
    cluster.create("anew")
    settings(tm, cluster)
    send(cluster, "anew", 0, 20)
    add(tm, "anew")
    for n in (10, 30):  # it ends before what was read, and behind it
        other = MockCluster()
        other.create("anew")
        settings(tm, other)
        send(other, "anew", 100, 100 + n)
        result = tm("data", "pull", "anew")
        assert result.code == 7 and "the topic was made anew" in result.err, result.err
        assert shown(tm, "anew")["status"] == "stopped"
        other.close()
    other = MockCluster()
    other.create("anew")
    settings(tm, other)
    send(other, "anew", 20, 50)
    tm.ok("data", "set", "anew", "--changed", "again")
    assert "30 rows" in tm.ok("data", "pull", "anew").out
    assert "0 rows" in tm.ok("data", "pull", "anew").out
    assert has_each_once(tm, "anew", 50)
    other.close()


def test_a_group_shares_partitions(tm, cluster):
    cluster.create("shared", 2)
    settings(tm, cluster)
    send(cluster, "shared", 0, 100, 2)
    assert "100 rows" in add(tm, "shared", "--group", "us").out


def test_what_is_declared_wrong_is_told(tm, cluster):
    settings(tm, cluster)
    for words, code, what in [
        (("--kafka", "kafka.conf"), 2, "a source of Kafka needs a file and a topic"),
        (("--kafka", "kafka.conf", "--topic", "a b"), 2, "'a b' is no name of a topic"),
        (("--kafka", "none.conf", "--topic", "t"), 3, "none.conf"),
        (("--watch", ".", "--topic", "t"), 2, "are for --kafka"),
    ]:
        result = tm("data", "add", "wrong", *words)
        assert (result.code, what in result.err) == (code, True), result.err
    for line, what in [("plugin.library.paths = x.so", "not for a file to say"), ("nothing.such = 1", "has no such setting"),
                       ("fetch.wait.max.ms = many", "does not take the value"), ("no value", "is not NAME = VALUE")]:
        settings(tm, cluster, line + "\n")
        result = add(tm, "wrong")
        assert (result.code, what in result.err, "kafka.conf:3" in result.err) == (2, True, True), result.err
    os.chmod(tm.folder / "kafka.conf", 0o644)
    assert add(tm, "wrong").code == 4
    assert tm.ok("data", "ls", "--json").json["sources"] == []
    tm.ok("data", "add", "pushed", "--push")
    assert "is pushed to" in tm("data", "set", "pushed", "--changed", "again").err
