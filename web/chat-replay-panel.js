// Chat beside a recording or a clip: what was said, when the recording comes to it.

import { ChatLine, useEmotePicture } from "/chat-line.js";
import { ChatReplay } from "/chat-replay.js";
import { html, useEffect, useRef, useState } from "/page.js";
import { call } from "/session.js";

const LOOK_EVERY_MS = 250;
const PAGE_LINES = 100;
const LEAD_SECONDS = 0.5; // what stands at the very end is shown, too, where the picture ends a little before the sound

const same = (before, after) => before.length === after.length && before[0]?.id === after[0]?.id && before.at(-1)?.id === after.at(-1)?.id;

function pageOf(broadcastId, { from, to, cursor }) {
  const query = new URLSearchParams({ from, limit: PAGE_LINES });
  if (to !== null) query.set("to", to);
  if (cursor !== null) query.set("cursor", cursor);
  return call("GET", `/broadcasts/${broadcastId}/chat?${query}`);
}

/** `begins`: where in the recording that begins which `player` plays, in seconds; a clip's begins later. */
export function ChatReplayPanel({ streamId, broadcastId, begins = 0, duration, player }) {
  const [lines, setLines] = useState([]);
  const list = useRef(null);
  const picture = useEmotePicture(streamId);

  useEffect(() => {
    if (!player) return undefined;
    let replay = null;
    const look = () => {
      const now = replay.at(begins + player.seconds() + LEAD_SECONDS);
      setLines((before) => (same(before, now) ? before : now));
    };
    replay = new ChatReplay({ load: (stretch) => pageOf(broadcastId, stretch), duration, onChange: look });
    const timer = setInterval(look, LOOK_EVERY_MS);
    look();
    return () => {
      clearInterval(timer);
      replay.stop();
    };
  }, [broadcastId, begins, duration, player]);

  useEffect(() => {
    if (list.current) list.current.scrollTop = list.current.scrollHeight;
  }, [lines]);

  return html`
    <section class="chat" aria-label="Chat replay">
      <h2>Chat as it was</h2>
      <div class="log" ref=${list} role="log" aria-live="off" aria-label="Messages" tabindex="0"><ol>
        ${lines.map((line) => html`<li key=${line.id}><${ChatLine} line=${line} picture=${picture} /></li>`)}
      </ol></div>
    </section>
  `;
}
