// Plays one manifest in a <video>: HLS through hls.js (or the browser itself where hls.js cannot run), DASH through Shaka.
// Both offer the same few things: the list of qualities, choosing one, and the distance to the live edge.

import { signed } from "/playback-session.js";

const HLS_MODULE = "/vendor/hls.js/dist/hls.min.mjs";
const SHAKA_SCRIPT = "/vendor/shaka-player/dist/shaka-player.dash-es2021.js";
const RETRY_MILLISECONDS = 2000;
const STILL_SECONDS = 8;

/**
 * Start playing. `onQualities(list)` gets `[{id, label}]` once known, `onPlaying(label)` the quality on screen,
 * `onTrouble(text|null)` what a person should know. Returns `{choose(id), toLiveEdge(), latency(), seconds(), moment(), stop()}`:
 * what is on the screen is so many `seconds` into the recording, and happened at the Unix time `moment`, in milliseconds.
 */
export async function play(video, { hls, dash }, format, listeners) {
  return format === "dash" ? playDash(video, dash, listeners) : playHls(video, hls, listeners);
}

const label = (height, width) => `${Math.min(height, width)}p`;

async function playHls(video, url, { onQualities, onPlaying, onTrouble }) {
  const { default: Hls } = await import(HLS_MODULE);
  if (!Hls.isSupported()) {
    video.src = signed(url);
    return {
      choose() {},
      toLiveEdge: () => (video.currentTime = video.seekable.end(video.seekable.length - 1)),
      latency: () => null,
      seconds: () => video.currentTime,
      moment: () => (video.getStartDate ? video.getStartDate().getTime() + video.currentTime * 1000 : Date.now()),
      stop: () => video.removeAttribute("src"),
    };
  }

  let retry = null;
  const hls = new Hls({
    lowLatencyMode: true,
    backBufferLength: 60,
    // Two segments behind the edge, where hls.js would stay three; a viewer whose line stalls moves back by a second.
    liveSyncDurationCount: 2,
    maxLiveSyncPlaybackRate: 1.05,
    xhrSetup: (request, address) => {
      if (signed(address) !== address) request.open("GET", signed(address), true);
    },
    manifestLoadPolicy: { default: { maxTimeToFirstByteMs: 8000, maxLoadTimeMs: 15000, timeoutRetry: null, errorRetry: null } },
  });
  hls.on(Hls.Events.MANIFEST_PARSED, () => {
    onTrouble(null);
    onQualities(hls.levels.map((level, id) => ({ id, label: label(level.height, level.width) })).reverse());
  });
  hls.on(Hls.Events.LEVEL_SWITCHED, (_, { level }) => {
    const { height, width } = hls.levels[level];
    onPlaying(height ? label(height, width) : "audio");
  });
  hls.on(Hls.Events.FRAG_BUFFERED, () => onTrouble(null));
  hls.on(Hls.Events.ERROR, (_, error) => {
    if (!error.fatal) return;
    if (error.type === Hls.ErrorTypes.MEDIA_ERROR) {
      hls.recoverMediaError();
      return;
    }
    // The stream is not there (yet, or for the moment): keep asking, so that it plays on without a reload.
    onTrouble("Waiting for the stream…");
    clearTimeout(retry);
    retry = setTimeout(() => (hls.levels.length ? hls.startLoad() : hls.loadSource(url)), RETRY_MILLISECONDS);
  });
  const seeStill = watchForStill(video, () => {
    hls.stopLoad();
    hls.startLoad(-1);
    if (video.readyState > 0 && hls.liveSyncPosition) video.currentTime = hls.liveSyncPosition;
  });
  hls.on(Hls.Events.LEVEL_UPDATED, (_, { details }) => details.live && seeStill(details.edge));
  hls.loadSource(url);
  hls.attachMedia(video);
  return {
    engine: hls,
    choose: (id) => (hls.nextLevel = id),
    toLiveEdge: () => hls.liveSyncPosition && (video.currentTime = hls.liveSyncPosition),
    latency: () => (hls.latency > 0 ? hls.latency : null),
    seconds: () => video.currentTime,
    moment: () => hls.playingDate?.getTime() ?? Date.now(),
    stop() {
      clearTimeout(retry);
      hls.destroy();
    },
  };
}

/**
 * A player can wait for ever for what does not come: a picture where there is but sound, for one. Told of every `edge`
 * (seconds) of the live playlist, this begins again when the playlist has grown for a while and the picture stands still.
 */
function watchForStill(video, beginAgain) {
  let seen = { at: -1, edge: 0 };
  return (edge) => {
    const pausedByViewer = video.paused && video.readyState > 0;
    if (video.currentTime !== seen.at || pausedByViewer || edge < seen.edge) seen = { at: video.currentTime, edge };
    else if (edge - seen.edge >= STILL_SECONDS) {
      seen = { at: video.currentTime, edge };
      beginAgain();
    }
  };
}

let shakaLoading = null;

function loadShaka() {
  shakaLoading ??= new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src: SHAKA_SCRIPT });
    script.onload = () => resolve(globalThis.shaka);
    script.onerror = () => reject(new Error("The DASH player could not be loaded."));
    document.head.append(script);
  });
  return shakaLoading;
}

async function playDash(video, url, { onQualities, onPlaying, onTrouble }) {
  const shaka = await loadShaka();
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  player.getNetworkingEngine().registerRequestFilter((_, request) => {
    request.uris = request.uris.map(signed);
  });
  await player.attach(video);
  let stopped = false;
  let retry = null;

  const showVariant = () => {
    const active = player.getVariantTracks().find((track) => track.active);
    if (active?.height) onPlaying(label(active.height, active.width));
  };
  player.addEventListener("adaptation", showVariant);
  player.addEventListener("variantchanged", showVariant);
  player.addEventListener("error", ({ detail }) => {
    if (detail.severity === shaka.util.Error.Severity.CRITICAL) again();
  });

  async function load() {
    try {
      await player.load(url);
      if (stopped) return;
      onTrouble(null);
      onQualities(
        player
          .getVariantTracks()
          .filter((track) => track.height)
          .sort((one, other) => other.height - one.height)
          .map((track) => ({ id: track.id, label: label(track.height, track.width) })),
      );
      showVariant();
      await video.play().catch(() => {});
    } catch {
      again();
    }
  }
  function again() {
    if (stopped) return;
    onTrouble("Waiting for the stream…");
    clearTimeout(retry);
    retry = setTimeout(load, RETRY_MILLISECONDS);
  }
  load();
  return {
    engine: player,
    choose(id) {
      player.configure({ abr: { enabled: id === -1 } });
      const track = player.getVariantTracks().find((candidate) => candidate.id === id);
      if (track) player.selectVariantTrack(track, true);
    },
    toLiveEdge: () => (video.currentTime = player.seekRange().end),
    latency: () => (player.isLive() ? player.seekRange().end - video.currentTime : null),
    seconds: () => video.currentTime - player.seekRange().start,
    moment: () => player.getPlayheadTimeAsDate()?.getTime() ?? Date.now(),
    async stop() {
      stopped = true;
      clearTimeout(retry);
      await player.destroy();
    },
  };
}
