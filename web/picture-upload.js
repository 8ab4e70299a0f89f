// A picture on its way to the store: the API hands out a form, and what becomes of what is sent is asked for until it is known.

import { call } from "/session.js";

export const PICTURE_TYPES = ["image/jpeg", "image/png", "image/webp", "image/gif"];
const TRIES = 60; // a second each: making a picture takes a moment, and its function perhaps a cold start

const pause = (milliseconds) => new Promise((resume) => setTimeout(resume, milliseconds));

/** `path` hands out forms for `fields`; `look` answers `{status, problem, …}`. Resolves to that; throws what is to be shown. */
export async function sendPicture(path, fields, file, look) {
  if (!PICTURE_TYPES.includes(file.type)) throw new Error("Choose a JPEG, PNG, WebP or GIF picture.");
  const form = await call("POST", path, { ...fields, content_type: file.type });
  if (file.size > form.max_bytes) throw new Error(`Choose a picture of at most ${Math.floor(form.max_bytes / 1_048_576)} MB.`);
  const body = new FormData();
  for (const [name, value] of Object.entries(form.fields)) body.append(name, value);
  body.append("file", file); // last: what comes behind it is not read
  const sent = await fetch(form.url, { method: "POST", body, referrerPolicy: "no-referrer" });
  if (!sent.ok) throw new Error("The picture could not be sent. Try again in a moment.");
  for (let tries = 0; tries < TRIES; tries += 1) {
    const made = await look(form);
    if (made?.status === "ready") return made;
    if (made?.status === "failed") throw new Error(made.problem);
    await pause(1000);
  }
  throw new Error("The picture was sent, but is not ready yet. Look again in a few minutes.");
}
