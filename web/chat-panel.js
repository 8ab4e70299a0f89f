// Chat beside the video, as it happens.

import { ChatRoom } from "/chat-client.js";
import { ChatLine } from "/chat-line.js";
import { html, useEffect, useRef, useState } from "/page.js";
import { call, config } from "/session.js";

const SHOWN = 300;
const NEAR_THE_END = 80; // pixels: whoever reads further up is not pulled down by new messages

const CONNECTION = {
  idle: "",
  connecting: "Connecting…",
  open: "",
  reconnecting: "Reconnecting…",
  closed: "Not connected",
};

function withEvent(lines, event) {
  if (event.type === "message") return [...lines, event].slice(-SHOWN);
  if (event.type === "message_deleted") return lines.filter((line) => line.id !== event.message_id);
  if (event.type === "cleared") return [];
  return lines;
}

export function ChatPanel({ streamId, user }) {
  const [room, setRoom] = useState(null);
  const [state, setState] = useState("idle");
  const [lines, setLines] = useState([]);
  const [refusal, setRefusal] = useState(null);
  const list = useRef(null);

  useEffect(() => {
    if (user === undefined) return undefined; // not known yet who is reading
    let opened = null;
    let left = false;
    setLines([]);
    config().then(({ ws }) => {
      if (left) return;
      const ticket = async () => (user ? (await call("POST", "/chat/tickets")).ticket : null);
      opened = new ChatRoom({ url: ws, streamId, ticket });
      opened.addEventListener("state", ({ detail }) => {
        setState(detail.state);
        if (detail.error) setRefusal(detail.error.message);
      });
      opened.addEventListener("problem", ({ detail }) => setRefusal(detail.message));
      opened.addEventListener("gap", () => setLines([]));
      opened.addEventListener("events", ({ detail }) => setLines((before) => detail.events.reduce(withEvent, before)));
      opened.connect();
      setRoom(opened);
    });
    return () => {
      left = true;
      opened?.close();
    };
  }, [streamId, user?.id, user === undefined]);

  useEffect(() => {
    const box = list.current;
    if (box && box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_THE_END + (box.firstElementChild.lastElementChild?.offsetHeight ?? 0)) {
      box.scrollTop = box.scrollHeight;
    }
  }, [lines]);

  const send = async (event) => {
    event.preventDefault();
    const field = event.target.elements.message;
    const text = field.value.trim();
    if (!text) return;
    field.value = "";
    setRefusal(null);
    try {
      await room.send(text);
    } catch (error) {
      setRefusal(error.message);
      if (!field.value) field.value = text; // nothing that somebody wrote is lost
    }
  };

  return html`
    <section class="chat" aria-label="Chat">
      <h2>Chat <span class="connection" role="status">${CONNECTION[state]}</span></h2>
      <div class="log" ref=${list} role="log" aria-live="polite" aria-label="Messages" tabindex="0"><ol>
        ${lines.map(
          (line) => html`
            <li key=${line.id}><${ChatLine} line=${line} /></li>
          `,
        )}
      </ol></div>
      ${refusal && html`<p class="refusal error" role="alert">${refusal}</p>`}
      ${user
        ? html`
            <form onSubmit=${send}>
              <label class="visually-hidden" for="message">Message</label>
              <input id="message" name="message" maxlength="500" autocomplete="off" disabled=${!room}
                placeholder=${room ? "Say something" : "Connecting…"} />
              <button class="primary" disabled=${!room}>Send</button>
            </form>
          `
        : html`<p class="sign-in"><a href=${`/studio?next=${encodeURIComponent(location.pathname)}`}>Sign in</a> to chat.</p>`}
    </section>
  `;
}
