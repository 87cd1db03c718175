"""How people log in on the chat page: by a token, at a login elsewhere, or by a proxy."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.web.conftest import MakeSite, Visitor

TOKEN = "a" * 43
LOGIN = """
from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse

router = APIRouter()

@router.get("/login")
def login(back: str = "/"):
    return HTMLResponse(f"<title>Login</title><a href='/enter?back={back}'>Enter</a>")

@router.get("/enter")
def enter(back: str):
    response = RedirectResponse(back)
    response.set_cookie("user", "ada")
    return response

def user(request):
    return request.cookies.get("user")
"""


def test_a_token_is_asked_for_once_and_kept_until_the_tab_is_closed(site: MakeSite, visitor: Visitor) -> None:
    served = site({"auth": {"bearer": {"ada": TOKEN}}}, "Hello Ada.")
    visitor.expected.append("status of 401")
    chat = visitor.open(served.url)
    field, button = chat.page.get_by_label("Token"), chat.page.get_by_role("button", name="Continue")
    field.fill("wrong")
    button.click()
    expect(chat.page.get_by_role("alert")).to_contain_text("refused")
    field.fill(TOKEN)
    button.click()
    chat.say("Hi")
    chat.shows("Hello Ada.")
    chat.reload()
    chat.shows("Hello Ada.")
    assert chat.page.get_by_label("Token").count() == 0
    assert TOKEN not in str(visitor.requests)


@pytest.mark.parametrize(
    ("locale", "direction", "title", "field", "button"),
    [
        ("de-AT", "ltr", "Anmelden", "Token", "Weiter"),
        ("ar", "rtl", "تسجيل الدخول", "الرمز", "متابعة"),
        ("zh-TW", "ltr", "登入", "權杖", "繼續"),
        ("eo", "ltr", "Sign in", "Token", "Continue"),
    ],
)
def test_a_token_is_asked_for_in_the_language_of_the_browser(
    site: MakeSite, visit: Any, locale: str, direction: str, title: str, field: str, button: str
) -> None:
    visitor = visit(locale=locale)
    visitor.expected.append("status of 401")
    chat = visitor.open(site({"auth": {"bearer": {"ada": TOKEN}}}, "Hello Ada.").url)
    expect(chat.page.get_by_role("heading", name=title)).to_be_visible()
    assert chat.page.locator("dialog").evaluate("(dialog) => getComputedStyle(dialog).direction") == direction
    chat.page.get_by_label(field).fill(TOKEN)
    chat.page.get_by_role("button", name=button).click()
    expect(chat.field).to_be_visible()


def test_a_page_that_cannot_be_opened_says_so_in_the_language_of_the_browser(site: MakeSite, visit: Any) -> None:
    visitor = visit(locale="fr-FR")
    visitor.expected.append("status of 401")
    page = visitor.open(site({"auth": {"header": {"user": "X-User", "proxies": ["127.0.0.1"]}}}).url).page
    expect(page.get_by_role("alert")).to_contain_text("pas connecté.")
    visitor.context.set_extra_http_headers({"x-user": "ada"})
    page.get_by_role("button", name="Se connecter").click()
    expect(page.frame_locator("openai-chatkit iframe").get_by_role("textbox").last).to_be_visible()


def redirecting(site: MakeSite, login: str, **page: Any) -> Any:
    config = {
        "auth": {"python": "app.login:user"},
        "routes": [{"python": "app.login:router", "public": True}],
        "server": {"page": {"login": login, **page}},
    }
    return site(config, "Hello Ada.", app__login_py=LOGIN, app__init_py="")


def test_a_user_is_sent_to_the_login_and_comes_back(site: MakeSite, visitor: Visitor) -> None:
    served = redirecting(site, "/login", return_parameter="back")
    visitor.expected.append("status of 401")
    chat = visitor.open(served.url, "/?from=mail")
    chat.page.wait_for_url(re.compile("/login"))
    # A path, not an address: such a login sends nobody to another site.
    assert parse_qs(urlsplit(chat.page.url).query) == {"back": ["/?from=mail"]}
    chat.page.get_by_role("link", name="Enter").click()
    chat.say("Hi")
    chat.shows("Hello Ada.")


def test_a_login_that_leads_back_without_a_login_is_not_visited_again_and_again(
    site: MakeSite, visitor: Visitor
) -> None:
    served = redirecting(site, "/login", return_parameter="back")
    visitor.expected.append("status of 401")
    chat = visitor.open(served.url)
    chat.page.wait_for_url(re.compile("/login"))
    chat.page.goto(served.url)
    expect(chat.page.get_by_role("alert")).to_contain_text("You are not signed in.")
    chat.page.get_by_role("button", name="Sign in").click()
    chat.page.wait_for_url(re.compile("/login"))


@pytest.mark.parametrize(
    "path", ["/?back=https://evil.example/", "/?login=https://evil.example/#https://evil.example/"]
)
def test_a_login_elsewhere_gets_the_pages_own_address_whatever_a_link_says(
    site: MakeSite, visitor: Visitor, path: str
) -> None:
    elsewhere = site({}, name="elsewhere")
    login = f"{elsewhere.url}/sign-in?client=chat"
    served = redirecting(site, login.replace("127.0.0.1", "localhost"), return_parameter="back")
    visitor.expected.append("status of 40")
    visitor.allowed.append(elsewhere.url.replace("127.0.0.1", "localhost"))
    page = visitor.open(served.url, path).page
    page.wait_for_url(re.compile("/sign-in"))
    address = urlsplit(page.url)
    assert address.netloc == urlsplit(elsewhere.url).netloc.replace("127.0.0.1", "localhost")
    assert parse_qs(address.query) == {"client": ["chat"], "back": [f"{served.url}{path}"]}


def test_a_page_behind_a_proxy_says_that_nobody_is_logged_in(site: MakeSite, visitor: Visitor) -> None:
    served = site({"auth": {"header": {"user": "X-User", "proxies": ["127.0.0.1"]}}}, "Hello Ada.")
    visitor.expected.append("status of 401")
    page = visitor.open(served.url).page
    expect(page.get_by_role("alert")).to_contain_text("You are not signed in.")
    # The proxy logs the user in when the page is loaded again.
    visitor.context.set_extra_http_headers({"x-user": "ada"})
    page.get_by_role("button", name="Sign in").click()
    chat = page.frame_locator("openai-chatkit iframe")
    expect(chat.get_by_role("textbox").last).to_be_visible()
