"""The reason of a dead letter as a sentence without the values of one message, as ``ops.reason_in_words`` says it."""

from __future__ import annotations

import re

# The same rules, in the same order, as in the function's migration; a test holds that the two agree.
_RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r" is '[^']*', but (.*?) is '[^']*'", r" is not \1"),
        (r"; it is (the number |the text )?'[^']*', but ", "; "),
        (r"; it is (the number |the text )?'[^']*', (which|whose)", r"; it is a text \2"),
        (r"; it is (the number |the text )?'[^']*', ", "; it is "),
        (r"; it is (the number |the text )?'[^']*'", ""),
        (r" is '[^']*', but ", " does not fit: "),
        (r" is '[^']*', (which|whose)", r" is a value \1"),
        (r" is '[^']*', as that", " is that"),
        (r" is '[^']*', ", " is "),
        (r" (before|after) '[^']*', ", r" \1 "),
        (r" \(byte \d+(, near '[^']*')?\)", ""),
        (r" at byte \d+", ""),
        (r", and begins with '[^']*'", ""),
        (r" and says '[^']*' and '[^']*'", ""),
        (r"the charset '[^']*'", "another charset"),
        (r"id '[^']*', but the message is known by id '[^']*'", "another id than the message is known by"),
        (r"[:,]? ?'[^']*'", ""),
        (r'[:,]? ?"[^"]*"', ""),
    )
)


def in_words(reason: str) -> str:
    """Return ``reason`` without what it quotes."""
    for pattern, replacement in _RULES:
        reason = pattern.sub(replacement, reason)
    return reason
