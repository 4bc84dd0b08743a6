"""Bundles from elsewhere: fetched, judged, and only then put in their place."""
