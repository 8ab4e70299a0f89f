// What is in a message: text, links, mentions and emotes, as parts to be shown one after the other. Pure.

const LINK = /\bhttps?:\/\/[^\s<>"']+/g;
const MENTION = /(?<![\p{L}\p{N}_@.-])@([A-Za-z0-9_]{2,32})(?![A-Za-z0-9_])/gu;

function split(text, pattern, kind) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    parts.push({ kind: "text", text: text.slice(end, match.index) }, { kind, text: match[0] });
    end = match.index + match[0].length;
  }
  return [...parts, { kind: "text", text: text.slice(end) }].filter((part) => part.text);
}

const words = (text) =>
  split(text, LINK, "link").flatMap((part) => (part.kind === "text" ? split(part.text, MENTION, "mention") : [part]));

/** `emotes` are ranges in code points, which JavaScript's strings do not count in. */
export function parts(text, emotes = []) {
  const characters = [...text];
  const found = [];
  let end = 0;
  for (const { id, name, start, end: after } of emotes) {
    found.push(...words(characters.slice(end, start).join("")), { kind: "emote", text: name, id });
    end = after;
  }
  return [...found, ...words(characters.slice(end).join(""))];
}

/** Whether a message speaks to whoever is called `username`. */
export const mentions = (text, username) =>
  words(text).some((part) => part.kind === "mention" && part.text.slice(1).toLowerCase() === username.toLowerCase());

/** Where the picture of an emote is: the built-in ones have their names for ids, which no other id looks like. */
export const emotePicture = (cdn, streamId, id, size = 56) =>
  /^hw[A-Z]/.test(id) ? `/emotes/${id}.svg` : `${cdn}/emotes/${streamId}/${id}/${size}.webp`;
