// The chat of a recording, on a clock of its own: what is shown is what had been said, wherever somebody seeks to.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ChatReplay } from "../../../web/chat-replay.js";

const DURATION = 600;
const PAGE = 3;

/** A message every `every` seconds, told by pages as the API tells them. */
class Api {
  asked = [];
  failures = 0;
  held = null; // when it is an array, answers wait in it

  constructor(every = 7, duration = DURATION) {
    this.said = Array.from({ length: Math.floor(duration / every) + 1 }, (_, n) => ({ id: `m${n}`, offset: n * every }));
  }

  load = async ({ from, to, cursor }) => {
    this.asked.push({ from, to, cursor });
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error("away");
    }
    const found = this.said.filter(({ offset }) => offset >= from && (to === null || offset < to));
    const begin = Number(cursor ?? 0);
    const page = { items: found.slice(begin, begin + PAGE), next_cursor: found.length > begin + PAGE ? String(begin + PAGE) : null };
    if (this.held) await new Promise((go) => this.held.push(go));
    return page;
  };

  release() {
    this.held.splice(0).forEach((go) => go());
  }
}

const settled = async () => {
  for (let turn = 0; turn < 200; turn++) await Promise.resolve();
};

function open(api = new Api(), options = {}) {
  const timers = [];
  const clock = { setTimeout: (act) => timers.push(act), clearTimeout() {} };
  const replay = new ChatReplay({ load: api.load, duration: DURATION, clock, ...options });
  const shown = async (seconds) => {
    replay.at(seconds);
    await settled();
    return replay.at(seconds);
  };
  return { api, replay, shown, timers };
}

const expected = (api, seconds, from = 0) => api.said.filter(({ offset }) => offset >= from && offset <= seconds).map(({ id }) => id);
const ids = (lines) => lines.map(({ id }) => id);

test("playing on, each line comes when the recording is there, and is asked for once", async () => {
  const { api, shown } = open();
  for (let seconds = 0; seconds <= DURATION; seconds += 0.25) {
    assert.deepEqual(ids(await shown(seconds)), expected(api, seconds).slice(-200));
  }
  const firsts = api.asked.filter(({ cursor }) => cursor === null);
  assert.deepEqual(firsts.map(({ from }) => from), [0, 60, 120, 180, 240, 300, 360, 420, 480, 540]);
});

test("what stands at the very end is shown", async () => {
  const api = new Api(10);
  const { shown } = open(api);
  assert.equal((await shown(DURATION)).at(-1).offset, DURATION);
});

test("seeking shows what had been said there, ahead and back, and plays on from there", async () => {
  const { api, shown } = open();
  await shown(3);
  assert.deepEqual(ids(await shown(400)), expected(api, 400, 370));
  assert.deepEqual(ids(await shown(401)), expected(api, 401, 370));
  assert.deepEqual(ids(await shown(50)), expected(api, 50, 20));
  assert.deepEqual(ids(await shown(0)), expected(api, 0));
  for (let seconds = 0; seconds < 200; seconds += 5) assert.deepEqual(ids(await shown(seconds)), expected(api, seconds));
});

test("seeking back within what is there asks for nothing", async () => {
  const { api, shown } = open();
  for (let seconds = 0; seconds <= 100; seconds += 5) await shown(seconds);
  const asked = api.asked.length;
  assert.deepEqual(ids(await shown(42)), expected(api, 42));
  assert.equal(api.asked.length, asked);
});

test("what comes late for a place that was left is not shown", async () => {
  const { api, replay, shown } = open();
  api.held = [];
  replay.at(0);
  await settled();
  replay.at(500);
  await settled();
  const held = api.held;
  api.held = null;
  held.reverse().forEach((go) => go()); // the place that was left is answered last
  await settled();
  assert.deepEqual(ids(await shown(500)), expected(api, 500, 470));
});

test("a slow answer does not make it begin again", async () => {
  const { api, replay, shown } = open();
  await shown(0);
  api.held = [];
  for (let seconds = 1; seconds < 100; seconds += 1) replay.at(seconds);
  await settled();
  while (api.held.length) {
    api.release();
    await settled();
  }
  assert.deepEqual(ids(replay.at(100)), expected(api, 100));
  assert.equal(new Set(ids(replay.at(100))).size, replay.at(100).length);
  assert.ok(api.asked.every(({ from }) => from % 60 === 0));
});

test("what fails is tried again where it was left", async () => {
  const { api, replay, shown, timers } = open(new Api(1));
  await shown(0);
  api.failures = 1;
  assert.deepEqual(ids(await shown(45)), expected(api, 45));
  assert.equal(timers.length, 1);
  timers.pop()();
  await settled();
  assert.deepEqual(ids(replay.at(90)), expected(api, 90));
});

test("tells when what is shown may have changed, until it is stopped", async () => {
  let changes = 0;
  const { replay, api } = open(new Api(), { onChange: () => (changes += 1) });
  replay.at(10);
  await settled();
  assert.ok(changes > 0);
  api.held = [];
  replay.at(300);
  await settled();
  const before = changes;
  replay.stop();
  api.release();
  await settled();
  assert.equal(changes, before);
});

test("of a long recording it keeps only what is near", async () => {
  const { api, replay, shown } = open(new Api(0.1));
  for (let seconds = 0; seconds <= DURATION; seconds += 20) {
    const lines = await shown(seconds);
    assert.ok(lines.length <= 200);
  }
  const asked = api.asked.length;
  assert.deepEqual(ids(await shown(DURATION - 50)).at(-1), expected(api, DURATION - 50).at(-1));
  assert.equal(api.asked.length, asked);
  replay.at(0);
  assert.ok(api.asked.length > asked);
});

test("a recording in which nothing was said shows nothing and asks little", async () => {
  const api = new Api();
  api.said = [];
  const { shown } = open(api);
  for (let seconds = 0; seconds <= DURATION; seconds += 10) assert.deepEqual(await shown(seconds), []);
  assert.equal(api.asked.length, 10);
});
