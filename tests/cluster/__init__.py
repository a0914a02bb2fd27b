"""A site of many processes on one machine: for people (`make cluster`), and for tests that break it."""
