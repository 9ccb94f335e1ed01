"""Run the pipeline: command line, signals, configuration, embedded S3, plan, record, report, history."""
