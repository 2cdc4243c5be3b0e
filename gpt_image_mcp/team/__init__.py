"""A library that several people are served: who they are, what they may spend, and who watches over it."""
