"""A trained checkpoint to the folder of files that the product runs on."""
