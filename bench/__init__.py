"""Benchmarks: figures as ratios against a floor in the same run; never a timed test."""
