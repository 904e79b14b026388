// The host's page: asks what the room looks like every two seconds, and shows it. All texts of visitors are text, never markup.
(() => {
  const PAUSE = 2000; // ms between two looks
  const BARS = 10; // of the chart of guesses
  const REFUSED = 403; // status: the cookie is that of a workshop before
  const ANEW = "This page is of a workshop that has ended. Open the host's address that the new one has printed.";
  const here = location.pathname.replace(/\/$/, "");
  /** @param {string} id */
  const at = (id) => /** @type {any} */ (document.getElementById(id));
  const main = /** @type {HTMLElement} */ (document.querySelector("main"));

  /** @param {number} seconds */
  const minutes = (seconds) => (seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`);
  /** @param {number} bytes */
  const megabytes = (bytes) => (bytes ? `${Math.round(bytes / 1e6)} MB` : "");

  /**
   * @param {string} wish
   * @param {string} [about]
   */
  const act = async (wish, about = "") => {
    try {
      const answer = await fetch(`${here}/do`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ do: wish, about }),
      });
      const why = answer.status === REFUSED ? ANEW : await answer.text();
      at("trouble").textContent = answer.ok ? "" : why;
    } catch (error) {
      console.debug("[prunelab] no answer", error);
      at("trouble").textContent = "The server does not answer: nothing was done. Try again when it does.";
    }
    await look();
  };

  /**
   * @typedef {{ kernel: string, number: number, doing?: string, title?: string, round?: number, accuracy?: string,
   *   kept?: number | null, here: number, rests: number, memory: number, leaving: boolean }} Lab
   * @typedef {{ places: number, taken: number, waiting: number, free_memory: number | null, load: number | null,
   *   labs: Lab[], guesses: Record<string, number[]>, link: string }} Room
   */

  /** @param {Lab} lab */
  const texts = (lab) => [
    String(lab.number),
    [lab.doing, lab.title].filter(Boolean).join(" · "),
    lab.round ? String(lab.round) : "",
    lab.accuracy ?? "",
    typeof lab.kept === "number" ? `${(100 * lab.kept).toFixed(1)} %` : "",
    minutes(lab.here),
    minutes(lab.rests),
    megabytes(lab.memory),
  ];

  /**
   * A lab's row, which stays the same as long as the lab is there: a press that lasts while news come is not lost.
   * @param {Lab} lab
   */
  const row = (lab) => {
    const line = document.createElement("tr");
    line.dataset.kernel = lab.kernel;
    const cells = texts(lab).map(() => line.appendChild(document.createElement("td")));
    const end = line.appendChild(document.createElement("td")).appendChild(document.createElement("button"));
    end.type = "button";
    end.setAttribute("aria-label", `End the lab of visitor ${lab.number}`);
    end.addEventListener("click", () => act("end", lab.kernel));
    const update = (/** @type {Lab} */ news) => {
      for (const [i, text] of texts(news).entries()) if (cells[i].textContent !== text) cells[i].textContent = text;
      const word = news.leaving ? "ending…" : "End";
      if (end.textContent !== word) end.textContent = word;
      end.disabled = news.leaving;
    };
    return { line, update };
  };

  /** @type {Map<string, ReturnType<typeof row>>} */
  const rows = new Map(); // by kernel

  /** @param {Lab[]} labs oldest first */
  const list = (labs) => {
    const there = new Set(labs.map((lab) => lab.kernel));
    for (const [kernel, { line }] of rows) {
      if (there.has(kernel)) continue;
      line.remove();
      rows.delete(kernel);
    }
    for (const lab of labs) {
      const shown = rows.get(lab.kernel) ?? row(lab);
      if (!rows.has(lab.kernel)) at("rows").append(shown.line);
      rows.set(lab.kernel, shown);
      shown.update(lab);
    }
  };

  /** @type {Record<string, string>} */
  const QUESTIONS = {
    prune: "after the cut",
    retrain: "after retraining",
    run: "after all rounds",
    live: "after all rounds",
  };

  /**
   * @param {string} action
   * @param {number[]} values in percent
   */
  const chart = (action, values) => {
    const figure = document.createElement("figure");
    const caption = figure.appendChild(document.createElement("figcaption"));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const many = values.length === 1 ? "1 guess" : `${values.length} guesses`;
    caption.textContent = `Accuracy ${QUESTIONS[action] ?? action}: ${many}, on average ${mean.toFixed(1)} %`;
    const list = figure.appendChild(document.createElement("ol"));
    const counts = Array.from({ length: BARS }, () => 0);
    for (const value of values) counts[Math.min(BARS - 1, Math.floor((value * BARS) / 100))] += 1;
    counts.forEach((count, i) => {
      const bar = list.appendChild(document.createElement("li"));
      const range = `${(100 / BARS) * i} to ${(100 / BARS) * (i + 1)} %`;
      bar.setAttribute("aria-label", `${range}: ${count}`);
      bar.appendChild(document.createElement("span")).textContent = range;
      const full = bar.appendChild(document.createElement("b"));
      full.style.width = `${(100 * count) / Math.max(...counts)}%`;
      bar.appendChild(document.createElement("i")).textContent = count ? String(count) : "";
    });
    return figure;
  };

  /** @param {Room} room */
  const show = (room) => {
    const parts = [`${room.taken} of ${room.places} places are taken`];
    if (room.waiting) parts.push(`${room.waiting} wait${room.waiting === 1 ? "s" : ""}`);
    if (room.free_memory) parts.push(`${(room.free_memory / 1e9).toFixed(1)} GB of memory free`);
    if (room.load !== null) parts.push(`processor load ${Math.round(100 * room.load)} %`);
    at("room").textContent = parts.join(" · ");
    list(room.labs);
    const guesses = Object.entries(room.guesses);
    const nothing = document.createElement("p");
    nothing.textContent = "Nothing yet: with “guess first” a lab asks before it shows a result.";
    at("guesses").replaceChildren(
      ...(guesses.length ? guesses.map(([action, values]) => chart(action, values)) : [nothing]),
    );
    at("forget").disabled = !guesses.length;
    const later = room.link
      ? `Labs that open later get it, too: ${room.link}`
      : "Labs that open later get the latest link, too; now there is none.";
    if (at("later").textContent !== later) at("later").textContent = later;
    at("unfollow").disabled = !room.link;
    at("end-all").disabled = !room.labs.length;
    main.dataset.state = "shown";
    main.dataset.labs = String(room.labs.length);
  };

  const look = async () => {
    try {
      const answer = await fetch(`${here}/state`, { cache: "no-store" });
      if (answer.status === REFUSED) {
        at("room").textContent = ANEW;
        main.dataset.state = "ended";
        return;
      }
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      show(await answer.json());
    } catch (error) {
      console.debug("[prunelab] no answer", error);
      at("room").textContent = "The server does not answer. This page goes on asking.";
      main.dataset.state = "lost";
    }
  };

  at("follow").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    void act("follow", at("link").value.trim());
  });
  at("unfollow").addEventListener("click", () => act("follow", ""));
  at("say").addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    void act("say", at("word").value.trim());
  });
  at("unsay").addEventListener("click", () => act("say", ""));
  at("forget").addEventListener("click", () => act("forget"));
  at("end-all").addEventListener("click", () => {
    if (confirm("End all labs? What was done in them is saved.")) void act("end all");
  });
  const again = async () => {
    await look();
    setTimeout(again, PAUSE);
  };
  void again();
})();
