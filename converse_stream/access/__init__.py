"""Who may still look: what viewers take for granted, and the rounds that find out what of it is over."""

from converse_stream.access.claims import Claim, Loss, losses, signing_session
from converse_stream.access.rounds import Rounds, get_rounds

__all__ = ["Claim", "Loss", "Rounds", "get_rounds", "losses", "signing_session"]
