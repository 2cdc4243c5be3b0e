"""What image files are made of, as bytes: pixels are neither decoded nor touched.

The modules of PNG, JPEG and WebP read and write the XMP packet of their format and find C2PA provenance.
Looking never fails, also on a file that is damaged or breaks off; writing refuses such a file with
``ValueError``.
"""

# A PNG of 50 MB has as many of 1 kB. Each costs Pillow 20 microseconds at every opening, and the library
# behind WebP memory.
MOST_PARTS = 50_000
