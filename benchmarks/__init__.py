"""What an answer costs, measured side by side: see README.md."""
