"""Tables in CSV and Parquet files."""
