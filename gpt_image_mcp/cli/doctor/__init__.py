"""The checks of ``doctor``: settings, installation, folders, database, connection, key and model.

They make no image, so they cost nothing. A check returns what it found and never raises.
"""
