# SPDX-License-Identifier: Apache-2.0
"""The unit for systemd: how much it holds back, and that the program works with no more system calls than it leaves."""
import ctypes
import errno
import functools
import re
import subprocess

from conftest import ROOT, Server, Tidemill
from test_parquet_push import KIND, parquet
from test_server import ROW, write_data

UNIT = ROOT / "packaging" / "systemd" / "tidemill.service"
EXPOSURE_MAX = 1.5
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


def analyze(*words):
    """What systemd-analyze prints."""
    return subprocess.run(["systemd-analyze", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout


def calls_of(name):
    """System calls of a name in the unit: itself, or those of a group."""
    if not name.startswith("@"):
        return {name}
    words = [line.strip() for line in analyze("syscall-filter", name).splitlines()[1:] if not line.strip().startswith("#")]
    return set().union(*(calls_of(w) for w in words if w))


def allowed_calls():
    """What the lines SystemCallFilter= leave, as systemd reads them."""
    left = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(encoding="utf-8"), re.M):
        calls = set().union(*(calls_of(w) for w in line.lstrip("~").split()))
        left = left - calls if line.startswith("~") else left | calls
    return left


def test_the_unit_is_exposed_no_more_than_is_said():
    found = re.search(r"Overall exposure level for tidemill.service: ([0-9.]+)", analyze("security", "--offline=true", "--no-pager", str(UNIT)))
    assert found and float(found[1]) <= EXPOSURE_MAX


def filter_of(calls):
    """A function for a child: from then on all but these calls are refused, as under the unit."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ERRNO | errno.EPERM))
    numbers = [library.seccomp_syscall_resolve_name(name.encode()) for name in sorted(calls)]
    for number in numbers:
        if number >= 0:
            assert library.seccomp_rule_add_array(context, ALLOW, number, 0, None) == 0
    return lambda: library.seccomp_load(context)


def test_the_program_works_with_the_calls_that_the_unit_leaves(tmp_path):
    """Training, a server, and a child that its supervisor starts, for a Parquet body."""
    program = Tidemill(tmp_path)
    program.popen = functools.partial(subprocess.Popen, preexec_fn=filter_of(allowed_calls()))
    write_data(tmp_path / "data.csv", n=400)
    program.ok("train", "data.csv", "--target", "late", "--name", "late", "--learner", "gbdt", "--param", "gbdt.n_trees=5")
    program.ok("data", "add", "rows", "--push", "--key", "id")
    key = {"X-Api-Key": program.ok("key", "create", "--role", "client", "--json").json["key"]}
    server = Server(program, command="run")
    assert server.request("POST", "/v1/routes/late/predict", {"rows": [ROW]}, key)[0] == 200
    body = parquet(program, "SELECT range AS id FROM range(3)")
    status, _, reply = server.request("POST", "/v1/sources/rows/rows", body, {**key, "Content-Type": KIND})
    assert (status, reply["accepted"]) == (200, 3), reply
    assert server.stop() == 0
