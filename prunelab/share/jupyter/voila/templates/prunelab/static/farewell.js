// A page that is left ends its kernel. Voila's own farewell, on "beforeunload", comes only with its widget manager: a
// page that is left earlier says none, nor does a frame that is taken off its page, nor some phones. This one says what
// is missing.
(() => {
  const FAREWELL = "voila/api/shutdown/";
  const send = navigator.sendBeacon.bind(navigator);
  let said = false;
  navigator.sendBeacon = (address, data) => {
    said ||= String(address).includes(FAREWELL);
    return send(address, data);
  };
  addEventListener("pagehide", (event) => {
    const config = JSON.parse(document.getElementById("jupyter-config-data")?.textContent ?? "{}");
    if (said || event.persisted || !config.kernelId) return;
    const form = new FormData();
    form.append("_xsrf", document.cookie.match(/\b_xsrf=([^;]*)/)?.[1] ?? "");
    navigator.sendBeacon(`${config.baseUrl}${FAREWELL}${config.kernelId}`, form);
  });
})();
