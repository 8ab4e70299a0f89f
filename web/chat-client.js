// One chat room over a WebSocket that may drop at any time: every event once, in order, and none missed without saying so.
//
//   const room = new ChatRoom({ url, streamId, ticket: async () => (await call("POST", "/chat/tickets")).ticket });
//   room.addEventListener("events", ({ detail }) => detail.events.forEach(show));
//   room.connect();
//   const { id, seq, held } = await room.send("Hello", { replyTo });
//   await room.command("timeout", { username: "ada", seconds: 600 });
//   room.react("🔥");
//
// DOM events, all with a `detail`:
//   state   { state, error, retryInMs }  connecting → open ⇄ reconnecting; closed for good, with `error` if refused
//   joined  { you, settings }            `you` is null for a reader; after every reconnect too
//   events  { events }                   in `seq` order, each once
//   gap     { }                          some events are gone for ever; the next `events` are the latest ones
//   problem { code, message, retryAfter } an error that belongs to no send

const SECOND = 1000;
const MINUTE = 60 * SECOND;

// API Gateway closes a socket after ten idle minutes, and any after two hours.
const PING_AFTER_MS = 5 * MINUTE;
const PONG_LIMIT_MS = 10 * SECOND;
const RENEW_AFTER_MS = 105 * MINUTE;
const RENEW_SPREAD_MS = 10 * MINUTE;

const JOIN_LIMIT_MS = 15 * SECOND;
const SEND_LIMIT_MS = 30 * SECOND;
const RESEND_AFTER_MS = 2 * SECOND;
const DOUBT_AFTER_MS = 5 * SECOND; // without an answer: does the socket still work?
const HOLE_LIMIT_MS = 1.5 * SECOND;
const HELD_BACK_LIMIT = 2000;

// A gateway that drops 5,000 sockets at once gets at most 500 of them back a second, so the first try is spread over 10 s.
const FIRST_WINDOW_MS = 10 * SECOND;
const LONGEST_WINDOW_MS = 60 * SECOND;
const BACK_ONLINE_WINDOW_MS = SECOND;

const TRANSIENT = new Set(["dependency_unavailable", "internal_error", "state_contended", "rate_limited"]);

/** A refusal by the server, or a message that could not be sent; `code` is stable. */
export class ChatError extends Error {
  constructor({ code, detail, retry_after: retryAfter }) {
    super(detail || code);
    this.code = code;
    this.retryAfter = retryAfter ?? null;
  }
}

export class ChatRoom extends EventTarget {
  #url;
  #streamId;
  #ticket;
  #WebSocket;
  #clock;
  #random;

  #state = "idle";
  #link = null; // the socket that is joined
  #dialling = null; // the socket that is to take its place
  #retry = null;
  #attempts = 0;
  #you = null;
  #settings = null;

  #seq = null; // of the last event handed on
  #heldBack = new Map(); // events after a hole, by seq
  #hole = null; // timer: the hole has been open for too long

  #sends = new Map(); // by nonce: accepted by the server at most once, however often it is sent
  #serial = 0;
  #prefix;

  /**
   * `ticket` is asked before every connection; without one (null) the room can only be read.
   * `WebSocket`, `clock` and `random` can be replaced where there is no browser.
   */
  constructor({
    url,
    streamId,
    ticket = async () => null,
    WebSocket = globalThis.WebSocket,
    clock = globalThis,
    random = Math.random,
  }) {
    super();
    this.#url = url;
    this.#streamId = streamId;
    this.#ticket = ticket;
    this.#WebSocket = WebSocket;
    this.#clock = clock;
    this.#random = random;
    this.#prefix = globalThis.crypto.randomUUID();
  }

  get state() {
    return this.#state;
  }

  get you() {
    return this.#you;
  }

  get settings() {
    return this.#settings;
  }

  connect() {
    if (this.#state !== "idle") return;
    globalThis.addEventListener?.("online", this.#backOnline);
    this.#enter("connecting");
    this.#dial();
  }

  /** Leave for good. Messages not yet acknowledged are rejected. */
  close(error = null) {
    if (this.#state === "closed") return;
    globalThis.removeEventListener?.("online", this.#backOnline);
    this.#clock.clearTimeout(this.#retry);
    this.#clock.clearTimeout(this.#hole);
    for (const link of [this.#link, this.#dialling]) this.#drop(link);
    this.#link = this.#dialling = null;
    this.#enter("closed", { error });
    for (const nonce of [...this.#sends.keys()]) {
      this.#settle(nonce, (send) => send.reject(error ?? new ChatError({ code: "closed", detail: "The chat was closed." })));
    }
  }

  /** Resolves to `{ id, seq, held }` once the message is in the room; rejects with a ChatError. Outlives a reconnect. `held`:
   *  a moderator looks at it first. */
  send(text, { replyTo = null } = {}) {
    return this.command("send", replyTo ? { text, reply_to: replyTo } : { text });
  }

  /** One emoji or emote more. It is not worth being sent again; a refusal is told as a `problem`. */
  react(emoji) {
    if (this.#link) this.#transmit(this.#link, { action: "react", stream_id: this.#streamId, emoji });
  }

  /** Any action of the protocol that is answered by an ack: `delete`, `ban`, `slow` and so on. As `send`. */
  command(action, fields = {}) {
    if (this.#state === "closed") return Promise.reject(new ChatError({ code: "closed", detail: "The chat was closed." }));
    const nonce = `${this.#prefix}-${++this.#serial}`;
    const frame = { ...fields, action, stream_id: this.#streamId, nonce };
    return new Promise((resolve, reject) => {
      const late = new ChatError({ code: "unanswered", detail: "The message could not be sent. Check the connection." });
      const limit = this.#clock.setTimeout(() => this.#settle(nonce, () => reject(late)), SEND_LIMIT_MS);
      const doubt = this.#clock.setTimeout(() => this.#link && this.#ping(this.#link), DOUBT_AFTER_MS);
      this.#sends.set(nonce, { frame, resolve, reject, limit, doubt, again: null });
      if (this.#link) this.#transmit(this.#link, frame);
    });
  }

  // --- the socket -----------------------------------------------------------------------------------------------------

  async #dial() {
    const link = { socket: null, dead: false, joined: false, timers: {} };
    this.#dialling = link;
    this.#limit(link, "join", JOIN_LIMIT_MS, () => this.#lose(link));
    let ticket;
    try {
      ticket = await this.#ticket();
    } catch {
      this.#lose(link);
      return;
    }
    if (link.dead) return;
    const url = new URL(this.#url);
    if (ticket) url.searchParams.set("ticket", ticket);
    try {
      link.socket = new this.#WebSocket(url.href);
    } catch {
      this.#lose(link);
      return;
    }
    link.socket.onopen = () => this.#join(link);
    link.socket.onmessage = ({ data }) => this.#receive(link, data);
    link.socket.onclose = () => this.#lose(link);
  }

  #join(link) {
    const frame = { action: "join", stream_id: this.#streamId, nonce: "join" };
    if (this.#seq !== null) frame.after_seq = this.#seq;
    this.#transmit(link, frame);
  }

  /** Join again on the socket that there is, which brings what is missing. */
  #rejoin() {
    const link = this.#link;
    this.#limit(link, "rejoin", JOIN_LIMIT_MS, () => this.#lose(link));
    this.#join(link);
  }

  #transmit(link, frame) {
    try {
      link.socket.send(JSON.stringify(frame));
    } catch {
      this.#lose(link);
    }
  }

  /** A socket is of no more use: look for another, unless it was only about to replace one that still works. */
  #lose(link, atLeastMs = 0) {
    if (link.dead) return;
    this.#drop(link);
    if (link === this.#dialling) this.#dialling = null;
    if (link === this.#link) this.#link = null;
    if (this.#link) {
      this.#renewLater(this.#link, MINUTE);
    } else if (!this.#dialling) {
      const window = Math.min(LONGEST_WINDOW_MS, FIRST_WINDOW_MS * 2 ** this.#attempts++);
      this.#redial(atLeastMs + this.#random() * window);
    }
  }

  #redial(delay) {
    this.#clock.clearTimeout(this.#retry);
    this.#enter("reconnecting", { retryInMs: delay });
    this.#retry = this.#clock.setTimeout(() => {
      this.#retry = null;
      this.#dial();
    }, delay);
  }

  #backOnline = () => {
    if (this.#retry !== null) this.#redial(this.#random() * BACK_ONLINE_WINDOW_MS);
    else if (this.#link) this.#ping(this.#link);
  };

  #drop(link) {
    if (!link) return;
    link.dead = true;
    for (const timer of Object.values(link.timers)) this.#clock.clearTimeout(timer);
    link.socket?.close();
  }

  #limit(link, name, milliseconds, act) {
    this.#clock.clearTimeout(link.timers[name]);
    link.timers[name] = this.#clock.setTimeout(act, milliseconds);
  }

  #unlimit(link, name) {
    this.#clock.clearTimeout(link.timers[name]);
    delete link.timers[name];
  }

  #ping(link) {
    this.#limit(link, "pong", PONG_LIMIT_MS, () => this.#lose(link));
    this.#transmit(link, { action: "ping" });
  }

  /** Open the next socket before this one's time is up, and let go of this one only when the next has joined. */
  #renewLater(link, milliseconds) {
    this.#limit(link, "renew", milliseconds, () => {
      if (!this.#dialling) this.#dial();
    });
  }

  // --- what comes in --------------------------------------------------------------------------------------------------

  #receive(link, data) {
    if (link.dead) return;
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return;
    }
    this.#unlimit(link, "pong");
    this.#limit(link, "ping", PING_AFTER_MS, () => this.#ping(link));
    if (frame.stream_id !== undefined && frame.stream_id !== this.#streamId) return;
    if (frame.type === "joined") this.#joined(link, frame);
    else if (frame.type === "events") this.#take(frame.events);
    else if (frame.type === "ack") this.#settle(frame.nonce, (send) => send.resolve({ id: frame.id, seq: frame.seq, held: frame.held ?? false }));
    else if (frame.type === "error") this.#refused(link, frame);
  }

  #joined(link, frame) {
    this.#unlimit(link, "join");
    this.#unlimit(link, "rejoin");
    if (link === this.#dialling) {
      this.#drop(this.#link);
      this.#link = link;
      this.#dialling = null;
      this.#attempts = 0;
      this.#renewLater(link, RENEW_AFTER_MS + this.#random() * RENEW_SPREAD_MS);
    }
    this.#you = frame.you;
    this.#settings = frame.settings;
    if (frame.gap && this.#seq !== null) {
      // The room's numbers may have begun anew, so what was held back may never be reached.
      this.#tell("gap", {});
      this.#seq = null;
    }
    this.#seq ??= frame.messages.length ? frame.messages[0].seq - 1 : frame.seq;
    this.#enter("open");
    this.#tell("joined", { you: this.#you, settings: this.#settings });
    this.#take(frame.messages);
    for (const { frame: unanswered } of this.#sends.values()) this.#transmit(link, unanswered);
  }

  #refused(link, frame) {
    const error = new ChatError(frame);
    if (frame.nonce === "join") {
      if (!TRANSIENT.has(frame.code)) this.close(error);
      else this.#lose(link, (error.retryAfter ?? 0) * SECOND);
    } else if (this.#sends.has(frame.nonce)) {
      const send = this.#sends.get(frame.nonce);
      if (frame.code === "dependency_unavailable" || frame.code === "internal_error") {
        send.again = this.#clock.setTimeout(() => this.#link && this.#transmit(this.#link, send.frame), RESEND_AFTER_MS);
      } else if (frame.code === "not_joined" && link === this.#link) {
        this.#rejoin(); // we were taken out of the room, and did not hear of it; then this is sent again
      } else {
        this.#settle(frame.nonce, () => send.reject(error));
      }
    } else {
      this.#tell("problem", { code: error.code, message: error.message, retryAfter: error.retryAfter });
    }
  }

  #settle(nonce, act) {
    const send = this.#sends.get(nonce);
    if (!send) return;
    this.#sends.delete(nonce);
    this.#clock.clearTimeout(send.limit);
    this.#clock.clearTimeout(send.doubt);
    this.#clock.clearTimeout(send.again);
    act(send);
  }

  /** Hand on what is next in order, hold back what is not, forget what was there before. */
  #take(events) {
    const ready = [];
    for (const event of events) {
      if (event.seq === undefined) ready.push(event); // a figure of the moment: no place in the order
      else if (this.#seq === null || event.seq > this.#seq) this.#heldBack.set(event.seq, event);
    }
    if (this.#seq !== null) {
      for (const seq of this.#heldBack.keys()) if (seq <= this.#seq) this.#heldBack.delete(seq);
      while (this.#heldBack.has(this.#seq + 1)) {
        this.#seq += 1;
        ready.push(this.#heldBack.get(this.#seq));
        this.#heldBack.delete(this.#seq);
      }
    }
    this.#settings = ready.findLast((event) => event.type === "settings")?.settings ?? this.#settings;
    if (ready.length) this.#tell("events", { events: ready });
    this.#watchHole();
  }

  /** What is missing may still be on its way, by another socket or a slower frame; if it does not come, ask for it. */
  #watchHole() {
    const open = this.#heldBack.size > 0 && this.#seq !== null;
    if (open && this.#heldBack.size > HELD_BACK_LIMIT) this.#heldBack.clear();
    if (open && this.#hole === null) {
      this.#hole = this.#clock.setTimeout(() => {
        this.#hole = null;
        if (this.#link) this.#rejoin(); // else the next `join` asks for it
      }, HOLE_LIMIT_MS);
    } else if (!open && this.#hole !== null) {
      this.#clock.clearTimeout(this.#hole);
      this.#hole = null;
    }
  }

  #enter(state, detail = {}) {
    if (state === this.#state && state !== "reconnecting") return;
    this.#state = state;
    this.#tell("state", { state, error: null, retryInMs: null, ...detail });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
