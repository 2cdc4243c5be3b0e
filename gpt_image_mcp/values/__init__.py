"""The values that the wings pass to each other, by subject.

All are frozen. Times are aware ``datetime`` values; sizes are pixels, lengths are bytes. Those about money
are in ``money.py``.
"""
