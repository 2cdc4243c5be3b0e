"""The library of images: files a person can open, a metadata file beside each, and one database.

Everything here blocks; the studio runs it in worker threads. Several processes may share a folder and a
database.
"""
