"""Measuring: metrics, tasks, baselines, reports, and a world with known answers."""
