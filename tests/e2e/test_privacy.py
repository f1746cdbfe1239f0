# SPDX-License-Identifier: Apache-2.0
"""Policies of columns: what is kept of personal values, that answers stay right, and who has the key."""
import json

import bundle_reader
from conftest import Server
from duck import Duck

PROJECT = """sources:
  people:
    files: people.csv
    key: email
    columns:
      email: {policy: pseudonym}
      phone: {policy: drop}
      age: {policy: "generalise:10"}
      born: {policy: "generalise:month"}
      zip: {type: text, policy: "generalise:prefix:2"}
      ip: {policy: "generalise:ip"}
"""


def person(i):
    return {"email": f"anna.planted{i}@example.org", "phone": f"+49 170 5550{i:03}", "age": 20 + i * 7 % 50, "born": f"19{50 + i % 45}-0{1 + i % 9}-17",
            "zip": f"{10000 + i * 37 % 80000}", "ip": f"10.{i % 7}.3.{i % 250}", "spend": (i * 13) % 97}


def write_people(tm, n=200, bad=""):
    names = list(person(0))
    rows = [[str(person(i)[c]) for c in names] + ["yes" if person(i)["age"] // 10 + person(i)["spend"] % 3 > 5 else "no"] for i in range(n)]
    tm.write("people.csv", ",".join(names + ["late"]) + "\n" + "\n".join(",".join(r) for r in rows) + "\n" + bad)


def home_bytes(tm):
    return {p: p.read_bytes() for p in (tm.folder / ".tidemill").rglob("*") if p.is_file()}


def apply(tm, bad=""):
    write_people(tm, bad=bad)
    tm.write("tidemill.yaml", PROJECT)
    tm.ok("apply")


def export_rows(tm, name, to):
    path = tm.ok("data", "snapshot", name, "--json").json["path"]
    with Duck() as duck:
        duck.query(f"COPY (SELECT * FROM '{path}') TO '{to}' (HEADER)")


def rows_of(tm, name="people"):
    export_rows(tm, name, tm.folder / "out.csv")
    lines = (tm.folder / "out.csv").read_text(encoding="utf-8").splitlines()
    return [dict(zip(lines[0].split(","), x.split(","))) for x in lines[1:]]


def test_only_what_the_policies_leave_is_kept(tm):
    apply(tm)
    rows = rows_of(tm)
    assert len(rows) == 200 and len({r["email"] for r in rows}) == 200 and all(r["email"].startswith("p_") and len(r["email"]) == 26 for r in rows)
    assert {r["phone"] for r in rows} == {""} and {r["age"] for r in rows} == {"20", "30", "40", "50", "60"}
    assert rows[3]["born"] == "1953-04-01" and rows[3]["zip"] == "10" and rows[8]["ip"] == "10.1.3.0"
    for path, data in home_bytes(tm).items():
        for word in (b"planted", b"170 555", b"-17", b"10.1.3.8"):
            assert word not in data, path
    columns = {c["name"]: c for c in tm.ok("data", "show", "people", "--json").json["columns"]}
    assert columns["email"]["policy"] == "pseudonym" and columns["age"]["policy"] == "generalise:10"
    assert "same as" in tm.ok("apply").out or "people" in tm.ok("apply").out


def test_rows_in_quarantine_keep_no_more(tm):
    apply(tm, bad="anna.planted900@example.org,+49 170 5550900,old,1950-01-17,10000,10.0.0.1,5,no\n"
                  "anna.planted901@example.org,too,few\n"
                  'anna.planted902@example.org,+49 170 5550902,33,1950-01-17,10000,10.0.0.1,"open,no\n')
    shown = tm.ok("data", "quarantine", "people", "--list", "20", "--show-values").out + tm.ok("data", "quarantine", "people").out
    assert "planted" not in shown and "5550" not in shown and "generalise:10" in shown
    for path, data in home_bytes(tm).items():
        assert b"planted" not in data and b"170 555" not in data, path
    # What cannot be told apart is no row that a replay could take; the other one can be mended.
    replayed = tm.ok("data", "replay", "people", "--json").json
    assert replayed["accepted"] == 0


def test_answers_are_the_same_for_rows_as_they_were_and_as_they_are_kept(tm):
    apply(tm)
    tm.ok("train", "--source", "people", "--target", "late", "--entity", "email", "--name", "late", "--learner", "gbdt", "--work", "20")
    raw, kept = [person(i) for i in range(40)], [{k: v for k, v in r.items() if k not in ("late", "phone")} for r in rows_of(tm)[:40]]
    raw = [{k: v for k, v in r.items() if k != "phone"} for r in raw]
    kept = [{**r, "age": int(r["age"]), "spend": int(r["spend"])} for r in kept]
    server = Server(tm)
    answers = [server.request("POST", "/v1/routes/late/predict", {"rows": r}) for r in (raw, kept)]
    assert [a[0] for a in answers] == [200, 200]
    said = [[(p["prediction"], p["probability"]) for p in a[2]["predictions"]] for a in answers]
    assert said[0] == said[1] and len({p for _, p in said[0]}) > 2
    one = server.request("POST", "/v1/routes/late/predict", {"rows": [raw[0]]})
    assert one[0] == 200 and one[2]["predictions"][0]["probability"] == said[0][0][1]
    wrong = server.request("POST", "/v1/routes/late/predict", {"rows": [{**raw[0], "age": "planted"}]})
    assert wrong[0] == 400 and "planted" not in json.dumps(wrong[2])
    assert server.stop() == 0
    # Of a file, too, which passes on what it has beside the answers; what is logged of it is what is kept.
    tm.ok("predict", "late", "people.csv", "--log", "-o", "a.csv")
    batch = [x.split(",") for x in (tm.folder / "a.csv").read_text(encoding="utf-8").splitlines()]
    at = batch[0].index("probability")
    assert len(batch) == 201 and [float(x[at]) for x in batch[1:41]] == [p for _, p in said[0]]
    for path, data in home_bytes(tm).items():
        assert b"planted" not in data, path
    # A person is found, and erased, by the id.
    found = tm.ok("subject", "export", person(3)["email"], "-o", "p.json", "--json").json
    assert (found["rows"], found["answers"], found["versions"]) == (1, 3, 1)
    assert tm("subject", "export", "nobody@example.org", "-o", "n.json", "--json").json["rows"] == 0
    assert "planted" not in (tm.folder / "p.json").read_text(encoding="utf-8")
    said = tm.ok("subject", "erase", "--from", "-", "--certificate", "c.json", "--if-refused", "promote", stdin=f"{person(3)['email']}\n{person(9)['email']}\nnobody@example.org\n")
    assert "pseudonyms in place of 3 ids" in said.out and "nothing was found of 1 of them" in said.out
    assert tm.ok("subject", "export", person(3)["email"], "-o", "p.json", "--json").json["rows"] == 0


def test_without_the_key_only_pseudonyms_are_answered(tm):
    apply(tm)
    tm.ok("train", "--source", "people", "--target", "late", "--name", "late", "--learner", "gbdt", "--work", "20")
    tm.ok("model", "export", "late", "late.tmb")
    raw = tm("predict", "late.tmb", "people.csv", "-o", "b.csv")
    assert raw.code == 4 and "no pseudonym" in raw.err and "planted" not in raw.err and "key" in raw.err
    export_rows(tm, "people", tm.folder / "kept.csv")
    tm.ok("predict", "late.tmb", "kept.csv", "-o", "b.csv")


def test_policies_that_cannot_be_are_refused(tm):
    apply(tm)
    for text, column in (("pseudonyme", "email"), ("generalise:0", "age"), ("generalise:decade", "born"), ("generalise:prefix:0", "zip")):
        tm.write("other.yaml", f"sources:\n  x: {{push: true, columns: {{{column}: {{policy: \"{text}\"}}}}}}\n")
        result = tm("check", "-f", "other.yaml")
        assert result.code == 7 and f"column '{column}' has no policy '{text}'" in result.err, result.err
    tm.write("other.yaml", "sources:\n  x: {push: true, columns: {email: {type: int, policy: pseudonym}}}\n")
    assert tm("apply", "-f", "other.yaml").code == 7
    # Rows that are there would hold one person under two values.
    tm.write("tidemill.yaml", PROJECT.replace("email: {policy: pseudonym}", "email: {type: text}"))
    changed = tm("apply")
    assert changed.code == 5 and "policy 'pseudonym', not 'none'" in changed.err


def test_labels_by_the_id_join_and_leave_no_id(tm):
    apply(tm)
    tm.ok("train", "--source", "people", "--target", "late", "--entity", "email", "--name", "late", "--learner", "baseline")
    server = Server(tm)
    assert server.request("POST", "/v1/labels", {"labels": [{"model": "none", "entity": person(1)["email"], "label": "no"}]})[0] == 400
    rows = [{k: v for k, v in person(i).items() if k != "phone"} for i in range(4)]
    assert server.request("POST", "/v1/routes/late/predict", {"rows": rows})[0] == 200
    said = server.request("POST", "/v1/labels", {"labels": [{"model": "late", "entity": person(0)["email"], "label": "yes"},
                                                           {"model": "late", "entity": "anna.planted77@example.org", "label": "no"}]})
    assert said[0] == 200 and (said[2]["joined"], said[2]["unknown"]) == (1, 1)
    assert server.stop() == 0
    # Of a file, and rows of a source that has them as they are.
    tm.write("known.csv", "who,late\n" + "".join(f"{person(i)['email']},no\n" for i in (1, 78)))
    said = tm.ok("monitor", "labels", "late", "known.csv", "--entity", "who", "--json").json
    assert (said["joined"], said["unknown"]) == (1, 1)
    for path, data in home_bytes(tm).items():
        assert b"planted" not in data, path
    erased = tm.ok("subject", "erase", person(1)["email"], "--certificate", "c.json", "--if-refused", "promote")
    assert "p_" in erased.out and len((tm.folder / ".tidemill" / "subjects.erased").read_text().splitlines()) == 3
    # The id as it was is looked for in files as well.
    tm.write(".tidemill/strange.txt", person(2)["email"])
    refused = tm("subject", "erase", person(2)["email"], "--certificate", "d.json")
    assert refused.code == 5 and "strange.txt" in refused.err


def test_a_query_hands_policies_on_and_the_bundle_says_so(tm):
    apply(tm)
    tm.ok("train", "--sql", "SELECT email AS who, phone, age, spend + 1 AS zip, late FROM people", "--target", "late", "--entity", "who", "--name", "q", "--learner", "baseline")
    data = next((tm.folder / ".tidemill" / "bundles").glob("*.tmb")).read_bytes()
    # A section that earlier releases do not know, so that they refuse the file.
    said = bundle_reader.read_sections(data)[0]["privacy"]
    assert json.loads(said)["columns"] == {"who": "pseudonym", "phone": "drop", "age": "generalise:10"}
    at = data.rindex(said)
    (tm.folder / "q.tmb").write_bytes(bundle_reader.mend(data[:at] + said.replace(b"drop", b"drip") + data[at + len(said):]))
    other = tm("predict", "q.tmb", "people.csv", "-o", "x.csv")
    assert other.code == 8 and "section 'privacy'" in other.err
    server = Server(tm)
    assert server.request("POST", "/v1/routes/q/predict", {"rows": [{"who": person(5)["email"], "age": 33, "zip": 5}]})[0] == 200
    assert server.stop() == 0
    for path, data in home_bytes(tm).items():
        assert b"planted" not in data, path


def test_rows_are_learned_from_for_their_purpose_only(tm):
    write_people(tm, n=120)
    declared = "sources:\n  people: {files: people.csv, key: email, purpose: \"support, fraud\"}\n  free: {files: people.csv}\n"
    tm.write("tidemill.yaml", declared)
    tm.ok("apply")
    small = ("--target", "late", "--name", "late", "--learner", "baseline")
    for words, said in ((("--source", "people"), "declares none"), (("--source", "people", "--purpose", "ads"), "not for the purpose 'ads'"),
                        (("--sql", "SELECT p.* FROM people p", "--purpose", "ads"), "not for the purpose"), (("people.csv", "--test-sql", "SELECT * FROM people"), "declares none"),
                        (("people.csv", "--purpose", "ads", "--feature", "n = count(age) of e at born by zip over 9d", "--time", "born", "--events", "e=people"), "not for the purpose")):
        refused = tm("train", *words, *small)
        assert refused.code == 4 and said in refused.err and "support, fraud" in refused.err, refused.err
    tm.ok("train", "--source", "free", *small)
    version = tm.ok("train", "--source", "people", *small, "--purpose", "fraud", "--json").json["version"]
    assert '"purpose": "fraud"' in json.dumps(tm.ok("model", "show", f"late@{version}", "--json").json)
    assert "support, fraud" in tm.ok("data", "show", "people").out
    # Retraining asks again, and purposes may change.
    tm.ok("model", "promote", f"late@{version}", "--force")
    tm.write("tidemill.yaml", declared.replace("support, fraud", "support") + "models:\n  late: {from: people, target: late, purpose: fraud, learner: baseline}\n")
    tm.ok("apply")
    refused = tm("retrain", "late")
    assert refused.code == 4 and "not for the purpose 'fraud'" in refused.err
    # Records of processing tell both, whom answers go to and what nobody declared.
    records = tm.ok("data", "records", "-o", "records.md", "--json").json
    people, free = ({s["data"]: s for s in records["data"] if s["kind"] == "source"}[name] for name in ("people", "free"))
    assert (people["purposes"], people["models"][0]["purposes"], people["models"][0]["answers"]) == (["support"], ["fraud"], version)
    assert {(r["kind"], r["name"]) for r in people["recipients"]} == {("route", "late")} and "a purpose" in free["gaps"] and "a purpose" not in people["gaps"]
    assert {c["column"]: c.get("personal") for c in free["columns"]}["email"] == "e-mail addresses" and "a policy for 'email' (e-mail addresses)" in free["gaps"]
    page = (tm.folder / "records.md").read_text(encoding="utf-8")
    assert "## source people" in page and "@example.org" not in page and "purpose fraud" in page
    assert tm.ok("audit", "tail", "--event", "records", "--json").json["entries"][0]["details"] == {"data": len(records["data"])}


def test_a_strict_source_asks_for_a_policy_by_name_and_by_values(tm):
    tm.write("people.csv", "id,email,contact,age,late\n" + "".join(f"{i},a{i}@planted.example,b{i}@planted.example,{20 + i % 50},{'yes' if i % 50 > 25 else 'no'}\n" for i in range(100)))
    declared = "sources:\n  people: {files: people.csv, key: id, personal: declared, columns: {email: %s, contact: %s}}\n"
    for columns, said in ((("text", "text"), "'email' looks like e-mail addresses"), (("{policy: never}", "text"), "plain, drop")):
        tm.write("tidemill.yaml", declared % columns)
        refused = tm("apply")
        assert refused.code == 7 and said in refused.err, refused.err
    tm.write("tidemill.yaml", declared % ("{policy: pseudonym}", "text"))
    tm.ok("apply")
    small = ("--target", "late", "--name", "late", "--learner", "baseline")
    for words in (("--source", "people"), ("--sql", "SELECT age, late FROM people")):
        refused = tm("train", *words, *small)
        assert refused.code == 4 and "'contact' looks like e-mail addresses" in refused.err and "planted" not in refused.err
    tm.write("tidemill.yaml", declared % ("{policy: pseudonym}", "{type: text, policy: plain}"))
    tm.ok("apply")
    tm.ok("train", "--source", "people", *small)
    assert tm.ok("data", "records", "--json").json["data"][0]["gaps"] == ["a purpose", "a retention"]


def test_who_did_not_agree_is_not_learned_from(tm):
    """A person's newest row decides: consent that is taken back acts on the next training, and subject export tells it."""
    def rows(who, first=0):
        return "".join(f"{first + i},P{i},{20 + i * 7 % 50},{'ab'[i % 2]},{'yes' if i * 7 % 50 > 25 else 'no'},{who(i)}\n" for i in range(120))
    def total(report):
        return report["rows"] + report["test"]["n_rows"]
    tm.write("people.csv", "id,who,age,city,late,agreed\n" + rows(lambda i: "no" if i % 4 == 0 else "ads" if i % 4 == 1 else "yes"))
    tm.write("tidemill.yaml", "sources:\n  people: {files: '*.csv', key: id, purpose: ads, consent: {column: agreed, for: [ads, care], by: who}}\n")
    refused = tm("apply")
    assert refused.code == 7 and "purpose" in refused.err
    tm.write("tidemill.yaml", "sources:\n  people: {files: '*.csv', key: id, purpose: \"ads, care\", consent: {column: agreed, for: [ads]}, columns: {who: {role: entity}}}\n")
    tm.ok("apply")
    small = ("--target", "late", "--entity", "who", "--learner", "baseline", "--json")
    made = tm.ok("train", "--source", "people", *small, "--name", "late", "--purpose", "ads").json
    assert (total(made), made["without_consent"]) == (90, {"people": 30})
    assert total(tm.ok("train", "--source", "people", *small, "--name", "care", "--purpose", "care").json) == 120
    query = tm.ok("train", "--sql", "SELECT * FROM People WHERE age > 0", *small, "--name", "asked", "--purpose", "ads").json
    assert (total(query), query["without_consent"]) == (90, {"people": 30})
    assert tm.ok("train", "--repeat", "asked@1", "--json").json["same"]
    # P1 takes it back by another row, P0 gives it.
    tm.write("more.csv", "id,who,age,city,late,agreed\n900,P1,27,b,no,no\n901,P0,27,b,no,yes\n")
    tm.ok("data", "pull", "people")
    again = tm.ok("train", "--source", "people", *small, "--name", "late", "--purpose", "ads").json
    assert (total(again), again["without_consent"]) == (91, {"people": 31})
    for who, given in (("P1", False), ("P0", True)):
        assert ("ads: given" in tm.ok("subject", "export", who, "-o", f"{who}.json").out) == given
        found = json.loads((tm.folder / f"{who}.json").read_text(encoding="utf-8"))
        assert found["sources"][0]["consent"] == [{"for": "ads", "given": given}]
        assert sorted((v["model"], v["version"]) for v in found["versions"]) == ([("asked", 1), ("care", 1), ("late", 1)] if who == "P1" else [("care", 1), ("late", 2)])
    noted = tm.ok("audit", "tail", "--event", "consent", "--json").json["entries"]
    assert [(e["model"], e["version"], e["details"]) for e in noted] == [("late", 1, {"people": 30}), ("asked", 1, {"people": 30}), ("late", 2, {"people": 31})]
    assert "for ads" in tm.ok("data", "records").out
    # A retraining asks, too.
    tm.write("later.csv", "id,who,age,city,late,agreed\n" + "".join(f"{1000 + i},Q{i},{20 + i * 7 % 50},a,{'yes' if i * 7 % 50 > 25 else 'no'},{'yes' if i % 2 else 'no'}\n" for i in range(80)))
    tm.ok("data", "pull", "people")
    tm("retrain", "late")
    trained = [e for e in tm.ok("audit", "tail", "--event", "retrain", "--json").json["entries"] if e["event"] == "retrain.trained"]
    assert trained[0]["details"]["without_consent"] == {"people": 71} and trained[0]["details"]["source_rows"] == 131
