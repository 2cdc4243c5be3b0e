"""The OpenAI API: connection, endpoints, errors. The only room that imports ``openai``."""

from gpt_image_mcp.openai_api.connection import OPENAI_BASE_URL
from gpt_image_mcp.openai_api.endpoints import OpenAIApi

__all__ = ["OPENAI_BASE_URL", "OpenAIApi"]
