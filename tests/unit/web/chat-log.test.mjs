// What a chat panel shows follows from the events of its room; nothing here needs a browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { EMPTY, modes, timeSpan, withEvent, withGap } from "../../../web/chat-log.js";
import { emotePicture, mentions, parts } from "../../../web/chat-text.js";

const message = (seq, username = "ada", text = `message ${seq}`) =>
  ({ type: "message", seq, id: `m${seq}`, user: { id: `user-${username}`, username, role: "viewer", badges: [] }, text, emotes: [], reply_to: null });
const after = (...events) => events.reduce(withEvent, EMPTY);
const shown = (log) => log.lines.map((line) => (line.kind === "notice" ? line.text : line.gone ? "(gone)" : line.text));

test("a message that is deleted leaves a mark, and comes back when it is restored", () => {
  const log = after(message(1), message(2), { type: "message_deleted", seq: 3, message_id: "m1" });
  assert.deepEqual(shown(log), ["(gone)", "message 2"]);
  assert.deepEqual(shown(withEvent(log, { type: "message_restored", seq: 4, message: message(1) })), ["message 1", "message 2"]);
});

test("a message that is restored where it was never seen takes its place in the order", () => {
  const log = after(message(1), message(5), { type: "message_restored", seq: 6, message: message(3) });
  assert.deepEqual(shown(log), ["message 1", "message 3", "message 5"]);
});

test("who is timed out or banned is shown no more, but for what they say later", () => {
  const user = { id: "user-ada", username: "ada" };
  const log = after(message(1), message(2, "ben"), { type: "user_timeout", seq: 3, user, seconds: 600 }, message(4));
  assert.deepEqual(shown(log), ["(gone)", "message 2", "ada cannot chat for 10 minutes.", "message 4"]);
  const banned = withEvent(log, { type: "user_banned", seq: 5, user });
  assert.deepEqual(shown(banned).slice(-2), ["(gone)", "ada was banned."]);
  assert.deepEqual(banned.lines.at(-1).undo, { action: "unban", user });
  assert.equal(shown(withEvent(banned, { type: "user_unbanned", seq: 6, user })).at(-1), "ada may chat again.");
});

test("a cleared room and a gap begin anew, and say so", () => {
  assert.deepEqual(shown(after(message(1), { type: "cleared", seq: 2 }, message(3))), ["The chat was cleared.", "message 3"]);
  assert.deepEqual(shown(withGap(after(message(1)))), ["Some messages were missed."]);
});

test("figures are kept, and what this page does not know yet changes nothing", () => {
  const log = after(
    { type: "reactions", counts: { "🔥": 2 } }, { type: "reactions", counts: { "🔥": 1, hwGG: 4 } },
    { type: "viewer_count", viewers: 7 }, { type: "review", waiting: 3 },
    { type: "settings", seq: 1, settings: { slow_seconds: 5 } }, { type: "raid", seq: 2 },
  );
  assert.deepEqual([log.reactions, log.viewers, log.waiting, log.settings], [{ "🔥": 3, hwGG: 4 }, 7, 3, { slow_seconds: 5 }]);
});

test("a panel does not grow for ever", () => {
  assert.equal(after(...Array.from({ length: 1000 }, (_, seq) => message(seq))).lines.length, 300);
});

test("links, mentions and emotes are told apart, and a text is never lost", () => {
  const text = "👋🏽 hwWave @ben see https://example.com/@ada?a=1 mail@ada.org";
  const start = [...text].indexOf("h");
  const found = parts(text, [{ id: "hwWave", name: "hwWave", start, end: start + 6 }]);
  assert.equal(found.map((part) => part.text).join(""), text);
  const special = found.filter((part) => part.kind !== "text").map((part) => [part.kind, part.text]);
  assert.deepEqual(special, [["emote", "hwWave"], ["mention", "@ben"], ["link", "https://example.com/@ada?a=1"]]);
  assert.deepEqual(parts("javascript:alert(1) <b>hi</b>"), [{ kind: "text", text: "javascript:alert(1) <b>hi</b>" }]);
});

test("a mention is of one name, in any case", () => {
  assert.ok(mentions("hey @Ada!", "ada"));
  for (const text of ["ada", "@adam", "x@ada", "@_ada", "https://example.com/@ada"]) assert.ok(!mentions(text, "ada"), text);
});

test("a built-in emote's picture is the page's own, any other is the stream's", () => {
  assert.equal(emotePicture("https://cdn", "s", "hwGG"), "/emotes/hwGG.svg");
  assert.equal(emotePicture("https://cdn", "s", "1m81s9s6ks3n6qtcvpf3wq", 28), "https://cdn/emotes/s/1m81s9s6ks3n6qtcvpf3wq/28.webp");
});

test("time and modes are said as people say them", () => {
  assert.deepEqual([1, 59, 60, 600, 3600, 86_400, 1_209_600].map(timeSpan), ["1 second", "59 seconds", "1 minute", "10 minutes", "1 hour", "1 day", "14 days"]);
  assert.deepEqual(modes({ slow_seconds: 0, followers_only: false, follow_age_minutes: 10 }), []);
  assert.deepEqual(modes({ slow_seconds: 10, followers_only: true, follow_age_minutes: 10, emote_only: true }), [
    "Slow mode: a message every 10 seconds", "Followers of at least 10 minutes only", "Emotes only",
  ]);
});
