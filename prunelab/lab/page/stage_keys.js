// Keys on the stage: F for full screen, space for the next step. Sliders take the arrows themselves.

const TAKES_KEYS = "input, select, textarea, button, [role=slider], [role=button]";

/**
 * The button of the step that comes next, undefined where it cannot be pressed, or is hidden.
 * @param {Element} root
 * @returns {HTMLButtonElement | undefined}
 */
function nextStep(root) {
  const step = root.getAttribute("data-step");
  const button = root.querySelector(`.pl-step.pl-${step} .jupyter-button.mod-primary`);
  return button instanceof HTMLButtonElement && !button.disabled && button.checkVisibility() ? button : undefined;
}

/**
 * Listens until the function that is returned is called. root: the lab on the page, null before it is there.
 * @param {() => Element | null} root
 */
export function listenToKeys(root) {
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    const lab = root();
    if (!lab?.classList.contains("pl-stage") || lab.getAttribute("data-link") === "lost") return; // nothing can be done
    if (event.defaultPrevented) return; // somebody else's key
    if (event.target instanceof HTMLElement && event.target.isContentEditable) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const within = event.target instanceof Element ? event.target.closest(TAKES_KEYS) : null;
    if (within?.matches("input:not([type=checkbox]), select, textarea")) return;
    if (event.key === "f" || event.key === "F") {
      event.preventDefault();
      if (event.repeat) return;
      // The whole document, not the lab alone: what other widgets put on the page (a list, a message) is then seen too.
      const change = document.fullscreenElement
        ? document.exitFullscreen()
        : document.documentElement.requestFullscreen();
      change.catch((error) => console.debug("[prunelab] no full screen here", error));
    } else if (event.key === " " && (!within || within.matches("[role=slider]"))) {
      event.preventDefault();
      if (!event.repeat) nextStep(lab)?.click(); // a key that is held asks for one step
    }
  };
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}
