"""One paid call, from plan to settlement."""
