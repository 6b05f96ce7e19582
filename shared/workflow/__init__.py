"""How a bundle's configuration meets the file system, the command line and the user."""

from shared.workflow.enter import enter_bundle
from shared.workflow.paths import bundle_root, new_run_name, tracking_uri, workspace

__all__ = ["bundle_root", "enter_bundle", "new_run_name", "tracking_uri", "workspace"]
