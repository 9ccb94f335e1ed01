"""How tasks behave."""
