# SPDX-License-Identifier: Apache-2.0
"""Virtual environments of packages from PyPI, each named with its version and hash in a file of requirements."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys


def python_of(requirements, folder, sources=None):
    """Python of the environment in a folder; made when it is not there or when its requirements changed. Packages of `sources`, another file
    of requirements, are built from their source with what is there by then."""
    requirements, folder = pathlib.Path(requirements), pathlib.Path(folder)
    named = requirements.read_bytes() + (pathlib.Path(sources).read_bytes() if sources else b"")
    want, stamp = hashlib.sha256(named).hexdigest(), folder / "requirements.sha256"
    if not stamp.exists() or stamp.read_text(encoding="ascii") != want:
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["/usr/bin/python3", "-m", "venv", folder], check=True)
        # Every package is named there, with its hash: nothing else may come along.
        subprocess.run([folder / "bin" / "pip", "install", "-q", "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", requirements], check=True)
        if sources:
            path = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ.get('PATH', '/usr/bin:/bin')}"}
            subprocess.run([folder / "bin" / "pip", "install", "-q", "--no-deps", "--require-hashes", "--no-build-isolation", "-r", sources], env=path, check=True)
        stamp.write_text(want, encoding="ascii")
    return folder / "bin" / "python"


def enter(requirements, folder):
    """Begin the program anew in the environment of a folder, where it is not in it yet."""
    python = python_of(requirements, folder)
    if pathlib.Path(sys.prefix).resolve() != pathlib.Path(folder).resolve():
        os.execv(python, [python, *sys.argv])
