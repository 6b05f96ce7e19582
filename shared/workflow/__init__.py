"""How a bundle's configuration meets the file system, the command line and the user."""

from shared.workflow.enter import enter_bundle
from shared.workflow.paths import bundle_root, new_run_name, tracking_uri, workspace
from shared.workflow.processes import (
    distribute,
    is_main_process,
    join_process_group,
    leave_process_group,
    local_device,
)
from shared.workflow.record import hyperparameters, provenance, record_run
from shared.workflow.settings import model_settings

__all__ = [
    "bundle_root",
    "distribute",
    "enter_bundle",
    "hyperparameters",
    "is_main_process",
    "join_process_group",
    "leave_process_group",
    "local_device",
    "model_settings",
    "new_run_name",
    "provenance",
    "record_run",
    "tracking_uri",
    "workspace",
]
