"""What reading costs: 1,000 DICOM slices and 1,000 PNG by `medsynth.reading` and by MONAI's readers.

Each reader runs in a process of its own on the same files, in turns, and counts its CPU time: from its imports to the
last array, and from the second file on. Ratios below 1 mean that `medsynth.reading` is faster.

    python benchmarks/reading.py [--files 1000] [--size 256] [--turns 3]

With a checkout of an earlier commit, all that a run does with a file is compared instead: looking at it, decoding it
and fitting it for the network. Commits up to 8937108 read by MONAI, by chains in `medsynth/data/readers.py`.

    git worktree add ../before 8937108
    python benchmarks/reading.py --before ../before
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

_NEW = """
from medsynth.reading import read

def load(path):
    return read(path).channels_first()
"""
_MONAI = """
import warnings
warnings.simplefilter("ignore")
import numpy as np
from monai.transforms import LoadImage

def load(path):
    reader = "PILReader" if path.suffix == ".png" else "ITKReader"
    return np.asarray(LoadImage(reader=reader, image_only=True, ensure_channel_first=True)(str(path)), np.float32)
"""
_RUN = """
from medsynth.data.config import DataConfig
from {formats} import examine
from {chains} import {decoder}, DomainInfo

decoders = {{}}

def load(path):
    facts = examine(path)
    if facts.format not in decoders:
        arguments = [DomainInfo(facts.eight_bit), DataConfig(size=128), facts.format]
        decoders[facts.format] = {decoder}(*arguments[:{count}])
    return decoders[facts.format].read(path, [0 if facts.format.depth else None])
"""
_NOW = _RUN.format(
    formats="medsynth.data.formats.probing", chains="medsynth.data.formats.chains", decoder="FileDecoder", count=2
)
_BEFORE = _RUN.format(formats="medsynth.data.formats", chains="medsynth.data.readers", decoder="Decoder", count=3)
_MEASURE = """
import json, sys, time
from pathlib import Path

start = time.process_time()
{prepare}
paths = sorted(Path(sys.argv[1]).iterdir())
load(paths[0])
first = time.process_time()
for path in paths[1:]:
    load(path)
print(json.dumps([first - start, time.process_time() - first]))
"""


def write_files(folder: Path, count: int, size: int) -> None:
    """Write `count` DICOM files and PNG files of random values."""
    from PIL import Image
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

    random = np.random.default_rng(0)
    for name in ("dicom", "png"):
        (folder / name).mkdir()
    for k in range(count):
        Image.fromarray(random.integers(0, 256, (size, size), np.uint8)).save(folder / "png" / f"{k:05}.png")
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = MRImageStorage
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{k + 1}"
        data.StudyInstanceUID, data.SeriesInstanceUID, data.PatientID, data.Modality = "1.2", "1.2.3", "p", "MR"
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, k], [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.InstanceNumber = [0.5, 0.5], k + 1
        data.Rows = data.Columns = size
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
        data.RescaleSlope, data.RescaleIntercept = 2, -100
        data.PixelData = random.integers(0, 4096, (size, size), np.uint16).tobytes()
        data["PixelData"].VR = "OW"
        data.save_as(folder / "dicom" / f"{k:05}.dcm", enforce_file_format=True)


def measure(prepare: str, folder: Path, checkout: Path) -> tuple[float, float]:
    """Return CPU seconds to the first array, and for all others, of the medsynth in `checkout`."""
    code = _MEASURE.format(prepare=prepare)
    command = [sys.executable, "-W", "ignore", "-c", code, str(folder)]
    # the folder that Python starts in comes before what is installed
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=checkout)
    first, others = json.loads(done.stdout.splitlines()[-1])
    return first, others


def main() -> None:
    """Print CPU seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--before", type=Path, help="checkout of an earlier commit to compare with")
    options = parser.parse_args()
    here = Path(__file__).resolve().parents[1]
    subjects, other = [(_NEW, here), (_MONAI, here)], "MONAI"
    if options.before:
        subjects, other = [(_NOW, here), (_BEFORE, options.before.resolve())], "before"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, options.files, options.size)
        print(f"{options.files} files of {options.size} x {options.size}, CPU seconds, median of {options.turns} turns")
        print(f"{'':8}{'first file':>24}{'the others':>24}{'ratio first':>14}{'ratio others':>14}")
        for kind in ("dicom", "png"):
            turns = [[measure(code, folder / kind, at) for code, at in subjects] for _ in range(options.turns)]
            new, old = (np.median([turn[k] for turn in turns], axis=0) for k in (0, 1))
            first, others = (statistics.median(turn[0][k] / turn[1][k] for turn in turns) for k in (0, 1))
            row = f"{new[0]:.2f} ({other} {old[0]:.2f})", f"{new[1]:.2f} ({other} {old[1]:.2f})"
            print(f"{kind:8}{row[0]:>24}{row[1]:>24}{first:>14.2f}{others:>14.2f}")


if __name__ == "__main__":
    main()
