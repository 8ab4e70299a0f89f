// What a chat panel shows, as it follows from the events of its room, one after the other. Pure: nothing here is changed in place.

const SHOWN = 300;

export const EMPTY = { lines: [], settings: null, viewers: null, reactions: {}, waiting: 0 };

// The longest time-outs are days, the shortest seconds; people say neither 36000 seconds nor 0.4 days.
export function timeSpan(seconds) {
  for (const [unit, size] of [["day", 86_400], ["hour", 3600], ["minute", 60]]) {
    const count = Math.round(seconds / size);
    if (seconds >= size) return `${count} ${unit}${count === 1 ? "" : "s"}`;
  }
  return `${seconds} second${seconds === 1 ? "" : "s"}`;
}

const told = (event, text, undo = null) => ({ kind: "notice", key: `notice-${event.seq}`, seq: event.seq, text, undo });
const said = (message) => ({ ...message, kind: "message", key: message.id, gone: false });
const with_ = (log, line) => ({ ...log, lines: [...log.lines, line].slice(-SHOWN) });

/** Lines for which `hides` holds are not shown any more; that they were there is. */
const without = (log, hides) => ({
  ...log,
  lines: log.lines.map((line) => (line.kind === "message" && !line.gone && hides(line) ? { ...line, gone: true } : line)),
});
const byUser = (event) => (line) => line.user.id === event.user.id && line.seq < event.seq;

function restored(log, message) {
  const line = said(message);
  if (log.lines.some((each) => each.key === line.key)) {
    return { ...log, lines: log.lines.map((each) => (each.key === line.key ? line : each)) };
  }
  const place = log.lines.findIndex((each) => each.seq > line.seq);
  return place < 0 ? with_(log, line) : { ...log, lines: log.lines.toSpliced(place, 0, line).slice(-SHOWN) };
}

function withReactions(log, counts) {
  const sums = { ...log.reactions };
  for (const [emoji, count] of Object.entries(counts)) sums[emoji] = (sums[emoji] ?? 0) + count;
  return { ...log, reactions: sums };
}

const FOLLOWING = {
  message: (log, event) => with_(log, said(event)),
  message_deleted: (log, event) => without(log, (line) => line.id === event.message_id),
  message_restored: (log, event) => restored(log, event.message),
  user_timeout: (log, event) =>
    with_(
      without(log, byUser(event)),
      told(event, `${event.user.username} cannot chat for ${timeSpan(event.seconds)}.`, { action: "unban", user: event.user }),
    ),
  user_banned: (log, event) =>
    with_(without(log, byUser(event)), told(event, `${event.user.username} was banned.`, { action: "unban", user: event.user })),
  user_unbanned: (log, event) => with_(log, told(event, `${event.user.username} may chat again.`)),
  cleared: (log, event) => with_({ ...log, lines: [] }, told(event, "The chat was cleared.")),
  settings: (log, event) => ({ ...log, settings: event.settings }),
  reactions: (log, event) => withReactions(log, event.counts),
  viewer_count: (log, event) => ({ ...log, viewers: event.viewers }),
  review: (log, event) => ({ ...log, waiting: event.waiting }),
};

/** What is shown after `event`; events of a kind that this page does not know yet change nothing. */
export const withEvent = (log, event) => FOLLOWING[event.type]?.(log, event) ?? log;

let gaps = 0;

/** Some events are gone for ever: what comes next does not follow what is shown. */
export const withGap = (log) => ({ ...log, lines: [{ kind: "notice", key: `gap-${++gaps}`, seq: 0, text: "Some messages were missed.", undo: null }] });

/** How the room is set, in words; nothing when nothing is restricted. */
export function modes(settings) {
  if (!settings) return [];
  const age = (minutes) => timeSpan(minutes * 60);
  return [
    settings.slow_seconds && `Slow mode: a message every ${timeSpan(settings.slow_seconds)}`,
    settings.followers_only && (settings.follow_age_minutes ? `Followers of at least ${age(settings.follow_age_minutes)} only` : "Followers only"),
    settings.account_age_minutes && `Accounts of at least ${age(settings.account_age_minutes)} only`,
    settings.emote_only && "Emotes only",
    settings.unique && "Nothing twice",
  ].filter(Boolean);
}
