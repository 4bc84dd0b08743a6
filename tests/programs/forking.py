"""A Python that has imported some modules and forks itself for each start that it is asked for.

Arguments: the number of the socket on which `tests.starting` asks, and the modules.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import sys
import threading
import traceback
from importlib import import_module

import torch


def forked(asked: socket.socket) -> dict[str, object]:
    """Answer each start with the number of a process; return what was asked for in that process.

    It is the asker's child: whoever forks it ends at once, and the asker adopts orphans.
    """
    while True:
        message, streams, _, _ = socket.recv_fds(asked, 2**20, 3)
        if not message:
            os._exit(0)
        told, tell = os.pipe()
        between = os.fork()
        if not between and not (number := os.fork()):
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for own, given in enumerate(streams):
                os.dup2(given, own)
            os.closerange(3, tell + 1)
            asked.close()
            return json.loads(message)
        if not between:
            os.write(tell, str(number).encode())
            os._exit(0)
        os.waitpid(between, 0)
        asked.sendall(os.read(told, 64))
        for descriptor in (*streams, told, tell):
            os.close(descriptor)


def become(start: dict[str, object]) -> None:
    """Do what ``python ARGUMENTS`` would do, in its folder and with its variables."""
    os.chdir(start["folder"])
    os.environ.clear()
    os.environ.update(start["variables"])
    encoding = os.environ.get("PYTHONIOENCODING")
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding, "backslashreplace", closefd=False)  # noqa: SIM115
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    how, *rest = start["arguments"]
    sys.argv = [how, *rest[1:]] if how in ("-m", "-c") else [how, *rest]
    if how == "-m":
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif how == "-c":
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        runpy.run_path(how, run_name="__main__")


def code_of(start: dict[str, object]) -> int:
    """Return the exit code of what was asked for."""
    try:
        become(start)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    sys.path.pop(0)  # this file's folder
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for module in sys.argv[2:]:
        import_module(module)
    gc.freeze()  # what nobody writes to is shared by all
    code = code_of(forked(socket.socket(fileno=int(sys.argv[1]))))
    threading._shutdown()  # waits for threads, as Python does
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code)  # taking all that was imported apart would take half a second
