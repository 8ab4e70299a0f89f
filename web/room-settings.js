// The studio's form of a chat room: who may say what, how often, and what nobody may say.

import { Check, Choice } from "/stream-settings.js";
import { Field, html, useEffect, useState } from "/page.js";
import { call } from "/session.js";

const REVIEWS = { off: "None", links: "Those with links", all: "All" };
const HOLD = "?"; // before a term: its messages are held, not refused

/** One term a line. */
const termsAsText = (terms) => terms.map(({ term, action }) => (action === "hold" ? HOLD : "") + term).join("\n");
const termsIn = (text) =>
  text.split("\n").map((line) => line.trim()).filter(Boolean).map((line) =>
    line.startsWith(HOLD) ? { term: line.slice(HOLD.length).trim(), action: "hold" } : { term: line, action: "refuse" },
  );

function changes(form) {
  const fields = new FormData(form);
  const number = (name) => Number(fields.get(name));
  return {
    slow_seconds: number("slow_seconds"),
    followers_only: fields.has("followers_only"),
    follow_age_minutes: number("follow_age_minutes"),
    account_age_minutes: number("account_age_minutes"),
    emote_only: fields.has("emote_only"),
    unique: fields.has("unique"),
    review: fields.get("review"),
    blocked_terms: termsIn(fields.get("blocked_terms")),
  };
}

export function RoomSettings({ path }) {
  const [settings, setSettings] = useState(null);
  const [answer, setAnswer] = useState(null);
  const refused = (refusal) => setAnswer({ refused: true, message: refusal.message, fields: refusal.fields ?? {} });
  useEffect(() => {
    call("GET", `${path}/chat/settings`).then(setSettings, refused);
  }, [path]);
  const save = async (event) => {
    event.preventDefault();
    setAnswer(null);
    try {
      setSettings(await call("PATCH", `${path}/chat/settings`, changes(event.target)));
      setAnswer({ message: "Saved." });
    } catch (refusal) {
      refused(refusal);
    }
  };
  const id = (name) => `${name}-in-${path}`;
  const wrong = (name) => Object.entries(answer?.fields ?? {}).find(([field]) => field.split(".")[0] === name)?.[1];
  const minutes = (label, name, hint) => html`
    <${Field} label=${label} name=${name} id=${id(name)} type="number" min="0" max="129600" required defaultValue=${settings[name]} hint=${hint} error=${wrong(name)} />
  `;
  return html`
    ${settings &&
    html`
      <form onSubmit=${save}>
        <div class="pair">
          <${Field} label="Slow mode" name="slow_seconds" id=${id("slow_seconds")} type="number" min="0" max="3600" required
            defaultValue=${settings.slow_seconds} hint="Seconds between two messages of one person; 0 for none." error=${wrong("slow_seconds")} />
          ${minutes("Age of an account", "account_age_minutes", "Minutes that it must have; 0 for none.")}
          ${minutes("Following for", "follow_age_minutes", "Minutes, where only followers may chat.")}
          <${Choice} label="Messages that you look at first" id=${id("review")} name="review" value=${settings.review} choices=${REVIEWS} />
        </div>
        <${Check} name="followers_only" checked=${settings.followers_only}>Only followers may chat<//>
        <${Check} name="emote_only" checked=${settings.emote_only}>Only emotes<//>
        <${Check} name="unique" checked=${settings.unique}>Nothing that was said in the last ten minutes<//>
        <div class="field">
          <label for=${id("blocked_terms")}>Blocked terms</label>
          <textarea id=${id("blocked_terms")} name="blocked_terms" rows="5" aria-describedby=${id("blocked_terms-hint")} autocapitalize="none" spellcheck="false"
            defaultValue=${termsAsText(settings.blocked_terms)}></textarea>
          <small id=${id("blocked_terms-hint")}>One a line, however it is spelt; * stands for any letters. Behind a ${HOLD}, messages wait for you instead of being refused.</small>
          ${wrong("blocked_terms") && html`<small class="error">${wrong("blocked_terms")}</small>`}
        </div>
        <div class="actions"><button class="primary">Save</button></div>
      </form>
    `}
    <p class=${answer?.refused ? "error" : "about"} role="status">${answer?.message}</p>
  `;
}
