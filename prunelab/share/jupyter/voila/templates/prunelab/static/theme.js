// Says in the page's attributes, as JupyterLab does, which of the two linked themes is on. Runs before anything is drawn.
(() => {
  const wanted = new URLSearchParams(location.search).get("theme");
  const light = document.getElementById("theme-light");
  const dark = /** @type {HTMLLinkElement | null} */ (document.getElementById("theme-dark"));
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  if (wanted === "light" && light && dark) dark.media = "not all";

  const tell = () => {
    const isDark = dark !== null && matchMedia(dark.media || "all").matches;
    document.documentElement.style.colorScheme = isDark ? "dark" : "light";
    document.body.classList.toggle("theme-dark", isDark);
    document.body.classList.toggle("theme-light", !isDark);
    document.body.dataset.jpThemeLight = String(!isDark);
    document.body.dataset.jpThemeName = isDark ? "JupyterLab Dark" : "JupyterLab Light";
  };
  tell();
  scheme.addEventListener("change", tell);
})();
