"""The smallest run of this bundle, by which tests/bundles verify it in seconds; see tests/support/tiny.py."""

TINY = {
    "keys": {
        "image_size": [64, 64],
        "backbone": "resnet10_narrow",
        "batch_size": 2,
        "unlabelled_batch_size": 2,
        "labelled_fraction": 0.5,
        "validation_fraction": 0.34,
    },
    "golden": {"max_epochs": 3, "learning_rate": 0.003},
    "phantoms": {"volumes": [3, 3, 3], "scale": 0.1, "slice_scale": 0.01, "seed": 1},
    "inferred": "RETOUCH-TrainingSet-Topcon/TRAIN007/oct.mhd",
}
