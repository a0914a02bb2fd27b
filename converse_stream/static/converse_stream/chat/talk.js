// A conversation on a page: what is told of it is shown, what a person does is asked of the server.

import { Announcer } from "./announcer.js";
import { copy } from "./clipboard.js";
import { Composer } from "./composer.js";
import { edit } from "./editor.js";
import { Feed } from "./feed.js";
import { icon } from "./icons.js";
import { givenBeside, givenMessage, readdress } from "./page.js";
import { Problem } from "./problem.js";
import { Scrolling } from "./scrolling.js";
import { textOf, Thread } from "./thread.js";
import { View } from "./view.js";
import { t } from "./words.js";
import { Client, csrfCookie } from "../client.js";

/** @typedef {import("./thread.js").Message} Message */

export class Talk {
  #thread = new Thread();
  #isBusy = false;
  #feed;

  /** @param {HTMLElement} host @param {ShadowRoot} shadow */
  constructor(host, shadow) {
    this.host = host;
    const others = givenBeside(host);
    const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (shadow.querySelector(selector));
    const form = /** @type {HTMLFormElement} */ (find("form.composer"));
    const token = /** @type {HTMLInputElement | null} */ (form.elements.namedItem("csrfmiddlewaretoken"))?.value ?? "";
    this.client = new Client({ base: host.dataset.api, csrf: () => csrfCookie() || token });
    this.problem = new Problem(find(".problem"), find(".state"));
    this.announcer = new Announcer(find("[role=status]"), host.dataset.announce ?? "sentences");
    this.composer = new Composer(form, { send: () => this.send(), editLast: () => this.#editLast() }, () => `converse:${this.id}`);
    this.empty = find(".empty");
    const site = { isStaff: "staff" in host.dataset, load: (/** @type {Message} */ message) => this.#load(message), drawn: () => this.#drawn() };
    this.view = new View(find(".thread"), this.#thread, new Scrolling(find(".pane"), find(".latest")), site);
    const told = { tell: (/** @type {string} */ name, /** @type {object} */ detail) => this.#tell(name, detail), gone: () => this.#leave() };
    this.#feed = new Feed(this.client, this.#thread, this.view, this.announcer, this.problem, told);
    for (const article of /** @type {HTMLElement[]} */ ([...this.view.list.children])) {
      this.view.adopt(article, this.#thread.put(givenMessage(article)));
    }
    for (const message of others) this.#thread.put(message);
    this.view.through = host.dataset.through || null;
    shadow.addEventListener("click", (event) => this.#click(event));
    host.addEventListener("keydown", (event) => event.key === "Escape" && this.#thread.live && this.#stop());
    this.view.scrolling.toEnd();
    this.#drawn();
  }

  /** The conversation's id; empty until something was asked. */
  get id() {
    return this.host.dataset.conversation ?? "";
  }

  close() {
    this.#feed.close();
    this.announcer.end();
    this.view.stop();
  }

  /** Watch the conversation, also after the element was moved. */
  watch() {
    this.view.rearrange();
    this.#feed.watch(this.id);
  }

  #leave() {
    this.problem.say(t("This conversation was deleted, or is not yours any more."));
    this.composer.form.inert = true;
  }

  /** Read a message of another branch. @param {Message} message */
  async #load(message) {
    try {
      this.#feed.put(await this.client.message(message.id));
    } catch (error) {
      this.problem.show(error);
    }
  }

  #drawn() {
    this.empty.hidden = !this.#thread.isEmpty;
    this.composer.show(Boolean(this.#thread.live));
  }

  // What a person does

  /** Ask what is in the box. */
  async send() {
    const content = this.composer.text;
    if (!content.trim()) return;
    if (this.#thread.live) return this.problem.say(t("Wait for the answer, or stop it first."));
    const parent = this.view.through ? this.#thread.leaf(this.view.branch)?.id : undefined;
    const isAsked = await this.#begun(async () => {
      await this.#open();
      return this.client.ask(this.id, content, { parent });
    });
    if (!isAsked) return;
    if (this.composer.text === content) this.composer.text = "";
    this.composer.box.focus();
  }

  /** @param {string} text */
  ask(text) {
    this.composer.text = text;
    return this.send();
  }

  /** Open a conversation if there is none. */
  async #open() {
    if (this.id) return;
    const { id } = await this.client.open();
    this.host.dataset.conversation = id;
    readdress(this.host.dataset.page, id);
    this.#tell("converse-open", { id });
  }

  /** Start an answer and show it. Return whether the server has taken the question. @param {() => Promise<import("../client.js").Asked>} start */
  async #begun(start) {
    if (this.#isBusy) return false;
    this.#isBusy = this.composer.send.disabled = true;
    this.problem.clear();
    try {
      const { user_message, message } = await start();
      this.view.through = null;
      // The feed may have told of them already, and more.
      for (const each of [user_message, message]) if (each && !this.#thread.messages.has(each.id)) this.#feed.put(each);
      this.view.rearrange();
      this.view.scrolling.toEnd();
      this.watch();
      return true;
    } catch (error) {
      this.problem.show(error);
      return false;
    } finally {
      this.#isBusy = this.composer.send.disabled = false;
    }
  }

  async #stop() {
    const live = this.#thread.live;
    if (!live || this.composer.stop.disabled) return;
    this.composer.stop.disabled = true;
    try {
      this.#feed.put(await this.client.cancel(live.id));
    } catch (error) {
      this.problem.show(error);
    } finally {
      this.composer.stop.disabled = false;
    }
  }

  /** @param {Event} event */
  #click(event) {
    const target = /** @type {Element} */ (event.target).closest("[data-action]");
    if (!(target instanceof HTMLElement)) return;
    const { action = "", question } = target.dataset;
    const id = /** @type {HTMLElement | null} */ (target.closest("article"))?.dataset.message;
    const message = this.#thread.messages.get(id ?? "");
    if (action === "stop") this.#stop();
    else if (action === "suggest") this.ask(question ?? target.textContent ?? "");
    else if (action === "copy-code") this.#copy(target, target.closest("figure")?.querySelector("code")?.textContent ?? "");
    else if (message) this.#act(action, message, target);
  }

  /** @param {string} action @param {Message} message @param {HTMLElement} target */
  #act(action, message, target) {
    if (action === "copy") this.#copy(target, textOf(message));
    else if (action === "edit") this.#edit(message);
    else if (action === "regenerate") this.#begun(() => this.client.regenerate(message.id));
    else if (action === "retry") this.#begun(() => this.client.retry(message.id));
    else if (action === "previous" || action === "next") this.#turn(message, action === "next" ? 1 : -1);
  }

  /** Show another version of a message, and what follows it. @param {Message} message @param {number} by */
  #turn(message, by) {
    const versions = this.#thread.versions(message);
    const other = versions[versions.indexOf(message) + by];
    if (!other) return;
    this.view.through = other.id;
    this.view.rearrange();
    requestAnimationFrame(() => {
      const article = this.view.articles.get(other.id);
      const buttons = /** @type {HTMLButtonElement[]} */ ([...(article?.foot.querySelectorAll(".versions button") ?? [])]);
      (buttons[by > 0 ? 1 : 0]?.disabled ? buttons[by > 0 ? 0 : 1] : buttons[by > 0 ? 1 : 0])?.focus();
    });
  }

  /** @param {Message} message */
  #edit(message) {
    const article = this.view.articles.get(message.id);
    if (!article || this.#thread.live) return;
    edit(article, textOf(message), async (text) => {
      if (!(await this.#begun(() => this.client.edit(message.id, text)))) throw new Error("not asked");
      this.composer.box.focus();
    });
  }

  #editLast() {
    const last = this.view.branch.findLast((message) => message.role === "user");
    if (last) this.#edit(last);
  }

  /** @param {HTMLElement} button @param {string} text */
  async #copy(button, text) {
    const isCopied = await copy(text);
    const before = [...button.childNodes];
    if (!isCopied || button.dataset.done) return;
    button.dataset.done = "true";
    button.replaceChildren(icon("done"));
    this.announcer.say(t("Copied."));
    setTimeout(() => {
      delete button.dataset.done;
      button.replaceChildren(...before);
    }, 1_500);
  }

  /** @param {string} name @param {object} detail */
  #tell(name, detail) {
    this.host.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}
