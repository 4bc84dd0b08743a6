"""Sizes beyond which a bundle is refused rather than read."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What the audit reads at most; sizes in bytes.

    Args:
        files: files in a folder, or members of an archive.
        file: one file or member.
        total: all of them, unpacked.
        archived: all members of archives that are looked into, at every depth.
        text: one config, script or other text.
        yaml: one YAML file, whose reader is slow.
        unpacked: one member of an archive, which is read into memory.
        pickle: what is read of a pickle; weights keep their tensors outside or behind.
        expression: characters of one expression.
        lookups: values that are searched for references of one bundle.
        ratio: unpacked to packed, for members above 1 MiB.
        depth: levels of nesting of a config, or of archives.
        nodes: values of a config after macros and aliases are written out.
        findings: findings of one audit.
    """

    files: int = 10_000
    file: int = 4096 * MEBIBYTE
    total: int = 16384 * MEBIBYTE
    archived: int = 4096 * MEBIBYTE
    text: int = 4 * MEBIBYTE
    yaml: int = MEBIBYTE // 4
    unpacked: int = 1024 * MEBIBYTE
    pickle: int = 4 * MEBIBYTE
    expression: int = 10_000
    lookups: int = 500_000
    ratio: int = 200
    depth: int = 48
    nodes: int = 100_000
    findings: int = 20_000


LIMITS = Limits()
