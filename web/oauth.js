// Signing in at a provider: the buttons, the way there, and what this page keeps to fetch the tokens with afterwards.
// The API binds what comes back to the verifier below, which never leaves this tab but for the API: a code that somebody
// else's sign-in ended with is worth nothing here, nor ours elsewhere.

import { call, config, exchangeCode } from "/session.js";
import { html, useEffect, useProblem, useState } from "/page.js";

const UNDER_WAY = "headwater.oauth";

const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

async function prepare(purpose, next) {
  const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  sessionStorage.setItem(UNDER_WAY, JSON.stringify({ purpose, verifier, next }));
  return base64url(new Uint8Array(digest));
}

/** Leave for the provider, to sign in and then to go on to `next`, a path of this site. */
export async function signInWith(provider, next) {
  const { api } = await config();
  const challenge = await prepare("sign-in", next);
  location.assign(`${api}/v1/auth/oauth/${encodeURIComponent(provider)}/start?challenge=${challenge}`);
}

/** Leave for the provider, to link an identity there to the account that is signed in. */
export async function linkWith(provider, next) {
  const challenge = await prepare("link", next);
  const { url } = await call("POST", `/me/identities/${encodeURIComponent(provider)}/start`, { challenge });
  location.assign(url);
}

/** Back from the provider: take what the address says, once, and finish. Answers with {next, arrival, purpose}; throws
 *  {code, message} of what went wrong. */
export async function finish() {
  const told = new URLSearchParams(location.hash.slice(1));
  const underWay = JSON.parse(sessionStorage.getItem(UNDER_WAY) ?? "null");
  sessionStorage.removeItem(UNDER_WAY);
  history.replaceState(null, "", location.pathname);
  if (told.has("error")) throw { code: told.get("error"), underWay };
  if (!underWay || !told.has("code")) throw { code: "sign_in_expired", underWay };
  const proof = { code: told.get("code"), verifier: underWay.verifier };
  try {
    const arrival = underWay.purpose === "link" ? await call("POST", "/me/identities", proof) : await exchangeCode(proof);
    return { ...underWay, arrival };
  } catch (refusal) {
    throw { code: refusal.code, message: refusal.message, underWay };
  }
}

/** The providers that this deployment offers; none while that is being found out, and none if it cannot be. */
export function useProviders() {
  const [providers, setProviders] = useState([]);
  useEffect(() => {
    call("GET", "/auth/oauth/providers").then(({ items }) => setProviders(items), () => {});
  }, []);
  return providers;
}

export function ProviderButtons({ next }) {
  const providers = useProviders();
  if (providers.length === 0) return null;
  return html`
    <div class="providers">
      ${providers.map(
        ({ provider, label }) =>
          html`<button type="button" key=${provider} onClick=${() => signInWith(provider, next)}>Continue with ${label}</button>`,
      )}
    </div>
  `;
}

/** The identities of whoever is signed in: what there is, what can be added. */
export function LinkedIdentities() {
  const providers = useProviders();
  const [identities, setIdentities] = useState(null);
  const [problem, attempt] = useProblem();
  const look = async () => setIdentities((await call("GET", "/me/identities")).items);
  useEffect(() => {
    attempt(look);
  }, []);
  const unlink = (identity) =>
    attempt(async () => {
      await call("DELETE", `/me/identities/${identity.id}`);
      await look();
    });
  const linked = identities ?? [];
  if (providers.length === 0 && linked.length === 0) return null;
  const labelOf = (name) => providers.find(({ provider }) => provider === name)?.label ?? name;
  const missing = providers.filter(({ provider }) => !linked.some((identity) => identity.provider === provider));
  return html`
    <section class="panel" aria-labelledby="identities-heading">
      <h2 id="identities-heading">Sign in with</h2>
      ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
      <ul class="identities">
        ${linked.map(
          (identity) => html`
            <li key=${identity.id}>
              <span>${labelOf(identity.provider)}${identity.label && html` <span class="account">${identity.label}</span>`}</span>
              <button type="button" onClick=${() => unlink(identity)} aria-label=${`Unlink ${labelOf(identity.provider)}`}>Unlink</button>
            </li>
          `,
        )}
      </ul>
      <div class="providers">
        ${identities &&
        missing.map(
          ({ provider, label }) =>
            html`<button type="button" key=${provider} onClick=${() => attempt(() => linkWith(provider, location.pathname))}>Link ${label}</button>`,
        )}
      </div>
    </section>
  `;
}
