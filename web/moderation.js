// What moderators of a room keep an eye on: messages that wait, who may not chat, and what was done. For the studio.

import { timeSpan } from "/chat-log.js";
import { Field, dayAndTime, html, useEffect, usePolling, useProblem, useState } from "/page.js";
import { call } from "/session.js";

const nameOf = (person) => person?.username ?? "somebody who is gone";
const LOOK_SECONDS = 5;

const ACTIONS = {
  delete: "deleted a message of",
  restore: "restored a message of",
  timeout: "timed out",
  ban: "banned",
  unban: "let chat again",
  clear: "cleared the chat",
  settings: "changed the settings",
  approve: "approved a message of",
  reject: "rejected a message of",
  vip: "made a VIP of",
  unvip: "took VIP from",
  moderator: "made a moderator of",
  unmoderator: "took moderation from",
  emote: "added an emote",
  unemote: "took an emote away",
};

export function HeldMessages({ path }) {
  const [held, setHeld] = useState(null);
  const [problem, attempt] = useProblem();
  const look = async () => setHeld((await call("GET", `${path}/chat/held`)).items);
  usePolling(look, LOOK_SECONDS, [path]);
  const settle = (message, verdict) => () =>
    attempt(async () => {
      await call("POST", `${path}/chat/held/${message.id}/${verdict}`);
      await look();
    });
  return html`
    ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
    <ul class="rows" aria-busy=${held === null && !problem}>
      ${(held ?? []).map(
        (message) => html`
          <li key=${message.id} class="wraps">
            <p class="grow"><strong>${nameOf(message.user)}</strong>: <span dir="auto">${message.text}</span></p>
            <button aria-label=${`Approve what ${nameOf(message.user)} said`} onClick=${settle(message, "approve")}>Approve</button>
            <button class="danger" aria-label=${`Reject what ${nameOf(message.user)} said`} onClick=${settle(message, "reject")}>Reject</button>
          </li>
        `,
      )}
    </ul>
    ${held?.length === 0 && html`<p class="empty">Nothing waits.</p>`}
  `;
}

export function Bans({ path }) {
  const [bans, setBans] = useState(null);
  const [next, setNext] = useState(null);
  const [said, setSaid] = useState(null);
  const [problem, attempt] = useProblem();
  const field = `ban-in-${path}`;
  const look = async (cursor = null) => {
    const page = await call("GET", `${path}/chat/bans${cursor === null ? "" : `?cursor=${encodeURIComponent(cursor)}`}`);
    setBans((before) => (cursor === null ? page.items : [...before, ...page.items]));
    setNext(page.next_cursor);
  };
  useEffect(() => {
    attempt(() => look());
  }, [path]);
  const change = (method, username, body, words) =>
    attempt(async () => {
      setSaid(null);
      await call(method, `${path}/chat/bans/${encodeURIComponent(username)}`, body);
      setSaid(words);
      await look();
    });
  const add = async (event) => {
    event.preventDefault();
    const form = event.target;
    const fields = new FormData(form);
    const username = fields.get("username").trim().replace(/^@/, "");
    const reason = fields.get("reason").trim();
    await change("PUT", username, reason ? { reason } : {}, `${username} is banned.`);
    form.reset();
    document.getElementById(field)?.focus();
  };
  return html`
    ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
    <form class="beside" onSubmit=${add}>
      <${Field} label="Username" name="username" id=${field} required maxlength="64" autocomplete="off" autocapitalize="none" spellcheck="false" />
      <${Field} label="Reason" name="reason" id=${`${field}-reason`} maxlength="300" autocomplete="off" />
      <button>Ban</button>
    </form>
    <p class="about" role="status">${said}</p>
    <ul class="rows" aria-busy=${bans === null && !problem}>
      ${(bans ?? []).map(
        (ban) => html`
          <li key=${ban.user.id} class="wraps">
            <p class="grow"><strong>${nameOf(ban.user)}</strong>${" "}
              <span class="about">${ban.expires_at ? `until ${dayAndTime(ban.expires_at)}` : "for good"}, by ${nameOf(ban.by)}${ban.reason && `: ${ban.reason}`}</span></p>
            ${ban.user.username && html`<button aria-label=${`Unban ${ban.user.username}`}
              onClick=${() => change("DELETE", ban.user.username, undefined, `${ban.user.username} may chat again.`)}>Unban</button>`}
          </li>
        `,
      )}
    </ul>
    ${bans?.length === 0 && html`<p class="empty">Everybody may chat.</p>`}
    ${next !== null && html`<button onClick=${() => attempt(() => look(next))}>Show more</button>`}
  `;
}

function LogEntry({ entry }) {
  const about = [
    entry.details.seconds !== undefined && `for ${timeSpan(entry.details.seconds)}`,
    entry.details.name,
    entry.message_text && `“${entry.message_text}”`,
    entry.reason,
    entry.undoes && "(undo)",
    entry.undone_by && "(undone since)",
  ].filter(Boolean);
  return html`
    <li class="wraps">
      <p class="grow"><strong>${nameOf(entry.actor)}</strong> ${ACTIONS[entry.action] ?? entry.action} ${entry.user && html`<strong>${nameOf(entry.user)}</strong>`}
        ${about.length > 0 && html`<span class="about" dir="auto">${about.join(" · ")}</span>`}</p>
      <span class="about">${dayAndTime(entry.created_at)}</span>
    </li>
  `;
}

export function ModerationLog({ path }) {
  const [entries, setEntries] = useState(null);
  const [next, setNext] = useState(null);
  const [problem, attempt] = useProblem();
  const look = async (cursor = null) => {
    const page = await call("GET", `${path}/moderation-log${cursor === null ? "" : `?cursor=${encodeURIComponent(cursor)}`}`);
    setEntries((before) => (cursor === null ? page.items : [...before, ...page.items]));
    setNext(page.next_cursor);
  };
  useEffect(() => {
    attempt(() => look());
  }, [path]);
  return html`
    ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
    <div class="actions"><button onClick=${() => attempt(() => look())}>Look again</button></div>
    <ul class="rows" aria-busy=${entries === null && !problem}>${(entries ?? []).map((entry) => html`<${LogEntry} key=${entry.id} entry=${entry} />`)}</ul>
    ${entries?.length === 0 && html`<p class="empty">Nothing was done yet.</p>`}
    ${next !== null && html`<button onClick=${() => attempt(() => look(next))}>Show more</button>`}
  `;
}
