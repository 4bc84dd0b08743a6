"""Predictions as DICOM structured reports, one for each series."""
