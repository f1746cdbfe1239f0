# SPDX-License-Identifier: Apache-2.0
"""tools/hardening names each protection that a program lacks. Each case builds one with all of them but one."""
import importlib.machinery
import importlib.util
import pathlib
import subprocess

import pytest

TOOL = pathlib.Path(__file__).resolve().parent.parent.parent / "tools" / "hardening"
SOURCE = """
#include <stdio.h>
#include <string.h>
#ifdef WRITABLE_CODE
__asm__(".section .both,\\"awx\\",@progbits; .byte 0; .previous");
#endif
int tm_answer(int n, char **words);
int tm_answer(int n, char **words) { char copy[64]; strcpy(copy, words[n]); return puts(copy); }
int main(int argc, char **argv) { return tm_answer(argc - 1, argv); }
"""
COMPILE = ["-g", "-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3", "-fstack-protector-strong", "-fstack-clash-protection", "-fcf-protection=full",
           "-ftrivial-auto-var-init=zero", "-fno-delete-null-pointer-checks", "-fno-strict-overflow", "-fno-strict-aliasing", "-fPIE"]
LINK = ["-pie", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack", "-Wl,-z,separate-code"]

# name, words taken out, words put in, what the tool says
CASES = [
    ("no pie", ["-pie", "-fPIE"], ["-no-pie"], "is position independent"),
    ("lazy binding", ["-Wl,-z,now"], ["-Wl,-z,lazy"], "resolves all symbols at start"),
    ("no relro", ["-Wl,-z,relro"], ["-Wl,-z,norelro"], "read-only after start"),
    ("executable stack", ["-Wl,-z,noexecstack"], ["-Wl,-z,execstack"], "stack that is not executable"),
    ("code with constants", ["-Wl,-z,separate-code"], ["-Wl,-z,noseparate-code"], "has code apart from constants"),
    ("writable code", [], ["-DWRITABLE_CODE"], "writable and executable"),
    ("run path", [], ["-Wl,-rpath,/nowhere"], "no path to libraries"),
    ("no stack protector", ["-fstack-protector-strong"], ["-fno-stack-protector"], "checks its stack"),
    ("no fortify", ["-D_FORTIFY_SOURCE=3"], [], "checks the sizes of buffers"),
    ("no debug information", ["-g"], [], "says how it was compiled"),
    *[(f"without {word}", [word], [], f"is compiled with {word} throughout") for word in COMPILE if word.startswith("-f") and word != "-fPIE"],
]


def build(folder, words):
    (folder / "answer.c").write_text(SOURCE, encoding="utf-8")
    subprocess.run(["gcc", "-w", "answer.c", "-o", "answer", *words], cwd=folder, check=True)
    return folder / "answer"


def check(kind, path):
    done = subprocess.run([TOOL, f"--{kind}", path], stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout


def test_a_hardened_program_has_no_fault(tmp_path):
    code, out = check("program", build(tmp_path, COMPILE + LINK))
    assert code == 0, out


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_what_a_program_lacks_is_named(tmp_path, case):
    _, without, extra, said = case
    code, out = check("program", build(tmp_path, [w for w in COMPILE + LINK if w not in without] + extra))
    assert code == 1 and said in out, out


def test_a_library_that_cannot_be_opened_is_named(tmp_path):
    words = [w for w in COMPILE + LINK if w not in ("-fPIE", "-pie")] + ["-fPIC", "-shared"]
    code, out = check("library", build(tmp_path, words))
    assert code == 0, out
    code, out = check("library", build(tmp_path, words + ["-Wl,-z,nodlopen"]))
    assert code == 1 and "no -z nodlopen" in out and "can be opened by dlopen" in out, out


def test_symbols_and_objects_are_looked_at(tmp_path):
    loader = importlib.machinery.SourceFileLoader("hardening", str(TOOL))
    tool = importlib.util.module_from_spec(importlib.util.spec_from_loader("hardening", loader))
    loader.exec_module(tool)
    library = build(tmp_path, ["-fPIC", "-shared"])
    faults = list(tool.symbol_faults(tool.Elf(str(library))))
    assert any("exports tm_answer" in f for f in faults) and any("does not export tm_bundle_open" in f for f in faults)
    assert list(tool.object_faults(str(tmp_path))) == [f"{tmp_path} has no objects"]
    subprocess.run(["gcc", "-w", "-c", "-fcf-protection=none", "answer.c"], cwd=tmp_path, check=True)
    subprocess.run(["ar", "cr", "libanswer.a", "answer.o"], cwd=tmp_path, check=True)
    assert any("answer.o" in f and "no note" in f for f in tool.object_faults(str(tmp_path)))
