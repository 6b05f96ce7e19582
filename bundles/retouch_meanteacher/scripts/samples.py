"""A phantom to try on the reading page (`make demo`): what is drawn, and which file of it is read."""

SAMPLES = {
    "phantoms": {"volumes": [1, 1, 1], "scale": 0.25, "slice_scale": 0.125, "seed": 5},
    "file": "RETOUCH-TrainingSet-Spectralis/TRAIN002/oct.mhd",
}
