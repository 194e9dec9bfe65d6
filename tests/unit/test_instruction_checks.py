import pytest

from preflect.prompts import load_prompt
from preflect.stages.instruction_checks import find_flaw

PROMPT = load_prompt("self_instruct")
ASKED = f"{PROMPT.system}\n{PROMPT.user}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?!?",
        "Sing.",
        "word " * 700,
        "[Insert instruction here]",
        "<your instruction> about cooking rice",
        "Describe what the people in the picture are doing.",
        "Write a caption for the attached photo.",
        "Transcribe the following audio clip into English.",
        "What breed is the dog in this image?",
        "Summarise the article at https://example.org/news.",
        "Click the link and list the headlines.",
        "Write the instructions only. Do not answer them",
        "I'm sorry, but I can't help with that request.",
    ],
)
def test_invalid_instructions(text: str) -> None:
    flaw = find_flaw(text, ASKED)
    assert flaw is not None
    assert flaw.reason == "invalid_instruction"


@pytest.mark.parametrize(
    "text",
    [
        "Summarise the text above in two sentences.",
        "Translate the following sentence into French.",
        "Find the bug in the code below.",
        "What is the current weather in Oslo?",
        "What's the weather like in Rome today?",
        "Tell me today's headlines.",
        "What time is it?",
        "What is my favourite colour?",
        "How old am I?",
        "Remind me to water the plants at six.",
        "Set an alarm for seven in the morning.",
    ],
)
def test_unanswerable_instructions(text: str) -> None:
    flaw = find_flaw(text, ASKED)
    assert flaw is not None
    assert flaw.reason == "unanswerable"


@pytest.mark.parametrize(
    "text",
    [
        "Name three rivers.",
        "Translate the following sentence into French: The bus is late.",
        "Put the following words in order\napple, zebra, mango",
        "Find the bug in the code below.\n\n```python\nprint(x\n```",
        "'Rain fell on the roof all night.' Rewrite the sentence above in the present tense: keep it short.",
        "The cat sat on the mat.\n\nRewrite the sentence above in the past perfect.",
        "If the current temperature is 20 °C, what is it in Fahrenheit?",
        "I sold 3 of my 10 hens for 4 coins each. What is my profit if each cost 2 coins?",
        "Explain how a camera turns light into an image.",
        "Plan a picture book about a lost kite.",
        "Write an e-mail that declines an invitation to a wedding.",
        "東京から大阪まで新幹線で何時間かかりますか。",
    ],
)
def test_instructions_that_stand_on_their_own(text: str) -> None:
    assert find_flaw(text, ASKED) is None
