"""What the images of a domain have in common, and the preprocessing that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from medsynth.data.config import DataConfig
from medsynth.data.formats.chains import Chain, DomainInfo, domain_info, measured_window, preprocessing_config
from medsynth.data.formats.probing import Facts
from medsynth.data.formats.windows import Window, parse_windows
from medsynth.data.images import Record


def domain_of(record: Record) -> str:
    """Return the domain whose preprocessing the record shares: true counterparts are read as target images."""
    return "target" if record.domain == "oracle" else record.domain


def domain_infos(records: Sequence[Record], facts: Mapping[str, Facts], config: DataConfig) -> dict[str, DomainInfo]:
    """Summarize the files of each domain; true counterparts follow the target and do not decide.

    Under ``intensity="dataset"`` the window is measured on training images only, where any are known.

    Raises:
        InputError: a window cannot be read, or cannot be measured.
    """
    asked = parse_windows(config.window)
    return {domain: _info(domain, records, facts, config, asked.get(domain)) for domain in ("source", "target")}


def _info(
    domain: str, records: Sequence[Record], facts: Mapping[str, Facts], config: DataConfig, window: Window | None
) -> DomainInfo:
    own = [record for record in records if record.domain == domain]
    if window is None and config.intensity == "dataset" and own:
        training = [record for record in own if record.split == "train"] or own
        window = measured_window(domain, [facts[image] for image in dict.fromkeys(r.image for r in training)])
    return domain_info((facts[record.image] for record in own), window)


def domain_windows(records: Sequence[Record], facts: Mapping[str, Facts], config: DataConfig) -> dict[str, Window]:
    """Return the windows of the domains that have one; errors as of `domain_infos`."""
    infos = domain_infos(records, facts, config)
    return {domain: info.window for domain, info in infos.items() if info.window}


def domain_chains(records: Sequence[Record], facts: Mapping[str, Facts], config: DataConfig) -> dict[str, Chain]:
    """Return the preprocessing of each domain, for its most frequent kind of file, reading one slice of it."""
    infos = domain_infos(records, facts, config)
    chains = {}
    for domain, info in infos.items():
        formats = [facts[record.image].format for record in records if record.domain == domain]
        if formats:
            most = max(dict.fromkeys(formats), key=formats.count)
            # a classifier sees target images without their neighbors
            own = replace(config, neighbors=config.neighbors if domain == "source" else 0)
            chains[domain] = preprocessing_config(info, own, most)
    return chains
