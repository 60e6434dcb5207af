"""The steps of answering: each finds what may answer and describes it by features; none knows a threshold."""
