"""Parts shared by the MONAI Eye Bundles: networks, losses, metrics, data handling, engines and drawing."""

__version__ = "0.1.0"
