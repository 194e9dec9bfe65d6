import pytest

from preflect.errors import ReplyError
from preflect.grading import is_refusal
from preflect.prompts import is_placeholder
from preflect.stages.reply_checks import check_answer


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m sorry, but I can\u2019t assist with that request.",
        "I am sorry, but as an AI language model I cannot provide medical advice.",
        "Sorry, I can't help you with this one. However, here are some resources.",
        "I apologize, but I am unable to fulfill this request.",
        "My apologies, but I'm not able to provide that information.",
        "I cannot help with this.",
        "I can't assist with creating that content.",
        "I won't provide instructions for that.",
        "I must respectfully decline to answer.",
        "As an AI, I don't have personal opinions.",
        "As an AI language model, I cannot browse the internet.",
        "Unfortunately, I am unable to access external websites.",
        "I'm sorry, but I don't see any text to summarise.",
        "This request violates the usage policies.",
        '"I cannot answer that question."',
    ],
)
def test_refusals(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry to hear that your flight was cancelled. Here is a letter to the airline.",
        "I'm sorry, but I can't make it on Friday: my train leaves at noon.",
        "Unfortunately, I cannot attend your wedding in May.",
        "Sorry seems to be the hardest word, as the song has it.",
        "I can't believe how quickly the year has gone.",
        "I cannot help but admire the view from here.",
        "Dear Sir or Madam, I am unable to attend the hearing on 3 May.",
        "The assistant said: I'm sorry, but I can't help with that.",
        "As an AI engineer, I cannot overstate how much clean data matter.",
        "An AI is a program that can help with many tasks.",
        "As an AI, I don't have feelings, but a character might put it so. " + "The sea was calm that morning. " * 20,
    ],
)
def test_answers_that_only_sound_like_refusals(text: str) -> None:
    assert not is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "your answer",
        "[Your improved response]",
        "<response here>",
        "[insert the final answer]",
        "[Insert name of the river]",
        "TODO",
        "TODO: write this",
        "**TBD**",
        "…",
        "...",
        "___",
        "N/A",
        "(your answer here)",
        "The result is [insert result here].",
        "Lorem ipsum dolor sit amet.",
        "placeholder text",
    ],
)
def test_placeholders(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize(
    "text",
    [
        "Yours sincerely,\n[Your Name]",
        "The field is N/A for children under three.",
        "My todo list: milk, eggs.",
        "To do so, open the lid first.",
        "Your answer was right: it is 12.",
        "Write the answer in the margin.",
        "Wrap it in <answer> and </answer>.",
        "[]",
        "{}",
        "+",
        "5",
        "No",
        "See [your text](https://example.org/a).",
        "Wait... what?",
    ],
)
def test_texts_that_only_look_like_placeholders(text: str) -> None:
    assert not is_placeholder(text)


@pytest.mark.parametrize(
    ("text", "finish_reason", "reason"),
    [
        ("The first step is to", "length", "truncated"),
        ("The first", "content_filter", "content_filter"),
        (" \n", "stop", "empty"),
        ("\u200b\ufeff", "stop", "empty"),
        ("[insert answer here]", "stop", "placeholder"),
        ("I'm sorry, but I can't help with that.", "stop", "refusal"),
    ],
)
def test_each_fault_has_its_reason(text: str, finish_reason: str, reason: str) -> None:
    with pytest.raises(ReplyError) as caught:
        check_answer(text, finish_reason)
    assert caught.value.reason == reason


def test_a_plain_answer_passes() -> None:
    check_answer("Lima.", "stop")
