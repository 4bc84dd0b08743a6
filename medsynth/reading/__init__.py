"""Files to pixels: the one place where medsynth decodes images, and finds them in folders.

`recognize` says who decodes a file, `read_header` what it says about itself, `read` and `iterate` give its pixels,
`scan` the images of a folder with everything that was left out, `group_series` and `choose_series` the DICOM series
among them, and `read_series` one of those as a volume. Nothing here imports torch or MONAI, and ITK only for the
formats that need it.
"""

from medsynth.reading.dicom.series import Choice, Series, choose_series, group_series
from medsynth.reading.display import display_axes, upright, windowed
from medsynth.reading.geometry import pixel_aspects
from medsynth.reading.reader import iterate, read, read_header, read_series, take
from medsynth.reading.recognition import SUFFIXES, Recognized, recognize, stem
from medsynth.reading.records import Header, Image, Kind, NoImageError, Slice
from medsynth.reading.scanning import Found, LeftOut, Scan, Unusable, scan

__all__ = [
    "SUFFIXES",
    "Choice",
    "Found",
    "Header",
    "Image",
    "Kind",
    "LeftOut",
    "NoImageError",
    "Recognized",
    "Scan",
    "Series",
    "Slice",
    "Unusable",
    "choose_series",
    "display_axes",
    "group_series",
    "iterate",
    "pixel_aspects",
    "read",
    "read_header",
    "read_series",
    "recognize",
    "scan",
    "stem",
    "take",
    "upright",
    "windowed",
]
