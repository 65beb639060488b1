"""An offline storyteller: a story grammar, not a language model."""
