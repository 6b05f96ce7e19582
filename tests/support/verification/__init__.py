"""What can be asked of a bundle's files without running it: each check takes the bundle's folder and raises.

Functions, not tests, so that a bundle that was broken on purpose can be shown to be found out.
"""

from tests.support.verification.alike import (
    check_evaluation_shares_settings,
    check_inference_repeats_training,
    check_the_network_sees_alike,
)
from tests.support.verification.files import check_configs_can_be_shared, check_files, check_licence
from tests.support.verification.keys import (
    check_expressions,
    check_handlers,
    check_hyper_parameters,
    check_overlays,
    check_processes,
    check_properties_exist,
)
from tests.support.verification.metadata import check_channels, check_metadata, check_versions

CHECKS = (
    check_files,
    check_licence,
    check_configs_can_be_shared,
    check_properties_exist,
    check_hyper_parameters,
    check_handlers,
    check_expressions,
    check_overlays,
    check_processes,
    check_metadata,
    check_versions,
    check_channels,
    check_inference_repeats_training,
    check_evaluation_shares_settings,
    check_the_network_sees_alike,
)

__all__ = ["CHECKS", *(check.__name__ for check in CHECKS)]
