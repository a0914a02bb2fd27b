"""REST: conversations, their messages and streams, what they have used, for the user who owns them.

`include("converse_stream.api.urls")` mounts it. Authentication, rates and rendering are those of the site's own
REST framework settings; permissions, parsers, pages and errors are fixed here.
"""
