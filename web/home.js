// The home page: what is live now or is found by words, category and tag; what is planned; what can be watched again.

import { call } from "/session.js";
import { AboutStream, SearchForm, Tags, address, asked, useStreams } from "/find-streams.js";
import { Card, Header, dayAndTime, duration, html, render, useEffect, useState, useUser } from "/page.js";

function StreamCards({ streams }) {
  return html`
    <ul class="cards" aria-busy=${streams === null}>
      ${(streams ?? []).map(
        (stream) => html`
          <${Card} key=${stream.id} href=${`/watch/${stream.id}`} image=${stream.thumbnail_url} title=${stream.title}
            below=${html`<${Tags} stream=${stream} />`}>
            <${AboutStream} stream=${stream} />
          <//>
        `,
      )}
    </ul>
  `;
}

function Found({ wanted }) {
  const { items, next, problem, more } = useStreams(wanted, 5);
  const nothing = wanted.narrowed
    ? html`Nothing fits. <a href="/">See everything that is live</a>.`
    : html`Nobody is live at the moment. <a href="/studio">Go live yourself</a>.`;
  return html`
    ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
    <h2>${wanted.narrowed ? "Streams" : "Live now"}</h2>
    <p class="empty" role="status">${items?.length === 0 ? nothing : null}</p>
    <${StreamCards} streams=${items} />
    ${next && html`<p class="actions"><button onClick=${more}>Show more</button></p>`}
  `;
}

function ComingUp() {
  const [planned, setPlanned] = useState([]);
  useEffect(() => {
    call("GET", "/streams?sort=scheduled&limit=8").then((page) => setPlanned(page.items), () => {});
  }, []);
  return planned.length === 0 ? null : html`<h2>Coming up</h2><${StreamCards} streams=${planned} />`;
}

function Recordings() {
  const [recordings, setRecordings] = useState(null);
  useEffect(() => {
    call("GET", "/broadcasts?limit=24").then(
      (page) => setRecordings(page.items),
      () => setRecordings([]),
    );
  }, []);
  return html`
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
  `;
}

function Home() {
  const user = useUser();
  const [wanted, setWanted] = useState(asked);
  useEffect(() => {
    const follow = () => setWanted(asked());
    addEventListener("popstate", follow);
    return () => removeEventListener("popstate", follow);
  }, []);
  const ask = (fields) => {
    history.pushState(null, "", address(fields));
    setWanted(asked());
  };
  return html`
    <${Header} user=${user} />
    <main>
      <h1 class="visually-hidden">Headwater</h1>
      <${SearchForm} wanted=${wanted} onAsk=${ask} />
      <${Found} wanted=${wanted} key=${address(wanted)} />
      ${!wanted.narrowed && html`<${ComingUp} /><${Recordings} />`}
    </main>
  `;
}

render(html`<${Home} />`, document.getElementById("page"));
