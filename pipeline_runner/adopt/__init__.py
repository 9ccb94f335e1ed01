"""Make the project one's own: another table, another name."""
