/** Where `text`, a path from an address bar, leads on this site; null when it leads anywhere else. The browser judges, for it
 *  drops tabs and line ends and turns `\` around: `/<tab>/elsewhere.example` begins like a path and is none. */
export function ownPath(text) {
  if (!text?.startsWith("/") || !URL.canParse(text, location.origin)) return null;
  const url = new URL(text, location.origin);
  return url.origin === location.origin ? url.href : null;
}
