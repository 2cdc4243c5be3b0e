"""Searching the images of a library."""
