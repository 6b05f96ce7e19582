"""DICOM in and out: photographs and OCT volumes are read with pydicom, segmentations written with highdicom.

Both packages (extra ``dicom``) are imported only when a DICOM file is met.
"""
