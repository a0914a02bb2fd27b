"""Rates, where a site wants them: `DEFAULT_THROTTLE_RATES` names a scope of ours, or nothing is limited."""

from __future__ import annotations

from typing import Any

from rest_framework.settings import api_settings
from rest_framework.throttling import ScopedRateThrottle


class ConverseThrottle(ScopedRateThrottle):
    """Limit a view by the rate of its scope: `converse_ask`, `converse_follow` or `converse` for all others."""

    # Not `throttle_scope`: that one makes REST framework's own throttle insist on a rate.
    scope_attr = "converse_throttle"

    def get_rate(self) -> Any:
        """Return the rate of the scope, read when it is needed, or None."""
        return api_settings.DEFAULT_THROTTLE_RATES.get(self.scope or "")
