"""A wiki that answers questions from its own pages: search, ask, watch the answer, find it under the page again."""
