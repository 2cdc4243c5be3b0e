"""The OpenAI API: connection, endpoints, errors. The only wing that imports ``openai``."""

from gpt_image_mcp.openai_api.client import OpenAIApi
from gpt_image_mcp.openai_api.connection import OPENAI_BASE_URL

__all__ = ["OPENAI_BASE_URL", "OpenAIApi"]
