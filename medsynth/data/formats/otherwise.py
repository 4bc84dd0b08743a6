"""What plain MONAI, which runs a bundle without medsynth, reads in another way than medsynth."""

READ_OTHERWISE = {
    "EXIF orientation": "pictures that their EXIF data turn stay as they are stored",
    "16-bit MINISWHITE": "TIFF files of more than 8 bits in which 0 is white are not inverted",
    "JPEG tagged RGB": "DICOM files whose JPEG data are YCbCr though their header says RGB have wrong colors",
    "per-frame rescale": "frames of enhanced DICOM files stay in stored order, without their own rescaling",
    "shape of pixels": "DICOM files that tell it elsewhere than ITK looks for it (X-ray: ImagerPixelSpacing; MR, CT, "
    "ultrasound: PixelSpacing) are shown as if pixels were square",
    "padding": "what the scanner wrote where it measured nothing has a part in the percentiles and is not darkest",
    "short pixel data": "DICOM files with fewer pixels than they say are filled with anything instead of refused",
}
"""By the name of the kind of files: what happens to them."""
