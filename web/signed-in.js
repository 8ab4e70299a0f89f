// Where a provider's visit ends: fetch the tokens and go on, or say what went wrong and how to go on from there.

import { finish } from "/oauth.js";
import { Header, html, render, useEffect, useState } from "/page.js";

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

function SignedIn() {
  const [problem, setProblem] = useState(null);
  const [notice, setNotice] = useState(null);
  useEffect(() => {
    finishing.then(
      ({ next, arrival }) => {
        if (arrival.email_in_use) setNotice({ next, username: arrival.user.username });
        else location.replace(next);
      },
      (refusal) => setProblem(refusal),
    );
  }, []);
  const back = problem?.underWay?.next ?? "/studio";
  return html`
    <${Header} />
    <main>
      ${!problem && !notice && html`<p class="empty" role="status">Signing in …</p>`}
      ${notice &&
      html`
        <section class="panel narrow">
          <h1>Welcome, ${notice.username}</h1>
          <p>
            This is a new account. Your e-mail address belongs to another account here, so it was not given to this one. If that
            account is yours, sign in to it with its password and link this provider there instead.
          </p>
          <p class="actions"><a class="button" href=${notice.next}>Go on with the new account</a></p>
        </section>
      `}
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
