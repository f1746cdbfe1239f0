# SPDX-License-Identifier: Apache-2.0
"""The leaderboard of a search on a terminal: drawn in place, as wide as it is, plain when asked, silent with -q and in a log."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

from rows import churn, to_csv


def on_terminal(tm, width, *words, env=None):
    """What a command writes to a terminal of a width on stderr."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
    with subprocess.Popen([str(tm.program), *words], cwd=tm.folder, env={**tm.env, "TERM": "xterm", **(env or {})},
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=there) as process:
        os.close(there)
        text = b""
        while True:
            try:
                part = os.read(here, 65536)
            except OSError:
                break
            if not part:
                break
            text += part
    os.close(here)
    assert process.returncode == 0, text
    return text.decode().replace("\r\n", "\n")


def screen(text, width):
    """The lines that stand on the terminal in the end, and the widest line that ever stood there."""
    lines, row, widest = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", text):
        if part == "\n":
            row += 1
            lines[row:] = lines[row:] or [""]
        elif part == "\x1b[A":
            row -= 1
        elif part == "\x1b[K":
            lines[row] = ""
        elif part[0] not in "\x1b\r":
            lines[row] += part
            widest = max(widest, len(lines[row]))
    assert row >= 0
    return lines, widest


def test_a_board_is_drawn_in_place_and_gone_in_the_end(tm):
    tm.write("a.csv", to_csv(churn(400)))
    train = ["train", "a.csv", "--target", "churned", "--work", "60000000"]
    for width, env in ((100, {"NO_COLOR": ""}), (44, {})):
        text = on_terminal(tm, width, *train, env=env)
        lines, widest = screen(text, width)
        assert "search by logloss, less is better: 1 trial" in text and "boosted trees" in text
        assert ("\x1b[1m" in text) == (width == 100)
        assert not any("search by" in line or line.startswith("> ") for line in lines), lines
        if width == 44:
            assert widest < width or "next: " in text
    assert "search by" not in on_terminal(tm, 100, *train, "-q")
    assert "search by" not in tm.ok(*train).err


def test_a_training_may_end_with_its_page(tm):
    tm.write("a.csv", to_csv(churn(300)))
    done = tm.ok("train", "a.csv", "--target", "churned", "--learner", "linear", "--report", "a.html", "--json").json
    page = (tm.folder / "a.html").read_text(encoding="utf-8")
    assert done["version"] == 1 and "How good it is" in page and done["bundle_hash"] in page
    shown = tm.ok("model", "show", "a@1")
    assert "created" in shown.out and "tidemill model report a@1" in shown.err
    assert tm.ok("model", "show", "a@1", "--json").json["bytes"] > 1000
