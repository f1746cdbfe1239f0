# SPDX-License-Identifier: Apache-2.0
"""A program that starts servers ends with all of them, whatever ends it: a fault, Ctrl-C, a signal."""
import ctypes
import os
import pathlib
import signal
import sys

SET_CHILD_SUBREAPER, SET_DEATH_SIGNAL = 36, 1  # of prctl
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def children():
    """Processes whose parent this one is, born to it or left to it."""
    found = set()
    for task in pathlib.Path("/proc/self/task").iterdir():
        found |= {int(pid) for pid in (task / "children").read_text(encoding="ascii").split()}
    return found


def end_all():
    """Kill every child, and theirs, which become children of this one; how many there were."""
    n = 0
    while left := children():
        for pid in left:
            n += 1
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return n


def keep():
    """
    Returns in a child of this process, which goes on as the program; call it before there are threads or servers. This process waits for its end,
    kills what it left behind, in whatever group or session that is, and exits with its code. Signals go on to it as Ctrl-C, once.
    """
    libc = ctypes.CDLL(None)
    libc.prctl(SET_CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, [*ENDS, signal.SIGCHLD])
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        libc.prctl(SET_DEATH_SIGNAL, signal.SIGINT)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores for what it starts in the background
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [*ENDS, signal.SIGCHLD])
        if os.getppid() != keeper:
            sys.exit(1)
        return
    while True:
        told = signal.sigwaitinfo([*ENDS, signal.SIGCHLD])
        if told.si_signo != signal.SIGCHLD:
            if told.si_code <= 0:  # by a program; what a terminal sends, the child had itself
                os.kill(child, signal.SIGINT)
            continue
        for pid in children():
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended == child:
                end_all()
                os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
