"""What a person sees of a run: the plan before it, the report after it, the history of all."""
