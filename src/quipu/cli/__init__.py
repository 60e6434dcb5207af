"""The command line: parse, call the Python API once, print. Progress goes to stderr, results to stdout."""
