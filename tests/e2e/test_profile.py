# SPDX-License-Identifier: Apache-2.0
"""`data profile`: exact where it says so, the same from every format, and a page that loads nothing."""
import html.parser
import json
import random

from rows import churn, to_csv, to_jsonl

VOID = {"meta", "br", "img", "hr", "input", "link"}
SVG_VOID = {"line", "polyline"}


class Page(html.parser.HTMLParser):
    """Tags that open and close, attributes, texts."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts, self.attributes = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in SVG_VOID
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        self.texts.append(data)


def columns(result):
    return {c["name"]: c for c in result.json["columns"]}


def test_counts_moments_and_quantiles_are_those_of_the_rows(tm):
    rng = random.Random(5)
    values = [round(rng.gauss(50, 10), 3) for _ in range(20000)]
    tm.write("a.csv", "x,g\n" + "".join(f"{v if i % 10 else ''},{'ab'[i % 3 == 0]}\n" for i, v in enumerate(values)))
    found = columns(tm.ok("data", "profile", "a.csv", "--json"))["x"]
    kept = sorted(v for i, v in enumerate(values) if i % 10)
    mean = sum(kept) / len(kept)
    assert found["missing"] == 2000 and found["type"] == "float"
    assert abs(found["mean"] - mean) < 1e-9
    assert abs(found["spread"] - (sum((v - mean) ** 2 for v in kept) / (len(kept) - 1)) ** 0.5) < 1e-9
    for name, share in (("p5", 0.05), ("p50", 0.5), ("p95", 0.95)):
        rank = sum(v <= found["quantiles"][name] for v in kept) / len(kept)
        assert abs(rank - share) < 0.01
    assert sum(found["histogram"]["counts"]) + found["histogram"]["below"] + found["histogram"]["above"] == 18000
    assert abs(found["distinct"] / len(set(kept)) - 1) < 0.06


def test_every_format_says_the_same(tm):
    rows = churn(700)
    tm.write("a.csv", to_csv(rows))
    tm.write("b.jsonl", to_jsonl(rows))
    a, b = (columns(tm.ok("data", "profile", name, "--json")) for name in ("a.csv", "b.jsonl"))
    assert list(a) == list(b)
    for name in a:
        for key in ("type", "missing", "distinct", "min", "max", "mean", "spread"):
            assert a[name].get(key) == b[name].get(key), (name, key)


def test_equal_and_contradicting_rows_are_counted(tm):
    tm.write("a.csv", "x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(90)) + "3,1\n3,1\n4,1\n")
    result = tm.ok("data", "profile", "a.csv", "--target", "y", "--json").json
    assert result["repeated"] == {"share": 2 / 93, "rows": 2, "exact": True}
    assert result["conflicting"]["rows"] == 2 and result["conflicting"]["exact"]


def test_a_target_that_is_not_there_is_named(tm):
    tm.write("a.csv", "age,y\n1,2\n2,3\n")
    result = tm("data", "profile", "a.csv", "--target", "agee", "--json")
    assert result.code == 3
    assert result.json["error"]["message"] == "no column 'agee'"
    assert result.json["error"]["hint"] == "Did you mean 'age'?"


def test_the_page_is_whole_and_loads_nothing(tm):
    rng = random.Random(2)
    tm.write("a.csv", "id,mail,n,city,<b>&'\",day,empty,y\n" + "".join(
        f"{1000 + i},p{i}@example.org,{rng.gauss(0, 1):.3f},{rng.choice(['Bern', 'Köln'])},<i>{i % 3},2021-0{1 + i % 9}-11,,{i % 2}\n"
        for i in range(400)))
    tm.ok("data", "profile", "a.csv", "--target", "y", "--html", "page.html")
    text = (tm.folder / "page.html").read_text(encoding="utf-8")
    page = Page(text)
    assert "script" not in page.tags and "link" not in page.tags and "img" not in page.tags
    assert not any(name in ("src", "href", "onload") or (value and "url(" in value) for name, value in page.attributes)
    assert any(name == "content" and value.startswith("default-src 'none'") for name, value in page.attributes)
    assert "example.org" not in text and page.tags.count("section") == 8 and page.tags.count("svg") >= 3
    assert any("<b>&'\"" in t for t in page.texts) and any("Köln" in t for t in page.texts)
    tm.ok("data", "profile", "a.csv", "--show-values", "--html", "open.html")
    assert json.loads(tm.ok("data", "profile", "a.csv", "--json").out)["rows"] == 400


def findings(result):
    return {(f["kind"], f.get("column")) for f in result.json["findings"]}


def test_what_ruins_a_model_is_found_and_plain_data_is_left_alone(tm):
    rng = random.Random(9)
    head, lines = "id,age,copy,late,y\n", []
    for i in range(800):
        y = rng.random() < 0.4
        lines.append(f"{5000 + i},{rng.randint(18, 90)},{'JN'[y]},{'2021-01-02' if y else ''},{'yes' if y else 'no'}\n")
    tm.write("bad.csv", head + "".join(lines))
    result = tm.ok("data", "profile", "bad.csv", "--target", "y", "--html", "bad.html", "--json")
    assert {("identifier", "id"), ("copy", "copy"), ("after_the_fact", "late")} <= findings(result)
    assert "What would ruin a model" in (tm.folder / "bad.html").read_text()
    tm.write("good.csv", "age,income,y\n" + "".join(
        f"{rng.randint(18, 90)},{rng.lognormvariate(8, 1):.2f},{rng.choice(['yes', 'no', 'no'])}\n" for _ in range(800)))
    assert findings(tm.ok("data", "profile", "good.csv", "--target", "y", "--json")) == set()


def test_training_warns_of_test_rows_that_it_learned_from(tm):
    rng = random.Random(4)
    rows = [f"{rng.random():.6f},{rng.random():.6f},{rng.randint(0, 1)}\n" for _ in range(600)]
    tm.write("a.csv", "x,z,y\n" + "".join(rows[:500]))
    tm.write("old.csv", "x,z,y\n" + "".join(rows[450:]))
    tm.write("new.csv", "x,z,y\n" + "".join(rows[500:]))
    words = ("train", "a.csv", "--target", "y", "--learner", "linear", "--name", "m")
    result = tm.ok(*words, "--test", "old.csv")
    assert "33.3 % of the test rows equal a training row" in result.err
    assert "equal a training row" not in tm.ok(*words, "--test", "new.csv").err


def test_a_source_has_the_profile_of_its_rows(tm):
    rng = random.Random(3)
    rows = [f"{i},{rng.gauss(0, 1):.4f},{rng.choice(['NL', 'BE'])},{rng.randint(0, 1)}\n" for i in range(3000)]
    tm.write("all.csv", "id,x,land,y\n" + "".join(rows))
    tm.ok("data", "add", "flow", "--files", "all.csv", "--key", "id")
    whole, source = (columns(tm.ok("data", "profile", name, "--json")) for name in ("all.csv", "flow"))
    assert list(whole) == list(source)
    for name in whole:
        for key in ("type", "missing", "distinct", "min", "max", "mean", "spread", "top"):
            assert whole[name].get(key) == source[name].get(key), (name, key)
    recent = tm.ok("data", "profile", "flow", "--since", "1d", "--target", "y", "--json").json
    assert recent["window"]["segments"] >= 0 and recent["rows"] == 3000 and recent["target"]["column"] == "y"
    empty = tm("data", "profile", "flow", "--until", "2001-01-01", "--json")
    assert empty.code == 7 and empty.json["error"]["message"] == "source 'flow' has no rows in this window"
    assert tm("data", "profile", "all.csv", "--since", "1d", "--json").json["error"]["message"] == "--since is for sources"
    assert tm("data", "profile", "flow", "--since", "soon", "--json").json["error"]["message"] == "--since is neither a time nor a duration"
