# SPDX-License-Identifier: Apache-2.0
"""A disk that is really full: a small tmpfs in a mount namespace of its own, so that nobody else sees it."""
import pathlib
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).resolve().parent / "full_disk.py"
UNSHARE = ["unshare", "--mount", "--propagation", "private"]


def namespace():
    """Words that give a command a mount namespace, as root or as the root of a user namespace; None: neither is allowed."""
    for words in (UNSHARE, [*UNSHARE, "--user", "--map-root-user"]):
        if subprocess.run([*words, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False).returncode == 0:
            return words
    return None


def test_a_full_disk_is_named_loses_nothing_and_goes_on(tm):
    words = namespace()
    assert words is not None, "this machine allows no mount namespace, in which a disk can be full"
    run = subprocess.run([*words, sys.executable, str(SCRIPT), str(tm.program), str(tm.folder)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith("nothing was lost\n")
