// What went wrong, in words for the reader; and whether there is a connection.

import { Refused } from "../errors.js";
import { t } from "./words.js";

export class Problem {
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #countdown;

  /** @param {HTMLElement} alert @param {HTMLElement} state */
  constructor(alert, state) {
    this.alert = alert;
    this.state = state;
  }

  /** @param {unknown} error */
  show(error) {
    if (!(error instanceof Refused)) return this.say(t("The server could not be reached. Try again in a moment."));
    if (error.isSignedOut) return this.say(t("You are signed out. Sign in again to go on."), t("Sign in"));
    this.say(error.message);
  }

  /** @param {string} text @param {string} [reload] what the link says that loads the page again */
  say(text, reload) {
    this.alert.textContent = text;
    this.alert.hidden = false;
    if (!reload) return;
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = reload;
    this.alert.append(" ", link);
  }

  clear() {
    this.alert.hidden = true;
    this.alert.textContent = "";
  }

  /** Tell of the connection to whoever looks; it is no matter to interrupt anybody for. @param {string} state @param {number} wait milliseconds until the next try */
  connection(state, wait) {
    clearInterval(this.#countdown);
    if (state === "offline") return this.#state(t("You are offline. The answer goes on without you."));
    if (state !== "reconnecting") return state === "connecting" ? undefined : this.#state("");
    let seconds = Math.ceil(wait / 1000);
    const tell = () => {
      this.#state(seconds > 1 ? t("Connection lost. Trying again in {count} s…", { count: seconds }) : t("Connection lost. Trying again…"));
      seconds--;
    };
    tell();
    if (seconds > 0) this.#countdown = setInterval(tell, 1_000);
  }

  /** @param {string} text */
  #state(text) {
    if (this.state.textContent !== text) this.state.textContent = text;
  }
}
