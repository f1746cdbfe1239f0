# SPDX-License-Identifier: Apache-2.0
"""`./run campaign planted` tries the tests with bugs; here, each bug of its table still has its place in the tree."""
import subprocess


def test_each_bug_has_its_place(root):
    done = subprocess.run([root / "tools" / "planted", "--list"], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.split("\n")[-2].split()[0]) >= 20
