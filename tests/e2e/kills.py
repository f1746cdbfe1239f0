# SPDX-License-Identifier: Apache-2.0
"""Programs that are killed at a random moment of their work, on machines of any speed."""
import random
import signal
import subprocess


class Killer:
    """Kills runs of the program. The range of moments follows what it sees: shorter when a run ended by itself, longer when one was killed."""

    def __init__(self, tm, seed, longest):
        self.tm, self.longest = tm, longest
        self.killed = 0
        self._random = random.Random(seed)

    def turns(self, n, at_least):
        """Turns for runs: n of them, and on until so many were killed."""
        turn = 0
        while turn < n or self.killed < at_least:
            assert turn < 100 * n, f"{self.killed} of {turn} runs were killed"
            yield turn
            turn += 1

    def run(self, *words):
        """Start `tidemill WORDS` and kill it within `longest` seconds; whether it was killed. A run that ends by itself must end well."""
        with self.tm.popen([str(self.tm.program), *map(str, words)], cwd=self.tm.folder, env=self.tm.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                _, err = process.communicate(timeout=self._random.uniform(0.001, self.longest))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
        if process.returncode == 0:
            self.longest *= 0.6
            return False
        assert process.returncode == -signal.SIGKILL, err
        self.longest *= 1.2
        self.killed += 1
        return True
