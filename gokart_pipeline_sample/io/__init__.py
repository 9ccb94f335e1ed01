"""Input and output: tables, S3, files of the workspace, file formats."""
