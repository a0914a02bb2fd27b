"""REST: conversations, their messages, a message's stream and its stop, for the user who owns them.

`include("converse_stream.api.urls")` mounts it. Authentication, throttling and rendering are the site's own
REST framework settings; permissions, parsers, pages and errors are fixed here.
"""
