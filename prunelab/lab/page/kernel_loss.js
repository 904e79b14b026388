// Why the kernel does not answer, as far as a page can tell, and how to say it.

/** @typedef {"offline" | "unreachable" | "silent" | "ended"} Cause */

const PROBE_TIMEOUT = 3000; // ms

/**
 * Asks the server about the kernel.
 * @param {import("../widgets/types").KernelConnection | null} kernel
 * @returns {Promise<Cause>}
 */
export async function causeOf(kernel) {
  if (!kernel || kernel.isDisposed || kernel.status === "dead") return "ended";
  if (!navigator.onLine) return "offline";
  const address = new URL(`api/kernels/${encodeURIComponent(kernel.id)}`, kernel.serverSettings.baseUrl);
  try {
    const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(PROBE_TIMEOUT) });
    if (answer.status === 404) return "ended";
    if (!answer.ok) return "unreachable"; // what stands between page and server (a proxy) says that it is not there
    const { execution_state: state } = await answer.json();
    return state === "dead" ? "ended" : "silent";
  } catch (error) {
    console.debug("[prunelab] the server does not answer", error);
    return navigator.onLine ? "unreachable" : "offline";
  }
}

/**
 * Asks a kernel whether it has a model: one that was restarted, while nobody has told this page, has forgotten it.
 * @param {import("../widgets/types").KernelConnection} kernel
 * @param {string} model its id
 * @returns {Promise<"known" | "forgotten" | "unanswered">}
 */
export async function memoryOf(kernel, model) {
  const nothing = new Promise((resolve) => setTimeout(() => resolve(null), PROBE_TIMEOUT));
  try {
    const reply = await Promise.race([kernel.requestCommInfo({ target_name: "jupyter.widget" }), nothing]);
    if (reply === null || reply.content.status !== "ok") return "unanswered";
    return model in reply.content.comms ? "known" : "forgotten";
  } catch (error) {
    console.debug("[prunelab] the connection broke before the kernel could answer", error);
    return "unanswered";
  }
}

export const IN_VAIN =
  "What you did while nobody answered was not carried out. All shown here is as the kernel has it.";

export const RECORD =
  "This is a record, no kernel runs behind it: the pictures show what was reached, and the controls are off. " +
  "To work with the lab, run its notebook.";

const STAYS = "The pictures stay as they were, nothing can be pressed meanwhile, and the page goes on by itself";

/**
 * What to tell the reader. served: a new page gets a new kernel; in a notebook the cell has to be run again.
 * @param {Cause} cause
 * @param {boolean} served
 */
export function words(cause, served) {
  if (cause === "offline") return `This device has no network. ${STAYS} once the network is back.`;
  if (cause === "unreachable")
    return `The server does not answer: the line is cut, or the server has ended. ${STAYS} once it answers.`;
  if (cause === "silent") return `The kernel does not answer: it is stopped, or very busy. ${STAYS} once it answers.`;
  return served
    ? "The kernel has ended, the server was started anew, or the lab was opened elsewhere meanwhile. The page opens again " +
        "with the run as it was last saved."
    : "The lab has ended: it was stopped, or its kernel has ended or was restarted. To open the lab again, run its cell.";
}
