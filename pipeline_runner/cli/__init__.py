"""From the command-line arguments to the exit status."""
