"""Public sets of questions as their publishers write them: one reader a format, for training and measuring alike."""
