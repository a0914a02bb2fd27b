"""Whose pages may open a socket: those of ALLOWED_HOSTS, and never somebody who does not say where they come from."""

from __future__ import annotations

from typing import Any
from urllib.parse import ParseResult

from channels.security.websocket import AllowedHostsOriginValidator, OriginValidator


class OwnPages(OriginValidator):
    """As Channels' own, which lets everybody in who sends no Origin where ALLOWED_HOSTS has `*`."""

    def valid_origin(self, parsed_origin: ParseResult | None) -> bool:
        """Tell whether a page of this origin may connect; `null` and the empty one name no host."""
        if parsed_origin is None or parsed_origin.hostname is None:
            return False
        return bool(super().valid_origin(parsed_origin))


def own_pages(application: Any) -> OwnPages:
    """Return the application behind a check of the Origin."""
    return OwnPages(application, AllowedHostsOriginValidator(application).allowed_origins)
