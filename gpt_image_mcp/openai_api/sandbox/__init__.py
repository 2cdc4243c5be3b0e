"""A stand-in for the OpenAI HTTP API, in process, behind the SDK's transport.

It speaks the same wire format, rejects what the real API rejects, draws deterministic pictures and plays
every documented failure on demand (``failures.py``). Users try the product with it, and tests use it in
place of the API, so it is as strict as the real one.
"""
