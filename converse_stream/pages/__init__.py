"""Pages for people: the list of conversations, a conversation, and the forms that act on them; no script needed."""
