"""A conversation with a server: input lines become requests, and client tools and questions are answered."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from runtime.cli.display import one_line
from runtime.cli.terminal.answer import AnswerView, content_text
from runtime.cli.terminal.client import ChatClient, ChatFault, user_input
from runtime.cli.terminal.draw import Choice
from runtime.cli.terminal.input import LineSource, answer_questions, fill_form, read_json
from runtime.errors import UsageError

HELP = """\
/N [JSON]       pick number N: a start prompt, or an action of the widgets above (JSON is merged into its payload)
/threads        list your threads
/open ID        continue a thread (by its id, or by its number in the list: 1 is the newest)
/new            start a new thread
/retry          answer the last message again
/rename TITLE   set the title of the thread
/delete         delete the thread
/help           show this list
/quit           end the conversation (as Ctrl-D does)
Type two slashes for a message that starts with one: //like this"""

_Params = Mapping[str, Any]
_Request = tuple[str, _Params]


class Conversation:
    """A conversation in one thread at a time of one server."""

    def __init__(self, client: ChatClient, lines: LineSource, console: Console, *, as_json: bool = False) -> None:
        self.client, self.lines, self.console = client, lines, console
        self.failed = False
        self.thread_id: str | None = None
        self._as_json = as_json
        self._last_user_item: str | None = None
        self._choices: list[Choice] = []
        self._prompts: list[str] = []
        self._listed: list[str] = []

    # Lines

    def take(self, line: str) -> bool:
        """Run a command or send a message; return False if the line ends the conversation."""
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
            # At a terminal, Ctrl-C stops the answer; a second one, at the prompt, ends the conversation.
            if not self.lines.interactive:
                raise
            self._print("\n(stopped)", style="yellow")
        return True

    def _command(self, text: str) -> None:
        name, _, rest = text[1:].partition(" ")
        if name.isdigit():
            self._pick(int(name), rest.strip())
            return
        commands = {
            "help": lambda: self._print(HELP),
            "threads": self.list_threads,
            "open": lambda: self.open(rest.strip()),
            "new": self.begin,
            "retry": self.retry,
            "rename": lambda: self.rename(rest.strip()),
            "delete": self.delete,
        }
        command = commands.get(name)
        if command is None:
            raise UsageError(f"unknown command {one_line(f'/{name}')!r} (/help lists the commands)")
        command()

    def greet(self) -> None:
        """Print the start screen, whose prompts can be picked by number."""
        if self._as_json:
            return
        screen = self.client.start_screen()
        if screen.get("greeting"):
            self._print(one_line(screen["greeting"]), style="bold")
        prompts = [prompt for prompt in screen.get("prompts") or [] if isinstance(prompt, dict)]
        self._prompts = [str(prompt.get("prompt", "")) for prompt in prompts]
        for number, prompt in enumerate(prompts, 1):
            self._print(f"  /{number} {one_line(prompt.get('label'))}", style="cyan")
        if self.lines.interactive:
            self._print("(/help lists the commands)", style="dim")

    # Turns

    def say(self, text: str) -> None:
        """Send a message; the first one creates the thread."""
        if self.thread_id is None:
            self._run_turn(("threads.create", {"input": user_input(text)}))
        else:
            self._run_turn(("threads.add_user_message", {"thread_id": self.thread_id, "input": user_input(text)}))

    def retry(self) -> None:
        """Ask the server to answer the last message again."""
        if self.thread_id is None or self._last_user_item is None:
            raise UsageError("there is no message to answer again")
        self._run_turn(("threads.retry_after_item", {"thread_id": self.thread_id, "item_id": self._last_user_item}))

    def _pick(self, number: int, extra: str) -> None:
        if self._choices and 1 <= number <= len(self._choices):
            self._act(self._choices[number - 1], extra)
        elif not self._choices and 1 <= number <= len(self._prompts):
            if extra:
                raise UsageError(f"{one_line(extra)!r}: a start prompt takes no JSON")
            self.say(self._prompts[number - 1])
        else:
            raise UsageError(f"no choice has the number {number}")

    def _act(self, choice: Choice, extra: str) -> None:
        payload = fill_form(choice, extra, self.lines, self.console)
        if not choice.action:
            raise UsageError(f"{choice.label!r} has no action")
        if choice.handler == "client":
            self._print(f"the page would handle {one_line(choice.action)}: {one_line(json.dumps(payload))}")
        else:
            action = {"type": choice.action, "payload": payload}
            params = {"thread_id": self.thread_id, "item_id": choice.item_id, "action": action}
            if choice.streaming:
                self._run_turn(("threads.custom_action", params))
            else:
                self._sync_action(params)

    def _sync_action(self, params: _Params) -> None:
        answer = self.client.call("threads.sync_custom_action", params)
        self._print_json(answer)
        view = AnswerView(self.console, self.thread_id, self._last_user_item)
        if answer.get("updated_item"):
            view.show_item(answer["updated_item"])
        self._store(view)

    def _run_turn(self, request: _Request | None) -> None:
        """Send a streaming request, print its answer, and send the follow-up requests that the answer needs."""
        while request is not None:
            request = self._follow_up(self._stream(*request))

    def _stream(self, type_: str, params: _Params) -> AnswerView:
        is_action = type_ == "threads.custom_action"
        view = AnswerView(
            self.console, self.thread_id, self._last_user_item, shows_user=is_action, can_retry=not is_action
        )
        try:
            for event in self.client.stream(type_, params):
                self._print_json(event)
                view.take(event)
        finally:
            view.finish()
            self._store(view)
        return view

    def _store(self, view: AnswerView) -> None:
        self.thread_id = view.thread_id
        self._last_user_item = view.last_user_item
        self.failed = self.failed or view.failed
        self._choices = view.choices or self._choices

    def _follow_up(self, view: AnswerView) -> _Request | None:
        """Ask for the client tool result or the answers that a turn needs; return the request that sends them."""
        if view.failed:
            return None
        if view.client_tool is not None:
            name = one_line(view.client_tool.get("name"))
            result = read_json(f"result of {name}, as JSON> ", self.lines, self.console)
            if result is None:
                self._fail(f"client tool {name!r} got no result")
                return None
            return "threads.add_client_tool_output", {"thread_id": view.thread_id, "result": result.value}
        if view.questions is not None:
            answers = answer_questions(view.questions, self.lines, self.console)
            params = {"thread_id": view.thread_id, "item_id": view.questions["id"], "input": answers}
            return "threads.add_structured_input", params
        return None

    # Threads

    def begin(self) -> None:
        """Leave the thread and start a new one."""
        self.thread_id = self._last_user_item = None
        self._choices = []
        self.greet()

    def open(self, thread: str, *, show: bool = True) -> None:
        """Continue a thread, given by its id or its number in the last list; `show` prints its messages."""
        if thread.isdigit():
            thread = self._numbered(int(thread)) or thread
        if not thread:
            raise UsageError("which thread? (/threads lists them)")
        meta = self.client.call("threads.get_by_id", {"thread_id": thread})
        page = self.client.call("items.list", {"thread_id": thread, "limit": 100, "order": "desc"})
        items = list(reversed(page.get("data", [])))
        view = AnswerView(self.console if show else Console(quiet=True), meta["id"], shows_user=True)
        if meta.get("title"):
            view.line(one_line(meta["title"]), "bold")
        if page.get("has_more"):
            view.line("(earlier messages are not shown)", "dim")
        for item in items:
            view.show_item(item)
        self._choices = []
        self._store(view)
        if show and items and items[-1].get("status") == "pending":
            self._run_turn(self._follow_up(view))

    def list_threads(self) -> None:
        """List the newest threads, with numbers that `/open` takes."""
        page = self._list()
        self._print_json(page)
        threads = page.get("data", [])
        for number, thread in enumerate(threads, 1):
            title = one_line(thread.get("title")) or self._first_message(thread["id"])
            self._print(f"{number:>3}  {thread['id']}  {str(thread.get('created_at'))[:16]}  {title}")
        if not threads:
            self._print("there are no threads yet", style="dim")

    def _list(self) -> dict[str, Any]:
        page: dict[str, Any] = self.client.call("threads.list", {"limit": 20, "order": "desc"})
        self._listed = [thread["id"] for thread in page.get("data", [])]
        return page

    def _numbered(self, number: int) -> str | None:
        """Return the id of the thread with this number in the last list; load the list if there is none yet."""
        if not self._listed:
            self._list()
        return self._listed[number - 1] if 1 <= number <= len(self._listed) else None

    def _first_message(self, thread: str) -> str:
        if self._as_json:
            return ""
        try:
            page = self.client.call("items.list", {"thread_id": thread, "limit": 1, "order": "asc"})
        except ChatFault:
            # The thread was deleted in the meantime, or access is denied: still show the list.
            return "(no title)"
        for item in page.get("data", []):
            text = " ".join(content_text(item).split())
            if text:
                return one_line(f"“{text[:60]}…”" if len(text) > 60 else f"“{text}”")
        return "(no title)"

    def rename(self, title: str) -> None:
        """Set the title of the thread."""
        if self.thread_id is None or not title:
            raise UsageError("/rename needs a thread and a title")
        thread = self.client.call("threads.update", {"thread_id": self.thread_id, "title": title})
        self._print_json(thread)
        self._print(f"title: {one_line(thread.get('title'))}", style="dim")

    def delete(self) -> None:
        """Delete the thread and start a new one."""
        if self.thread_id is None:
            raise UsageError("there is no thread to delete")
        self.client.call("threads.delete", {"thread_id": self.thread_id})
        self._print("deleted", style="dim")
        self.begin()

    # Output

    def _fail(self, message: str) -> None:
        self.failed = True
        if self._as_json:
            print(f"error: {message}", file=sys.stderr)
        else:
            self._print(f"error: {message}", style="red")

    def _print(self, text: str, style: str = "") -> None:
        self.console.print(text, style=style, soft_wrap=True)

    def _print_json(self, data: Any) -> None:
        if self._as_json:
            print(json.dumps(data, ensure_ascii=False), flush=True)
