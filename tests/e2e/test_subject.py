# SPDX-License-Identifier: Apache-2.0
"""What a home knows of one person, in one file."""
import json
import stat

from conftest import Server


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
    noted = tm.ok("audit", "tail", "--subject", "P7", "--json").json["entries"]
    assert [e["event"] for e in noted] == ["subject.exported"] and "P7" not in json.dumps(noted)
    # Nobody is an answer, too.
    assert tm.ok("subject", "export", "P0000", "-o", "none.json", "--json").json["rows"] == 0


def test_what_cannot_be_asked_is_named(tm):
    write_people(tm)
    tm.ok("data", "add", "people", "--files", "people.csv")
    tm.ok("train", "people.csv", "--target", "late", "--name", "late", "--learner", "baseline")
    result = tm.ok("subject", "export", "P7", "-o", "p7.json", "--json").json
    assert sorted(x["what"] for x in result["not_looked_into"]) == ["source:people", "version:late@1"]
    assert tm("subject", "export", "P7").code == 2 and tm("subject", "export", "P7", "-o", "no/folder/x.json").code != 0
