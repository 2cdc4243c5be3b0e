"""The protocol: tools, resources, prompts, and how they are served."""

from gpt_image_mcp.environment import ignore_dotenv

ignore_dotenv()
