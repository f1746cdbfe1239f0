# SPDX-License-Identifier: Apache-2.0
"""Modules of users: built out of tree from an installation, checked, added, trained with, served, and refused."""
import math
import os
import pathlib
import random
import shutil
import subprocess

import pytest
from conftest import PROGRAM, ROOT, Server

EXAMPLES = ROOT / "examples" / "modules"


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """Environment in which pkg-config finds an installation in a folder of its own."""
    root = tmp_path_factory.mktemp("installed")
    done = subprocess.run(["meson", "install", "-C", str(PROGRAM.parent), "--no-rebuild", "--destdir", str(root)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    found = list(root.rglob("tidemill-module.pc"))
    assert len(found) == 1 and list(root.rglob("include/tidemill/module.h"))
    return {**os.environ, "PKG_CONFIG_PATH": str(found[0].parent), "PKG_CONFIG_SYSROOT_DIR": str(root)}


def build(env, folder, source, to, compiler="gcc", change=None):
    """Build a copy of an example with its own Makefile; change(text) edits its source before."""
    work = pathlib.Path(to) / f"build-{source}-{compiler}-{random.randrange(10**9)}"
    shutil.copytree(EXAMPLES / folder, work)
    if change is not None:
        path = work / f"{source}.c"
        before = path.read_text(encoding="utf-8")
        after = change(before)
        assert after != before
        path.write_text(after, encoding="utf-8")
    done = subprocess.run(["make", "-C", str(work), f"CC={compiler}"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    assert done.returncode == 0 and (change is not None or "warning" not in done.stdout), done.stdout
    return work / f"{source}.so"


@pytest.fixture(scope="session")
def knn(installed, tmp_path_factory):
    return build(installed, "learner", "knn", tmp_path_factory.mktemp("knn"))


class start(Server):
    """A server that need not become ready."""

    def wait_ready(self, path="/livez"):
        super().wait_ready(path)

    def status(self):
        return self.request("GET", "/readyz")[0]


def rows(n=600, seed=1):
    made = random.Random(seed)
    lines = ["a,b,kind,label"]
    for _ in range(n):
        a, b, kind = made.gauss(0, 1), made.gauss(0, 1), made.choice("xyz")
        lines.append(f"{a:.4f},{b:.4f},{kind},{'yes' if a * b + (kind == 'x') > 0.3 else 'no'}")
    return "\n".join(lines) + "\n"


def failed(result):
    return [c["check"] for c in result.json["checks"] if c["state"] == "failed"]


@pytest.mark.parametrize("compiler", ["gcc", "clang-14"])
def test_the_example_learner_keeps_what_a_learner_must(installed, tm, tmp_path, compiler):
    result = tm("module", "check", build(installed, "learner", "knn", tmp_path, compiler), "--json")
    assert failed(result) == [] and result.json["ok"] and result.code == 0
    assert len(result.json["checks"]) >= 13


def test_a_model_names_its_module_and_is_refused_without_it(tm, knn):
    tm.write("data.csv", rows())
    train = ("train", "data.csv", "--target", "label", "--learner", "knn", "--name", "near")
    assert "unknown learner 'knn'" in tm(*train).err
    added = tm.ok("module", "add", knn, "--json").json
    assert added["name"] == "knn" and added["kinds"] == ["learner"]
    tm.ok(*train, "--param", "knn.neighbours=9")
    shown = tm.ok("model", "show", "near@1", "--json").json
    assert shown["modules"] == [{"hash": added["hash"], "kind": "learner", "name": "knn", "version": "1.0"}]
    assert shown["params"]["neighbours"] == 9
    answers = tm.ok("predict", "near", "data.csv").out
    assert answers == tm.ok("predict", "near", "data.csv", "--threads", 1).out
    bundle = next((tm.folder / ".tidemill" / "bundles").glob("*.tmb"))
    assert tm.ok("module", "ls", "--json").json["modules"][0]["state"] == "ready"
    tm.ok("model", "verify")
    # Without it: each way to the model says which one and what to do.
    tm.ok("module", "rm", "knn")
    for words in (("predict", "near", "data.csv"), ("predict", bundle, "data.csv"), ("model", "verify")):
        refused = tm(*words)
        assert refused.code != 0 and "module 'knn' 1.0" in refused.err + refused.out and added["hash"] in refused.err + refused.out, words
    assert [e["event"] for e in tm.ok("audit", "tail", "--event", "module", "--json").json["entries"]] == ["module.added", "module.removed"]
    assert tm("predict", "near", "data.csv").code == 2
    assert "module add" in tm("predict", "near", "data.csv").err
    # Named for one command, it is the same model.
    assert tm.ok("predict", "near", "data.csv", "--module", knn).out == answers


def test_a_server_answers_with_a_module_and_without_it_says_why(tm, knn):
    tm.write("data.csv", rows())
    tm.ok("module", "add", knn)
    tm.ok("train", "data.csv", "--target", "label", "--learner", "knn", "--name", "near")
    want = tm.ok("predict", "near", "data.csv").out.split("\n")[1].split(",")[1]
    first = rows().split("\n")[1].split(",")
    body = {"rows": [{"a": float(first[0]), "b": float(first[1]), "kind": first[2]}]}
    server = Server(tm)
    status, _, reply = server.request("POST", "/v1/routes/near/predict", body)
    server.stop()
    assert status == 200 and repr(reply["predictions"][0]["probability"]) == want, reply
    tm.ok("module", "rm", "knn")
    server = start(tm)
    assert (server.status(), "module 'knn' 1.0" in server.said()) == (503, True), server.said()
    assert server.request("POST", "/v1/routes/near/predict", body)[0] == 503
    server.stop()


def test_other_bytes_under_the_same_name_are_another_module(installed, tm, tmp_path, knn):
    tm.write("data.csv", rows())
    tm.ok("train", "data.csv", "--target", "label", "--learner", "knn", "--name", "near", "--module", knn)
    other = build(installed, "learner", "knn", tmp_path, change=lambda s: s.replace('"1.0"', '"1.1"'))
    refused = tm("predict", "near", "data.csv", "--module", other)
    assert refused.code == 2 and "(1.1) has" in refused.err
    # Two of one name are never there together.
    tm.ok("module", "add", knn)
    both = tm("module", "add", other)
    assert both.code == 5 and "two modules have the name 'knn'" in both.err
    assert tm("predict", "near", "data.csv", "--module", other).code == 5


def test_another_abi_number_is_refused_by_name(installed, tm, tmp_path):
    old = build(installed, "learner", "knn", tmp_path, change=lambda s: s.replace(".abi = TM_MODULE_ABI", ".abi = 2"))
    for words in (("module", "add", old), ("train", "data.csv", "--target", "y", "--module", old)):
        refused = tm(*words)
        assert refused.code == 2 and "was built for module ABI 2, this program has 1" in refused.err, refused.err
    checked = tm("module", "check", old, "--json")
    assert checked.code == 1 and "ABI 2" in checked.json["checks"][0]["why"]


def test_what_others_can_write_does_not_run(installed, tm, tmp_path, knn):
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    copy = pathlib.Path(shutil.copy(knn, own / "knn.so"))
    copy.chmod(0o666)
    refused = tm("module", "add", copy)
    assert refused.code == 4 and "the file of module" in refused.err and "can be written by others" in refused.err
    copy.chmod(0o600)
    own.chmod(0o777)
    refused = tm("version", "--module", copy)
    assert refused.code == 0  # a command that needs none loads none
    refused = tm("model", "ls", "--module", copy)
    assert refused.code == 4 and "the folder of module" in refused.err
    # In the home: bytes that changed, and a folder that opened.
    own.chmod(0o700)
    tm.ok("module", "add", copy)
    stored = next((tm.folder / ".tidemill" / "modules").glob("*.so"))
    with open(stored, "ab") as file:
        file.write(b"x")
    changed = tm("model", "ls")
    assert changed.code == 8 and "its hash is wrong" in changed.err
    assert tm.ok("module", "ls", "--json").json["modules"][0]["state"] == "changed"
    stored.parent.chmod(0o770)
    assert tm("model", "ls").code == 4
    stored.parent.chmod(0o700)
    tm.ok("module", "rm", "knn")
    tm.ok("model", "ls")
    # A file that nobody added is no module.
    shutil.copy(knn, stored.parent / "knn.so")
    tm.ok("model", "ls")
    assert tm.ok("module", "ls", "--json").json["modules"][0]["state"] == "not added"


@pytest.mark.parametrize("name, change, says", [
    ("crash", lambda s: s.replace("const knn *self = model;\n    const head *h", "const knn *self = model;\n    *(volatile int *)0 = 1;\n    const head *h"),
     "crashed (signal"),
    ("hang", lambda s: s.replace("const uint64_t n_max", "for (volatile int on = 1; on;) {\n    }\n    const uint64_t n_max"), "did not end within 3 seconds"),
    ("exit", lambda s: s.replace("const uint64_t n_max", "_exit(0);\n    const uint64_t n_max").replace("#include <math.h>", "#include <math.h>\n#include <unistd.h>"),
     "ended the program"),
    ("leak", lambda s: s.replace("host->free(self->own);", ""), "blocks of alloc are not freed"),
    ("open files", lambda s: s.replace("const uint64_t n_max", "(void)dup(1);\n    const uint64_t n_max").replace("#include <math.h>", "#include <math.h>\n#include <unistd.h>"),
     "open files are left"),
    ("load", lambda s: s.replace("const int32_t status = check(call, data, len, shape);", "const int32_t status = len < 8;"), "cut short"),
    ("memory of its own", lambda s: s.replace("y[i] = in->y[row];", "static double n_fits;\n        y[i] = in->y[row] + (i == 0 && h->task == TM_MODULE_REGRESSION ? (n_fits += 1) : 0);"), "other bytes"),
], ids=lambda v: v if isinstance(v, str) else "")
def test_a_bad_module_is_reported_and_not_suffered(installed, tm, tmp_path, name, change, says):
    result = tm("module", "check", build(installed, "learner", "knn", tmp_path, change=change), "--seconds", 3 if name == "hang" else 60, "--json")
    assert result.code == 1 and not result.json["ok"]
    bad = [c for c in result.json["checks"] if c["state"] == "failed"]
    assert bad and any(says in c["why"] or says in c["check"] for c in bad), bad
    assert all(c.get("advice") for c in bad)


@pytest.fixture(scope="session")
def great_circle(installed, tmp_path_factory):
    return build(installed, "transform", "great_circle", tmp_path_factory.mktemp("great_circle"))


@pytest.fixture(scope="session")
def weblog(installed, tmp_path_factory):
    return build(installed, "source", "weblog", tmp_path_factory.mktemp("weblog"))


def log_lines(n, first=0):
    made = random.Random(first)
    return "".join(f'192.0.2.{i % 200} - {"ann" if i % 3 else "-"} [10/Oct/2000:13:{i // 60 % 60:02d}:{i % 60:02d} -0700] '
                   f'"GET /page/{made.randrange(9)} HTTP/1.0" {200 if i % 9 else 404} {made.randrange(10**6)} "-" "Agent/{i % 4}"\n'
                   for i in range(first, first + n))


@pytest.mark.parametrize("compiler", ["gcc", "clang-14"])
def test_the_other_examples_keep_what_they_must(installed, tm, tmp_path, compiler):
    log = tm.write("access.log", log_lines(50000))
    result = tm("module", "check", build(installed, "transform", "great_circle", tmp_path, compiler), "--json")
    assert result.code == 0 and failed(result) == [], result.out
    result = tm("module", "check", build(installed, "source", "weblog", tmp_path, compiler), "--option", f"path={log}", "--json")
    assert result.code == 0 and failed(result) == [], result.out
    assert not [c for c in result.json["checks"] if c["state"] == "skipped"]


def test_a_transform_is_called_in_an_expression(tm, great_circle):
    made = random.Random(3)
    lines = ["la,lo,lb,lp,far"]
    for _ in range(800):
        a = [made.uniform(-60, 60), made.uniform(-170, 170), made.uniform(-60, 60), made.uniform(-170, 170)]
        sines = [math.sin(math.radians(a[2] - a[0]) / 2), math.sin(math.radians(a[3] - a[1]) / 2)]
        h = sines[0] ** 2 + math.cos(math.radians(a[0])) * math.cos(math.radians(a[2])) * sines[1] ** 2
        km = 2 * 6371.0088 * math.asin(math.sqrt(min(h, 1)))
        lines.append(",".join(f"{v:.6f}" for v in a) + f",{km:.3f}")
    tm.write("places.csv", "\n".join(lines) + "\n")
    train = ("train", "places.csv", "--target", "far", "--name", "km", "--learner", "linear", "--feature", "d = great_circle(la, lo, lb, lp)", "--json")
    assert "there is no function 'great_circle'" in (tm(*train).out + tm(*train).err)
    added = tm.ok("module", "add", great_circle, "--json").json
    result = tm.ok(*train).json
    assert result["test"]["r2"] > 0.999, result["test"]  # the distance is the answer
    shown = tm.ok("model", "show", "km@1", "--json").json
    assert shown["modules"] == [{"hash": added["hash"], "kind": "transform", "name": "great_circle", "version": "1.0"}]
    answers = tm.ok("predict", "km", "places.csv").out
    tm.ok("module", "rm", "great_circle")
    refused = tm("predict", "km", "places.csv")
    assert refused.code == 2 and "module 'great_circle' 1.0" in refused.err
    assert tm.ok("predict", "km", "places.csv", "--module", great_circle).out == answers


def test_a_source_reads_what_is_new_and_goes_on(tm, weblog):
    tm.write("access.log", log_lines(30000) + "not an entry\n" + '192.0.2.1 - - [10/Oct')
    add = ("data", "add", "web", "--reader", "weblog", "--option", "path=access.log", "--every", "5s")
    assert "module 'weblog' is not loaded" in tm(*add).err
    tm.ok("module", "add", weblog)
    assert "needs the option 'path'" in tm("data", "add", "web", "--reader", "weblog").err
    wrong = tm("data", "add", "web", "--reader", "weblog", "--option", "pth=x")
    assert wrong.code == 2 and "Did you mean 'path'?" in wrong.err
    none = tm("data", "add", "web", "--reader", "weblog", "--option", "path=nowhere.log")
    assert none.code == 7 and "cannot be opened" in none.err
    tm.ok(*add)
    shown = tm.ok("data", "show", "web", "--json").json
    assert shown["rows"] == 30001 and shown["quarantined"] == 0
    types = {c["name"]: c["type"] for c in shown["columns"]}
    assert types["time"] == "time" and types["status"] == "int" and types["path"] == "text"
    # The line that was half there and one more come once, and nothing comes again.
    whole = (tm.folder / "access.log").read_text(encoding="utf-8")[:-len('192.0.2.1 - - [10/Oct')]
    tm.write("access.log", whole + log_lines(2, first=30000))
    tm.ok("data", "pull", "web")
    tm.ok("data", "pull", "web")
    assert tm.ok("data", "show", "web", "--json").json["rows"] == 30003
    assert tm.ok("data", "snapshot", "web", "--json").json["rows"] == 30003
    # Without its module the source waits and says why; a shorter file is told.
    tm.ok("module", "rm", "weblog")
    assert "module 'weblog' is not loaded" in tm("data", "pull", "web").err
    tm.ok("module", "add", weblog)
    tm.write("access.log", "")
    assert "shorter than what was taken" in tm("data", "pull", "web").err

