// Who is signed in, and every call to the REST API. Tokens: the access token lives in memory, the refresh token in
// localStorage so that a reload stays signed in; the API rotates it and ends the session when an old one is replayed.

const REFRESH_KEY = "headwater.refresh_token";
const RETRY_KEY = "headwater.refresh_retry_key";

let configPromise = null;
let accessToken = null;
let refreshing = null;
let currentUser = null;
const listeners = new Set();

/** The deployment's public URLs: {api, ws, cdn}. */
export function config() {
  configPromise ??= fetch("/config.json").then((response) => {
    if (!response.ok) throw new Error(`config.json answered ${response.status}`);
    return response.json();
  });
  return configPromise;
}

/** A refusal of the API: `code` is stable, `message` can be shown, `fields` maps a field to what is wrong with it. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.code = problem.code || "unknown";
    this.fields = Object.fromEntries((problem.errors || []).map((error) => [error.field, error.message]));
  }
}

/** One call of the API, as nobody unless `token` is given. Throws ApiError. */
export async function request(method, path, { body, token, headers: more, keepalive = false } = {}) {
  const { api } = await config();
  const headers = { ...more };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(`${api}/v1${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      keepalive,
    });
  } catch {
    throw new ApiError(0, { code: "unreachable", detail: "The server cannot be reached. Check the connection." });
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, answer);
  return answer;
}

/** Call the API, signed in when somebody is; a lapsed access token is renewed once and the call repeated. */
export async function call(method, path, body) {
  await restore();
  try {
    return await request(method, path, { body, token: accessToken });
  } catch (error) {
    if (error.status !== 401 || !localStorage.getItem(REFRESH_KEY)) throw error;
    await renew();
    return request(method, path, { body, token: accessToken });
  }
}

function accept(answer) {
  accessToken = answer.access_token;
  currentUser = answer.user;
  localStorage.setItem(REFRESH_KEY, answer.refresh_token);
  localStorage.removeItem(RETRY_KEY);
  listeners.forEach((listener) => listener(currentUser));
  return currentUser;
}

/** Be signed out in this browser; the session, if it still runs, goes on. */
export function forget() {
  accessToken = null;
  currentUser = null;
  localStorage.removeItem(REFRESH_KEY);
  localStorage.removeItem(RETRY_KEY);
  listeners.forEach((listener) => listener(null));
}

// Two tabs share one refresh token, and a rotated one must not be sent twice: one tab renews at a time.
async function renew() {
  refreshing ??= navigator.locks
    .request("headwater.refresh", async () => {
      const refreshToken = localStorage.getItem(REFRESH_KEY);
      if (!refreshToken) return forget();
      try {
        // Kept until an answer has come: with the same key, a refresh may be repeated when its answer was lost.
        if (!localStorage.getItem(RETRY_KEY)) localStorage.setItem(RETRY_KEY, crypto.randomUUID());
        const headers = { "Idempotency-Key": localStorage.getItem(RETRY_KEY) };
        accept(await request("POST", "/auth/refresh", { body: { refresh_token: refreshToken }, headers }));
      } catch (error) {
        if (error.status === 401) forget();
        else throw error;
      }
    })
    .finally(() => {
      refreshing = null;
    });
  return refreshing;
}

/** Sign in again after a reload, if this browser was signed in. Never throws for being signed out. */
export async function restore() {
  if (accessToken === null && localStorage.getItem(REFRESH_KEY)) await renew().catch(() => {});
  return currentUser;
}

export function onUser(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const register = async (fields) => accept(await request("POST", "/auth/register", { body: fields }));
export const login = async (fields) => accept(await request("POST", "/auth/login", { body: fields }));

/** Trade what a provider's visit ended with for tokens; the answer says also whether the account is new. */
export async function exchangeCode(proof) {
  const answer = await request("POST", "/auth/oauth/exchange", { body: proof });
  accept(answer);
  return answer;
}

/** Every other device is signed out; this one stays. */
export const changePassword = (fields) => call("POST", "/auth/password", fields);

/** This browser is signed out at once, whatever becomes of the call: it goes on when the page is left meanwhile. Where it
 * fails, the session stays in the list on the account's page, to be ended from there. */
export async function logout() {
  const refreshToken = localStorage.getItem(REFRESH_KEY);
  const end = (token) => request("POST", "/auth/logout", { token, keepalive: true });
  const ended = end(accessToken);
  forget();
  try {
    await ended.catch(async (error) => {
      if (error.status !== 401) throw error;
      const renewed = await request("POST", "/auth/refresh", { body: { refresh_token: refreshToken }, keepalive: true });
      await end(renewed.access_token);
    });
  } catch {
    // Whoever signs out can do no more about it here.
  }
}
