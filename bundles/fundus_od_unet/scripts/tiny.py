"""The smallest run of this bundle, by which tests/bundles verify it in seconds; see tests/support/tiny.py."""

TINY = {
    "keys": {"image_size": [64, 48], "patch_size": [48, 48], "channels": [4, 4, 4, 4, 4], "batch_size": 2},
    "golden": {"max_epochs": 3, "learning_rate": 0.02},
    "phantoms": {"photographs": [8, 8], "scale": 0.1, "seed": 1},
    "inferred": "Healthy/Stereo Images/N-1-L.jpg",
}
