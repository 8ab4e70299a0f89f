"""Whatever somebody types into chat, in everybody's browser it is text; and whose room is gone is out of it."""

from __future__ import annotations

import re

import httpx
import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, WebSocket, expect

from tests.chat_protocol import Protocol
from tests.e2e.local_stack import LocalStack
from tests.e2e.test_first_light import sign_in

# After the OWASP cheat sheet on filter evasion and PortSwigger's: markup, attributes, addresses, encodings, templates.
CORPUS = [
    "<script>executed()</script>",
    "<ScRiPt src=//attacker.example/x.js></sCrIpT>",
    "<scr<script>ipt>executed()</scr</script>ipt>",
    "</li></ol></div><script>executed()</script>",
    "<img src=x onerror=executed()>",
    '"><img src=x onerror="executed()">',
    "'><svg/onload=executed()>",
    "<svg><animate onbegin=executed() attributeName=x dur=1s>",
    "<svg><a xlink:href=javascript:executed()><text y=20>x</text></a></svg>",
    "<math><mi//xlink:href=\"data:x,<script>executed()</script>\">",
    "<iframe srcdoc='<script>parent.executed()</script>'></iframe>",
    "<body onload=executed()>",
    "<details open ontoggle=executed()>x</details>",
    "<input autofocus onfocus=executed()>",
    "<video><source onerror=executed()></video>",
    "<a href=javascript:executed()>click</a>",
    "<style>@import'javascript:executed()';</style>",
    "<base href=//attacker.example/>",
    "<template shadowrootmode=open><script>executed()</script></template>",
    "javascript:executed()",
    "javascript://attacker.example/%0aexecuted()",
    "data:text/html,<script>executed()</script>",
    'https://attacker.example/"onmouseover="executed()',
    "https://attacker.example/'onclick='executed()//",
    "https://attacker.example/<script>executed()</script>",
    "http://javascript:executed()@attacker.example/",
    "&lt;script&gt;executed()&lt;/script&gt; &#60;img src=x onerror=executed()&#62;",
    "\\u003cscript\\u003eexecuted()\\u003c/script\\u003e %3Cscript%3Eexecuted()%3C/script%3E",
    "${executed()} {{executed()}} {{constructor.constructor('executed()')()}} <%= executed() %>",
    '{"type":"cleared"} __proto__ constructor',
    '"}]},{"type":"message","text":"<img src=x onerror=executed()>"}',
    "@<img/src=x/onerror=executed()> hwWave<img/src=x/onerror=executed()>hwWave",
]  # fmt: skip

# Before anything of the page runs: who executes anything, or tries what the page's policy forbids, is heard of.
LISTEN = """
globalThis.heard = [];
globalThis.executed = () => heard.push("executed");
for (const name of ["alert", "confirm", "prompt"]) globalThis[name] = globalThis.executed;
addEventListener("securitypolicyviolation", (event) => heard.push(event.violatedDirective + " " + event.blockedURI));
"""

# Of all that stands in the log: elements that are not ours, attributes that act, addresses that are not of the web.
STRANGE = """(log) => [...log.querySelectorAll("*")].flatMap((element) => {
  const strange = [];
  if (!["OL", "LI", "SPAN", "STRONG", "A", "IMG", "BUTTON"].includes(element.tagName)) strange.push(element.tagName);
  for (const { name, value } of element.attributes) {
    if (name.startsWith("on") || name === "style" || name === "srcdoc") strange.push(`${name}=${value}`);
    if (name === "href" && !/^https?:/.test(element.protocol)) strange.push(value);
    if (name === "src" && !value.startsWith("/emotes/")) strange.push(value);
  }
  if (element.target && !element.rel.includes("noopener")) strange.push(element.outerHTML);
  return strange;
})"""


class Frames:
    """All that goes over the chat sockets of a page."""

    def __init__(self, page: Page) -> None:
        self.sent: list[str] = []
        self.received: list[str] = []
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: self.sent.append(str(frame)))
        socket.on("framereceived", lambda frame: self.received.append(str(frame)))

    def check(self, protocol: Protocol) -> None:
        assert self.sent
        assert self.received
        for frame in self.sent:
            protocol.check_client_frame(msgspec.json.decode(frame))
        for frame in self.received:
            protocol.check_server_frame(frame)


def listening(context: BrowserContext) -> Page:
    context.add_init_script(LISTEN)
    return context.new_page()


@pytest.mark.timeout(300)
def test_nothing_that_is_typed_into_chat_is_executed_and_a_deleted_streams_room_is_closed(
    stack: LocalStack, browser: Browser
) -> None:
    stream = stack.create_stream(title="<img src=x onerror=executed()>")
    talker = stack.register("talker")
    protocol = Protocol(httpx.get(f"{stack.api}/v1/asyncapi.json").json())
    address = f"{stack.web}/watch/{stream.stream_id}"
    with browser.new_context() as typing, browser.new_context() as reading:
        writer, reader = listening(typing), listening(reading)
        for page in (writer, reader):
            page.set_default_timeout(60_000)
        frames = Frames(writer), Frames(reader)
        sign_in(writer, stack, talker.username)
        writer.goto(address)
        reader.goto(address)
        # Before anything is said, everybody is in the room: a function's first call may take longer than a sender waits.
        expect(writer.get_by_role("button", name="React with").first).to_be_enabled()
        field = writer.get_by_role("textbox", name="Message")
        lines = [page.locator(".chat li > span[dir=auto]") for page in (writer, reader)]
        for number, text in enumerate(CORPUS, start=1):
            field.fill(text)
            field.press("Enter")
            expect(lines[0]).to_have_count(number)
        # What the server found an emote in is a picture there.
        wanted = [re.compile(f"^{re.escape(text).replace('hwWave', '(hwWave)?')}$") for text in CORPUS]
        for shown in lines:
            expect(shown).to_have_text(wanted)
        writer.get_by_role("button", name="Reply to").first.click()
        field.fill("A reply quotes it")
        field.press("Enter")
        for page in (writer, reader):
            expect(page.locator(".chat li").last).to_contain_text("A reply quotes it")
            page.locator(".chat li").last.hover()
            assert page.locator(".chat .log").evaluate(STRANGE) == []
            assert page.evaluate("heard") == []
        reader.reload()  # once more, from the history
        expect(reader.locator(".chat li")).to_have_count(len(CORPUS) + 1)
        assert reader.locator(".chat .log").evaluate(STRANGE) == []
        assert reader.evaluate("heard") == []

        stream.owner.api.streams.delete(stream.stream_id)
        for page in (writer, reader):
            expect(page.locator(".chat .connection")).to_have_text(re.compile("Not connected|Reconnecting"))
        for seen in frames:
            seen.check(protocol)
