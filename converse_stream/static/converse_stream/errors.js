// What a server says no with, in its own words.

const LONGEST_WAIT = 600;
/** Statuses after which the same request may succeed later. */
const PASSING = new Set([408, 425, 429]);

export class Refused extends Error {
  /**
   * @param {number} status of HTTP; 0 where there is none
   * @param {string} message a sentence for the reader
   * @param {{ code?: string, retryAfter?: number, data?: any }} [more] retryAfter in seconds
   */
  constructor(status, message, { code = "", retryAfter = 0, data = null } = {}) {
    super(message);
    this.name = "Refused";
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
    /** The body, if it was JSON. */
    this.data = data;
  }

  /** @param {Response} response one that is not what was asked for */
  static async from(response) {
    /** @type {any} */
    let body = null;
    try {
      body = JSON.parse((await response.text()).slice(0, 65_536));
    } catch {
      // A proxy's page, or a body that broke off: the status has to do.
    }
    const isObject = body !== null && typeof body === "object";
    const sentence = isObject && Object.values(body).flat().find((value) => typeof value === "string");
    const error = isObject && body.error !== null && typeof body.error === "object" ? body.error : {};
    const message = String(error.message ?? (sentence || `The server refused this (${response.status}).`));
    const retryAfter = waitOf(response.headers);
    return new Refused(response.status, message, { code: String(error.code ?? ""), retryAfter, data: body });
  }

  /** Whether asking again later may help. */
  get passes() {
    return this.status >= 500 || PASSING.has(this.status);
  }

  /** Whether nobody is signed in any more, or the page's token is out of date. */
  get isSignedOut() {
    return this.status === 401 || this.status === 403;
  }
}

/** Return the refusal for a page that came instead of data: after a redirect it is the one to sign in on. @param {Response} response */
export function unexpected(response) {
  return response.redirected
    ? new Refused(401, "You are signed out. Sign in again to go on.", { code: "login_required" })
    : new Refused(502, "The server sent a page instead of an answer.", { code: "unexpected" });
}

/**
 * Return the seconds of Retry-After. A date counts from the server's own Date: this device's clock may be wrong.
 * @param {Headers} headers
 */
function waitOf(headers) {
  const value = headers.get("Retry-After")?.trim() ?? "";
  if (!value) return 0;
  const seconds = /^\d+$/.test(value)
    ? Number(value)
    : (Date.parse(value) - Date.parse(headers.get("Date") ?? "")) / 1000;
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), LONGEST_WAIT) : 0;
}
