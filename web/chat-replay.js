// What was said over a recording, in step with it: wherever the recording is, and however it came there.
//
//   const replay = new ChatReplay({ load: ({ from, to, cursor }) => call("GET", …), duration, onChange });
//   show(replay.at(player.seconds()));
//
// It holds one stretch of messages without a hole, around the place that is shown, and loads on before that place is reached.
// Who seeks out of it begins another.

const SECOND = 1000;

const SHOWN_BEFORE = 30; // seconds of chat that somebody finds who seeks to a place
const STRETCH = 60; // seconds that are asked for at once
const AHEAD = 30; // seconds before the end of what is there at which more is asked for
const RETRY_MS = 5 * SECOND;

const SHOWN = 200; // lines
const KEPT = 1000; // lines that were shown, for who seeks back a little

export class ChatReplay {
  #load;
  #duration;
  #onChange;
  #clock;

  #lines = []; // by offset, from #start on
  #start = 0;
  #end = 0; // up to here everything is there
  #wanted = null; // the stretch that is being loaded, with the cursor of its next page
  #position = 0;
  #retry = null;
  #stopped = false;

  /**
   * `load({ from, to, cursor })` resolves to a page `{ items, next_cursor }`; `to` is null for all the rest. `onChange` is called
   * when what `at` answers may have changed, although the recording has not moved.
   */
  constructor({ load, duration = null, onChange = () => {}, clock = globalThis }) {
    this.#load = load;
    this.#duration = duration ?? Infinity;
    this.#onChange = onChange;
    this.#clock = clock;
  }

  /** The last lines that had been said when the recording was `seconds` old. */
  at(seconds) {
    this.#position = seconds;
    if (seconds < this.#start || seconds > (this.#wanted?.until ?? this.#end)) this.#beginAt(Math.max(0, seconds - SHOWN_BEFORE));
    if (this.#wanted === null && this.#end - seconds < AHEAD) this.#goOn();
    const said = this.#said();
    return this.#lines.slice(Math.max(0, said - SHOWN), said);
  }

  stop() {
    this.#stopped = true;
    this.#wanted = null;
    this.#clock.clearTimeout(this.#retry);
  }

  /** How many of the lines have been said by now. */
  #said() {
    return this.#lines.findLastIndex((line) => line.offset <= this.#position) + 1;
  }

  #beginAt(start) {
    this.#lines = [];
    this.#start = this.#end = start;
    this.#wanted = null; // what is still on its way belongs to the place that was left
    this.#goOn();
  }

  #goOn() {
    const last = this.#end + STRETCH >= this.#duration;
    const until = last ? Infinity : this.#end + STRETCH; // what stands at the very end belongs to it
    this.#wanted = { from: this.#end, until, cursor: null };
    this.#fetch(this.#wanted);
  }

  async #fetch(stretch) {
    this.#clock.clearTimeout(this.#retry);
    try {
      do {
        const { from, until, cursor } = stretch;
        const page = await this.#load({ from, to: until === Infinity ? null : until, cursor });
        if (stretch !== this.#wanted) return;
        this.#lines.push(...page.items);
        stretch.cursor = page.next_cursor;
        this.#onChange();
      } while (stretch.cursor !== null);
    } catch {
      if (stretch === this.#wanted) this.#retry = this.#clock.setTimeout(() => this.#fetch(stretch), RETRY_MS);
      return;
    }
    this.#end = stretch.until;
    this.#wanted = null;
    this.#forget();
    if (!this.#stopped) this.#onChange();
  }

  #forget() {
    const surplus = this.#said() - KEPT;
    if (surplus <= 0) return;
    this.#lines.splice(0, surplus);
    this.#start = this.#lines[0].offset;
  }
}
