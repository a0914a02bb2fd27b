// Stay connected: one state machine for every transport. It opens, reads, notices silence and gaps, waits, comes back.

import { Refused } from "./errors.js";

/** @typedef {import("./events.js").ConverseEvent} ConverseEvent */
/** @typedef {"connecting" | "live" | "reconnecting" | "offline" | "hidden" | "ended"} State */
/**
 * @typedef {{ cursor: string, signal: AbortSignal, alive: () => void, pace: (milliseconds: number) => void }} Opening
 * `alive` says that something came, `pace` what the server wants between connections
 */
/**
 * @typedef {{
 *   open: (opening: Opening) => AsyncIterable<ConverseEvent>,
 *   place: { cursor: string, see(event: ConverseEvent): import("./events.js").Verdict },
 *   tell: (state: State, wait?: number) => void,
 *   signal: AbortSignal,
 *   surroundings: import("./surroundings.js").Surroundings,
 *   silence?: number,
 *   random?: () => number
 * }} Plan `silence` in milliseconds; `wait` in milliseconds until the next try
 */

const SILENCE = 45_000; // three heartbeats that did not come
const BASE = 500;
const LONGEST = 30_000;
const FOREVER = 2 ** 31 - 1;

/** Thrown by a transport when there is nothing left to follow. */
export class Ended extends Error {}

/** Yield what the server sends, each event once and in order, however often the connection breaks. Throw Refused for a lasting no. @param {Plan} plan @returns {AsyncGenerator<ConverseEvent, void, void>} */
export async function* stay(plan) {
  const { place, tell, signal, surroundings, random = Math.random } = plan;
  const pacing = { base: BASE, failures: 0 };
  while (await present(plan)) {
    tell(pacing.failures ? "reconnecting" : "connecting");
    const attempt = new Attempt(plan);
    let wait = 0;
    try {
      const pace = (/** @type {number} */ ms) => (pacing.base = Math.min(ms, LONGEST));
      for await (const event of plan.open({ cursor: place.cursor, signal: attempt.signal, alive: attempt.alive, pace })) {
        const verdict = place.see(event);
        if (verdict === "rejoin") break; // something was lost on the way
        pacing.failures = 0;
        tell("live");
        yield event;
        if (verdict === "last") return;
      }
    } catch (error) {
      if (error instanceof Ended || signal.aborted) return;
      if (error instanceof Refused && !error.passes) throw error;
      wait = error instanceof Refused ? error.retryAfter * 1000 : 0;
    } finally {
      attempt.end();
    }
    if (signal.aborted) return;
    if (surroundings.absence) continue; // we left; that is no failure
    const pause = wait + random() * Math.min(LONGEST, pacing.base * 2 ** pacing.failures++);
    tell("reconnecting", pause);
    await sleep(plan, wait, pause);
  }
}

/** One connection, with what ends it: the caller, the page, silence. */
class Attempt {
  #abort = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Plan} plan */
  constructor({ signal, surroundings, silence = SILENCE }) {
    this.signal = this.#abort.signal;
    this.silence = silence;
    const abort = () => this.#abort.abort();
    const unsubscribe = surroundings.subscribe(() => surroundings.absence && abort());
    signal.addEventListener("abort", abort);
    this.end = () => {
      clearTimeout(this.#timer);
      unsubscribe();
      signal.removeEventListener("abort", abort);
      abort();
    };
    this.alive();
  }

  // A timer fires late after a device has slept: the connection is then looked upon as lost, which costs one request.
  alive = () => {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#abort.abort(), this.silence);
  };
}

/** Wait until there may be a connection. Return false when none is wanted any more. @param {Plan} plan */
async function present(plan) {
  while (!plan.signal.aborted && plan.surroundings.absence) {
    plan.tell(plan.surroundings.absence);
    if (plan.surroundings.absence === "hidden") await sleep(plan, 0, FOREVER);
    else if (!(await sleep(plan, 0, LONGEST))) break; // some systems say offline and are not: try now and then
  }
  return !plan.signal.aborted;
}

/**
 * Wait so many milliseconds; what the page does (online again, shown again) may shorten it, to `least`. Return whether it has.
 * @param {Plan} plan @param {number} least @param {number} most @returns {Promise<boolean>}
 */
function sleep({ signal, surroundings }, least, most) {
  return new Promise((resolve) => {
    let hasToWait = least > 0;
    let isWanted = false;
    const first = setTimeout(() => {
      hasToWait = false;
      if (isWanted) finish();
    }, least);
    const timer = setTimeout(finish, most);
    const unsubscribe = surroundings.subscribe(() => {
      isWanted = true;
      if (!hasToWait) finish();
    });
    signal.addEventListener("abort", finish);
    function finish() {
      clearTimeout(first);
      clearTimeout(timer);
      unsubscribe();
      signal.removeEventListener("abort", finish);
      resolve(isWanted);
    }
  });
}
