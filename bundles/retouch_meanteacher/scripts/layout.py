"""Names of RETOUCH's folders, files, vendors and classes; imports nothing, so that drawing processes start quickly."""

TRAINING_SET, TEST_SET = "RETOUCH-TrainingSet-", "RETOUCH-TestSet-"
SCAN, REFERENCE = "oct", "reference"
VENDORS = ("Cirrus", "Spectralis", "Topcon")
CLASSES = ("IRF", "SRF", "PED")
UNKNOWN_VENDOR = "unknown"
LAYOUTS = """
  as published: <dataset_dir>/RETOUCH-TrainingSet-{Cirrus,Spectralis,Topcon}/TRAIN001/{oct,reference}.{mhd,raw|zraw}
                (or .mha, .nii.gz in place of .mhd; a volume without reference is unlabelled)
  as B-scans:   <dataset_dir>/Cirrus/train/TRAIN001/{orig,mask}/17.png, or .../{images,masks}/Cirrus_TRAIN001_17.png,
                or .../RETOUCH-TrainingSet-Cirrus/TRAIN001/bscan_017_{oct,reference}.png
  as NIfTI:     <dataset_dir>/imagesTr/Cirrus_TRAIN001_0000.nii.gz and labelsTr/Cirrus_TRAIN001.nii.gz"""


def canonical_vendor(text: str) -> str:
    """The vendor that a name or path speaks of, its own spelling for others than RETOUCH's three, or "" in a path."""
    found = [vendor for vendor in VENDORS if vendor.lower() in text.lower()]
    # A widely used preparation script calls its folder so.
    return found[0] if found else "Spectralis" if "spectrailis" in text.lower() else ""
