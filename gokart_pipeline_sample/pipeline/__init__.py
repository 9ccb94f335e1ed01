"""What is done: one task a module."""
