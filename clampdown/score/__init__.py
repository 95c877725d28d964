"""Scores folders of Parquet files, so that a run that was killed continues where it was."""
