"""What ``doctor`` looks at: settings, installation, folders, database, connection, key and model.

No image is asked for, so nothing is spent. Every check answers; none raises.
"""
