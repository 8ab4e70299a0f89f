// A real OpenID provider for tests: oidc-provider with its own pages to sign in and consent. Anybody may sign in, with any
// password; who they are, their name says. Reads one JSON object from its environment, says "ready" when it listens.

import { Provider } from "oidc-provider";

const { issuer, port, clients } = JSON.parse(process.env.OPENID_PROVIDER);

const provider = new Provider(issuer, {
  clients,
  pkce: { required: () => true },
  scopes: ["openid", "email", "profile"],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["preferred_username", "name"] },
  findAccount: (context, login) => ({
    accountId: login,
    claims: async () => ({
      sub: login,
      email: `${login.replace(/^unverified-/, "")}@example.net`,
      email_verified: !login.startsWith("unverified-"),
      preferred_username: login,
      name: "Not a Username",
    }),
  }),
  cookies: { keys: ["of a test"] },
  ttl: { AuthorizationCode: 60, IdToken: 300, AccessToken: 300, Interaction: 600, Session: 600, Grant: 600 },
});

const server = provider.listen(port, "127.0.0.1", () => console.log("ready"));
process.on("SIGTERM", () => server.close(() => process.exit(0)) && server.closeAllConnections());
