"""MONAI Label's application: importable in its own environment alone."""
