"""The bundles in MONAI Label's server, which lives in an environment of its own (`requirements.txt`).

What needs MONAI Label is in `shared.label.server`; the rest runs in both environments.
"""

from shared.label.network import network_from

__all__ = ["network_from"]
