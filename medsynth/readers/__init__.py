"""Collecting readers' decisions on images of a run: a page that needs no network, and the table of what they answered.

What is true of an image is in the run and, by way of its name, in the key; the page and the answers know neither.
"""

from __future__ import annotations

from medsynth.readers.keyed_study import ReadingStudy, draw_study, read_key
from medsynth.readers.merging import Merged, keys_near, merge_answers
from medsynth.readers.reading_page import make_reading
from medsynth.readers.shown_images import DIAGNOSE, REAL_OR_SYNTHETIC, TASKS, ShownImage, choose_images, images_of_run

__all__ = [
    "DIAGNOSE",
    "REAL_OR_SYNTHETIC",
    "TASKS",
    "Merged",
    "ReadingStudy",
    "ShownImage",
    "choose_images",
    "draw_study",
    "images_of_run",
    "keys_near",
    "make_reading",
    "merge_answers",
    "read_key",
]
