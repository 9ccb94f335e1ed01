"""The behaviour of tasks: their base, identity, parameters and progress."""
