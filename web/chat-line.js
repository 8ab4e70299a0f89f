// How one message of chat is shown, live or over a recording. What people say is shown as text, never as markup; links become
// links here, in the browser.

import { html } from "/page.js";

const LINK = /\bhttps?:\/\/[^\s<>"']+/g;

function linked(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    parts.push(text.slice(end, match.index));
    parts.push(html`<a href=${match[0]} target="_blank" rel="noopener noreferrer nofollow ugc">${match[0]}</a>`);
    end = match.index + match[0].length;
  }
  return [...parts, text.slice(end)];
}

/** Who said it, and what: the inside of a list item. */
export function ChatLine({ line }) {
  return html`
    <span class=${`author ${line.user.role}`}>${line.user.username}</span>${": "}
    <span dir="auto">${linked(line.text)}</span>
  `;
}
