"""Where data comes from and goes to: tables, S3, the embedded S3 server, file formats."""
