"""A conversation: lines go in, requests go out, and what an answer leaves open is asked for and sent."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from runtime.cli.terminal.client import ChatClient, ChatFault, user_input
from runtime.cli.terminal.forms import answer_questions, fill_form, read_json
from runtime.cli.terminal.input import Lines
from runtime.cli.terminal.plain import one_line
from runtime.cli.terminal.turn import Offer, Turn, content_text
from runtime.errors import UsageError

HELP = """\
/N [JSON]       pick number N: a start prompt, or an action of the widgets above (JSON is merged into its payload)
/threads        list your threads
/open ID        go on with a thread (its id, or its number in the list: 1 is the newest)
/new            begin a new thread
/retry          let the last message be answered again
/rename TITLE   give the thread a title
/delete         delete the thread
/help           this list
/quit           end (so does Ctrl-D)
A message that begins with a slash is written with two: //like this"""

_Params = Mapping[str, Any]


class Session:
    """One conversation at a time with one server."""

    def __init__(self, client: ChatClient, lines: Lines, console: Console, *, as_json: bool = False) -> None:
        self.client = client
        self.lines = lines
        self.console = console
        self.failed = False
        self.thread_id: str | None = None
        self._as_json = as_json
        self._last_user_item: str | None = None
        self._offers: list[Offer] = []
        self._prompts: list[str] = []
        self._listed: list[str] = []

    # Lines

    def take(self, line: str) -> bool:
        """Do what a line says; False when it ends the conversation."""
        text = line.strip()
        if text in ("/quit", "/exit", "/q"):
            return False
        try:
            if text.startswith("//"):
                self.say(text[1:])
            elif text.startswith("/"):
                self._command(text)
            elif text:
                self.say(text)
        except (ChatFault, UsageError) as fault:
            self._fail(str(fault))
        except KeyboardInterrupt:
            # At a terminal, Ctrl-C stops the answer; the next one, at the prompt, ends the conversation.
            if not self.lines.interactive:
                raise
            self._tell("\n(stopped)", style="yellow")
        return True

    def _command(self, text: str) -> None:
        name, _, rest = text[1:].partition(" ")
        if name.isdigit():
            self._pick(int(name), rest.strip())
            return
        commands = {
            "help": lambda: self._tell(HELP),
            "threads": self.list_threads,
            "open": lambda: self.open(rest.strip()),
            "new": self.begin,
            "retry": self.retry,
            "rename": lambda: self.rename(rest.strip()),
            "delete": self.delete,
        }
        command = commands.get(name)
        if command is None:
            self._fail(f"there is no command {one_line(f'/{name}')!r} (/help lists them)")
        else:
            command()

    def greet(self) -> None:
        """Show what an empty chat shows, and let its prompts be picked by number."""
        if self._as_json:
            return
        screen = self.client.start_screen()
        if screen.get("greeting"):
            self._tell(one_line(screen["greeting"]), style="bold")
        prompts = [prompt for prompt in screen.get("prompts") or [] if isinstance(prompt, dict)]
        self._prompts = [str(prompt.get("prompt", "")) for prompt in prompts]
        for number, prompt in enumerate(prompts, 1):
            self._tell(f"  /{number} {one_line(prompt.get('label'))}", style="cyan")
        if self.lines.interactive:
            self._tell("(/help lists the commands)", style="dim")

    # Turns

    def say(self, text: str) -> None:
        """Send a message: the first of a thread creates it."""
        if self.thread_id is None:
            self._turn("threads.create", {"input": user_input(text)})
        else:
            self._turn("threads.add_user_message", {"thread_id": self.thread_id, "input": user_input(text)})

    def retry(self) -> None:
        """Let the last message be answered again."""
        if self.thread_id is None or self._last_user_item is None:
            self._fail("there is no message to answer again")
            return
        self._turn("threads.retry_after_item", {"thread_id": self.thread_id, "item_id": self._last_user_item})

    def _pick(self, number: int, extra: str) -> None:
        if self._offers and 1 <= number <= len(self._offers):
            self._act(self._offers[number - 1], extra)
        elif not self._offers and 1 <= number <= len(self._prompts):
            if extra:
                self._fail(f"{one_line(extra)!r}: a start prompt takes no JSON")
            else:
                self.say(self._prompts[number - 1])
        else:
            self._fail(f"there is nothing with the number {number}")

    def _act(self, offer: Offer, extra: str) -> None:
        choice = offer.choice
        payload = fill_form(choice, extra, self.lines, self.console)
        if not choice.action:
            self._fail(f"{choice.label!r} has no action")
        elif choice.handler == "client":
            self._tell(f"the page would handle {one_line(choice.action)}: {one_line(json.dumps(payload))}")
        else:
            action = {"type": choice.action, "payload": payload}
            params = {"thread_id": self.thread_id, "item_id": offer.item_id, "action": action}
            if choice.streaming:
                self._turn("threads.custom_action", params)
            else:
                self._sync_action(params)

    def _sync_action(self, params: _Params) -> None:
        answer = self.client.call("threads.sync_custom_action", params)
        self._print_json(answer)
        turn = Turn(self.console, self.thread_id, self._last_user_item)
        if answer.get("updated_item"):
            turn.show_item(answer["updated_item"])
        self._keep(turn)

    def _turn(self, type_: str, params: _Params) -> None:
        """Send a streaming request, show its answer, and go on with what it asks for until nothing is open."""
        self._go_on((type_, params))

    def _go_on(self, following: tuple[str, _Params] | None) -> None:
        while following is not None:
            turn = self._stream(*following)
            following = self._follow_up(turn)

    def _stream(self, type_: str, params: _Params) -> Turn:
        acts = type_ == "threads.custom_action"
        turn = Turn(self.console, self.thread_id, self._last_user_item, shows_user=acts, can_retry=not acts)
        try:
            for event in self.client.stream(type_, params):
                self._print_json(event)
                turn.take(event)
        finally:
            turn.finish()
            self._keep(turn)
        return turn

    def _keep(self, turn: Turn) -> None:
        self.thread_id = turn.thread_id
        self._last_user_item = turn.last_user_item
        self.failed = self.failed or turn.failed
        self._offers = turn.offers or self._offers

    def _follow_up(self, turn: Turn) -> tuple[str, _Params] | None:
        if turn.failed:
            return None
        if turn.client_tool is not None:
            name = one_line(turn.client_tool.get("name"))
            result = read_json(f"result of {name}, as JSON> ", self.lines, self.console)
            if result is None:
                self._fail(f"client tool {name!r} was left without a result")
                return None
            return "threads.add_client_tool_output", {"thread_id": turn.thread_id, "result": result.value}
        if turn.questions is not None:
            answers = answer_questions(turn.questions, self.lines, self.console)
            params = {"thread_id": turn.thread_id, "item_id": turn.questions["id"], "input": answers}
            return "threads.add_structured_input", params
        return None

    # Threads

    def begin(self) -> None:
        """Leave the thread and begin a new one."""
        self.thread_id = self._last_user_item = None
        self._offers = []
        self.greet()

    def open(self, thread: str, *, show: bool = True) -> None:
        """Go on with a thread, named by its id or by its number in the last list; `show` prints what was said."""
        if thread.isdigit():
            thread = self._numbered(int(thread)) or thread
        if not thread:
            self._fail("which thread? (/threads lists them)")
            return
        meta = self.client.call("threads.get_by_id", {"thread_id": thread})
        page = self.client.call("items.list", {"thread_id": thread, "limit": 100, "order": "desc"})
        items = list(reversed(page.get("data", [])))
        quiet = Console(quiet=True)
        turn = Turn(self.console if show else quiet, meta["id"], shows_user=True)
        if meta.get("title"):
            turn.line(one_line(meta["title"]), "bold")
        if page.get("has_more"):
            turn.line("(earlier messages are not shown)", "dim")
        for item in items:
            turn.show_item(item)
        self._offers = []
        self._keep(turn)
        if show and items and items[-1].get("status") == "pending":
            self._go_on(self._follow_up(turn))

    def list_threads(self) -> None:
        """List the newest threads, with numbers that `/open` takes."""
        page = self._list()
        self._print_json(page)
        threads = page.get("data", [])
        for number, thread in enumerate(threads, 1):
            title = one_line(thread.get("title")) or self._first_words(thread["id"])
            self._tell(f"{number:>3}  {thread['id']}  {str(thread.get('created_at'))[:16]}  {title}")
        if not threads:
            self._tell("there are no threads yet", style="dim")

    def _list(self) -> dict[str, Any]:
        page: dict[str, Any] = self.client.call("threads.list", {"limit": 20, "order": "desc"})
        self._listed = [thread["id"] for thread in page.get("data", [])]
        return page

    def _numbered(self, number: int) -> str | None:
        """The id of the thread with this number in the last list; where nobody asked for one yet, in a new one."""
        if not self._listed:
            self._list()
        return self._listed[number - 1] if 1 <= number <= len(self._listed) else None

    def _first_words(self, thread: str) -> str:
        """How a thread without a title began."""
        if self._as_json:
            return ""
        try:
            page = self.client.call("items.list", {"thread_id": thread, "limit": 1, "order": "asc"})
        except ChatFault:
            # Deleted meanwhile, or not for us: the list is still worth showing.
            return "(no title)"
        for item in page.get("data", []):
            words = " ".join(content_text(item).split())
            if words:
                return one_line(f"“{words[:60]}…”" if len(words) > 60 else f"“{words}”")
        return "(no title)"

    def rename(self, title: str) -> None:
        """Give the thread a title."""
        if self.thread_id is None or not title:
            self._fail("/rename needs a thread and a title")
            return
        thread = self.client.call("threads.update", {"thread_id": self.thread_id, "title": title})
        self._print_json(thread)
        self._tell(f"title: {one_line(thread.get('title'))}", style="dim")

    def delete(self) -> None:
        """Delete the thread and begin a new one."""
        if self.thread_id is None:
            self._fail("there is no thread to delete")
            return
        self.client.call("threads.delete", {"thread_id": self.thread_id})
        self._tell("deleted", style="dim")
        self.begin()

    # Output

    def _fail(self, message: str) -> None:
        self.failed = True
        if self._as_json:
            print(f"error: {message}", file=sys.stderr)
        else:
            self._tell(f"error: {message}", style="red")

    def _tell(self, text: str, style: str = "") -> None:
        self.console.print(text, style=style, soft_wrap=True)

    def _print_json(self, data: Any) -> None:
        if self._as_json:
            print(json.dumps(data, ensure_ascii=False), flush=True)
