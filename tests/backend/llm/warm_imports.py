"""What a fork shall find imported and read already."""

import backend.llm.calls
import backend.llm.openai_provider
import datagen.progress
import datagen.stories
from datagen.checks import StoryReader
from datagen.prompts import Prompts
from datagen.storyteller.teller import load_storyteller

IMPORTED = (backend.llm.calls, backend.llm.openai_provider, datagen.progress, datagen.stories)
StoryReader()
Prompts("english")
load_storyteller("english")
