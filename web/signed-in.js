// Where a provider's visit ends: fetch the tokens and go on, or say what went wrong and how to go on from there. Whoever
// comes for the first time may choose their name.

import { finish } from "/oauth.js";
import { Field, Header, html, render, useEffect, useState } from "/page.js";
import { call } from "/session.js";

const EXPLAINED = {
  sign_in_expired: "This sign-in took too long, was finished already, or was begun in another window.",
  sign_in_denied: "You did not agree to sign in here, so nothing has happened.",
  sign_in_failed: "The provider did not confirm who you are.",
  provider_unavailable: "The provider is not answering at the moment.",
  dependency_unavailable: "We cannot sign anybody in at the moment.",
  rate_limited: "There were too many attempts. Wait a minute.",
};

// A reload or a second visit must not finish twice: what is under way is taken out when it is looked at.
const finishing = finish();

function Welcome({ arrival, next }) {
  const [error, setError] = useState(null);
  const choose = async (event) => {
    event.preventDefault();
    const { username } = Object.fromEntries(new FormData(event.target));
    setError(null);
    try {
      if (username !== arrival.user.username) await call("PUT", "/me/username", { username });
      location.replace(next);
    } catch (refusal) {
      setError(refusal);
    }
  };
  return html`
    <form class="panel narrow" onSubmit=${choose}>
      <h1>Welcome</h1>
      ${arrival.email_in_use &&
      html`
        <p class="notice">
          This is a new account. Your e-mail address belongs to another account here, so it was not given to this one. If that
          account is yours, sign in to it with its password and link this provider there instead.
        </p>
      `}
      ${error && html`<p class="notice error" role="alert">${error.message}</p>`}
      <${Field} label="Your username" name="username" required defaultValue=${arrival.user.username} autocomplete="username"
        error=${error?.fields?.username} hint="Everybody sees it. It can be chosen once." />
      <button class="primary">Go on</button>
    </form>
  `;
}

function SignedIn() {
  const [problem, setProblem] = useState(null);
  const [newcomer, setNewcomer] = useState(null);
  useEffect(() => {
    finishing.then(
      (finished) => (finished.arrival.is_new ? setNewcomer(finished) : location.replace(finished.next)),
      (refusal) => setProblem(refusal),
    );
  }, []);
  const back = problem?.underWay?.next ?? "/studio";
  return html`
    <${Header} />
    <main>
      ${!problem && !newcomer && html`<p class="empty" role="status">Signing in …</p>`}
      ${newcomer && html`<${Welcome} ...${newcomer} />`}
      ${problem &&
      html`
        <section class="panel narrow">
          <h1>Not signed in</h1>
          <p class="notice error" role="alert">
            ${EXPLAINED[problem.code] ?? problem.message ?? "Something went wrong. Nothing has happened."}
          </p>
          <p class="actions"><a class="button" href=${back}>Back</a></p>
        </section>
      `}
    </main>
  `;
}

render(html`<${SignedIn} />`, document.getElementById("page"));
