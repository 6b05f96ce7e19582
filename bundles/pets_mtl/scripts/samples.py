"""A phantom to try on the reading page (`make demo`): what is drawn, and which file of it is read."""

SAMPLES = {
    "phantoms": {"number": 4, "breeds": 2, "size": 256, "seed": 5},
    "file": "images/Phantom_Cat_1_1.jpg",
}
