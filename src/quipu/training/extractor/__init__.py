"""The extractor: which spans of a passage somebody would ask about."""
