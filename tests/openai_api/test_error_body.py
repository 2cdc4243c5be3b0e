"""The shapes in which gateways answer with an error: their words, code and parameter are found in each."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image_mcp.openai_api.error_body import page_title, read_error_body


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"error": {"message": "no", "code": "x", "type": "t"}}, "no", "x"),
        ({"error": {"message": "no", "code": 402}}, "no", "402"),
        ({"error": "no such thing"}, "no such thing", ""),
        ({"error": "insufficient_quota", "message": "Pay first."}, "Pay first.", "insufficient_quota"),
        ({"error": "invalid_request", "error_description": "Wrong."}, "Wrong.", "invalid_request"),
        ({"detail": "Not Found"}, "Not Found", ""),
        ({"detail": {"message": "no", "code": "x"}}, "no", "x"),
        ({"detail": [{"loc": ["body", "size"], "msg": "bad size", "type": "value_error"}]}, "bad size", ""),
        ({"errors": ["one", "two"]}, "one; two", ""),
        ({"errors": [{"code": "x", "message": "one"}, {"message": "two"}]}, "one; two", "x"),
        ({"errors": {"message": "no"}}, "no", ""),
        ({"message": "no", "code": "x"}, "no", "x"),
        ({"msg": "no", "error_code": 7}, "no", "7"),
        ({"message": "no", "code": "²"}, "no", "²"),
        ({"message": "no", "code": "4" * 5000}, "no", "4" * 5000),
        ({"title": "Forbidden", "detail": "No entry.", "status": 403}, "No entry.", ""),
        ([{"error": {"message": "no", "code": "x"}}], "no", "x"),
        (["one", "two"], "one; two", ""),
        ("plain words", "plain words", ""),
        (json.dumps({"error": {"message": "no", "code": "x"}}), "no", "x"),
        ({"success": False, "result": None}, '{"success": false, "result": null}', ""),
        ({}, "", ""),
        (None, "", ""),
        ("7", "7", ""),
    ],
)
def test_words_and_code_are_found_in_every_shape(body: object, message: str, code: str) -> None:
    read = read_error_body(body)
    assert (read.message, read.code) == (message, code)


def test_a_validation_error_names_its_parameter() -> None:
    assert read_error_body({"detail": [{"loc": ["body", "size"], "msg": "bad"}]}).param == "size"


def test_azure_tells_its_code_inside_and_the_categories_that_were_filtered() -> None:
    inner = {
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_result": {"hate": {"filtered": False}, "violence": {"filtered": True}},
    }
    read = read_error_body({"error": {"code": "content_filter", "message": "no", "innererror": inner}})
    assert (read.code, read.inner_code) == ("content_filter", "ResponsibleAIPolicyViolation")
    assert read.categories == ("violence",)


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<!DOCTYPE html><html><head><title>Sign &amp; in</title></head></html>", "Sign & in"),
        ("<html><body><h1>502 <b>Bad</b> Gateway</h1></body></html>", "502 Bad Gateway"),
        ("\n <HTML><TITLE lang='en'>\n Two\n lines </TITLE>", "Two lines"),
        ("<html><body>words</body></html>", ""),
    ],
)
def test_a_page_is_told_by_its_title(page: str, title: str) -> None:
    read = read_error_body(page)
    assert page_title(page) == title
    assert read.is_html
    assert "an HTML page" in read.message
    assert title in read.message


def test_what_only_speaks_of_html_is_no_page() -> None:
    assert page_title("the html of a page") is None
    assert not read_error_body({"error": {"message": "<html> is no image"}}).is_html


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["error", "errors", "detail", "code", "message", "loc", "innererror", "x"]), inner
        )
    ),
)


@given(_JSON)
def test_no_json_breaks_the_reading(body: object) -> None:
    assert isinstance(read_error_body(body).message, str)


def test_deep_nesting_does_not_break_the_reading() -> None:
    body: object = "deep"
    for _ in range(400):
        body = {"error": [body]}
    assert "deep" in read_error_body(body).message
