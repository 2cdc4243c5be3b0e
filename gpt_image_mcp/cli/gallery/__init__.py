"""The history as one web page, with a thumbnail, the prompt, the cost and the children of each image."""
