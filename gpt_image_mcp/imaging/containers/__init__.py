"""Where PNG, JPEG and WebP files keep metadata, as bytes: pixels are neither decoded nor touched.

Each module reads and writes the XMP packet of its format and finds C2PA provenance. Looking never fails, also
on a file that is damaged or breaks off; writing refuses such a file with ``ValueError``.
"""
