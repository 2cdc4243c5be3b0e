"""Values become structured content and text."""
