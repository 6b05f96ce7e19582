"""The smallest run of this bundle, by which tests/bundles verify it in seconds; see tests/support/tiny.py."""

TINY = {
    "keys": {
        "image_size": [64, 80],
        "backbone": "resnet18",
        "num_experts": 2,
        "batch_size": 3,
        "accumulation_steps": 2,
    },
    "golden": {},
    "phantoms": {"size": [178, 268], "num_masked": [8, 4], "num_graded": [16, 8], "seed": 3},
    "inferred": "A. Segmentation/1. Original Images/b. Testing Set",
}
