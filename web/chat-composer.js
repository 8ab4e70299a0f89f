// What somebody chats with: the field, the emotes to choose from, whom they reply to, and how the room is set.

import { Emote } from "/chat-line.js";
import { modes } from "/chat-log.js";
import { html, useRef } from "/page.js";

function EmotePicker({ emotes, onPick }) {
  return html`
    <div class="emote-picker" role="group" aria-label="Emotes">
      ${emotes.map(
        (emote) => html`<button key=${emote.id} type="button" aria-label=${emote.name} title=${emote.name} onClick=${() => onPick(emote.name)}>
          <${Emote} name="" src=${emote.images["56"]} />
        </button>`,
      )}
    </div>
  `;
}

/** `onSend(text)` answers with what the room said to it, or throws; `reply` is the line that is replied to. */
export function Composer({ ready, settings, emotes, picking, onPicking, reply, onReplyEnd, onSend }) {
  const field = useRef(null);
  const restricted = modes(settings);

  const insert = (name) => {
    const { value, selectionStart: at, selectionEnd: end } = field.current;
    const before = value.slice(0, at);
    const added = `${before && !before.endsWith(" ") ? " " : ""}${name} `;
    field.current.value = before + added + value.slice(end);
    field.current.focus();
    field.current.setSelectionRange(at + added.length, at + added.length);
  };
  const send = async (event) => {
    event.preventDefault();
    const text = field.current.value.trim();
    if (!text) return;
    field.current.value = "";
    onPicking(false);
    if (!(await onSend(text)) && !field.current?.value) field.current.value = text; // nothing that somebody wrote is lost
  };
  const keys = (event) => {
    if (event.key === "Escape") {
      onPicking(false);
      onReplyEnd();
    }
  };
  return html`
    ${restricted.length > 0 && html`<p class="modes">${restricted.join(" · ")}</p>`}
    ${reply &&
    html`<p class="replying">
      <span>Replying to <strong>${reply.user.username}</strong>: <span dir="auto">${reply.text}</span></span>
      <button type="button" class="plain" aria-label="Do not reply" onClick=${onReplyEnd}>✕</button>
    </p>`}
    ${picking && html`<${EmotePicker} emotes=${emotes} onPick=${insert} />`}
    <form onSubmit=${send} onKeyDown=${keys}>
      <label class="visually-hidden" for="message">Message</label>
      <input id="message" name="message" ref=${field} maxlength=${settings?.max_length ?? 500} autocomplete="off" disabled=${!ready}
        placeholder=${ready ? "Say something" : "Connecting…"} />
      <button type="button" class="pick" aria-label="Emotes" aria-expanded=${picking} disabled=${!ready} onClick=${() => onPicking(!picking)}>☺</button>
      <button class="primary" disabled=${!ready}>Send</button>
    </form>
  `;
}
