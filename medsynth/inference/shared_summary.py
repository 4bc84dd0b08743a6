"""What became of the images that a command was given."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Summary:
    """What predictions and translations tell alike.

    Args:
        suspicious: images that the table gives a reason to distrust; None where they were not judged.
        failures: (file or source, problem).
        left_out: how many files and folders were not read, by reason.
    """

    suspicious: int | None = None
    failures: list[tuple[str, str]] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def ignored(self) -> int:
        """Number of files and folders that were not read."""
        return sum(self.left_out.values())
