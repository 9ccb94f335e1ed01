"""Tables from databases, and predictions back."""
