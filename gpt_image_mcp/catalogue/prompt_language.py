"""The language of a prompt: refuses those that are not English, for teams that want English prompts.

It needs no dictionary: a text is not English if it has letters of other scripts, or more small words of other
European languages than English ones. Quoted text does not count, because it is to be drawn as it is.
"""

from __future__ import annotations

import re
import unicodedata

from gpt_image_mcp.errors import InvalidArgument, quoted

# Nothing quoted has its own opening mark in it: from each of many, the search would go on to the end.
_QUOTED = re.compile(
    r"\"[^\"]*\"|“[^“”]*”|«[^«»]*»|„[^„“”]*[“”]|「[^「」]*」|『[^『』]*』|(?<!\w)'[^']*'(?!\w)"
)
_WORD = re.compile(r"[^\W\d_]+")
_ENGLISH = re.compile(
    r"an?|and|are|as|at|by|for|from|in|into|is|its?|no|not|of|on|or|over|that|the|their|there|this|to|under|up|"
    r"was|with|without"
)
# Small words of French, German, Spanish, Italian, Portuguese and Dutch that are not English words too.
_FOREIGN = re.compile(
    r"auf|aus|avec|bei|com|con|da|dans|das|de[ilnrs]?|della|deux|di|dos|du|ein(e[mnrs]?)?|elle|est|gli|het|il|im|"
    r"ist|las|les?|mit|nel|nella|nicht|niet|nos|nous|ohne|para|pas|per|por|pour|que|qui|sans|sin|sobre|sont|sous|"
    r"sul|tra|um|uma|una|und|une|uno|unter|van|vo[mnr]|voor|zum?|zur"
)


def require_english(prompt: str) -> None:
    """Refuses a prompt that is not English outside quoted text.

    Raises:
        InvalidArgument: Naming the word that gave it away.
    """
    words = [word.lower() for word in _WORD.findall(_QUOTED.sub(" ", prompt))]
    other_script = next((word for word in words if not _is_latin(word)), "")
    foreign = [word for word in words if _FOREIGN.fullmatch(word)]
    english = sum(_ENGLISH.fullmatch(word) is not None for word in words)
    if other_script or len(foreign) > english:
        word = other_script or foreign[0]
        message = f"The prompt is not English ({quoted(word)}), which GPT_IMAGE_PROMPT_LANGUAGE demands."
        raise InvalidArgument(
            message,
            next_step="Translate the prompt to English and call again; put text that is to be drawn as it is "
            "in quotes.",
        )


def _is_latin(word: str) -> bool:
    return all("LATIN" in unicodedata.name(letter, "") for letter in word)
