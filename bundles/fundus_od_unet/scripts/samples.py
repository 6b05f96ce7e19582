"""A phantom to try on the reading page (`make demo`): what is drawn, and which file of it is read."""

SAMPLES = {
    "phantoms": {"photographs": [1, 1], "scale": 0.4, "seed": 5},
    "file": "Healthy/Stereo Images/N-1-L.jpg",
    # The left view of a stereo photograph: left, top, right, bottom as shares of it.
    "part": (0.0, 0.0, 0.5, 1.0),
}
