# SPDX-License-Identifier: Apache-2.0
"""Backups: the same home again, whole or not at all, also while everything moves."""
import json
import pathlib
import random
import shutil
import signal
import subprocess
import threading
import time

import duck
import pytest
from conftest import PROGRAM, Server, Tidemill
from load import KEY_HEADER, Load, home_holds
from made_data import churn_rows, csv_text, request_row
from waits import PATIENCE_S, wait_until


def train(tm, *words):
    return tm.ok("train", "data.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--param", "gbdt.n_trees=20", "--json", *words).json


@pytest.fixture(scope="module", name="made")
def fixture_made(tmp_path_factory):
    """A folder with a home of two versions, a key, answers and labels, and a project file; and a backup of it."""
    tm = Tidemill(tmp_path_factory.mktemp("backup"))
    tm.write("data.csv", csv_text(churn_rows(600)))
    train(tm)
    train(tm, "--seed", "2")
    tm.ok("init")
    tm.key = tm.ok("key", "create", "--role", "admin", "--json").json["key"]
    server = Server(tm)
    rows = [request_row(r) for r in churn_rows(50, seed=5)]
    reply = server.request("POST", "/v1/routes/churn/predict", {"rows": rows}, {KEY_HEADER: tm.key})[2]
    labels = [{"prediction_id": a["id"], "label": "yes"} for a in reply["predictions"][:20]]
    assert server.request("POST", "/v1/labels", {"labels": labels}, {KEY_HEADER: tm.key})[0] == 200
    assert server.stop() == 0
    tm.reply = reply
    tm.rows = rows
    tm.report = tm.ok("backup", "home.tar.zst", "--json").json
    return tm


def entries(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_backup_says_what_is_in_it(made):
    assert made.report["schema"] == "tidemill.backup/1"
    for key, value in {"models": 1, "versions": 2, "answers": 50, "labels": 20, "bundles": 2, "snapshots": 1, "absent": [], "project_file": True,
                       "formats": {"meta.db": 8, "log.db": 7, "watch.db": 2}}.items():
        assert made.report[key] == value, key
    assert made.report["size"] == (made.folder / "home.tar.zst").stat().st_size
    assert (made.folder / "home.tar.zst").stat().st_mode & 0o777 == 0o600
    checked = made.ok("restore", "home.tar.zst", "--check", "--json").json
    assert checked["schema"] == "tidemill.restore/1" and checked["hash"] == made.report["hash"] and checked["home"] is None
    assert not [name for name in entries(made.folder) if ".tmp-" in name]


def test_ordinary_tools_can_read_a_backup(made, tmp_path):
    subprocess.run(["tar", "--zstd", "-xf", str(made.folder / "home.tar.zst"), "-C", str(tmp_path)], check=True)
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    names = [m["name"] for m in manifest["members"]]
    assert names[:5] == ["meta.db", "keys.secret", "log.db", "watch.db", "tidemill.yaml"] and len(names) == 8
    for member in manifest["members"]:
        out = subprocess.run(["b2sum", "-l", "256", str(tmp_path / member["name"])], stdout=subprocess.PIPE, text=True, check=True).stdout
        assert out.split()[0] == member["blake2b"]
        assert (tmp_path / member["name"]).stat().st_size == member["size"]


def test_a_restored_home_answers_as_the_old_one(made, tmp_path):
    home = tmp_path / "mill"
    made.ok("restore", "home.tar.zst", "--home", home)
    assert home.stat().st_mode & 0o777 == 0o700
    assert entries(home) == ["bundles", "jobs", "keys.secret", "log.db", "meta.db", "restored.json", "snapshots", "temp", "watch.db"]
    assert (home / "keys.secret").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "tidemill.yaml").read_bytes() == (made.folder / "tidemill.yaml").read_bytes()
    made.ok("model", "verify", "--home", home)
    for words in (["model", "history", "churn"], ["model", "ls"], ["key", "ls"], ["monitor", "drift", "churn"], ["monitor", "alerts"]):
        assert made.ok(*words, "--json", "--home", home).out == made.ok(*words, "--json").out, words
    server = Server(made, "--home", str(home))
    try:
        status, _, value = server.request("POST", "/v1/routes/churn/predict", {"rows": made.rows}, {KEY_HEADER: made.key})
        assert status == 200 and value["version"] == made.reply["version"]
        assert [a["probability"] for a in value["predictions"]] == [a["probability"] for a in made.reply["predictions"]]
        assert server.request("POST", "/v1/routes/churn/predict", {"rows": made.rows})[0] == 401
    finally:
        assert server.stop() == 0


def test_a_restored_home_repeats_its_trainings(tm):
    tm.write("data.csv", csv_text(churn_rows(400)))
    tm.write("test.csv", csv_text(churn_rows(200, seed=9)))
    made = train(tm, "--test", "test.csv")
    report = tm.ok("backup", "home.tar.zst", "--json").json
    assert report["snapshots"] == 2 and report["absent"] == []
    tm.ok("restore", "home.tar.zst", "--home", "again")
    shutil.rmtree(tm.folder / ".tidemill")
    for name in ("data.csv", "test.csv"):
        (tm.folder / name).unlink()
    repeated = tm.ok("train", "--repeat", f"churn@{made['version']}", "--home", "again", "--json").json
    assert repeated["bundle_hash"] == made["bundle_hash"]


def test_a_folder_takes_a_file_named_after_the_time(made, tmp_path):
    report = made.ok("backup", tmp_path, "--json").json
    assert entries(tmp_path) == [pathlib.Path(report["file"]).name]
    assert report["file"].endswith(".tar.zst")


def test_nothing_is_overwritten(made, tmp_path):
    again = made("backup", "home.tar.zst")
    assert again.code == 5 and "there already" in again.err
    home = tmp_path / "mill"
    home.mkdir()
    (home / "letter").write_text("mine", encoding="utf-8")
    refused = made("restore", "home.tar.zst", "--home", home)
    assert refused.code == 5 and "not empty" in refused.err and "--home" in refused.err
    assert entries(home) == ["letter"]
    (home / "letter").unlink()
    (tmp_path / "tidemill.yaml").write_text("models: {}\n", encoding="utf-8")
    kept = made.ok("restore", "home.tar.zst", "--home", home)
    assert "left alone" in kept.err
    assert (tmp_path / "tidemill.yaml").read_text(encoding="utf-8") == "models: {}\n"
    assert made("backup", "x.tar.zst", "--home", tmp_path / "nowhere").code == 3
    assert made("restore", "x.tar.zst", "--home", tmp_path / "nowhere").code == 3


def test_damage_is_named_and_leaves_nothing(made, tmp_path):
    data = (made.folder / "home.tar.zst").read_bytes()
    rng = random.Random(7)
    places = [0, 3, len(data) - 1, len(data) - 40] + [rng.randrange(len(data)) for _ in range(40)]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << rng.randrange(8)
        (tmp_path / "bad").write_bytes(changed)
        result = made("restore", tmp_path / "bad", "--home", tmp_path / "mill", "--json")
        assert result.code == 8, (place, result.err)
        assert "damaged in" in result.json["error"]["message"], result.out
        assert entries(tmp_path) == ["bad"]
    for length in [5, 1000, len(data) // 2, len(data) - 64, len(data) - 1]:
        (tmp_path / "bad").write_bytes(data[:length])
        assert made("restore", tmp_path / "bad", "--home", tmp_path / "mill").code == 8
        assert made("restore", tmp_path / "bad", "--check").code == 8
    (tmp_path / "bad").write_text("x,y\n1,2\n", encoding="utf-8")
    assert made("restore", tmp_path / "bad", "--home", tmp_path / "mill").code == 7
    assert entries(tmp_path) == ["bad"]


def test_a_later_format_is_refused_by_name(made, tmp_path):
    data = bytearray((made.folder / "home.tar.zst").read_bytes())
    data[len(data) - 48] = 2
    (tmp_path / "later").write_bytes(data)
    result = made("restore", tmp_path / "later", "--home", tmp_path / "mill")
    assert result.code == 2 and "format 2" in result.err and "up to 1" in result.err
    assert entries(tmp_path) == ["later"]


def test_a_damaged_home_gives_no_backup(made, tmp_path):
    for place in ("bundles", "snapshots", "meta.db"):
        home = tmp_path / place / ".tidemill"
        shutil.copytree(made.folder / ".tidemill", home)
        victim = home / place if place.endswith(".db") else sorted((home / place).iterdir())[0]
        data = bytearray(victim.read_bytes())
        begin, end = len(data) // 2, min(len(data), len(data) // 2 + 8192)  # of a database at least one page from its head to its end
        data[begin:end] = bytes(end - begin)
        victim.write_bytes(data)
        result = made("backup", tmp_path / "x.tar.zst", "--home", home)
        assert result.code == 8, (place, result.err)
        assert victim.name[:16] in result.err
        assert entries(tmp_path / place) == [".tidemill"]
        assert not (tmp_path / "x.tar.zst").exists()
    lost = tmp_path / "lost" / ".tidemill"
    shutil.copytree(made.folder / ".tidemill", lost)
    for snapshot in (lost / "snapshots").iterdir():
        snapshot.unlink()
    report = made.ok("backup", tmp_path / "lost.tar.zst", "--home", lost, "--json")
    assert len(report.json["absent"]) == 1 and "gone from the home" in report.err
    for bundle in (lost / "bundles").iterdir():
        bundle.unlink()
    result = made("backup", tmp_path / "x.tar.zst", "--home", lost)
    assert result.code == 8 and "is gone" in result.err


def test_a_stopped_command_leaves_nothing_that_passes_for_whole(made, tmp_path):
    rng = random.Random(11)
    seen = {"whole": 0, "nothing": 0}
    for i in range(24):
        number = signal.SIGKILL if i % 2 else signal.SIGTERM
        is_backup = i % 4 < 2
        target = tmp_path / f"{i}"
        words = ["backup", str(target)] if is_backup else ["restore", "home.tar.zst", "--home", str(target)]
        process = subprocess.Popen([str(PROGRAM), *words, "-q"], cwd=made.folder, env=made.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, 0.08))
        process.send_signal(number)
        process.wait(timeout=PATIENCE_S)
        if target.exists():
            made.ok("restore", target, "--check") if is_backup else made.ok("model", "verify", "--home", target)
        seen["whole" if target.exists() else "nothing"] += 1
    assert seen["whole"] + seen["nothing"] == 24
    for name in entries(tmp_path):
        assert ".tmp-" in name or name.isdigit() or name == "tidemill.yaml", name


def test_backups_under_load_hold_all_that_was_acknowledged(tm):
    tm.write("data.csv", csv_text(churn_rows(600)))
    train(tm)
    train(tm, "--seed", "2")
    key = tm.ok("key", "create", "--role", "admin", "--json").json["key"]
    server = Server(tm)
    load = Load(tm, server, key)
    for kind in ("predict", "label", "move", "make_keys", "train", "read", "break_off"):
        load.start(kind)
    books = []
    try:
        for i in range(5):
            load.wait_more("predict", "joined", "move 200")
            book = load.book()
            tm.ok("backup", f"{i}.tar.zst", "-q")
            books.append(book)
    finally:
        load.stop()
        assert server.stop() == 0
    counts = []
    for i, book in enumerate(books):
        home = tm.folder / f"restored{i}"
        tm.ok("restore", f"{i}.tar.zst", "--home", home, "-q")
        counts.append(home_holds(home, book))
        tm.ok("model", "verify", "--home", home)
    home_holds(tm.folder / ".tidemill", load.book())
    assert counts[-1]["answers"] > counts[0]["answers"] and counts[-1]["labels"] > 0 and counts[-1]["moves"] > 0
    again = Server(tm, "--home", str(tm.folder / "restored4"))
    assert again.request("POST", "/v1/routes/churn/predict", {"rows": load.rows[:3]}, {KEY_HEADER: key})[0] == 200
    assert again.stop() == 0


# ---- Sources ----

def push(server, key, source, ids):
    body = "".join(f'{{"id": {i}, "x": {i % 7}}}\n' for i in ids)
    headers = {KEY_HEADER: key, "Content-Type": "application/x-ndjson"}
    status, _, answer = server.request("POST", f"/v1/sources/{source}/rows", body, headers)
    assert status == 200, answer
    return answer


def show(tm, source, *words):
    shown = tm.show(source, *words)
    return {k: v for k, v in shown.items() if k != "lag_seconds"}


def test_sources_come_back_as_they_were(tm):
    tm.write("a.csv", "id,x\n1,1\n2,2\n2,9\n")
    tm.ok("data", "add", "2", "--files", "a.csv", "--key", "id")  # a name that is also a number of a source
    tm.ok("data", "add", "orders", "--push", "--key", "id")
    key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    server = Server(tm)
    assert push(server, key, "orders", range(500))["accepted"] == 500
    tm.ok("data", "compact", "orders")
    tm.ok("data", "compact", "2")
    assert push(server, key, "orders", range(400, 600)) == {"accepted": 100, "duplicates": 100, "quarantined": 0}
    status, _, _ = server.request("POST", "/v1/sources/orders/rows", "{", {KEY_HEADER: key, "Content-Type": "application/x-ndjson"})
    assert status == 200
    report = tm.ok("backup", "home.tar.zst", "--json").json
    assert (report["sources"], report["source_rows"], report["source_files"], report["formats"]["intake.db"]) == (2, 602, 2, 5)
    assert server.stop() == 0
    home = tm.folder / "restored"
    assert "2 sources" in tm.ok("restore", "home.tar.zst", "--check").out
    tm.ok("restore", "home.tar.zst", "--home", home)
    assert "temp" in entries(home) and not entries(home / "temp")
    for source in ("2", "orders"):
        assert show(tm, source, "--home", home) == show(tm, source)
        names = [tm.ok("data", "snapshot", source, "--json", *words).json["snapshot"] for words in ([], ["--home", home])]
        assert names[0] == names[1]
    again = Server(tm, "--home", str(home))
    assert push(again, key, "orders", range(650)) == {"accepted": 50, "duplicates": 600, "quarantined": 0}
    assert again.stop() == 0
    assert all(check["state"] == "ok" for check in tm("doctor", "--json", "--home", home).json["checks"] if check["name"] in ("intake.db", "sources", "source_files"))


def test_a_backup_is_of_one_moment_while_rows_are_pushed(tm):
    tm.ok("data", "add", "orders", "--push", "--key", "id")
    key = tm.ok("key", "create", "--role", "client", "--json").json["key"]
    server = Server(tm)
    stop, done = threading.Event(), [0]

    def pushing():
        while not stop.is_set():
            assert push(server, key, "orders", range(done[0], done[0] + 100))["accepted"] == 100
            done[0] += 100

    def compacting():
        while not stop.is_set():
            tm.ok("data", "compact", "--json")

    threads = [threading.Thread(target=run) for run in (pushing, compacting)]
    for thread in threads:
        thread.start()
    acknowledged = []
    for i in range(3):
        wait_until(lambda least=acknowledged[-1] if acknowledged else 0: done[0] > least or not threads[0].is_alive())
        acknowledged.append(done[0])
        tm.ok("backup", f"{i}.tar.zst", "-q")
    stop.set()
    for thread in threads:
        thread.join()
    assert server.stop() == 0
    for i, before in enumerate(acknowledged):
        home = tm.folder / f"restored{i}"
        tm.ok("restore", f"{i}.tar.zst", "--home", home, "-q")
        rows = show(tm, "orders", "--home", home)["rows"]
        assert before <= rows <= done[0] and rows % 100 == 0
        path = tm.ok("data", "snapshot", "orders", "--home", home, "--json").json["path"]
        with duck.Duck() as engine:
            assert engine.query(f"SELECT count(*) FROM '{path}'") == engine.query(f"SELECT count(DISTINCT id) FROM '{path}' WHERE id < {rows}") == rows
        last = Server(tm, "--home", str(home))
        answers = [push(last, key, "orders", range(at, min(at + 20000, rows + 10))) for at in range(0, rows + 10, 20000)]
        assert sum(a["duplicates"] for a in answers) == rows and sum(a["accepted"] for a in answers) == 10
        assert last.stop() == 0
    assert acknowledged[-1] > acknowledged[0] > 0


def test_a_damaged_or_missing_file_of_a_source_is_named(tm):
    tm.write("a.csv", "id,x\n1,1\n2,2\n")
    tm.ok("data", "add", "a", "--files", "a.csv")
    tm.ok("data", "compact", "a")
    segment = next((tm.folder / ".tidemill" / "segments" / "a").glob("*.parquet"))
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-20] + bytes(20))
    failed = tm("backup", "home.tar.zst")
    assert failed.code == 8 and not (tm.folder / "home.tar.zst").exists()
    segment.unlink()
    failed = tm("backup", "home.tar.zst")
    assert failed.code == 8 and "a file of source 'a' is gone" in failed.err
    assert tm("doctor").code == 1
    segment.write_bytes(whole)
    tm.ok("backup", "home.tar.zst")
    subprocess.run(["tar", "--zstd", "-tf", str(tm.folder / "home.tar.zst")], check=True)
