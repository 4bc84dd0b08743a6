"""What a plan says about its images."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth.api import option


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where images come from, how they are read and split. Imports nothing heavy."""

    path: str = option(
        "phantom",
        "manifest.csv, a folder with one, a folder with trainA trainB testA testB, "
        "a folder of class folders per domain (source/CLASS, target/CLASS), or 'phantom'",
    )
    source: str = option("", "take all source images from here instead: an image, a folder, a DICOM series")
    source_label: str = option("", "label of source images whose label is unknown: 1, 0 or a class name")
    positive: str = option("", "name of the positive class when labels are names")
    size: int = option(64, "height and width in pixels that images are resized to", low=16, high=2048)
    channels: int = option(1, "1 = grey, 3 = color", choices=(1, 3))
    fit: str = option("pad", "non-square images: pad with the darkest value, or stretch", choices=("pad", "stretch"))
    square: bool = option(
        True,
        "images whose file says that its pixels are not square keep the proportions of what they show, where fit pads; "
        "false = they are shown as if pixels were square",
    )
    intensity: str = option(
        "auto",
        "to [-1, 1] by the full 8-bit range, by the 0.5 to 99.5 percentiles of the file, or by those of all training "
        "images of the domain (dataset); auto = range if all files of a domain are 8-bit, else percentile",
        choices=("auto", "range", "percentile", "dataset"),
    )
    window: str = option(
        "",
        "values that become -1 and 1, instead of intensity: LOW:HIGH, or per domain source=LOW:HIGH,target=LOW:HIGH, "
        "in the unit of the files, such as HU",
    )
    volume: int = option(
        -1, "which volume of NIfTI files that hold several (4D), from 0; -1 = such files are refused", low=-1
    )
    slices: float = option(1.0, "central share of a volume's slices to use", low=0.01, high=1.0)
    neighbors: int = option(
        0,
        "2.5D: slices on either side of a volume's slice that the generator sees and translates with it, as channels",
        low=0,
        high=5,
    )
    smooth: bool = option(
        False, "2.5D: a translated slice is the mean of its translations in all stacks of neighbors that hold it"
    )
    series: str = option(
        "",
        "DICOM series to use: a description such as 't2*tra*', a SeriesInstanceUID, or modality=MR, orientation=tra, "
        "size=384x384, size=largest, parted by commas",
    )
    patient_pattern: str = option(
        "", "regular expression that finds the patient in a file's path, where no manifest, DICOM tag or BIDS name does"
    )
    split: str = option(
        "auto", "auto = the manifest's split column where it is filled, else drawn by patient", choices=("auto", "draw")
    )
    ratio: str = option("8:1:1", "train : validation : test, by patient")
    match_labels: bool = option(
        True, "where labels are known, the generator sees target classes in the source's proportions"
    )
    held_out_center: str = option("", "value of the manifest's center column that becomes the test split")
    show_names: bool = option(
        False, "call files, centers and readers by their names in report and scores, not by pseudonyms"
    )
    seed: int = option(42, "seed of drawn splits and of the phantom; training seeds do not change the data", low=0)
    workers: int = option(0, "processes that load images; results do not depend on it", low=0)
    phantom_source: int = option(240, "phantom: MRI patients, one image each, in all splits together", low=20)
    phantom_negative: int = option(240, "phantom: ultrasound patients without invasion", low=20)
    phantom_positive: int = option(24, "phantom: ultrasound patients with invasion (scarce)", low=10)
    phantom_test: int = option(60, "phantom: extra test patients per class, and per domain", low=10)
    phantom_test_source: int = option(
        60, "phantom: of the source domain at most so many of them, whose translations are judged", low=10
    )

    @property
    def stacked(self) -> int:
        """Channels of what the generator takes: those of a slice and of its neighbors."""
        return self.channels * (2 * self.neighbors + 1)

    @property
    def held_out_sources(self) -> int:
        """Extra test patients of the phantom's source domain, per class."""
        return min(self.phantom_test, self.phantom_test_source)
