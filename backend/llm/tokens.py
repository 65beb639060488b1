"""How many tokens a text will be for a large model, before anybody has counted."""


def estimate_tokens(text: str) -> int:
    """Roughly: 4 ASCII characters a token, 2 of any other script (which takes 3 bytes a character)."""
    others = min(len(text), (len(text.encode("utf-8", "replace")) - len(text)) // 2)
    return (len(text) - others) // 4 + others // 2 + 4


def message_tokens(messages: list[dict]) -> int:
    """The same over the texts of a list of messages."""
    return sum(estimate_tokens(message["content"]) for message in messages if isinstance(message.get("content"), str))
