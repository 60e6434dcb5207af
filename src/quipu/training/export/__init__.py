"""A trained checkpoint to the folder of files that runs without torch."""
