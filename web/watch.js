// The watch page: one stream live (`/watch/{stream_id}`), or one recording
// (`/recordings/{broadcast_id}`), or a clip of one (`/clips/{clip_id}`).

import "/vendor/media-chrome/dist/index.js";
import { ChatPanel } from "/chat-panel.js";
import { ChatReplayPanel } from "/chat-replay-panel.js";
import { ClipList, ClipMaker, DeleteClip } from "/clips.js";
import { PlannedStart, Tags } from "/find-streams.js";
import { Header, StatusBadge, dayAndTime, duration, html, render, useEffect, usePolling, useRef, useState, useUser, viewers } from "/page.js";
import { signed, takesSignature, watch } from "/playback-session.js";
import { play } from "/player.js";
import { Follow } from "/profile.js";
import { call } from "/session.js";

const AUTOMATIC = -1;
const LAST_MILLISECONDS = 20_000; // viewers are some seconds behind: they shall see the end
const [, kind, id] = location.pathname.split("/");
const format = new URLSearchParams(location.search).get("format") === "dash" ? "dash" : "hls";

// The controller around it takes arrow keys for volume and seeking, even from a list that has the focus.
const keepKeys = (event) => event.stopPropagation();

function Player({ playback, poster, live, onPlayer }) {
  const [video, setVideo] = useState(null);
  const [player, setPlayer] = useState(null);
  const [qualities, setQualities] = useState([]);
  const [chosen, setChosen] = useState(AUTOMATIC);
  const [playing, setPlaying] = useState(null);
  const [trouble, setTrouble] = useState(null);

  useEffect(() => {
    if (!video) return undefined;
    let started = null;
    let stopped = false;
    play(video, playback, format, { onQualities: setQualities, onPlaying: setPlaying, onTrouble: setTrouble }).then(
      (it) => {
        started = it;
        if (stopped) it.stop();
        else {
          setPlayer(it);
          onPlayer(it);
          globalThis.headwaterPlayer = it; // for the browser's console and for tests
        }
      },
      (error) => setTrouble(error.message),
    );
    return () => {
      stopped = true;
      onPlayer(null);
      started?.stop();
    };
  }, [video, playback.hls, playback.dash]);

  const choose = (event) => {
    const quality = Number(event.target.value);
    setChosen(quality);
    player?.choose(quality);
  };
  return html`
    <div class="player">
      <media-controller>
        <video slot="media" ref=${setVideo} playsinline autoplay muted crossorigin poster=${poster ?? undefined}></video>
        <media-loading-indicator slot="centered-chrome" noautohide></media-loading-indicator>
        <media-control-bar>
          <media-play-button></media-play-button>
          <media-mute-button></media-mute-button>
          <media-volume-range></media-volume-range>
          ${live
            ? html`<button class="control live-edge" onClick=${() => player?.toLiveEdge()} title="Go to the live edge">● LIVE</button>`
            : html`<media-time-display showduration notoggle></media-time-display>`}
          <media-time-range></media-time-range>
          <label class="control quality">
            <span class="visually-hidden">Quality</span>
            <select onKeyDown=${keepKeys} onChange=${choose} value=${chosen} data-playing=${playing ?? ""}>
              <option value=${AUTOMATIC}>${chosen === AUTOMATIC && playing ? `Auto (${playing})` : "Auto"}</option>
              ${qualities.map((quality) => html`<option key=${quality.id} value=${quality.id}>${quality.label}</option>`)}
            </select>
          </label>
          <media-pip-button></media-pip-button>
          <media-fullscreen-button></media-fullscreen-button>
        </media-control-bar>
      </media-controller>
      ${trouble && html`<p class="trouble" role="status">${trouble}</p>`}
    </div>
  `;
}

/** Watches for as long as the page plays; what to play, once that is known. */
function usePlaybackSession(streamId, watching, otherwise) {
  const [playback, setPlayback] = useState(null);
  useEffect(() => {
    if (!watching) return undefined;
    return watch(streamId, (opened) => setPlayback((before) => opened ?? before ?? otherwise));
  }, [streamId, watching]);
  return watching ? playback : null;
}

const withoutPlayback = ({ status, recorded }) =>
  recorded && status !== "failed" ? "The recording is not ready yet." : "There is no recording of this broadcast.";
const poster = ({ thumbnail_url: url }) => url && signed(url);

function Live() {
  const user = useUser();
  const [stream, setStream] = useState(null);
  const [problem, setProblem] = useState(null);
  // What plays: one broadcast, from when it is seen live until its end has been seen. An interruption is the player's to
  // bridge, not a reason to start anew.
  const [show, setShow] = useState(null);
  const [player, setPlayer] = useState(null);
  const curtain = useRef(null);

  usePolling(
    async () => {
      try {
        const seen = await call("GET", `/streams/${id}`);
        setStream(seen);
        setProblem(null);
        document.title = `${seen.title} · Headwater`;
        if (seen.status === "offline") {
          curtain.current ??= Date.now() + LAST_MILLISECONDS;
          if (Date.now() > curtain.current) setShow(null);
        } else {
          curtain.current = null;
          const { hls } = seen.playback;
          setShow((before) =>
            before?.startedAt === seen.started_at && before.hls === hls ? before : { startedAt: seen.started_at, ...seen.playback },
          );
        }
      } catch (error) {
        if (error.status === 404) setProblem("This stream does not exist, or you may not see it.");
        else setProblem(error.message);
      }
    },
    2,
    [user?.id],
  );
  // Another address of the same show: it has turned private, or public.
  const playback = usePlaybackSession(id, show === null ? false : show.hls, show);

  return html`
    <${Header} user=${user} />
    <main class="watch">
      ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
      <section class="stage" aria-label="Video">
        ${show && playback
          ? html`<${Player} key=${show.startedAt} playback=${playback} poster=${poster(stream)} live=${true} onPlayer=${setPlayer} />`
          : html`<div class="player off"><p>${stream && !show ? html`The stream is offline. <${PlannedStart} stream=${stream} /> It will start here by itself.` : "Loading…"}</p></div>`}
        ${stream &&
        html`
          <h1>${stream.title}</h1>
          <p class="about">
            <${StatusBadge} status=${stream.status} />
            <span class="viewer-count">${viewers(stream.viewer_count)}</span>
          </p>
          ${user && show && player && html`<${ClipMaker} streamId=${id} startedAt=${show.startedAt} player=${player} />`}
          <${Follow} user=${user} owner=${stream.owner} />
          <${Tags} stream=${stream} />
          <p class="description">${stream.description}</p>
        `}
      </section>
      ${stream && html`<${ChatPanel} streamId=${id} user=${user} />`}
      ${stream && html`<${ClipList} streamId=${id} />`}
    </main>
  `;
}

/** Where in a recording that is which the page plays: all of it, or a clip. */
const ofRecording = (shown) =>
  ({ streamId: shown.stream_id, ...(kind === "clips" ? { broadcastId: shown.broadcast_id, begins: shown.start } : { broadcastId: shown.id, duration: shown.duration }) });

function Recording() {
  const user = useUser();
  const [broadcast, setBroadcast] = useState(null);
  const [player, setPlayer] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    call("GET", `/${kind === "clips" ? "clips" : "broadcasts"}/${id}`).then(
      (found) => {
        setBroadcast(found);
        document.title = `${found.title} · Headwater`;
      },
      (error) => setProblem(error.status === 404 ? `This ${kind === "clips" ? "clip" : "recording"} does not exist, or you may not see it.` : error.message),
    );
  }, [user?.id]);
  // Only what is not for everybody needs a session; the others who watch a recording are nobody's viewers.
  const closed = Boolean(broadcast?.playback?.hls && takesSignature(broadcast.playback.hls));
  const opened = usePlaybackSession(broadcast?.stream_id, closed, null);
  const playable = Boolean(broadcast?.playback?.hls && (!closed || opened));
  return html`
    <${Header} user=${user} />
    <main class=${playable ? "watch" : "watch alone"}>
      ${problem && html`<p class="notice error" role="alert">${problem}</p>`}
      <section class="stage" aria-label="Video">
        ${playable && html`<${Player} playback=${broadcast.playback} poster=${poster(broadcast)} live=${false} onPlayer=${setPlayer} />`}
        ${broadcast && !broadcast.playback?.hls && html`<div class="player off"><p>${withoutPlayback(broadcast)}</p></div>`}
        ${broadcast &&
        html`
          <h1>${broadcast.title}</h1>
          <p class="about">
            <span>${dayAndTime(broadcast.started_at ?? broadcast.created_at)}</span>
            <span>${duration(broadcast.duration)}</span>
            <a href=${`/watch/${broadcast.stream_id}`}>Go to the stream</a>
            ${kind === "clips" && html`<a href=${`/recordings/${broadcast.broadcast_id}`}>Watch it all</a>`}
          </p>
          ${user && kind === "recordings" && player && html`<${ClipMaker} streamId=${broadcast.stream_id} broadcastId=${id} player=${player} />`}
          ${user && kind === "clips" && html`<${DeleteClip} clip=${broadcast} user=${user} />`}
        `}
      </section>
      ${playable && html`<${ChatReplayPanel} streamId=${broadcast.stream_id} ...${ofRecording(broadcast)} player=${player} />`}
      ${broadcast && html`<${ClipList} streamId=${broadcast.stream_id} except=${id} />`}
    </main>
  `;
}

const PAGES = { watch: Live, recordings: Recording, clips: Recording };
render(html`<${PAGES[kind]} />`, document.getElementById("page"));
