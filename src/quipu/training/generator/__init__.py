"""The generator: answer extractor and question writer on one encoder."""
