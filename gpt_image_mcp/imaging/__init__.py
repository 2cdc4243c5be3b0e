"""Pixels only: formats, regions, masks, compositing, previews."""
