"""Turns the values of the studio into structured content (JSON) and text."""
