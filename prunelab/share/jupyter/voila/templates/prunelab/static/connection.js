// What goes wrong between page and server before there is a lab to say so. Runs before Voila's own scripts.
//
// A page whose websocket is refused would say "Loading widget..." for ever: some proxies let no websocket through, others
// rewrite the Host header, so that the server takes the page for a stranger's. HTTP works in both cases, so the page is there.
(() => {
  // A token in the address has done its work (it is in a cookie now), and should be in no bookmark and on no projector.
  const query = location.search.slice(1).split("&");
  const kept = query.filter((part) => !/^token(=|$)/.test(part));
  if (kept.length < query.length) {
    const search = kept.length ? `?${kept.join("&")}` : "";
    history.replaceState(history.state, "", `${location.pathname}${search}${location.hash}`);
  }

  const PATIENCE = 10000; // ms from the first refused websocket until the page says so
  const Native = window.WebSocket;
  let opened = false;
  let watching = false;

  const words = document.createElement("section");
  words.className = "prunelab-failure";
  words.setAttribute("role", "alert");
  const heading = document.createElement("h2");
  heading.textContent = "This page cannot connect to its kernel";
  const reason = document.createElement("p");
  reason.textContent =
    "The page came, but its websocket is refused: a proxy or firewall between this browser and the server lets no websocket " +
    "through, or passes on another Host than the one in the address. Try another network, or ask whoever runs the server " +
    "or the proxy; then reload the page.";
  words.append(heading, reason);

  const tell = () => {
    watching = false;
    if (opened) return;
    document.getElementById("loading")?.remove();
    document.querySelector("main")?.before(words);
  };

  window.WebSocket = class extends Native {
    /**
     * @param {string | URL} url
     * @param {string | string[]} [protocols]
     */
    constructor(url, protocols) {
      super(url, protocols);
      this.addEventListener("open", () => {
        opened = true;
        words.remove();
      });
      this.addEventListener("close", () => {
        if (opened || watching || words.isConnected) return;
        watching = true;
        setTimeout(tell, PATIENCE);
      });
    }
  };
})();
