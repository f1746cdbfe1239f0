#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write the bundles that tests/golden/compat/ does not have yet: add.py PROGRAM.

A case is three files in the folder of its format version: NAME.tmb, NAME.csv (rows) and NAME.bits (what they predicted when the
bundle was written: a line a row, a double a word, as the 16 hexadecimal digits of its bits). What is there is never written
again: a release that answers otherwise is wrong, not the file.
"""
import csv
import http.client
import json
import math
import pathlib
import random
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "e2e"))
import made_data  # noqa: E402 pylint: disable=wrong-import-position,wrong-import-order
WORDS = ["slow", "thanks", "refund", "great", "broken", "Cancel", "hello", "invoice", "café", "12", "résumé", "OK"]
COLUMNS = ["months", "spend", "active", "plan", "city", "ticket", "since", "seen", "note"]
LEARNERS = {
    "gbdt": ["--learner", "gbdt", "--param", "gbdt.n_trees=12", "--param", "gbdt.max_leaves=6", "--param", "gbdt.early_stopping=0"],
    "linear": ["--learner", "linear", "--param", "linear.strength=0.01"],
    "forest": ["--learner", "forest", "--param", "forest.n_trees=8", "--param", "forest.max_leaves=16"],
    "mlp": ["--learner", "mlp", "--param", "mlp.hidden=32", "--param", "mlp.bins=8", "--param", "mlp.epochs=6"],
    "baseline": ["--learner", "baseline"],
    "blend": [],
}
# A search blends where that pays: these rows and columns make it do so.
BLEND_ROWS, BLEND_DROPS = 800, {"binary": "city", "multiclass": "note", "regression": "note"}
# Rows of a stack are others: two kinds of members know one class each.
STACK_ROWS, STACK_WORK = 8000, ["--work", "200000000"]
TASKS = {"binary": "churned", "multiclass": "channel", "regression": "value"}
# Columns by expression, and functions that learned of each kind.
FEATURES = ["bent = yeo_johnson(spend) + scale(months) - robust_scale(spend)", "rank = quantile(spend) + cut(months, 6)",
            "band = concat(pool_rare(city, 0.01), '/', text(bin(impute(spend), 4)))", "often = frequency(impute(ticket)) + hash(ticket, 9)",
            "apart = spend - mean_by(spend, plan)", "wide = std_by(spend, city) + median_by(months, plan)",
            "clock = cycle_sin(hour(seen), 24) * cycle_cos(month(since), 12)", "step = ordinal(plan, 'basic', 'plus', 'pro')"]
# Boosted trees of other objectives, a ranking, and columns by expression: task, target, more words.
OWN_CASES = {"poisson": ("regression", "claims", ["--param", "gbdt.objective=poisson"]),
             "quantile": ("regression", "value", ["--param", "gbdt.objective=quantile", "--param", "gbdt.quantile_alpha=0.8"]),
             "offset": ("regression", "claims", ["--param", "gbdt.objective=poisson", "--init-score", "score"]),
             "ranking": ("ranking", "claims", ["--group", "shop"]),
             "features": ("binary", "churned", [word for feature in FEATURES for word in ("--feature", feature)])}


def cities():
    return [f"{a}{b} {c}"[:-2 if c == 0 else None] for a in ("Nor", "Sul", "Ost", "Wes", "Mid") for b in ("ham", "ton", "berg", "ville", "ö", "by", "ford", "mar")
            for c in range(7)]


def rows_of(n, seed):
    """Customers: an integer, a number, a flag, categories of few and of many values, a code, a date, a time, text; gaps in all."""
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        months, plan, city = rng.randrange(60), rng.choice(["basic", "plus", "pro"]), rng.choice(cities())
        spend, active = round(rng.expovariate(1 / 40), 2), rng.random() < 0.6
        words = rng.sample(WORDS, 5)
        exposure = round(math.log(1 + months), 3)
        score = months / 20 - (plan == "pro") * 1.5 + ("refund" in words) * 2 - active + (len(city) % 3) / 2 + rng.gauss(0, 0.6) - 1
        row = {
            "months": months, "spend": spend, "active": str(active).lower(), "plan": plan, "city": city,
            "ticket": f"{rng.choice(['PC', 'A/5', 'STON'])} {rng.randrange(10000, 99999)}",
            "since": f"{rng.randrange(2019, 2024)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}",
            "seen": f"2024-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}T{rng.randrange(24):02d}:{rng.randrange(60):02d}:30",
            "note": " ".join(words),
        }
        row = {k: ("" if rng.random() < 0.04 else v) for k, v in row.items()}
        row.update(score=exposure, churned="yes" if score > 0 else "no", value=round(10 * score + spend / 9 + 8 * (months // 12 % 2), 3),
                   claims=max(0, min(9, round(2 * score + 2))), shop=f"s{len(rows) % 60}", channel="phone" if score > 0.8 else "post" if "thanks" in words else "web, app")
        rows.append(row)
    return rows


# Imported: name, folder of tests/golden/import.
IMPORTED = {"binary_lightgbm": "lightgbm_binary", "multiclass_xgboost": "xgboost_multiclass", "regression_onnx": "onnx_hist_regression",
            "regression_gblinear": "xgboost_linear"}


def rows_asked():
    """Rows to predict: as in training, and levels and words that training did not have, ends of ranges, nothing at all."""
    rows = rows_of(24, 7)
    for i, change in enumerate([
            {"plan": "gold", "city": "Atlantis"}, {"months": "-5", "spend": "1e300"}, {"since": "1899-12-31", "seen": "2199-01-01T00:00:00"},
            {"note": "refund refund refund CANCEL of invoice 12, 13 and 14: thanks! café"}, {"ticket": "77", "note": "zzz"},
            {c: "" for c in COLUMNS}]):  # the score of a row must be there
        rows[i].update(change)
    return rows


def write_csv(path, columns, rows):
    with open(path, "w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def predict(program, bundle, rows, folder):
    """Answers as lines of hexadecimal bits: probability, probability of each class, or value."""
    out = pathlib.Path(folder) / "answers.csv"
    done = subprocess.run([program, "predict", bundle, rows, "-o", out], check=False, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    lines = []
    with open(out, encoding="utf-8", newline="") as answers:
        for row in csv.DictReader(answers):
            words = [v for k, v in row.items() if k.startswith("probability")] or [row["prediction"]]
            lines.append(" ".join(struct.pack(">d", float(w)).hex() for w in words))
    return "\n".join(lines) + "\n"


def train(program, task, learner, folder):
    """A bundle of the case; where it is."""
    folder = pathlib.Path(folder)
    data, home = folder / "train.csv", folder / f"home_{task}_{learner}"
    task, target, own = OWN_CASES.get(learner, (task, TASKS.get(task), []))
    learner, made = "gbdt" if own else learner, "offset" if "--init-score" in own else "gbdt" if own else learner
    write_csv(data, COLUMNS + [target] + ["shop"] * ("--group" in own) + ["score"] * ("--init-score" in own), rows_of(3000, 1)[:BLEND_ROWS if learner == "blend" else None])
    drop = ["--drop", BLEND_DROPS[task]] if learner == "blend" else []
    subprocess.run([program, "train", data.name, "--target", target, "--name", "compat", "--task", task, "--home", home, "--seed", "1",
                    "--threads", "1", "-q", *drop, *own, *LEARNERS[learner]], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    bundle = next((home / "bundles").glob("*.tmb"))
    data = bundle.read_bytes()
    for entry in range(64, 64 + 32 * struct.unpack_from("<I", data, 12)[0], 32):
        kind, _, at = struct.unpack_from("<IIQ", data, entry)
        if kind == 3 and not data[at:].startswith(made.encode() + b"\0"):
            sys.exit(f"{task}: the search did not give a {made}")
    return bundle


def ask(port, key, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", "Authorization": f"Bearer {key}"})
    reply = connection.getresponse()
    answer = json.load(reply)
    if reply.status != 200:
        sys.exit(f"{path}: {answer}")
    return answer


def wait_ready(port):
    for _ in range(500):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.02)
    sys.exit("the server is not ready")


def serve_some(run, home, key):
    """Twelve answers, labels for eight of them, one waiting label."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([run.args, "serve", "--listen", f"127.0.0.1:{port}", "--home", home], stderr=subprocess.DEVNULL)
    try:
        wait_ready(port)
        rows = [{c: r[c] for c in COLUMNS if r[c] != ""} for r in rows_of(12, 9)]
        answers = ask(port, key, "/v1/routes/churn/predict", {"rows": rows})["predictions"]
        labels = [{"prediction_id": a["id"], "label": i % 3 == 0 and "yes" or "no"} for i, a in enumerate(answers[:8])]
        labels.append({"model": "churn", "entity": "c9", "time": "2024-06-01T00:00:00Z", "label": "no"})
        ask(port, key, "/v1/labels", {"labels": labels})
        time.sleep(0.2)
    finally:
        server.terminate()
        server.wait()


def add_home(program, place, folder):
    """A home with a model of two versions, the second promoted, a route, two keys, answers and labels, named by the formats of its
    databases unless there is one already; the text of a key beside it."""
    folder = pathlib.Path(folder) / "home"
    folder.mkdir()
    write_csv(folder / "customers.csv", COLUMNS + ["churned"], rows_of(600, 3))

    def run(*words):
        return subprocess.run([program, *words, "--home", "new"], cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout

    run.args = program
    for n_trees in ("5", "9"):
        run("train", "customers.csv", "--target", "churned", "--name", "churn", "--learner", "gbdt", "--drop", "city,note", "--seed", "1",
            "--threads", "1", "-q", "--param", f"gbdt.n_trees={n_trees}", "--param", "gbdt.max_leaves=6")
    run("model", "promote", "churn@2", "--force", "--reason", "nine trees")
    key = json.loads(run("key", "create", "--role", "admin", "--name", "compat", "--json"))["key"]
    run("key", "create", "--role", "client", "--name", "shop", "-q")
    serve_some(run, folder / "new", key)
    formats = {}
    for name in ("meta.db", "log.db", "watch.db"):
        with sqlite3.connect(folder / "new" / name) as db:
            db.execute("PRAGMA journal_mode=DELETE")  # all is in the one file; the program turns WAL on again
            formats[name] = db.execute("PRAGMA user_version").fetchone()[0]
        db.close()
    home = place / f"home_meta{formats['meta.db']}_log{formats['log.db']}_watch{formats['watch.db']}"
    if home.exists():
        return
    shutil.copytree(folder / "new", home, ignore=shutil.ignore_patterns("*.lock", "*-wal", "*-shm", "temp", "jobs"))
    home.with_suffix(".key").write_text(key + "\n", encoding="ascii")
    print(f"added {home.relative_to(HERE)}")


def add_imported(program, folder):
    """Bundles of models that other libraries trained, with rows of theirs."""
    for name, case in IMPORTED.items():
        source, home = HERE.parent / "import" / case, pathlib.Path(folder) / f"home_{name}"
        words = (source / "words").read_text(encoding="utf-8").split("\n")[:-1]
        model = next(p for p in source.iterdir() if p.name.startswith("model."))
        subprocess.run([program, "model", "import", model, "--name", "compat", "--home", home, "-q", *words], check=True, stdout=subprocess.DEVNULL)
        bundle = next((home / "bundles").glob("*.tmb"))
        place = HERE / f"v{struct.unpack_from('<I', bundle.read_bytes(), 8)[0]}" / name
        if place.with_suffix(".tmb").exists():
            continue
        place.with_suffix(".tmb").write_bytes(bundle.read_bytes())
        rows = (source / "rows.csv").read_text(encoding="utf-8").split("\n")[:25]
        place.with_suffix(".csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        place.with_suffix(".bits").write_text(predict(program, bundle, place.with_suffix(".csv"), folder), encoding="ascii")
        print(f"added {place.relative_to(HERE)}")


def add_stack(program, place, folder):
    """A blend of version 2: members with a weight for each class."""
    folder, place = pathlib.Path(folder), place / "multiclass_stack"
    if place.with_suffix(".tmb").exists():
        return
    rows = made_data.kinds_rows(STACK_ROWS)
    columns = list(rows[0])
    write_csv(folder / "kinds.csv", columns, rows)
    subprocess.run([program, "train", "kinds.csv", "--target", "kind", "--name", "compat", "--home", folder / "home_stack", "--threads", "1", "-q", *STACK_WORK],
                   check=True, stdout=subprocess.DEVNULL, cwd=folder)
    bundle = next((folder / "home_stack" / "bundles").glob("*.tmb"))
    if b"BLND" + struct.pack("<I", 2) not in bundle.read_bytes():
        sys.exit("the search did not give a stack")
    asked = made_data.kinds_rows(24, seed=7)
    asked[0].update({c: "" for c in columns})
    asked[1].update(x0="-1e300", u="2")
    place.with_suffix(".tmb").write_bytes(bundle.read_bytes())
    write_csv(place.with_suffix(".csv"), columns[:-1], asked)
    place.with_suffix(".bits").write_text(predict(program, bundle, place.with_suffix(".csv"), folder), encoding="ascii")
    print(f"added {place.relative_to(HERE)}")


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory() as folder:
        version = struct.unpack_from("<I", train(program, "binary", "baseline", folder).read_bytes(), 8)[0]
        for task, learner in [(t, k) for t in TASKS for k in LEARNERS] + [(case[0], name) for name, case in OWN_CASES.items()]:
            place = HERE / f"v{version}" / (f"{task}_{learner}" if task != learner else "ranking_gbdt")
            if place.with_suffix(".tmb").exists():
                continue
            bundle = train(program, task, learner, folder)
            place.parent.mkdir(exist_ok=True)
            place.with_suffix(".tmb").write_bytes(bundle.read_bytes())
            write_csv(place.with_suffix(".csv"), COLUMNS + ["score"] * (learner == "offset"), rows_asked())
            place.with_suffix(".bits").write_text(predict(program, bundle, place.with_suffix(".csv"), folder), encoding="ascii")
            print(f"added {place.relative_to(HERE)}")
        add_stack(program, HERE / f"v{version}", folder)
        add_home(program, HERE / f"v{version}", folder)


main()
