"""What a message would load when it is opened."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kept.app.mail import specimens
from kept.decide.remote import loads


@pytest.mark.parametrize(
    "text",
    ["<img src=//t.example/p.gif>", "<IMG SRCSET='https://t.example/p 1x'>",
     "<table background='http://t.example/b'>", "<p style='background: url( //t.example)'>",
     "<style>@import '//t.example/a.css'</style>", "<link rel=stylesheet href=/a.css>",
     "<video poster=/x></video>", "<object data=/x></object>", "<iframe></iframe>",
     "<meta http-equiv=Refresh content='0;url=//t.example'>", "<script>1</script>",
     "<svg><image href=//t.example/></svg>", "<base href=//t.example/>",
     "<img srcset='data:,x 1x,https://t.example/p 2x'>", "<img srcset='data:,x, //t.example/p'>",
     r"<p style='background: \75 rl(//t.example)'>", r"<style>@\69mport '//t.example'</style>",
     r"<p style='background: u\rl(//t.example)'>"],
)  # fmt: skip
def test_every_road_out_is_seen(text: str) -> None:
    assert loads(f"<html><body><p>Hello</p>{text}</body></html>")


@given(st.text())
def test_words_load_nothing(text: str) -> None:
    assert loads(f"<p>{html.escape(text)}</p>") == []


def test_links_and_what_comes_along_load_nothing() -> None:
    assert loads('<a href="https://x.example/">x</a><img src="cid:1"><img src="data:,x">') == []
    assert loads('<img srcset="data:,x 1x, data:image/png;base64,a//b 2x,cid:2">') == []


def test_every_letter_has_a_specimen_with_the_worst_in_it() -> None:
    made = dict(specimens())
    assert {"code", "delivery", "received", "incident"} <= set(made)
    assert sum("pixel.invalid" in text for text in made.values()) > 3
    assert all(loads(text) == [] for text in made.values())
    bare = [name for name, text in made.items() if "<title></title>" in text or "<p>" not in text]
    assert bare == [], "letters that say nothing"
