// The studio's list of a stream's broadcasts: their recordings are named, kept private and deleted here.

import { call } from "/session.js";
import { Field, Poster, dayAndTime, duration, html, useEffect, usePolling, useProblem, useRef, useState } from "/page.js";
import { usePictures } from "/playback-session.js";

const STATUSES = { live: "On the air", ended: "No recording yet", failed: "Failed" };

function TitleForm({ broadcast, onSave, onCancel }) {
  const field = `title-of-${broadcast.id}`;
  useEffect(() => document.getElementById(field).select(), []);
  const [wrong, setWrong] = useState(null);
  const save = async (event) => {
    event.preventDefault();
    try {
      await onSave(new FormData(event.target).get("title").trim());
    } catch (refusal) {
      setWrong(refusal.fields?.title ?? refusal.message);
    }
  };
  return html`
    <form class="beside" onSubmit=${save} onKeyDown=${(event) => event.key === "Escape" && onCancel()}>
      <${Field} label="Title" name="title" id=${field} required maxlength="140" defaultValue=${broadcast.title} error=${wrong} />
      <button class="primary">Save</button>
      <button type="button" onClick=${onCancel}>Cancel</button>
    </form>
  `;
}

function Row({ broadcast, picture, onChanged, onDeleted }) {
  const [renaming, setRenaming] = useState(false);
  const [problem, attempt] = useProblem();
  const renameButton = useRef(null);
  const { id, title, status, notice } = broadcast;
  const withheld = broadcast.privacy === "private";
  const label = status === "ended" && !broadcast.recorded ? "Not recorded" : STATUSES[status];
  const change = async (fields, said) => onChanged(await call("PATCH", `/broadcasts/${id}`, fields), said);
  const close = () => {
    setRenaming(false);
    renameButton.current.focus();
  };
  const turn = () =>
    attempt(() =>
      withheld ? change({ privacy: "public" }, `“${title}” is shown to all who may see the stream.`) : change({ privacy: "private" }, `“${title}” is yours alone.`),
    );
  const remove = () =>
    attempt(async () => {
      if (!confirm(`Delete “${title}”, its recording and its clips? This cannot be undone.`)) return;
      await call("DELETE", `/broadcasts/${id}`);
      onDeleted(id, `“${title}” is deleted.`);
    });
  return html`
    <li>
      <${Poster} image=${picture} />
      <div class="grow">
        <h3>${status === "ready" ? html`<a href=${`/recordings/${id}`}>${title}</a>` : title}</h3>
        <p class="about">
          ${label && html`<span class=${`badge ${status}`}>${label}</span>`}
          ${withheld && html`<span class="badge">Private</span>`}
          ${broadcast.duration !== null && html`<span>${duration(broadcast.duration)}</span>`}
          <span>${dayAndTime(broadcast.started_at)}</span>
        </p>
        ${notice && html`<p class="about">${notice}</p>`}
        ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
        ${renaming &&
        html`<${TitleForm} broadcast=${broadcast} onCancel=${close}
          onSave=${async (wanted) => {
            await change({ title: wanted }, "Saved.");
            close();
          }} />`}
        <div class="actions">
          <button ref=${renameButton} aria-expanded=${renaming} aria-label=${`Rename “${title}”`} onClick=${() => setRenaming(!renaming)}>Rename</button>
          ${status === "ready" &&
          html`<button aria-label=${`${withheld ? "Make public" : "Make private"}: “${title}”`} onClick=${turn}>${withheld ? "Make public" : "Make private"}</button>`}
          ${status !== "live" && html`<button class="danger" aria-label=${`Delete “${title}”`} onClick=${remove}>Delete</button>`}
        </div>
      </div>
    </li>
  `;
}

/** `fresh`, the first page, in front of what was read behind it before; ids are in the order of the list. */
function renewed(before, fresh) {
  const behind = fresh.next_cursor ? before.items.filter(({ id }) => id < fresh.next_cursor) : [];
  return { items: [...fresh.items, ...behind], next: behind.length ? before.next : fresh.next_cursor };
}

export function RecordingsList({ stream }) {
  const [found, setFound] = useState({ items: [], next: null });
  const [known, setKnown] = useState(false);
  const [problem, setProblem] = useState(null);
  const [said, setSaid] = useState(null);
  const list = useRef(null);
  const picture = usePictures(stream.id, found.items);
  const read = (cursor) => call("GET", `/streams/${stream.id}/broadcasts?limit=10${cursor ? `&cursor=${cursor}` : ""}`);
  const attempt = async (work) => {
    try {
      await work();
      setProblem(null);
    } catch (refusal) {
      setProblem(refusal.message);
    }
  };
  const look = () => attempt(async () => {
    const fresh = await read();
    setFound((before) => renewed(before, fresh));
    setKnown(true);
  });
  usePolling(look, 5, [stream.id, stream.status]);
  const more = () => attempt(async () => {
    const page = await read(found.next);
    setFound(({ items }) => ({ items: [...items, ...page.items], next: page.next_cursor }));
  });
  const changed = (broadcast, words) => {
    setFound(({ items, next }) => ({ items: items.map((each) => (each.id === broadcast.id ? broadcast : each)), next }));
    setSaid(words);
  };
  const deleted = (id, words) => {
    setFound(({ items, next }) => ({ items: items.filter((each) => each.id !== id), next }));
    setSaid(words);
    list.current.focus(); // the button that had it is gone
  };
  return html`
    ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
    <p class="about" role="status">${said}</p>
    <ul class="rows recordings" ref=${list} tabindex="-1" aria-label="Recordings" aria-busy=${!known && !problem}>
      ${found.items.map(
        (broadcast) => html`<${Row} key=${broadcast.id} broadcast=${broadcast} picture=${picture(broadcast)} onChanged=${changed} onDeleted=${deleted} />`,
      )}
    </ul>
    ${known && found.items.length === 0 && html`<p class="empty">Nothing has been recorded yet.</p>`}
    ${found.next && html`<p class="actions"><button onClick=${more}>Show more</button></p>`}
  `;
}
