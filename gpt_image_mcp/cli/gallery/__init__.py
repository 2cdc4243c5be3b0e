"""The history as one web page: thumbnails, what made each image, what it cost and what came of it."""
