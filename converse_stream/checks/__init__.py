"""System checks: an error for what cannot run (it stops every command), a warning for what will surprise somebody.

None of them raises anything, whatever the settings are.
"""

from converse_stream.checks.settings import check_settings
from converse_stream.checks.surroundings import check_deployment, check_surroundings

__all__ = ["check_deployment", "check_settings", "check_surroundings"]
