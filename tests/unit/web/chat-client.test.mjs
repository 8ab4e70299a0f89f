// The chat client against a gateway of its own, on a clock of its own: nothing here takes any real time.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ChatError, ChatRoom } from "../../../web/chat-client.js";

const STREAM = "0123456789abcdefghjkmn";
const MINUTE = 60_000;

class Clock {
  now = 0;
  #timers = new Map();
  #serial = 0;

  setTimeout = (act, delay = 0) => {
    this.#timers.set(++this.#serial, { at: this.now + delay, act });
    return this.#serial;
  };

  clearTimeout = (id) => this.#timers.delete(id);

  /** Let time pass, with everything that falls due, in order. */
  async pass(milliseconds) {
    const end = this.now + milliseconds;
    await settled();
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.now = due[1].at;
      due[1].act();
      await settled();
    }
    this.now = end;
  }
}

const settled = async () => {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
};

/** A room with a log behind sockets that tests can cut, mute and make fail. */
class Gateway {
  sockets = [];
  log = [];
  seq = 1000;
  frames = [];
  refuseJoin = null;
  nonces = new Map();
  mute = false;
  logLimit = Infinity;

  get WebSocket() {
    const gateway = this;
    return class {
      constructor(url) {
        this.url = new URL(url);
        this.open = true;
        gateway.sockets.push(this);
        queueMicrotask(() => this.open && this.onopen?.());
      }

      send(text) {
        if (!this.open) throw new Error("not open");
        const frame = JSON.parse(text);
        gateway.frames.push(frame);
        if (!gateway.mute) gateway.receive(this, frame);
      }

      close() {
        if (!this.open) return;
        this.open = false;
        queueMicrotask(() => this.onclose?.());
      }

      push(frame) {
        if (this.open) this.onmessage?.({ data: JSON.stringify(frame) });
      }

      cut() {
        this.close();
      }
    };
  }

  get joined() {
    return this.sockets.filter((socket) => socket.open && socket.joined);
  }

  receive(socket, frame) {
    if (frame.action === "ping") socket.push({ type: "pong" });
    if (frame.action === "join") {
      if (this.refuseJoin) return socket.push({ type: "error", code: this.refuseJoin, detail: "no", nonce: frame.nonce });
      socket.joined = true;
      const oldest = this.log.length ? this.log[0].seq : this.seq + 1;
      const resumed = frame.after_seq !== undefined;
      const gap = resumed && (frame.after_seq > this.seq || frame.after_seq < oldest - 1);
      const messages = resumed && !gap ? this.log.filter((event) => event.seq > frame.after_seq) : this.log.slice(-50);
      const you = socket.url.searchParams.get("ticket") ? { user_id: "u", username: "ada", role: "viewer" } : null;
      const answer = { type: "joined", stream_id: STREAM, seq: this.seq, you, settings: {}, messages, nonce: frame.nonce };
      socket.push(gap ? { ...answer, gap: true } : answer);
    }
    if (frame.action === "send") {
      if (!this.nonces.has(frame.nonce)) this.nonces.set(frame.nonce, this.append(frame.text));
      const event = this.nonces.get(frame.nonce);
      socket.push({ type: "ack", nonce: frame.nonce, id: event.id, seq: event.seq });
    }
    return undefined;
  }

  append(text) {
    this.seq += 1;
    const event = { type: "message", seq: this.seq, id: `m${this.seq}`, text };
    this.log.push(event);
    if (this.log.length > this.logLimit) this.log.shift();
    return event;
  }

  deliver(...events) {
    for (const socket of this.joined) socket.push({ type: "events", stream_id: STREAM, events });
  }

  say(text) {
    const event = this.append(text);
    this.deliver(event);
    return event;
  }
}

async function openRoom(options = {}) {
  const clock = new Clock();
  const gateway = options.gateway ?? new Gateway();
  const seen = { texts: [], states: [], gaps: 0, problems: [], joins: 0 };
  const room = new ChatRoom({
    url: "wss://chat.example/ws",
    streamId: STREAM,
    WebSocket: gateway.WebSocket,
    clock,
    random: () => 0.5,
    ...options.room,
  });
  room.addEventListener("events", ({ detail }) => seen.texts.push(...detail.events.map((event) => event.text ?? event.type)));
  room.addEventListener("state", ({ detail }) => seen.states.push(detail.state));
  room.addEventListener("gap", () => (seen.gaps += 1));
  room.addEventListener("joined", () => (seen.joins += 1));
  room.addEventListener("problem", ({ detail }) => seen.problems.push(detail.code));
  room.connect();
  await clock.pass(0);
  return { room, gateway, clock, seen };
}

test("joins, shows the history and then what is said", async () => {
  const gateway = new Gateway();
  gateway.append("earlier");
  const { room, seen } = await openRoom({ gateway });
  gateway.say("now");
  assert.deepEqual(seen.texts, ["earlier", "now"]);
  assert.deepEqual(seen.states, ["connecting", "open"]);
  assert.equal(room.you, null);
});

test("opens every socket with a new ticket", async () => {
  let serial = 0;
  const { room, gateway, clock } = await openRoom({ room: { ticket: async () => `t${++serial}` } });
  gateway.sockets[0].cut();
  await clock.pass(20_000);
  assert.deepEqual(gateway.sockets.map((socket) => socket.url.searchParams.get("ticket")), ["t1", "t2"]);
  assert.equal(room.you.username, "ada");
});

test("applies each event once and in order, however it comes", async () => {
  const { gateway, seen } = await openRoom();
  const events = ["a", "b", "c", "d"].map((text) => gateway.append(text));
  gateway.deliver(events[1]);
  gateway.deliver(events[0], events[1]);
  gateway.deliver(events[3], events[2]);
  gateway.deliver(...events);
  assert.deepEqual(seen.texts, ["a", "b", "c", "d"]);
});

test("hands on figures of the moment, which have no place in the order", async () => {
  const { gateway, seen } = await openRoom();
  gateway.deliver({ type: "viewer_count", count: 3 });
  assert.deepEqual(seen.texts, ["viewer_count"]);
});

test("asks for what does not come, on the same socket", async () => {
  const { gateway, clock, seen } = await openRoom();
  gateway.append("lost");
  gateway.say("seen");
  assert.deepEqual(seen.texts, []);
  await clock.pass(2_000);
  assert.deepEqual(seen.texts, ["lost", "seen"]);
  assert.equal(gateway.sockets.length, 1);
  assert.equal(seen.gaps, 0);
});

test("resumes after a drop with exactly what was missed", async () => {
  const { gateway, clock, seen } = await openRoom();
  gateway.say("before");
  gateway.sockets[0].cut();
  await clock.pass(0);
  gateway.say("missed");
  await clock.pass(20_000);
  gateway.say("after");
  assert.deepEqual(seen.texts, ["before", "missed", "after"]);
  assert.deepEqual(seen.states, ["connecting", "open", "reconnecting", "open"]);
  assert.equal(gateway.frames.findLast((frame) => frame.action === "join").after_seq, 1001);
});

test("says that there is a gap when what was missed is gone", async () => {
  const { gateway, clock, seen } = await openRoom();
  gateway.say("before");
  gateway.sockets[0].cut();
  await clock.pass(0);
  gateway.log = [];
  gateway.seq = 5_000_000;
  gateway.say("anew");
  await clock.pass(20_000);
  gateway.say("goes on");
  assert.equal(seen.gaps, 1);
  assert.deepEqual(seen.texts, ["before", "anew", "goes on"]);
});

test("notices that numbering began anew while the socket stayed open", async () => {
  const { gateway, clock, seen } = await openRoom();
  gateway.say("before");
  gateway.log = [];
  gateway.seq = 5_000_000;
  gateway.say("anew");
  await clock.pass(2_000);
  gateway.say("goes on");
  assert.equal(seen.gaps, 1);
  assert.deepEqual(seen.texts, ["before", "anew", "goes on"]);
});

test("spreads its tries, the first over ten seconds, later ones over more, up to a minute", async () => {
  let chance = 0.999;
  const gateway = new Gateway();
  const { room, clock } = await openRoom({ gateway, room: { random: () => chance } });
  const delays = [];
  room.addEventListener("state", ({ detail }) => detail.retryInMs !== null && delays.push(Math.round(detail.retryInMs / 1000)));
  gateway.mute = true;
  gateway.sockets[0].cut();
  await clock.pass(10 * MINUTE);
  assert.deepEqual(delays.slice(0, 5), [10, 20, 40, 60, 60]);
  chance = 0;
  gateway.mute = false;
  await clock.pass(2 * MINUTE);
  assert.equal(room.state, "open");
});

test("a ticket that cannot be had is tried again", async () => {
  let failures = 2;
  const ticket = async () => {
    if (failures-- > 0) throw new Error("the API is away");
    return "t";
  };
  const { room, clock } = await openRoom({ room: { ticket } });
  assert.equal(room.state, "reconnecting");
  await clock.pass(MINUTE);
  assert.equal(room.state, "open");
});

test("pings a quiet socket well before ten minutes, and leaves one that does not answer", async () => {
  const { gateway, clock, room } = await openRoom();
  await clock.pass(9 * MINUTE);
  assert.ok(gateway.frames.some((frame) => frame.action === "ping"));
  assert.equal(gateway.sockets.length, 1);
  gateway.mute = true;
  await clock.pass(6 * MINUTE);
  gateway.mute = false;
  await clock.pass(2 * MINUTE);
  assert.ok(gateway.sockets.length > 1);
  assert.equal(gateway.sockets[0].open, false);
  assert.equal(room.state, "open");
});

test("changes sockets before two hours are over without missing or repeating anything", async () => {
  const { gateway, clock, seen, room } = await openRoom();
  for (let minute = 0; minute < 300; minute++) {
    gateway.say(String(minute));
    await clock.pass(MINUTE);
    assert.equal(room.state, "open");
  }
  assert.deepEqual(seen.texts, Array.from({ length: 300 }, (_, minute) => String(minute)));
  assert.deepEqual(seen.states, ["connecting", "open"]);
  assert.equal(gateway.sockets.length, 3);
  assert.equal(gateway.joined.length, 1);
});

test("a send resolves with the id and number of the message", async () => {
  const { room } = await openRoom();
  assert.deepEqual(await room.send("hello"), { id: "m1001", seq: 1001, held: false });
});

test("a message that a moderator has to look at first resolves as held", async () => {
  const { room, gateway } = await openRoom();
  gateway.receive = (socket, { nonce }) => socket.push({ type: "ack", nonce, id: "m", held: true });
  assert.deepEqual(await room.send("hm"), { id: "m", seq: undefined, held: true });
});

test("a command carries its fields and is answered like a message; a reaction is not waited for", async () => {
  const { room, gateway } = await openRoom();
  gateway.receive = (socket, { nonce }) => nonce && socket.push({ type: "ack", nonce, seq: 7 });
  room.react("🎉");
  assert.equal((await room.command("timeout", { username: "mallory", seconds: 60, action: "ban" })).seq, 7);
  const [reaction, { nonce, ...command }] = gateway.frames.slice(-2);
  assert.deepEqual(reaction, { action: "react", stream_id: STREAM, emoji: "🎉" });
  assert.deepEqual(command, { action: "timeout", stream_id: STREAM, username: "mallory", seconds: 60 });
  assert.equal(typeof nonce, "string");
});

test("a socket on which a message stays unanswered is asked, and left when it is dead; the message is said by the next", async () => {
  const { room, gateway, clock } = await openRoom({ room: { random: () => 0.1 } });
  gateway.mute = true;
  const sent = room.send("is this thing on?");
  await clock.pass(6_000);
  assert.equal(gateway.frames.at(-1).action, "ping");
  await clock.pass(9_500); // no pong
  gateway.mute = false;
  await clock.pass(5_000);
  assert.equal((await sent).seq, 1001);
  assert.equal(gateway.sockets.length, 2);
});

test("who was taken out of the room without hearing of it comes back in, and says what they wanted to say", async () => {
  const { room, gateway, clock, seen } = await openRoom();
  const receive = gateway.receive;
  let inside = false;
  gateway.append("missed");
  gateway.receive = function (socket, frame) {
    if (frame.action === "join") inside = true;
    if (frame.action === "send" && !inside) return socket.push({ type: "error", code: "not_joined", detail: "", nonce: frame.nonce });
    return Reflect.apply(receive, this, [socket, frame]);
  };
  const sent = room.send("hello");
  await clock.pass(0);
  assert.equal((await sent).seq, 1002);
  assert.equal(gateway.sockets.length, 1);
  assert.deepEqual(seen.texts, ["missed"]);
});

test("knows how the room is set by now", async () => {
  const { room, gateway } = await openRoom();
  gateway.deliver({ ...gateway.append(""), type: "settings", settings: { slow_seconds: 5 } });
  assert.equal(room.settings.slow_seconds, 5);
});

test("a send that is cut off is repeated under its nonce, and so said once", async () => {
  const { room, gateway, clock } = await openRoom();
  gateway.receive = new Proxy(gateway.receive, {
    apply(receive, self, [socket, frame]) {
      if (frame.action !== "send" || gateway.sockets.length > 1) return Reflect.apply(receive, self, [socket, frame]);
      gateway.nonces.set(frame.nonce, gateway.append(frame.text)); // accepted, but the ack is lost
      return socket.cut();
    },
  });
  const sent = room.send("once");
  await clock.pass(20_000);
  assert.equal((await sent).seq, 1001);
  assert.equal(gateway.log.length, 1);
});

test("a send before the socket is open waits for it", async () => {
  const clock = new Clock();
  const gateway = new Gateway();
  const room = new ChatRoom({ url: "wss://chat.example/", streamId: STREAM, WebSocket: gateway.WebSocket, clock });
  room.connect();
  const sent = room.send("early");
  await clock.pass(0);
  assert.equal((await sent).seq, 1001);
});

test("a send that stays unanswered is given up after half a minute", async () => {
  const { room, gateway, clock } = await openRoom();
  gateway.mute = true;
  const sent = assert.rejects(room.send("anybody?"), { code: "unanswered" });
  await clock.pass(31_000);
  await sent;
});

test("a refused send rejects with the reason", async () => {
  const { room, gateway } = await openRoom();
  gateway.receive = (socket, { nonce }) => socket.push({ type: "error", code: "rate_limited", detail: "Wait.", retry_after: 3, nonce });
  await assert.rejects(room.send("x"), (error) => error instanceof ChatError && error.code === "rate_limited" && error.retryAfter === 3);
});

test("a send that failed on the other side is repeated", async () => {
  const { room, gateway, clock } = await openRoom();
  const receive = gateway.receive;
  gateway.receive = (socket, { nonce }) => {
    gateway.receive = receive;
    socket.push({ type: "error", code: "dependency_unavailable", detail: "Again.", nonce });
  };
  const sent = room.send("x");
  await clock.pass(3_000);
  assert.equal((await sent).seq, 1001);
});

test("a room that does not exist is given up with the reason", async () => {
  const gateway = new Gateway();
  gateway.refuseJoin = "not_found";
  const { room, seen, clock } = await openRoom({ gateway });
  await clock.pass(10 * MINUTE);
  assert.equal(room.state, "closed");
  assert.deepEqual(seen.states, ["connecting", "closed"]);
  assert.equal(gateway.sockets.length, 1);
});

test("a room that cannot be joined just now is tried again", async () => {
  const gateway = new Gateway();
  gateway.refuseJoin = "dependency_unavailable";
  const { room, clock } = await openRoom({ gateway });
  gateway.refuseJoin = null;
  await clock.pass(MINUTE);
  assert.equal(room.state, "open");
});

test("a room that says when to come again is not asked before", async () => {
  const gateway = new Gateway();
  gateway.receive = (socket, frame) =>
    frame.action === "join" && socket.push({ type: "error", code: "rate_limited", detail: "", retry_after: 30, nonce: frame.nonce });
  const { clock } = await openRoom({ gateway, room: { random: () => 0 } });
  await clock.pass(29_000);
  assert.equal(gateway.sockets.length, 1);
  await clock.pass(2_000);
  assert.equal(gateway.sockets.length, 2);
});

test("closed, it stays closed and rejects what was not sent", async () => {
  const { room, gateway, clock } = await openRoom();
  gateway.mute = true;
  const sent = assert.rejects(room.send("x"), { code: "closed" });
  room.close();
  await sent;
  await clock.pass(3 * 60 * MINUTE);
  assert.equal(gateway.sockets.length, 1);
  assert.equal(gateway.sockets[0].open, false);
  await assert.rejects(room.send("y"), { code: "closed" });
});

test("frames that are not of the protocol, or of another room, change nothing", async () => {
  const { gateway, seen } = await openRoom();
  const socket = gateway.sockets[0];
  socket.onmessage({ data: "not json" });
  socket.push({ type: "events", stream_id: "other", events: [{ type: "message", seq: 1001, text: "stray" }] });
  socket.push({ type: "something_new" });
  assert.deepEqual(seen.texts, []);
});

test("thousands of messages over sockets that drop, repeat and reorder: none lost, doubled or out of order", async () => {
  let seed = 42;
  const random = () => ((seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31);
  const { gateway, clock, seen } = await openRoom({ room: { random } });
  let held = [];
  for (let n = 0; n < 5_000; n++) {
    const event = gateway.append(String(n));
    const chance = random();
    if (chance < 0.02) held.push(event); // comes late
    else if (chance > 0.03) gateway.deliver(event); // between: never comes
    if (chance > 0.9) gateway.deliver(...gateway.log.slice(-5)); // comes again
    if (chance > 0.98) gateway.deliver(...held.splice(0).reverse());
    if (random() < 0.005) gateway.joined[0]?.cut();
    await clock.pass(random() * 400);
  }
  gateway.say("end");
  await clock.pass(10 * MINUTE);
  assert.deepEqual(seen.texts, [...Array.from({ length: 5_000 }, (_, n) => String(n)), "end"]);
  assert.equal(seen.gaps, 0);
});
