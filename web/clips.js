// Clips on the pages where one watches: making one of what has just been seen, the list of a stream's, deleting one.

import { call } from "/session.js";
import { Card, Field, dayAndTime, duration, html, useEffect, useProblem, useRef, useState } from "/page.js";
import { usePictures } from "/playback-session.js";

const SECONDS = 30;
const LONGEST_SECONDS = 60;
const SITE_MODERATORS = ["moderator", "admin"];

/** Of the recording `broadcastId`, from what is on the screen; or of what is live since `startedAt`, up to what is on the screen. */
export function ClipMaker({ streamId, broadcastId, startedAt, player }) {
  const [start, setStart] = useState(null);
  const [seconds, setSeconds] = useState(SECONDS);
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState(null);
  const opener = useRef(null);
  const live = !broadcastId;
  const field = (name) => `clip-${name}`;
  useEffect(() => {
    if (start !== null) document.getElementById(field("title")).focus();
  }, [start !== null]);
  const close = () => {
    setStart(null);
    setRefusal(null);
    opener.current.focus();
  };
  // Taken when the button is pressed: a title takes a while to think of, and the stream goes on.
  const open = () => {
    if (!live) return setStart(player.seconds());
    const seen = player.moment();
    const length = Math.min(SECONDS, Math.max(1, (seen - Date.parse(startedAt)) / 1000));
    setSeconds(length);
    return setStart(seen - length * 1000);
  };
  const make = async (event) => {
    event.preventDefault();
    const fields = new FormData(event.target);
    setBusy(true);
    setRefusal(null);
    try {
      const clip = await call("POST", `/streams/${streamId}/clips`, {
        title: fields.get("title").trim(),
        start: live ? new Date(start).toISOString() : start,
        duration: live ? seconds : Number(fields.get("duration")),
        ...(broadcastId ? { broadcast_id: broadcastId } : {}),
      });
      location.assign(`/clips/${clip.id}`);
    } catch (refused) {
      setRefusal(refused);
      setBusy(false);
    }
  };
  const { title, duration: length, ...others } = refusal?.fields ?? {};
  return html`
    <div class="clip-maker">
      <button ref=${opener} aria-expanded=${start !== null} onClick=${start === null ? open : close}>${live ? `Clip the last ${SECONDS} s` : "Clip from here"}</button>
      ${start !== null &&
      html`
        <form class="panel beside" onSubmit=${make} onKeyDown=${(event) => event.key === "Escape" && close()}>
          ${refusal && !title && !length && html`<p class="notice error" role="alert">${Object.values(others)[0] ?? refusal.message}</p>`}
          <${Field} label="Title of the clip" name="title" id=${field("title")} required maxlength="140" error=${title} />
          ${!live &&
          html`<${Field} label=${`Seconds, from ${duration(start)}`} name="duration" id=${field("duration")} type="number" required
            min="1" max=${LONGEST_SECONDS} defaultValue=${SECONDS} error=${length} />`}
          <button class="primary" disabled=${busy}>Make the clip</button>
          <button type="button" onClick=${close}>Cancel</button>
        </form>
      `}
    </div>
  `;
}

/** The clips of a stream, newest first, but for the one that is being watched; nothing when there are none. */
export function ClipList({ streamId, except }) {
  const [found, setFound] = useState({ items: [], next: null });
  const [problem, attempt] = useProblem();
  const picture = usePictures(streamId, found.items);
  const read = (cursor) =>
    attempt(async () => {
      const page = await call("GET", `/streams/${streamId}/clips?limit=12${cursor ? `&cursor=${cursor}` : ""}`);
      setFound(({ items }) => ({ items: cursor ? [...items, ...page.items] : page.items, next: page.next_cursor }));
    });
  useEffect(() => {
    read();
  }, [streamId]);
  const shown = found.items.filter(({ id }) => id !== except);
  if (!shown.length && !problem) return null;
  return html`
    <section class="clips" aria-labelledby="clips">
      <h2 id="clips">Clips</h2>
      ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
      <ul class="cards">
        ${shown.map(
          (clip) => html`
            <${Card} key=${clip.id} href=${`/clips/${clip.id}`} image=${picture(clip)} title=${clip.title}>
              ${duration(clip.duration)} · ${clip.created_by?.username ?? "somebody"} · ${dayAndTime(clip.created_at)}
            <//>
          `,
        )}
      </ul>
      ${found.next && html`<p class="actions"><button onClick=${() => read(found.next)}>Show more</button></p>`}
    </section>
  `;
}

/** For who made the clip, the stream's owner, and the site's moderators. */
export function DeleteClip({ clip, user }) {
  const own = clip.created_by?.id === user.id || user.roles.some((role) => SITE_MODERATORS.includes(role));
  const [may, setMay] = useState(own);
  const [problem, attempt] = useProblem();
  useEffect(() => {
    if (!own) call("GET", `/streams/${clip.stream_id}`).then(({ owner }) => setMay(owner.id === user.id), () => {});
  }, [clip.id, user.id]);
  const remove = () =>
    attempt(async () => {
      if (!confirm(`Delete the clip “${clip.title}”? This cannot be undone.`)) return;
      await call("DELETE", `/clips/${clip.id}`);
      location.replace(`/watch/${clip.stream_id}`);
    });
  return html`
    ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
    ${may && html`<p class="actions"><button class="danger" onClick=${remove}>Delete clip</button></p>`}
  `;
}
