"""What Linux lets an ordinary process give up for good: network, other programs, and writing outside some folders.

Two of the kernel's own means, neither of which needs rights or packages: seccomp, a filter of system calls (Linux 3.17
or later, x86-64 and ARM64), and Landlock, rules about paths (Linux 5.13 or later, where it is switched on). Both hold
for all threads that start later and cannot be taken back. Numbers are those of the kernel's headers.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_NO_NEW_PRIVILEGES = 38
"""PR_SET_NO_NEW_PRIVS of prctl(2)."""
_DEVICES = ("null", "zero", "full", "nvidia*", "dri/*", "kfd")
"""Below /dev: what may be written to, the devices of accelerators among them."""


def restrict(writable: Iterable[Path]) -> None:
    """Give up what this system lets this process give up; call it before there are threads.

    Args:
        writable: folders in which it may write from now on, all else being left as it is.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0:
        _limit_writing(libc, writable)
        _filter_calls(libc)


# ------------------------------------------------------------ Landlock

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_WRITE_FILE, _REFER, _TRUNCATE = 1 << 1, 1 << 13, 1 << 14
_CHANGES = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))
"""Writing into files; removing and making files, folders, links and devices."""
_TCP, _SCOPES = 0b11, 0b11
"""Binding and connecting; sockets without a file and signals to processes outside."""


def _limit_writing(libc: ctypes.CDLL, writable: Iterable[Path]) -> None:
    version = libc.syscall(_CREATE_RULESET, None, 0, _VERSION)
    if version < 1:
        return
    rights = _CHANGES | (_REFER if version > 1 else 0) | (_TRUNCATE if version > 2 else 0)
    fields = (rights, *((_TCP,) if version > 3 else ()), *((_SCOPES,) if version > 5 else ()))
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    rules = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if rules < 0:
        return
    devices = (path for name in _DEVICES for path in Path("/dev").glob(name))
    for path in (*writable, *devices):
        _allow(libc, rules, path, rights)
    libc.syscall(_RESTRICT_SELF, rules, 0)
    os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: Path, rights: int) -> None:
    with suppress(OSError):  # what does not exist cannot be written to
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if not path.is_dir():
            rights &= _WRITE_FILE | _TRUNCATE
        libc.syscall(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
        os.close(place)


# ------------------------------------------------------------ seccomp

_MACHINES = {
    # AUDIT_ARCH, seccomp, clone, ioctl, and what is denied: socket; execve, execveat, fork, vfork; ptrace,
    # process_vm_writev, pidfd_getfd; io_uring_setup, which would open sockets unseen; chmod, fchmod, fchmodat,
    # fchmodat2, chown, fchown, lchown, fchownat and setting extended attributes, of which Landlock knows nothing.
    "x86_64": (
        0xC000003E, 317, 56, 16,
        (41, 59, 322, 57, 58, 101, 311, 438, 425, 90, 91, 268, 452, 92, 93, 94, 260, 188, 189, 190, 463),
    ),
    "aarch64": (0xC00000B7, 277, 220, 29, (198, 221, 281, 117, 271, 438, 425, 52, 53, 452, 54, 55, 5, 6, 7, 463)),
}  # fmt: skip
_CLONE3, _CLONE_THREAD = 435, 0x10000
_FAKED_INPUT = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: typing into the user's terminal."""
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOWED, _ERROR = 0x7FFF0000, 0x00050000
_DENIED, _UNKNOWN = _ERROR | 1, _ERROR | 38
"""Permission denied; no such call, after which the C library uses clone instead of clone3, whose flags are seen."""
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24
"""Where the filter finds the call's number, the machine and the low halves of two arguments."""
_SET_FILTER, _NO_SLOWDOWN = 1, 1 << 2
"""The second: without it older kernels slow all memory access down against side channels."""


def _filter_calls(libc: ctypes.CDLL) -> None:
    known = _MACHINES.get(platform.machine())
    if known is None or sys.byteorder != "little":
        return
    content = b"".join(_program(known[0], *known[2:]))
    code = ctypes.create_string_buffer(content, len(content))
    program = struct.pack("@HP", len(content) // 8, ctypes.addressof(code))
    for flags in (_NO_SLOWDOWN, 0):
        if libc.syscall(known[1], _SET_FILTER, flags, program) == 0:
            return


def _program(machine: int, clone: int, ioctl: int, denied: Iterable[int]) -> Iterator[bytes]:
    """Yield the instructions of the filter, in the code of Berkeley packet filters."""
    yield _step(_LOAD, _ARCHITECTURE)
    yield from _answer(machine, _DENIED, otherwise=True)
    yield _step(_LOAD, _NUMBER)
    yield from (_step(_AT_LEAST, 1 << 30, 0, 1), _step(_RETURN, _DENIED))  # x32, another table of calls
    for number in denied:
        yield from _answer(number, _DENIED)
    yield from _answer(_CLONE3, _UNKNOWN)
    yield from (_step(_EQUAL, clone, 0, 4), _step(_LOAD, _FIRST), _step(_ANY_BIT, _CLONE_THREAD, 0, 1))
    yield from (_step(_RETURN, _ALLOWED), _step(_RETURN, _DENIED))
    yield from (_step(_EQUAL, ioctl, 0, 2 * len(_FAKED_INPUT) + 1), _step(_LOAD, _SECOND))
    for request in _FAKED_INPUT:
        yield from _answer(request, _DENIED)
    yield _step(_RETURN, _ALLOWED)


def _answer(value: int, answer: int, *, otherwise: bool = False) -> Iterator[bytes]:
    """Yield: return `answer` if the loaded value is `value`, or if it is not."""
    yield _step(_EQUAL, value, *((1, 0) if otherwise else (0, 1)))
    yield _step(_RETURN, answer)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
