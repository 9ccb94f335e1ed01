"""From rows to a booster."""
