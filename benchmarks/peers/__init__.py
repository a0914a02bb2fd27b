"""How others do it: each in a file, as its own documentation shows."""
