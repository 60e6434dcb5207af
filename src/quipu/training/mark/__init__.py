"""The round in which the reader marks the answers that nobody marked."""
