"""The round in which the writer asks about the spans that people asked about."""
