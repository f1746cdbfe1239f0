# SPDX-License-Identifier: Apache-2.0
"""What a home knows of one person, in one file; and no byte of it, with a certificate."""
import fcntl
import hashlib
import json
import os
import secrets
import sqlite3
import stat

import pytest
import signer
from conftest import Server
from kills import Killer
from planted_values import where


def write_people(tm, n=120):
    tm.write("people.csv", "id,age,city,late\n" + "".join(
        f"P{i},{20 + i * 7 % 50},{'ab'[i % 2]},{'yes' if i * 7 % 50 > 25 else 'no'}\n" for i in range(n)))


def test_rows_versions_answers_and_labels_of_one_person(tm):
    write_people(tm)
    tm.ok("data", "add", "people", "--files", "people.csv", "--key", "id")
    tm.ok("train", "people.csv", "--target", "late", "--entity", "id", "--name", "late", "--learner", "baseline")
    server = Server(tm)
    for who in ("P7", "P7", "P8", "P77"):
        assert server.request("POST", "/v1/routes/late/predict", {"rows": [{"id": who, "age": 27, "city": "a"}]})[0] == 200
    assert server.stop() == 0
    result = tm.ok("subject", "export", "-", "-o", "p7.json", "--json", stdin="P7\n").json
    assert (result["rows"], result["answers"], result["versions"], result["not_looked_into"]) == (1, 2, 1, [])
    path = tm.folder / "p7.json"
    text = path.read_text(encoding="utf-8")
    found = json.loads(text)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and "P8" not in text and "P77" not in text
    assert found["sources"][0]["rows"] == [{"id": "P7", "age": 69, "city": "b", "late": "yes"}]
    assert found["versions"][0]["version"] == 1 and found["versions"][0]["n"] == 1
    assert [a["row"]["age"] for a in found["answers"]] == [27, 27] and all(a["model"] == "late" and a["version"] == 1 for a in found["answers"])
    tm.ok("explain", "late", found["answers"][0]["id"])
    server = Server(tm)
    assert server.request("GET", f"/v1/models/late/predictions/{found['answers'][1]['id']}", None)[0] == 200
    assert server.stop() == 0
    noted = tm.ok("audit", "tail", "--subject", "P7", "--json").json["entries"]
    assert [e["event"] for e in noted] == ["subject.exported", "answer.read", "answer.read"] and '"P7"' not in json.dumps(noted)  # alone: ids of answers are random
    assert [e["object"] for e in noted[1:]] == [f"prediction:{a['id']}" for a in found["answers"]] and noted[2]["actor"] == "http:local"
    # Nobody is an answer, too.
    assert tm.ok("subject", "export", "P0000", "-o", "none.json", "--json").json["rows"] == 0


def test_what_cannot_be_asked_is_named(tm):
    write_people(tm)
    tm.ok("data", "add", "people", "--files", "people.csv")
    tm.ok("train", "people.csv", "--target", "late", "--name", "late", "--learner", "baseline")
    result = tm.ok("subject", "export", "P7", "-o", "p7.json", "--json").json
    assert sorted(x["what"] for x in result["not_looked_into"]) == ["source:people", "version:late@1"]
    assert tm("subject", "export", "P7").code == 2 and tm("subject", "export", "P7", "-o", "no/folder/x.json").code != 0


# ---- erase ----

SUBJECTS = int(os.environ.get("TM_SUBJECTS", "2"))  # ./run campaign erase: 1,000
REPEATS = min(SUBJECTS, int(os.environ.get("TM_REPEATS", "1")))  # ./run campaign erase: 100


def repeat(tm, certificate):
    """Train again what a certificate names; true when the bytes are the same."""
    model = certificate["models"][0]
    again = tm.ok("train", "--repeat", f"late@{model['version']}", "--json").json
    return again["same"] and again["repeated_hash"] == model["bundle_hash"]


def plant(tm, n, tokens):
    """A home in which tokens are ids of a source, of training rows and of rows in quarantine."""
    rows = [f"{token if i < len(tokens) else secrets.token_hex(16)},{20 + i * 7 % 50},{'ab'[i % 2]},{'yes' if i * 7 % 50 > 25 else 'no'}"
            for i, token in enumerate(tokens + [""] * n)]
    tm.write("people.csv", "id,age,city,late\n" + "\n".join(rows) + "\n")
    tm.ok("data", "add", "people", "--files", "people.csv", "--key", "id")
    tm.ok("data", "add", "pushed", "--push", "--key", "id")
    tm.write("more.csv", "id,age\n" + "".join(f"{token},{i}\n" for i, token in enumerate(tokens)) + "other,1\n")
    tm.ok("data", "push", "pushed", "more.csv")
    tm.write("bad.csv", f"id,age\n{tokens[0]},x\n")
    assert tm.ok("data", "push", "pushed", "bad.csv", "--idempotency-key", tokens[0], "--json").json["quarantined"] == 1
    for i, token in enumerate(tokens[1:4]):  # the key of a push whose rows are others'
        tm.write("more.csv", f"id,age\nextra-{i},1\n")
        tm.ok("data", "push", "pushed", "more.csv", "--idempotency-key", token)
    tm.write("more.csv", "id,age\n" + "".join(f"{token},{i}\n" for i, token in enumerate(tokens)) + "other,1\n")
    tm.ok("train", "people.csv", "--target", "late", "--entity", "id", "--name", "late", "--learner", "baseline")
    tm.ok("train", "people.csv", "--target", "late", "--entity", "id", "--name", "late", "--learner", "baseline", "--seed", "2")


def plant_answers(tm, tokens):
    """Answers about them and about others between, labels that join and that wait, and what a home keeps of rows to have them at hand."""
    server = Server(tm)
    rows = [{"id": who, "age": 27, "city": "a"} for token in tokens for who in (token, f"other-{token[:4]}", token)]
    for at in range(0, len(rows), 300):
        status, _, answer = server.request("POST", "/v1/routes/late/predict", {"rows": rows[at:at + 300]})
        assert status == 200, answer
    labels = [{"model": "late", "entity": who, "label": f"of {who}", "time": "2020-01-01T00:00:00Z"} for who in tokens]
    assert server.request("POST", "/v1/labels", {"labels": labels + [{"prediction_id": answer["predictions"][-1]["id"], "label": "yes"}]})[0] == 200
    assert server.stop() == 0
    for folder in ("cache", "checkpoints"):
        (tm.folder / ".tidemill" / folder).mkdir(exist_ok=True)
        (tm.folder / ".tidemill" / folder / "kept.csv").write_text("id\n" + "\n".join(tokens), encoding="utf-8")


def check_certificate(tm, path):
    value = json.loads((tm.folder / path).read_text(encoding="utf-8"))
    text = json.dumps(value["certificate"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert value["key"] == tm.ok("trust", "key").out.strip()
    seed = bytes.fromhex((tm.folder / ".tidemill" / "signing.secret").read_text(encoding="utf-8").strip())
    assert signer.sign(seed, text).hex() == value["signature"]  # there is one signature of a text
    noted = [e for e in tm.ok("audit", "tail", "--event", "subject.erased", "--newest", "1", "--json").json["entries"]]
    assert noted[0]["details"]["certificate"] == hashlib.blake2b(text, digest_size=32).hexdigest()
    return value["certificate"]


def seal(tm):
    """A home with a key of its own; the key."""
    key = secrets.token_hex(32)
    tm.write("data.key", key).chmod(0o600)
    tm.ok("encrypt", "--key", "file:data.key")
    return key


def erase_all(tm, tokens):
    """Some at a time, each time with a training again; how many of these gave the certified hash."""
    n_same = 0
    for i in range(REPEATS):
        some = tokens[i * SUBJECTS // REPEATS:(i + 1) * SUBJECTS // REPEATS]
        tm.ok("subject", "erase", *(["-"] if len(some) == 1 else ["--from", "-"]), "--certificate", "c.json", stdin="\n".join(some))
        certificate = check_certificate(tm, "c.json")
        assert {(s["rows"], s["answers"]) for s in certificate.get("subjects", [])} <= {(2, 2)} and certificate["found"]["answers"] == [{"model": "late", "n": 2 * len(some)}]
        assert {s["source"]: s["n"] for s in certificate["found"]["sources"]} == {"people": len(some), "pushed": len(some)}
        n_same += repeat(tm, certificate)
    return n_same


@pytest.mark.parametrize("kind", ["plain", "sealed"])
def test_erased_subjects_are_nowhere_and_training_again_gives_the_certified_hash(tm, kind):
    """A plain home at rest; a sealed one beside its server, looked into as its key opens it."""
    tokens = [secrets.token_hex(16) for _ in range(SUBJECTS)]
    key = seal(tm) if kind == "sealed" else None
    plant(tm, 60, tokens)
    plant_answers(tm, tokens)
    home = tm.folder / ".tidemill"
    before = where(home, tokens, key)
    assert {token for token, _ in before} == set(tokens)
    assert key is None or {"batches.rows", "quarantine.bytes", "quarantine.origin", "labels.value", "blocks.data", "unpacked"} <= {name.split("(")[1].split(" ")[0].rstrip(")") for _, name in before if "(" in name}
    server = Server(tm) if kind == "sealed" else None
    n_same = erase_all(tm, tokens)
    left = where(home, tokens, key)
    print(f"{SUBJECTS} subjects erased of a {kind} home, {len(left)} places that hold one; {n_same} of {REPEATS} trainings gave the certified hash")
    assert server is None or server.stop() == 0
    assert left | where(home, tokens, key) == set() and n_same == REPEATS
    certificate = check_certificate(tm, "c.json")
    assert certificate["complete"] and certificate["scanned"] and certificate["not_looked_into"] == []
    assert tm.ok("subject", "export", tokens[0], "-o", "x.json", "--json").json == {
        "schema": "tidemill.subject.export/1", "file": "x.json", "rows": 0, "answers": 0, "versions": 0, "left_to_retrain": [], "not_looked_into": []}
    # The file of the user still has them; the same rows do not come back.
    assert tm.ok("data", "pull", "people", "--json").json["accepted"] == 0 and tm.ok("data", "push", "pushed", "more.csv", "--json").json["accepted"] == 0
    assert tm.show("people")["rows"] == 60 and tm.ok("audit", "verify").code == 0 and tm.ok("doctor").code == 0


def test_a_killed_erasure_goes_on_and_certifies_all_that_was_found(tm):
    tokens = [secrets.token_hex(16) for _ in range(2)]
    plant(tm, 40, tokens)
    path = tm.write("ids.txt", "\n".join([*tokens, "", "nobody-1", tokens[0]]))
    killer = Killer(tm, 1, 0.4)
    for _ in range(5):
        if not killer.run("subject", "erase", "--from", str(path), "--certificate", "c.json"):
            break
    else:
        tm.ok("subject", "erase", "--from", str(path), "--certificate", "c.json")
    assert where(tm.folder / ".tidemill", tokens) == set()
    certificate = check_certificate(tm, "c.json")
    assert [(s["rows"], s["training_rows"]) for s in certificate["subjects"]] == [(2, 2), (2, 2), (0, 0)] and certificate["complete"]
    assert len((tm.folder / ".tidemill" / "subjects.erased").read_text(encoding="utf-8").splitlines()) == 4 and tm.ok("audit", "verify").code == 0
    assert len(tm.ok("model", "ls", "--json").json["models"]) == 1 and tm.ok("model", "verify").code == 0


def test_files_of_versions_that_were_marked_before_a_kill_go_too(tm):
    token = secrets.token_hex(16)
    plant(tm, 40, [token])
    home = tm.folder / ".tidemill"
    (home / "online").mkdir()
    with open(home / "online.lock", "w", encoding="utf-8") as lock:  # rows are gone, versions are not
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert tm("subject", "erase", token, "--certificate", "c.json").code == 5
    with sqlite3.connect(home / "meta.db") as db:
        db.execute("INSERT INTO collected SELECT model_id, number, 1 FROM versions WHERE number = 2")
    tm.ok("subject", "erase", token, "--certificate", "c.json")
    assert where(home, [token]) == set()
    assert [v["version"] for v in check_certificate(tm, "c.json")["found"]["versions"]] == [2, 1]


def test_what_erase_does_not_reach_is_refused_by_name_and_nothing_changes(tm):
    token = secrets.token_hex(16)
    plant(tm, 40, [token])
    before = {(who, path) for who, path in where(tm.folder / ".tidemill", [token]) if not path.endswith("-wal")}
    tm.ok("route", "split", "late", "1=50", "2=50")
    result = tm("subject", "erase", token, "--certificate", "c.json")
    assert result.code == 5 and "a split of its route" in result.err
    tm.ok("route", "split", "late", "1=100")
    for folder, name, why in (("notes", "x.csv", "notes/x.csv"), ("spill", "7.tms", "folder 'spill'")):
        (tm.folder / ".tidemill" / folder).mkdir(exist_ok=True)
        (tm.folder / ".tidemill" / folder / name).write_text("id\n" + token, encoding="utf-8")
        result = tm("subject", "erase", token, "--certificate", "c.json")
        assert result.code == 5 and why in result.err
        (tm.folder / ".tidemill" / folder / name).unlink()
    assert before <= where(tm.folder / ".tidemill", [token]) and not (tm.folder / "c.json").exists()
    assert tm.ok("audit", "tail", "--event", "subject", "--json").json["entries"] == []


def test_what_a_sink_wrote_is_named_and_it_goes_on_where_it_was(tm):
    written, waiting = secrets.token_hex(16), secrets.token_hex(16)
    home = tm.folder / ".tidemill"
    write_people(tm)
    tm.ok("train", "people.csv", "--target", "late", "--entity", "id", "--name", "late", "--learner", "baseline")
    tm.ok("data", "add", "pushed", "--push", "--key", "id")
    tm.ok("sink", "add", "scored", "--model", "late", "--read", "pushed", "--to-csv", "scored")
    for first, token in ((0, written), (6, waiting)):
        tm.write("more.csv", "id,age,city\n" + "".join(f"{token if i == first + 2 else f'Q{i}'},{20 + i},a\n" for i in range(first, first + 6)))
        tm.ok("data", "push", "pushed", "more.csv")
        if first == 0:
            assert tm.ok("sink", "run", "scored", "--json").json["rows"] == 6
    with sqlite3.connect(home / "intake.db") as db:
        db.execute("UPDATE sinks SET plan = '{}'")
    result = tm("subject", "erase", written, "--certificate", "c.json")
    assert result.code == 5 and "a batch of sink 'scored' is not done" in result.err
    with sqlite3.connect(home / "intake.db") as db:
        db.execute("UPDATE sinks SET plan = 'null'")
    (home / "jobs").mkdir(exist_ok=True)
    (home / "jobs" / "sink.1.0.rows").write_text(written, encoding="utf-8")
    tm.ok("subject", "erase", written, "--certificate", "c.json")
    certificate = check_certificate(tm, "c.json")
    assert [(d["sink"], d["source"], d["n"]) for d in certificate["found"]["delivered"]] == [("scored", "pushed", 1)]
    assert "scored" in json.dumps(certificate["found"]["delivered"][0]["to"]) and certificate["found"]["answers"] == [{"model": "late", "n": 1}]
    tm.ok("subject", "erase", waiting, "--certificate", "c.json")
    certificate = check_certificate(tm, "c.json")
    assert certificate["found"]["delivered"] == [] and [x["what"] for x in certificate["not_reached"]][0] == "sink:scored"
    assert where(home, [written, waiting]) == set()
    done = tm.ok("sink", "run", "scored", "--json").json
    assert (done["rows"], done["missed"]) == (5, 0)
    text = "".join(p.read_text(encoding="utf-8") for p in (tm.folder / "scored").iterdir())
    assert [text.count(f"Q{i},") for i in range(12)] == [1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1] and written in text and waiting not in text


def test_who_was_erased_is_erased_again_when_an_older_backup_is_restored(tm):
    erased, stays = [secrets.token_hex(16) for _ in range(2)], secrets.token_hex(16)
    plant(tm, 40, [*erased, stays])
    plant_answers(tm, [*erased, stays])
    tm.ok("audit", "tail", "--subject", stays)
    tm.ok("subject", "export", stays, "-o", "stays.json")  # there is a secret from here on
    tm.ok("backup", "old.tar.zst")
    for token in erased:
        tm.ok("subject", "erase", token, "--certificate", "c.json")
    tombs = (tm.folder / ".tidemill" / "subjects.erased").read_text(encoding="utf-8")
    assert len(tombs.splitlines()) == 3 and not any(token in tombs for token in erased)
    tm.write("kept.erased", tombs)
    assert {who for who, _ in where(tm.folder / ".tidemill", [*erased, stays])} == {stays}
    tm.ok("restore", "old.tar.zst", "--home", "bare")
    assert {who for who, _ in where(tm.folder / "bare", [*erased, stays])} == {*erased, stays}
    done = tm.ok("restore", "old.tar.zst", "--home", "again", "--erased", "kept.erased")
    assert "2 subjects that were erased after the backup are erased again" in done.err
    assert {who for who, _ in where(tm.folder / "again", [*erased, stays])} == {stays}
    assert tm.ok("--home", "again", "audit", "verify").code == 0 and tm.ok("--home", "again", "doctor").code == 0
    events = tm.ok("--home", "again", "audit", "tail", "--event", "subject.erased", "--json").json["entries"]
    assert [e["details"] for e in events] == [{"restored": True}] * 2
    tm.write("other.erased", "tidemill.erased/1 " + "0" * 64 + "\n")
    result = tm("restore", "old.tar.zst", "--home", "third", "--erased", "other.erased")
    assert result.code == 5 and "another secret" in result.err and not (tm.folder / "third").exists()
    assert tm("restore", "old.tar.zst", "--home", "third", "--erased", "people.csv").code == 7


def test_what_cannot_be_asked_whose_it_is_leaves_an_erasure_incomplete(tm):
    token = secrets.token_hex(16)
    plant(tm, 40, [token])
    write_people(tm)
    tm.ok("train", "people.csv", "--target", "late", "--name", "unasked", "--learner", "baseline")
    done = tm.ok("subject", "erase", token, "--certificate", "c.json")
    certificate = check_certificate(tm, "c.json")
    assert certificate["policy"] == "refit" and certificate["scanned"] and not certificate["complete"]
    assert [x["what"] for x in certificate["not_looked_into"]] == ["version:unasked@1"] and "not complete" in done.err


def test_a_gate_that_refuses_is_in_the_certificate_and_the_policy_decides(tm):
    token = secrets.token_hex(16)
    plant(tm, 40, [token])
    tm.write("tidemill.yaml", "models:\n  late:\n    from: people.csv\n    target: late\n    gate: {min: {auc: 0.9999}}\n")
    tm.ok("apply")
    result = tm("subject", "erase", token, "--certificate", "c.json")
    assert result.code == 1 and "the gate refused 'late@3'" in result.err and "--if-refused promote" in result.err
    certificate = check_certificate(tm, "c.json")
    assert not certificate["complete"] and not certificate["scanned"] and [m["version"] for m in certificate["models"]] == [1]
    assert [(r["model"], r["version"]) for r in certificate["refused"]] == [("late", 3)] and "floor" in certificate["refused"][0]["reason"]
    assert [v["state"] for v in tm.ok("model", "show", "late", "--json").json["versions"]].count("collected") == 1  # late@2, which answers nobody
    assert {path.split("/")[0] for _, path in where(tm.folder / ".tidemill", [token])} == {"snapshots"}
    tm.ok("subject", "erase", token, "--certificate", "c.json", "--if-refused", "promote")
    certificate = check_certificate(tm, "c.json")
    assert certificate["complete"] and not certificate["models"][0]["gate"]["open"] and certificate["models"][0]["version"] == 4
    assert where(tm.folder / ".tidemill", [token]) == set()


def test_models_may_be_listed_and_then_the_erasure_is_not_complete(tm):
    token = secrets.token_hex(16)
    plant(tm, 40, [token])
    tm.ok("subject", "erase", token, "--certificate", "c.json", "--models", "list")
    certificate = check_certificate(tm, "c.json")
    assert not certificate["complete"] and not certificate["scanned"] and [v["version"] for v in certificate["found"]["versions"]] == [2, 1]
    assert tm.show("people")["rows"] == 40
    assert {path.split("/")[0] for _, path in where(tm.folder / ".tidemill", [token])} == {"snapshots"}


def test_a_refit_asks_consent_and_purpose_as_any_training_does(tm):
    project = "sources:\n  people: {files: people.csv, key: row, purpose: \"ads, care\", consent: {column: agreed, for: ads}, columns: {id: {role: entity}}}\n"
    tm.write("people.csv", "row,id,age,late,agreed\n" + "".join(f"{i},P{i},{20 + i % 50},{'yes' if i % 3 else 'no'},ads\n" for i in range(80)))
    tm.write("tidemill.yaml", project)
    tm.ok("apply")
    tm.ok("train", "--source", "people", "--target", "late", "--entity", "id", "--name", "late", "--learner", "baseline", "--purpose", "ads")
    with open(tm.folder / "people.csv", "a", encoding="utf-8") as file:
        file.write("900,P5,21,no,no\n")
    tm.ok("data", "pull", "people")
    tm.write("tidemill.yaml", project.replace("ads, care", "care").replace(", for: ads", ""))
    tm.ok("apply")
    refused = tm("subject", "erase", "P7", "--certificate", "c.json")
    assert refused.code == 5 and "cannot be fitted anew: rows of 'people' are not for the purpose 'ads'" in refused.err and tm.show("people")["rows"] == 81
    tm.write("tidemill.yaml", project)
    tm.ok("apply")
    tm.ok("subject", "erase", "P7", "--certificate", "c.json")
    assert check_certificate(tm, "c.json")["complete"] and repeat(tm, check_certificate(tm, "c.json"))
    for who, versions in (("P5", 0), ("P6", 1), ("P7", 0)):
        assert tm.ok("subject", "export", who, "-o", f"{who}.json", "--json").json["versions"] == versions
    noted = tm.ok("audit", "tail", "--event", "consent", "--json").json["entries"]
    assert [(e["version"], e["details"]) for e in noted] == [(2, {"people": 1})]
