"""Failures of models by the words of many providers: each has the name that says what would help."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

from runtime.assemble.model_failures import ModelFailure, failure_kind


def _kind_of(status: int, message: str) -> str | None:
    request = httpx.Request("POST", "http://localhost/v1")
    return failure_kind(
        openai.APIStatusError(message, response=httpx.Response(status, request=request), body={"message": message})
    )


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "prompt is too long: 210000 tokens > 200000 maximum"),
        (400, "the request exceeds the available context size. try increasing the context size"),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
        (400, "Input is too long for requested model."),
        (400, "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"),
        (400, "The model is loaded with context length of only 4096 tokens, which is not enough"),
        (400, "Please reduce the length of the messages or completion."),
        (400, "This model's maximum prompt length is 131072 but the request contains 140000 tokens."),
        (400, "Range of input length should be [1, 30720]"),
        (422, "inputs tokens + max_new_tokens must be <= 8192. Given: 9000 inputs tokens"),
        (400, "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000"),
    ],
)
def test_an_input_that_is_too_long_is_known_by_its_words(status: int, message: str) -> None:
    assert _kind_of(status, message) == "too_long"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Your credit balance is too low to access the Anthropic API."),
        (402, "Insufficient credits. Add more using https://openrouter.ai/credits"),
        (403, "Your newly created team doesn't have any credits yet."),
        (403, "Key limit exceeded (monthly limit)."),
        (429, "Your account is suspended, please check your plan and billing details"),
        (429, "Your team has either used all available credits or reached its monthly spending limit."),
        (429, "You have reached your specified API usage limits. You will regain access on 2026-12-01"),
        (429, "You exceeded your current quota, please check your plan and billing details."),
    ],
)
def test_no_money_left_is_known_by_its_words(status: int, message: str) -> None:
    assert _kind_of(status, message) == "quota"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Output blocked by content filtering policy"),
        (400, "The prompt could not be submitted: PROHIBITED_CONTENT"),
        (400, "Your request was rejected as a result of our safety system."),
        (400, "Content Exists Risk"),
        (403, "The model requires moderation. Your input was flagged for violence."),
    ],
)
def test_a_filter_is_known_by_its_words(status: int, message: str) -> None:
    assert _kind_of(status, message) == "filtered"


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (429, "Service tier capacity exceeded for this model.", "busy"),
        (429, "You exceeded your current quota, please check your plan and billing. Please retry in 31.5s.", "busy"),
        (529, "Overloaded", "unavailable"),
        (503, "Loading model", "unavailable"),
        (404, "model 'x' not found", "refused"),
        (400, "Invalid value for 'temperature'", "refused"),
    ],
)
def test_other_failures_have_the_name_of_their_status(status: int, message: str, kind: str) -> None:
    assert _kind_of(status, message) == kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "context_length_exceeded", "message": "x"}, "too_long"),
        ({"code": "429", "message": "Slow down."}, "busy"),
        ({"code": 429, "message": "Slow down."}, "busy"),
        ({"code": 503, "status": "UNAVAILABLE", "message": "The model is overloaded."}, "unavailable"),
        ({"status": "RESOURCE_EXHAUSTED", "message": "Resource has been exhausted."}, "busy"),
        ({"type": "overloaded_error", "message": "Overloaded"}, "unavailable"),
        ({"code": 402, "message": "x"}, "quota"),
        ("Internal error", "unavailable"),
    ],
)
def test_an_error_inside_of_a_stream_has_a_name(error: Any, kind: str) -> None:
    assert ModelFailure.of_error(error).kind == kind
