// The home page: what is live now, and what can be watched again.

import { call } from "/session.js";
import { Header, StatusBadge, dayAndTime, duration, html, render, useEffect, usePolling, useState, useUser, viewers } from "/page.js";

// A stream without a picture, or one that has just begun, has no poster.
const hide = (event) => (event.target.hidden = true);

function Card({ href, image, title, children }) {
  return html`
    <li class="card">
      <a href=${href}>
        <div class="picture">${image ? html`<img src=${image} alt="" loading="lazy" width="320" height="180" onError=${hide} />` : null}</div>
        <h3>${title}</h3>
      </a>
      <p class="about">${children}</p>
    </li>
  `;
}

function Home() {
  const user = useUser();
  const [live, setLive] = useState(null);
  const [recordings, setRecordings] = useState(null);
  const [problem, setProblem] = useState(null);

  usePolling(async () => {
    try {
      setLive((await call("GET", "/streams?live=true&sort=viewers&limit=24")).items);
      setProblem(null);
    } catch (error) {
      setProblem(error.message);
    }
  }, 5);
  useEffect(() => {
    call("GET", "/broadcasts?limit=24").then(
      (page) => setRecordings(page.items),
      () => setRecordings([]),
    );
  }, []);

  return html`
    <${Header} user=${user} />
    <main>
      ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
      <h1 class="visually-hidden">Headwater</h1>
      <h2>Live now</h2>
      ${live && live.length === 0 && html`<p class="empty">Nobody is live at the moment. <a href="/studio">Go live yourself</a>.</p>`}
      <ul class="cards" aria-busy=${live === null}>
        ${(live ?? []).map(
          (stream) => html`
            <${Card} key=${stream.id} href=${`/watch/${stream.id}`} image=${stream.thumbnail_url} title=${stream.title}>
              <${StatusBadge} status=${stream.status} /> ${stream.owner.username} · ${viewers(stream.viewer_count)}
            <//>
          `,
        )}
      </ul>
      <h2>Watch again</h2>
      ${recordings && recordings.length === 0 && html`<p class="empty">There are no recordings yet.</p>`}
      <ul class="cards" aria-busy=${recordings === null}>
        ${(recordings ?? []).map(
          (broadcast) => html`
            <${Card} key=${broadcast.id} href=${`/recordings/${broadcast.id}`} image=${broadcast.thumbnail_url} title=${broadcast.title}>
              ${duration(broadcast.duration)} · ${dayAndTime(broadcast.started_at)}
            <//>
          `,
        )}
      </ul>
    </main>
  `;
}

render(html`<${Home} />`, document.getElementById("page"));
