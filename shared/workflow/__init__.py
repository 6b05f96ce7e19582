"""How a bundle's configuration meets the file system, the command line and the user."""

from shared.workflow.enter import enter_bundle
from shared.workflow.paths import bundle_root, new_run_name, tracking_uri, workspace
from shared.workflow.record import hyperparameters, provenance, record_run

__all__ = ["bundle_root", "enter_bundle", "hyperparameters", "new_run_name", "provenance", "record_run", "tracking_uri", "workspace"]
