"""What models accept and what they cost."""
