"""What is seen of a run: plan, record, history, messages, report."""
