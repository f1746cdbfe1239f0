# SPDX-License-Identifier: Apache-2.0
"""The command line's own behaviour: help, errors, exit codes, completion."""
import json
import os
import sqlite3
import subprocess
import resource

import pytest


def test_no_words_show_short_help_and_exit_2(tm):
    result = tm()
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("Usage: tidemill COMMAND")


def test_help_lists_every_command(tm, root):
    text = tm.ok("help").out
    for path in (root / "api" / "cli").glob("*.json"):
        command = json.loads(path.read_text(encoding="utf-8"))
        if path.name != "common.json":
            assert f"\n  {command['name']} " in text, command["name"]


def test_help_of_a_command_is_the_same_both_ways(tm):
    assert tm.ok("help", "completion").out == tm.ok("completion", "--help").out


def test_help_shows_examples_before_options(tm):
    text = tm.ok("doctor", "--help").out
    assert text.index("Examples:") < text.index("Usage:") < text.index("Options of every command:")


def test_help_is_quick(tm):
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    best = 1.0
    for _ in range(20):
        start = used()
        tm.ok("--help")
        best = min(best, used() - start)
    assert best < 0.05  # the processor's seconds, of which others take none; the program takes less than 5 ms


@pytest.mark.parametrize("words, message, hint", [
    (["docter"], "unknown command 'docter'", "Did you mean `tidemill doctor`?"),
    (["doctor", "--jsn"], "unknown option '--jsn'", "Did you mean --json?"),
    (["doctor", "extra"], "one word too many: 'extra'", "`tidemill doctor --help` shows how to use it."),
    (["completion"], "SHELL is missing", "`tidemill completion --help` shows how to use it."),
])
def test_wrong_use_says_what_to_do(tm, words, message, hint):
    result = tm(*words)
    assert (result.code, result.out) == (2, "")
    assert result.err == f"error: {message}\n  hint: {hint}\n"
    result = tm(*words, "--json")
    assert result.code == 2
    assert result.json == {"schema": "tidemill.error/1", "error": {
        "status": "usage", "message": message, "hint": hint, "path": None, "row": None, "column": None}}


def test_version_names_what_it_was_built_with(tm):
    assert tm.ok("version").out == tm.ok("--version").out
    value = tm.ok("version", "--json").json
    assert value["schema"] == "tidemill.version/1"
    assert value["libraries"]["duckdb"].lstrip("v").startswith("1.4.4")


def test_doctor_is_content_here(tm):
    result = tm("doctor", "--json")
    assert {c["name"] for c in result.json["checks"]} >= {
        "simd", "cpus", "memory", "open_files", "address_space", "clock", "clock_sync", "home", "sync", "disk", "inodes", "file_system", "duckdb",
        "sqlite", "lmdb", "zstd", "libsodium", "openssl", "libyaml", "jansson", "llhttp", "libc"}
    for c in result.json["checks"]:
        assert c["state"] in ("ok", "warn") and c["ok"] and c["found"], c
        assert (c["advice"] is None) == (c["state"] == "ok"), c
    assert result.code == 0


def test_doctor_names_a_home_that_cannot_be_written(tm):
    tm.write("home", "a file, no folder")
    result = tm("doctor", "--home", "home", "--json")
    assert result.code == 1
    assert [c["name"] for c in result.json["checks"] if not c["ok"]][0] == "home"
    assert result.err.startswith("error: ")


def test_doctor_looks_into_the_home(tm):
    tm.write("d.csv", "x,y\n" + "".join(f"{i % 17},{'yes' if i % 17 > 8 else 'no'}\n" for i in range(200)))
    tm.ok("train", "d.csv", "--target", "y", "--name", "m", "--learner", "baseline")
    states = {c["name"]: c for c in tm.ok("doctor", "--json").json["checks"]}
    for name in ("mode", "meta.db", "log.db", "history", "bundles", "snapshots", "orphans"):
        assert states[name]["state"] == "ok", states[name]
    assert "none yet" in states["server_key"]["found"]
    tm.ok("key", "create", "--role", "viewer")
    secret = tm.folder / ".tidemill" / "keys.secret"
    assert secret.stat().st_mode & 0o777 == 0o600
    secret.chmod(0o640)
    found = next(c for c in tm.ok("doctor", "--json").json["checks"] if c["name"] == "server_key")
    assert found["state"] == "warn" and "0640" in found["found"] and "0600" in found["advice"]
    secret.rename(secret.with_suffix(".away"))
    found = next(c for c in tm("doctor", "--json").json["checks"] if c["name"] == "server_key")
    assert found["state"] == "bad" and "is gone" in found["found"] and "backup" in found["advice"]
    refused = tm("serve", "--listen", "127.0.0.1:0")
    assert refused.code == 8 and "keys.secret" in refused.err and "backup" in refused.err
    secret.with_suffix(".away").rename(secret)
    secret.chmod(0o600)
    meta = sqlite3.connect(tm.folder / ".tidemill" / "meta.db")
    meta.executescript("DROP TRIGGER history_update; UPDATE history SET reason = 'SECRET' WHERE seq = 1")
    meta.close()
    bundle = next((tm.folder / ".tidemill" / "bundles").iterdir())
    bundle.unlink()
    result = tm("doctor", "--json")
    bad = {c["name"]: c for c in result.json["checks"] if c["state"] == "bad"}
    assert result.code == 1 and set(bad) == {"history", "bundles"} and result.json["bad"] == 2 and not result.json["ok"]
    assert "record 1" in bad["history"]["found"] and "SECRET" not in result.out
    assert "backup" in bad["history"]["advice"]
    assert "\nbad  history" in tm("doctor").out


def test_output_that_cannot_be_written_is_a_failure(tm):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([tm_path(tm), "help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 6
    assert done.stderr.startswith("error: cannot write to stdout")


def tm_path(tm):
    return next(os.path.join(p, "tidemill") for p in tm.env["PATH"].split(":"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_names_commands(tm, shell):
    text = tm.ok("completion", shell).out
    assert "doctor" in text and "tidemill" in text
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_completion_completes_in_bash(tm):
    script = tm.ok("completion", "bash").out + """
COMP_WORDS=(tidemill doc); COMP_CWORD=1; _tidemill; echo "${COMPREPLY[@]}"
COMP_WORDS=(tidemill doctor --jso); COMP_CWORD=2; _tidemill; echo "${COMPREPLY[@]}"
"""
    done = subprocess.run(["bash"], input=script, stdout=subprocess.PIPE, text=True, check=True, cwd=tm.folder)
    assert done.stdout == "doctor\n--json\n"
