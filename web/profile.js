// A person as others see them: their picture, who follows them; and what they may do with their own data.

import { call } from "/session.js";
import { PICTURE_TYPES, sendPicture } from "/picture-upload.js";
import { Field, dayAndTime, html, useEffect, usePolling, useProblem, useState } from "/page.js";

export const Avatar = ({ person, size = 64, label = "" }) =>
  person.avatar_url
    ? html`<img class="avatar" src=${person.avatar_url.replace("/256.webp", size > 64 ? "/256.webp" : "/64.webp")}
        width=${size} height=${size} alt=${label} />`
    : html`<span class="avatar" style=${`inline-size:${size}px;block-size:${size}px;font-size:${size * 0.4}px`} aria-hidden="true">${person.username[0].toUpperCase()}</span>`;

export function Picture({ user }) {
  const [url, setUrl] = useState(user.avatar_url);
  const [busy, setBusy] = useState(false);
  const [problem, attempt] = useProblem();
  const become = async (work) => {
    setBusy(true);
    await attempt(async () => setUrl(await work()));
    setBusy(false);
  };
  const choose = async (event) => {
    const [file] = event.target.files;
    const input = event.target;
    if (file) await become(async () => (await sendPicture("/me/avatar", {}, file, () => call("GET", "/me/avatar"))).avatar_url);
    input.value = "";
  };
  const remove = () => become(async () => {
    await call("DELETE", "/me/avatar");
    return null;
  });
  return html`
    <section class="panel" aria-labelledby="picture-heading" aria-busy=${busy}>
      <h2 id="picture-heading">Profile</h2>
      ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
      <div class="with-avatar">
        <${Avatar} person=${{ ...user, avatar_url: url }} size=${128} label="Your picture" />
        <div>
          <label for="picture">Picture</label>
          <input id="picture" type="file" accept=${PICTURE_TYPES.join()} disabled=${busy} onChange=${choose} />
          <small>JPEG, PNG, WebP or GIF. Where and when it was taken is removed.</small>
          ${busy && html`<p role="status">One moment…</p>`}
          ${url && !busy && html`<button onClick=${remove}>Remove picture</button>`}
        </div>
      </div>
    </section>
  `;
}

/** The owner of what is being watched, with a button to follow them. */
export function Follow({ user, owner }) {
  const [profile, setProfile] = useState(null);
  const [follows, setFollows] = useState(null);
  const [problem, attempt] = useProblem();
  const path = `/users/${encodeURIComponent(owner.username)}`;
  const own = user?.id === owner.id;
  usePolling(async () => setProfile(await call("GET", path)), 60, [owner.username]);
  useEffect(() => {
    setFollows(null);
    if (user && !own)
      call("GET", `/me/following/${encodeURIComponent(owner.username)}`).then(
        ({ following }) => setFollows(following),
        () => {},
      );
  }, [user?.id, owner.username]);
  const toggle = () =>
    attempt(async () => {
      await call(follows ? "DELETE" : "PUT", `${path}/follow`);
      setFollows(!follows);
      setProfile(await call("GET", path));
    });
  const count = profile?.follower_count;
  return html`
    <div class="with-avatar">
      <${Avatar} person=${owner} size=${48} />
      <div>
        <strong>${owner.username}</strong>${profile?.is_verified && html` <span class="badge">Verified</span>`}
        <p class="about">${count !== undefined && `${count.toLocaleString()} ${count === 1 ? "follower" : "followers"}`}</p>
      </div>
      ${follows !== null && html`<button aria-pressed=${follows} onClick=${toggle}>${follows ? "Following" : "Follow"}</button>`}
      ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
    </div>
  `;
}

export function OwnData({ user }) {
  const [exports_, setExports] = useState([]);
  const [problem, attempt] = useProblem();
  usePolling(async () => setExports((await call("GET", "/me/exports")).items), 10);
  const ask = () =>
    attempt(async () => {
      const asked = await call("POST", "/me/exports");
      setExports([asked, ...exports_]);
    });
  const leave = (event) => {
    event.preventDefault();
    const { password } = Object.fromEntries(new FormData(event.target));
    return attempt(async () => {
      await call("POST", "/me/deletion", password ? { password } : {});
      location.replace("/"); // there, this browser learns that its session is over
    });
  };
  return html`
    <section class="panel" aria-labelledby="own-data">
      <h2 id="own-data">Your data</h2>
      ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
      <p>A copy of all that is stored about you, as one file. It takes a moment to make, and is deleted after a day.</p>
      <ul class="sessions">
        ${exports_.map(
          (each) => html`<li key=${each.id}>${each.url
            ? html`<a href=${each.url} download>Copy of ${dayAndTime(each.created_at)}</a>`
            : html`<span>Copy of ${dayAndTime(each.created_at)}: ${each.status === "failed" ? "failed" : "being made…"}</span>`}</li>`,
        )}
      </ul>
      <button onClick=${ask}>Make a copy</button>
      <details>
        <summary>Delete my account</summary>
        <form onSubmit=${leave}>
          <p>Your account, your streams and their recordings are deleted for ever. What you said in other people's chats stays,
            without your name.</p>
          ${user.has_password
            ? html`<${Field} label="Your password" name="password" type="password" required autocomplete="current-password" />`
            : html`<p>For this you have to have signed in within the last ten minutes.</p>`}
          <button class="danger">Delete my account for ever</button>
        </form>
      </details>
    </section>
  `;
}
