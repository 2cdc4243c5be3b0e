"""The protocol: tools, resources, prompts, and how they are served."""
