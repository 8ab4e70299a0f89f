// The studio: sign in, create streams, hand the key to an encoder, see it go live, stop.

import { EmotesList } from "/emotes-list.js";
import { Bans, HeldMessages, ModerationLog } from "/moderation.js";
import { PeopleList } from "/people-list.js";
import { RecordingsList } from "/recordings-list.js";
import { RoomSettings } from "/room-settings.js";
import { StreamSettings } from "/stream-settings.js";
import { ProviderButtons } from "/oauth.js";
import { ownPath } from "/own-path.js";
import { call, login, register } from "/session.js";
import { Field, Fold, Header, StatusBadge, html, render, useEffect, usePolling, useProblem, useState, useUser, viewers } from "/page.js";

const query = new URLSearchParams(location.search);
const moderated = query.get("moderate"); // a stream's id
const nextPath = ownPath(query.get("next"));

function SignIn() {
  const [mode, setMode] = useState("login");
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(event.target));
    setBusy(true);
    setError(null);
    try {
      await (mode === "login" ? login(fields) : register(fields));
      if (nextPath) location.assign(nextPath);
    } catch (refusal) {
      setError(refusal);
    } finally {
      setBusy(false);
    }
  };
  const wrong = (name) => error?.fields?.[name];
  return html`
    <form class="panel narrow" onSubmit=${submit} key=${mode}>
      <h1>${mode === "login" ? "Sign in" : "Create an account"}</h1>
      ${error && html`<p class="notice error" role="alert">${error.message}</p>`}
      ${mode === "login"
        ? html`<${Field} label="Username or e-mail" name="login" required autocomplete="username" error=${wrong("login")} />`
        : html`
            <${Field} label="Username" name="username" required autocomplete="username" error=${wrong("username")} />
            <${Field} label="E-mail" name="email" type="email" required autocomplete="email" error=${wrong("email")} />
          `}
      <${Field} label="Password" name="password" type="password" required error=${wrong("password")}
        autocomplete=${mode === "login" ? "current-password" : "new-password"}
        hint=${mode === "login" ? null : "At least 8 characters, and not one that others use."} />
      <button class="primary" disabled=${busy}>${mode === "login" ? "Sign in" : "Create account"}</button>
      ${mode === "login" && html`<a class="button plain" href="/account/forgot">Forgot your password?</a>`}
      <button class="plain" type="button" onClick=${() => { setMode(mode === "login" ? "register" : "login"); setError(null); }}>
        ${mode === "login" ? "Create an account instead" : "Sign in instead"}
      </button>
      <${ProviderButtons} next=${nextPath ?? "/studio"} />
    </form>
  `;
}

function NewStream({ onCreated }) {
  const [error, setError] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const form = event.target;
    const fields = new FormData(form);
    setError(null);
    try {
      const stream = await call("POST", "/streams", {
        title: fields.get("title"),
        description: fields.get("description") ?? "",
        auto_start: !fields.has("preview"),
      });
      form.reset();
      onCreated(stream);
    } catch (refusal) {
      setError(refusal);
    }
  };
  return html`
    <form class="panel" onSubmit=${submit}>
      <h2>New stream</h2>
      ${error && html`<p class="notice error" role="alert">${error.message}</p>`}
      <${Field} label="Title" name="title" required maxlength="140" error=${error?.fields?.title} />
      <${Field} label="Description" name="description" maxlength="2000" error=${error?.fields?.description} />
      <label class="check"><input type="checkbox" name="preview" /> Preview first: go public only when I press Start</label>
      <button class="primary">Create stream</button>
    </form>
  `;
}

function Copyable({ label, value, secret = false }) {
  const [shown, setShown] = useState(!secret);
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(value);
    setCopied(true);
    setTimeout(() => setCopied(false), 2000);
  };
  return html`
    <div class="copyable">
      <label>
        <span>${label}</span>
        <input readonly value=${shown ? value : "•".repeat(value.length)} onFocus=${(event) => shown && event.target.select()} />
      </label>
      ${secret && html`<button type="button" aria-pressed=${shown} onClick=${() => setShown(!shown)}>${shown ? "Hide" : "Show"}</button>`}
      <button type="button" onClick=${copy}>${copied ? "Copied" : "Copy"}</button>
    </div>
  `;
}

/** What moderators see, too. */
const ChatFolds = ({ path }) => html`
  <${Fold} label="Chat settings"><${RoomSettings} path=${path} /><//>
  <${Fold} label="Messages to review"><${HeldMessages} path=${path} /><//>
  <${Fold} label="Bans"><${Bans} path=${path} /><//>
  <${Fold} label="Emotes"><${EmotesList} path=${`${path}/emotes`} /><//>
  <${Fold} label="Moderation log"><${ModerationLog} path=${path} /><//>
`;

/** The chat of somebody else's stream, for its moderators. */
function Moderation({ streamId }) {
  const [stream, setStream] = useState(null);
  const [problem, attempt] = useProblem();
  usePolling(() => attempt(async () => setStream(await call("GET", `/streams/${streamId}`))), 10, [streamId]);
  return html`
    <h1>Chat of ${stream?.title ?? "…"}</h1>
    ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
    ${stream &&
    html`<section class="panel" aria-label=${stream.title}>
      <p class="about"><a href=${`/watch/${streamId}`}>Watch page</a></p>
      <${ChatFolds} path=${`/streams/${streamId}`} />
    </section>`}
  `;
}

/** Where to publish: always there, or, where ingest runs on demand, there for who has asked. */
function Server({ ingest, onAsk }) {
  const [asking, setAsking] = useState(false);
  const ask = async () => {
    setAsking(true);
    await onAsk();
    setAsking(false);
  };
  if (ingest.state === "open") return html`<${Copyable} label="Server" value=${ingest.rtmp_url} />`;
  if (ingest.state === "starting") return html`<p class="about" role="status">A server for your encoder is starting. It takes up to a minute.</p>`;
  return html`
    <div class="actions"><button class="primary" disabled=${asking} onClick=${ask}>${asking ? "One moment…" : "Get ready to go live"}</button></div>
    <p class="about">Starts a server for your encoder. It waits a quarter of an hour for you, and stays while you are on the air.</p>
  `;
}

function StreamPanel({ initial, onDeleted }) {
  const [stream, setStream] = useState(initial);
  const [ingest, setIngest] = useState(null);
  const [problem, attempt] = useProblem();
  const path = `/streams/${stream.id}`;
  const look = async () => {
    setStream(await call("GET", path));
    setIngest(await call("GET", `${path}/ingest`));
  };
  usePolling(look, 2, [stream.id]);
  const act = (method, suffix) => () =>
    attempt(async () => {
      await call(method, path + suffix);
      if (method === "DELETE") onDeleted();
      else await look();
    });
  const rotate = async () => {
    if (confirm("Encoders that use the present key will be dropped. Make a new key?")) await act("POST", "/ingest/rotate")();
  };
  const remove = async () => {
    if (confirm(`Delete “${stream.title}”, its list of recordings and its chat? This cannot be undone.`)) await act("DELETE", "")();
  };
  const health = ingest?.health;
  return html`
    <section class="panel" aria-label=${stream.title}>
      <h2>${stream.title} <${StatusBadge} status=${stream.status} /></h2>
      ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
      <p class="about" role="status">
        ${stream.status === "offline" ? "Waiting for an encoder." : viewers(stream.viewer_count)}
        ${health?.notice && html` <span class="error">${health.notice}</span>`}
      </p>
      ${ingest &&
      html`
        <${Server} ingest=${ingest} onAsk=${act("POST", "/ingest/open")} />
        <${Copyable} label="Stream key" value=${ingest.stream_key} secret=${true} />
      `}
      <div class="actions">
        <a class="button" href=${`/watch/${stream.id}`}>Watch page</a>
        ${stream.status === "preview" && html`<button class="primary" onClick=${act("POST", "/start")}>Start</button>`}
        ${stream.status !== "offline" && html`<button class="danger" onClick=${act("POST", "/stop")}>Stop</button>`}
        <button onClick=${rotate}>New key</button>
        ${stream.status === "offline" && html`<button class="danger" onClick=${remove}>Delete</button>`}
      </div>
      <${Fold} label="Settings"><${StreamSettings} stream=${stream} onSaved=${setStream} /><//>
      <${Fold} label="Recordings"><${RecordingsList} stream=${stream} /><//>
      ${stream.privacy === "private" &&
      html`<${Fold} label="Viewers">
        <${PeopleList} path=${`${path}/viewers`} about="They see the stream, its recordings and its clips, and may chat." nobody="Only you, for now." />
      <//>`}
      <${Fold} label="Moderators">
        <${PeopleList} path=${`${path}/moderators`} about="They keep order in the chat: remove messages, silence people, put them out." nobody="Nobody but you, for now." />
      <//>
      <${Fold} label="VIPs">
        <${PeopleList} path=${`${path}/vips`} about="Slow mode, followers-only mode and the like do not bind them." nobody="Nobody, for now." />
      <//>
      <${ChatFolds} path=${path} />
    </section>
  `;
}

function Studio() {
  const user = useUser();
  const [streams, setStreams] = useState(null);
  useEffect(() => {
    if (user) call("GET", `/streams?owner=${encodeURIComponent(user.username)}&limit=100`).then((page) => setStreams(page.items));
  }, [user?.id]);
  return html`
    <${Header} user=${user} />
    <main class="studio">
      ${user === null && html`<${SignIn} />`}
      ${user && moderated && html`<${Moderation} streamId=${moderated} />`}
      ${user && !moderated &&
      html`
        <h1>Your streams</h1>
        ${(streams ?? []).map(
          (stream) => html`
            <${StreamPanel} key=${stream.id} initial=${stream}
              onDeleted=${() => setStreams((all) => all.filter((other) => other.id !== stream.id))} />
          `,
        )}
        <${NewStream} onCreated=${(stream) => setStreams((all) => [stream, ...(all ?? [])])} />
      `}
    </main>
  `;
}

render(html`<${Studio} />`, document.getElementById("page"));
