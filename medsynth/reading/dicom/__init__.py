"""DICOM: headers, slices, pixels and series."""
