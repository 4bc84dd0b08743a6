"""Translating one's own images with a bundle: files in, files out."""

FORMATS = {"png": ".png", "nifti": ".nii.gz", "dicom": ".dcm"}
"""Formats of translations and their suffixes."""
SIZES = ("network", "native")
"""Slices are resized to the size of training and their translations back, or translated at their own size."""
