"""A phantom to try on the reading page (`make demo`): what is drawn, and which file of it is read."""

SAMPLES = {
    "phantoms": {"size": [712, 1072], "num_masked": [1, 1], "num_graded": [1, 1], "seed": 5},
    "file": "A. Segmentation/1. Original Images/b. Testing Set/IDRiD_02.jpg",
}
