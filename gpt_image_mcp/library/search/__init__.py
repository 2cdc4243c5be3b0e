"""Searching images: the words of a text, the table that keeps them, and the search itself."""
