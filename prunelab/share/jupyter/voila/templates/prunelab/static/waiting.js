// A page at the door of a workshop: asks for its number in the queue, and goes on when there is a place.
(() => {
  const PAUSE = 2000; // ms between two questions; the server takes one that has not asked for 12 s for asleep
  const place = `${document.body.dataset.baseUrl?.replace(/voila\/$/, "")}place`;
  const main = /** @type {HTMLElement} */ (document.querySelector("main"));
  const number = /** @type {HTMLElement} */ (document.getElementById("number"));
  const news = /** @type {HTMLElement} */ (document.getElementById("news"));
  let goesOn = false;

  const ask = async () => {
    try {
      const answer = await fetch(place, { cache: "no-store" });
      if (answer.redirected) {
        location.reload(); // the server was started anew with another token, and asks for it
        return;
      }
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const { number: now } = await answer.json();
      if (now === 0) {
        goesOn = true;
        news.textContent = "A place is free: here it comes…";
        location.reload();
        return;
      }
      main.dataset.number = number.textContent = String(now);
      news.textContent = "";
    } catch (error) {
      console.debug("[prunelab] no answer", error);
      news.textContent = "The server does not answer. This page goes on asking.";
    }
    setTimeout(ask, PAUSE);
  };
  addEventListener("pagehide", () => {
    if (!goesOn) navigator.sendBeacon(place);
  });
  setTimeout(ask, PAUSE);
})();
