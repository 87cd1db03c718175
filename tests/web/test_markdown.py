"""Markdown in Chromium: elements in place of HTML, addresses, code, tables, formulas, references, growing texts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.web.gallery import Gallery

pytestmark = pytest.mark.timeout(600)


def _shown(gallery: Gallery, source: str, props: dict[str, Any] | None = None) -> str:
    """Return the HTML of a text, without the attributes that each block has."""
    gallery.write(source, props)
    html = gallery.html(".ck-markdown")
    return re.sub(r' (?:dir="auto"|tabindex="0"|role="group"|class="[\w -]*")', "", html)


ELEMENTS = {
    "a *b* **c** ~~d~~ `e`": "<p>a <em>b</em> <strong>c</strong> <del>d</del> <code>e</code></p>",
    "# One\n\n## Two": "<h2>One</h2><h3>Two</h3>",
    "###### Six": "<h6>Six</h6>",
    "One\n===": "<h2>One</h2>",
    "- a\n- b": "<ul><li>a</li><li>b</li></ul>",
    "- a\n\n- b": "<ul><li><p>a</p></li><li><p>b</p></li></ul>",
    "3. a\n4. b": '<ol start="3"><li>a</li><li>b</li></ol>',
    "- a\n  - b": "<ul><li>a<ul><li>b</li></ul></li></ul>",
    "> a\n> b": "<blockquote><p>a\nb</p></blockquote>",
    "a  \nb": "<p>a<br>b</p>",
    "---": "<hr>",
    r"\*a\* \_": "<p>*a* _</p>",
    "[x][1]\n\n[1]: https://example.com": (
        '<p><a href="https://example.com" target="_blank" rel="noopener noreferrer nofollow">x</a></p>'
    ),
}


@pytest.mark.parametrize("source", ELEMENTS)
def test_markdown_is_drawn_by_elements(gallery: Gallery, source: str) -> None:
    assert _shown(gallery, source) == ELEMENTS[source]


ENTITIES = {
    "&copy; &eacute; &Ouml; &nbsp;&hellip;": "\u00a9 \u00e9 \u00d6 \u00a0\u2026",
    "&lt;b&gt; &amp; &quot;": '<b> & "',
    "&#233; &#xE9; &#x1F600;": "\u00e9 \u00e9 \U0001f600",
    "&Omega; &omega; &sigmaf; &rarr; &euro; &infin;": "\u03a9 \u03c9 \u03c2 \u2192 \u20ac \u221e",
    "&nosuchname; &copy &constructor; AT&T": "&nosuchname; &copy &constructor; AT&T",
    "&#0; &#xD800; &#9999999;": "\ufffd \ufffd \ufffd",
}


@pytest.mark.parametrize("source", ENTITIES)
def test_character_references_are_decoded_in_text(gallery: Gallery, source: str) -> None:
    gallery.write(source)
    assert gallery.page.locator("p").text_content() == ENTITIES[source]


def test_code_is_shown_as_it_is(gallery: Gallery) -> None:
    gallery.write("`&copy; <b>`\n\n```html\n&copy; <script>x</script>\n```")
    assert gallery.page.locator("p code").text_content() == "&copy; <b>"
    assert gallery.page.locator("pre code").text_content() == "&copy; <script>x</script>"


HTML = [
    "<script>document.title = 'x'</script>",
    "<img src=x onerror=\"document.title='x'\">",
    'a <b onclick="x">b</b> c',
    "<div style='position:fixed'>\n\n*a*\n\n</div>",
    "<!-- a comment -->",
    "<svg><a xlink:href='javascript:x'>a</a></svg>",
    "| a |\n|---|\n| <iframe src=x></iframe> |",
]


@pytest.mark.parametrize("source", HTML)
def test_html_is_text(gallery: Gallery, source: str) -> None:
    gallery.write(source)
    known = "p, em, strong, div.ck-markdown, div.ck-table, table, thead, tbody, tr, th, td"
    assert gallery.page.locator(f".ck-markdown :not({known})").count() == 0
    markup = re.findall(r"<[^>]+>", source)
    said = gallery.page.locator(".ck-markdown").text_content() or ""
    assert [tag for tag in markup if tag not in said] == []


def test_a_line_break_of_html_is_one(gallery: Gallery) -> None:
    assert _shown(gallery, "a<br>b<br />c") == "<p>a<br>b<br>c</p>"


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:x",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:x",
        "/page",
        "#a",
        "page",
        "java&#115;cript:x",
        "&#106;avascript:x",
        "java&Tab;script:x",
        "\\x01javascript:x",
    ],
)
def test_a_link_of_another_scheme_is_its_text(gallery: Gallery, address: str) -> None:
    gallery.write(f"[words]({address}) ![image]({address}) <{address}>")
    expect(gallery.page.locator(".ck-markdown a, .ck-markdown img")).to_have_count(0)
    expect(gallery.page.locator(".ck-markdown")).to_contain_text("words image")


@pytest.mark.parametrize(
    "address", ["https://example.com/a?b=c&d=e", "http://example.com/", "mailto:a@example.com", "tel:+49123"]
)
def test_a_link_of_a_known_scheme_is_one(gallery: Gallery, address: str) -> None:
    gallery.write(f"[words]({address} 'title')")
    link = gallery.page.get_by_role("link", name="words")
    expect(link).to_have_attribute("href", address)
    expect(link).to_have_attribute("title", "title")
    assert (link.get_attribute("target") == "_blank") == address.startswith("http")


def test_addresses_in_text_are_links(gallery: Gallery) -> None:
    gallery.write("See https://example.com/x, www.example.org and a@example.com.")
    addresses = [link.get_attribute("href") for link in gallery.page.locator("a").all()]
    assert addresses == ["https://example.com/x", "http://www.example.org", "mailto:a@example.com"]


@pytest.mark.parametrize(
    ("hosts", "shown"),
    [(["example.com"], ["img.example.com"]), (None, ["img.example.com", "evil-example.com"]), ([], [])],
)
def test_images_come_from_the_hosts_that_the_thread_allows(
    gallery: Gallery, hosts: list[str] | None, shown: list[str]
) -> None:
    source = (
        "![a](https://img.example.com/a) ![b](https://evil-example.com/b) ![c](http://img.example.com/c) ![d](x.png)"
    )
    # In one go, so that no image is asked for.
    html = gallery.page.evaluate(
        """(props) => {
          gallery.write(props);
          const html = document.querySelector('.ck-markdown').innerHTML;
          gallery.write({ source: '' });
          return html;
        }""",
        {"source": source, "imageHosts": hosts},
    )
    assert re.findall(r'\bsrc="https://([^/"]+)/', html) == shown
    assert len(re.findall(r"<img", html)) == len(shown)
    assert len(re.findall(r"<a ", html)) == 3 - len(shown)


def test_code_is_copied_by_its_button(gallery: Gallery) -> None:
    gallery.write("```python\nprint('&amp;')\n```")
    expect(gallery.page.locator("figcaption")).to_contain_text("python")
    gallery.page.get_by_role("button", name="Copy").click()
    expect(gallery.page.get_by_role("button", name="Copied")).to_be_visible()
    assert gallery.page.evaluate("navigator.clipboard.readText()") == "print('&amp;')"


def test_code_and_tables_are_scrolled_by_the_keyboard(gallery: Gallery) -> None:
    gallery.write("```\nx\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |")
    for selector in ("pre", ".ck-table"):
        gallery.page.locator(selector).focus()
        expect(gallery.page.locator(selector)).to_be_focused()


def test_a_table_has_its_alignments(gallery: Gallery) -> None:
    gallery.write("| a | b | c |\n|:--|:-:|--:|\n| 1 | **2** | 3 |")
    sides = [cell.evaluate("(cell) => getComputedStyle(cell).textAlign") for cell in gallery.page.locator("td").all()]
    assert sides == ["start", "center", "end"]
    expect(gallery.page.get_by_role("columnheader")).to_have_text(["a", "b", "c"])


def test_a_list_of_tasks_has_its_boxes_once(gallery: Gallery) -> None:
    gallery.write("- [x] done\n- [ ] open\n\n1. [x] one\n\n   more")
    boxes = gallery.page.get_by_role("checkbox")
    assert [(box.is_checked(), box.is_disabled()) for box in boxes.all()] == [(True, True), (False, True), (True, True)]
    expect(boxes.first).to_have_accessible_name("done")
    assert "[" not in (gallery.page.locator(".ck-markdown").text_content() or "")


FORMULAS = {
    "The sum $a^2 + b^2$ is": "a2+b2",
    r"The sum \(a^2 + b^2\) is": "a2+b2",
    "$$\\frac{1}{2}$$": "12",
    "Text\n\n\\[\n\\sqrt{x}\n\\]\n\nmore": "x",
    "- $x_1$": "x1",
}


@pytest.mark.parametrize("source", FORMULAS)
def test_a_formula_is_mathml(gallery: Gallery, source: str) -> None:
    gallery.write(source)
    formula = gallery.page.locator("math")
    expect(formula).to_have_count(1)
    row = formula.locator("semantics > :first-child")
    assert re.sub(r"\s", "", row.text_content() or "") == FORMULAS[source]
    expect(gallery.page.locator(".ck-markdown code")).to_have_count(0)


@pytest.mark.parametrize("source", ["$5 and $10", "costs $5, $6", "a $ b $ c", "`$x$`", r"\$x\$", "US$ 3 or US$ 4"])
def test_a_price_is_no_formula(gallery: Gallery, source: str) -> None:
    gallery.write(source)
    expect(gallery.page.locator(".ck-markdown")).to_contain_text(source.strip("`").replace("\\", ""))
    expect(gallery.page.locator("math")).to_have_count(0)


@pytest.mark.parametrize(
    "tex",
    [
        r"\frac{1}{",
        r"\nosuch",
        r"\href{javascript:x}{y}",
        r"\def\a{\a\a}\a",
        r"\includegraphics{https://example.com/x.png}",
    ],
)
def test_what_is_no_formula_is_shown_as_its_source(gallery: Gallery, tex: str) -> None:
    gallery.write(f"$${tex}$$")
    expect(gallery.page.locator(".ck-markdown")).to_contain_text(tex)
    expect(gallery.page.locator("math a[href], math img, .ck-markdown img")).to_have_count(0)


def _source(title: str, index: int | None) -> dict[str, Any]:
    return {
        "type": "annotation",
        "source": {"type": "url", "title": title, "url": "https://example.com"},
        "index": index,
    }


REFERENCES = {
    ("One. Two.", 4): "<p>One.<sup>A</sup> Two.</p>",
    ("One. Two.", None): "<p>One. Two.<sup>A</sup></p>",
    ("One.", 99): "<p>One.<sup>A</sup></p>",
    ("\U0001f600 b. c", 4): "<p>\U0001f600 b.<sup>A</sup> c</p>",
    ("**bold** c", 8): "<p><strong>bold</strong><sup>A</sup> c</p>",
    ("_soft_ c", 6): "<p><em>soft</em><sup>A</sup> c</p>",
    ("**bold** c", 4): "<p><strong>bo<sup>A</sup>ld</strong> c</p>",
    ("a `code` b", 5): "<p>a <code>code</code><sup>A</sup> b</p>",
    ("- a\n- b\n", 3): "<ul><li>a<sup>A</sup></li><li>b</li></ul>",
    ("One\n\nTwo", 5): "<p>One<sup>A</sup></p><p>Two</p>",
    ("One\n\nTwo", 3): "<p>One<sup>A</sup></p><p>Two</p>",
    ("# One\n\nTwo", 5): "<h2>One<sup>A</sup></h2><p>Two</p>",
    ("", None): "",
}


@pytest.mark.parametrize(("source", "index"), REFERENCES)
def test_a_reference_is_put_after_its_character(gallery: Gallery, source: str, index: int | None) -> None:
    assert _shown(gallery, source, {"annotations": [_source("A", index)]}) == REFERENCES[source, index]


def test_references_of_one_place_are_drawn_together_and_others_in_order(gallery: Gallery) -> None:
    annotations = [_source("C", 8), _source("A", 3), _source("B", 3)]
    assert _shown(
        gallery, "One two three", {"annotations": annotations}
    ) == "<p>One<sup>A,B</sup> two <sup>C</sup>three</p>".replace(" <sup>C</sup>three", "<sup>C</sup> three")


def test_a_reference_in_a_link_a_table_or_code_follows_it(gallery: Gallery) -> None:
    link = "[words](https://example.com) b"
    gallery.write(link, {"annotations": [_source("A", 3)]})
    expect(gallery.page.locator("a")).to_have_text("words")
    expect(gallery.page.locator("a + sup")).to_have_text("A")
    for source in ("```\nx = 1\n```", "| a |\n|---|\n| 1 |"):
        gallery.write(source, {"annotations": [_source("A", 6)]})
        expect(gallery.page.locator(".ck-markdown > sup:last-child")).to_have_text("A")
        expect(gallery.page.locator(".ck-markdown > sup")).to_have_count(1)


def test_a_deep_link_is_given_to_the_page(gallery: Gallery) -> None:
    gallery.write("[words](chatkit-link://order/7?a=b)")
    gallery.page.get_by_role("link", name="words").click()
    assert gallery.page.evaluate("gallery.deepLinks()") == ["chatkit-link://order/7?a=b"]


DOCUMENT = """# Title

A paragraph with **bold**, `code`, [a link](https://example.com) and [a reference][1].
Its second line

Setext
===

- one
- two

  loose
- three
   1. inner
   2. inner

> quote
> - list

| a | b |
|---|--:|
| 1 | 2 |
| 3 | 4 |

```python
def f():

    return "```"
```

    indented

    more

$$
x^2
y
$$

$$
x

y
$$

<div>
html

</div>

text
***
* a
+ b
1. c

[1]: https://example.com "title"

last line with [a reference][1] &copy; $x$
"""


@pytest.mark.parametrize("step", [1, 3, 7, 50])
def test_a_text_that_grows_has_the_blocks_of_the_whole_text(gallery: Gallery, step: int) -> None:
    assert gallery.page.evaluate("([source, step]) => gallery.grow(source, step)", [DOCUMENT, step]) is None


HALF = {
    "some **bo": "<p>some <strong>bo</strong></p>",
    "some **": "<p>some </p>",
    "some `co": "<p>some <code>co</code></p>",
    "see [the docs](https://exa": "<p>see the docs</p>",
    "![image](https://exa": "<p>image</p>",
    "a ~~b": "<p>a <del>b</del></p>",
    "- a **b": "<ul><li>a <strong>b</strong></li></ul>",
    "2 * 3": "<p>2 * 3</p>",
    "```js\nlet a": None,
}


@pytest.mark.parametrize("source", HALF)
def test_half_of_a_mark_is_not_shown_while_the_text_grows(gallery: Gallery, source: str) -> None:
    html = _shown(gallery, source, {"streaming": True})
    if HALF[source] is None:
        expect(gallery.page.locator("pre code")).to_have_text("let a")
    else:
        assert html == HALF[source]


def test_blocks_before_the_last_keep_their_elements_while_the_text_grows(gallery: Gallery) -> None:
    gallery.write("# One\n\nTwo\n\nThr", {"streaming": True})
    gallery.page.evaluate(
        "document.querySelectorAll('.ck-markdown > *').forEach((element, index) => element.id = `kept${index}`)"
    )
    gallery.write("# One\n\nTwo\n\nThree\n\nFour", {"streaming": True}, fresh=False)
    assert [element.get_attribute("id") for element in gallery.page.locator(".ck-markdown > *").all()] == [
        "kept0",
        "kept1",
        "kept2",
        None,
    ]


def test_each_block_has_the_direction_of_its_own_text(gallery: Gallery) -> None:
    gallery.write("English\n\n\u0634\u0643\u0631\u0627 you\n\n- \u0634\u0643\u0631\u0627")
    ways = [
        element.evaluate("(element) => getComputedStyle(element).direction")
        for element in gallery.page.locator(".ck-markdown > *").all()
    ]
    assert ways == ["ltr", "rtl", "rtl"]
