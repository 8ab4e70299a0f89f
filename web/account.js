// The account: its address, its password and where it is signed in; and the pages that links in e-mails lead to.

import { LinkedIdentities } from "/oauth.js";
import { OwnData, Picture } from "/profile.js";
import { call, changePassword, forget, request } from "/session.js";
import { Field, Fold, Header, dayAndTime, html, render, useEffect, useProblem, useState, useUser } from "/page.js";

const PASSWORD_HINT = "At least 8 characters, and not one that others use.";

// The secret of a link stands behind the `#`, which no server is ever sent; and it leaves the address bar at once.
const linkToken = location.hash.slice(1);
if (linkToken) history.replaceState(null, "", location.pathname);
addEventListener("hashchange", () => location.reload()); // another link to the page that is open

/** What a form needs: `submit` runs `work` on its fields; `done` is what `work` gave; `error` why it was refused. */
function useForm(work) {
  const [state, setState] = useState({});
  const submit = async (event) => {
    event.preventDefault();
    const form = event.target;
    setState({ busy: true });
    try {
      setState({ done: (await work(Object.fromEntries(new FormData(form)))) ?? true });
      form.reset();
    } catch (error) {
      setState({ error });
    }
  };
  return { ...state, submit, wrong: (name) => state.error?.fields?.[name] };
}

const Refusal = ({ error }) => error && html`<p class="notice error" role="alert">${error.message}</p>`;

function Forgot() {
  const form = useForm(({ email }) => request("POST", "/auth/password/forgot", { body: { email } }));
  if (form.done)
    return html`
      <section class="panel narrow">
        <h1>Look into your mail</h1>
        <p role="status">If somebody has an account with this address, a link to choose a new password is on its way.
          It is good for half an hour.</p>
        <p><a href="/studio">Back to signing in</a></p>
      </section>
    `;
  return html`
    <form class="panel narrow" onSubmit=${form.submit}>
      <h1>Forgot your password?</h1>
      <p>Tell us the address of your account, and we send you a link to choose a new one.</p>
      <${Refusal} error=${form.error} />
      <${Field} label="E-mail" name="email" type="email" required autocomplete="email" error=${form.wrong("email")} />
      <button class="primary" disabled=${form.busy}>Send the link</button>
    </form>
  `;
}

function Reset() {
  const form = useForm(async ({ password }) => {
    await request("POST", "/auth/password/reset", { body: { token: linkToken, password } });
    forget(); // also this browser was signed out, if it was signed in
  });
  if (form.done)
    return html`
      <section class="panel narrow">
        <h1>Your password is changed</h1>
        <p role="status">Whoever was signed in to your account is signed out.</p>
        <p><a class="button" href="/studio">Sign in</a></p>
      </section>
    `;
  const useless = !linkToken || form.error?.code === "link_invalid";
  return html`
    <form class="panel narrow" onSubmit=${form.submit}>
      <h1>Choose a new password</h1>
      <${Refusal} error=${form.error} />
      ${useless
        ? html`<p>Links work once, and for half an hour. <a href="/account/forgot">Have another one sent</a></p>`
        : html`
            <${Field} label="New password" name="password" type="password" required minlength="8" autocomplete="new-password"
              hint=${PASSWORD_HINT} error=${form.wrong("password")} />
            <button class="primary" disabled=${form.busy}>Change password</button>
          `}
    </form>
  `;
}

// A press of a button, because programs that look at mail follow the links in it.
function Verify() {
  const form = useForm(() => request("POST", "/auth/email/verify", { body: { token: linkToken } }));
  if (form.done)
    return html`
      <section class="panel narrow">
        <h1>Thank you</h1>
        <p role="status">This address is yours. <a href="/account">Your account</a></p>
      </section>
    `;
  return html`
    <form class="panel narrow" onSubmit=${form.submit}>
      <h1>Confirm your e-mail address</h1>
      <${Refusal} error=${form.error} />
      ${!linkToken || form.error?.code === "link_invalid"
        ? html`<p>Links work once. <a href="/account">Have another one sent from your account</a></p>`
        : html`<button class="primary" disabled=${form.busy}>This address is mine</button>`}
    </form>
  `;
}

function Address({ user }) {
  const form = useForm(() => call("POST", "/auth/email/verification"));
  return html`
    <section class="panel" aria-labelledby="address">
      <h2 id="address">E-mail</h2>
      <form onSubmit=${form.submit}>
        <${Refusal} error=${form.error} />
        <p>${user.email ?? "This account has no address."}
          ${user.email && html` <span class="badge">${user.email_verified ? "Confirmed" : "Not confirmed"}</span>`}</p>
        ${form.done && html`<p class="notice" role="status">A link is on its way. It is good for two days.</p>`}
        ${user.email && !user.email_verified && !form.done && html`<button disabled=${form.busy}>Send me a link to confirm it</button>`}
      </form>
      <${Fold} label=${user.email ? "Change it" : "Add one"}><${NewAddress} user=${user} /><//>
    </section>
  `;
}

function NewAddress({ user }) {
  const form = useForm(async ({ email, password }) => {
    await call("POST", "/auth/email", password ? { email, password } : { email });
    return email;
  });
  return html`
    <form onSubmit=${form.submit}>
      <${Refusal} error=${form.error} />
      ${form.done && html`<p class="notice" role="status">A link is on its way to ${form.done}. Once you have followed it, that is
        your address.</p>`}
      <${Field} label="New address" name="email" id="new-address" type="email" required autocomplete="email"
        error=${form.wrong("email")} />
      ${user.has_password
        ? html`<${Field} label="Your password, once more" name="password" id="address-password" type="password" required
            autocomplete="current-password" error=${form.wrong("password")} />`
        : html`<p>For this you have to have signed in within the last ten minutes.</p>`}
      <button class="primary" disabled=${form.busy}>Send a link there</button>
    </form>
  `;
}

function FirstPassword({ user }) {
  const form = useForm(() => request("POST", "/auth/password/forgot", { body: { email: user.email } }));
  return html`
    <form class="panel" onSubmit=${form.submit}>
      <h2>Password</h2>
      <${Refusal} error=${form.error} />
      <p>This account has no password${user.email ? "." : ", and no address through which you could choose one."}</p>
      ${form.done && html`<p class="notice" role="status">A link to choose a password is on its way. It is good for half an hour.</p>`}
      ${user.email && !form.done && html`<button disabled=${form.busy}>Send me a link to choose one</button>`}
    </form>
  `;
}

function Password({ user, onChanged }) {
  const form = useForm(async (fields) => {
    await changePassword(fields);
    onChanged();
  });
  return html`
    <form class="panel" onSubmit=${form.submit}>
      <h2>Password</h2>
      <${Refusal} error=${form.error} />
      <input type="text" autocomplete="username" value=${user.username} hidden readonly />
      ${form.done && html`<p class="notice" role="status">Your password is changed, and you are signed out everywhere else.</p>`}
      <${Field} label="Current password" name="current_password" type="password" required autocomplete="current-password"
        error=${form.wrong("current_password")} />
      <${Field} label="New password" name="new_password" type="password" required minlength="8" autocomplete="new-password"
        hint=${PASSWORD_HINT} error=${form.wrong("new_password")} />
      <button class="primary" disabled=${form.busy}>Change password</button>
      <p><a href="/account/forgot">I do not know it</a></p>
    </form>
  `;
}

function Sessions({ turn }) {
  const [sessions, setSessions] = useState(null);
  const [problem, attempt] = useProblem();
  const look = async () => setSessions((await call("GET", "/auth/sessions?limit=100")).items);
  const act = (path) => async () => {
    await attempt(() => call("DELETE", path));
    await look();
  };
  useEffect(() => {
    attempt(look);
  }, [turn]);
  return html`
    <section class="panel" aria-labelledby="sessions">
      <h2 id="sessions">Where you are signed in</h2>
      ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
      <ul class="sessions" aria-busy=${sessions === null && !problem}>
        ${(sessions ?? []).map(
          (session) => html`
            <li key=${session.id}>
              <p>
                <strong>${session.device}</strong>
                ${session.current && html` <span class="badge">This device</span>`}
                <span class="about">${session.address} · last used ${dayAndTime(session.last_used_at)} ·
                  signed in ${dayAndTime(session.created_at)}</span>
              </p>
              ${!session.current && html`<button aria-label=${`Sign out ${session.device}, ${session.address}`}
                onClick=${act(`/auth/sessions/${session.id}`)}>Sign out</button>`}
            </li>
          `,
        )}
      </ul>
      ${sessions?.length > 1 && html`<button class="danger" onClick=${act("/auth/sessions")}>Sign out everywhere else</button>`}
    </section>
  `;
}

function Settings({ user }) {
  const [turn, setTurn] = useState(0);
  return html`
    <h1>Your account</h1>
    <${Picture} user=${user} />
    <${Address} user=${user} />
    ${user.has_password ? html`<${Password} user=${user} onChanged=${() => setTurn(turn + 1)} />` : html`<${FirstPassword} user=${user} />`}
    <${LinkedIdentities} />
    <${Sessions} turn=${turn} />
    <${OwnData} user=${user} />
  `;
}

const LINKED = { "/account/forgot": Forgot, "/account/reset": Reset, "/account/verify": Verify };

function Account() {
  const user = useUser();
  const Linked = LINKED[location.pathname];
  if (!Linked && user === null) location.replace("/studio?next=/account");
  return html`
    <${Header} user=${user} />
    <main class="studio">
      ${Linked ? html`<${Linked} />` : user && html`<${Settings} user=${user} />`}
    </main>
  `;
}

render(html`<${Account} />`, document.getElementById("page"));
