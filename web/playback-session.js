// A playback session: it counts this browser as a viewer, and brings the signature that media take which are not for
// everybody. Where the CDN is the page's own host, the signature travels in cookies, which every player sends by itself;
// elsewhere a browser may refuse them as a third party's, so it travels in the query of each URL.

import { useEffect, useState } from "/page.js";
import { call } from "/session.js";

const HEARTBEAT_SECONDS = 10;
const COOKIE_SECONDS = 60; // a signature ends sooner: the CDN knows when, whatever this browser's clock says
let access = null;
let mediaHost = null;

/** `url` as it has to be asked for. */
export function signed(url) {
  const { origin, pathname } = new URL(url, location.href);
  if (!access || origin !== mediaHost || origin === location.origin || !pathname.startsWith(access.cookie_path)) return url;
  const bare = access.query.split("&").reduce((rest, pair) => rest.replace(pair, ""), url).replace(/[?&]+$/, "");
  return `${bare}${bare.includes("?") ? "&" : "?"}${access.query}`;
}

/** Whether media at `url` take a signature. */
export const takesSignature = (url) => /^\/(private|owner)\//.test(new URL(url).pathname);

function accept(fresh) {
  if (!fresh) return;
  access = fresh;
  if (mediaHost !== location.origin) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  for (const [name, value] of Object.entries(fresh.cookies)) {
    document.cookie = `${name}=${value}; Path=${fresh.cookie_path}; Max-Age=${COOKIE_SECONDS}; SameSite=Strict${secure}`;
  }
}

/** Watch `streamId` until the function that this returns is called. `onOpen(playback)` says what to play, or null. */
export function watch(streamId, onOpen) {
  let timer = null;
  let stopped = false;
  const beat = async (session) => {
    if (stopped) return;
    try {
      if (session) accept((await call("POST", `/playback-sessions/${session.session_id}/heartbeat`)).access);
      else {
        session = await call("POST", `/streams/${streamId}/playback-session`);
        mediaHost = new URL(session.playback.hls).origin;
        accept(session.access);
        if (!stopped) onOpen(session.playback);
      }
    } catch (error) {
      if (error.status === 404) session = null;
      if (!stopped && !session) onOpen(null);
    }
    if (!stopped) timer = setTimeout(beat, HEARTBEAT_SECONDS * 1000, session);
  };
  beat(null);
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

/**
 * Where the pictures of `items`, things of one stream, can be shown from. For those that take a signature one session is
 * opened, once: what has been shown stays, and who looks at a list is nobody's viewer for long.
 */
export function usePictures(streamId, items) {
  const [opened, setOpened] = useState({});
  const closed = items.map((item) => item.thumbnail_url).filter((url) => url && takesSignature(url) && !(url in opened));
  useEffect(() => {
    if (!closed.length) return undefined;
    const stop = watch(streamId, () => {
      stop();
      setOpened((before) => ({ ...before, ...Object.fromEntries(closed.map((url) => [url, signed(url)])) }));
    });
    return stop;
  }, [streamId, closed.join()]);
  return ({ thumbnail_url: url }) => (url && takesSignature(url) ? opened[url] : url);
}
