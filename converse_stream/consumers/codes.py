"""The codes a socket is closed with. All are ours: daphne cannot send a code below 3000."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Closing:
    """Why a socket is closed: a code for programs, and a reason, in words, for people who debug."""

    code: int
    reason: str


NOT_SIGNED_IN = Closing(4401, "not signed in")
SIGNED_OUT = Closing(4401, "signed out")
"""The user has logged out, changed the password, been deleted or shut out since."""
GONE = Closing(4404, "nothing left that you may see")
"""All that the socket followed or watched was deleted, or is somebody else's by now."""
NO_SUCH_PATH = Closing(4404, "no such path")
TOO_SLOW = Closing(4408, "reading too slowly; come back with your cursor")
TOO_LARGE = Closing(4413, "frame too large")
TOO_MANY = Closing(4429, "too many frames")
TOO_MANY_SOCKETS = Closing(4429, "too many viewers")

ALL = (NOT_SIGNED_IN, SIGNED_OUT, GONE, NO_SUCH_PATH, TOO_SLOW, TOO_LARGE, TOO_MANY, TOO_MANY_SOCKETS)
