"""Other spellings of our calls: those of the two predecessor servers, and those that models guess.

Nothing of this is published: a tool list is paid for in every conversation. Exact synonyms are renamed
without a word; where a meaning differs the result says so; what could have no effect is refused, with what
to write instead. Imported with the first call.
"""

from gpt_image_mcp.mcp_app.aliases.binding import bind
from gpt_image_mcp.mcp_app.aliases.translation import Call, translate

__all__ = ["Call", "bind", "translate"]
