"""What an endpoint declines is left out, at the cost of the calls that it took and of nothing else."""

import asyncio

import orjson
import pytest

from backend.llm.http_transport import Reply
from backend.llm.openai_provider import OpenAIProvider
from backend.llm.provider import Refused

SCHEMA = {"type": "json_schema", "json_schema": {"name": "story", "schema": {"type": "object"}}}
ANSWER = {"choices": [{"message": {"content": "Once."}, "finish_reason": "stop"}]}


class Declining:
    """An endpoint that answers 400 to each body for which `complaint` finds something to say."""

    def __init__(self, complaint):
        self.complaint, self.bodies = complaint, []

    async def post(self, body: dict) -> Reply:
        self.bodies.append(body)
        await asyncio.sleep(0)
        if message := self.complaint(body):
            return Reply(400, {}, orjson.dumps({"error": {"message": message}}))
        return Reply(200, {}, orjson.dumps(ANSWER))

    async def close(self) -> None:
        pass


def provider_of(endpoint: Declining) -> OpenAIProvider:
    return OpenAIProvider("m", "http://127.0.0.1:1/v1", transport=lambda *_: endpoint)


async def test_many_calls_at_once_all_do_without_a_parameter_that_is_declined():
    endpoint = Declining(lambda body: "temperature" in body and "Unsupported value: 'temperature'")
    provider = provider_of(endpoint)
    done = await asyncio.gather(*(provider.complete([], temperature=1.0, response_format=SCHEMA) for _ in range(16)))
    assert [answer.text for answer in done] == ["Once."] * 16
    assert sum(answer.calls for answer in done) == len(endpoint.bodies) == 32
    assert all(body["response_format"] == SCHEMA for body in endpoint.bodies), "the format was given up for the parameter's sake"
    assert (await provider.complete([], temperature=1.0)).calls == 1


async def test_a_limit_of_tokens_is_asked_for_by_its_newer_name():
    endpoint = Declining(lambda body: "max_tokens" in body and "Use 'max_completion_tokens' instead of 'max_tokens'")
    done = await provider_of(endpoint).complete([], max_tokens=50)
    assert done.calls == 2 and endpoint.bodies[-1]["max_completion_tokens"] == 50


async def test_all_requests_of_a_prompt_that_is_declined_in_every_form_are_told():
    endpoint = Declining(lambda body: "no")
    with pytest.raises(Refused) as refused:
        await provider_of(endpoint).complete([], response_format=SCHEMA)
    assert refused.value.calls == len(endpoint.bodies) == 4
