"""The decoder in C: `library` compiles it for this processor, `Batch` runs it."""
