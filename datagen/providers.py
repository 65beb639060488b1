"""The providers that stories can come from, each a module that is imported when it is chosen."""

import importlib

PROVIDERS = {"storyteller": "datagen.storyteller.provider:StorytellerProvider"}


def load_provider(name: str):
    """The provider of that name."""
    module, _, attribute = PROVIDERS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)()
