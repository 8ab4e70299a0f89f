// The studio's form of a stream: what others read of it, who may see it, and how it is broadcast.

import { call } from "/session.js";
import { Field, html, useEffect, useState } from "/page.js";

const PRIVACIES = { public: "Everybody, and it is listed", unlisted: "Whoever has the address", private: "Only people I allow" };
const LATENCIES = { standard: "Standard: smoothest playback", low: "Low: closer to the moment" };

export function Choice({ label, id, name, value, choices }) {
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      <select id=${id} name=${name}>
        ${Object.entries(choices).map(([each, words]) => html`<option key=${each} value=${each} selected=${each === value}>${words}</option>`)}
      </select>
    </div>
  `;
}

export const Check = ({ name, checked, children }) =>
  html`<label class="check"><input type="checkbox" name=${name} defaultChecked=${checked} /> <span>${children}</span></label>`;

/** `datetime-local` has no zone: it is shown and read in the browser's. */
function localTime(iso) {
  if (!iso) return "";
  const at = new Date(iso);
  return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function changes(form) {
  const fields = new FormData(form);
  const text = (name) => (fields.get(name) ?? "").trim();
  const planned = text("scheduled_start");
  return {
    title: text("title"),
    description: text("description"),
    category: text("category") || null,
    tags: text("tags").split(",").map((tag) => tag.trim()).filter(Boolean),
    privacy: fields.get("privacy"),
    latency: fields.get("latency"),
    reconnect_window: Number(fields.get("reconnect_window")),
    record: fields.has("record"),
    auto_start: !fields.has("preview"),
    mature: fields.has("mature"),
    // One that has passed is left alone: it is shown no more, and cannot be set anew.
    ...(planned === form.dataset.planned ? {} : { scheduled_start: planned ? new Date(planned).toISOString() : null }),
  };
}

export function StreamSettings({ stream, onSaved }) {
  const [categories, setCategories] = useState([]);
  const [answer, setAnswer] = useState(null);
  useEffect(() => {
    call("GET", "/categories?limit=100").then((page) => setCategories(page.items), () => {});
  }, []);
  const save = async (event) => {
    event.preventDefault();
    setAnswer(null);
    try {
      onSaved(await call("PATCH", `/streams/${stream.id}`, changes(event.target)));
      setAnswer({ message: "Saved." });
    } catch (refusal) {
      setAnswer({ refused: true, message: refusal.message, fields: refusal.fields ?? {} });
    }
  };
  const id = (name) => `${name}-${stream.id}`;
  const wrong = (name) => Object.entries(answer?.fields ?? {}).find(([field]) => field.split(".")[0] === name)?.[1];
  const planned = localTime(stream.scheduled_start);
  return html`
    <form onSubmit=${save} data-planned=${planned}>
      <${Field} label="Title" name="title" id=${id("title")} required maxlength="140" defaultValue=${stream.title} error=${wrong("title")} />
      <div class="field">
        <label for=${id("description")}>Description</label>
        <textarea id=${id("description")} name="description" rows="4" maxlength="5000" defaultValue=${stream.description}></textarea>
        ${wrong("description") && html`<small class="error">${wrong("description")}</small>`}
      </div>
      <div class="pair">
        <${Field} label="Category" name="category" id=${id("category")} maxlength="60" list=${id("categories")} defaultValue=${stream.category ?? ""} error=${wrong("category")} />
        <datalist id=${id("categories")}>${categories.map(({ name }) => html`<option key=${name} value=${name}></option>`)}</datalist>
        <${Field} label="Tags" name="tags" id=${id("tags")} defaultValue=${stream.tags.join(", ")} hint="Up to ten, separated by commas." error=${wrong("tags")} />
        <${Field} label="Planned start" name="scheduled_start" id=${id("scheduled_start")} type="datetime-local" defaultValue=${planned}
          hint="In your own time. Empty it to take it back." error=${wrong("scheduled_start")} />
        <${Choice} label="Who may watch" name="privacy" id=${id("privacy")} value=${stream.privacy} choices=${PRIVACIES} />
        <${Choice} label="Latency" name="latency" id=${id("latency")} value=${stream.latency} choices=${LATENCIES} />
        <${Field} label="Reconnect window" name="reconnect_window" id=${id("reconnect_window")} type="number" min="0" max="1800" required
          defaultValue=${stream.reconnect_window} hint="Seconds that the encoder may be away before the broadcast ends." error=${wrong("reconnect_window")} />
      </div>
      <${Check} name="record" checked=${stream.record}>Keep a recording<//>
      <${Check} name="preview" checked=${!stream.auto_start}>Preview first: go public only when I press Start<//>
      <${Check} name="mature" checked=${stream.mature}>Meant for adults<//>
      <div class="actions"><button class="primary">Save</button></div>
      <p class=${answer?.refused ? "error" : "about"} role="status">${answer?.message}</p>
    </form>
  `;
}
