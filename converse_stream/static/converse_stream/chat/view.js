// The messages on the screen: which line of the thread, in which order, drawn a few milliseconds a frame.

import { Article } from "./article.js";
import { isLive, placeOf } from "./thread.js";

/** @typedef {import("./thread.js").Message} Message */

const BUDGET = 8; // milliseconds of a frame for parsing and building
const NEAR = "900px";

export class View {
  /** @type {Map<string, Article>} */
  articles = new Map();
  /** @type {Message[]} */
  branch = [];
  /** The message that the reader has chosen to see; null for the newest. @type {string | null} */
  through = null;
  /** @type {Set<Article>} */
  #stale = new Set();
  #isRearranged = false;
  #frame = 0;

  /**
   * @param {HTMLElement} list @param {import("./thread.js").Thread} thread @param {import("./scrolling.js").Scrolling} scrolling
   * @param {{ isStaff: boolean, load: (message: Message) => void, drawn: () => void }} site
   */
  constructor(list, thread, scrolling, site) {
    this.list = list;
    this.thread = thread;
    this.scrolling = scrolling;
    this.site = site;
    this.observer = new IntersectionObserver((entries) => this.#look(entries), { root: scrolling.pane, rootMargin: NEAR });
  }

  /** Take over an article that the server has written. @param {HTMLElement} element @param {Message} message */
  adopt(element, message) {
    this.articles.set(message.id, new Article(message, this.site, element));
    this.branch.push(message);
    this.observer.observe(element);
  }

  /** Show the thread as it is now. */
  rearrange() {
    this.#isRearranged = true;
    this.#request();
  }

  /** Show what has come of a message. @param {string} id */
  refresh(id) {
    const article = this.articles.get(id);
    if (article) this.#stale.add(article);
    this.#request();
  }

  /** Show a message anew from its beginning. @param {string} id */
  restart(id) {
    this.articles.get(id)?.reset();
    this.refresh(id);
  }

  clear() {
    this.articles.clear();
    this.#stale.clear();
    this.rearrange();
  }

  stop() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #look(entries) {
    const places = this.thread.places();
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      this.observer.unobserve(target);
      const article = this.articles.get(/** @type {HTMLElement} */ (target).dataset.message ?? "");
      if (!article) continue;
      article.adopt();
      article.versions = this.#versions(article.message, places);
      article.showFoot();
      this.#stale.add(article);
    }
    this.#request();
  }

  #request() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const began = performance.now();
    if (this.#isRearranged) this.#arrange();
    for (const article of this.#stale) {
      if (article.step(began + BUDGET)) this.#stale.delete(article);
      if (performance.now() - began > BUDGET) break;
    }
    this.scrolling.keepUp();
    this.site.drawn();
    if (this.#stale.size) this.#request();
  }

  #arrange() {
    this.#isRearranged = false;
    this.branch = this.thread.branch(this.through);
    const places = this.thread.places();
    let at = this.list.firstElementChild;
    for (const message of this.branch) {
      const article = this.#article(message);
      if (article.element === at) at = at.nextElementSibling;
      else this.list.insertBefore(article.element, at);
      const versions = this.#versions(message, places);
      if (versions.count === article.versions.count && versions.place === article.versions.place) continue;
      article.versions = versions;
      article.showFoot();
    }
    while (at) {
      const next = at.nextElementSibling;
      at.remove();
      at = next;
    }
  }

  /** @param {Message} message */
  #article(message) {
    const known = this.articles.get(message.id);
    if (known) return known;
    const article = new Article(message, this.site);
    this.articles.set(message.id, article);
    this.#stale.add(article);
    if (message.parts === null && !isLive(message)) this.site.load(message);
    return article;
  }

  /** @param {Message} message @param {Map<string, Message[]>} places */
  #versions(message, places) {
    const versions = places.get(placeOf(message)) ?? [message];
    return { place: versions.indexOf(message) + 1, count: versions.length };
  }
}
