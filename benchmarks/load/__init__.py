"""Many answers and their viewers in several processes: see ../README.md."""
