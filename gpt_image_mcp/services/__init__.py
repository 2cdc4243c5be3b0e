"""What the use cases need: inputs, edits, sessions, batches, exports, the history."""
