// The studio's list of a stream's own emotes.

import { Field, html, useEffect, useState } from "/page.js";
import { PICTURE_TYPES, sendPicture } from "/picture-upload.js";
import { call } from "/session.js";

export function EmotesList({ path }) {
  const [emotes, setEmotes] = useState(null);
  const [said, setSaid] = useState(null);
  const [problem, setProblem] = useState(null);
  const [wrong, setWrong] = useState(null);
  const [busy, setBusy] = useState(false);
  const field = `emote-in-${path}`;
  const look = async () => {
    const own = (await call("GET", path)).items.filter((emote) => !emote.built_in);
    setEmotes(own);
    return own;
  };
  useEffect(() => {
    look().catch((refusal) => setProblem(refusal.message));
  }, [path]);
  const attempt = async (work) => {
    setSaid(null);
    setProblem(null);
    setWrong(null);
    setBusy(true);
    try {
      await work();
    } catch (refusal) {
      setWrong(refusal.fields?.name ?? null);
      setProblem(refusal.fields?.name ? null : refusal.message);
    }
    setBusy(false);
    await look().catch(() => {});
    document.getElementById(field)?.focus(); // the button that had it may be gone
  };
  const add = (event) => {
    event.preventDefault();
    const form = event.target;
    const fields = new FormData(form);
    const name = fields.get("name").trim();
    return attempt(async () => {
      await sendPicture(path, { name }, fields.get("picture"), async ({ id }) => (await look()).find((emote) => emote.id === id));
      form.reset();
      setSaid(`${name} can be said in the chat from now on.`);
    });
  };
  const remove = (name) => () =>
    attempt(async () => {
      await call("DELETE", `${path}/${name}`);
      setSaid(`${name} is no longer an emote.`);
    });
  return html`
    <p class="about">Small pictures that everybody can say in this chat, by their names. Up to fifty, of 1 MB at most.</p>
    ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
    <form class="beside" onSubmit=${add}>
      <${Field} label="Name" name="name" id=${field} required minlength="3" maxlength="24" autocomplete="off" autocapitalize="none" spellcheck="false"
        hint="Letters and digits." error=${wrong} />
      <${Field} label="Picture" name="picture" id=${`${field}-picture`} type="file" accept=${PICTURE_TYPES.join()} required />
      <button disabled=${busy}>${busy ? "One moment…" : "Add"}</button>
    </form>
    <p class="about" role="status">${said}</p>
    <ul class="rows" aria-busy=${emotes === null && !problem}>
      ${(emotes ?? []).map(
        (emote) => html`
          <li key=${emote.id}>
            ${emote.images ? html`<img src=${emote.images["56"]} alt="" width="56" height="56" />` : html`<span class="no-picture"></span>`}
            <p class="grow"><strong>${emote.name}</strong>${" "}
              ${emote.status === "pending" && html`<span class="about">waiting for its picture</span>`}
              ${emote.problem && html`<span class="error">${emote.problem}</span>`}</p>
            <button aria-label=${`Remove ${emote.name}`} disabled=${busy} onClick=${remove(emote.name)}>Remove</button>
          </li>
        `,
      )}
    </ul>
    ${emotes?.length === 0 && html`<p class="empty">None of your own yet. Every chat has the built-in ones.</p>`}
  `;
}
