// How one message of chat is shown, live or over a recording. What people say is shown as text, never as markup; links become
// links here, in the browser, and emotes pictures, where the server says that they are.

import { emotePicture, parts } from "/chat-text.js";
import { html, useEffect, useState } from "/page.js";
import { config } from "/session.js";

const BADGES = {
  owner: ["★", "Owner"],
  moderator: ["⚔", "Moderator"],
  vip: ["◆", "VIP"],
  verified: ["✔", "Verified"],
  follower: ["♥", "Follower"],
};

/** The address of an emote's picture by its id, in one stream's chat. */
export function useEmotePicture(streamId) {
  const [cdn, setCdn] = useState("");
  useEffect(() => {
    config().then((urls) => setCdn(urls.cdn));
  }, []);
  return (id, size) => emotePicture(cdn, streamId, id, size);
}

export const Emote = ({ name, src }) => html`<img class="emote" src=${src} alt=${name} title=${name} width="28" height="28" loading="lazy" />`;

const Badge = ({ name }) => {
  const [sign, label] = BADGES[name] ?? ["", ""];
  return sign && html`<span class=${`chat-badge ${name}`} role="img" aria-label=${label} title=${label}>${sign}</span>`;
};

function shown(part, picture) {
  if (part.kind === "emote") return html`<${Emote} name=${part.text} src=${picture(part.id)} />`;
  if (part.kind === "mention") return html`<strong class="mention">${part.text}</strong>`;
  if (part.kind === "link")
    return html`<a href=${part.text} target="_blank" rel="noopener noreferrer nofollow ugc">${part.text}</a>`;
  return part.text;
}

/** Who said it, and what: the inside of a list item. */
export function ChatLine({ line, picture }) {
  return html`
    ${line.user.badges.map((name) => html`<${Badge} name=${name} />`)}
    <span class=${`author ${line.user.role}`}>${line.user.username}</span>${": "}
    <span dir="auto">${parts(line.text, line.emotes).map((part) => shown(part, picture))}</span>
  `;
}
