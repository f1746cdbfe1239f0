# SPDX-License-Identifier: Apache-2.0
"""tools/tidy sees a violation of each of its rules: all are planted into one copy of the tree, and one run names them all."""
import json
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NOTICE = "/* SPDX-License-Identifier: Apache-2.0 */\n"
LATER = "TO" + "DO"

# rule, file, text (appended to the file, or all of a new one), what tidy prints after "rule: "
PLANTS = [
    ("floors", "src/table/planted_floor.c", NOTICE + '#include "cli/cli.h"\n', "src/table/planted_floor.c:2: includes cli/cli.h, which is not on a lower floor"),
    ("floors", "src/cli/planted_private.c", NOTICE + '#include "table/table_priv.h"\n', "src/cli/planted_private.c:2: includes table/table_priv.h, which is private"),
    ("lengths", "src/base/planted_file.c", NOTICE + "\n" * 1001, "src/base/planted_file.c: 1002 lines, at most 1000"),
    ("lengths", "src/base/planted_size.c", NOTICE + "void tm__planted(void) {\n" + "    ;\n" * 70 + "}\n", "src/base/planted_size.c:tm__planted: line 2: 72 lines"),
    ("lengths", "src/base/planted_arity.c", NOTICE + "void tm__many(int a, int b, int c, int d, int e, int f, int g, int h) {\n}\n",
     "src/base/planted_arity.c:tm__many: line 2: 8 parameters"),
    ("file_names", "src/base/Planted.c", NOTICE, "src/base/Planted.c: is not snake_case"),
    ("file_names", "bench/planted_file.c", NOTICE, "has the name of bench/planted_file.c"),
    ("names", "src/base/planted_static.c", NOTICE + "static void tm__own(void) {\n}\n", "src/base/planted_static.c:tm__own: line 2: a static function carries no"),
    ("names", "src/base/planted_shared.c", NOTICE + "void shared(void) {\n}\n", "src/base/planted_shared.c:shared: line 2: a shared function starts with"),
    ("system_calls", "src/table/planted_calls.c", NOTICE + "static void *get(void) {\n    return malloc(1);\n}\n", "src/table/planted_calls.c:malloc: line 3"),
    ("system_calls", "src/table/planted_thread.c", NOTICE + "static int go(void) {\n    return pthread_create(0, 0, 0, 0);\n}\n",
     "src/table/planted_thread.c:pthread_create: line 3"),
    ("banned_calls", "src/base/planted_banned.c", NOTICE + "static int get(void) {\n    return atoi(\"1\");\n}\n", "src/base/planted_banned.c:atoi: line 3: atoi() is banned"),
    ("printing", "src/table/planted_print.c", NOTICE + "static void say(void) {\n    puts(\"x\");\n}\n", "src/table/planted_print.c:puts: line 3: puts() in library"),
    ("comments", "src/base/planted_later.c", NOTICE + f"/* {LATER}: more */\n", f"src/base/planted_later.c:2: holds {LATER}"),
    ("comments", "src/base/planted_slashes.c", NOTICE + "// text\n", "src/base/planted_slashes.c:2: comments are /* */"),
    ("comments", "src/base/planted_note.c", NOTICE + '#include "base/mem.h"\n' + "\n" * 200, "src/base/planted_note.c: over 200 lines and opens without a design note"),
    ("licences", "src/base/planted_licence.c", "\n", "src/base/planted_licence.c: has no SPDX line"),
    ("guards", "src/base/planted_guard.h", NOTICE + "#ifndef OTHER_H\n#define OTHER_H\n#endif\n", "src/base/planted_guard.h: guard is not TM_BASE_PLANTED_GUARD_H"),
    ("unit_tests", "src/base/planted_untested.c", NOTICE, "src/base/planted_untested.c: tests/unit/base/test_planted_untested.c is missing"),
    ("docstrings", "include/tidemill/bundle.h", "\n/** Says nothing. */\nTM_API void tm_planted_one(void);\n", "include/tidemill/bundle.h:tm_planted_one: docstring lacks 'Owns:'"),
    ("docstrings", "include/tidemill/bundle.h", "\n/** Owns: nothing. Errors: none. Threads: some. */\nTM_API void tm_planted_two(void);\n",
     "include/tidemill/bundle.h:tm_planted_two: Threads: is 'any'"),
    ("places", "docs/planted.md", "See /ro" + "ot/notes.\n", "docs/planted.md:1: names /ro" + "ot/"),
    ("links", "docs/planted_link.md", "[text](nowhere.md)\n", "docs/planted_link.md:1: link to nowhere.md"),
    ("generated", "docs/cli.md", "\nby hand\n", "docs/cli.md: is not what api/ gives"),
    ("generated", "docs/http.md", "\nby hand\n", "docs/http.md: is not what api/ gives"),
    ("verbs", "src/base/planted_verb.h", NOTICE + "void tm__thing_destroy(void);\n", "src/base/planted_verb.h:tm__thing_destroy: 'destroy' is called 'free' here"),
    ("results", "src/base/planted_result.h", NOTICE + "tm_status tm__thing_drop(void);\n", "src/base/planted_result.h:tm__thing_drop: returns a status and is not"),
    ("jumps", "src/base/planted_jump.c", NOTICE + "static void f(void) {\n    goto again;\n}\n", "src/base/planted_jump.c:3: jumps to 'again', not to 'out'"),
    ("inlines", "src/base/planted_inline.h", NOTICE + "static inline void f(void) {\n" + "    ;\n" * 6 + "}\n", "src/base/planted_inline.h:f: line 2: 6 lines in a header"),
    ("logging", "src/table/planted_log.c", NOTICE + 'static void f(void) {\n    tm_log_event(log, TM_INFO, "x", TM_FI("n", 1));\n}\n',
     "src/table/planted_log.c: logs at TM_INFO"),
    ("kernels", "src/base/planted_kernel.c", NOTICE + "TM_SIMD_KERNEL(planted, (int x), (x));\n", "src/base/planted_kernel.c: has a kernel and no plain reference"),
    ("kernels", "src/base/planted_alone.c", NOTICE + "void tm__alone_ref(void) {\n}\nTM_SIMD_KERNEL(alone, (int x), (x));\n",
     "src/base/planted_alone.c:tm__alone_ref: is not run by tests/unit/model/test_kernels.c"),
    ("assertions", "tests/unit/base/test_planted_empty.c",
     NOTICE + "static void nothing_fails(void **state) {\n    (void)state;\n}\nint main(void) {\n    return cmocka_unit_test(nothing_fails);\n}\n",
     "tests/unit/base/test_planted_empty.c:nothing_fails: asserts nothing"),
    ("assertions", "tests/e2e/test_planted_empty.py", "# SPDX-License-Identifier: Apache-2.0\ndef test_nothing():\n    print()\n",
     "tests/e2e/test_planted_empty.py:test_nothing: asserts nothing"),
    ("stale_tests", "tests/unit/base/test_planted_stale.c", NOTICE, "tests/unit/base/test_planted_stale.c: mirrors no file of src/base"),
    ("stale_tests", "tests/fuzz/fuzz_planted.c", NOTICE, "tests/fuzz/fuzz_planted.c: tests/fuzz/corpus/planted is empty"),
    ("documented", "docs/planted_command.md", "```sh test\ntidemill wander x.csv\n```\n", "docs/planted_command.md:2: tidemill wander is no command"),
    ("documented", "docs/planted_option.md", "```sh test\ntidemill train x.csv --faster\n```\n", "docs/planted_option.md:2: tidemill train has no option --faster"),
    ("documented", "docs/planted_unmarked.md", "```sh\ntidemill version\n```\n", "docs/planted_unmarked.md:2: shows a command in a block that is not marked"),
    ("allow", "tools/tidy.allow", "printing src/base/buf.c nobody prints there\n", "printing src/base/buf.c: nothing needs this exception any more"),
]


def copy_tree(folder):
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n")
    for name in names:
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)


def plant_object(folder):
    """A mutable global: this rule reads objects."""
    objects = folder / "build" / "libtidemill_core.a.p"
    objects.mkdir(parents=True)
    (folder / "src/base/planted_global.c").write_text(NOTICE + "int planted = 1;\n", encoding="utf-8")
    subprocess.run(["gcc", "-c", "src/base/planted_global.c", "-o", objects / "src_base_planted_global.c.o"], cwd=folder, check=True)


def plant_command(folder):
    """A command without a body, an option that no body asks for, and a command that no test runs."""
    for path in (folder / "tests/e2e").glob("*.py"):
        path.write_text(path.read_text(encoding="utf-8").replace('"replay"', '"other"').replace("tidemill replay", ""), encoding="utf-8")
    version, train = (json.loads((folder / f"api/cli/{name}.json").read_text(encoding="utf-8")) for name in ("version", "train"))
    version["handler"] = "cmd_planted"
    train["options"].append({**train["options"][0], "long": "planted-option", "short": ""})
    for name, command in (("version", version), ("train", train)):
        (folder / f"api/cli/{name}.json").write_text(json.dumps(command), encoding="utf-8")


@pytest.fixture(scope="module", name="said")
def fixture_said(tmp_path_factory):
    """What tidy says of a tree in which everything is wrong."""
    folder = tmp_path_factory.mktemp("tree")
    copy_tree(folder)
    for _, name, text, _ in PLANTS:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as out:
            out.write(text)
    plant_object(folder)
    plant_command(folder)
    (folder / "src/guard/README.md").unlink()
    done = subprocess.run(["tools/tidy"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 1, done.stdout
    return done.stdout


@pytest.mark.parametrize("plant", PLANTS, ids=[f"{rule}-{pathlib.Path(name).stem}" for rule, name, _, _ in PLANTS])
def test_a_violation_is_named(said, plant):
    rule, _, _, fault = plant
    assert any(line.startswith(f"{rule}: ") and fault in line for line in said.split("\n")), said[-8000:]


def test_globals_commands_and_notes_are_named(said):
    assert "globals: src/base/planted_global.c:planted: is in .data" in said, said[-8000:]
    assert "commands: api/cli/version.json: cmd_planted() is not in src/cli" in said, said[-8000:]
    assert "commands: api/cli/train.json:planted-option: no command asks for this option" in said, said[-8000:]
    assert "commands: api/cli/replay.json: no end-to-end test runs 'tidemill replay'" in said, said[-8000:]
    assert "module_notes: src/guard: has no README.md" in said, said[-8000:]


def test_every_rule_has_a_plant(said):
    checks = set(re.findall(r"^@check\ndef (\w+?)_?\(", (ROOT / "tools/tidy").read_text(encoding="utf-8"), re.M))
    assert checks == {plant[0] for plant in PLANTS if plant[0] != "allow"} | {"globals", "commands", "module_notes"}
    n_checks, n_failed = re.search(r"(\d+) checks, (\d+) failed", said).groups()
    assert int(n_checks) == int(n_failed) == len(checks) + 1
