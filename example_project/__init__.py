"""A small site that shows converse_stream: sign in, ask, watch the answer grow, stop it, reload the page."""
