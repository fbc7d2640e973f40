"""Runs a server for as long as the process that asked for it lives. Started by local.py as a program of its
own, with nothing but the standard library.

Arguments: the directory to remove at the end ("" for none), then the server's command. Standard input is a
pipe that nobody writes to: its end, or another parent, means that the process is gone, however it
ended. Then, or at SIGTERM, the server gets SIGTERM, and SIGKILL after ten seconds. Standard output and error
are the server's. The exit status is the server's."""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys

PATIENCE_SECONDS = 10.0
LOOK_EVERY_SECONDS = 1.0
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """The server ends even if this process is killed. It is started by the only thread there is, so that
    the parent's death is the process's."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    except (AttributeError, OSError):
        pass  # not Linux


def await_end(server: "subprocess.Popen[bytes]", ended: int) -> None:
    """Until the server has ended, or is to end. `ended` becomes readable with a child's death or SIGTERM."""
    parent = os.getppid()
    while server.poll() is None and os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin.fileno(), ended], [], [], LOOK_EVERY_SECONDS)
        if sys.stdin.fileno() in readable:
            return
        if ended in readable and signal.SIGTERM in os.read(ended, 64):
            return


def keep(command: "list[str]") -> int:
    """Runs the server to its end; its exit status as a shell has it."""
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    try:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    os.close(sys.stdout.fileno())  # the server's alone: its end is seen at once
    await_end(server, ended)
    if server.poll() is None:
        server.terminate()
    try:
        status = server.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        status = server.wait()
    return status if status >= 0 else 128 - status


def main() -> int:
    directory, command = sys.argv[1], sys.argv[2:]
    status = keep(command)
    if directory:
        shutil.rmtree(directory, ignore_errors=True)
    return status


if __name__ == "__main__":
    code = main()
    os._exit(code)  # standard output is closed already
