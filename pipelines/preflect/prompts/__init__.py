"""What models are asked, one Markdown file per prompt, and how their replies are read."""

from preflect.prompts.placeholders import is_placeholder
from preflect.prompts.reply import format_directions, parse_reply
from preflect.prompts.template import PromptTemplate, has_prompt, load_prompt

__all__ = ["PromptTemplate", "format_directions", "has_prompt", "is_placeholder", "load_prompt", "parse_reply"]
