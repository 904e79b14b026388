// Whether the kernel answers. Every view of the lab asks for a sign of life (status.py answers without waiting for the run) and
// knows within 5 seconds that none comes. Then the page says why as far as can be told, keeps its pictures, and nothing on it
// can be pressed: what cannot be done now must not be done later by surprise. It goes on by itself when the kernel answers.
//
// Only time during which the page itself ran counts as waiting, so that a machine that wakes up raises no alarm.

import { element, write } from "../widgets/dom.js";
import { causeOf, IN_VAIN, memoryOf, RECORD, words } from "./kernel_loss.js";
import { dropUnsent, freeModels, leaveSubshells } from "./kernel_return.js";

const TICK = 250; // ms between two looks at the state
const ASK_EVERY = 750; // ms from an answer to the next question
const SLOW = 1750; // ms from an answer to the next one that are long
const PATIENCE = 3250; // ms that the kernel may be silent; more than LATE in late_messages.py
const FIRST_PATIENCE = 20000; // ms until the first answer: the kernel may still be running the cell that made the lab
const RECONNECTING = 1000; // ms that the websocket may take to connect again without an alarm
const BACKOFF = [500, 1000, 2000, 4000, 8000]; // ms between attempts while the kernel is lost; the last one repeats
const RENEW_EVERY = 20000; // ms between two new websockets while the server answers and the kernel does not
const LEAVING = 2000; // ms without alarms after the page has begun to close, which may be called off
const RESTORING = 8000; // ms that ipywidgets may take for it: it waits 4 seconds for an answer itself
const REOPEN_AFTER = 3000; // ms to read that the kernel has ended, before the page opens again
const REOPENED = "prunelab-reopened"; // in sessionStorage: when the page last opened itself again
const REOPEN_EVERY = 30000; // ms: a page that opened itself again sooner than this asks for a press instead

/**
 * Whether the page may open itself again, which is remembered. Where the browser forbids that, or has no room for it,
 * it asks for a press instead: it could not know how often it has done so.
 */
function mayReopen() {
  try {
    if (Date.now() - Number(sessionStorage.getItem(REOPENED) ?? 0) <= REOPEN_EVERY) return false;
    sessionStorage.setItem(REOPENED, String(Date.now()));
    return true;
  } catch {
    return false;
  }
}

/** Watches the kernel for one view of the status widget. */
class KernelWatch {
  /**
   * @param {import("../widgets/types").Model} model
   * @param {HTMLElement} el the status view; the banner is put at its end
   */
  constructor(model, el) {
    const bytes = crypto.getRandomValues(new Uint8Array(8));
    this.view = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    this.model = model;
    this.el = el;
    this.kernel = model.widget_manager.kernel ?? null;
    this.served = document.body.dataset.voila !== undefined; // by Voila: a new page gets a new kernel
    this.banner = element("div", "pl-link", el);
    this.banner.setAttribute("role", "alert");
    this.banner.popover = "manual"; // on top of the window: what scrolls has "contain", and takes along what is fixed
    this.text = element("span", "", this.banner);
    this.reopenButton = element("button", "jupyter-button", this.banner);
    this.reopenButton.type = "button";
    this.reopenButton.textContent = "Open again";
    this.reopenButton.addEventListener("click", () => location.reload());

    this.state = /** @type {"waiting" | "alive" | "lost"} */ ("waiting");
    this.cause = /** @type {import("./kernel_loss").Cause | ""} */ ("");
    this.question = 0; // number of the latest question
    this.open = false; // whether it is unanswered
    this.silent = 0; // ms since the latest answer, whenever a question was asked since
    this.apart = 0; // ms without a connected websocket
    this.looked = performance.now(); // time of the latest tick
    this.left = -Infinity; // time at which the page began to close
    this.heard = /** @type {number | null} */ (null); // time of the latest answer, by the kernel's clock
    this.latest = -Infinity; // time of the latest answer
    this.settling = 0; // the question whose answer says that the kernel is done with late messages; 0: not asked yet
    this.answeredAt = Infinity; // time of that answer
    this.losses = 0; // how often the kernel was lost; by this it knows which late messages to drop (late_messages.py)
    this.vain = 0; // messages that were dropped since
    this.gone = false; // whether the lab has ended, or its comm is closed: it will not come back
    this.attempts = 0; // to reach the kernel, since it was lost
    this.attemptAt = 0; // time of the next one
    this.renewedAt = -Infinity; // time of the latest new websocket
    this.focused = /** @type {Element | null} */ (null); // what had the focus when the kernel was lost
  }

  start() {
    this.hear = this.hear.bind(this);
    this.connectionChanged = this.connectionChanged.bind(this);
    this.statusChanged = this.statusChanged.bind(this);
    this.model.on("msg:custom", this.hear);
    this.kernel?.connectionStatusChanged?.connect(this.connectionChanged);
    this.kernel?.statusChanged?.connect(this.statusChanged);
    this.show();
    this.ask();
    const timer = setInterval(() => this.tick(), TICK);
    const leave = () => {
      this.left = performance.now();
    };
    const gone = () => {
      leave();
      this.send({ kind: "gone", view: this.view });
    };
    const back = (/** @type {PageTransitionEvent} */ event) => {
      // Voila ends the kernel of a page that is left: a page that the browser has kept is a picture only.
      if (event.persisted && this.served) location.reload();
      else this.ask();
    };
    addEventListener("beforeunload", leave, true);
    addEventListener("pagehide", gone);
    addEventListener("pageshow", back);
    return () => {
      clearInterval(timer);
      removeEventListener("beforeunload", leave, true);
      removeEventListener("pagehide", gone);
      removeEventListener("pageshow", back);
      this.model.off("msg:custom", this.hear);
      this.kernel?.connectionStatusChanged?.disconnect(this.connectionChanged);
      this.kernel?.statusChanged?.disconnect(this.statusChanged);
      this.send({ kind: "gone", view: this.view });
    };
  }

  /**
   * Sends a message to the kernel, unless it would have to wait for a connection.
   * @param {object} content
   */
  send(content) {
    if (!this.connected) return;
    try {
      this.model.send(content);
    } catch (error) {
      // The comm is closed: the kernel has ended, or was restarted without the lab.
      console.debug("[prunelab] the kernel does not listen", error);
      this.gone = true;
    }
  }

  get connected() {
    return (this.kernel?.connectionStatus ?? "connected") === "connected";
  }

  get answers() {
    return performance.now() - this.latest < PATIENCE;
  }

  ask() {
    this.question += 1;
    this.open = true;
    const { view, question, heard, losses } = this;
    this.send({ kind: "here", view, question, heard, losses });
  }

  /**
   * @param {{ view?: string, answer?: number, at?: number, call?: boolean, dropped?: number, go?: string, ended?: boolean }} message
   */
  hear(message) {
    // The host of a workshop has ended this lab: the page there says why, and leads back here.
    if (message.go) location.assign(`${message.go}&back=${encodeURIComponent(location.pathname + location.search)}`);
    if (message.call) this.ask(); // the kernel wants to know whether any page is there
    if (message.dropped) {
      // What controls show is not what the kernel knows: they get their states anew.
      void this.model.widget_manager.restoreWidgets?.();
      this.tellVain(message.dropped);
    }
    if (message.view !== this.view) return;
    // The kernel lives, and the lab in it has ended: another page has taken it over while this one was not to be reached.
    if (message.ended) this.gone = true;
    if (typeof message.answer !== "number") return;
    const slow = this.silent > SLOW;
    this.heard = message.at ?? null;
    this.open = false;
    this.silent = 0;
    this.latest = performance.now();
    if (this.state === "waiting") this.found();
    else if (this.state === "lost") this.settle(message.answer);
    else if (slow) this.ask(); // the kernel may hold back what it took for late
  }

  /**
   * The kernel answers again. Nothing can be pressed until the controls show what it knows: a state that comes from there
   * would undo the press.
   * @param {number} answer the question that it has answered
   */
  settle(answer) {
    if (!this.settling) {
      this.ask(); // says how often the kernel was lost; what it drops for that, it tells before it answers
      this.settling = this.question;
    } else if (answer >= this.settling) {
      this.answeredAt = Math.min(this.answeredAt, performance.now());
      this.foundIfRestored();
    }
  }

  foundIfRestored() {
    const waited = performance.now() - this.answeredAt;
    if (waited > RESTORING || (waited >= 0 && !this.model.widget_manager._kernelRestoreInProgress)) this.found();
  }

  /**
   * Says that something was not carried out, until the reader goes on.
   * @param {number} count messages that were dropped
   */
  tellVain(count) {
    if (!count) return;
    this.vain += count;
    this.show();
    const seen = () => {
      if (this.state !== "alive") return; // not read yet, perhaps
      this.vain = 0;
      this.show();
      removeEventListener("pointerdown", seen, true);
      removeEventListener("keydown", seen, true);
    };
    addEventListener("pointerdown", seen, true);
    addEventListener("keydown", seen, true);
  }

  /**
   * Called by the kernel connection whenever its websocket has connected or is lost.
   * @param {unknown} _
   * @param {string} status
   */
  connectionChanged(_, status) {
    if (status !== "connected") return;
    // Before the connection sends what it has kept: pressed while nobody answered. ipywidgets then gets all states anew.
    const lost = this.state === "lost";
    if (lost) this.tellVain(dropUnsent(this.kernel));
    freeModels(this.model.widget_manager, lost);
    this.ask();
  }

  /**
   * Called by the kernel connection whenever the kernel says what it does.
   * @param {unknown} _
   * @param {string} status
   */
  statusChanged(_, status) {
    if (["starting", "restarting", "autorestarting"].includes(status)) leaveSubshells(this.model.widget_manager);
  }

  tick() {
    const now = performance.now();
    const passed = Math.min(now - this.looked, 4 * TICK); // of a longer gap the page knows nothing: it slept
    this.looked = now;
    if (now - this.left < LEAVING) return;
    this.apart = this.connected ? 0 : this.apart + passed;
    if (this.state === "lost") {
      this.foundIfRestored();
      if (this.state !== "lost") return;
      if (!this.connected) this.tellVain(dropUnsent(this.kernel));
      if (now >= this.attemptAt && !this.answers) void this.attempt();
      return;
    }
    this.silent += passed;
    const patience = this.state === "waiting" ? FIRST_PATIENCE : PATIENCE;
    if (this.gone || this.silent > patience || (this.state === "alive" && this.apart > RECONNECTING)) this.lose();
    else if (!this.open && this.silent >= ASK_EVERY) this.ask();
  }

  lose() {
    this.state = "lost";
    this.latest = -Infinity;
    this.attempts = 0;
    this.losses += 1;
    this.settling = 0;
    this.answeredAt = Infinity;
    this.focused = document.activeElement;
    this.tellVain(dropUnsent(this.kernel));
    this.cause = this.gone ? "ended" : navigator.onLine ? (this.connected ? "silent" : "unreachable") : "offline";
    this.show();
    void this.attempt();
  }

  /** Finds out why nobody answers, and does what may help. */
  async attempt() {
    const now = performance.now();
    this.attemptAt = Infinity; // one at a time
    const before = this.cause;
    let cause = this.gone ? "ended" : await causeOf(this.kernel);
    if (cause === "silent" && this.kernel && this.connected) {
      this.gone = (await memoryOf(this.kernel, this.model.get("own_id"))) === "forgotten";
      if (this.gone) {
        cause = "ended";
        leaveSubshells(this.model.widget_manager);
      }
    }
    if (this.state !== "lost") return;
    if (this.answers) {
      this.attemptAt = performance.now() + PATIENCE;
      return;
    }
    this.attempts += 1;
    this.attemptAt = performance.now() + (BACKOFF[Math.min(this.attempts, BACKOFF.length) - 1] ?? 0);
    this.cause = cause;
    this.show();
    if (cause === "silent") {
      const wasCut = before === "unreachable" || before === "offline";
      if ((!this.connected && (wasCut || this.apart > RENEW_EVERY)) || (wasCut && this.connected)) this.renew(now);
      else if (now - this.renewedAt > RENEW_EVERY && this.attempts > BACKOFF.length) this.renew(now);
      else this.ask();
    } else if (cause === "ended" && this.served) {
      if (mayReopen()) {
        this.attemptAt = Infinity;
        setTimeout(() => location.reload(), REOPEN_AFTER); // a new kernel takes up what was saved
      }
    }
  }

  /**
   * Connects anew: the old websocket may be dead without knowing it.
   * @param {number} now
   */
  renew(now) {
    this.renewedAt = now;
    this.kernel?.reconnect?.().catch((error) => console.debug("[prunelab] not connected yet", error));
  }

  found() {
    const wasLost = this.state === "lost";
    this.state = "alive";
    this.cause = "";
    this.apart = 0;
    this.show();
    if (wasLost && this.focused instanceof HTMLElement && document.activeElement === document.body)
      this.focused.focus({ preventScroll: true });
  }

  /** Shows the state: on the root, in the banner, and in what can be used. */
  show() {
    const lost = this.state === "lost";
    const root = /** @type {HTMLElement | null} */ (this.el.closest(".prunelab"));
    if (root) {
      root.dataset.link = this.state;
      if (this.cause) root.dataset.linkCause = this.cause;
      else delete root.dataset.linkCause;
      for (const child of root.children) {
        if (!child.contains(this.el) && child instanceof HTMLElement) child.inert = lost;
      }
    }
    this.reopenButton.hidden = !(this.cause === "ended" && this.served);
    const vain = this.vain ? IN_VAIN : "";
    write(this.text, this.cause ? words(this.cause, this.served) : vain);
    if (this.banner.isConnected) this.banner.togglePopover(lost || vain !== "");
  }
}

/**
 * Says that the page is a record, and turns off all that would need a kernel; pictures can still be looked at.
 * @param {HTMLElement} el
 */
function showRecord(el) {
  const banner = element("div", "pl-link", el);
  banner.setAttribute("role", "status");
  element("span", "", banner).textContent = RECORD;
  const show = () => {
    const root = /** @type {HTMLElement | null} */ (el.closest(".prunelab"));
    if (!root) return;
    root.dataset.link = "record";
    for (const child of root.children) {
      if (!(child instanceof HTMLElement) || child.contains(el)) continue;
      if (!child.classList.contains("pl-body")) child.inert = true;
    }
    for (const side of root.querySelectorAll(".pl-side")) if (side instanceof HTMLElement) side.inert = true;
  };
  show();
  return { show, stop: () => banner.remove() };
}

/**
 * Watches the kernel for a view of the status widget until the function that it returns is called. A page without a kernel (a
 * notebook saved as HTML, or opened again on another day) is a record.
 * @param {import("../widgets/types").Model} model
 * @param {HTMLElement} el
 */
export function watchKernel(model, el) {
  if (!model.widget_manager.kernel) return showRecord(el);
  const watch = new KernelWatch(model, el);
  return { show: () => watch.show(), stop: watch.start() };
}
