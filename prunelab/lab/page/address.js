// The query of the page's address follows what is on the page, so that a reload or a bookmark brings it back. What others have
// put into the address (theme, token, session, a campaign) stays there as it is.

const REST = 300; // ms without a change before the address is written: browsers refuse to write it often

/**
 * The query of an address with ours in place of what it said of us. Parts of others are not decoded and written anew.
 * @param {string} search of the address, with or without the question mark
 * @param {string} query ours, without it
 * @param {string[]} keys ours; those of layers, "quality.fc1", come in addition
 */
function searchWith(search, query, keys) {
  const isOurs = (/** @type {string} */ part) => {
    const [key] = new URLSearchParams(part).keys();
    return key === undefined || keys.includes(key) || key.startsWith("quality.");
  };
  const others = search.replace(/^\?/, "").split("&");
  const parts = [query, ...others.filter((part) => !isOurs(part))].filter(Boolean);
  return parts.length ? `?${parts.join("&")}` : "";
}

/**
 * Writes the model's `query` into the address once it rests; null leaves the address alone.
 * @param {import("../widgets/types").Model} model
 */
export function keepAddress(model) {
  /** @type {number | undefined} */
  let timer;
  const writeAddress = () => {
    const search = searchWith(location.search, model.get("query"), model.get("query_keys"));
    if (search !== location.search) {
      history.replaceState(history.state, "", `${location.pathname}${search}${location.hash}`);
    }
  };
  const follow = () => {
    clearTimeout(timer);
    if (model.get("query") !== null) timer = setTimeout(writeAddress, REST);
  };
  model.on("change:query", follow);
  follow();
  return () => {
    clearTimeout(timer);
    model.off("change:query", follow);
  };
}
