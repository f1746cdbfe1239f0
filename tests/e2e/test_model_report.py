# SPDX-License-Identifier: Apache-2.0
"""`model report`: one set of numbers as words, object, page and card; pages are whole, load nothing and name no row."""
import json
import random
import re
from html.parser import HTMLParser

import pytest
from rows import churn, to_csv

EVIL = "<img src=x onerror=alert(1)>"
VOID = {"meta", "br", "link", "img"}
KINDS = {
    "binary": lambda rng, x, shop: int(x + 0.3 * rng.random() > 0.7),
    "multiclass": lambda rng, x, shop: ["low", EVIL, "high"][min(2, int(3 * x * rng.random() ** 0.2))],
    "regression": lambda rng, x, shop: round(100 * x + rng.gauss(0, 5) * (4 if shop == "c & 'd'" else 1), 3),
}


def rows(kind, n=700, seed=1):
    rng = random.Random(seed)
    lines = [f'x,"shop {EVIL}",day,y']
    for i in range(n):
        x, shop = rng.random(), rng.choice(["a", "b", "c & 'd'"])
        lines.append(f"{x:.5f},{shop},2026-{i % 12 + 1:02d}-{i % 28 + 1:02d},{KINDS[kind](rng, x, shop)}")
    return "\n".join(lines) + "\n"


def read(tm, name):
    return (tm.folder / name).read_text(encoding="utf-8")


class Page(HTMLParser):
    """Every element is closed, none is of a kind that loads or runs something."""

    def __init__(self, text):
        super().__init__()
        self.open, self.svgs, self.titles = [], 0, 0
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "img", "iframe", "link", "object", "embed", "form"), tag
        for name, value in attrs:
            assert not name.startswith("on") and name not in ("src", "srcset", "action"), (tag, name)
            assert name != "href" or value.startswith("#"), value
        self.svgs += tag == "svg"
        self.titles += tag == "desc"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, (tag, self.open)


def look(text):
    page = Page(text)
    assert page.svgs == page.titles
    assert "url(" not in text and "@import" not in text and "http" not in text.replace("http-equiv", "")
    assert EVIL not in text and not re.search(r"\bnan\b|\binf\b", re.sub(r"<style>.*?</style>", "", text))
    assert set(re.findall(r"href=#(\w+)", text)) <= set(re.findall(r"id=(\w+)", text))
    return page


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_page_a_card_and_an_object_of_one_run(tm, kind):
    tm.write("a.csv", rows(kind))
    trained = tm.ok("train", "a.csv", "--target", "y", "--task", kind, "--work", "20000000", "--split", "random:0.3", "--json").json
    report = tm.ok("model", "report", "a", "--html", "a.html", "--card", "a.md", "--group", f"shop {EVIL}", "--json").json
    assert report["schema"] == "tidemill.report/1" and report["rows"]["from"] == "test"
    for entry in report["scores"]["list"]:
        assert entry["value"] == trained["test"][entry["score"]]
        assert entry["low"] <= entry["value"] <= entry["high"] or entry["score"] in ("ece", "f1", "macro_f1")
        assert entry["baseline"] == trained["baseline"][entry["score"]]
    assert {"worth", "weak", "dependence", "latency", "fairness", "leaderboard"} <= set(report)
    assert look(read(tm, "a.html")).svgs >= 3
    card = read(tm, "a.md")
    assert [line for line in card.splitlines() if line.startswith("## ")] == [
        "## Model", "## Intended use", "## Data", "## How good it is", "## For whom it is worse", "## Limits", "## How to use it", "## Provenance"]
    assert EVIL not in card and trained["bundle_hash"] in card
    words = tm.ok("model", "report", "a").out
    assert "learned from" in words and "what" in words
    # All but times follow from rows and seed, on any number of threads.
    one, three = (tm.ok("model", "report", "a", "--threads", n, "--json").json for n in ("1", "3"))
    assert {**one, "latency": 0} == {**three, "latency": 0}


def test_a_ranking_and_free_text_have_pages_too(tm):
    rng = random.Random(3)
    lines = ["who,x,rel"] + [f"q{i // 6},{(x := rng.random()):.4f},{min(3, int(4 * x * rng.random()))}" for i in range(900)]
    tm.write("r.csv", "\n".join(lines) + "\n")
    tm.ok("train", "r.csv", "--target", "rel", "--group", "who", "--task", "ranking", "--work", "20000000", "-q")
    report = tm.ok("model", "report", "r", "--html", "r.html", "--json").json
    assert report["weak"] is None and report["scores"]["unit"] == "queries" and report["ranks"]["queries"] > 10
    look(read(tm, "r.html"))
    words = ["free", "prize", "meet", "lunch", "tomorrow", "river"]
    lines = ["text,spam"]
    for i in range(600):
        spam = rng.random() < 0.3
        lines.append(f"{' '.join(rng.choice(words[2:]) for _ in range(6))} {'prize' if spam and rng.random() < 0.9 else 'river'} {i},{spam}")
    tm.write("t.csv", "\n".join(lines) + "\n")
    tm.ok("train", "t.csv", "--target", "spam", "--work", "20000000", "-q")
    tm.ok("model", "report", "t", "--html", "t.html")
    look(read(tm, "t.html"))


def test_no_value_of_one_person_is_told(tm):
    rng = random.Random(4)
    lines = ["name,salary,town,left"]
    for i in range(800):
        town = f"Hamlet{i}" if i % 40 == 0 else rng.choice(["Oslo", "Bergen"])
        salary = 987654321 if i == 5 else round(rng.lognormvariate(10, 0.3))
        lines.append(f"Person{i},{salary},{town},{int(rng.random() < (0.7 if town == 'Oslo' else 0.2))}")
    tm.write("p.csv", "\n".join(lines) + "\n")
    tm.ok("train", "p.csv", "--target", "left", "--work", "20000000", "--split", "random:0.5", "-q")
    told = tm.ok("model", "report", "p", "--group", "town", "--html", "p.html", "--card", "p.md", "--json").out
    nobody = tm("model", "report", "p", "--group", "name")  # each name is its own
    assert nobody.code == 2 and "no groups" in nobody.err
    for text in (told, read(tm, "p.html"), read(tm, "p.md"), nobody.err):
        assert "Hamlet" not in text and "987654321" not in text and "Person" not in text
        assert not re.search(r"Person\d", text)


def test_other_rows_and_another_version(tm):
    tm.write("a.csv", to_csv(churn(600)))
    tm.write("b.csv", to_csv(churn(300, seed=9)))
    tm.ok("train", "a.csv", "--target", "churned", "--learner", "linear", "--work", "20000000", "-q")
    tm.ok("train", "a.csv", "--target", "churned", "--work", "20000000", "--name", "a", "-q")
    report = tm.ok("model", "report", "a@2", "--json").json
    assert report["against"]["version"] == 1 and report["against"]["may_have_seen"] is False
    assert all("gain" in entry for entry in report["scores"]["list"])
    given = tm.ok("model", "report", "a@1", "b.csv", "--against", "a@2", "--json").json
    assert given["rows"]["from"] == "given" and given["rows"]["rows"] == 300 and given["against"]["may_have_seen"] is True
    want = tm.ok("evaluate", "a@1", "b.csv", "--json").json["scores"]
    assert all(entry["value"] == want[entry["score"]] for entry in given["scores"]["list"])
    assert tm.ok("model", "report", "a@1", "--sql", "SELECT * FROM 'b.csv'", "--json").json["rows"]["rows"] == 300


def test_what_cannot_be_looked_at_is_said(tm):
    tm.write("a.csv", to_csv(churn(200)))
    tm.ok("train", "a.csv", "--target", "churned", "--learner", "linear", "-q")
    none = tm("model", "report", "a", "--group", "churne")
    assert none.code == 2 and "'churne'" in none.err and "churned" in none.err
    assert tm("model", "report", "b").code == 3
    for snapshot in (tm.folder / ".tidemill" / "snapshots").iterdir():
        snapshot.unlink()
    gone = tm("model", "report", "a", "--json")
    assert gone.code == 3 and "are gone" in json.loads(gone.out)["error"]["message"]
    assert tm.ok("model", "report", "a", "a.csv", "--json").json["rows"]["rows"] == 200
