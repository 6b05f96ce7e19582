"""The smallest run of this bundle, by which tests/bundles verify it in seconds; see tests/support/tiny.py."""

TINY = {
    "keys": {"image_size": [64, 64], "channels": [4, 8, 8, 16], "batch_size": 4},
    "golden": {"max_epochs": 3, "batches_per_epoch": 10, "learning_rate": 0.01},
    "phantoms": {"number": 48, "breeds": 4, "size": 64, "seed": 1},
    "inferred": "images",
}
