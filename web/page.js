// What every page shares: the header with the account, and small pieces of display.

import { html, render, useEffect, useRef, useState } from "/vendor/htm/preact/standalone.module.js";
import { logout, onUser, restore } from "/session.js";

export { html, render, useEffect, useRef, useState };

/** The signed-in user, or null; `undefined` while that is being found out. */
export function useUser() {
  const [user, setUser] = useState(undefined);
  useEffect(() => {
    restore().then(setUser);
    return onUser(setUser);
  }, []);
  return user;
}

/** Run `work` now and then every `seconds`, but not while the page is hidden. */
export function usePolling(work, seconds, dependencies = []) {
  useEffect(() => {
    let stopped = false;
    let timer = null;
    const turn = async () => {
      if (document.visibilityState === "visible") await work().catch(() => {});
      if (!stopped) timer = setTimeout(turn, seconds * 1000);
    };
    turn();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, dependencies);
}

/** What went wrong last, and `attempt(work)`: carries it out, and keeps what goes wrong with it. */
export function useProblem() {
  const [problem, setProblem] = useState(null);
  const attempt = async (work) => {
    setProblem(null);
    try {
      await work();
    } catch (refusal) {
      const [field] = Object.values(refusal.fields ?? {}); // what is wrong with it says more than that something is
      setProblem(field ?? refusal.message);
    }
  };
  return [problem, attempt];
}

export function Header({ user }) {
  return html`
    <header class="site">
      <a class="brand" href="/">Headwater</a>
      <nav aria-label="Site">
        <a href="/studio">Studio</a>
        ${user && html`<a class="account" href="/account">${user.username}</a>`}
        ${user && html`<button class="plain" onClick=${() => logout()}>Sign out</button>`}
        ${user === null && html`<a href=${`/studio?next=${encodeURIComponent(location.pathname)}`}>Sign in</a>`}
      </nav>
    </header>
  `;
}

/** A form field with its label and, below it, what the server said is wrong with it. */
export function Field({ label, name, id = name, error, hint, ...input }) {
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      <input id=${id} name=${name} aria-invalid=${error ? "true" : "false"} aria-describedby=${described} ...${input} />
      ${hint && html`<small id=${`${id}-hint`}>${hint}</small>`}
      ${error && html`<small id=${`${id}-error`} class="error">${error}</small>`}
    </div>
  `;
}

export function StatusBadge({ status }) {
  const words = { live: "Live", interrupted: "Reconnecting", preview: "Preview", offline: "Offline" };
  return html`<span class=${`badge ${status}`}>${words[status] ?? status}</span>`;
}

/** A part of a page that is folded up until somebody opens it; what is in it lives only while it is open. */
export function Fold({ label, children }) {
  const [open, setOpen] = useState(false);
  return html`
    <details class="fold" onToggle=${(event) => setOpen(event.target.open)}>
      <summary>${label}</summary>
      ${open && children}
    </details>
  `;
}

// A stream without a picture, or one that has just begun, has no poster.
const hide = (event) => (event.target.hidden = true);

export const Poster = ({ image }) =>
  html`<div class="picture">${image && html`<img key=${image} src=${image} alt="" loading="lazy" width="320" height="180" onError=${hide} />`}</div>`;

/** One of a list of things to watch. */
export function Card({ href, image, title, below, children }) {
  return html`
    <li class="card">
      <a href=${href}>
        <${Poster} image=${image} />
        <h3>${title}</h3>
      </a>
      <p class="about">${children}</p>
      ${below}
    </li>
  `;
}

export const viewers = (count) => `${count.toLocaleString()} ${count === 1 ? "viewer" : "viewers"}`;

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const whole = Math.round(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((part, place) => (place ? String(part).padStart(2, "0") : String(part))).join(":");
}

export const dayAndTime = (iso) =>
  new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
