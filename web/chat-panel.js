// Chat beside the video, as it happens.

import { ChatRoom } from "/chat-client.js";
import { Composer } from "/chat-composer.js";
import { ChatLine, Emote, useEmotePicture } from "/chat-line.js";
import { EMPTY, withEvent, withGap } from "/chat-log.js";
import { ModeratorMenu } from "/chat-menu.js";
import { mentions } from "/chat-text.js";
import { html, useEffect, usePolling, useRef, useState, viewers } from "/page.js";
import { call, config } from "/session.js";

const NEAR_THE_END = 80; // pixels: whoever reads further up is not pulled down by new messages
const EMOTES_EVERY_SECONDS = 30; // one that is new can be said, and is shown, at once
const REACTIONS = ["👍", "❤️", "😂", "😮", "😢", "👏", "🔥", "🎉", "🤔", "👀", "💯", "🙏"];

const CONNECTION = {
  idle: "",
  connecting: "Connecting…",
  open: "",
  reconnecting: "Reconnecting…",
  closed: "Not connected",
};

/** One room for as long as the panel is there: what is shown of it, and how the connection is doing. */
function useRoom(streamId, user) {
  const [room, setRoom] = useState(null);
  const [state, setState] = useState("idle");
  const [you, setYou] = useState(null);
  const [log, setLog] = useState(EMPTY);
  const [refusal, setRefusal] = useState(null);
  useEffect(() => {
    if (user === undefined) return undefined; // not known yet who is reading
    let opened = null;
    let left = false;
    setLog(EMPTY);
    config().then(({ ws }) => {
      if (left) return;
      const ticket = async () => (user ? (await call("POST", "/chat/tickets")).ticket : null);
      opened = new ChatRoom({ url: ws, streamId, ticket });
      opened.addEventListener("state", ({ detail }) => {
        setState(detail.state);
        if (detail.error) setRefusal(detail.error.message);
      });
      opened.addEventListener("joined", ({ detail }) => {
        setYou(detail.you);
        setLog((before) => ({ ...before, settings: detail.settings }));
      });
      opened.addEventListener("problem", ({ detail }) => setRefusal(detail.message));
      opened.addEventListener("gap", () => setLog(withGap));
      opened.addEventListener("events", ({ detail }) => setLog((before) => detail.events.reduce(withEvent, before)));
      opened.connect();
      setRoom(opened);
    });
    return () => {
      left = true;
      opened?.close();
    };
  }, [streamId, user?.id, user === undefined]);
  return { room, state, you, log, refusal, setRefusal };
}

/** Asked for only while they are `wanted`: messages say themselves where their pictures are. */
function useEmotes(streamId, wanted) {
  const [emotes, setEmotes] = useState([]);
  const look = async () => {
    if (!wanted) return;
    setEmotes((await call("GET", `/streams/${streamId}/emotes`)).items.filter((emote) => emote.status === "ready"));
  };
  usePolling(look, EMOTES_EVERY_SECONDS, [streamId, wanted]);
  return emotes;
}

function Reactions({ counts, emotes, disabled, onReact }) {
  const pictures = Object.fromEntries(emotes.map((emote) => [emote.name, emote.images["28"]]));
  const others = Object.keys(counts).filter((name) => pictures[name]);
  return html`
    <div class="reactions" role="group" aria-label="Reactions" tabindex=${disabled ? 0 : -1}>
      ${[...REACTIONS, ...others].map(
        (name) => html`<button key=${name} type="button" disabled=${disabled} onClick=${() => onReact(name)}>
          <span class="visually-hidden">React with </span>
          ${pictures[name] ? html`<${Emote} name=${name} src=${pictures[name]} />` : name}
          ${counts[name] > 0 && html`<span class="count">${counts[name].toLocaleString()}</span>`}
        </button>`,
      )}
    </div>
  `;
}

function jumpTo(id) {
  const line = document.getElementById(`line-${id}`);
  line?.scrollIntoView({ block: "center" });
  line?.focus();
}

/** What a message replies to: its beginning, if it is still shown here. */
function Quote({ lines, id }) {
  const line = lines.find((each) => each.id === id && !each.gone);
  if (!line) return html`<span class="quote">↪ an earlier message</span>`;
  return html`<button type="button" class="quote" onClick=${() => jumpTo(id)}>↪ <strong>${line.user.username}</strong> <span dir="auto">${line.text}</span></button>`;
}

export function ChatPanel({ streamId, user }) {
  const { room, state, you, log, refusal, setRefusal } = useRoom(streamId, user);
  const [picking, setPicking] = useState(false);
  const emotes = useEmotes(streamId, picking || Object.keys(log.reactions).some((name) => !REACTIONS.includes(name)));
  const picture = useEmotePicture(streamId);
  const [reply, setReply] = useState(null);
  const [held, setHeld] = useState(false);
  const list = useRef(null);
  const following = useRef(true);
  const moderates = you?.role === "owner" || you?.role === "moderator";

  useEffect(() => {
    if (list.current && following.current) list.current.scrollTop = list.current.scrollHeight;
  }, [log.lines]);
  const scrolled = ({ target }) => {
    following.current = target.scrollHeight - target.scrollTop - target.clientHeight < NEAR_THE_END;
  };

  /** What came of it, or null when it was refused, which is then shown. */
  const attempt = async (work) => {
    setRefusal(null);
    setHeld(false);
    try {
      return await work();
    } catch (error) {
      setRefusal(error.message);
      return null;
    }
  };
  const act = (action, fields) => attempt(() => room.command(action, fields));
  const send = async (text) => {
    following.current = true;
    const replyTo = reply?.id ?? null;
    const accepted = await attempt(() => room.send(text, { replyTo }));
    if (accepted) setReply(null);
    setHeld(accepted?.held ?? false);
    return accepted;
  };
  const answer = (line) => {
    setReply(line);
    document.getElementById("message")?.focus();
  };
  const react = (emoji) => {
    setRefusal(null);
    room.react(emoji);
  };

  const message = (line) => html`
    <li key=${line.key} id=${`line-${line.id}`} tabindex="-1" class=${you && mentions(line.text, you.username) ? "speaks-to-you" : ""}>
      ${line.gone
        ? html`<span class="gone"><span class="author">${line.user.username}</span>: message deleted</span>
            ${moderates && html`<button type="button" class="plain" onClick=${() => act("restore", { message_id: line.id })}>Restore</button>`}`
        : html`
            ${line.reply_to && html`<${Quote} lines=${log.lines} id=${line.reply_to} />`}
            <${ChatLine} line=${line} picture=${picture} />
            ${you &&
            html`<span class="about-line">
              <button type="button" class="plain" aria-label=${`Reply to ${line.user.username}`} title="Reply" onClick=${() => answer(line)}>↩</button>
              ${moderates && line.user.id !== you.user_id && html`<${ModeratorMenu} line=${line} act=${act} />`}
            </span>`}
          `}
    </li>
  `;
  const notice = (line) => html`
    <li key=${line.key} class="notice-line">
      ${line.text}
      ${moderates && line.undo && html` <button type="button" class="plain" onClick=${() => act(line.undo.action, { username: line.undo.user.username, user_id: line.undo.user.id })}>Undo</button>`}
    </li>
  `;

  return html`
    <section class="chat" aria-label="Chat">
      <h2>
        Chat
        <span class="figures">
          ${moderates && html`<a href=${`/studio?moderate=${streamId}`}>${log.waiting > 0 ? `${log.waiting} to review` : "Moderate"}</a>`}
          ${log.viewers !== null && html`<span>${viewers(log.viewers)}</span>`}
          <span class="connection" role="status">${CONNECTION[state]}</span>
        </span>
      </h2>
      <div class="log" ref=${list} onScroll=${scrolled} role="log" aria-live="polite" aria-label="Messages" tabindex="0"><ol>
        ${log.lines.map((line) => (line.kind === "notice" ? notice(line) : message(line)))}
      </ol></div>
      <${Reactions} counts=${log.reactions} emotes=${emotes} disabled=${!you || state !== "open"} onReact=${react} />
      ${held && html`<p class="refusal" role="status">A moderator looks at your message first.</p>`}
      ${refusal && html`<p class="refusal error" role="alert">${refusal}</p>`}
      ${user
        ? html`<${Composer} ready=${Boolean(room)} settings=${log.settings} emotes=${emotes} picking=${picking}
            onPicking=${setPicking} reply=${reply} onReplyEnd=${() => setReply(null)} onSend=${send} />`
        : html`<p class="sign-in"><a href=${`/studio?next=${encodeURIComponent(location.pathname)}`}>Sign in</a> to chat.</p>`}
    </section>
  `;
}
