"""Processes that can do less than their user may."""
