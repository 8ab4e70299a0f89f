// What a moderator may do about one message, where it stands.

import { timeSpan } from "/chat-log.js";
import { html, useState } from "/page.js";

const TIMEOUTS = [60, 600, 3600, 86_400, 1_209_600];
const DELETE = "delete";
const BAN = "ban";

/** `act(action, fields)` carries it out. */
export function ModeratorMenu({ line, act }) {
  const [open, setOpen] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const fields = new FormData(event.target);
    const what = fields.get("what");
    const reason = fields.get("reason").trim() || undefined;
    const about = { username: line.user.username, user_id: line.user.id, reason };
    setOpen(false);
    if (what === DELETE) await act("delete", { message_id: line.id, reason });
    else if (what === BAN) await act("ban", about);
    else await act("timeout", { ...about, seconds: Number(what) });
  };
  const id = `moderate-${line.id}`;
  return html`
    <button type="button" class="plain" aria-expanded=${open} aria-controls=${id} aria-label=${`Moderate ${line.user.username}`}
      title="Moderate" onClick=${() => setOpen(!open)}>⋯</button>
    ${open &&
    html`
      <form id=${id} class="moderate" onSubmit=${submit} onKeyDown=${(event) => event.key === "Escape" && setOpen(false)}>
        <label class="visually-hidden" for=${`${id}-what`}>What to do</label>
        <select id=${`${id}-what`} name="what">
          <option value=${DELETE}>Delete the message</option>
          ${TIMEOUTS.map((seconds) => html`<option value=${seconds}>Time out for ${timeSpan(seconds)}</option>`)}
          <option value=${BAN}>Ban ${line.user.username}</option>
        </select>
        <label class="visually-hidden" for=${`${id}-reason`}>Reason</label>
        <input id=${`${id}-reason`} name="reason" maxlength="300" placeholder="Reason (optional)" autocomplete="off" />
        <button class="danger">Do it</button>
      </form>
    `}
  `;
}
